//! Taking everything along, leaving and legal holds. The ids in the names are those of
//! `shared/src/domain/consent.md`.

use std::collections::{BTreeMap, BTreeSet};

use huitou::cases::Who;
use huitou::cases::exports::{CATEGORIES, Place};
use huitou::table::{INVENTORY, Left, Shown};
use huitou::values::{Actor, MemberId};
use serde_json::{Value, json};
use tests::marketing::by_webhook;
use tests::{Answer, House, Member, a_house, order};

const NAME: &str = "欧阳晓彤";
const PHONE: &str = "13800138000";
const EMAIL: &str = "xiaotong@example.cn";
const CITY: &str = "景德镇市";
const CHILD: &str = "豆豆七七";
const COMPLAINT: &str = "鞋底开胶三处";
const REPLY: &str = "马上为您换新";
const NOTE: &str = "试穿未购喜欢素色";
const DESK_NOTE: &str = "该客户要求较高";
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

/// What must not be found anywhere once its member has left.
const PERSONAL: [&str; 9] = [NAME, PHONE, EMAIL, CITY, CHILD, COMPLAINT, REPLY, NOTE, DESK_NOTE];

pub(crate) async fn deletes(house: &House, member: &Member) -> Answer {
    house.as_member(member, "DELETE", "/v1/me").send().await
}

pub(crate) async fn exports(house: &House, member: &Member) -> Value {
    house.as_member(member, "POST", "/v1/me/export").send().await.expect(200)
}

pub(crate) async fn posts(house: &House, role: &str, path: &str, body: Value) -> Value {
    let call = house.as_role(role, "POST", path).key(&house.a_key()).json(&body);
    let answer = call.send().await;
    assert!(answer.status < 300, "{path}: {}", String::from_utf8_lossy(&answer.text));
    answer.json()
}

pub(crate) async fn holds(house: &House, member: &Member, hold: bool) {
    let path = format!("/v1/members/{}/legal-hold", member.id);
    let body = json!({ "hold": hold, "reason": "司法协查" });
    assert_eq!(house.as_manager("PUT", &path).json(&body).send().await.expect(200), json!({ "hold": hold }));
}

async fn agrees(house: &House, member: &Member, purpose: &str) {
    let body = json!({ "granted": true, "policy_version": 1, "source": { "page": "pages/privacy" } });
    let call = house.as_member(member, "PUT", &format!("/v1/me/consents/{purpose}")).json(&body);
    let _ = call.send().await.expect(200);
}

/// A ticket with a picture, an answer and a note of the desk.
async fn a_ticket(house: &House, anna: &Member) -> Value {
    let file = json!({ "type": "image/png", "bytes": PICTURE.len() });
    let link = house.as_member(anna, "POST", "/v1/me/attachments").json(&file).send().await.expect(201);
    let upload = house.call("PUT", &path_of(&link)).header("if-none-match", "*").text("image/png", PICTURE);
    assert_eq!(upload.send().await.status, 200);
    let body = json!({ "type": "quality", "text": COMPLAINT, "attachments": [link["attachment"]] });
    let opened = house.as_member(anna, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body).send().await;
    let ticket = opened.expect(201);
    let path = format!("/v1/tickets/{}/messages", ticket["id"].as_str().unwrap());
    let _ = posts(house, "agent", &path, json!({ "text": REPLY })).await;
    let _ = posts(house, "agent", &path, json!({ "text": DESK_NOTE, "internal": true })).await;
    ticket
}

fn path_of(link: &Value) -> String {
    let url = link["url"].as_str().unwrap();
    url.split_once("://").unwrap().1.split_once('/').map(|(_, path)| format!("/{path}")).unwrap()
}

/// Everything that somebody can leave behind, and the campaign whose message waits for her.
async fn a_life(house: &House) -> (Member, Value) {
    let anna = house.signs_up("anna", &json!({ "phone_code": format!("dev:{PHONE}") })).await;
    let told = json!({ "name": NAME, "birthday": "1990-05-20", "email": EMAIL, "city": CITY, "gender": "female" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    let mut child =
        json!({ "name": CHILD, "birthday": "2020-05-20", "growth": [{ "on": "2026-01-05", "height_mm": 1105 }] });
    child["consent"] = json!({ "policy_version": 1 });
    let added = house.as_member(&anna, "POST", "/v1/me/children").key(&house.a_key()).json(&child).send().await;
    let _ = added.expect(201);
    agrees(house, &anna, "marketing.webhook").await;
    // The account of a card, which turns out to be hers.
    let card = house.a_member("00001").await;
    let _ = house.buys(&card, 50_00).await;
    let merge = json!({ "other": card.id, "reason": "同一人" });
    let _ = posts(house, "manager", &format!("/v1/members/{}/merges", anna.id), merge).await;
    let anna = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    let sale = house.buys(&anna, 199_00).await;
    let _ = house.refunds(&sale, "R-1", 50_00).await;
    let _ = house.gives(&anna, 500).await.expect(201);
    let _ = house.checks_in(&anna).await;
    let signed = order("S-1", &json!({ "member_id": anna.id }), &house.now(), 10_00);
    let _ = house.signs(house.call("POST", "/v1/orders").json(&json!({ "orders": [signed] }))).send().await.expect(200);
    let _ = posts(house, "manager", &format!("/v1/members/{}/tags", anna.id), json!({ "add": ["素色"] })).await;
    let _ = posts(house, "manager", &format!("/v1/members/{}/notes", anna.id), json!({ "text": NOTE })).await;
    let _ = a_ticket(house, &anna).await;
    let asked = json!({ "kind": "review", "about": "tier" });
    let call = house.as_member(&anna, "POST", "/v1/me/requests").key(&house.a_key()).json(&asked);
    let _ = call.send().await.expect(201);
    let gone = house.launches(&by_webhook()).await;
    let _ = house.until(&gone, |counts| counts["sent"] == 1).await;
    house.it_is("2026-03-02T23:00:00+08:00").await;
    let campaign = house.launches(&by_webhook()).await;
    let _ = house.until(&campaign, |counts| counts["held.quiet_hours"] == 1).await;
    (anna, campaign)
}

// --- What is stored ---------------------------------------------------------------------------------------------------

/// Every stored item with its table's name in the template.
async fn items(house: &House) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for table in &house.host.surroundings.template.tables {
        let request = json!({ "TableName": table.name }).to_string();
        let call = house.call("POST", "/dev/aws").header("x-amz-target", "DynamoDB_20120810.Scan");
        let page = call.text("application/x-amz-json-1.0", request).send().await.expect(200);
        assert!(page.get("LastEvaluatedKey").is_none(), "one page holds all of {}", table.name);
        let items = page["Items"].as_array().unwrap().clone();
        all.extend(items.into_iter().map(|item| (table.name.clone(), item)));
    }
    all
}

/// What kind of item it is; none for one that nobody has thought of.
fn kind<'a>(table: &str, item: &'a Value) -> Option<&'a str> {
    let text = |name: &str| item[name]["S"].as_str();
    let has = |name: &str| item.get(name).is_some();
    let begin = |name: &str| text(name).map(|text| text.split('#').next().unwrap_or_default());
    match table {
        "Members" => has("account").then_some("account"),
        "Journal" => Some(if has("entry") {
            "row"
        } else if has("refunded") {
            "refunds"
        } else {
            return None;
        }),
        "Profiles" | "AuditTrail" => begin("part"),
        "Identities" => Some(if has("member") {
            "identity"
        } else if has("gone_at") {
            "signature"
        } else {
            return None;
        }),
        "MemberKeys" => has("wrapped").then_some("key"),
        "Settings" => has("subject").then_some("settings"),
        "Memberships" => has("segment_shard").then_some("membership"),
        "SegmentCounts" => has("#shard").then_some("counts"),
        "TicketTable" => match begin("ticket") {
            Some(counted @ ("tally" | "line")) => Some(counted),
            _ => begin("part"),
        },
        "CampaignTable" => {
            if text("campaign") == Some("circuits") {
                Some("circuit")
            } else {
                begin("part")
            }
        }
        "Sends" => match begin("send") {
            Some("push") => Some("push"),
            _ if has("campaign") => Some("send"),
            _ if has("addressed_at") => Some("addressed"),
            _ => has("names").then_some("name"),
        },
        "Requests" => has("request").then_some("request"),
        "Attempts" => has("times").then_some("attempts"),
        _ => None,
    }
}

#[tokio::test]
async fn r1_every_kind_of_item_is_listed_with_what_an_export_shows_of_it_and_what_erasing_leaves() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let _ = exports(&house, &anna).await;
    let mut met = BTreeSet::new();
    for (table, item) in items(&house).await {
        let kind =
            kind(&table, &item).unwrap_or_else(|| panic!("{table} has a kind of item that is not known: {item}"));
        let listed = INVENTORY.iter().find(|known| known.table == table && known.kind == kind);
        let listed = listed.unwrap_or_else(|| panic!("{kind} of {table} is not in the inventory"));
        let _ = met.insert((listed.table, listed.kind));
    }
    for known in INVENTORY {
        // What is about members has to be met, or a life here lacks something.
        let about_members = matches!(known.shown, Shown::As(_)) || known.left != Left::All;
        let rare = ["name", "asked"].contains(&known.kind);
        assert!(!about_members || rare || met.contains(&(known.table, known.kind)), "nobody here has {known:?}");
        if let Shown::As(category) = known.shown {
            assert!(CATEGORIES.contains(&category), "{known:?}");
        }
    }
    let listed: BTreeSet<&str> = INVENTORY.iter().map(|known| known.table).collect();
    let tables = &house.host.surroundings.template.tables;
    let stored: BTreeSet<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(listed, stored, "the inventory has every table of the template");
}

#[tokio::test]
async fn r1_an_export_holds_everything_about_the_member_in_one_answer_and_nothing_of_the_desks_own() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let export = exports(&house, &anna).await;
    assert_eq!((&export["format"], &export["next"]), (&json!("huitou-export-1"), &Value::Null));
    let data = export["data"].as_object().unwrap();
    let there: BTreeSet<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(there, CATEGORIES.into_iter().collect());
    let text = export.to_string();
    for personal in [NAME, PHONE, EMAIL, CITY, CHILD, COMPLAINT, REPLY, NOTE, "00001"] {
        assert!(text.contains(personal), "{personal}");
    }
    assert!(!text.contains(DESK_NOTE) && !text.contains("dev-agent") && !text.contains("identities"), "{text}");
    let picture = &data["tickets"][0]["messages"][0]["attachments"][0];
    assert_eq!(house.call("GET", &path_of(picture)).send().await.text.as_ref(), PICTURE);
    assert_eq!(data["journal"].as_array().unwrap().iter().filter(|row| row["what"]["kind"] == "order").count(), 4);
    assert_eq!(data["consents"].as_array().unwrap().len(), 2);

    let on_behalf = house
        .as_manager("POST", &format!("/v1/members/{}/export", anna.id))
        .header("x-huitou-reason", "letter")
        .send()
        .await
        .expect(200);
    assert_eq!(on_behalf["data"]["profile"], export["data"]["profile"]);
    let given = house.as_member(&anna, "GET", "/v1/me/requests").send().await.expect(200);
    let given: Vec<&Value> = given["items"].as_array().unwrap().iter().filter(|r| r["kind"] == "export").collect();
    assert_eq!((given.len(), &given[0]["status"]), (1, &json!("done")), "that it was given is on record, once a day");
}

#[tokio::test]
async fn r1_an_export_in_parts_is_the_same_as_one_in_one() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let who =
        Who { member: MemberId::parse(&anna.id).unwrap(), session: None, by: Actor::parse("manager:li").unwrap() };
    let export = async |from| house.host.app.exports().read(&who, from).await.unwrap().data;
    let whole = export(None).await;
    for from in [
        Place::Parts { of: 0, after: None },
        Place::Journal { of: 0, links: None },
        Place::Tickets { of: 0, within: None },
        Place::Sends { of: 0, after: None },
        Place::Requests { of: 0, within: None },
    ] {
        let rest = export(Some(from.clone())).await;
        assert!(!rest.is_empty());
        for (category, pieces) in rest.iter().filter(|(category, _)| **category != "tickets") {
            assert_eq!(Some(pieces), whole.get(category), "{category} from {from:?}");
        }
    }
    let cursor = house.as_member(&anna, "POST", "/v1/me/export?cursor=made-up").send().await;
    cursor.refuses(400, "cursor_invalid");
}

#[tokio::test]
async fn r1_an_export_holds_every_request_however_many_there_are_also_those_of_a_merged_account() {
    let house = a_house().await;
    let asks = async |member: &Member| {
        let asked = json!({ "kind": "review", "about": "tier", "reason": "来电" });
        let _ = posts(&house, "agent", &format!("/v1/members/{}/requests", member.id), asked).await;
    };
    let anna = house.signs_up("anna", &json!({})).await;
    let card = house.a_member("00001").await;
    asks(&card).await;
    let merge = json!({ "other": card.id, "reason": "同一人" });
    let _ = posts(&house, "manager", &format!("/v1/members/{}/merges", anna.id), merge).await;
    for _ in 0..120 {
        asks(&anna).await;
    }
    let export = exports(&house, &anna).await;
    let asked = export["data"]["requests"].as_array().unwrap().iter().filter(|request| request["kind"] == "review");
    assert_eq!(asked.count(), 121);
}

// --- Leaving ----------------------------------------------------------------------------------------------------------

/// Members of each segment, as the counts say and as the lists do.
async fn segments(house: &House) -> BTreeMap<String, (u64, usize)> {
    let list = house.as_manager("GET", "/v1/segments").send().await.expect(200);
    let mut found = BTreeMap::new();
    for segment in list["items"].as_array().unwrap() {
        let id = segment["id"].as_str().unwrap();
        let members = house.as_manager("GET", &format!("/v1/segments/{id}/members")).send().await.expect(200);
        let listed = members["items"].as_array().unwrap().len();
        let _ = found.insert(id.to_owned(), (segment["members"].as_u64().unwrap(), listed));
    }
    found
}

#[tokio::test]
async fn r3_leaving_takes_one_call_leaves_nothing_of_the_person_and_the_books_still_balance() {
    let house = a_house().await;
    let (anna, campaign) = a_life(&house).await;
    let bo = house.a_member_with("00009", 70).await;
    let before = house.proof(&anna).await;
    let erasure = deletes(&house, &anna).await.expect(200);
    let receipt = &erasure["receipt"];
    let erased = &receipt["erased"];
    assert_eq!((&erased["accounts"], &erased["tickets"], &erased["files"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!((&erased["texts"], &erased["sends"]), (&json!(5), &json!(1)));
    assert!(erased["ids"].as_u64() >= Some(4) && erased["segments"].as_u64() >= Some(1), "{erased}");
    assert!(receipt["finished_at"].is_string());

    let mut whose: BTreeSet<String> = BTreeSet::new();
    for (table, item) in items(&house).await {
        let text = item.to_string();
        for personal in PERSONAL {
            assert!(!text.contains(personal), "{personal} in {table}: {text}");
        }
        let kind = kind(&table, &item).unwrap();
        let listed = INVENTORY.iter().find(|known| known.table == table && known.kind == kind).unwrap();
        if text.contains(&anna.id) {
            assert_eq!(listed.left, Left::Pseudonym, "{kind} of {table} names her: {text}");
            let _ = whose.insert(format!("{table}.{kind}"));
        }
    }
    let wanted = [
        "AuditTrail.entry",
        "Journal.row",
        "Members.account",
        "Profiles.profile",
        "Requests.request",
        "Sends.send",
        "TicketTable.ticket",
    ];
    assert_eq!(whose, wanted.map(str::to_owned).into());

    let proof = house.as_manager("GET", &format!("/v1/points/proof?member_id={}", anna.id)).send().await.expect(200);
    assert_eq!(proof["balanced"], true, "{proof}");
    assert_eq!(proof["available"], before["available"], "no total moves");
    assert_eq!(proof["entries"].as_u64(), before["entries"].as_u64().map(|rows| rows + 1));
    assert_eq!(house.proof(&bo).await["balanced"], true);
    for (segment, (counted, listed)) in segments(&house).await {
        assert_eq!(counted, u64::try_from(listed).unwrap(), "{segment}");
    }
    let counts = house.counts(&campaign).await;
    assert_eq!((&counts["refused.erased"], &counts["audience"]), (&json!(1), &json!(1)));
    house.it_is("2026-03-03T10:00:00+08:00").await;
    assert_eq!(house.host.outbox.newest(Some(&anna.id), 10).len(), 1, "only what went before; what waited does not go");
}

#[tokio::test]
async fn r3_who_has_left_is_gone_everywhere_and_comes_back_as_somebody_new() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let first = deletes(&house, &anna).await.expect(200);
    assert_eq!(deletes(&house, &anna).await.expect(200), first, "asked again, the same receipt");
    for (method, path) in [
        ("GET", "/v1/me"),
        ("GET", "/v1/me/points"),
        ("POST", "/v1/me/export"),
        ("GET", "/v1/me/tickets"),
        ("GET", "/v1/me/requests"),
    ] {
        house.as_member(&anna, method, path).send().await.refuses(410, "member_erased");
    }
    for path in ["", "/timeline", "/consents", "/segments"] {
        house.as_manager("GET", &format!("/v1/members/{}{path}", anna.id)).send().await.refuses(410, "member_erased");
    }
    let late = order("LATE-1", &json!({ "member_id": anna.id }), &house.now(), 10_00);
    let other = order("LATE-2", &json!({ "card": "00077" }), &house.now(), 10_00);
    let results = house.sends(&[late, other]).await;
    assert_eq!((&results[0]["status"], &results[0]["problem"]["code"]), (&json!("rejected"), &json!("member_erased")));
    assert_eq!(results[1]["status"], "created", "one customer's bar is nobody else's");
    let body = json!({ "phone": PHONE });
    house.as_manager("POST", "/v1/members/lookup").json(&body).send().await.refuses(404, "not_found");

    let session = house.logs_in("dev:anna", &json!({ "phone_code": format!("dev:{PHONE}") })).await.expect(201);
    let back = House::member_in(&session);
    assert_ne!(back.id, anna.id);
    assert_eq!(house.books(&back).await[1..], [0, 0, 0]);
    assert_eq!(exports(&house, &back).await["data"]["journal"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn r3_a_refund_of_somebody_who_has_left_is_booked_all_the_same() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let sale = house.buys(&anna, 100_00).await;
    let _ = deletes(&house, &anna).await.expect(200);
    let _ = house.refunds(&sale, "R-1", 40_00).await.expect(201);
    let proof = house.as_manager("GET", &format!("/v1/points/proof?member_id={}", anna.id)).send().await.expect(200);
    assert_eq!(proof["balanced"], true, "{proof}");
}

#[tokio::test]
async fn r3_a_receipt_can_be_verified_later_and_says_nothing_of_who_it_was() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let erasure = deletes(&house, &anna).await.expect(200);
    let signed = erasure["signed_receipt"].as_str().unwrap().to_owned();
    let verify = async |signed: &str| {
        let body = json!({ "signed_receipt": signed });
        house.call("POST", "/v1/erasure-receipts").json(&body).send().await
    };
    assert_eq!(verify(&signed).await.expect(200), erasure["receipt"]);
    for personal in PERSONAL.iter().copied().chain([anna.id.as_str()]) {
        assert!(!erasure.to_string().contains(personal), "{personal}");
    }
    let place = signed.len() / 2;
    let other = if signed.as_bytes()[place] == b'A' { 'B' } else { 'A' };
    let changed = format!("{}{other}{}", &signed[..place], &signed[place + 1..]);
    verify(&changed).await.refuses(422, "receipt_unknown");
    verify("made-up").await.refuses(422, "receipt_unknown");
}

#[tokio::test]
async fn r3_a_manager_erases_on_request_and_what_was_on_its_way_is_cleared_away_an_hour_later() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let path = format!("/v1/members/{}", anna.id);
    let asked = json!({ "kind": "erasure", "reason": "来信要求" });
    let asked = posts(&house, "agent", &format!("{path}/requests"), asked).await;
    assert_eq!((&asked["status"], &asked["due_on"]), (&json!("open"), &json!("2026-03-23")));
    let decided = json!({ "status": "done" });
    let request = format!("/v1/requests/{}", asked["id"].as_str().unwrap());
    house.as_manager("PUT", &request).json(&decided).send().await.refuses(422, "decided_by_erasing");
    let call = house.as_manager("POST", &format!("{path}/erasure")).json(&json!({ "reason": "来信要求" }));
    let erasure = call.send().await.expect(200);
    assert_eq!(erasure["receipt"]["request"], asked["id"]);

    // A note that a slow request writes after all, under a key that is no more.
    let table = &house.host.table.sdk();
    let profiles = house.host.surroundings.template.tables.iter().find(|table| table.name == "Profiles").unwrap();
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let put = table.put_item().table_name(&profiles.name).item("member", text(&anna.id));
    put.item("part", text("note#late")).item("content", text("{}")).send().await.unwrap();
    let parts = async || {
        items(&house).await.iter().filter(|(table, item)| table == "Profiles" && item["member"]["S"] == anna.id).count()
    };
    assert_eq!(parts().await, 2);
    house.it_is("2026-03-03T00:10:00+08:00").await;
    assert_eq!(parts().await, 1);
}

// --- Legal holds ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn r4_under_a_legal_hold_nothing_is_done_with_the_data_but_keeping_it() {
    let house = a_house().await;
    let (anna, campaign) = a_life(&house).await;
    holds(&house, &anna, true).await;
    holds(&house, &anna, true).await;
    for (method, path) in [
        ("GET", "/v1/me"),
        ("GET", "/v1/me/points"),
        ("POST", "/v1/me/export"),
        ("GET", "/v1/me/tickets"),
        ("GET", "/v1/me/children"),
    ] {
        house.as_member(&anna, method, path).send().await.refuses(423, "legal_hold");
    }
    for path in ["", "/timeline", "/consents", "/segments"] {
        house.as_manager("GET", &format!("/v1/members/{}{path}", anna.id)).send().await.refuses(423, "legal_hold");
    }
    house.logs_in("dev:anna", &json!({})).await.refuses(423, "legal_hold");
    for (segment, (counted, listed)) in segments(&house).await {
        assert_eq!(counted, u64::try_from(listed).unwrap(), "{segment}");
    }
    deletes(&house, &anna).await.refuses(423, "legal_hold");
    house.it_is("2026-03-03T10:00:00+08:00").await;
    let _ = house.until(&campaign, |counts| counts["refused.legal_hold"] == 1).await;

    let open = house.as_role("agent", "GET", "/v1/requests").send().await.expect(200);
    let kinds: BTreeSet<&str> = open["items"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["review", "erasure"].into(), "who wanted to leave is not forgotten");
    holds(&house, &anna, false).await;
    let journal = house.journal(&anna).await.concat();
    let told = journal.iter().filter(|row| row["kind"] == "legal_hold").count();
    assert_eq!(told, 2, "set and lifted, each once: {journal:?}");
    assert!(exports(&house, &anna).await.to_string().contains(NAME));
    let _ = deletes(&house, &anna).await.expect(200);
}

#[tokio::test]
async fn r4_a_member_who_was_merged_is_held_and_erased_with_the_one_who_goes_on() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let absorbed = house.profile(&anna).await;
    assert!(absorbed["linked"].as_array().unwrap().contains(&json!("card")));
    let export = exports(&house, &anna).await;
    let other = export["data"]["profile"][0]["merged_accounts"][0].as_str().unwrap().to_owned();
    let path = format!("/v1/members/{other}");
    let reason = json!({ "reason": "来信要求" });
    house.as_manager("POST", &format!("{path}/erasure")).json(&reason).send().await.refuses(409, "merged_elsewhere");
    let hold = json!({ "hold": true, "reason": "司法协查" });
    house.as_manager("PUT", &format!("{path}/legal-hold")).json(&hold).send().await.refuses(409, "merged_elsewhere");
    let _ = deletes(&house, &anna).await.expect(200);
    house.as_manager("GET", &path).send().await.refuses(410, "member_erased");
    let keys = items(&house).await.into_iter().filter(|(table, _)| table == "MemberKeys").count();
    assert_eq!(keys, 0, "no key is left, and nothing that one had sealed can be read");
}

// --- Requests ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn t1_whatever_lapses_is_listed_and_lapses_only_from_tables_that_let_it_go() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let _ = deletes(&house, &anna).await.expect(200);
    house.it_is("2026-03-03T10:00:00+08:00").await;
    let mut met = BTreeSet::new();
    for (table, item) in items(&house).await.into_iter().filter(|(_, item)| item.get("gone_at").is_some()) {
        let kind = kind(&table, &item).unwrap().to_owned();
        let listed = INVENTORY.iter().find(|known| known.table == table && known.kind == kind).unwrap();
        assert!(listed.lapses.is_some(), "{kind} of {table} lapses, and the inventory does not say when");
        let _ = met.insert(kind);
    }
    assert!(met.contains("request") && met.contains("signature"), "{met:?}");
    let lapsing: BTreeSet<&str> =
        INVENTORY.iter().filter(|known| known.lapses.is_some()).map(|known| known.table).collect();
    let tables = house.host.surroundings.template.tables.iter();
    let letting: BTreeSet<&str> = tables.filter(|t| t.expires_by.is_some()).map(|t| t.name.as_str()).collect();
    assert_eq!(lapsing, letting);
}

#[tokio::test]
async fn r2_a_correction_counts_at_once_also_for_segments_and_is_on_record_without_what_was_said() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let rule = json!({ "name": "生日", "rule": "birthday <= 7" });
    let _ = house.as_manager("PUT", "/v1/segments/birthday_soon").json(&rule).send().await.expect(200);
    let tells = async |birthday: &str| {
        let told = json!({ "name": NAME, "birthday": birthday });
        let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
        let list = house.as_manager("GET", "/v1/segments/birthday_soon/members").send().await.expect(200);
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(tells("1990-03-05").await, 1);
    assert_eq!(tells("1990-09-05").await, 0, "a correction moves the member out at once");
    assert_eq!(tells("1990-09-05").await, 0);
    let export = exports(&house, &anna).await;
    let records = export["data"]["corrections"].as_array().unwrap();
    let fields: Vec<Vec<&str>> = (records.iter())
        .map(|record| record["fields"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap()).collect())
        .collect();
    assert_eq!(fields, [vec!["name", "birthday"], vec!["birthday"]], "what is said again is no correction");
    let (first, second) = (&records[0]["fields"][1], &records[1]["fields"][0]);
    assert_eq!(first["before"], Value::Null);
    assert_eq!(first["after"], second["before"], "what stood there can be told from what stands there");
    assert_ne!(second["before"], second["after"]);
    let text = json!(records).to_string();
    assert!(!text.contains("1990") && !text.contains(NAME), "{text}");
}

#[tokio::test]
async fn r3_who_is_back_after_a_restore_is_erased_again_and_comes_back_as_somebody_new() {
    let house = a_house().await;
    let (anna, _) = a_life(&house).await;
    let client = &house.host.table.sdk();
    let mut kept = Vec::new();
    for table in ["Members", "Journal", "Profiles", "Identities"] {
        let page = client.scan().table_name(table).send().await.unwrap();
        kept.extend(page.items.unwrap_or_default().into_iter().map(|item| (table, item)));
    }
    let _ = deletes(&house, &anna).await.expect(200);
    for row in client.scan().table_name("Journal").send().await.unwrap().items() {
        if !kept.iter().any(|(_, item)| item.get("row") == row.get("row")) {
            let _ = client.delete_item().table_name("Journal").key("row", row["row"].clone()).send().await.unwrap();
        }
    }
    // These tables are put back to the time before; the keys never are, and requests tell who has left since.
    for (table, item) in kept {
        let _ = client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }
    let erase = async || {
        let path = format!("/v1/members/{}/erasure", anna.id);
        house.as_manager("POST", &path).json(&json!({ "reason": "恢复后重新注销" })).send().await
    };
    let again = erase().await.expect(200);
    assert!(again["receipt"]["erased"]["parts"].as_u64() > Some(3));
    assert_eq!(erase().await.expect(200), again);
    house.as_member(&anna, "GET", "/v1/me/points").send().await.refuses(410, "member_erased");
    let session = house.logs_in("dev:anna", &json!({ "phone_code": format!("dev:{PHONE}") })).await.expect(201);
    assert_ne!(session["member"]["id"], anna.id);
}

#[tokio::test]
async fn r4_an_order_that_was_booked_before_a_legal_hold_is_told_as_booked_when_it_is_sent_again() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let order = |id| order(id, &json!({ "member_id": anna.id }), &house.now(), 199_00);
    let (before, during) = ([order("A-1")], [order("A-2")]);
    assert_eq!(house.sends(&before).await[0]["status"], "created");
    holds(&house, &anna, true).await;
    let again = house.sends(&before).await.remove(0);
    assert_eq!((&again["status"], &again["points"]), (&json!("replayed"), &json!(199)), "{again}");
    assert_eq!(house.sends(&during).await[0]["problem"]["code"], "legal_hold");
    holds(&house, &anna, false).await;
    assert_eq!(house.sends(&during).await[0]["status"], "created", "and nothing is lost for having waited");
}
