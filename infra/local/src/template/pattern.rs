//! Filters of event sources: which records a function is woken for.

use serde_json::Value;

use super::TemplateError;

/// A filter of an event source: an object in the shape of a record, with a list of what may stand at each place.
///
/// Of AWS's comparisons those are known that the template uses: a text that is there, and `anything-but` of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Place>);

/// One place of a record, and what may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    path: Vec<String>,
    accepted: Vec<Accepted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Accepted {
    Text(String),
    AnythingBut(Vec<String>),
}

impl Pattern {
    /// Reads a pattern's JSON.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let unknown = || TemplateError(format!("the filter {text} is more than the local host understands"));
        let pattern: Value = serde_json::from_str(text).map_err(|_| unknown())?;
        let mut places = Vec::new();
        collect(&pattern, &mut Vec::new(), &mut places).ok_or_else(unknown)?;
        Ok(Self(places))
    }

    /// Whether a record is let through.
    #[must_use]
    pub fn matches(&self, record: &Value) -> bool {
        self.0.iter().all(|place| {
            let there = place.path.iter().try_fold(record, |value, name| value.get(name)).and_then(Value::as_str);
            there.is_some_and(|there| {
                place.accepted.iter().any(|accepted| match accepted {
                    Accepted::Text(text) => text == there,
                    Accepted::AnythingBut(texts) => texts.iter().all(|text| text != there),
                })
            })
        })
    }
}

/// Adds every place of the pattern; none when a part of it is not understood.
fn collect(pattern: &Value, path: &mut Vec<String>, places: &mut Vec<Place>) -> Option<()> {
    match pattern {
        Value::Object(fields) => {
            for (name, inner) in fields {
                path.push(name.clone());
                collect(inner, path, places)?;
                path.pop();
            }
        }
        Value::Array(accepted) => {
            let accepted = accepted.iter().map(accept).collect::<Option<Vec<_>>>()?;
            places.push(Place { path: path.clone(), accepted });
        }
        _ => return None,
    }
    Some(())
}

fn accept(value: &Value) -> Option<Accepted> {
    match value {
        Value::String(text) => Some(Accepted::Text(text.clone())),
        Value::Object(comparison) if comparison.len() == 1 => {
            let texts = comparison.get("anything-but")?.as_array()?.iter();
            texts.map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>().map(Accepted::AnythingBut)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_passes_when_every_place_holds_something_that_is_accepted() {
        let pattern = r#"{"kind":["a","b"],"in":{"side":[{"anything-but":["x","y"]}]}}"#;
        let pattern = Pattern::parse(pattern).unwrap();
        assert!(pattern.matches(&json!({ "kind": "b", "in": { "side": "z" } })));
        for other in [
            json!({ "kind": "c", "in": { "side": "z" } }),
            json!({ "kind": "a", "in": { "side": "y" } }),
            json!({ "kind": "a", "in": {} }),
            json!({ "in": { "side": "z" } }),
        ] {
            assert!(!pattern.matches(&other), "{other}");
        }
    }

    #[test]
    fn a_comparison_that_is_not_known_is_said_in_a_sentence() {
        for pattern in [r#"{"n":[{"numeric":[">",1]}]}"#, r#"{"n":[1]}"#, r#"{"n":"a"}"#, "[", r#"{"n":[{}]}"#] {
            let error = Pattern::parse(pattern).unwrap_err().to_string();
            assert!(error.contains("more than the local host understands"), "{error}");
        }
    }
}
