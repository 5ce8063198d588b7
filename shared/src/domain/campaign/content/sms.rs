//! Text messages: a signature in front, a template that the provider has approved, and parts that are paid for one by
//! one.

use serde::{Deserialize, Serialize};

use super::text::Text;
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
pub(super) const MOST: usize = 500;

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
pub(super) fn offers_opt_out(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    OPT_OUTS.iter().any(|words| plain.contains(words))
}

/// Whether this can be a signature: 2 to 12 letters, digits or Chinese characters.
pub(super) fn is_sign(text: &str) -> bool {
    (2..=12).contains(&text.chars().count()) && text.chars().all(char::is_alphanumeric)
}

/// Whether this can be a provider's id of a template.
pub(super) fn is_template(text: &str) -> bool {
    Code::parse(&text.to_ascii_lowercase()).is_ok()
}
