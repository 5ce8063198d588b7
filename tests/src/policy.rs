//! The privacy policy, as a manager saves it.

use huitou::domain::consent::Purpose;
use serde_json::{Value, json};

use crate::{Answer, House};

/// An impact assessment of everything that a policy can offer, under this number.
#[must_use]
pub fn an_assessment(number: &str) -> Value {
    json!({ "number": number, "made_on": "2026-01-05", "kept_until": "2029-12-31", "purposes": Purpose::ALL })
}

impl House {
    /// Saves the policy in force with other words about one purpose, which change this of it in substance, assessed anew.
    pub async fn rewords(&self, purpose: &str, words: &str, changes: Value) -> Answer {
        let answer = self.as_manager("GET", "/v1/privacy-policy").send().await;
        let policy = answer.expect(200);
        let draft = |statement: &Value| {
            let mut draft = json!({ "purpose": statement["purpose"], "text": statement["text"] });
            if statement["purpose"] == purpose {
                draft["text"]["use_of_data"] = json!(words);
                draft["changes"] = changes.clone();
            }
            draft
        };
        let statements: Vec<Value> = policy["policy"]["statements"].as_array().unwrap().iter().map(draft).collect();
        let assessment = an_assessment(&format!("PIA-{}", policy["version"]));
        let call = self.as_manager("PUT", "/v1/privacy-policy").header("if-match", answer.header("etag"));
        call.json(&json!({ "statements": statements, "impact_assessments": [assessment] })).send().await
    }
}
