//! E-mail: a subject, a text, and the same as HTML.

use serde::{Deserialize, Serialize};

use super::text::{NoValue, Placeholder, Text, Values};
use super::{Rendered, Setting};
use crate::domain::flaw::{Flaw, Flaws};

/// The most characters of a subject with its values: more is cut off in every list of mail.
const SUBJECT_MOST: usize = 100;

/// What an e-mail says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EmailContent)]
pub struct Email {
    /// The subject, at most 100 characters on one line.
    pub subject: Text,
    /// The text.
    pub text: Text,
    /// The same as HTML. Values are escaped in it.
    #[serde(default)]
    pub html: Option<Text>,
}

impl Email {
    pub(super) fn flaws(&self, setting: &Setting<'_>) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        let subject = self.subject.as_str();
        let long = self.subject.longest(super::widest(setting.coupon)).chars().count();
        let one_line = !subject.contains(['\n', '\t']) && !subject.trim().is_empty();
        flaws.note(!one_line || long > SUBJECT_MOST, "/email/subject", "must be one line of at most 100 characters");
        let leaves = |text: &Text| text.placeholders().iter().any(|(known, _)| *known == Placeholder::Unsubscribe);
        let wanted = "must have {unsubscribe}: who gets it has to find the way out";
        flaws.note(setting.marketing && !leaves(&self.text), "/email/text", wanted);
        flaws.note(setting.marketing && self.html.as_ref().is_some_and(|html| !leaves(html)), "/email/html", wanted);
        flaws.0
    }

    pub(super) fn render(&self, values: &Values) -> Result<Rendered, NoValue> {
        let whole = |placeholder| values.of(placeholder);
        // A value can't end a header: what isn't visible becomes a space.
        let subject = self.subject.filled(whole)?.replace(char::is_control, " ");
        let html =
            self.html.as_ref().map(|html| html.filled(|placeholder| values.of(placeholder).map(|v| escaped(&v))));
        let html = html.transpose()?.map(|html| match &values.pixel {
            Some(pixel) => with_pixel(&html, pixel),
            None => html,
        });
        Ok(Rendered::Email { subject, text: self.text.filled(whole)?, html, unsubscribe: values.unsubscribe.clone() })
    }
}

/// A value as HTML shows it.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            other => text.push(other),
        }
    }
    text
}

/// The page with an image at its end that nobody sees.
fn with_pixel(html: &str, address: &str) -> String {
    let image = format!(r#"<img src="{}" width="1" height="1" alt="">"#, escaped(address));
    match html.rfind("</body>").and_then(|place| html.split_at_checked(place)) {
        Some((before, after)) => format!("{before}{image}{after}"),
        None => format!("{html}{image}"),
    }
}
