//! Transactions: writes that happen together or not at all.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItems, TransactWriteItemsError, TransactWriteItemsInput,
};
use aws_sdk_dynamodb::types::{CancellationReason, ReturnConsumedCapacity, TransactWriteItem};

use super::audit;
use super::budgets::write_charge;
use super::campaigns::{
    count_shard, write_checkpoint, write_circuit, write_counts, write_reshare, write_room, write_taken,
};
use super::coupons::{write_coupon_back, write_coupon_taken};
use super::journal::{read_entry, write_row, write_tally};
use super::memberships::{self, Move};
use super::meter::{Kind, count};
use super::receipts::{write_name, write_seen};
use super::sends::write_addressed;
use super::tickets::{write_asked, write_done, write_figures, write_line, write_open, write_record, write_said};
use super::{
    ChildKeys, Hot, Identity, RefundTally, StoredCampaign, StoredCheckpoint, StoredPart, StoredRequest, StoredSend,
    StoredTicket, StoredVersion, Table, Trouble, in_transaction, put_over,
};
use crate::aws::call::{Failure, call};
use crate::digest::hex;
use crate::domain::campaign::circuit::Circuit;
use crate::domain::campaign::counts::Counts;
use crate::domain::campaign::gates::Room;
use crate::domain::coupon::Coupon;
use crate::domain::entry::Entry;
use crate::domain::playbook::Charge;
use crate::domain::posting::Posted;
use crate::domain::purchase::Refunded;
use crate::domain::tally::Figures;
use crate::domain::ticket::Record;
use crate::domain::traits::Channel;
use crate::entropy;
use crate::values::{
    CampaignId, Category, Code, Fen, ForeignId, LocalDay, MemberId, MessageId, Moment, RowKey, SendId, Source, TicketId,
};

/// The most writes of one transaction (DynamoDB, `TransactWriteItems`).
pub const MOST_WRITES: usize = 100;

/// How the service says that another request is at work on the same items.
const CROSSED: [&str; 2] = ["TransactionConflictException", "TransactionInProgressException"];

/// What a write in a transaction is, so that a lost one can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Member(MemberId),
    Row,
    Asked,
    Opened,
    Said,
    Addressed,
    Budget,
    Other,
}

/// Why a transaction did not happen. Nothing of it remains.
#[derive(Clone, Debug)]
pub enum Lost {
    /// A row with the same key is there already.
    RowExists(Box<Entry>),
    /// A member's item has moved on; as it is now, when the table told.
    Stale(MemberId, Option<Box<Hot>>),
    /// The member was asked how it was since the day before which they may be asked again.
    AskedLately,
    /// The member has as many open tickets as one may have.
    TooManyOpen,
    /// The member has written as many messages today as one may.
    SaidEnough,
    /// A triggered campaign has addressed the member since the moment after which it may not do so again.
    AddressedLately,
    /// A budget or a stock is used up.
    Spent,
    /// Another condition failed, or another transaction was in the way: read again and decide anew.
    Crossed,
}

/// How a transaction ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All writes happened.
    Done,
    /// None happened.
    Lost(Lost),
}

/// Writes that happen together or not at all: one call, two write units per KB and item.
#[derive(Debug)]
pub struct Transaction<'a> {
    table: &'a Table,
    writes: Vec<(Slot, TransactWriteItem)>,
    moves: Vec<Move>,
    touched: Vec<MemberId>,
}

impl Table {
    /// An empty transaction.
    #[must_use]
    pub const fn transaction(&self) -> Transaction<'_> {
        Transaction { table: self, writes: Vec::new(), moves: Vec::new(), touched: Vec::new() }
    }
}

impl Transaction<'_> {
    /// A member's hot item, on condition that it is still at the version read.
    pub fn member(mut self, hot: &Hot) -> Result<Self, Trouble> {
        self.touched.push(hot.account.member);
        self.writes.push((Slot::Member(hot.account.member), hot.write(self.table)?));
        Ok(self)
    }

    /// A movement: its row, the member's hot item after it, and the segments that it enters and leaves.
    pub fn movement(self, before: &Hot, posted: &Posted) -> Result<Self, Trouble> {
        self.posted(posted)?.member(&before.after(posted))
    }

    /// A settlement: like a movement, and the due index becomes exact again.
    pub fn settlement(self, before: &Hot, posted: &Posted) -> Result<Self, Trouble> {
        self.posted(posted)?.member(&before.drained(posted))
    }

    fn posted(mut self, posted: &Posted) -> Result<Self, Trouble> {
        self.writes.push((Slot::Row, write_row(self.table, posted)?));
        self.moves.extend(Move::of(posted));
        Ok(self)
    }

    /// What has been given back of an order, on condition that no other refund came between.
    pub fn refunded(
        mut self,
        order: (&Source, &ForeignId),
        before: &RefundTally,
        after: Refunded,
    ) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_tally(self.table, order, before, after)?));
        Ok(self)
    }

    /// What a playbook takes from its budget, on condition that enough is left.
    pub fn charge(mut self, charge: &Charge) -> Result<Self, Trouble> {
        self.writes.push((Slot::Budget, write_charge(self.table, charge)?));
        Ok(self)
    }

    /// Takes one from a coupon's stock, on condition that there is one left.
    pub fn coupon_taken(mut self, coupon: &Coupon) -> Result<Self, Trouble> {
        self.writes.push((Slot::Budget, write_coupon_taken(self.table, coupon)?));
        Ok(self)
    }

    /// Puts one back into a coupon's stock.
    pub fn coupon_back(mut self, coupon: &Code) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_coupon_back(self.table, coupon)?));
        Ok(self)
    }

    /// A new identity, on condition that nobody has it.
    pub fn claim_identity(mut self, identity: &Identity, member: MemberId) -> Result<Self, Trouble> {
        self.touched.push(member);
        self.writes.push((Slot::Other, identity.claim(self.table, member)?));
        Ok(self)
    }

    /// An identity passes from one member to another, on condition that the first still has it.
    pub fn move_identity(mut self, identity: &Identity, from: MemberId, to: MemberId) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, identity.pass(self.table, from, to)?));
        Ok(self)
    }

    /// An identity that nobody has any more, on condition that the member still has it.
    pub fn release_identity(mut self, identity: &Identity, member: MemberId) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, identity.release(self.table, member)?));
        Ok(self)
    }

    /// A part of a member's profile, on condition that it is still at the version read.
    pub fn part(mut self, part: &StoredPart) -> Result<Self, Trouble> {
        self.touched.push(part.member);
        self.writes.push((Slot::Other, part.write(self.table)?));
        Ok(self)
    }

    /// A part of a member's profile goes, on condition that it is still at the version read.
    pub fn without_part(mut self, part: &StoredPart) -> Result<Self, Trouble> {
        self.touched.push(part.member);
        self.writes.push((Slot::Other, part.delete(self.table)?));
        Ok(self)
    }

    /// What becomes of the keys of a member's children, on condition that the member has one.
    pub fn child_keys(mut self, member: MemberId, change: &ChildKeys<'_>) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, super::profiles::write_child_keys(self.table, member, change)?));
        Ok(self)
    }

    /// A member's wrapped data key, on condition that there is none.
    pub fn key(mut self, member: MemberId, wrapped: &[u8]) -> Result<Self, Trouble> {
        let item = super::profiles::key_item(member, wrapped);
        self.writes.push((Slot::Other, in_transaction(put_over(&self.table.names.keys, item, "member", 0))?));
        Ok(self)
    }

    /// A member's data key is no more, and those of the member's children; what they sealed is noise.
    pub fn without_key(mut self, member: MemberId) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, super::profiles::delete_key(self.table, member)?));
        Ok(self)
    }

    /// A request under the law, on condition that it is still at the version read.
    pub fn request(mut self, request: &StoredRequest) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, request.write(self.table)?));
        Ok(self)
    }

    /// A new version of settings, on condition that its number is free.
    pub fn version(mut self, version: &StoredVersion) -> Result<Self, Trouble> {
        self.writes
            .push((Slot::Other, in_transaction(put_over(&self.table.names.settings, version.item(), "version", 0))?));
        Ok(self)
    }

    /// A ticket, on condition that it is still at the version read.
    pub fn ticket(mut self, ticket: &StoredTicket) -> Result<Self, Trouble> {
        self.touched.push(ticket.ticket.member);
        self.writes.push((Slot::Other, ticket.write(self.table)?));
        Ok(self)
    }

    /// A record of a ticket, on condition that its number is free.
    pub fn record(mut self, ticket: TicketId, record: &Record) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_record(self.table, ticket, record)?));
        Ok(self)
    }

    /// The note that a request about a ticket was done, on condition that it was not.
    pub fn done(mut self, ticket: TicketId, key: RowKey, record: u32) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_done(self.table, ticket, key, record)?));
        Ok(self)
    }

    /// The note that a member is asked how it was, on condition that they were not asked after `not_since`.
    pub fn asked(mut self, member: MemberId, now: Moment, not_since: Moment) -> Result<Self, Trouble> {
        self.writes.push((Slot::Asked, write_asked(self.table, member, now, not_since)?));
        Ok(self)
    }

    /// By how many the open tickets of a member change; where a limit is given, on condition that it is not reached.
    pub fn opens(mut self, member: MemberId, change: i8, most: Option<u32>) -> Result<Self, Trouble> {
        self.writes.push((Slot::Opened, write_open(self.table, member, change, most)?));
        Ok(self)
    }

    /// Counts a message of a member on a day, on condition that the day's limit is not reached.
    pub fn said(mut self, member: MemberId, day: LocalDay, most: u32) -> Result<Self, Trouble> {
        self.writes.push((Slot::Said, write_said(self.table, member, day, most)?));
        Ok(self)
    }

    /// Raises figures of a day about tickets.
    pub fn figures(mut self, day: LocalDay, shard: u8, figures: &Figures) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_figures(self.table, day, shard, figures)?));
        Ok(self)
    }

    /// Counts a ticket for a product line.
    pub fn line(mut self, day: LocalDay, shard: u8, line: &Category, complaint: bool) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_line(self.table, day, shard, line, complaint)?));
        Ok(self)
    }

    /// A campaign, on condition that it is still at the version read.
    pub fn campaign(mut self, campaign: &StoredCampaign) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, campaign.write(self.table)?));
        Ok(self)
    }

    /// A shard of a campaign's new budget, on condition that there is none.
    pub fn room(mut self, campaign: CampaignId, shard: u8, room: Room) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_room(self.table, campaign, shard, room)?));
        Ok(self)
    }

    /// Takes a message that costs this out of a shard of a campaign's budget, on condition that so much is left.
    /// `limited` says what the budget limits.
    pub fn take(mut self, campaign: CampaignId, shard: u8, limited: Room, cost: Fen) -> Result<Self, Trouble> {
        self.writes.push((Slot::Budget, write_taken(self.table, campaign, shard, limited, cost, true)?));
        Ok(self)
    }

    /// Gives a message back to the shard from which it was taken.
    pub fn give_back(mut self, campaign: CampaignId, shard: u8, limited: Room, cost: Fen) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_taken(self.table, campaign, shard, limited, cost, false)?));
        Ok(self)
    }

    /// Changes what is left in a shard of a campaign's budget, on condition that it is what was seen.
    pub fn reshare(mut self, campaign: CampaignId, shard: u8, seen: Room, next: Room) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_reshare(self.table, campaign, shard, seen, next)?));
        Ok(self)
    }

    /// A part of a dispatch, on condition that nobody else has carried it on.
    pub fn checkpoint(mut self, campaign: CampaignId, checkpoint: &StoredCheckpoint) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_checkpoint(self.table, campaign, checkpoint)?));
        Ok(self)
    }

    /// Changes counts of a campaign in one of their shards.
    pub fn counts(mut self, campaign: CampaignId, shard: u8, counts: &Counts) -> Result<Self, Trouble> {
        if !counts.is_empty() {
            self.writes.push((Slot::Other, write_counts(self.table, campaign, shard, counts)?));
        }
        Ok(self)
    }

    /// A provider's circuit, on condition that it is still at the version read.
    pub fn circuit(mut self, channel: Channel, circuit: &Circuit, version: u64) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_circuit(self.table, channel, circuit, version)?));
        Ok(self)
    }

    /// The note that a triggered campaign addresses a member, on condition that it did not after `not_since`; for none,
    /// that it never did.
    pub fn addressed(
        mut self,
        campaign: CampaignId,
        member: MemberId,
        now: Moment,
        not_since: Option<Moment>,
    ) -> Result<Self, Trouble> {
        let write = write_addressed(self.table, campaign, member, now, not_since)?;
        self.writes.push((Slot::Addressed, write));
        Ok(self)
    }

    /// A send, on condition that it is still at the version read, and what its move changes in the campaign's counts.
    pub fn send(mut self, send: &StoredSend, counts: &Counts) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, send.write(self.table)?));
        self.counts(send.send.campaign, count_shard(send.send.id), counts)
    }

    /// A provider's id of a send, by which its receipts find it.
    pub fn name(mut self, channel: Channel, id: &MessageId, send: SendId, now: Moment) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_name(self.table, channel, id, send, now)?));
        Ok(self)
    }

    /// The note that a push was taken, on condition that it was not.
    pub fn push(mut self, push: RowKey, now: Moment) -> Result<Self, Trouble> {
        self.writes.push((Slot::Other, write_seen(self.table, push, now)?));
        Ok(self)
    }

    /// Does it. It is repeated with the same token when an answer is lost, so it happens at most once.
    ///
    /// Within a staff member's request the first one that changes something writes the audit trail's entry along.
    pub async fn commit(self) -> Result<Outcome, Trouble> {
        match audit::due(self.table, &self.touched)? {
            None => self.carry_out(Vec::new()).await,
            Some(mut entry) => {
                let outcome = self.carry_out(std::mem::take(&mut entry.writes)).await;
                entry.settle(&outcome);
                outcome
            }
        }
    }

    /// Does it, together with these writes.
    pub(super) async fn carry_out(self, along: Vec<TransactWriteItem>) -> Result<Outcome, Trouble> {
        let moves = memberships::writes(self.table, &self.moves)?;
        let others = moves.into_iter().chain(along).map(|write| (Slot::Other, write));
        let (slots, items): (Vec<Slot>, Vec<TransactWriteItem>) = self.writes.into_iter().chain(others).unzip();
        // Every repetition of this question bears the same token, so it happens at most once.
        let token = hex(&entropy::bytes::<16>(&*self.table.aws.entropy));
        let question = TransactWriteItemsInput::builder()
            .set_transact_items(Some(items))
            .client_request_token(token)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let question = question.build().map_err(Trouble::defect)?;
        match call::<TransactWriteItems>(&self.table.aws, question).await {
            Ok(answer) => {
                count(Kind::Write, answer.consumed_capacity());
                Ok(Outcome::Done)
            }
            Err(failure) => {
                count(Kind::Write, []);
                lost(&slots, failure).map(Outcome::Lost)
            }
        }
    }
}

/// Why a transaction was lost; troubles are what is no reason for that.
fn lost(slots: &[Slot], failure: Failure<TransactWriteItemsError>) -> Result<Lost, Trouble> {
    let canceled = match failure {
        Failure::Refused(TransactWriteItemsError::TransactionCanceledException(canceled)) => canceled,
        Failure::Refused(error) if error.code().is_some_and(|code| CROSSED.contains(&code)) => {
            return Ok(Lost::Crossed);
        }
        failure => return Err(failure.into()),
    };
    let reasons = canceled.cancellation_reasons();
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    // A row that is there already decides: whatever else failed, this has been done before.
    for (slot, reason) in slots.iter().zip(reasons) {
        if *slot == Slot::Row && failed(reason) {
            let item = reason.item().ok_or_else(|| Trouble::defect("a refused row was not shown"))?;
            return Ok(Lost::RowExists(Box::new(read_entry(item)?)));
        }
    }
    if slots.iter().zip(reasons).any(|(slot, reason)| *slot == Slot::Budget && failed(reason)) {
        return Ok(Lost::Spent);
    }
    for (slot, reason) in slots.iter().zip(reasons) {
        if let (Slot::Member(member), true) = (slot, failed(reason)) {
            let hot = reason.item().map(Hot::read).transpose()?;
            return Ok(Lost::Stale(*member, hot.map(Box::new)));
        }
    }
    let refused = |wanted: Slot| slots.iter().zip(reasons).any(|(slot, reason)| *slot == wanted && failed(reason));
    for (slot, lost) in [
        (Slot::Addressed, Lost::AddressedLately),
        (Slot::Opened, Lost::TooManyOpen),
        (Slot::Said, Lost::SaidEnough),
        (Slot::Asked, Lost::AskedLately),
    ] {
        if refused(slot) {
            return Ok(lost);
        }
    }
    let passing = |reason: &CancellationReason| {
        matches!(reason.code(), Some("ConditionalCheckFailed" | "TransactionConflict" | "None") | None)
    };
    match reasons.iter().find(|reason| !passing(reason)) {
        None => Ok(Lost::Crossed),
        Some(reason) => {
            let what = format!("{}: {}", reason.code().unwrap_or_default(), reason.message().unwrap_or_default());
            let ours = reason.code().is_some_and(|code| code.contains("Validation"));
            Err(if ours { Trouble::Defect(what) } else { Trouble::Unavailable(what) })
        }
    }
}
