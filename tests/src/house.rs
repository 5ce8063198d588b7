//! A house with its members, tills and staff, in the words of the domain.

use std::sync::atomic::{AtomicU32, Ordering};

use huitou::clock::Clock as _;
use huitou::values::Moment;
use local::host::{Host, Options, Store};
use local::template::Template;
use local::wire::{self, Bearer};
use serde_json::{Value, json};

use crate::call::{Answer, Call};

/// The whole product, running in memory.
#[derive(Debug)]
pub struct House {
    /// The host, for what can't be seen from outside.
    pub host: Host,
    counted: AtomicU32,
}

/// Somebody with a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The member's id.
    pub id: String,
    /// The card at the till.
    pub card: String,
    /// The token of the member's own session.
    pub token: String,
}

/// A house on a Monday morning in March 2026, with the shipped programme: a point a yuan, pending for seven days.
pub async fn a_house() -> House {
    a_house_at("2026-03-02T10:00:00+08:00").await
}

/// A house at another time.
pub async fn a_house_at(moment: &str) -> House {
    a_house_in(Store::Memory, moment).await
}

/// A house that keeps its data there.
pub async fn a_house_in(store: Store, moment: &str) -> House {
    let clock = Some(Moment::parse(moment).unwrap());
    a_house_of(Template::shipped().unwrap(), &Options { port: 0, store, clock, binaries: None, concurrency: None })
        .await
}

/// A house of another template, started in another way.
pub async fn a_house_of(template: Template, options: &Options) -> House {
    let host = Host::start_of(template, options).await.unwrap();
    House { host, counted: AtomicU32::new(0) }
}

impl House {
    /// A request by nobody in particular.
    #[must_use]
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(self.host.address, method, path)
    }

    /// A request by somebody with a role of staff or systems.
    #[must_use]
    pub fn as_role(&self, role: &str, method: &str, path: &str) -> Call {
        self.call(method, path).token(&self.token(role, None))
    }

    /// A request by the manager.
    #[must_use]
    pub fn as_manager(&self, method: &str, path: &str) -> Call {
        self.as_role("manager", method, path)
    }

    /// A request by the till.
    #[must_use]
    pub fn as_till(&self, method: &str, path: &str) -> Call {
        self.as_role("system", method, path)
    }

    /// A request by a member.
    #[must_use]
    pub fn as_member(&self, member: &Member, method: &str, path: &str) -> Call {
        self.call(method, path).token(&member.token)
    }

    /// A request by a guide with a name.
    #[must_use]
    pub fn as_guide(&self, name: &str, method: &str, path: &str) -> Call {
        let bearer = Bearer { role: "guide".to_owned(), member: None, subject: Some(name.to_owned()) };
        self.call(method, path).token(&wire::token(&self.host.surroundings.secret, &bearer).unwrap())
    }

    /// A request to the stand-in for WeChat.
    #[must_use]
    pub fn at_wechat(&self, method: &str, path: &str) -> Call {
        let address = self.host.surroundings.wechat_url.trim_start_matches("http://").parse().unwrap();
        Call::new(address, method, path)
    }

    /// A log-in by WeChat, with whatever comes along.
    pub async fn logs_in(&self, code: &str, along: &Value) -> Answer {
        let mut body = json!({ "provider": "wechat", "code": code });
        for (name, value) in along.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.call("POST", "/v1/sessions").json(&body).send().await
    }

    /// Somebody who comes in by WeChat for the first time.
    pub async fn signs_up(&self, name: &str, along: &Value) -> Member {
        let session = self.logs_in(&format!("dev:{name}"), along).await.expect(201);
        Self::member_in(&session)
    }

    /// Whose session it is.
    #[must_use]
    pub fn member_in(session: &Value) -> Member {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Member { id: text(&session["member"]["id"]), card: String::new(), token: text(&session["access_token"]) }
    }

    /// The own profile.
    pub async fn profile(&self, member: &Member) -> Value {
        self.as_member(member, "GET", "/v1/me").send().await.expect(200)
    }

    /// A member as the manager sees them.
    pub async fn picture(&self, id: &str) -> Value {
        self.as_manager("GET", &format!("/v1/members/{id}")).send().await.expect(200)
    }

    /// A purchase of somebody whom the till names by phone or card.
    pub async fn sells_to(&self, customer: &Value, fen: u64) -> Value {
        let id = format!("B-{}", self.number());
        self.sells(order(&id, customer, &self.now(), fen)).await
    }

    /// A token of a role.
    #[must_use]
    pub fn token(&self, role: &str, member: Option<&str>) -> String {
        let bearer = Bearer { role: role.to_owned(), member: member.map(str::to_owned), subject: None };
        wire::token(&self.host.surroundings.secret, &bearer).unwrap()
    }

    /// Signed as the till of this house signs, now.
    #[must_use]
    pub fn signs(&self, call: Call) -> Call {
        call.signed(wire::SYSTEM, &self.till_secret(), self.host.clock.wall().seconds())
    }

    /// The secret of the till's key.
    #[must_use]
    pub fn till_secret(&self) -> String {
        wire::system_key(&self.host.surroundings.secret).unwrap()
    }

    /// A number that this house has not given before.
    pub fn number(&self) -> u32 {
        self.counted.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An idempotency key that has not been used before.
    pub fn a_key(&self) -> String {
        format!("key-{:08}", self.number())
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> String {
        self.host.clock.now().to_string()
    }

    /// Makes it another time; the nights in between are worked on.
    pub async fn it_is(&self, moment: &str) {
        let _ = self.call("POST", "/dev/clock").json(&json!({ "now": moment })).send().await.expect(200);
    }

    /// Somebody whom an order of nothing has made known.
    pub async fn a_member(&self, card: &str) -> Member {
        let first = order(&format!("first-{card}"), &json!({ "card": card }), &self.now(), 0);
        self.member_of(card, &self.sends(&[first]).await[0])
    }

    /// Many of them.
    pub async fn members(&self, count: u32) -> Vec<Member> {
        let mut members = Vec::new();
        let cards: Vec<String> = (1..=count).map(|n| format!("{n:05}")).collect();
        for cards in cards.chunks(25) {
            let now = self.now();
            let orders: Vec<Value> =
                cards.iter().map(|card| order(&format!("first-{card}"), &json!({ "card": card }), &now, 0)).collect();
            let results = self.sends(&orders).await;
            members.extend(cards.iter().zip(&results).map(|(card, result)| self.member_of(card, result)));
        }
        members
    }

    fn member_of(&self, card: &str, result: &Value) -> Member {
        let id = result["member_id"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned();
        Member { card: card.to_owned(), token: self.token("member", Some(&id)), id }
    }

    /// Orders as a till sends them; how each went.
    pub async fn sends(&self, orders: &[Value]) -> Vec<Value> {
        let answer = self.as_till("POST", "/v1/orders").json(&json!({ "orders": orders })).send().await;
        answer.expect(200)["results"].as_array().unwrap().clone()
    }

    /// One order that has to be accepted.
    pub async fn sells(&self, order: Value) -> Value {
        let result = self.sends(&[order]).await.remove(0);
        assert_ne!(result["status"], "rejected", "{result}");
        result
    }

    /// A purchase just now, paid in fen.
    pub async fn buys(&self, member: &Member, fen: u64) -> Value {
        let id = format!("A-{}", self.number());
        self.sells(order(&id, &json!({ "member_id": member.id }), &self.now(), fen)).await
    }

    /// A purchase that the till reports late.
    pub async fn bought(&self, member: &Member, paid_at: &str, fen: u64) -> Value {
        let id = format!("A-{}", self.number());
        self.sells(order(&id, &json!({ "member_id": member.id }), paid_at, fen)).await
    }

    /// Money back.
    pub async fn refunds(&self, order: &Value, id: &str, fen: u64) -> Answer {
        let path = format!("/v1/orders/{}/refunds", order["id"].as_str().unwrap());
        let body = json!({ "source": order["source"], "id": id, "amount": fen });
        self.as_till("POST", &path).json(&body).send().await
    }

    /// Points given by hand, to be spent at once; taken when negative.
    pub async fn gives(&self, member: &Member, points: i64) -> Answer {
        let body = json!({ "member_id": member.id, "points": points, "reason": "门店补偿" });
        self.as_manager("POST", "/v1/points/adjustments").key(&self.a_key()).json(&body).send().await
    }

    /// A member who can spend so many points.
    pub async fn a_member_with(&self, card: &str, points: i64) -> Member {
        let member = self.a_member(card).await;
        let _ = self.gives(&member, points).await.expect(201);
        member
    }

    /// What a member has.
    pub async fn points(&self, member: &Member) -> Value {
        self.as_member(member, "GET", "/v1/me/points").send().await.expect(200)
    }

    /// Available, pending, held, owed.
    pub async fn books(&self, member: &Member) -> [u64; 4] {
        let points = self.points(member).await;
        ["available", "pending", "held", "debt"].map(|book| points[book].as_u64().unwrap())
    }

    /// Rewards for points.
    pub async fn redeems(&self, member: &Member, reward: &str, quantity: u32) -> Answer {
        let body = json!({ "reward": reward, "quantity": quantity });
        self.as_member(member, "POST", "/v1/me/points/redemptions").key(&self.a_key()).json(&body).send().await
    }

    /// Points reserved for a checkout.
    pub async fn holds(&self, member: &Member, points: u64, minutes: u32) -> Answer {
        let body = json!({ "member_id": member.id, "points": points, "minutes": minutes });
        self.as_till("POST", "/v1/points/holds").key(&self.a_key()).json(&body).send().await
    }

    /// The checkout went through, for some points of the hold or for all.
    pub async fn captures(&self, hold: &Value, points: Option<u64>) -> Answer {
        let path = format!("/v1/points/holds/{}/capture", hold["id"].as_str().unwrap());
        self.as_till("POST", &path).json(&points.map_or(json!({}), |points| json!({ "points": points }))).send().await
    }

    /// The checkout was given up.
    pub async fn releases(&self, hold: &Value) -> Answer {
        self.as_till("POST", &format!("/v1/points/holds/{}/release", hold["id"].as_str().unwrap())).send().await
    }

    /// The daily check-in.
    pub async fn checks_in(&self, member: &Member) -> Answer {
        self.as_member(member, "POST", "/v1/me/points/check-ins").key(&self.a_key()).send().await
    }

    /// The whole journal, newest first, page by page.
    pub async fn journal(&self, member: &Member) -> Vec<Vec<Value>> {
        let (mut pages, mut path) = (Vec::new(), "/v1/me/points/entries".to_owned());
        loop {
            let page = self.as_member(member, "GET", &path).send().await.expect(200);
            pages.push(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { return pages };
            path = format!("/v1/me/points/entries?cursor={next}");
        }
    }

    /// The proof of a member's balance.
    pub async fn proof(&self, member: &Member) -> Value {
        self.as_member(member, "GET", "/v1/me/points/proof").send().await.expect(200)
    }

    /// The newest settings, and the tag to send when they are saved.
    pub async fn program(&self) -> (Value, String) {
        let answer = self.as_manager("GET", "/v1/program").send().await;
        (answer.expect(200)["program"].clone(), answer.header("etag").to_owned())
    }

    /// Changes the settings, in force from now on.
    pub async fn changes_program(&self, change: impl FnOnce(&mut Value)) -> Value {
        let (mut program, tag) = self.program().await;
        change(&mut program);
        let call = self.as_manager("PUT", "/v1/program").header("if-match", &tag).json(&program);
        call.send().await.expect(200)
    }

    /// Settles everybody whom time has changed.
    pub async fn recomputes(&self) -> Value {
        self.as_manager("POST", "/v1/segments/recompute").json(&json!({ "mode": "due" })).send().await.expect(200)
    }
}

/// An order as the till `pos-1` writes it.
#[must_use]
pub fn order(id: &str, customer: &Value, paid_at: &str, fen: u64) -> Value {
    json!({ "source": "pos-1", "id": id, "customer": customer, "paid_at": paid_at, "amount": fen })
}
