//! The MD5 sums that SQS sends back, by which a client sees that its message arrived whole.

use super::store::{Attribute, Attributes};

/// The sum of a message's body.
pub(super) fn of_body(body: &str) -> String {
    format!("{:x}", md5::compute(body))
}

/// The sum of a message's attributes: names in order, each part with its length before it; `None` without any.
pub(super) fn of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for (name, Attribute { data_type, string, binary }) in attributes {
        push(&mut bytes, name.as_bytes());
        push(&mut bytes, data_type.as_bytes());
        let (kind, value) = match binary {
            Some(binary) => (2, binary.as_slice()),
            None => (1, string.as_deref().unwrap_or_default().as_bytes()),
        };
        bytes.push(kind);
        push(&mut bytes, value);
    }
    Some(format!("{:x}", md5::compute(bytes)))
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_sum_is_plain_md5() {
        assert_eq!(of_body("hello"), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn a_message_without_attributes_has_no_attribute_sum() {
        assert_eq!(of_attributes(&Attributes::new()), None);
    }

    #[test]
    fn the_attribute_sum_is_taken_over_lengths_and_parts_in_the_order_of_names() {
        // Expected value: botocore's documented algorithm, run by hand on the one attribute k: String = v.
        let one = Attribute { data_type: "String".to_owned(), string: Some("v".to_owned()), binary: None };
        let expected = md5::compute(b"\0\0\0\x01k\0\0\0\x06String\x01\0\0\0\x01v");
        assert_eq!(of_attributes(&[("k".to_owned(), one)].into()), Some(format!("{expected:x}")));
    }
}
