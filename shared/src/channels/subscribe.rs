//! Subscribe messages of a mini program (`subscribeMessage.send`): one accept of the member's, one message.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Fault, Known, Line, Message, Outcome, Scope, Sender, Sent};
use crate::domain::campaign::content::Rendered;
use crate::domain::traits::Channel;
use crate::values::Moment;
use crate::wechat::{CallError, WeChat};

/// The mini program's own messages.
#[derive(Debug)]
pub struct SubscribeMessages {
    /// The mini program.
    pub wechat: Arc<WeChat>,
    /// The way out.
    pub line: Line,
    /// Which edition of the mini program a message opens: `formal`, `trial` or `developer`.
    pub edition: String,
}

#[derive(Serialize)]
struct Question<'a> {
    touser: &'a str,
    template_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
    miniprogram_state: &'a str,
    lang: &'a str,
    data: BTreeMap<String, Value<'a>>,
}

#[derive(Serialize)]
struct Value<'a> {
    value: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    msgid: Option<serde_json::Value>,
}

impl Sender for SubscribeMessages {
    fn channel(&self) -> Channel {
        Channel::Subscribe
    }

    fn reports_by_its_own_id(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Rendered::Subscribe { template, page, data } = &message.content else {
                return Outcome::permanent(Fault::Content, "not_a_subscribe_message");
            };
            let question = Question {
                touser: message.to.as_str(),
                template_id: template.as_str(),
                page: page.as_deref(),
                miniprogram_state: &self.edition,
                lang: "zh_CN",
                data: data.iter().map(|(key, value)| (key.to_string(), Value { value })).collect(),
            };
            let now = self.line.wall();
            match self.wechat.call::<Answer>("/cgi-bin/message/subscribe/send", &question, now).await {
                Ok(Answer { msgid }) => {
                    let id = msgid.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
                    Outcome::accepted(id.as_deref(), message.send)
                }
                Err(error) => outcome(&error, now),
            }
        })
    }

    /// WeChat keeps no records that could be asked; what went out is told by the event of a sent message.
    fn look_up<'a>(&'a self, _: &'a Sent) -> BoxFuture<'a, Known> {
        Box::pin(async { Known::Never })
    }
}

/// What a failed call means (developers.weixin.qq.com, `subscribeMessage.send`, its table of errcodes).
fn outcome(error: &CallError, now: Moment) -> Outcome {
    const MINUTE: Duration = Duration::from_mins(1);
    let errcode = match error {
        CallError::NotSent(_) | CallError::Failing(429 | 500..=599) => return Outcome::provider_busy(Duration::ZERO),
        CallError::Unknown(_) | CallError::Failing(_) => return Outcome::Unknown,
        CallError::Refused(errcode) => *errcode,
    };
    let code = errcode.to_string();
    match errcode {
        -1 => Outcome::provider_busy(Duration::ZERO),
        // Refused, or nothing left: for this template only.
        43_101 => Outcome::Refused { scope: Scope::Template },
        40_037 | 41_030 | 47_003 => Outcome::permanent(Fault::Content, &code),
        // The day's quota is used up; it is new at midnight in China.
        45_009 => Outcome::provider_busy(Moment::start_of(now.day().plus(1)).since(now)),
        45_011 => Outcome::provider_busy(MINUTE),
        40_001 | 40_013 | 40_014 | 40_125 | 40_164 | 42_001 | 43_107 | 43_108 | 45_168 | 48_001 => {
            Outcome::permanent(Fault::Account, &code)
        }
        // 40003 is a wrong openid. What we don't know is not tried again either, and says nothing about anybody else.
        _ => Outcome::permanent(Fault::Recipient, &code),
    }
}
