//! What members and staff do with tickets.

use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house};

/// A house on a Monday at ten, and a member who is logged in.
pub(crate) async fn a_house_with_anna() -> (House, Member) {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    (house, anna)
}

pub(crate) async fn opens(house: &House, member: &Member, kind: &str, text: &str) -> Value {
    let body = json!({ "type": kind, "text": text });
    house.as_member(member, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body).send().await.expect(201)
}

pub(crate) fn path(ticket: &Value, rest: &str) -> String {
    format!("/v1/tickets/{}{rest}", ticket["id"].as_str().unwrap())
}

pub(crate) async fn mine(house: &House, member: &Member, ticket: &Value) -> Answer {
    house.as_member(member, "GET", &format!("/v1/me/tickets/{}", ticket["id"].as_str().unwrap())).send().await
}

pub(crate) async fn writes(house: &House, member: &Member, ticket: &Value, text: &str) -> Answer {
    let path = format!("/v1/me/tickets/{}/messages", ticket["id"].as_str().unwrap());
    house.as_member(member, "POST", &path).key(&house.a_key()).json(&json!({ "text": text })).send().await
}

pub(crate) async fn closes(house: &House, member: &Member, ticket: &Value) -> Answer {
    let path = format!("/v1/me/tickets/{}/close", ticket["id"].as_str().unwrap());
    house.as_member(member, "POST", &path).send().await
}

pub(crate) async fn writes_to_member(house: &House, ticket: &Value, body: Value) -> Answer {
    house.as_role("agent", "POST", &path(ticket, "/messages")).key(&house.a_key()).json(&body).send().await
}

pub(crate) async fn read(house: &House, ticket: &Value) -> Value {
    house.as_role("agent", "GET", &path(ticket, "")).send().await.expect(200)
}

/// A decision of an agent on the ticket as it is now.
pub(crate) async fn decides(house: &House, ticket: &Value, decision: &Value) -> Answer {
    let tag = house.as_role("agent", "GET", &path(ticket, "")).send().await.header("etag").to_owned();
    house.as_role("agent", "PUT", &path(ticket, "")).header("if-match", &tag).json(decision).send().await
}

pub(crate) async fn queue(house: &House, department: &str) -> Vec<Value> {
    let page = house.as_role("agent", "GET", &format!("/v1/tickets?department={department}")).send().await.expect(200);
    page["items"].as_array().unwrap().iter().map(|ticket| ticket["id"].clone()).collect()
}

pub(crate) async fn resolution(house: &House, ticket: &Value) -> Value {
    let clocks = read(house, ticket).await["clocks"].clone();
    clocks.as_array().unwrap().iter().find(|clock| clock["clock"] == "resolution").unwrap().clone()
}

/// Settings of the desk, changed.
pub(crate) async fn changes_desk(house: &House, change: impl FnOnce(&mut Value)) -> Value {
    let read = house.as_manager("GET", "/v1/desk").send().await;
    let mut desk = read.expect(200)["desk"].clone();
    change(&mut desk);
    let save = house.as_manager("PUT", "/v1/desk").header("if-match", read.header("etag"));
    save.json(&desk).send().await.expect(200)
}

/// The path of a link to this host.
pub(crate) fn path_of(link: &Value) -> String {
    format!("/{}", link["url"].as_str().unwrap().splitn(4, '/').last().unwrap())
}
