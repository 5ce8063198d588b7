//! What providers tell of messages later: receipts, and what members answered.
//!
//! Providers send lists, change their fields, and repeat themselves. What can't be read is left out one by one, because
//! a list that is refused would come again as a whole.

use serde::Deserialize;
use serde_json::Value;

use super::{Failure, Fault};
use crate::domain::campaign::answer::Fate;
use crate::domain::reach::SuppressedBy;
use crate::domain::traits::Channel;
use crate::values::{MessageId, Phone, SendId};

/// A provider that posts receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// Aliyun's text messages (`SmsReport`, `SmsUp`).
    Aliyun,
    /// Tencent Cloud's text messages (document 382/43547 and 382/43548).
    Tencent,
    /// SES, by SNS (docs.aws.amazon.com, ses, event publishing).
    Ses,
}

impl Reporter {
    /// The provider that a path names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "aliyun" => Some(Self::Aliyun),
            "tencent" => Some(Self::Tencent),
            "ses" => Some(Self::Ses),
            _ => None,
        }
    }

    /// The channel on which it delivers.
    #[must_use]
    pub const fn channel(self) -> Channel {
        match self {
            Self::Aliyun | Self::Tencent => Channel::Sms,
            Self::Ses => Channel::Email,
        }
    }
}

/// Which message is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By our id, which the provider gives back.
    Ours(SendId),
    /// By the provider's own.
    Theirs(MessageId),
}

/// What a provider tells.
#[derive(Clone, PartialEq, Eq)]
pub enum Told {
    /// What became of a message.
    Receipt(Named, Fate),
    /// What a member wrote back.
    Reply {
        /// From which number.
        from: Phone,
        /// The words.
        text: String,
    },
    /// Whoever looks after the account has to follow this address once, so that receipts come.
    Confirm(String),
}

/// What members write is personal.
impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Receipt(named, fate) => write!(f, "Receipt({named:?}, {fate:?})"),
            Self::Reply { .. } => f.write_str("Reply"),
            Self::Confirm(_) => f.write_str("Confirm"),
        }
    }
}

/// Everything that a body tells and that can be read; none when it isn't one of this provider's.
#[must_use]
pub fn read(reporter: Reporter, body: &[u8]) -> Option<Vec<Told>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let items = match body {
        Value::Array(items) => items,
        object @ Value::Object(_) => vec![object],
        _ => return None,
    };
    let read = match reporter {
        Reporter::Aliyun => aliyun,
        Reporter::Tencent => tencent,
        Reporter::Ses => ses,
    };
    Some(items.into_iter().filter_map(read).collect())
}

/// A truth as providers write it.
fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")))
}

/// Carriers' codes differ; those of lists on which a number stands name them.
fn undelivered(code: &str) -> Fate {
    let failure = Failure::new(Fault::Recipient, code);
    if code.to_ascii_uppercase().contains("BLACK") {
        Fate::Unwanted(SuppressedBy::Blacklist, failure)
    } else {
        Fate::Failed(failure)
    }
}

fn aliyun(item: Value) -> Option<Told> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Item {
        phone_number: String,
        success: Value,
        err_code: String,
        biz_id: String,
        out_id: String,
        content: Option<String>,
    }

    let item: Item = serde_json::from_value(item).ok()?;
    if let Some(text) = item.content {
        return Some(Told::Reply { from: number("86", &item.phone_number)?, text });
    }
    let ours = SendId::parse(&item.out_id).ok().map(Named::Ours);
    let named = ours.or_else(|| MessageId::parse(&item.biz_id).ok().map(Named::Theirs))?;
    let fate = if is_true(&item.success) { Fate::Delivered } else { undelivered(&item.err_code) };
    Some(Told::Receipt(named, fate))
}

fn tencent(item: Value) -> Option<Told> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Item {
        nationcode: String,
        mobile: String,
        text: Option<String>,
        sid: String,
        report_status: String,
        errmsg: String,
    }

    let item: Item = serde_json::from_value(item).ok()?;
    if let Some(text) = item.text {
        return Some(Told::Reply { from: number(&item.nationcode, &item.mobile)?, text });
    }
    let named = Named::Theirs(MessageId::parse(&item.sid).ok()?);
    match item.report_status.as_str() {
        "SUCCESS" => Some(Told::Receipt(named, Fate::Delivered)),
        "FAIL" => Some(Told::Receipt(named, undelivered(&item.errmsg))),
        _ => None,
    }
}

/// A number with its country's code, however it was written.
fn number(country: &str, number: &str) -> Option<Phone> {
    let number = number.trim_start_matches('+').trim_start_matches("00");
    let national = Phone::parse(&format!("+{}{number}", country.trim_start_matches('+')));
    // A number of thirteen digits has its country's code already.
    if number.len() == 13 && number.starts_with("86") { Phone::parse(number).ok() } else { national.ok() }
}

/// The message inside SNS's envelope, or by itself where the envelope is left off.
fn ses(item: Value) -> Option<Told> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Envelope {
        #[serde(rename = "Type")]
        kind: String,
        #[serde(rename = "Message")]
        message: String,
        #[serde(rename = "SubscribeURL")]
        address: String,
    }

    let envelope: Envelope = serde_json::from_value(item.clone()).ok()?;
    match envelope.kind.as_str() {
        "SubscriptionConfirmation" => {
            let host = envelope.address.strip_prefix("https://")?.split('/').next()?;
            let theirs = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
            theirs.then_some(Told::Confirm(envelope.address))
        }
        "Notification" => ses_event(serde_json::from_str(&envelope.message).ok()?),
        "" => ses_event(item),
        _ => None,
    }
}

fn ses_event(event: Value) -> Option<Told> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Event {
        #[serde(rename = "eventType", alias = "notificationType")]
        kind: String,
        mail: Mail,
        bounce: Bounce,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Mail {
        message_id: String,
        tags: Tags,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Tags {
        send: Vec<String>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Bounce {
        bounce_type: String,
        bounce_sub_type: String,
    }

    let event: Event = serde_json::from_value(event).ok()?;
    let ours = event.mail.tags.send.first().and_then(|id| SendId::parse(id).ok()).map(Named::Ours);
    let named = ours.or_else(|| MessageId::parse(&event.mail.message_id).ok().map(Named::Theirs))?;
    let failure = |code: &str| Failure::new(Fault::Recipient, code);
    let fate = match event.kind.as_str() {
        "Delivery" => Fate::Delivered,
        "Bounce" if event.bounce.bounce_type == "Permanent" => {
            Fate::Unwanted(SuppressedBy::Bounce, failure(&event.bounce.bounce_sub_type))
        }
        "Bounce" => Fate::Failed(failure(&event.bounce.bounce_type)),
        "Complaint" => Fate::Unwanted(SuppressedBy::Complaint, failure("complaint")),
        "Reject" | "Rendering Failure" => Fate::Failed(Failure::new(Fault::Content, &event.kind)),
        _ => return None,
    };
    Some(Told::Receipt(named, fate))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn told(reporter: Reporter, body: &Value) -> Vec<Told> {
        read(reporter, body.to_string().as_bytes()).unwrap()
    }

    fn ours() -> SendId {
        SendId::of("test", &["one"])
    }

    fn failed(code: &str) -> Failure {
        Failure::new(Fault::Recipient, code)
    }

    #[test]
    fn a_list_of_aliyun_tells_of_messages_by_our_own_id() {
        let (id, of) = (ours().to_string(), Named::Ours(ours()));
        let report = |success: Value, code: &str| {
            json!({"phone_number": "13800138000", "send_time": "2017-01-01 11:12:13", "success": success,
                "report_time": "2017-02-02 22:23:24", "err_code": code, "err_msg": "", "sms_size": "1",
                "biz_id": "12345", "out_id": id})
        };
        let body =
            json!([report(json!(true), "DELIVERED"), report(json!(false), "MK:0012"), report(json!("false"), "BLACK")]);
        let wanted = [
            Told::Receipt(of.clone(), Fate::Delivered),
            Told::Receipt(of.clone(), Fate::Failed(failed("MK:0012"))),
            Told::Receipt(of, Fate::Unwanted(SuppressedBy::Blacklist, failed("BLACK"))),
        ];
        assert_eq!(told(Reporter::Aliyun, &body), wanted);
    }

    #[test]
    fn what_members_write_back_comes_with_their_number() {
        let reply = |number: &str| Told::Reply { from: Phone::parse(number).unwrap(), text: "TD".to_owned() };
        let up = json!([{"phone_number": "13800138000", "send_time": "2017-01-01", "content": "TD", "sign_name": "回头客",
            "dest_code": "1069", "sequence_id": 1}]);
        assert_eq!(told(Reporter::Aliyun, &up), [reply("13800138000")]);
        let reply_of = |mobile: &str| {
            json!({"extend": "", "mobile": mobile, "nationcode": "86", "sign": "x", "text": "TD",
            "time": 1_457_336_869})
        };
        assert_eq!(told(Reporter::Tencent, &reply_of("13800138000")), [reply("13800138000")]);
        assert_eq!(told(Reporter::Tencent, &reply_of("+8613800138000")), [reply("13800138000")]);
    }

    #[test]
    fn a_list_of_tencent_tells_of_messages_by_its_own_id() {
        let report = |status: &str, code: &str| {
            json!({"user_receive_time": "2015-10-17 08:03:04", "nationcode": "86", "mobile": "13800138000",
                "report_status": status, "errmsg": code, "description": "", "sid": "5000:1"})
        };
        let of = Named::Theirs(MessageId::parse("5000:1").unwrap());
        let wanted = [
            Told::Receipt(of.clone(), Fate::Delivered),
            Told::Receipt(of.clone(), Fate::Failed(failed("UNDELIV"))),
            Told::Receipt(of, Fate::Unwanted(SuppressedBy::Blacklist, failed("MBBLACK"))),
        ];
        let body = json!([report("SUCCESS", "DELIVRD"), report("FAIL", "UNDELIV"), report("FAIL", "MBBLACK")]);
        assert_eq!(told(Reporter::Tencent, &body), wanted);
    }

    #[test]
    fn a_bounce_for_good_and_a_complaint_end_mail_to_an_address() {
        let event = |kind: &str, bounce: &str| {
            json!({"eventType": kind, "mail": {"messageId": "0100-1", "tags": {"send": [ours().to_string()]}},
                "bounce": {"bounceType": bounce, "bounceSubType": "General"}})
        };
        let in_sns = |event: &Value| json!({"Type": "Notification", "Message": event.to_string()});
        for (kind, bounce, fate) in [
            ("Delivery", "", Fate::Delivered),
            ("Bounce", "Permanent", Fate::Unwanted(SuppressedBy::Bounce, failed("General"))),
            ("Bounce", "Transient", Fate::Failed(failed("Transient"))),
            ("Complaint", "", Fate::Unwanted(SuppressedBy::Complaint, failed("complaint"))),
        ] {
            let wanted = [Told::Receipt(Named::Ours(ours()), fate)];
            assert_eq!(told(Reporter::Ses, &event(kind, bounce)), wanted, "{kind}");
            assert_eq!(told(Reporter::Ses, &in_sns(&event(kind, bounce))), wanted, "{kind}");
        }
        assert!(told(Reporter::Ses, &event("Open", "")).is_empty());
        let mut old = event("Delivery", "");
        old["mail"]["tags"] = json!({});
        let named = Named::Theirs(MessageId::parse("0100-1").unwrap());
        assert_eq!(told(Reporter::Ses, &old), [Told::Receipt(named, Fate::Delivered)]);
    }

    #[test]
    fn only_amazon_may_ask_to_be_confirmed() {
        for (address, asked) in [
            ("https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription", true),
            ("https://evil.example/amazonaws.com", false),
            ("https://amazonaws.com.evil.example/", false),
            ("http://sns.us-east-1.amazonaws.com/", false),
        ] {
            let body = json!({"Type": "SubscriptionConfirmation", "SubscribeURL": address});
            assert_eq!(told(Reporter::Ses, &body).len(), usize::from(asked), "{address}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_left_out_one_by_one() {
        let body = json!([{"success": true, "out_id": ours().to_string()}, {}, 7, {"success": true, "out_id": "x y"}]);
        assert_eq!(told(Reporter::Aliyun, &body).len(), 1);
        for bad in ["", "{", "7", "null", "\"x\""] {
            assert_eq!(read(Reporter::Aliyun, bad.as_bytes()), None, "{bad}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        let names =
            "phone_number|success|out_id|biz_id|content|sid|report_status|text|mobile|Type|Message|mail|tags|send";
        leaf.prop_recursive(4, 30, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(names, inner, 0..5).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), json in any_json()) {
            for reporter in [Reporter::Aliyun, Reporter::Tencent, Reporter::Ses] {
                let _ = read(reporter, &bytes);
                let _ = read(reporter, json.to_string().as_bytes());
                let _ = read(reporter, Value::Array(vec![json.clone()]).to_string().as_bytes());
            }
        }
    }
}
