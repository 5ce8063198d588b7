//! The policies of functions: who may do what on which resource.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::TemplateError;

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The action, as `dynamodb:GetItem`.
    pub action: String,
    /// The resource by its name in the template, with what is behind it: `Members`, `Members/index/due`,
    /// `Attachments/*`.
    pub resource: String,
}

impl Right {
    /// A right to do `action` on `resource`.
    #[must_use]
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into() }
    }
}

/// What is not listed here the local host does not hold functions to, and says so.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Policy {
    #[serde(rename = "Version")]
    _version: Option<String>,
    statement: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    effect: String,
    action: Vec<String>,
    resource: Vec<String>,
}

/// The rights in a function's `Policies`. One that is only referred to is a policy of its own, which every function has
/// or none.
pub(super) fn read(function: &str, policies: &[Value]) -> Result<BTreeSet<Right>, TemplateError> {
    let mut rights = BTreeSet::new();
    for policy in policies.iter().filter(|policy| policy.is_object()) {
        let policy = Policy::deserialize(policy)
            .map_err(|e| TemplateError(format!("a policy of {function} is not as the local host expects it: {e}")))?;
        for statement in policy.statement {
            if statement.effect != "Allow" {
                return Err(TemplateError(format!("a policy of {function} denies; the local host knows Allow only")));
            }
            for resource in &statement.resource {
                let resource = resource.rsplit(':').next().unwrap_or(resource);
                rights.extend(statement.action.iter().map(|action| Right::new(action, resource)));
            }
        }
    }
    Ok(rights)
}
