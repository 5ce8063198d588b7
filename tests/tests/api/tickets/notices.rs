//! What goes out about tickets: how it was, an invitation to recommend, and alarms to a manager; each once.

use std::time::Duration;

use futures_util::future::join_all;
use huitou::values::Moment;
use local::standin::Sent;
use serde_json::{Value, json};
use tests::{House, Member, eventually};

use super::doings::{a_house_with_anna, changes_desk, closes, opens, read, writes, writes_to_member};

/// Messages about something to somebody, the newest first.
fn sent(house: &House, to: &str, about: &str) -> Vec<Sent> {
    house.host.outbox.newest(Some(to), 100).into_iter().filter(|sent| sent.template == about).collect()
}

/// Lets the minute's looks at what is due happen, several at once and again.
async fn minutes_pass(house: &House, minutes: u64) {
    let now = Moment::parse(&house.now()).unwrap();
    house.host.clock.set(now.plus(Duration::from_mins(minutes)));
    let looks = (0..4).map(|_| tickets::handle(house.host.app.clone(), json!({})));
    for look in join_all(looks).await {
        let _ = look.unwrap();
    }
    let _ = house.host.app.sending().drain(Duration::from_secs(20)).await.unwrap();
    house.all_queues_are_worked_off().await;
}

/// The notices of a ticket as staff see them.
async fn notices(house: &House, ticket: &Value) -> Vec<Value> {
    let records = read(house, ticket).await["records"].clone();
    records.as_array().unwrap().iter().map(|record| record["notice"].clone()).filter(Value::is_object).collect()
}

/// Waits until the last notice of a ticket stands somewhere.
async fn until(house: &House, ticket: &Value, standing: &str) -> Value {
    eventually(async || {
        let last = notices(house, ticket).await.pop();
        last.filter(|notice| notice["standing"] == standing).ok_or((standing, notices(house, ticket).await))
    })
    .await
}

async fn agrees(house: &House, member: &Member, purpose: &str) {
    let agreed = json!({ "granted": true, "policy_version": 1 });
    let call = house.as_member(member, "PUT", &format!("/v1/me/consents/{purpose}")).json(&agreed);
    let _ = call.send().await.expect(200);
}

/// The path of a survey that the member was sent, by the link in the message.
async fn survey_of(house: &House, link: &str) -> String {
    let path = format!("/{}", link.splitn(4, '/').last().unwrap());
    let answer = house.call("GET", &path).send().await;
    assert_eq!(answer.status, 302, "{path}");
    let page = answer.header("location").to_owned();
    let token =
        page.strip_prefix("https://m.example.cn/survey?from=message&survey=").unwrap_or_else(|| panic!("{page}"));
    format!("/v1/surveys/{token}")
}

#[tokio::test]
async fn a_member_is_asked_once_how_it_was_with_a_link_that_counts_once() {
    let (house, anna) = a_house_with_anna().await;
    let page = json!("https://m.example.cn/survey?from=message");
    let _ = changes_desk(&house, |desk| desk["notices"]["survey"]["content"]["link"] = page).await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let _ = closes(&house, &anna, &ticket).await.expect(200);
    minutes_pass(&house, 1).await;
    let notice = until(&house, &ticket, "sent.accepted").await;
    assert_eq!((&notice["about"], &notice["channel"]), (&json!("survey"), &json!("webhook")));
    for _ in 0..3 {
        minutes_pass(&house, 1).await;
    }
    let messages = sent(&house, &anna.id, "ticket_survey");
    assert_eq!(messages.len(), 1);
    let link = messages[0].request["fields"]["link"].as_str().unwrap();
    let path = survey_of(&house, link).await;
    let answer = || house.call("POST", &path).json(&json!({ "csat": 4 })).send();
    assert_eq!(answer().await.expect(200)["next"], "nothing");
    answer().await.refuses(409, "survey_used");
    let whole = read(&house, &ticket).await;
    let whats: Vec<&str> =
        whole["records"].as_array().unwrap().iter().map(|record| record["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["opened", "member_closed", "answered"]);
}

#[tokio::test]
async fn a_survey_goes_by_the_channel_by_which_the_member_came() {
    let (house, anna) = a_house_with_anna().await;
    let told = json!({ "email": "anna@example.com" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    // WeCom stands first in the shipped plan.
    let link = house.as_till("POST", &format!("/v1/members/{}/ids", anna.id));
    let _ = link.json(&json!({ "wecom": "wm-anna" })).send().await.expect(200);
    let body = json!({ "member_id": anna.id, "type": "price", "text": "来信", "channel": "email" });
    let ticket = house.as_role("agent", "POST", "/v1/tickets").key(&house.a_key()).json(&body).send().await.expect(201);
    let _ = writes_to_member(&house, &ticket, json!({ "text": "已处理", "then": "closed" })).await.expect(201);
    minutes_pass(&house, 1).await;
    assert_eq!(until(&house, &ticket, "sent.accepted").await["channel"], "email");
    assert_eq!(sent(&house, "anna@example.com", "这次的服务怎么样？").len(), 1);
}

#[tokio::test]
async fn nobody_is_asked_at_night_how_it_was() {
    let (house, anna) = a_house_with_anna().await;
    house.it_is("2026-03-02T22:30:00+08:00").await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let _ = closes(&house, &anna, &ticket).await.expect(200);
    minutes_pass(&house, 1).await;
    let _ = until(&house, &ticket, "held.quiet_hours").await;
    house.it_is("2026-03-03T08:01:00+08:00").await;
    let _ = until(&house, &ticket, "sent.accepted").await;
    assert_eq!(sent(&house, &anna.id, "ticket_survey").len(), 1);
}

#[tokio::test]
async fn whoever_has_answered_is_not_asked_any_more_and_a_reopened_ticket_waits_until_it_is_closed() {
    let (house, anna) = a_house_with_anna().await;
    let bo = house.signs_up("bo", &json!({})).await;
    house.host.scheduler.rest(true);
    let answered = opens(&house, &anna, "quality", "开胶").await;
    let closed = closes(&house, &anna, &answered).await.expect(200);
    let path = closed["survey"]["path"].as_str().unwrap();
    let _ = house.call("POST", path).json(&json!({ "csat": 4 })).send().await.expect(200);
    let reopened = opens(&house, &bo, "quality", "开胶").await;
    let _ = closes(&house, &bo, &reopened).await.expect(200);
    let _ = writes(&house, &bo, &reopened, "还是坏的").await.expect(201);
    minutes_pass(&house, 1).await;
    let _ = until(&house, &answered, "refused.audience").await;
    let _ = until(&house, &reopened, "held.delay").await;
    let _ = closes(&house, &bo, &reopened).await.expect(200);
    minutes_pass(&house, 24 * 60).await;
    let _ = until(&house, &reopened, "sent.accepted").await;
    assert_eq!(house.host.outbox.total(), 1);
}

#[tokio::test]
async fn an_advocate_who_agreed_to_marketing_is_invited_with_the_own_code_and_others_are_not() {
    let (house, anna) = a_house_with_anna().await;
    let bo = house.signs_up("bo", &json!({})).await;
    agrees(&house, &anna, "marketing.webhook").await;
    let mut tickets = Vec::new();
    for member in [&anna, &bo] {
        let ticket = opens(&house, member, "quality", "开胶").await;
        let closed = closes(&house, member, &ticket).await.expect(200);
        let path = closed["survey"]["path"].as_str().unwrap().to_owned();
        let answer = house.call("POST", &path).json(&json!({ "csat": 5, "nps": 10 })).send().await;
        assert_eq!(answer.expect(200)["next"], "invitation");
        tickets.push(ticket);
    }
    minutes_pass(&house, 1).await;
    minutes_pass(&house, 1).await;
    let invited = until(&house, &tickets[0], "sent.accepted").await;
    assert_eq!(invited["about"], "invitation");
    let _ = until(&house, &tickets[1], "refused.consent").await;
    let code = house.profile(&anna).await["invite_code"].clone();
    let messages = sent(&house, &anna.id, "ticket_invitation");
    assert_eq!((messages.len(), &messages[0].request["fields"]["invite"]), (1, &code));
    assert_eq!(sent(&house, &bo.id, "ticket_invitation").len(), 0);
    // The chain, as staff read it in the ticket; and the code begins a referral.
    let records = read(&house, &tickets[0]).await["records"].clone();
    let whats: Vec<&str> = records.as_array().unwrap().iter().map(|r| r["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["opened", "member_closed", "answered", "advocate_tagged"]);
    let before = house.points(&anna).await;
    let friend = house.logs_in("dev:cai", &json!({ "invite": code })).await.expect(201);
    assert_eq!(friend["invite"], "accepted");
    assert_ne!(house.points(&anna).await["version"], before["version"]);
}

#[tokio::test]
async fn a_manager_is_told_once_of_every_alarm_and_of_nobodys_name() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "住在幸福路88号").await;
    let told = |house: &House| sent(house, "manager", "ticket_alarm");
    // Quality: first reply in four open hours, warned after three; resolution in eight.
    house.host.scheduler.rest(true);
    for (moment, messages) in
        [("2026-03-02T13:58:00+08:00", 0), ("2026-03-02T14:02:00+08:00", 1), ("2026-03-02T15:02:00+08:00", 2)]
    {
        house.host.clock.set(Moment::parse(moment).unwrap());
        minutes_pass(&house, 0).await;
        minutes_pass(&house, 0).await;
        assert_eq!(told(&house).len(), messages, "{moment}");
    }
    let request = told(&house)[0].request.clone();
    let text = request["text"].as_str().unwrap();
    assert!(text.contains(ticket["id"].as_str().unwrap()) && text.contains("首次回复已超时"), "{text}");
    assert!(!request.to_string().contains("幸福路") && !request.to_string().contains(&anna.id), "{request}");
    let records = read(&house, &ticket).await["records"].clone();
    let told: Vec<_> = records.as_array().unwrap().iter().filter(|r| r["what"] == "manager_told").collect();
    assert_eq!(told.iter().map(|record| record["of"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4]);
}

#[tokio::test]
async fn a_manager_in_wecom_is_told_by_the_companys_app_and_a_failing_provider_is_tried_again() {
    let (house, anna) = a_house_with_anna().await;
    let manager = json!({ "channel": "wecom", "to": "busy-once-li", "alarms": ["breach"] });
    let _ = changes_desk(&house, |desk| desk["notices"]["manager"] = manager).await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    house.host.scheduler.rest(true);
    house.host.clock.set(Moment::parse("2026-03-02T15:02:00+08:00").unwrap());
    minutes_pass(&house, 0).await;
    assert_eq!(sent(&house, "busy-once-li", "staff").len(), 0);
    minutes_pass(&house, 2).await;
    let told = sent(&house, "busy-once-li", "staff");
    assert_eq!((told.len(), &told[0].request["agentid"]), (1, &json!(1_000_002)));
    minutes_pass(&house, 2).await;
    assert_eq!(sent(&house, "busy-once-li", "staff").len(), 1);
    let records = read(&house, &ticket).await["records"].clone();
    assert_eq!(records.as_array().unwrap().iter().filter(|r| r["what"] == "manager_told").count(), 1);
}
