//! The rights that a request to the table needs, as AWS's service authorization reference lists them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::template::Right;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::zero_sized_map_values, reason = "only the names of the tables are of interest")]
struct Asked<'a> {
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    index_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_items: BTreeMap<Cow<'a, str>, IgnoredAny>,
    #[serde(borrow, default)]
    transact_items: Vec<BTreeMap<Cow<'a, str>, Of<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Of<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
}

/// The rights for one request. A request that can't be read needs none: the engine refuses it.
pub(super) fn of(operation: &str, body: &[u8]) -> Vec<Right> {
    let Ok(request) = serde_json::from_slice::<Asked<'_>>(body) else { return Vec::new() };
    let right = |action: &str, resource: String| Right::new(format!("dynamodb:{action}"), resource);
    let mut needed = Vec::new();
    if let Some(table) = request.table_name {
        let index = request.index_name.map(|index| format!("{table}/index/{index}"));
        needed.push(right(operation, index.unwrap_or_else(|| table.into_owned())));
    }
    needed.extend(request.request_items.into_keys().map(|table| right(operation, table.into_owned())));
    for (kind, of) in request.transact_items.into_iter().flatten() {
        // A transaction is allowed by what it consists of.
        let action = match kind.as_ref() {
            "Put" => "PutItem",
            "Update" => "UpdateItem",
            "Delete" => "DeleteItem",
            "Get" => "GetItem",
            _ => "ConditionCheckItem",
        };
        let right = right(action, of.table_name.into_owned());
        if !needed.contains(&right) {
            needed.push(right);
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_a_right_on_every_table_and_index_that_it_names() {
        let needs = |operation: &str, body: &str| -> Vec<String> {
            of(operation, body.as_bytes())
                .into_iter()
                .map(|right| format!("{} {}", right.action, right.resource))
                .collect()
        };
        assert_eq!(needs("GetItem", r#"{"TableName":"A","Key":{}}"#), ["dynamodb:GetItem A"]);
        assert_eq!(needs("Query", r#"{"TableName":"A","IndexName":"due"}"#), ["dynamodb:Query A/index/due"]);
        assert_eq!(
            needs("BatchGetItem", r#"{"RequestItems":{"A":{"Keys":[]},"B":{"Keys":[]}}}"#),
            ["dynamodb:BatchGetItem A", "dynamodb:BatchGetItem B"]
        );
        let items = r#"[{"Put":{"TableName":"A"}},{"Put":{"TableName":"A"}},{"Delete":{"TableName":"B"}},
            {"Update":{"TableName":"B"}},{"ConditionCheck":{"TableName":"C"}}]"#;
        assert_eq!(
            needs("TransactWriteItems", &format!(r#"{{"TransactItems":{items}}}"#)),
            ["dynamodb:PutItem A", "dynamodb:DeleteItem B", "dynamodb:UpdateItem B", "dynamodb:ConditionCheckItem C"]
        );
        assert!(needs("GetItem", "not json").is_empty());
    }
}
