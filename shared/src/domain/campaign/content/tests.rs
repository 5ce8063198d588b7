use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::values::{LocalDay, Points};

const MARKETING: Setting<'_> = Setting { channels: &[], marketing: true, coupon: None };

fn content(json: &Value) -> Content {
    serde_json::from_value(json.clone()).unwrap()
}

fn pointers(json: &Value, setting: &Setting<'_>) -> Vec<String> {
    content(json).flaws(setting).into_iter().map(|flaw| flaw.pointer).collect()
}

fn sms(text: &str) -> Value {
    json!({"sms": {"sign": "回头客", "template": "SMS_154950909", "text": text}})
}

fn known() -> Values {
    Values {
        name: Some("小明".to_owned()),
        tier: Some("黄金".to_owned()),
        expiring: Some((Points::computed(30), LocalDay::parse("2026-12-01").unwrap())),
        coupon: Some("BACK10".to_owned()),
        link: Some("https://m.example.cn/r/abc".to_owned()),
        unsubscribe: Some("https://m.example.cn/u/abc".to_owned()),
        pixel: Some("https://m.example.cn/o/abc".to_owned()),
        ..Values::default()
    }
}

#[test]
fn every_channel_of_the_plan_needs_something_to_say() {
    let setting = Setting { channels: &[Channel::Subscribe, Channel::Sms, Channel::Email], ..MARKETING };
    assert_eq!(pointers(&sms("好久不见，拒收请回复R"), &setting), ["/subscribe", "/email"]);
}

#[test]
fn a_placeholder_that_may_have_no_value_says_something_instead() {
    let bare = sms("{name}您好，{coupon}{link}，拒收请回复R");
    assert_eq!(pointers(&bare, &MARKETING), ["/sms/text"; 3]);
    assert!(pointers(&sms("{name|会员}您好，您有{points}积分，拒收请回复R"), &MARKETING).is_empty());
    let mut with_link = sms("{name|会员}您好 {link} {coupon} 至{offer_until} 拒收请回复R");
    with_link["link"] = json!("https://shop.example.cn/back");
    let setting = Setting { coupon: Some("BACK10"), ..MARKETING };
    assert!(pointers(&with_link, &setting).is_empty());
}

#[test]
fn a_text_message_that_advertises_says_how_to_be_left_alone() {
    assert_eq!(pointers(&sms("好久不见"), &MARKETING), ["/sms/text"]);
    assert!(pointers(&sms("好久不见"), &Setting { marketing: false, ..MARKETING }).is_empty());
    for way in ["拒收请回复R", "退订回T", "退订回复 T"] {
        assert!(pointers(&sms(&format!("好久不见，{way}")), &MARKETING).is_empty(), "{way}");
    }
}

#[test]
fn a_text_message_has_a_signature_a_template_and_room() {
    let mut wrong = sms(&format!("【礼】{}拒收请回复R", "长".repeat(500)));
    wrong["sms"]["sign"] = json!("a");
    wrong["sms"]["template"] = json!("");
    assert_eq!(pointers(&wrong, &MARKETING), ["/sms/sign", "/sms/template", "/sms/text", "/sms/text"]);
}

#[test]
fn a_text_message_is_paid_for_in_parts_of_70_or_67_characters() {
    for (units, counted) in [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)] {
        assert_eq!(parts(units), counted, "{units}");
    }
    // Five characters of signature with its brackets, and six to say how to be left alone.
    let text = |length: usize| content(&sms(&format!("{}拒收请回复R", "长".repeat(length))));
    let cost = |length: usize| text(length).cost(Channel::Sms, None, &Prices::default()).number();
    assert_eq!((cost(59), cost(60)), (5, 10));
    assert_eq!(units("回头客", "😀"), 7);
}

#[test]
fn a_subscribe_message_fits_its_keys_even_with_the_longest_values() {
    let message = |key: &str, text: &str| json!({"subscribe": {"template": "t1", "data": {key: text}}});
    for (key, text, fits) in [
        ("thing1", "{name|会员}，您的积分马上就要到期了", true),
        ("thing1", "{name|会员}，您的积分马上就要到期了！", false),
        ("number2", "{points}", true),
        ("number2", "{points}分", false),
        ("date3", "{expires_on|2026年12月31日}", true),
        ("time3", "{expires_on|2026年12月31日}", false),
        ("date3", "{expires_on|近期}", false),
        ("phrase4", "{tier|会员}", true),
        ("name5", "{name|会员}", true),
        ("character_string6", "{name|A}", false),
    ] {
        assert_eq!(pointers(&message(key, text), &MARKETING).is_empty(), fits, "{key} {text}");
    }
    let mut paged = message("thing1", "礼物");
    for (page, good) in [("pages/a?x=1", true), ("/pages/a", false), ("https://evil.example", false), ("页", false)] {
        paged["subscribe"]["page"] = json!(page);
        assert_eq!(pointers(&paged, &MARKETING).is_empty(), good, "{page}");
    }
}

#[test]
fn an_email_that_advertises_shows_the_way_out_in_both_its_forms() {
    let mut mail = json!({"email": {"subject": "好久不见", "text": "您好", "html": "<p>您好</p>"}});
    assert_eq!(pointers(&mail, &MARKETING), ["/email/text", "/email/html"]);
    mail["email"] = json!({"subject": "两\n行", "text": "{unsubscribe}"});
    assert_eq!(pointers(&mail, &MARKETING), ["/email/subject"]);
}

#[test]
fn a_link_leads_to_a_page_over_https_and_nowhere_else() {
    for good in ["https://shop.example.cn", "https://shop.example.cn:8443/a?b=c&d=%E5#e"] {
        assert!(Link::parse(good).is_ok(), "{good}");
    }
    let long = format!("https://a.cn/{}", "x".repeat(500));
    for bad in [
        "",
        "http://a.cn/",
        "https://",
        "https://a",
        "//a.cn",
        "javascript:alert(1)",
        "https://u:p@a.cn/",
        "https://a.cn@b.cn",
        "https://a.cn/\r\nset-cookie: x",
        "https://a.cn/ b",
        "https://名.cn",
        &long,
    ] {
        assert!(Link::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_comes_out_is_what_the_provider_is_to_send() {
    let text = content(&sms("{name|会员}您好，{name|会员}的{points}积分，{称呼|您}，拒收请回复R"));
    let Ok(Rendered::Sms { arguments, text, .. }) = text.render(Channel::Sms, &known()) else { panic!() };
    assert_eq!(text, "小明您好，小明的0积分，小明，拒收请回复R");
    assert_eq!(arguments, [("name", "小明".to_owned()), ("points", "0".to_owned())]);

    let mail = content(&json!({"email": {"subject": "{name|您}好", "text": "{unsubscribe}",
        "html": "<body>{name|您} <a href=\"{unsubscribe}\">退订</a></body>"}}));
    let values = Values { name: Some("<b>\n".to_owned()), ..known() };
    let Ok(Rendered::Email { subject, html, .. }) = mail.render(Channel::Email, &values) else { panic!() };
    assert_eq!(subject, "<b> 好");
    let wanted = "<body>&lt;b&gt;\n <a href=\"https://m.example.cn/u/abc\">退订</a>\
                  <img src=\"https://m.example.cn/o/abc\" width=\"1\" height=\"1\" alt=\"\"></body>";
    assert_eq!(html.unwrap(), wanted);
    assert_eq!(mail.render(Channel::Wecom, &values), Err(Unrendered::NoContent));
}

#[test]
fn a_misspelt_placeholder_or_key_is_no_content() {
    for bad in [
        sms("{nmae}"),
        json!({"subscribe": {"template": "t1", "data": {"stuff1": "x"}}}),
        json!({"link": "http://a.cn"}),
        json!({"letter": "x"}),
    ] {
        assert!(serde_json::from_value::<Content>(bad.clone()).is_err(), "{bad}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{name|会员}".to_owned()),
        Just("{tier|会员}".to_owned()),
        Just("{points}".to_owned()),
        Just("{expires_on|近期}".to_owned()),
        "[a-z您好，0-9]{1,8}",
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// What was checked at the start of a campaign stays within the provider's limits for every member.
    #[test]
    fn what_passed_the_check_goes_out_within_the_limits(
        text in any_text(),
        key in prop::sample::select(Kind::ALL.to_vec()),
        name in prop::option::of("[\\PC]{1,60}"),
        tier in prop::option::of("[\u{4e00}-\u{9fff}]{1,60}"),
        points in 0_u64..1_000_000_000_000,
    ) {
        let values = Values { name, tier, points: Points::computed(points), ..Values::default() };
        let short = content(&sms(&format!("{text}拒收请回复R")));
        if short.flaws(&MARKETING).is_empty() {
            let rendered = short.render(Channel::Sms, &values).unwrap();
            let Rendered::Sms { sign, text, .. } = &rendered else { panic!() };
            prop_assert!(units(sign, text) <= 500);
            let prices = Prices::default();
            prop_assert!(rendered.cost(&prices) <= short.cost(Channel::Sms, None, &prices));
        }
        let subscribed = content(&json!({"subscribe": {"template": "t1", "data": {format!("{}1", key.word()): text}}}));
        if subscribed.flaws(&MARKETING).is_empty() {
            match subscribed.render(Channel::Subscribe, &values) {
                Ok(Rendered::Subscribe { data, .. }) => prop_assert!(data.iter().all(|(key, text)| key.kind.takes(text))),
                // A name may have characters that a key of letters or of Chinese does not take: then nothing goes out.
                other => prop_assert!(matches!(other, Err(Unrendered::Unfit(_))), "{:?}", other),
            }
        }
    }
}
