//! What members and staff do with a ticket: they write, decide and close.

use super::{Read, Said, Tickets, Whole, owned, refused, tell_breaches, whole, write};
use crate::cases::ledger::Patience;
use crate::cases::people::Opened;
use crate::cases::{Error, Who};
use crate::domain::desk::{Desk, DeskVersion};
use crate::domain::posting::Failure;
use crate::domain::tagging;
use crate::domain::ticket::{Act, Handling, State, Step, Ticket, What};
use crate::domain::traits::Tag;
use crate::table::{Freshness, Lost, Outcome, Side, StoredTicket, Transaction};
use crate::values::{Actor, MemberId, Note, RowKey, TicketId};

/// Something to be done to a ticket.
struct Doing<'a> {
    act: Act,
    by: Actor,
    /// What was written, if anything.
    said: Option<Said<'a>>,
    /// Makes a repeated request find what its first delivery did.
    key: Option<RowKey>,
    /// The version that the caller has seen, where the decision builds on it.
    builds_on: Option<u64>,
    /// The open profile of the member whose ticket it is, once it was read.
    opened: Option<Opened>,
    /// The member who writes: whose uploads may be attached, and whose messages of a day are counted.
    writer: Option<MemberId>,
}

impl Doing<'_> {
    fn of(act: Act, by: &Actor) -> Self {
        Self { act, by: by.clone(), said: None, key: None, builds_on: None, opened: None, writer: None }
    }
}

impl Tickets<'_> {
    /// A message of the member. Three calls; five when asked again.
    ///
    /// Answers with the ticket, too.
    pub async fn member_writes(
        &self,
        who: &Who,
        id: TicketId,
        key: &str,
        said: Said<'_>,
    ) -> Result<(StoredTicket, Read), Error> {
        let opened = self.0.people().own(who, Freshness::Recent).await?;
        let accounts: Vec<MemberId> = opened.all_accounts().collect();
        let key = Some(RowKey::of("message", &[&who.member.to_string(), key]));
        let act = Doing::of(Act::MemberWrites, &who.by);
        let doing = Doing { said: Some(said), key, opened: Some(opened), writer: Some(who.member), ..act };
        self.carry_out(id, doing, |ticket| owned(ticket, &accounts)).await
    }

    /// The member says that it is solved. Four calls. Asking again changes nothing.
    pub async fn member_closes(&self, who: &Who, id: TicketId) -> Result<Whole, Error> {
        let mine = self.read_mine(who, id).await?;
        if mine.stored.ticket.state == State::Closed {
            return Ok(mine);
        }
        let doing = Doing::of(Act::MemberCloses, &who.by);
        // A ticket does not change hands: it was the member's own a moment ago.
        let (stored, read) = self.carry_out(id, doing, |_| Ok(())).await?;
        let records = mine.records.into_iter().chain([read]).collect();
        Ok(Whole { stored, records, sends: Vec::new() })
    }

    /// A message of staff to the member; where the ticket stands then, if they say. Three calls; five when asked again.
    pub async fn staff_writes(
        &self,
        by: &Actor,
        id: TicketId,
        key: &str,
        text: &Note,
        then: Option<State>,
    ) -> Result<Read, Error> {
        self.desk_writes(by, id, key, text, Act::StaffWrites(then)).await
    }

    /// A note of staff for each other, which the member never sees. Three calls; five when asked again.
    pub async fn staff_notes(&self, by: &Actor, id: TicketId, key: &str, text: &Note) -> Result<Read, Error> {
        self.desk_writes(by, id, key, text, Act::StaffNotes).await
    }

    /// What staff decide about a ticket, building on the version that they have seen. Two calls, three for what solves it.
    pub async fn handle(&self, by: &Actor, id: TicketId, seen: u64, handling: Handling) -> Result<StoredTicket, Error> {
        let doing = Doing { builds_on: Some(seen), ..Doing::of(Act::StaffHandles(handling), by) };
        Ok(self.carry_out(id, doing, |_| Ok(())).await?.0)
    }

    async fn desk_writes(&self, by: &Actor, id: TicketId, key: &str, text: &Note, act: Act) -> Result<Read, Error> {
        let key = Some(RowKey::of("desk-message", &[by.as_str(), key]));
        let doing = Doing { said: Some(text.into()), key, ..Doing::of(act, by) };
        Ok(self.carry_out(id, doing, |_| Ok(())).await?.1)
    }

    /// Reads the ticket, lets the domain decide, and writes the decision, until nobody else was faster.
    async fn carry_out(
        &self,
        id: TicketId,
        mut doing: Doing<'_>,
        may: impl Fn(&Ticket) -> Result<(), Error>,
    ) -> Result<(StoredTicket, Read), Error> {
        let version = self.0.desks().current().await?;
        let (mut patience, mut may_ask) = (Patience::new(self.0), true);
        loop {
            let stored = self.0.table().ticket(id, Freshness::Latest).await?.ok_or(Error::NotFound)?;
            may(&stored.ticket)?;
            if doing.builds_on.is_some_and(|seen| seen != stored.version) {
                return Err(Error::VersionMoved);
            }
            let whose = stored.ticket.member;
            if doing.said.is_some() && doing.opened.as_ref().is_none_or(|opened| opened.member != whose) {
                doing.opened = Some(self.0.people().open(whose, Freshness::Recent).await?);
            }
            let step = match self.decide(&stored.ticket, &doing, &version, may_ask) {
                Ok(step) => step,
                // A repeated request may be refused by what its first delivery did.
                Err(refused) => return self.replay(id, &doing).await?.ok_or(refused),
            };
            if let Some((by, said)) = doing.writer.zip(doing.said.as_ref()) {
                self.0.attachments().keep(by, whose, &said.attachments).await?;
            }
            let transaction = write(self.0.table().transaction(), &[(stored.version, &step)], None)?;
            let mut transaction = self.with_closed_tag(transaction, &stored.ticket, &step, &version.desk).await?;
            let (limits, now) = (version.desk.limits, self.0.now());
            if doing.writer.is_some() {
                transaction = transaction.said(whose, now.day(), limits.messages_a_day)?;
            }
            if let Some(key) = doing.key {
                transaction = transaction.done(id, key, step.ticket.records)?;
            }
            match transaction.commit().await? {
                Outcome::Done => {
                    tell_breaches(&[&step]);
                    let stored = StoredTicket { ticket: step.ticket, version: stored.version + 1 };
                    let record = step.records.into_iter().last().ok_or_else(|| Error::Defect("nothing done".into()))?;
                    return Ok((stored, Read { record, text: doing.said.map(|said| said.text.as_str().to_owned()) }));
                }
                Outcome::Lost(lost) => {
                    if let Some(done) = self.replay(id, &doing).await? {
                        return Ok(done);
                    }
                    refused(&lost, limits, now)?;
                    may_ask &= !matches!(lost, Lost::AskedLately);
                }
            }
            patience.wait().await?;
        }
    }

    /// Adds to what solves a ticket the tag that its member bears from then on: in the same transaction, so that no
    /// crash forgets it. One call more, for the member.
    pub(super) async fn with_closed_tag<'t>(
        &self,
        transaction: Transaction<'t>,
        before: &Ticket,
        step: &Step,
        desk: &Desk,
    ) -> Result<Transaction<'t>, Error> {
        let Some(closed) = desk.closed_tag.as_ref().filter(|_| step.solves(before)) else { return Ok(transaction) };
        let Some(hot) = self.0.table().member(before.member, Freshness::Latest).await? else { return Ok(transaction) };
        let hot = match self.0.ledger().follow(hot, Freshness::Latest).await {
            Ok(hot) => hot,
            // Nobody is tagged who was erased, or whose data is only kept.
            Err(Error::Refused(_)) => return Ok(transaction),
            Err(error) => return Err(error),
        };
        let (rules, now) = (self.0.rulebook().await?, self.0.now());
        let tag = [Tag { name: closed.tag.clone(), until: Some(now.day().plus(closed.days)) }];
        let row = RowKey::of("ticket-closed", &[&before.id.to_string(), &step.ticket.closings.to_string()]);
        match tagging::retag(&hot.account, &tag, &[], row, &rules, now, self.0.own_name()) {
            Ok(Some(posted)) => Ok(transaction.movement(&hot, &posted)?),
            // A member with as many tags as one may have is no reason to leave a ticket open.
            Ok(None) | Err(Failure::Refused(_)) => Ok(transaction),
            Err(failure) => Err(failure.into()),
        }
    }

    fn decide(self, ticket: &Ticket, doing: &Doing<'_>, version: &DeskVersion, may_ask: bool) -> Result<Step, Error> {
        let (own, now) = (self.0.own_name(), self.0.now());
        let mut step = ticket.act(doing.act.clone(), doing.by.clone(), &version.desk, &own, now)?;
        if !may_ask {
            step = step.without_survey(ticket);
        }
        if let Some(opened) = &doing.opened {
            self.seal(opened, &mut step, doing.said.as_ref())?;
        }
        Ok(step)
    }

    /// What a request did that was made before; none when it was not.
    async fn replay(&self, id: TicketId, doing: &Doing<'_>) -> Result<Option<(StoredTicket, Read)>, Error> {
        let Some(key) = doing.key else { return Ok(None) };
        let Some(number) = self.0.table().ticket_done(id, key).await? else { return Ok(None) };
        let (stored, records) = self.0.table().ticket_and_records(id, Side::All).await?.ok_or(Error::NotFound)?;
        let whole = whole(stored, records, doing.opened.as_ref())?;
        let read = whole.records.into_iter().find(|read| read.record.number == number);
        let read = read.ok_or_else(|| Error::Defect("a record that was made is missing".into()))?;
        let noted = matches!(doing.act, Act::StaffNotes) == (read.record.what == What::StaffNoted);
        let same = noted && read.says(doing.said.as_ref());
        if same { Ok(Some((whole.stored, read))) } else { Err(Error::ReusedKey) }
    }
}
