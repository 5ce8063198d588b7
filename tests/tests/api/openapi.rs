//! The description of the API: what it must say of every operation, and the snapshot that clients are built from.
//!
//! After a change on purpose: read the difference, then `UPDATE_OPENAPI=1 cargo test -p tests --test api openapi`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use huitou::manners::access::{ACCESS, Allowed, allowed};
use serde_json::Value;

fn document() -> Value {
    local::wire::document().unwrap()
}

fn snapshot() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/openapi.json")
}

/// Method, path and operation of everything described.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn the_description_is_the_committed_one() {
    let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(snapshot(), &text).unwrap();
    }
    let committed = std::fs::read_to_string(snapshot()).unwrap();
    if let Some((line, (now, then))) = text.lines().zip(committed.lines()).enumerate().find(|(_, (a, b))| a != b) {
        panic!("infra/openapi.json, line {}: it says {then:?}, the routers say {now:?}", line + 1);
    }
    assert_eq!(text.len(), committed.len(), "infra/openapi.json ends earlier or later than what the routers say");
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let described: BTreeSet<(String, String)> =
        operations(&document()).into_iter().map(|(method, path, _)| (method, path)).collect();
    let granted: BTreeSet<(String, String)> =
        ACCESS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, granted);
}

#[test]
fn numbers_have_the_formats_of_the_openapi_registry() {
    fn formats(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("format").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| formats(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| formats(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    formats(&document(), &mut found);
    let numbers: BTreeSet<&str> = found.iter().map(String::as_str).filter(|format| format.contains("int")).collect();
    assert_eq!(numbers, ["int32", "int64", "uint16", "uint32", "uint64", "uint8"].into());
}

#[test]
fn the_document_is_openapi_3_1_without_patch() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    for field in ["title", "version", "description"] {
        assert!(!document["info"][field].as_str().unwrap().is_empty(), "{field}");
    }
    assert!(operations(&document).iter().all(|(method, ..)| method != "PATCH"), "mini programs can't send PATCH");
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_and_a_tag() {
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document()) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{method} {path} shares the name {name}");
        assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 8), "{method} {path}");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
    }
}

#[test]
fn every_operation_tells_which_problems_it_can_meet() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let mut wanted = vec!["429", "503"];
        let has_body = operation.get("requestBody").is_some();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let if_match = parameters.iter().find(|parameter| parameter["name"] == "If-Match");
        if allowed(&method, &path) != Some(Allowed::Anybody) {
            wanted.extend(["401", "403", "404"]);
            if method != "GET" {
                wanted.extend(["409", "422"]);
            }
        }
        if has_body {
            wanted.extend(["400", "409", "413", "415", "422"]);
        }
        if !parameters.is_empty() {
            wanted.push("400");
        }
        if let Some(if_match) = if_match {
            wanted.push("412");
            if if_match["required"] == true {
                wanted.push("428");
            }
        }
        for status in wanted {
            let response = resolved(&document, &operation["responses"][status]);
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{status} of {method} {path}");
            let waits = response["headers"].get("Retry-After").is_some();
            assert_eq!(waits, matches!(status, "429" | "503"), "{status} of {method} {path}");
        }
        let good =
            operation["responses"].as_object().unwrap().keys().filter(|status| status.starts_with(['2', '3'])).count();
        assert!(good > 0, "{method} {path} never says yes");
    }
}

#[test]
fn every_operation_tells_how_to_prove_who_is_calling() {
    let document = document();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    for (method, path, operation) in operations(&document) {
        let ways = operation["security"].as_array().unwrap();
        assert!(!ways.is_empty(), "{method} {path}");
        for way in ways {
            let way = way.as_object().unwrap();
            assert!(way.keys().all(|name| schemes.contains_key(name)), "{method} {path}");
            let open = allowed(&method, &path) == Some(Allowed::Anybody);
            assert_eq!(way.is_empty(), open, "{method} {path}");
        }
    }
}

#[test]
fn everything_that_is_referred_to_is_there() {
    let document = document();
    let mut left = vec![&document];
    while let Some(value) = left.pop() {
        if let Some(place) = value.get("$ref").and_then(Value::as_str) {
            let pointer = place.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{place} leads nowhere");
        }
        match value {
            Value::Array(values) => left.extend(values),
            Value::Object(fields) => left.extend(fields.values()),
            _ => {}
        }
    }
}

#[test]
fn no_two_functions_mean_different_things_by_one_name() {
    let mut known = BTreeMap::new();
    for (function, routes) in local::wire::routes() {
        let description = serde_json::to_value(routes.description()).unwrap();
        for (name, schema) in description["components"]["schemas"].as_object().into_iter().flatten() {
            let first = known.entry(name.clone()).or_insert_with(|| (function, schema.clone()));
            assert_eq!(first.1, *schema, "{name} in {function} and in {}", first.0);
        }
    }
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(place) => document.pointer(place.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

// --- Bodies take what they name ---------------------------------------------------------------------------------------

/// Places in a schema where an object takes fields that it doesn't name.
fn open_places(document: &Value, schema: &Value, place: &str, within: &[&str], found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        if !within.contains(&name) {
            let within = [within, &[name]].concat();
            open_places(document, resolved(document, schema), place, &within, found);
        }
        return;
    }
    let mut inside = |schema: &Value, step: &str| {
        open_places(document, schema, &format!("{place}{step}"), within, found);
    };
    for choice in ["oneOf", "anyOf", "allOf"] {
        for item in schema[choice].as_array().into_iter().flatten() {
            inside(item, "");
        }
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        inside(field, &format!("/{name}"));
    }
    for list in ["items", "additionalProperties"] {
        if schema[list].is_object() {
            inside(&schema[list], "/*");
        }
    }
    let kinds = &schema["type"];
    let is_object = kinds == "object" || kinds.as_array().is_some_and(|kinds| kinds.contains(&Value::from("object")));
    // A map names its values instead of its fields.
    if is_object && schema["additionalProperties"] != false && !schema["additionalProperties"].is_object() {
        found.push(place.to_owned());
    }
}

#[test]
fn every_body_refuses_fields_that_it_does_not_name_however_deep() {
    let document = document();
    let (mut found, mut bodies) = (Vec::new(), 0);
    for (method, path, operation) in operations(&document) {
        for content in operation["requestBody"]["content"].as_object().into_iter().flat_map(|all| all.values()) {
            bodies += 1;
            open_places(&document, &content["schema"], &format!("{method} {path} "), &[], &mut found);
        }
    }
    assert!(bodies > 40, "{bodies}");
    assert!(found.is_empty(), "these take whatever comes:\n{}", found.join("\n"));
}

#[test]
fn an_object_that_takes_whatever_comes_is_found() {
    let document = serde_json::json!({ "components": { "schemas": {
        "Open": { "type": "object", "properties": { "a": { "type": "string" } } },
        "Closed": { "type": "object", "additionalProperties": false,
            "properties": { "inner": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Open" }] } } },
    } } });
    let mut found = Vec::new();
    let schema = serde_json::json!({ "type": "array", "items": { "$ref": "#/components/schemas/Closed" } });
    open_places(&document, &schema, "", &[], &mut found);
    assert_eq!(found, ["/*/inner"]);
}
