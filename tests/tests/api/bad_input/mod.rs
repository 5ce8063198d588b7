//! Whatever a client may send: a no that helps, and nothing changed.
//!
//! Here are the routes that take a body.

mod bodies;
mod credentials;
mod ids;

use serde_json::{Map, Value, json};
use tests::{Answer, Call, House, Member, a_house, an_assessment, assert_problem, order};

/// A route that takes a body, with a body that it would accept.
struct Route {
    method: &'static str,
    path: String,
    token: String,
    tag: Option<String>,
    good: Value,
    /// The same with every object that may stand in it.
    full: Value,
    /// Fields that may be left out.
    optional: &'static [&'static str],
    /// Fields of whole numbers.
    numbers: &'static [&'static str],
    /// Numbers for which zero is a number like any other.
    zero: &'static [&'static str],
    /// The name of the list, when each of a batch stands for itself.
    batch: Option<&'static str>,
}

impl Route {
    fn new(token: String, method: &'static str, path: &str, good: Value) -> Self {
        let (path, full) = (path.to_owned(), good.clone());
        Self { method, path, token, tag: None, good, full, optional: &[], numbers: &[], zero: &[], batch: None }
    }

    /// Building on the first version, where it saves something.
    fn tagged(self) -> Self {
        Self { tag: (self.method == "PUT").then(|| "\"1\"".to_owned()), ..self }
    }

    fn call(&self, house: &House) -> Call {
        let call = house.call(self.method, &self.path).token(&self.token).key(&house.a_key());
        match &self.tag {
            Some(tag) => call.header("if-match", tag),
            None => call,
        }
    }

    /// The body that a request has, which is a batch of one where it belongs into a batch.
    fn whole(&self, body: &Value) -> Value {
        self.batch.map_or_else(|| body.clone(), |list| json!({ list: [body] }))
    }

    /// Sends the body, inside a batch of one where it belongs there.
    async fn send(&self, house: &House, body: &str) -> Answer {
        let body = self.batch.map_or_else(|| body.to_owned(), |list| format!("{{\"{list}\":[{body}]}}"));
        self.call(house).text("application/json", body).send().await
    }

    /// The answer must be a no, of the whole request or of the one part of the batch; says which.
    fn assert_refused(&self, answer: &Answer, what: &str) -> Value {
        let place = format!("{what} at {}: {} {}", answer.asked, answer.status, String::from_utf8_lossy(&answer.text));
        let problem = if self.batch.is_some() && answer.status == 200 {
            let result = answer.json()["results"][0].clone();
            result.get("problem").or(result.get("rejected")).cloned().unwrap_or_else(|| panic!("{place}"))
        } else {
            assert!((400..500).contains(&answer.status), "{place}");
            answer.problem()
        };
        assert_problem(&problem, &place);
        assert!(matches!(problem["status"].as_u64(), Some(400 | 422)), "{place}");
        problem
    }

    /// Whether it is the one that is described by this method and path.
    fn is_described_as(&self, method: &str, path: &str) -> bool {
        let alike = |(described, own): (&str, &str)| described == own || described.starts_with('{');
        self.method == method
            && self.path.split('/').count() == path.split('/').count()
            && path.split('/').zip(self.path.split('/')).all(alike)
    }
}

/// The token of somebody with this role; a member is Anna.
fn token_of(house: &House, anna: &Member, role: &str) -> String {
    house.token(role, (role == "member").then_some(anna.id.as_str()))
}

#[expect(clippy::too_many_lines, reason = "one entry per route")]
fn routes(house: &House, anna: &Member, sale: &Value, hold: &Value, program: (Value, String)) -> Vec<Route> {
    let route = |role: &str, method: &'static str, path: &str, good: Value| {
        Route::new(token_of(house, anna, role), method, path, good)
    };
    let customer = json!({ "member_id": anna.id });
    let mut paid = order("BAD-1", &customer, &house.now(), 10_00);
    paid["lines"] = json!([{ "sku": "TEE", "quantity": 1, "amount": 10_00 }]);
    let event = json!({ "source": "shop", "id": "E-1", "event": "review", "about": "TEE", "at": house.now(),
        "customer": customer });
    vec![
        Route {
            optional: &["lines"],
            numbers: &["amount"],
            zero: &["amount"],
            batch: Some("orders"),
            ..route("system", "POST", "/v1/orders", paid)
        },
        Route {
            numbers: &["amount"],
            ..route(
                "system",
                "POST",
                &format!("/v1/orders/{}/refunds", sale["id"].as_str().unwrap()),
                json!({ "source": "pos-1", "id": "R-bad", "amount": 1_00 }),
            )
        },
        Route { optional: &["about"], batch: Some("events"), ..route("system", "POST", "/v1/events", event) },
        Route {
            numbers: &["points", "minutes"],
            optional: &["minutes"],
            ..route("system", "POST", "/v1/points/holds", json!({ "member_id": anna.id, "points": 1, "minutes": 5 }))
        },
        Route {
            numbers: &["points"],
            optional: &["points"],
            ..route(
                "system",
                "POST",
                &format!("/v1/points/holds/{}/capture", hold["id"].as_str().unwrap()),
                json!({ "points": 1 }),
            )
        },
        Route {
            numbers: &["amount", "minutes"],
            zero: &["amount"],
            optional: &["minutes"],
            ..route(
                "system",
                "POST",
                "/v1/coupons/spring/reserve",
                json!({ "member_id": anna.id, "amount": 1, "minutes": 5 }),
            )
        },
        route("system", "POST", "/v1/coupons/spring/redeem", json!({ "reservation": hold["id"] })),
        route("system", "POST", "/v1/coupons/spring/rollback", json!({ "reservation": hold["id"] })),
        Route {
            ..route(
                "manager",
                "POST",
                "/v1/points/adjustments",
                json!({ "member_id": anna.id, "points": 1, "reason": "补偿" }),
            )
        },
        Route {
            numbers: &["quantity"],
            optional: &["quantity"],
            ..route("member", "POST", "/v1/me/points/redemptions", json!({ "reward": "cash-10", "quantity": 1 }))
        },
        Route {
            numbers: &["points"],
            ..route("member", "POST", "/v1/me/points/donations", json!({ "cause": "library", "points": 1 }))
        },
        Route {
            tag: Some(program.1),
            full: with_every_setting(&program.0),
            numbers: &["hold_minutes", "welcome"],
            zero: &["welcome"],
            optional: &["currency", "actions", "welcome", "rewards", "causes", "coupons", "occasions"],
            ..route("manager", "PUT", "/v1/program", program.0)
        },
        Route { optional: &["as_of"], ..route("manager", "POST", "/v1/segments/recompute", json!({ "mode": "due" })) },
        Route {
            optional: &["entries", "mode"],
            full: json!({ "entries": [{ "id": "x", "name": "某", "rule": "everyone" }], "mode": "first_match" }),
            ..route("operator", "POST", "/v1/segments/check", json!({ "rule": "everyone" }))
        },
        Route {
            optional: &["english", "rule", "entries", "mode"],
            full: json!({ "name": "某组", "entries": [{ "id": "x", "name": "某", "rule": "everyone" }] }),
            ..route("operator", "PUT", "/v1/segments/somebody", json!({ "name": "某", "rule": "everyone" }))
        },
        Route {
            optional: &["rule"],
            ..route("operator", "POST", "/v1/segments/dormant/preview", json!({ "rule": "everyone" }))
        },
        Route {
            tag: Some("\"1\"".to_owned()),
            full: with_every_action(),
            numbers: &["cost"],
            zero: &["cost"],
            optional: &["suggestions", "cost", "budget", "on_enter", "on_leave"],
            ..route(
                "manager",
                "PUT",
                "/v1/segments/new/playbook",
                json!({ "goal": "复购", "owner": "运营组", "cost": 1, "suggestions": ["回访"] }),
            )
        },
        Route {
            optional: &["name", "city", "birthday", "gender", "email"],
            ..route(
                "member",
                "PUT",
                "/v1/me",
                json!({ "name": "安娜", "city": "上海", "birthday": "1990-01-31", "email": "a@b.cn" }),
            )
        },
        route("member", "POST", "/v1/me/phone", json!({ "phone_code": "dev:13800138000" })),
        Route {
            optional: &["phone_code", "source"],
            full: json!({ "provider": "wechat", "code": "dev:bad", "source": { "channel": "store_qr" } }),
            ..route("member", "POST", "/v1/sessions", json!({ "provider": "wechat", "code": "dev:bad" }))
        },
        Route {
            optional: &["phone", "openid"],
            ..route("manager", "POST", "/v1/members/lookup", json!({ "card": anna.card }))
        },
        Route {
            optional: &["add", "remove"],
            ..route("manager", "POST", &format!("/v1/members/{}/tags", anna.id), json!({ "add": ["素色"] }))
        },
        route("manager", "POST", &format!("/v1/members/{}/notes", anna.id), json!({ "text": "试穿未购" })),
        Route {
            optional: &["preview"],
            ..route(
                "manager",
                "POST",
                &format!("/v1/members/{}/merges", anna.id),
                json!({ "other": format!("m{}", "0".repeat(26)), "reason": "同一人" }),
            )
        },
    ]
}

/// The routes about privacy and children that take a body.
async fn routes_of_privacy(house: &House, anna: &Member) -> Vec<Route> {
    let route = |role: &str, method: &'static str, path: &str, good: Value| {
        Route::new(token_of(house, anna, role), method, path, good)
    };
    let policy = house.as_manager("GET", "/v1/privacy-policy").send().await.expect(200)["policy"].clone();
    let statement = &policy["statements"][0];
    let draft = json!({ "purpose": statement["purpose"], "text": statement["text"], "changes": [] });
    let policy = json!({ "statements": [draft], "impact_assessments": [an_assessment("PIA-1")] });
    let seen = json!({ "page": "pages/privacy", "device": "iphone", "locale": "zh-CN" });
    let yes = json!({ "granted": true, "policy_version": 1, "source": seen });
    let mut consent = seen.clone();
    consent["policy_version"] = json!(1);
    let growth = json!([{ "on": "2025-01-01", "height_mm": 1050, "size": "110" }]);
    let child = json!({ "name": "豆豆", "birthday": "2020-05-20", "growth": growth });
    let mut added = child.clone();
    added["consent"] = consent;
    vec![
        Route {
            optional: &["policy_version", "source", "child"],
            ..route("member", "PUT", "/v1/me/consents/marketing.sms", yes)
        },
        route(
            "agent",
            "POST",
            &format!("/v1/members/{}/consents/withdrawals", anna.id),
            json!({ "purpose": "marketing.sms", "reason": "来电要求" }),
        ),
        route("member", "POST", "/v1/me/tags/removals", json!({ "tags": ["素色"] })),
        Route { tag: Some("\"1\"".to_owned()), ..route("manager", "PUT", "/v1/privacy-policy", policy) },
        route("manager", "POST", &format!("/v1/members/{}/ids", anna.id), json!({ "wecom": "wmAbc-1" })),
        Route {
            optional: &["about"],
            ..route("member", "POST", "/v1/me/requests", json!({ "kind": "review", "about": "tier" }))
        },
        Route {
            optional: &["about"],
            ..route(
                "agent",
                "POST",
                &format!("/v1/members/{}/requests", anna.id),
                json!({ "kind": "access", "about": "tier", "reason": "来电要求" }),
            )
        },
        Route {
            optional: &["reason"],
            ..route(
                "manager",
                "PUT",
                &format!("/v1/requests/{}", "0".repeat(32)),
                json!({ "status": "refused", "reason": "身份无法核实" }),
            )
        },
        route("manager", "POST", &format!("/v1/members/m{}/erasure", "0".repeat(26)), json!({ "reason": "来信要求" })),
        route(
            "manager",
            "PUT",
            &format!("/v1/members/m{}/legal-hold", "0".repeat(26)),
            json!({ "hold": true, "reason": "司法协查" }),
        ),
        route("manager", "POST", "/v1/erasure-receipts", json!({ "signed_receipt": "made-up" })),
        Route { optional: &["growth", "consent"], ..route("member", "POST", "/v1/me/children", added) },
        Route {
            optional: &["growth"],
            ..route("member", "PUT", &format!("/v1/me/children/{}", "0".repeat(32)), child)
        },
    ]
}

/// The routes of tickets that take a body.
async fn routes_of_tickets(house: &House, anna: &Member) -> Vec<Route> {
    let route = |role: &str, method: &'static str, path: &str, good: Value| {
        Route::new(token_of(house, anna, role), method, path, good).tagged()
    };
    let asked = json!({ "member_id": anna.id, "type": "quality", "text": "开胶" });
    let ticket = house.as_role("agent", "POST", "/v1/tickets").key(&house.a_key()).json(&asked).send().await;
    let ticket = ticket.expect(201)["id"].as_str().unwrap().to_owned();
    let about = |mut ticket: Value| {
        ticket["order"] = json!({ "source": "pos-1", "id": "S-1" });
        ticket["product"] = json!({ "sku": "TEE", "category": "上衣" });
        ticket
    };
    let desk = house.as_manager("GET", "/v1/desk").send().await.expect(200)["desk"].clone();
    let own = json!({ "type": "quality", "text": "开胶" });
    let at = |rest: &str| format!("/v1/tickets/{ticket}{rest}");
    vec![
        Route {
            optional: &["faq", "closed_tag", "limits", "notices"],
            full: with_every_shift_and_channel(&desk),
            ..route("manager", "PUT", "/v1/desk", desk)
        },
        Route { full: about(own.clone()), ..route("member", "POST", "/v1/me/tickets", own) },
        route("member", "POST", &format!("/v1/me/tickets/{ticket}/messages"), json!({ "text": "还是坏的" })),
        route("member", "POST", "/v1/me/attachments", json!({ "type": "image/jpeg", "bytes": 1_000 })),
        route("member", "POST", "/v1/me/faq", json!({ "text": "怎么退货" })),
        route("member", "POST", "/v1/me/faq/outcomes", json!({ "search": "made-up", "solved": true })),
        route("manager", "POST", "/v1/surveys/made-up", json!({ "csat": 5 })),
        Route { full: about(asked.clone()), ..route("agent", "POST", "/v1/tickets", asked) },
        route("agent", "POST", "/v1/tickets/next", json!({ "department": "after_sales" })),
        Route { optional: &["why"], ..route("agent", "PUT", &at(""), json!({ "why": "试" })) },
        route("agent", "POST", &at("/merges"), json!({ "into": ticket, "reason": "重复" })),
        route("agent", "POST", &at("/messages"), json!({ "text": "您好" })),
    ]
}

/// The routes of campaigns that take a body.
async fn routes_of_campaigns(house: &House) -> Vec<Route> {
    let route = |role: &str, method: &'static str, path: &str, good: Value| {
        Route::new(house.token(role, None), method, path, good).tagged()
    };
    let campaign = json!({
        "name": "唤醒", "scene": "dormant_wake_up", "purpose": "marketing", "audience": { "segment": "dormant" },
        "plan": ["sms"], "variants": [{ "id": "a", "weight": 100, "content": { "sms": { "sign": "回头客", "template": "SMS_1", "text": "好久不见，回来看看，拒收请回复R" } } }],
        "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-31T00:00:00+08:00" },
        "attribution_days": 7,
    });
    let mut full = campaign.clone();
    full["budget"] = json!({ "sends": 100, "fen": 500 });
    full["trigger"] = json!({ "on": "entered", "offer_minutes": 60 });
    full["prices"] = json!({ "subscribe": 0, "wecom": 0, "sms_part": 5, "email": 0, "webhook": 0 });
    let content = &mut full["variants"][0]["content"];
    content["link"] = json!("https://shop.example.cn/back");
    content["subscribe"] = json!({ "template": "t1", "page": "pages/index", "data": { "thing1": "回来看看" } });
    content["wecom"] = json!({ "text": "回来看看" });
    content["email"] = json!({ "subject": "好久不见", "text": "{unsubscribe}", "html": "{unsubscribe}" });
    content["webhook"] = json!({ "topic": "wake-up", "fields": { "text": "回来看看" } });
    let call = house.as_role("operator", "POST", "/v1/campaigns").key(&house.a_key()).json(&campaign);
    let draft = call.send().await.expect(201)["id"].as_str().unwrap().to_owned();
    let limits = house.as_manager("GET", "/v1/sending-limits").send().await.expect(200)["limits"].clone();
    let route_of = |method: &'static str, path: &str| Route {
        full: full.clone(),
        numbers: &["attribution_days"],
        zero: &["attribution_days"],
        ..route("operator", method, path, campaign.clone())
    };
    let scene = json!({
        "window": campaign["window"], "name": "唤醒", "link": "https://shop.example.cn/back", "coupon": "back10",
        "sms": { "sign": "回头客", "template": "SMS_1" },
    });
    vec![
        Route {
            optional: &["name", "link", "coupon", "sms"],
            ..route("operator", "POST", "/v1/scenes/welcome/drafts", scene)
        },
        route_of("POST", "/v1/campaigns"),
        route_of("PUT", &format!("/v1/campaigns/{draft}")),
        Route { optional: &["attribution"], ..route("manager", "PUT", "/v1/sending-limits", limits) },
    ]
}

/// The desk's settings, open on every day of the week, with notices on every channel.
fn with_every_shift_and_channel(desk: &Value) -> Value {
    let mut desk = desk.clone();
    let shifts = desk["calendar"]["week"]["monday"].clone();
    desk["calendar"]["week"]["saturday"] = shifts.clone();
    desk["calendar"]["week"]["sunday"] = shifts;
    for notice in ["survey", "invitation"] {
        let content = &mut desk["notices"][notice]["content"];
        content["subscribe"] = json!({ "template": "t1", "page": "pages/tickets", "data": { "thing1": "请评价" } });
        content["sms"] = json!({ "sign": "回头客", "template": "SMS_1", "text": "请评价{link}，拒收请回复R" });
    }
    desk
}

/// Settings with everything that the shipped ones leave out.
fn with_every_setting(program: &Value) -> Value {
    let mut program = program.clone();
    program["earning"]["rules"] = json!([{ "id": "toys", "percent": 300 }]);
    program["earning"]["cap"] = json!({ "per": "day", "points": 5_000 });
    program
}

/// A playbook with everything that one may have.
fn with_every_action() -> Value {
    let actions = json!([
        { "put_tag": { "tag": "新客礼", "days": 30 } }, { "take_tag": { "tag": "潜客" } },
        { "give_points": { "points": 20 } },
    ]);
    json!({ "goal": "复购", "owner": "运营组", "cost": 1, "budget": { "per": "month", "times": 5, "fen": 500 },
        "on_enter": actions, "on_leave": actions })
}

/// A house, somebody in it, and all routes that take a body.
async fn a_scene() -> (House, Member, Vec<Route>) {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 5_000).await;
    let sale = house.buys(&anna, 100_00).await;
    let hold = house.holds(&anna, 100, 30).await.expect(201);
    let coupon = json!({ "id": "spring", "name": "春季券", "gives": { "percent_off": { "percent": 10 } },
        "from": "2026-03-01", "until": "2026-03-31", "stock": 9 });
    let _ = house.changes_program(|program| program["coupons"] = json!([coupon])).await;
    let program = house.program().await;
    let mut routes = routes(&house, &anna, &sale, &hold, program);
    routes.extend(routes_of_tickets(&house, &anna).await);
    routes.extend(routes_of_campaigns(&house).await);
    routes.extend(routes_of_privacy(&house, &anna).await);
    (house, anna, routes)
}

/// Everything of a member and of the settings that a request could change.
async fn state(house: &House, member: &Member) -> Value {
    json!({
        "points": house.points(member).await,
        "proof": house.proof(member).await,
        "profile": house.as_member(member, "GET", "/v1/me").send().await.expect(200),
        "consents": house.as_member(member, "GET", "/v1/me/consents").send().await.expect(200),
        "children": house.as_member(member, "GET", "/v1/me/children").send().await.expect(200),
        "picture": house.as_manager("GET", &format!("/v1/members/{}", member.id)).send().await.expect(200),
        "program": house.program().await.0,
        "playbooks": house.as_manager("GET", "/v1/playbooks").send().await.expect(200),
    })
}

fn text(body: &Map<String, Value>) -> String {
    serde_json::to_string(body).unwrap()
}
