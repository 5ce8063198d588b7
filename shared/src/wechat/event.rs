//! What a push tells, once it is opened.
//!
//! WeChat's JSON is loose where it comes from XML: a list of one is an object, numbers are strings. What can't be read
//! is nothing to us, because WeChat would only send it again.

use serde::{Deserialize, Deserializer};

use crate::values::{MessageId, OpenId, RowKey, TemplateId};

/// What a person answered for one template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// One more message may go.
    Accepted,
    /// None may go, now or any more.
    Rejected,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A person was asked for subscriptions and answered, template by template.
    Asked(Vec<(TemplateId, Subscription)>),
    /// A person changed subscriptions in WeChat's own settings.
    Changed(Vec<(TemplateId, Subscription)>),
    /// What became of messages that WeChat had taken, by WeChat's id of the message; whether each was delivered.
    Sent(Vec<(MessageId, bool)>),
    /// Anything else, by WeChat's name.
    Other(String),
}

/// A push, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// About whom.
    pub from: OpenId,
    /// What.
    pub event: Event,
    /// The same for every delivery of this push: WeChat sends it up to three times.
    pub key: RowKey,
}

impl Pushed {
    /// Reads a message; none when it isn't one.
    #[must_use]
    pub fn read(message: &[u8]) -> Option<Self> {
        let message: Message = serde_json::from_slice(message).ok()?;
        let from = OpenId::parse(&message.from).ok()?;
        let list: Vec<Item> = message.list.map(OneOrMany::all).unwrap_or_default();
        let own = match &message.id {
            Some(id) => vec![id.0.as_str()],
            None => vec![from.as_str(), &message.created.0, &message.event],
        };
        // WeChat gives events no id; one person answers for one template once in a second.
        let templates = list.iter().map(|item| item.template.as_str());
        let key = RowKey::of("push", &own.into_iter().chain(templates).collect::<Vec<_>>());
        let event = match message.event.as_str() {
            "subscribe_msg_popup_event" => Event::Asked(subscriptions(&list)),
            "subscribe_msg_change_event" => Event::Changed(subscriptions(&list)),
            "subscribe_msg_sent_event" => Event::Sent(receipts(&list)),
            _ => Event::Other(message.event),
        };
        Some(Self { from, event, key })
    }
}

fn subscriptions(list: &[Item]) -> Vec<(TemplateId, Subscription)> {
    let answered = list.iter().filter_map(|item| {
        let answer = match item.status.as_str() {
            "accept" => Subscription::Accepted,
            "reject" => Subscription::Rejected,
            _ => return None,
        };
        Some((TemplateId::parse(&item.template).ok()?, answer))
    });
    answered.collect()
}

fn receipts(list: &[Item]) -> Vec<(MessageId, bool)> {
    let known = list.iter().filter_map(|item| Some((MessageId::parse(&item.message.0).ok()?, item.error.0 == "0")));
    known.collect()
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "FromUserName")]
    from: String,
    #[serde(rename = "CreateTime", default)]
    created: Text,
    #[serde(rename = "MsgId", default)]
    id: Option<Text>,
    #[serde(rename = "Event", default)]
    event: String,
    #[serde(rename = "List", default)]
    list: Option<OneOrMany<Item>>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "TemplateId", default)]
    template: String,
    #[serde(rename = "SubscribeStatusString", default)]
    status: String,
    #[serde(rename = "MsgID", default)]
    message: Text,
    #[serde(rename = "ErrorCode", default)]
    error: Text,
}

/// A list of one is written as the thing itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn all(self) -> Vec<T> {
        match self {
            Self::Many(many) => many,
            Self::One(one) => vec![one],
        }
    }
}

/// A text, which may be written as a number.
#[derive(Default)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(serde_json::Number),
        }

        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(list: &Value, event: &str, created: &Value) -> Pushed {
        let message = json!({"ToUserName": "gh_1", "FromUserName": "o1", "CreateTime": created, "MsgType": "event",
            "Event": event, "List": list});
        Pushed::read(message.to_string().as_bytes()).unwrap()
    }

    fn template(id: &str) -> TemplateId {
        TemplateId::parse(id).unwrap()
    }

    #[test]
    fn one_answer_is_an_object_and_many_are_a_list() {
        let one = json!({"TemplateId": "t1", "SubscribeStatusString": "accept", "PopupScene": "0"});
        let other = json!({"TemplateId": "t2", "SubscribeStatusString": "reject", "PopupScene": "0"});
        let accepted = (template("t1"), Subscription::Accepted);
        let single = read(&one, "subscribe_msg_popup_event", &json!("1620973045"));
        assert_eq!(single.event, Event::Asked(vec![accepted.clone()]));
        let both = read(&json!([one, other]), "subscribe_msg_popup_event", &json!("1620973045"));
        assert_eq!(both.event, Event::Asked(vec![accepted, (template("t2"), Subscription::Rejected)]));
        assert_ne!(single.key, both.key);
    }

    #[test]
    fn a_second_delivery_has_the_same_key_however_its_numbers_are_written() {
        let list = json!([{"TemplateId": "t1", "SubscribeStatusString": "reject"}]);
        let first = read(&list, "subscribe_msg_change_event", &json!("1620973045"));
        let again = read(&list, "subscribe_msg_change_event", &json!(1_620_973_045));
        assert_eq!(first, again);
        assert_ne!(first.key, read(&list, "subscribe_msg_change_event", &json!(1_620_973_046)).key);
        assert_ne!(first.key, read(&list, "subscribe_msg_popup_event", &json!("1620973045")).key);
    }

    #[test]
    fn what_became_of_a_message_is_told_by_its_id() {
        let list = json!([
            {"TemplateId": "t1", "MsgID": "1864323726461255680", "ErrorCode": "0", "ErrorStatus": "success"},
            {"TemplateId": "t1", "MsgID": 1_864_323_726_461_255_681_u64, "ErrorCode": 17, "ErrorStatus": "fail"},
            {"TemplateId": "t1", "ErrorCode": "0"},
        ]);
        let sent = read(&list, "subscribe_msg_sent_event", &json!("1"));
        let id = |text: &str| MessageId::parse(text).unwrap();
        let wanted = vec![(id("1864323726461255680"), true), (id("1864323726461255681"), false)];
        assert_eq!(sent.event, Event::Sent(wanted));
    }

    #[test]
    fn what_is_no_push_of_ours_is_nothing() {
        for bad in ["", "{}", "[]", "null", r#"{"FromUserName":""}"#, r#"{"FromUserName":"o 1"}"#, "<xml></xml>"] {
            assert_eq!(Pushed::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(read(&Value::Null, "debug_demo", &json!(1)).event, Event::Other("debug_demo".to_owned()));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("TemplateId|SubscribeStatusString|MsgID|ErrorCode|x", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn garbage_is_read_as_nothing_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200),
            list in any_json(), created in any_json(), event in "subscribe_msg_(popup|change|sent)_event|.{0,10}") {
            let _ = Pushed::read(&bytes);
            let message = json!({"FromUserName": "o1", "CreateTime": created, "Event": event, "List": list});
            let _ = Pushed::read(message.to_string().as_bytes());
        }
    }
}
