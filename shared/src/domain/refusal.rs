//! Why a rule says no: one variant per reason that a client can be told.

use super::campaign;
use super::ticket::State;
use crate::values::{Code, Currency, Fen, LocalDay, Moment, Points, TicketId};

/// A rule's no. The HTTP layer gives each variant its status and sentence in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More points than can be spent.
    NotEnoughPoints {
        /// Asked for.
        wanted: Points,
        /// There are.
        available: Points,
    },
    /// Another currency than the programme's.
    WrongCurrency {
        /// The programme's.
        wanted: Currency,
    },
    /// The order was paid later than now.
    PaidInTheFuture {
        /// What time it is.
        now: Moment,
    },
    /// The lines add up to more than the order.
    LinesExceedAmount {
        /// The lines' sum.
        lines: Fen,
    },
    /// More lines than an order may have.
    TooManyLines,
    /// A refund would exceed what is left of the order.
    RefundExceedsPaid {
        /// What can still be given back.
        left: Fen,
    },
    /// The order is not known.
    UnknownOrder,
    /// An entry of a set can't be taken out alone.
    EntryOfSet,
    /// Something else has this id.
    IdTaken,
    /// Rules refer to the segment.
    SegmentInUse {
        /// Whose.
        users: Vec<Code>,
    },
    /// The reward is not in the programme.
    UnknownReward,
    /// The cause is not in the programme.
    UnknownCause,
    /// The hold does not exist.
    UnknownHold,
    /// The hold has been captured, released or has timed out.
    HoldClosed,
    /// More points than the hold has.
    CaptureExceedsHold {
        /// It has.
        held: Points,
    },
    /// A hold longer than the programme allows.
    HoldTooLong {
        /// The most, in minutes.
        most: u32,
    },
    /// The coupon is not in the programme.
    UnknownCoupon,
    /// The coupon can't be used today.
    CouponNotInForce {
        /// Its first day.
        from: LocalDay,
        /// Its last day.
        until: LocalDay,
    },
    /// The coupon is for members of other tiers.
    CouponForOtherTiers,
    /// The order is too small for the coupon.
    CouponBelowMinimum {
        /// The amount from which it can be used.
        at_least: Fen,
    },
    /// The member has used the coupon as often as one may.
    CouponUsedUp {
        /// The most.
        most: u32,
    },
    /// There is none of the coupon left.
    CouponSoldOut,
    /// The reservation of a coupon does not exist.
    UnknownReservation,
    /// The reservation was redeemed or rolled back, or has lapsed.
    CouponClosed,
    /// The limit of this period is used up.
    LimitReached {
        /// When the next period begins, unless the limit is for all time.
        again_on: Option<LocalDay>,
    },
    /// Checked in already today.
    CheckedInAlready,
    /// An adjustment of nothing, or beyond what one may move.
    EmptyAdjustment,
    /// Both names of a merge mean the same member.
    SameMember,
    /// A side of the merge was merged into somebody else before.
    MergedAlready,
    /// The account to be taken over has points held or a coupon reserved for a checkout.
    OpenHolds,
    /// Both sides have an id of the same kind, with different values.
    ConflictingIdentities,
    /// A member who has signed up would be taken over by one who has not.
    MergeTheOtherWay,
    /// More ids and segments than can move at once.
    TooManyIds,
    /// The phone belongs to somebody else who has signed up, or who is known by another WeChat id.
    PhoneTaken,
    /// A birthday that is yet to come.
    BirthdayInTheFuture,
    /// No statement offers the purpose, so nobody can agree to it.
    PurposeNotOffered,
    /// Another version of the statement is in force than the one that was shown.
    StatementMoved {
        /// The one in force.
        current: u32,
    },
    /// Nobody under 14 can have this.
    UnderFourteen,
    /// What is to be stored of somebody under 14 needs a guardian's live consent.
    GuardianConsentRequired,
    /// A guardian is known by a bound phone.
    GuardianNotVerified,
    /// More children than a member may have.
    TooManyChildren {
        /// The most.
        most: usize,
    },
    /// A child of 14 or older has no guardian's profile.
    NoChild,
    /// Which child is meant has to be said.
    ChildUnclear,
    /// The member to be taken over has children.
    ChildrenThere,
    /// More tags than a member may have.
    TooManyTags {
        /// The most.
        most: usize,
    },
    /// An order that came along in the merge was refunded since, so it can't be undone exactly.
    RefundedSince,
    /// The merge does not exist or was undone.
    UnknownMerge,
    /// A ticket can't go from one state to the other.
    TransitionNotAllowed {
        /// Where it stands.
        from: State,
        /// Where it was to go.
        to: State,
    },
    /// The ticket is closed.
    TicketClosed,
    /// The ticket was closed too long ago to be reopened.
    ReopenWindowOver {
        /// Until when it could be.
        until: Moment,
    },
    /// The ticket goes on in another one.
    TicketMerged {
        /// In this one.
        into: TicketId,
    },
    /// A ticket can't be merged into itself.
    SameTicket,
    /// The tickets are of two members.
    TicketsOfTwoMembers,
    /// Somebody else has the ticket already, or there is nothing to do on it.
    TakenAlready,
    /// The ticket has as many messages, notes or records as one may have.
    TicketFull,
    /// The member has as many open tickets as one may have.
    TooManyOpenTickets {
        /// The most.
        most: u32,
    },
    /// It was tried too often.
    TooManyAttempts {
        /// Seconds until it may be tried again.
        wait: u32,
    },
    /// The member has written as many messages today as one may.
    TooManyMessages {
        /// The most in a day.
        most: u32,
        /// Seconds until the next day.
        wait: u32,
    },
    /// The settings have no such department.
    UnknownDepartment,
    /// The settings have no such return reason.
    UnknownReturnReason,
    /// The settings promise nothing for such a ticket.
    NoPolicy,
    /// More attachments than a message may have.
    TooManyAttachments {
        /// The most.
        most: usize,
    },
    /// A file that is empty or too large for its type.
    AttachmentTooLarge {
        /// The most bytes.
        most: u32,
    },
    /// The attachment was never announced, or by somebody else.
    AttachmentUnknown,
    /// The file was not uploaded.
    AttachmentMissing,
    /// The file is not what was announced.
    AttachmentFalse,
    /// The search is none that was given to the member.
    SearchUnknown,
    /// The survey was answered before.
    SurveyUsed,
    /// The survey's time is over.
    SurveyExpired,
    /// The link is none that was given out.
    SurveyUnknown,
    /// The week, or every week of the month, that a report is asked for was not counted.
    WeekNotCounted,
    /// A campaign can't be changed like this where it stands.
    CampaignStands {
        /// Where.
        state: campaign::State,
    },
    /// More previews within a day than somebody may ask for who sees groups only.
    TooManyPreviews {
        /// The most.
        most: usize,
        /// Seconds until the oldest of them no longer counts.
        wait: u32,
    },
    /// The group is so small that it tells of persons.
    GroupTooSmall {
        /// The smallest that is shown.
        least: u64,
    },
    /// More of the audit trail than one report reads or holds.
    SpanTooWide,
    /// The member was erased.
    MemberErased,
    /// The member's data is under a legal hold: it is kept, and nothing else is done with it.
    LegalHold,
    /// A member who was merged into another one is held and erased with the one who goes on.
    MergedElsewhere,
    /// The member has as many requests that nobody has decided about as one may have.
    TooManyOpenRequests {
        /// The most.
        most: usize,
    },
    /// The request was decided about before, in another way.
    DecidedAlready,
    /// An erasure is decided about by erasing, or by a refusal.
    DecidedByErasing,
    /// The receipt is none of this house.
    ReceiptUnknown,
    /// Nothing has to be done.
    Nothing,
}
