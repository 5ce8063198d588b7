//! Objects are written as objects: a list of their values does not stand for them.
//!
//! A derived reader also takes what has fields from a list, value by value. A client that came to rely on it would book
//! something else on the day on which a field is added in between. So requests are read through [`Objects`], which hands
//! everything on to the format and, at any depth, keeps a list from being read as an object. No type has to remember
//! anything.
//!
//! Out of its sight is what serde reads into a buffer of its own before it knows the type: `flatten`, `untagged`, and
//! enums with their `tag` among the fields. Requests do without them.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// A deserializer that reads objects from objects only; and, because a reader goes on inside, each visitor, seed and way
/// into a list, map or enum that it passes on. Allocates nothing.
pub(super) struct Objects<T>(pub(super) T);

/// The visitor of something with fields: it is visited by an object's fields or not at all.
struct Fields<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Fields<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Objects(map))
    }
}

/// The visitor of one of several things: its name, or an object of its name and what belongs to it.
///
/// `serde_json`'s own way in takes anything else for broken JSON, and so does not say where it is.
struct OneOf<V>(V, &'static [&'static str]);

impl<'de, V: Visitor<'de>> Visitor<'de> for OneOf<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.1.join(", "))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(StrDeserializer::new(name))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<V::Value, A::Error> {
        let value = self.0.visit_enum(Objects(MapAccessDeserializer::new(&mut map)))?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom(format_args!("expected only one of {}", self.1.join(", ")))),
        }
    }
}

/// What has no objects inside is read by the visitor that came along.
macro_rules! plain {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(visitor)
        }
    )*};
}

/// What may have objects inside is watched.
macro_rules! watched {
    ($($method:ident($($name:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* Objects(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    plain! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_identifier deserialize_ignored_any
    }

    watched! {
        deserialize_any()
        deserialize_option()
        deserialize_seq()
        deserialize_map()
        deserialize_tuple(length: usize)
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple_struct(name: &'static str, length: usize)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Fields(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(OneOf(visitor, names))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A value without parts goes to the visitor as it is.
macro_rules! values {
    ($($method:ident($kind:ty))*) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Objects<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    values! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128) visit_u8(u8)
        visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128) visit_f32(f32) visit_f64(f64) visit_char(char)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String) visit_bytes(&[u8])
        visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Objects(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Objects(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Objects(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Objects(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, choice: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Objects(choice))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Objects<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Objects(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Objects<A> {
    type Error = A::Error;

    /// A key is a text, never an object.
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Objects<A> {
    type Error = A::Error;
    type Variant = Objects<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(name, variant)| (name, Objects(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Objects(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, Objects(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Fields(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    use super::*;

    /// Every way in which a type can have an object inside.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Tree {
        Leaf,
        Bud(Bud),
        Graft(u8, Box<Tree>),
        Fork { left: Option<Box<Tree>>, right: Vec<Tree> },
        Named(BTreeMap<String, Tree>),
        Sealed(Sealed),
    }

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bud {
        age: u8,
        place: (i8, Option<bool>),
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Sealed(Box<Tree>);

    fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, serde_json::Error> {
        T::deserialize(Objects(&mut serde_json::Deserializer::from_str(text)))
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let bud = any::<(u8, i8, Option<bool>)>().prop_map(|(age, x, y)| Tree::Bud(Bud { age, place: (x, y) }));
        prop_oneof![Just(Tree::Leaf), bud].prop_recursive(5, 24, 3, |inner| {
            let some = prop::collection::vec(inner.clone(), 0..3);
            prop_oneof![
                (any::<u8>(), inner.clone()).prop_map(|(n, tree)| Tree::Graft(n, Box::new(tree))),
                (prop::option::of(inner.clone()), some)
                    .prop_map(|(left, right)| Tree::Fork { left: left.map(Box::new), right }),
                prop::collection::btree_map("[a-z]{0,3}", inner.clone(), 0..3).prop_map(Tree::Named),
                inner.prop_map(|tree| Tree::Sealed(Sealed(Box::new(tree)))),
            ]
        })
    }

    /// The same document once for every object in it, with a list of the object's values in its place.
    fn with_one_list(document: &Value) -> Vec<Value> {
        let parts: Vec<(Value, Vec<Value>)> = match document {
            Value::Object(fields) => fields.iter().map(|(key, part)| (json!(key), with_one_list(part))).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(n, part)| (json!(n), with_one_list(part))).collect(),
            _ => Vec::new(),
        };
        let mut all: Vec<Value> =
            document.as_object().into_iter().map(|object| object.values().cloned().collect()).collect();
        for (place, others) in parts {
            for other in others {
                let mut changed = document.clone();
                match place.as_str() {
                    Some(key) => changed[key] = other,
                    None => changed[usize::try_from(place.as_u64().unwrap()).unwrap()] = other,
                }
                all.push(changed);
            }
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(20_261_122), ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read_and_a_list_stands_for_no_object(tree in tree()) {
            let written = json!(tree);
            prop_assert_eq!(read::<Tree>(&written.to_string()).unwrap(), tree);
            prop_assert_eq!(&read::<Value>(&written.to_string()).unwrap(), &written);
            for changed in with_one_list(&written) {
                prop_assert!(read::<Tree>(&changed.to_string()).is_err(), "{}", changed);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_words_of_the_body() {
        let bud = |text: &str| read::<Bud>(text).unwrap_err().to_string();
        assert_eq!(bud("[1,[2,null]]"), "invalid type: sequence, expected an object at line 1 column 1");
        assert_eq!(bud("7"), "invalid type: integer `7`, expected an object at line 1 column 1");
        assert!(bud(r#"{"age":1,"place":[2,null],"age":1}"#).starts_with("duplicate field `age`"));
        assert!(bud(r#"{"age":1,"place":[2,null],"size":1}"#).starts_with("unknown field `size`"));
        assert!(bud(r#"{"age":1}"#).starts_with("missing field `place`"));

        let tree = |text: &str| read::<Tree>(text).unwrap_err();
        let names = "leaf, bud, graft, fork, named, sealed";
        for other in ["[\"leaf\"]", "7", "null", "[{}]"] {
            let refusal = tree(other);
            assert!(refusal.to_string().contains(&format!("expected one of {names}")), "{refusal}");
            assert!(refusal.is_data(), "{other} is JSON");
        }
        assert!(tree(r#""moss""#).to_string().starts_with("unknown variant `moss`"));
        assert!(tree(r#"{"moss":1}"#).to_string().starts_with("unknown variant `moss`"));
        let two = tree(r#"{"leaf":null,"sealed":"leaf"}"#).to_string();
        assert!(two.starts_with(&format!("expected only one of {names}")), "{two}");
    }
}
