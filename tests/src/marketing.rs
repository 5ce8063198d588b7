//! Campaigns, consents and providers, in the words of the domain.

use serde_json::{Value, json};

use crate::house::{House, Member, order};

/// A campaign of March 2026 for everybody who is new, on one channel, with one variant of this content.
#[must_use]
pub fn a_campaign(channel: &str, content: &Value) -> Value {
    json!({
        "name": "老客唤醒", "scene": "dormant_wake_up", "purpose": "marketing",
        "audience": { "segment": "stage.new" }, "plan": [channel],
        "variants": [{ "id": "a", "weight": 100, "content": content }],
        "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-31T00:00:00+08:00" },
        "attribution_days": 7,
    })
}

/// The same by text message.
#[must_use]
pub fn by_sms() -> Value {
    let sms = json!({ "sign": "回头客", "template": "SMS_1", "text": "{name|会员}，好久不见，拒收请回复R" });
    a_campaign("sms", &json!({ "sms": sms }))
}

/// The same by the brand's own webhook.
#[must_use]
pub fn by_webhook() -> Value {
    let message = json!({ "topic": "wake-up", "fields": { "text": "好久不见，回来看看" } });
    a_campaign("webhook", &json!({ "webhook": message }))
}

impl House {
    /// A campaign is written.
    pub async fn drafts(&self, definition: &Value) -> Value {
        let call = self.as_manager("POST", "/v1/campaigns").key(&self.a_key()).json(definition);
        call.send().await.expect(201)
    }

    /// A campaign is launched, paused, resumed or stopped.
    pub async fn acts(&self, campaign: &Value, act: &str) -> Value {
        let path = format!("/v1/campaigns/{}/{act}", campaign["id"].as_str().unwrap());
        self.as_manager("POST", &path).send().await.expect(200)
    }

    /// A campaign is written and launched.
    pub async fn launches(&self, definition: &Value) -> Value {
        let campaign = self.drafts(definition).await;
        self.acts(&campaign, "launch").await
    }

    /// How many of a campaign's messages stand where.
    pub async fn counts(&self, campaign: &Value) -> Value {
        let path = format!("/v1/campaigns/{}", campaign["id"].as_str().unwrap());
        self.as_manager("GET", &path).send().await.expect(200)["counts"].clone()
    }

    /// Waits until a campaign's counts are as wanted.
    pub async fn until(&self, campaign: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
        self.counts_until(campaign["id"].as_str().unwrap(), wanted).await
    }

    /// A member agrees to what is asked of them.
    pub async fn consents(&self, member: &Member, purpose: &str) {
        let statements = self.as_member(member, "GET", "/v1/me/consents").send().await.expect(200);
        let asked = statements["items"].as_array().unwrap().iter().find(|item| item["purpose"] == purpose).unwrap();
        let agreed = json!({ "granted": true, "policy_version": asked["statement"]["version"] });
        let path = format!("/v1/me/consents/{purpose}");
        let _ = self.as_member(member, "PUT", &path).json(&agreed).send().await.expect(200);
    }

    /// Whether a member's consent is live.
    pub async fn agrees(&self, member: &Member, purpose: &str) -> bool {
        let held = self.as_member(member, "GET", "/v1/me/consents").send().await.expect(200);
        held["items"].as_array().unwrap().iter().any(|item| item["purpose"] == purpose && item["live"] == true)
    }

    /// Somebody whom an order by phone has made known, and who agrees to text messages.
    pub async fn a_member_by_phone(&self, phone: &str) -> Member {
        let first = order(&format!("first-{phone}"), &json!({ "phone": phone }), &self.now(), 0);
        let id = self.sells(first).await["member_id"].as_str().unwrap().to_owned();
        let member = Member { card: String::new(), token: self.token("member", Some(&id)), id };
        self.consents(&member, "marketing.sms").await;
        member
    }

    /// The clock goes on, and what is due by then is looked at.
    pub async fn passes(&self, minutes: u64) {
        let _ = self.develops("/dev/clock", &json!({ "advance_seconds": minutes * 60 })).await;
    }

    /// A route for developers, which has to take it.
    pub async fn develops(&self, path: &str, body: &Value) -> Value {
        self.call("POST", path).json(body).send().await.expect(200)
    }

    /// A provider treats everybody like this from now on.
    pub async fn provider_is(&self, provider: &str, mode: &str) {
        let _ = self.develops("/dev/providers", &json!({ "provider": provider, "mode": mode })).await;
    }

    /// Messages to somebody, or to everybody, the newest first, as `/dev/outbox` shows them.
    pub async fn outbox(&self, to: Option<&str>) -> Vec<Value> {
        let path = to.map_or_else(|| "/dev/outbox".to_owned(), |to| format!("/dev/outbox?to={to}"));
        let shown = self.call("GET", &path).send().await.expect(200);
        shown["messages"].as_array().unwrap().clone()
    }
}

/// Whether a count is so much; what is not there is zero.
#[must_use]
pub fn is(counts: &Value, word: &str, count: i64) -> bool {
    counts[word].as_i64().unwrap_or(0) == count
}
