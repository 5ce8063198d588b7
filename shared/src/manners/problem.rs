//! Problems: every answer that is not a yes, as problem+json (RFC 9457).
//!
//! What a client may know is told apart from what the log must know: a problem has a stable `code`, a sentence that
//! tells how to mend it, and a line of Chinese that can be shown to the customer. Causes stay in the log.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::edge;
use crate::cases::Error;
use crate::trust::cursor::BadCursor;
use crate::wechat::LoginError;

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Wrong {
    /// Where: a JSON pointer into the body.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// An answer that is not a yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the code tells problems apart.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable; clients may branch on it.
    pub code: &'static str,
    /// What is wrong and how to mend it, for the developer.
    pub detail: String,
    /// What can be shown to the customer.
    pub message: &'static str,
    /// Every single thing that is wrong, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Wrong>,
    /// The request, as the log names it.
    pub request_id: String,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>, message: &'static str) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            message,
            errors: Vec::new(),
            request_id: edge::request_id(),
            retry_after: None,
        }
    }

    /// Names every single thing that is wrong.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Wrong>) -> Self {
        self.errors = errors;
        self
    }

    /// Says after how many seconds to try again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The request can't be understood.
    #[must_use]
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail, "请求有误，请稍后再试")
    }

    /// Nothing there, or somebody else's: the two can't be told apart from outside.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing; check the id.", "内容不存在")
    }

    /// No token, or one that doesn't count.
    #[must_use]
    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail, "登录已失效，请重新登录")
    }

    /// Another role is needed.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "role_not_allowed", detail, "没有权限")
    }

    /// What is asked for is shown only to whoever says why.
    #[must_use]
    pub fn reason_missing() -> Self {
        let detail = "Say why in a header X-Huitou-Reason of 1 to 200 characters; percent-encode what is not ASCII.";
        Self::malformed("reason_missing", detail)
    }

    /// The world fails; the log knows why.
    #[must_use]
    pub fn unavailable() -> Self {
        let detail =
            "Nothing was changed that would not be found again. Try again with the same key after Retry-After seconds.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "try_again", detail, "系统繁忙，请稍后再试").retry_after(1)
    }

    /// More is asked at once than can be done; nothing of it was looked at.
    #[must_use]
    pub fn overloaded() -> Self {
        let detail = "More is asked at once than can be done. Nothing of this request was done or read: send the same \
                      again after Retry-After seconds.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail, "系统繁忙，请稍后再试").retry_after(1)
    }

    /// A defect of ours; the log knows which.
    #[must_use]
    pub fn defect() -> Self {
        let detail = "Our mistake. It is logged under the request_id; trying again is safe.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "defect", detail, "系统出错，请稍后再试")
    }

    /// WeChat can't tell just now. Its code may be used up.
    fn login_retry() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "login_retry",
            "WeChat can't be asked just now, and the code may be used up. Get a new one and try again.",
            "微信登录繁忙，请稍后再试",
        )
        .retry_after(2)
    }

    /// 422: a rule of the business, or of what is asked for, says no.
    #[must_use]
    pub fn rule(code: &'static str, detail: impl Into<String>, message: &'static str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail, message)
    }

    pub(super) fn conflict(code: &'static str, detail: impl Into<String>, message: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail, message)
    }
}

/// The code of the problem that an answer is, for whoever looks at the answer and not into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProblemCode(pub(super) &'static str);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        response.extensions_mut().insert(ProblemCode(self.code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::ReusedKey => Self::rule(
                "key_reused",
                "This key or id was used before with other content. Send the same content, or a new key.",
                "请求重复，请刷新后再试",
            ),
            Error::NotFound => Self::not_found(),
            Error::SessionEnded => Self::unauthorized("session_ended", "This session was ended. Log in again."),
            Error::Login(LoginError::CodeInvalid) => Self::unauthorized(
                "login_code_invalid",
                "The code is wrong, used or older than five minutes. Call wx.login again and send the new code.",
            ),
            Error::PhoneCode(LoginError::CodeInvalid) => Self::rule(
                "phone_code_invalid",
                "The phone code is wrong, used or older than five minutes. Ask for the number again; a login needs a new \
                 wx.login code, too.",
                "手机号验证已失效，请重新授权",
            ),
            Error::Login(error) | Error::PhoneCode(error) => error.into(),
            Error::VersionMoved => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "version_moved",
                "It has been changed since. Read it again and send its ETag as If-Match.",
                "内容已更新，请刷新",
            ),
            Error::VersionMissing => Self::new(
                StatusCode::PRECONDITION_REQUIRED,
                "if_match_missing",
                "Send the ETag of what you have read as If-Match.",
                "请刷新后再试",
            ),
            Error::Flawed(flaws) => {
                let errors = flaws.into_iter().map(|f| Wrong { pointer: f.pointer, detail: f.detail }).collect();
                Self::rule("settings_flawed", "The settings can't be used; see errors.", "设置有误").with_errors(errors)
            }
            Error::Unavailable(why) => {
                edge::note_cause(&why);
                Self::unavailable()
            }
            Error::Defect(why) => {
                edge::note_cause(&why);
                Self::defect()
            }
        }
    }
}

/// What WeChat says, apart from codes that don't count.
impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Blocked => Self::new(
                StatusCode::FORBIDDEN,
                "login_blocked",
                "WeChat blocks this person as a risk; trying again does not help.",
                "微信提示账号存在风险，暂时无法登录",
            ),
            LoginError::TooOften => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "login_too_often",
                "This person came too often within a minute. Try again after Retry-After seconds.",
                "操作过于频繁，请稍后再试",
            )
            .retry_after(60),
            LoginError::Misconfigured(_) => {
                edge::note_cause(&error.to_string());
                Self::login_retry()
            }
            LoginError::Busy | LoginError::Unavailable | LoginError::CodeInvalid => Self::login_retry(),
        }
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        edge::note_cause(&error.to_string());
        Self::defect()
    }
}

impl From<BadCursor> for Problem {
    fn from(_: BadCursor) -> Self {
        Self::malformed("cursor_invalid", "The cursor is not one of this list; begin again without it.")
    }
}
