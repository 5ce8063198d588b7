//! The template's `!Ref`, `!GetAtt`, `!Sub` and `!If`, resolved to local names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use serde_norway::Value as Yaml;

use super::TemplateError;

/// The account number in local ARNs and queue addresses.
pub const LOCAL_ACCOUNT: &str = "000000000000";
/// The region in local ARNs.
pub const LOCAL_REGION: &str = "local";

/// The ARN of a local queue.
#[must_use]
pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{LOCAL_REGION}:{LOCAL_ACCOUNT}:{name}")
}

/// The ARN of a local table's stream.
#[must_use]
pub fn stream_arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{LOCAL_REGION}:{LOCAL_ACCOUNT}:table/{table}/stream/local")
}

/// The address by which the in-process client names a local queue; only its last part counts.
#[must_use]
pub fn queue_url(name: &str) -> String {
    format!("http://queue.localhost/{LOCAL_ACCOUNT}/{name}")
}

/// The template as plain JSON: every intrinsic replaced by what it means on one machine.
pub(super) fn resolve_document(document: &Yaml) -> Result<Value, TemplateError> {
    let mut resolver = Resolver::of(document);
    resolver.read_conditions(document)?;
    resolver.resolve(document)
}

struct Resolver {
    parameters: BTreeMap<String, Value>,
    kinds: BTreeMap<String, String>,
    conditions: BTreeMap<String, bool>,
}

impl Resolver {
    fn of(document: &Yaml) -> Self {
        let section = |name: &str| {
            document
                .get(name)
                .and_then(Yaml::as_mapping)
                .into_iter()
                .flatten()
                .filter_map(|(k, v)| Some((k.as_str()?, v)))
        };
        let default = |parameter: &Yaml| match parameter.get("Default") {
            Some(Yaml::Number(n)) => Value::String(n.to_string()),
            Some(Yaml::String(s)) => Value::String(s.clone()),
            _ => Value::String(String::new()),
        };
        let kind = |resource: &Yaml| resource.get("Type").and_then(Yaml::as_str).unwrap_or_default().to_owned();
        Self {
            parameters: section("Parameters").map(|(name, p)| (name.to_owned(), default(p))).collect(),
            kinds: section("Resources").map(|(name, r)| (name.to_owned(), kind(r))).collect(),
            conditions: BTreeMap::new(),
        }
    }

    fn read_conditions(&mut self, document: &Yaml) -> Result<(), TemplateError> {
        let Some(section) = document.get("Conditions").and_then(Yaml::as_mapping) else {
            return Ok(());
        };
        for (name, condition) in section {
            let holds = self.resolve(condition)?.as_bool().unwrap_or(false);
            self.conditions.insert(name.as_str().unwrap_or_default().to_owned(), holds);
        }
        Ok(())
    }

    fn resolve(&self, value: &Yaml) -> Result<Value, TemplateError> {
        Ok(match value {
            Yaml::Null => Value::Null,
            Yaml::Bool(b) => Value::Bool(*b),
            Yaml::Number(n) => serde_json::to_value(n).unwrap_or(Value::Null),
            Yaml::String(s) => Value::String(s.clone()),
            Yaml::Sequence(items) => Value::Array(items.iter().map(|i| self.resolve(i)).collect::<Result<_, _>>()?),
            Yaml::Mapping(entries) => {
                let mut object = Map::new();
                for (key, entry) in entries {
                    object.insert(key.as_str().unwrap_or_default().to_owned(), self.resolve(entry)?);
                }
                Value::Object(object)
            }
            Yaml::Tagged(tagged) => self.intrinsic(&tagged.tag.to_string(), &tagged.value)?,
        })
    }

    fn intrinsic(&self, tag: &str, argument: &Yaml) -> Result<Value, TemplateError> {
        let argument = self.resolve(argument)?;
        let parts = argument.as_array().map(Vec::as_slice);
        match (tag.trim_start_matches('!'), parts, argument.as_str()) {
            ("Ref", _, Some(name)) => self.reference(name),
            ("GetAtt", _, Some(path)) => {
                let (name, attribute) = path.split_once('.').unwrap_or((path, ""));
                self.attribute(name, attribute)
            }
            ("Sub", _, Some(text)) => self.substitute(text),
            ("Equals", Some([left, right]), _) => Ok(Value::Bool(left == right)),
            ("Not", Some([condition]), _) => Ok(Value::Bool(condition == &Value::Bool(false))),
            ("If", Some([condition, yes, no]), _) => {
                let holds = condition.as_str().and_then(|c| self.conditions.get(c)).copied().unwrap_or(false);
                Ok(if holds { yes.clone() } else { no.clone() })
            }
            (tag, ..) => Err(TemplateError(format!("!{tag} is used in a way that the local host does not understand"))),
        }
    }

    fn reference(&self, name: &str) -> Result<Value, TemplateError> {
        let pseudo = match name {
            "AWS::Region" => LOCAL_REGION,
            "AWS::AccountId" => LOCAL_ACCOUNT,
            "AWS::Partition" => "aws",
            "AWS::URLSuffix" => "localhost",
            "AWS::StackName" => "huitou",
            "AWS::NoValue" => return Ok(Value::Null),
            _ => "",
        };
        if !pseudo.is_empty() {
            return Ok(Value::String(pseudo.to_owned()));
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        match self.kinds.get(name).map(String::as_str) {
            Some("AWS::SQS::Queue") => Ok(Value::String(queue_url(name))),
            Some(_) => Ok(Value::String(name.to_owned())),
            None => Err(TemplateError(format!("{name} is referred to, but neither a parameter nor a resource"))),
        }
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<Value, TemplateError> {
        let kind = self.kinds.get(name).map(String::as_str);
        let text = match (kind, attribute) {
            (None, _) => {
                return Err(TemplateError(format!("{name}.{attribute} is referred to, but no resource")));
            }
            (Some("AWS::SQS::Queue"), "Arn") => queue_arn(name),
            (Some("AWS::DynamoDB::Table"), "StreamArn") => stream_arn(name),
            (Some(_), "Arn") => format!("arn:aws:local:{LOCAL_REGION}:{LOCAL_ACCOUNT}:{name}"),
            (Some(_), _) => name.to_owned(),
        };
        Ok(Value::String(text))
    }

    /// Replaces every `${Name}` and `${Name.Attribute}`; a name that starts with `!` stays as it is written.
    fn substitute(&self, text: &str) -> Result<Value, TemplateError> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, tail)) = after.split_once('}') else {
                break;
            };
            out.push_str(before);
            let value = match (name.strip_prefix('!'), name.split_once('.')) {
                (Some(literal), _) => Value::String(format!("${{{literal}}}")),
                (None, Some((resource, attribute))) => self.attribute(resource, attribute)?,
                (None, None) => self.reference(name)?,
            };
            out.push_str(value.as_str().unwrap_or_default());
            rest = tail;
        }
        out.push_str(rest);
        Ok(Value::String(out))
    }
}
