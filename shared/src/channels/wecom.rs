//! WeCom: a message that a member of staff confirms before it goes to their customer
//! (developer.work.weixin.qq.com, path/92135). What the provider takes is a task, not a message: it goes out, or not,
//! when staff look at it. To staff themselves the company's app writes at once (path/90236).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Failure, Fault, Known, Line, Message, Outcome, Sender, Sent};
use crate::domain::campaign::content::Rendered;
use crate::domain::traits::Channel;
use crate::values::{MessageId, Moment};
use crate::wechat::{CallError, WeChat};

/// Members of staff whose results are asked for: a single customer is in few hands.
const MOST_STAFF: usize = 3;

/// Messages of a company's staff.
#[derive(Debug)]
pub struct WecomMessages {
    /// The company.
    pub wecom: Arc<WeChat>,
    /// The app that writes to staff, by its number; none where it doesn't.
    pub app: Option<u32>,
    /// The way out.
    pub line: Line,
}

#[derive(Serialize)]
struct ToStaff<'a> {
    touser: &'a str,
    msgtype: &'a str,
    agentid: u32,
    text: Text<'a>,
    /// The same text to the same people within half an hour is taken and not shown again.
    enable_duplicate_check: u8,
    duplicate_check_interval: u32,
}

#[derive(Deserialize)]
struct AnswerToStaff {
    #[serde(default)]
    invaliduser: String,
    #[serde(default)]
    msgid: String,
}

#[derive(Serialize)]
struct Question<'a> {
    chat_type: &'a str,
    external_userid: [&'a str; 1],
    text: Text<'a>,
}

#[derive(Serialize)]
struct Text<'a> {
    content: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    fail_list: Vec<String>,
    #[serde(default)]
    msgid: String,
}

impl Sender for WecomMessages {
    fn channel(&self) -> Channel {
        Channel::Wecom
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let text = match &message.content {
                Rendered::Wecom { text } => text,
                Rendered::Staff { text, .. } => return self.to_staff(message, text).await,
                _ => return Outcome::permanent(Fault::Content, "not_a_wecom_message"),
            };
            let to = message.to.as_str();
            let question = Question { chat_type: "single", external_userid: [to], text: Text { content: text } };
            let now = self.line.wall();
            match self.wecom.call::<Answer>("/cgi-bin/externalcontact/add_msg_template", &question, now).await {
                // Nobody of the staff may write to them.
                Ok(answer) if answer.fail_list.iter().any(|failed| failed == to) => {
                    Outcome::permanent(Fault::Recipient, "fail_list")
                }
                Ok(answer) => Outcome::accepted(Some(&answer.msgid), message.send),
                Err(error) => outcome(&error, now),
            }
        })
    }

    fn look_up<'a>(&'a self, sent: &'a Sent) -> BoxFuture<'a, Known> {
        Box::pin(async move {
            // Without the task's id nobody can ask for it.
            let Some(id) = sent.id.as_ref() else { return Known::Never };
            self.result(id, sent.to.as_str()).await.unwrap_or(Known::NotYet)
        })
    }
}

impl WecomMessages {
    /// A message to one of the staff.
    async fn to_staff(&self, message: &Message, text: &str) -> Outcome {
        let Some(agentid) = self.app else { return Outcome::permanent(Fault::Account, "no_app") };
        let question = ToStaff {
            touser: message.to.as_str(),
            msgtype: "text",
            agentid,
            text: Text { content: text },
            enable_duplicate_check: 1,
            duplicate_check_interval: 1_800,
        };
        let now = self.line.wall();
        match self.wecom.call::<AnswerToStaff>("/cgi-bin/message/send", &question, now).await {
            Ok(answer) if !answer.invaliduser.is_empty() => Outcome::permanent(Fault::Recipient, "invaliduser"),
            Ok(answer) => Outcome::accepted(Some(&answer.msgid), message.send),
            Err(error) => outcome(&error, now),
        }
    }

    /// What became of a task: at most four calls.
    async fn result(&self, id: &MessageId, to: &str) -> Result<Known, CallError> {
        #[derive(Serialize)]
        struct Task<'a> {
            msgid: &'a str,
        }
        #[derive(Deserialize)]
        struct Tasks {
            #[serde(default)]
            task_list: Vec<Staff>,
        }
        #[derive(Deserialize)]
        struct Staff {
            userid: String,
        }
        #[derive(Serialize)]
        struct Of<'a> {
            msgid: &'a str,
            userid: &'a str,
        }
        #[derive(Deserialize)]
        struct Results {
            #[serde(default)]
            send_list: Vec<OneResult>,
        }
        #[derive(Deserialize)]
        struct OneResult {
            #[serde(default)]
            external_userid: String,
            status: i64,
        }

        let (msgid, now) = (id.as_str(), self.line.wall());
        let tasks: Tasks = self.wecom.call("/cgi-bin/externalcontact/get_groupmsg_task", &Task { msgid }, now).await?;
        for Staff { userid } in tasks.task_list.iter().take(MOST_STAFF) {
            let of = Of { msgid, userid };
            let path = "/cgi-bin/externalcontact/get_groupmsg_send_result";
            let results: Results = self.wecom.call(path, &of, now).await?;
            match results.send_list.iter().find(|result| result.external_userid == to).map(|result| result.status) {
                Some(1) => return Ok(Known::Delivered),
                Some(status @ (2 | 3)) => {
                    return Ok(Known::Failed(Failure::new(Fault::Recipient, &format!("status.{status}"))));
                }
                _ => {}
            }
        }
        Ok(Known::NotYet)
    }
}

fn outcome(error: &CallError, now: Moment) -> Outcome {
    let errcode = match error {
        CallError::NotSent(_) | CallError::Failing(429) => return Outcome::provider_busy(Duration::ZERO),
        CallError::Unknown(_) | CallError::Failing(_) => return Outcome::Unknown,
        CallError::Refused(errcode) => *errcode,
    };
    let code = errcode.to_string();
    match errcode {
        -1 => Outcome::provider_busy(Duration::ZERO),
        45_009 | 45_033 => Outcome::provider_busy(Duration::from_mins(1)),
        // This customer has had as many as the month has days, or one today.
        41_048 => Outcome::recipient_busy(Moment::start_of(now.day().plus(1)).since(now)),
        40_058 | 45_002 => Outcome::permanent(Fault::Content, &code),
        40_001 | 40_013 | 40_014 | 42_001 | 48_002 | 60_011 | 60_020 => Outcome::permanent(Fault::Account, &code),
        _ => Outcome::permanent(Fault::Recipient, &code),
    }
}
