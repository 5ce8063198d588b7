//! Campaigns: written, launched, sent once to everybody who may get them, held up and ended.
#![cfg(test)]

use std::time::Duration;

use serde_json::{Value, json};
use tests::{House, Member, a_house};

/// A campaign for everybody who is new, by the brand's own webhook.
fn a_campaign() -> Value {
    json!({
        "name": "老客唤醒", "scene": "dormant_wake_up", "purpose": "marketing",
        "audience": { "segment": "stage.new" }, "plan": ["webhook"],
        "variants": [{ "id": "a", "weight": 100, "content": { "webhook": { "topic": "wake-up", "fields": { "text": "好久不见，回来看看" } } } }],
        "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-31T00:00:00+08:00" },
        "attribution_days": 7,
    })
}

async fn drafts(house: &House, definition: &Value) -> Value {
    let call = house.as_role("operator", "POST", "/v1/campaigns").key(&house.a_key()).json(definition);
    call.send().await.expect(201)
}

async fn acts(house: &House, campaign: &Value, act: &str) -> Value {
    let path = format!("/v1/campaigns/{}/{act}", campaign["id"].as_str().unwrap());
    house.as_role("operator", "POST", &path).send().await.expect(200)
}

async fn reads(house: &House, campaign: &Value) -> Value {
    let path = format!("/v1/campaigns/{}", campaign["id"].as_str().unwrap());
    house.as_role("operator", "GET", &path).send().await.expect(200)
}

async fn launches(house: &House, definition: &Value) -> Value {
    let campaign = drafts(house, definition).await;
    acts(house, &campaign, "launch").await
}

/// Lets a member agree to marketing on a channel.
async fn consents(house: &House, member: &Member, purpose: &str) {
    let statements = house.as_member(member, "GET", "/v1/me/consents").send().await.expect(200);
    let asked = statements["items"].as_array().unwrap().iter().find(|item| item["purpose"] == purpose).unwrap();
    let agreed = json!({ "granted": true, "policy_version": asked["statement"]["version"] });
    let _ =
        house.as_member(member, "PUT", &format!("/v1/me/consents/{purpose}")).json(&agreed).send().await.expect(200);
}

/// Waits until a campaign's counts are as wanted.
async fn until(house: &House, campaign: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let counts = reads(house, campaign).await["counts"].clone();
        if wanted(&counts) {
            return counts;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{}", reads(house, campaign).await["counts"]);
}

#[tokio::test]
async fn a_launched_campaign_goes_once_to_everybody_who_agreed() {
    let house = a_house().await;
    let members = house.members(30).await;
    for member in &members[..20] {
        consents(&house, member, "marketing.webhook").await;
    }
    let campaign = launches(&house, &a_campaign()).await;
    assert_eq!(campaign["state"], "running");
    let counts = until(&house, &campaign, |c| c["sent"] == 20 && c["refused"] == 10).await;
    assert_eq!(counts["audience"], 30);
    assert_eq!(counts["refused.consent"], 10);
    let mut to: Vec<String> = house.host.outbox.newest(None, 1_000).into_iter().map(|sent| sent.to).collect();
    to.sort();
    let mut wanted: Vec<String> = members[..20].iter().map(|member| member.id.clone()).collect();
    wanted.sort();
    assert_eq!(to, wanted);
}
