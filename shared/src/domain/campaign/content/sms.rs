//! Text messages: a signature in front, a template that the provider has approved, and parts that are paid for one by
//! one.

use serde::{Deserialize, Serialize};

use super::text::{NoValue, Text, Values};
use super::{Rendered, Setting, cut, widest};
use crate::domain::flaw::{Flaw, Flaws};
use crate::values::Code;

/// What a text message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SmsContent)]
pub struct Sms {
    /// The signature as the provider has approved it, without its brackets: who is writing.
    pub sign: String,
    /// The provider's id of the template, as `SMS_154950909` or `449739`.
    pub template: String,
    /// The text as it was approved, with our placeholders where the template has its variables. The provider gets the
    /// values in the order in which they first stand here, and by their English names.
    pub text: Text,
}

/// Characters of a message that goes out in one part (UCS-2, GSM 03.40).
const ONE_PART: usize = 70;
/// Characters of each part of a longer one: three go to the header that joins them.
const EACH_PART: usize = 67;
/// The most characters, signature included, that both providers take.
const MOST: usize = 500;

/// The ways to say how to be left alone that carriers and providers know (MIIT 31, 2015, art. 19).
const OPT_OUTS: [&str; 10] = [
    "拒收请回复R",
    "拒收请回R",
    "拒收回复R",
    "拒收回R",
    "退订回复T",
    "退订请回复T",
    "退订回T",
    "退订回复N",
    "退订回N",
    "回T退订",
];

/// The parts in which a text of so many UTF-16 units goes out.
#[must_use]
pub fn parts(units: usize) -> u32 {
    let parts = if units <= ONE_PART { 1 } else { units.div_ceil(EACH_PART) };
    u32::try_from(parts).unwrap_or(u32::MAX)
}

/// UTF-16 units of a text behind its signature.
#[must_use]
pub fn units(sign: &str, text: &str) -> usize {
    // The two brackets around the signature are part of it.
    sign.encode_utf16().count() + 2 + text.encode_utf16().count()
}

/// Whether a text tells how to be left alone.
fn offers_opt_out(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    OPT_OUTS.iter().any(|words| plain.contains(words))
}

/// Whether this can be a signature: 2 to 12 letters, digits or Chinese characters.
fn is_sign(text: &str) -> bool {
    (2..=12).contains(&text.chars().count()) && text.chars().all(char::is_alphanumeric)
}

/// Whether this can be a provider's id of a template.
fn is_template(text: &str) -> bool {
    Code::parse(&text.to_ascii_lowercase()).is_ok()
}

impl Sms {
    pub(super) fn flaws(&self, setting: &Setting<'_>) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.note(!is_sign(&self.sign), "/sms/sign", "must be 2 to 12 letters, digits or Chinese characters");
        flaws.note(!is_template(&self.template), "/sms/template", "must be the provider's id of the template");
        let longest = units(&self.sign, &self.longest(setting.coupon));
        flaws.note(longest > MOST, "/sms/text", "must have at most 500 characters with its signature and values");
        let brackets = self.text.words().contains(['【', '】']);
        flaws.note(
            brackets,
            "/sms/text",
            "must not have 【 or 】: they belong to the signature, which comes in front by itself",
        );
        let silent = setting.marketing && !offers_opt_out(&self.text.words());
        flaws.note(silent, "/sms/text", "must tell how to be left alone, as 拒收请回复R or 退订回T");
        flaws.0
    }

    /// The text with the longest values.
    pub(in crate::domain::campaign) fn longest(&self, coupon: Option<&str>) -> String {
        self.text.longest(widest(coupon))
    }

    /// The most parts in which it goes out.
    pub(super) fn most_parts(&self, coupon: Option<&str>) -> u32 {
        parts(units(&self.sign, &self.longest(coupon)))
    }

    pub(super) fn render(&self, values: &Values) -> Result<Rendered, NoValue> {
        let value = |placeholder| Some(cut(placeholder, values.of(placeholder)?));
        let arguments = self.text.arguments(value)?.into_iter();
        Ok(Rendered::Sms {
            sign: self.sign.clone(),
            template: self.template.clone(),
            arguments: arguments.map(|(placeholder, text)| (placeholder.words().0, text)).collect(),
            text: self.text.filled(value)?,
        })
    }
}
