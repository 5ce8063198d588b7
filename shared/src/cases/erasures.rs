//! Erasures: a member leaves, in one call, and the books go on adding up.
//!
//! One transaction makes the member gone: the account is nobody's, sessions end, segments are left with exact counts, ids
//! lead nowhere, the profile is a tombstone, and the key is destroyed, so that whatever it sealed is noise from then on,
//! wherever a copy of it lies. With it the request is written down that says what is still to be cleared away: everything
//! after it can be done twice, and goes on with the clock when the process dies. There is no time to think it over: the law
//! asks for none (PIPL 15, 47), and the mini program asks before it calls.
//!
//! What was on its way while the member was erased, a message that was just being sent, a ticket that an index did not
//! show yet, is cleared away by a second look an hour later.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;

use crate::app::App;
use crate::cases::ledger::Patience;
use crate::cases::people::{Opened, Profile};
use crate::cases::{Error, Who};
use crate::domain::account::Membership;
use crate::domain::campaign::gates::Gate;
use crate::domain::campaign::send::State;
use crate::domain::erasure::{self, Erased, Kept, Receipt};
use crate::domain::reach::Reach;
use crate::domain::refusal::Refusal;
use crate::domain::rights_request::{Kind, RightsRequest, Standing};
use crate::domain::ticket::{Record, Ticket};
use crate::domain::traits::Channel;
use crate::table::{
    Freshness, Hot, Identity, MOST_WRITES, OpenRequests, Outcome, Part, StoredPart, StoredRequest, StoredSend,
    StoredTicket, TicketItem, TicketList, Transaction,
};
use crate::telemetry::{self, Due};
use crate::values::{Actor, MemberId, MessageId, Reason, RequestId, SendId, TicketId};

/// What a signed receipt is signed as.
const RECEIPTS: &str = "erasure-receipts";
/// Receipts are nobody's: they name no one.
const NOBODYS: &str = "";

/// What the transaction that erases writes beside ids that are given up and segments that are left: the row, the account,
/// the tombstone, the key, the request and one that was refused before, the counts of segments, and two items of the audit
/// trail.
const OTHER_WRITES: usize = 9;

/// Ids that are given up at once when they don't fit into the transaction that erases.
const MOST_IDS: usize = 50;

/// Tickets on a page.
const TICKETS: i32 = 50;

/// Items that are erased side by side.
const SIDE_BY_SIDE: usize = 8;

/// After so long a member's things are looked through once more.
const AGAIN_AFTER: Duration = Duration::from_hours(1);

/// An erasure that was done, with a receipt that can be shown to anybody.
#[derive(Clone, Debug)]
pub struct Done {
    /// What was done.
    pub receipt: Receipt,
    /// The same, signed.
    pub signed: String,
}

/// What a look at requests came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Erasures that went on.
    pub went_on: u64,
    /// Erasures that could not go on; they are met again.
    pub failed: u64,
}

/// Erasures.
#[derive(Clone, Copy, Debug)]
pub struct Erasures<'a>(pub(crate) &'a App);

impl App {
    /// Erasures.
    #[must_use]
    pub const fn erasures(&self) -> Erasures<'_> {
        Erasures(self)
    }
}

/// The request by which a member is erased: there is one, whoever asks for it.
pub(crate) fn request_id(member: MemberId) -> RequestId {
    RequestId::of("erasure", &[&member.to_string()])
}

impl Erasures<'_> {
    /// Erases a member and everybody who was merged into them. Asked again, it answers with the same receipt.
    ///
    /// Six calls make the member gone; then one for every hundred things to be looked for, and one for each that is
    /// erased. Under a legal hold the request is written down, and nothing else is done.
    pub async fn erase(&self, who: &Who, reason: Option<&Reason>) -> Result<Done, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let stored = self.0.table().request(request_id(who.member), Freshness::Latest).await?;
            let begun = match stored.as_ref().map(|stored| &stored.request.standing) {
                Some(Standing::Done { receipt: Some(receipt), .. }) if !self.is_back(who.member).await? => {
                    return self.signed(receipt.as_ref().clone());
                }
                Some(Standing::Erasing { .. }) => stored,
                _ => Box::pin(self.begin(who, reason, stored)).await?,
            };
            if let Some(begun) = begun
                && let Some(receipt) = Box::pin(self.finish(begun)).await?
            {
                return self.signed(receipt);
            }
            patience.wait().await?;
        }
    }

    /// Whether a member is there again who was erased: tables were restored to a time before it.
    async fn is_back(self, member: MemberId) -> Result<bool, Error> {
        let hot = self.0.table().member(member, Freshness::Latest).await?;
        Ok(hot.is_some_and(|hot| hot.account.membership != Membership::Erased))
    }

    fn signed(self, receipt: Receipt) -> Result<Done, Error> {
        let signed = self.0.parts().cursors.seal(RECEIPTS, NOBODYS, &receipt);
        Ok(Done { signed: signed.map_err(|error| Error::Defect(error.to_string()))?, receipt })
    }

    /// What a signed receipt says, if it was given out here. No call.
    pub fn verify(&self, signed: &str) -> Result<Receipt, Error> {
        let receipt = self.0.parts().cursors.open(RECEIPTS, NOBODYS, signed);
        receipt.map_err(|_| Refusal::ReceiptUnknown.into())
    }

    /// Goes on with erasures that were not finished, looks through what was erased an hour ago once more, and tells how
    /// overdue the oldest request is that nobody has decided about. Two calls when there is nothing to do.
    pub async fn look(&self, budget: Duration) -> Result<Looked, Error> {
        let until = Instant::now() + budget;
        let (mut looked, mut from) = (Looked::default(), None);
        loop {
            let (page, next) = self.0.table().open_requests(OpenRequests::Erasing, from, TICKETS).await?;
            for stored in page {
                if Instant::now() >= until {
                    break;
                }
                let id = stored.request.id;
                match Box::pin(self.go_on(stored)).await {
                    Ok(went_on) => looked.went_on += u64::from(went_on),
                    Err(error) => {
                        tracing::error!(request = %id, ?error, "an erasure did not go on");
                        looked.failed += 1;
                    }
                }
            }
            from = next;
            if from.is_none() || Instant::now() >= until {
                break;
            }
        }
        let (first, _) = self.0.table().open_requests(OpenRequests::ToDecide, None, 1).await?;
        let now = self.0.now();
        let overdue = first.first().map_or(Duration::ZERO, |first| now.since(first.request.due_at()));
        telemetry::due_lag(Due::Requests, overdue);
        Ok(looked)
    }

    async fn go_on(self, stored: StoredRequest) -> Result<bool, Error> {
        match &stored.request.standing {
            Standing::Erasing { .. } => Ok(self.finish(stored).await?.is_some()),
            Standing::Done { at, by, receipt, again } if self.0.now() >= at.plus(AGAIN_AFTER) => {
                for account in again {
                    self.clear(*account).await?;
                }
                let standing = Standing::Done { at: *at, by: by.clone(), receipt: receipt.clone(), again: Vec::new() };
                let request = RightsRequest { standing, ..stored.request.clone() };
                let next = StoredRequest { request, version: stored.version };
                Ok(matches!(self.0.table().transaction().request(&next)?.commit().await?, Outcome::Done))
            }
            _ => Ok(false),
        }
    }

    /// Makes the member gone; none when somebody was faster.
    async fn begin(
        self,
        who: &Who,
        reason: Option<&Reason>,
        stored: Option<StoredRequest>,
    ) -> Result<Option<StoredRequest>, Error> {
        let hot = self.0.table().member(who.member, Freshness::Latest).await?.ok_or(Error::NotFound)?;
        let now = self.0.now();
        let (version, waits) = stored.as_ref().map_or((0, false), |stored| (stored.version, stored.request.is_open()));
        // Asked again after a refusal it is a request of its own, to be answered in its own time.
        let (refused, known) = match stored {
            Some(stored) if stored.request.is_refused() => (Some(StoredRequest::new(stored.request.set_aside())), None),
            known => (None, known),
        };
        let request = known.unwrap_or_else(|| {
            let asked = RightsRequest::new(request_id(who.member), who.member, Kind::Erasure, who.by.clone(), now);
            StoredRequest { request: RightsRequest { reason: reason.cloned(), ..asked }, version }
        });
        match (hot.account.membership, who.session) {
            (Membership::Erased, _) => return Err(Refusal::MemberErased.into()),
            (Membership::OnHold { .. }, _) if waits => return Err(Refusal::LegalHold.into()),
            (Membership::OnHold { .. }, _) => return self.write_down(request, refused).await,
            (Membership::MergedInto(_), None) => return Err(Refusal::MergedElsewhere.into()),
            (Membership::MergedInto(_), Some(_)) => return Err(Error::SessionEnded),
            (_, Some(session)) if session < hot.sessions => return Err(Error::SessionEnded),
            (Membership::Unclaimed | Membership::Claimed, _) => {}
        }
        let part = self.0.table().part(who.member, &Part::Profile).await?.ok_or(Error::NotFound)?;
        let accounts: Vec<MemberId> = std::iter::once(who.member).chain(Profile::read(&part)?.absorbed).collect();
        let ids = match self.0.people().open(who.member, Freshness::Latest).await {
            Ok(opened) if opened.version == part.version => self.ids(&opened)?,
            Ok(_) => return Ok(None),
            // Restored without the key, which was destroyed: ids that can't be read lead to nobody once they are used.
            Err(Error::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        let receipt = self.inventory(&request.request, &hot, ids.len(), &accounts).await?;
        let room = MOST_WRITES.saturating_sub(OTHER_WRITES + hot.account.segments.len());
        let (few, rest) = ids.split_at(ids.len().min(room));
        self.give_up(who.member, rest).await?;
        let mut transaction = self.farewell(self.0.table().transaction(), &hot, part.version, &who.by).await?;
        for id in few {
            transaction = transaction.release_identity(id, who.member)?;
        }
        if let Some(refused) = &refused {
            transaction = transaction.request(refused)?;
        }
        let standing = Standing::Erasing { accounts, receipt: Box::new(receipt) };
        let begun = StoredRequest { request: RightsRequest { standing, ..request.request }, version: request.version };
        match transaction.request(&begun)?.commit().await? {
            Outcome::Done => {
                self.0.key_cache().forget(who.member);
                Ok(Some(StoredRequest { version: begun.version + 1, ..begun }))
            }
            Outcome::Lost(_) => Ok(None),
        }
    }

    /// Under a legal hold a request waits to be decided about.
    async fn write_down(
        self,
        request: StoredRequest,
        refused: Option<StoredRequest>,
    ) -> Result<Option<StoredRequest>, Error> {
        let open = RightsRequest { standing: Standing::Open, ..request.request };
        let open = StoredRequest { request: open, version: request.version };
        let mut transaction = self.0.table().transaction().request(&open)?;
        if let Some(refused) = &refused {
            transaction = transaction.request(refused)?;
        }
        match transaction.commit().await? {
            Outcome::Done => Err(Refusal::LegalHold.into()),
            Outcome::Lost(_) => Ok(None),
        }
    }

    /// The ids that lead to a member, each once.
    fn ids(self, opened: &Opened) -> Result<Vec<Identity>, Error> {
        let mut ids: Vec<Identity> = Vec::new();
        for (_, handle) in opened.handles()? {
            let id = self.0.people().identity(&handle);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// Gives up more ids than fit into one transaction; those that were given up before are passed over.
    async fn give_up(self, member: MemberId, ids: &[Identity]) -> Result<(), Error> {
        for ids in ids.chunks(MOST_IDS) {
            let owners = self.0.table().owners(ids).await?;
            let own: Vec<&Identity> =
                ids.iter().zip(owners).filter(|(_, owner)| *owner == Some(member)).map(|(id, _)| id).collect();
            if !own.is_empty() {
                let transaction = self.0.table().transaction();
                let giving = own.into_iter().try_fold(transaction, |t, id| t.release_identity(id, member))?;
                giving.commit().await?;
            }
        }
        Ok(())
    }

    /// Adds what makes an account nobody's: the movement that ends it, the tombstone, the destroyed key.
    async fn farewell<'t>(
        self,
        transaction: Transaction<'t>,
        hot: &Hot,
        profile: u64,
        by: &Actor,
    ) -> Result<Transaction<'t>, Error> {
        let (rules, now, member) = (self.0.rulebook().await?, self.0.now(), hot.account.member);
        let posted = erasure::erase(&hot.account, &rules, now, by)?;
        let sessions = hot.sessions.saturating_add(1);
        let gone = Hot { sessions, reach: Reach::default(), ..hot.clone() };
        let text = Profile::erased(now, sessions).text()?;
        let tombstone = StoredPart { member, part: Part::Profile, text, version: profile };
        Ok(transaction.movement(&gone, &posted)?.part(&tombstone)?.without_key(member)?)
    }

    /// Erases everything that is left of an erased member, and closes the request; none when somebody else did.
    async fn finish(self, begun: StoredRequest) -> Result<Option<Receipt>, Error> {
        let Standing::Erasing { accounts, receipt } = &begun.request.standing else { return Ok(None) };
        for account in accounts {
            self.leave(*account, &begun.request.by).await?;
            self.clear(*account).await?;
        }
        let at = self.0.now();
        let receipt = Receipt { finished_at: Some(at), ..receipt.as_ref().clone() };
        let standing = Standing::Done {
            at,
            by: begun.request.by.clone(),
            receipt: Some(Box::new(receipt.clone())),
            again: accounts.clone(),
        };
        let request = RightsRequest { standing, ..begun.request.clone() };
        let done = StoredRequest { request, version: begun.version };
        let outcome = self.0.table().transaction().request(&done)?.commit().await?;
        Ok(Some(receipt).filter(|_| matches!(outcome, Outcome::Done)))
    }

    /// Ends an account that was merged into the member's; nothing happens to one that was ended.
    async fn leave(self, account: MemberId, by: &Actor) -> Result<(), Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let Some(hot) = self.0.table().member(account, Freshness::Latest).await? else { return Ok(()) };
            if hot.account.membership == Membership::Erased {
                return Ok(());
            }
            let part = self.0.table().part(account, &Part::Profile).await?;
            let version = part.map_or(0, |part| part.version);
            let transaction = self.farewell(self.0.table().transaction(), &hot, version, by).await?;
            if let Outcome::Done = transaction.commit().await? {
                self.0.key_cache().forget(account);
                return Ok(());
            }
            patience.wait().await?;
        }
    }

    /// Clears away what lies beside an account. Safe to repeat.
    async fn clear(self, account: MemberId) -> Result<(), Error> {
        let table = self.0.table();
        let parts = self.parts(account).await?;
        let erased = stream::iter(parts)
            .map(|part| async move { table.erase_part(account, &part).await })
            .buffer_unordered(SIDE_BY_SIDE);
        erased.try_collect::<()>().await?;
        for stored in self.tickets(account).await? {
            self.clear_ticket(account, stored).await?;
        }
        table.erase_beside_tickets(account).await?;
        let sends = self.sends(account).await?;
        let cleared =
            stream::iter(sends).map(|send| async move { self.clear_send(send).await }).buffer_unordered(SIDE_BY_SIDE);
        cleared.try_collect::<()>().await
    }

    /// The names of all parts of a profile but its tombstone.
    async fn parts(self, account: MemberId) -> Result<Vec<String>, Error> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.0.table().parts_of(account, after.as_deref()).await?;
            names.extend(page.into_iter().map(|belonging| belonging.part).filter(|part| part != "profile"));
            after = next;
            if after.is_none() {
                return Ok(names);
            }
        }
    }

    /// All tickets of an account, and those by which the desk followed them up.
    async fn tickets(self, account: MemberId) -> Result<Vec<StoredTicket>, Error> {
        let (list, mut from, mut found) = (TicketList::Of(account), None, Vec::new());
        loop {
            let page = self.0.table().tickets(&list, from.as_ref(), TICKETS).await?;
            for stored in page.tickets {
                for id in &stored.ticket.followed_by {
                    found.extend(self.0.table().ticket(*id, Freshness::Latest).await?);
                }
                found.push(stored);
            }
            from = page.next;
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    async fn sends(self, account: MemberId) -> Result<Vec<SendId>, Error> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (mut page, next) = self.0.table().sends_of(account, after).await?;
            found.append(&mut page);
            after = next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Files first, then the records that name them, then the ticket: whatever dies in between finds the rest again.
    async fn clear_ticket(self, account: MemberId, stored: StoredTicket) -> Result<(), Error> {
        let (table, id) = (self.0.table(), stored.ticket.id);
        for item in table.beside_ticket(id).await? {
            for file in record(&item)?.into_iter().flat_map(|record| record.attachments) {
                self.0.attachments().erase(account, &file).await?;
            }
            table.erase_beside_ticket(id, &item.part).await?;
        }
        self.close_ticket(id, stored).await
    }

    async fn close_ticket(self, id: TicketId, mut stored: StoredTicket) -> Result<(), Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let ticket = stored.ticket.erased(self.0.now());
            if (Ticket { changed_at: stored.ticket.changed_at, ..ticket.clone() }) == stored.ticket {
                return Ok(());
            }
            let next = StoredTicket { ticket, version: stored.version };
            if let Outcome::Done = self.0.table().transaction().ticket(&next)?.commit().await? {
                return Ok(());
            }
            patience.wait().await?;
            match self.0.table().ticket(id, Freshness::Latest).await? {
                Some(fresh) => stored = fresh,
                None => return Ok(()),
            }
        }
    }

    /// What waits is refused, and counted so; of what went, the provider's id finds nothing any more.
    async fn clear_send(self, id: SendId) -> Result<(), Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let Some(stored) = self.0.table().send(id, Freshness::Latest).await? else { return Ok(()) };
            if let Some((channel, name)) = named(&stored.send.state) {
                return Ok(self.0.table().erase_name(channel, name).await?);
            }
            if !matches!(stored.send.state, State::Held { .. }) {
                return Ok(());
            }
            let send = stored.send.moved_to(State::Refused { gate: Gate::Erased }, self.0.now());
            let counts = send.counts_since(Some(&stored.send));
            let next = StoredSend { send, version: stored.version };
            if let Outcome::Done = self.0.table().transaction().send(&next, &counts)?.commit().await? {
                return Ok(());
            }
            patience.wait().await?;
        }
    }

    /// What there is to be erased, counted before anything is: so that a receipt says the same however often the process
    /// dies on the way.
    async fn inventory(
        self,
        request: &RightsRequest,
        hot: &Hot,
        ids: usize,
        accounts: &[MemberId],
    ) -> Result<Receipt, Error> {
        let mut erased = Erased {
            accounts: number(accounts.len()),
            ids: number(ids),
            segments: number(hot.account.segments.len()),
            ..Erased::default()
        };
        let mut rows = 0;
        for other in self.0.table().members(accounts).await? {
            // The row that ends the account is kept, too.
            rows += other.account.chain.length + 1;
            erased = erased.and(self.beside(other.account.member).await?);
        }
        Ok(Receipt {
            request: request.id,
            received_at: request.received_at,
            keys_destroyed_at: self.0.now(),
            finished_at: None,
            erased,
            kept: Kept { journal_rows: rows },
        })
    }

    /// What lies beside an account, counted.
    async fn beside(self, account: MemberId) -> Result<Erased, Error> {
        let tickets = self.tickets(account).await?;
        // The profile itself is a part, too.
        let parts = number(self.parts(account).await?.len()) + 1;
        let mut found = Erased { parts, tickets: number(tickets.len()), ..Erased::default() };
        for stored in tickets {
            for item in self.0.table().beside_ticket(stored.ticket.id).await? {
                if let Some(record) = record(&item)? {
                    found.texts += 1;
                    found.files += number(record.attachments.len());
                }
            }
        }
        for id in self.sends(account).await? {
            let stored = self.0.table().send(id, Freshness::Latest).await?;
            let waits = stored.is_some_and(|stored| matches!(stored.send.state, State::Held { .. }));
            found.sends += u32::from(waits);
        }
        Ok(found)
    }
}

/// The record that an item beside a ticket is, if it is one.
fn record(item: &TicketItem) -> Result<Option<Record>, Error> {
    Ok(item.record.as_deref().map(serde_json::from_str).transpose()?)
}

/// The provider's id of a message that went.
const fn named(state: &State) -> Option<(Channel, &MessageId)> {
    match state {
        State::Accepted { call, id }
        | State::AwaitingStaff { call, id, .. }
        | State::Delivered { call, id: Some(id), .. } => Some((call.channel, id)),
        _ => None,
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
