//! The journal: one row per thing that happened to a member, never edited, never deleted.
//!
//! A row is the movement, the record of what caused it and the idempotency key at once: its key is derived from the
//! source's own id, so a second delivery can only meet the first one's row. Rows of one member form a chain by
//! sequence and hash, so a changed or a missing row shows.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::book::Leg;
use super::campaign::conversion::Conversion;
use super::consent::{Decision, Purpose, Via};
use super::coupon::CouponUse;
use super::days::PurchaseDays;
use super::order::{Line, Order, RefundReason, Topic};
use super::playbook::Way;
use super::program::Period;
use super::tier::Standing;
use super::traits::{Baskets, Channel, Reply, Tag};
use crate::values::{
    Actor, Code, Fen, ForeignId, LocalDay, MemberId, Moment, Name, Points, Reason, RowKey, SendId, Source,
};

/// How many earlier rows a row (and the account) names.
///
/// A page of a member's journal is read by following them, eight rows a call, so that no index has to be paid for
/// with every purchase (an index costs one write unit a row; the links cost 17 bytes each).
pub const LINKS: usize = 8;

/// The layout of a stored row; older layouts stay readable.
pub const SCHEMA: u8 = 1;

/// What happened.
///
/// Answers show these fields beside those of the movement, so none may be called `id`, `sequence`, `at`, `legs`,
/// `standing` or `balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// The person signed up, or claimed an account that orders had made.
    Joined {
        /// Welcome points.
        earned: Points,
        /// The acquisition channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<Code>,
    },
    /// A paid order.
    Order {
        /// The order as it came.
        order: Order,
        /// Points that it earned.
        earned: Points,
        /// The campaigns whose windows were open.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conversions: Vec<Conversion>,
    },
    /// Money given back for an order.
    Refund {
        /// The order's source.
        source: Source,
        /// The order's id.
        order: ForeignId,
        /// The refund's own id.
        #[serde(rename = "refund", alias = "id")]
        id: ForeignId,
        /// The day on which the order was paid.
        day: LocalDay,
        /// Money given back this time.
        amount: Fen,
        /// Whether nothing of the order is left.
        full: bool,
        /// Points taken back this time.
        clawed_back: Points,
        /// Why the goods came back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<RefundReason>,
        /// What is no longer bought, when nothing of the order is left.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<Line>,
    },
    /// Something that the member did.
    Event {
        /// Where it was seen.
        source: Source,
        /// Its id there.
        #[serde(rename = "event_id", alias = "id")]
        id: ForeignId,
        /// What it was.
        event: Topic,
        /// What it was about: a sku, a category, words searched for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Name>,
        /// The day, when it was another one than that of the row.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<LocalDay>,
        /// Points that it earned.
        earned: Points,
    },
    /// A friend followed the member's invitation.
    Invited {
        /// The new member.
        friend: MemberId,
        /// Points that it earned.
        earned: Points,
    },
    /// A daily check-in.
    CheckIn {
        /// The day.
        day: LocalDay,
        /// Days in a row, this one included.
        streak: u32,
    },
    /// Points spent on a reward.
    Redemption {
        /// The reward.
        reward: Code,
        /// How many.
        quantity: u32,
        /// Points in all.
        points: Points,
    },
    /// Points given to a cause.
    Donation {
        /// The cause.
        cause: Code,
        /// Points.
        points: Points,
    },
    /// Points reserved for a checkout.
    Hold {
        /// The hold, named by the row that opened it.
        #[serde(rename = "hold", alias = "id")]
        id: RowKey,
        /// Points.
        points: Points,
        /// When it ends by itself.
        until: Moment,
    },
    /// A checkout went through.
    Capture {
        /// The hold.
        hold: RowKey,
        /// Points spent; the rest went back.
        points: Points,
    },
    /// A checkout was given up.
    Release {
        /// The hold.
        hold: RowKey,
    },
    /// A coupon reserved for a checkout.
    CouponReserved {
        /// The reservation, named by the row that made it.
        reservation: RowKey,
        /// The coupon.
        coupon: Code,
        /// The amount of the order before.
        amount: Fen,
        /// The money off it.
        off: Fen,
        /// When the reservation ends by itself.
        until: Moment,
        /// The coupon's last day.
        ends_on: LocalDay,
    },
    /// The order with a reserved coupon was paid.
    CouponRedeemed {
        /// The reservation.
        reservation: RowKey,
        /// The coupon.
        coupon: Code,
        /// The money off.
        off: Fen,
    },
    /// The order with a coupon was given up or sent back, or its reservation lapsed.
    CouponRolledBack {
        /// The reservation.
        reservation: RowKey,
        /// The coupon.
        coupon: Code,
    },
    /// A correction by hand.
    Adjustment {
        /// Points given, or taken when negative.
        points: i64,
        /// Why.
        reason: Reason,
    },
    /// Tags put on or taken off.
    Tagged {
        /// Tags put on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<Tag>,
        /// Tags taken off.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<Name>,
    },
    /// The member agreed to a purpose, refused it or withdrew; the record of it has the same id.
    Consent {
        /// About what.
        purpose: Purpose,
        /// Yes or no.
        granted: bool,
        /// The version of the statement.
        policy: u32,
        /// How it reached us.
        via: Via,
    },
    /// The member did something with a message, or got one and did nothing with it so far.
    Answered {
        /// The message.
        send: SendId,
        /// On which channel it came.
        channel: Channel,
        /// What the member did.
        reply: Reply,
    },
    /// A segment's playbook acted, because the member had entered or left the segment.
    Playbook {
        /// The segment.
        segment: Code,
        /// In or out.
        moved: Way,
        /// The row by which the member had entered.
        stay: RowKey,
        /// The how-manieth playbook in a row this is, each on a move that the one before has caused.
        depth: u8,
        /// Tags put on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<Tag>,
        /// Tags taken off.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<Name>,
        /// Points given.
        earned: Points,
    },
    /// Time alone, or new rules: lots matured or lapsed, holds ended, a tier was reviewed, segments changed.
    Settlement,
    /// Another member's account was taken over.
    MergedIn {
        /// The other member.
        other: MemberId,
        /// The merge.
        merge: RowKey,
        /// Why.
        reason: Reason,
        /// The purchase days that came along.
        days: PurchaseDays,
        /// What was bought on them.
        #[serde(default, skip_serializing_if = "Baskets::is_empty")]
        #[schema(value_type = Object)]
        baskets: Baskets,
        /// Tags that came along.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<Tag>,
        /// What the other one had refused since this one decided. A yes is not passed on; a no is.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refusals: Vec<Decision>,
        /// Coupons that the other one has redeemed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        coupons: Vec<CouponUse>,
    },
    /// This account was taken over by another member.
    MergedOut {
        /// The member who goes on.
        into: MemberId,
        /// The merge.
        merge: RowKey,
        /// Why.
        reason: Reason,
        /// Whether this account was claimed, so that an undo can restore it.
        claimed: bool,
    },
    /// A merge was undone: what had come along left again.
    MergeTakenBack {
        /// The merge.
        merge: RowKey,
        /// The purchase days that left.
        days: PurchaseDays,
        /// What was bought on them.
        #[serde(default, skip_serializing_if = "Baskets::is_empty")]
        #[schema(value_type = Object)]
        baskets: Baskets,
        /// Tags that left.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<Name>,
        /// Reservations of coupons that left.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        coupons: Vec<RowKey>,
    },
    /// A merge was undone: this account lives again.
    MergeReturned {
        /// The merge.
        merge: RowKey,
        /// Whether the account was claimed before the merge.
        claimed: bool,
        /// Coupons redeemed before the merge that were not rolled back since.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        coupons: Vec<CouponUse>,
    },
    /// A legal hold was set or lifted.
    LegalHold {
        /// Set, or lifted.
        set: bool,
        /// Why.
        reason: Reason,
    },
    /// The person was erased. What happened before stays, under an id that leads to nobody.
    Erased,
}

/// How much of a per-period limit is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The limit's code.
    pub limit: Code,
    /// The period.
    pub per: Period,
    /// The first day of the period counted.
    pub since: LocalDay,
    /// How often.
    pub times: u32,
    /// How many points.
    pub points: Points,
}

/// What a movement changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Points from book to book, those that time moved first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<Leg>,
    /// The standing that begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Limits used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
    /// Segments entered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entered: Vec<Code>,
    /// Segments left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Code>,
}

/// Balances right after a movement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Balance {
    /// Can be spent.
    pub available: Points,
    /// Not yet.
    pub pending: Points,
    /// Reserved.
    pub held: Points,
    /// Owed.
    pub debt: Points,
}

/// One row of a member's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The layout, [`SCHEMA`].
    pub schema: u8,
    /// The row's key; stored beside the text, not in it.
    #[serde(skip, default = "no_row")]
    pub row: RowKey,
    /// Whose journal.
    pub member: MemberId,
    /// The row's place in it, from 1.
    pub sequence: u64,
    /// When it was written down.
    pub at: Moment,
    /// By whom.
    pub by: Actor,
    /// The programme version by which it was judged.
    pub program: u32,
    /// What happened.
    pub what: What,
    /// What it changed.
    #[serde(flatten)]
    pub change: Change,
    /// The balances afterwards.
    pub balance: Balance,
    /// SHA-256 of the row before.
    #[serde(with = "packed_hash")]
    pub previous: [u8; 32],
    /// Keys of earlier rows, newest first.
    #[serde(with = "packed_links")]
    pub links: Vec<RowKey>,
}

const fn no_row() -> RowKey {
    RowKey::from_bytes([0; 16])
}

impl Entry {
    /// The text that is stored and hashed.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads a stored row.
    pub fn read(row: RowKey, text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(|entry: Self| Self { row, ..entry })
    }

    /// SHA-256 of a row's key and stored text: what the next row names as its `previous`.
    #[must_use]
    pub fn hash(row: RowKey, text: &str) -> [u8; 32] {
        Sha256::new().chain_update(row.bytes()).chain_update(text.as_bytes()).finalize().into()
    }
}

/// Hashes as base64 text: a third shorter than hexadecimal, in every row of the journal.
mod packed_hash {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(hash))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(&*text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| serde::de::Error::custom("expected a hash in base64"))
    }
}

/// Row keys one behind the other as base64 text.
mod packed_links {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::values::RowKey;

    pub(super) fn serialize<S: Serializer>(links: &[RowKey], serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = links.iter().flat_map(|key| *key.bytes()).collect();
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RowKey>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes =
            URL_SAFE_NO_PAD.decode(&*text).map_err(|_| serde::de::Error::custom("expected row keys in base64"))?;
        let keys = bytes.chunks(16).map(|key| <[u8; 16]>::try_from(key).map(RowKey::from_bytes));
        keys.collect::<Result<_, _>>().map_err(|_| serde::de::Error::custom("expected whole row keys"))
    }
}

/// A hash in hexadecimal, as proofs show it.
#[must_use]
pub fn hex_text(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
