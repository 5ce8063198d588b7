//! WeChat: who a person is, told by the codes that the mini program gets.
//!
//! Facts, errcodes and limits are those of WeChat's pages on `code2Session`, `getPhoneNumber` and
//! `getStableAccessToken` (developers.weixin.qq.com, miniprogram/dev/server/API).

mod call;
pub mod event;
pub mod push;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::transport::Transport;
use crate::values::{Moment, OpenId, Phone, UnionId};

pub use call::CallError;
use call::{Access, Api, Kind};

/// Which mini program this is.
#[derive(Clone)]
pub struct WeChatSettings {
    /// Where WeChat's servers are: `https://api.weixin.qq.com`, or a stand-in's address.
    pub base_url: String,
    /// The mini program's id.
    pub app_id: String,
    /// The mini program's secret.
    pub secret: String,
}

/// The secret never shows.
impl fmt::Debug for WeChatSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeChatSettings({} at {})", self.app_id, self.base_url)
    }
}

/// Who logged in, by WeChat's ids. The `session_key` that comes along is dropped: nothing here needs it, and what
/// isn't kept can't leak.
#[derive(Clone, PartialEq, Eq)]
pub struct WeChatIdentity {
    /// The person within this mini program.
    pub openid: OpenId,
    /// The person across the brand's apps; only where the mini program is bound to an open-platform account.
    pub unionid: Option<UnionId>,
}

/// Ids of persons don't go into logs.
impl fmt::Debug for WeChatIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeChatIdentity")
    }
}

/// Why a code told nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The code is wrong, used or older than five minutes: the client gets a new one (40029, 40163).
    #[error("the code is wrong, used or expired")]
    CodeInvalid,
    /// WeChat blocks this person as a risk; trying again won't help (40226).
    #[error("WeChat blocks this person")]
    Blocked,
    /// This person came too often within a minute (45011).
    #[error("too many attempts within a minute")]
    TooOften,
    /// WeChat is busy (-1). The code may be used up, so the client tries again with a new one.
    #[error("WeChat is busy")]
    Busy,
    /// App id, secret, address list, quota or another setting at WeChat needs somebody's hand; with the errcode.
    #[error("the settings at WeChat are wrong (errcode {0})")]
    Misconfigured(i64),
    /// WeChat can't be reached or answered nonsense. The code may be used up, so the client tries again with a
    /// new one.
    #[error("WeChat can't be reached")]
    Unavailable,
}

impl From<CallError> for LoginError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent(_) | CallError::Unknown(_) | CallError::Failing(_) => Self::Unavailable,
            CallError::Refused(-1) => Self::Busy,
            CallError::Refused(40_029 | 40_163) => Self::CodeInvalid,
            CallError::Refused(40_226) => Self::Blocked,
            CallError::Refused(45_011) => Self::TooOften,
            CallError::Refused(other) => Self::Misconfigured(other),
        }
    }
}

/// The client for one mini program. Build it once: it keeps the access token.
#[derive(Debug)]
pub struct WeChat {
    api: Api,
    access: Access,
}

impl WeChat {
    /// A client that has called nobody yet.
    #[must_use]
    pub fn new(settings: WeChatSettings, transport: Arc<dyn Transport>) -> Self {
        Self { api: Api::new(settings, Kind::MiniProgram, transport), access: Access::default() }
    }

    /// A client of WeCom (`https://qyapi.weixin.qq.com`), which works by the same rules: the settings' id and secret
    /// are those of the company and of its app.
    #[must_use]
    pub fn wecom(settings: WeChatSettings, transport: Arc<dyn Transport>) -> Self {
        Self { api: Api::new(settings, Kind::Company, transport), access: Access::default() }
    }

    /// Tells who logged in, by the code of `wx.login` (`code2Session`).
    ///
    /// One call of at most 5 seconds, never repeated: once WeChat has answered the code is used up.
    pub async fn code_session(&self, code: &str) -> Result<WeChatIdentity, LoginError> {
        #[derive(Deserialize)]
        struct Session {
            openid: OpenId,
            #[serde(default)]
            unionid: Option<String>,
        }

        let session: Session = self.api.exchange_code(plausible(code)?).await?;
        // Without an open-platform account the field is absent or empty.
        let unionid = session.unionid.filter(|id| !id.is_empty()).map(|id| UnionId::parse(&id)).transpose();
        let unionid = unionid.map_err(|_| LoginError::Unavailable)?;
        Ok(WeChatIdentity { openid: session.openid, unionid })
    }

    /// Tells a person's phone number, by the code of the phone button (`getPhoneNumber`); this is another code than
    /// that of a login.
    ///
    /// With an openid WeChat checks that the code belongs to this person, so give it wherever it is known. A
    /// success costs the brand 0.03 yuan. One call, two more when the access token has to be fetched or replaced.
    /// `now` is the time of security, [`crate::clock::Clock::wall`].
    pub async fn phone_number(&self, code: &str, openid: Option<&OpenId>, now: Moment) -> Result<Phone, LoginError> {
        #[derive(Serialize)]
        struct Question<'a> {
            code: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            openid: Option<&'a str>,
        }
        #[derive(Deserialize)]
        struct Answer {
            phone_info: PhoneInfo,
        }

        let question = Question { code: plausible(code)?, openid: openid.map(OpenId::as_str) };
        let answer: Answer = self.call("/wxa/business/getuserphonenumber", &question, now).await?;
        answer.phone_info.phone().ok_or(LoginError::Unavailable)
    }
}

#[derive(Deserialize)]
struct PhoneInfo {
    #[serde(rename = "purePhoneNumber")]
    number: String,
    #[serde(rename = "countryCode")]
    country: CountryCode,
}

impl PhoneInfo {
    fn phone(&self) -> Option<Phone> {
        let country = match &self.country {
            CountryCode::Text(text) => text.clone(),
            CountryCode::Number(number) => number.to_string(),
        };
        Phone::parse(&format!("+{country}{}", self.number)).ok()
    }
}

/// A string by the page's table, a number by the example below it.
#[derive(Deserialize)]
#[serde(untagged)]
enum CountryCode {
    Text(String),
    Number(u32),
}

/// Keeps what can't be a code from costing a call.
fn plausible(code: &str) -> Result<&str, LoginError> {
    let fits = !code.is_empty() && code.len() <= 256 && !code.chars().any(char::is_control);
    if fits { Ok(code) } else { Err(LoginError::CodeInvalid) }
}
