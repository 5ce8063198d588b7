//! What time does to tickets: clocks fire and managers are told, tickets close by themselves, advocates are tagged.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::{Tickets, tell_breaches, write};
use crate::cases::Error;
use crate::cases::customers::Sight;
use crate::cases::ledger::Patience;
use crate::channels::{Address, Message, Sent};
use crate::domain::campaign::content::Rendered;
use crate::domain::campaign::send::LEASE;
use crate::domain::desk::Desk;
use crate::domain::sla::{Alarm, ClockName, Fired};
use crate::domain::ticket::{Act, Call, Heard, Step, Telling, Ticket, Untold};
use crate::domain::traits::Tag;
use crate::table::{Freshness, Outcome, StoredTicket, TICKET_SHARDS};
use crate::telemetry::{self, Due};
use crate::values::{CampaignId, Code, TicketId};

/// Due tickets that are worked on side by side.
const SIDE_BY_SIDE: usize = 8;
/// Due tickets that are read at once.
const DUE_AT_ONCE: i32 = 100;

/// What time has done to tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Tickets to which something happened.
    pub changed: u64,
    /// Tickets that could not be worked on; they are met again.
    pub failed: u64,
}

impl Tickets<'_> {
    /// Does what time has made due, until nothing is left or the time for it is over. A call per shard, and two for
    /// every ticket that is due. Doing it twice, late or side by side changes nothing but when it is written.
    pub async fn drain(&self, budget: Duration) -> Result<Drained, Error> {
        let until = Instant::now() + budget;
        let (mut sum, mut lag) = (Drained::default(), Duration::ZERO);
        for shard in 0..TICKET_SHARDS {
            while Instant::now() < until {
                let now = self.0.now();
                let due = self.0.table().due_tickets(shard, now, DUE_AT_ONCE).await?;
                lag = due.first().map_or(lag, |(_, at)| lag.max(now.since(*at)));
                let before = sum.changed;
                let ids: Vec<TicketId> = due.iter().map(|(id, _)| *id).collect();
                let settled = futures_util::stream::iter(ids)
                    .map(|id| async move { (id, self.settle(id).await) })
                    .buffer_unordered(SIDE_BY_SIDE);
                let settled: Vec<_> = settled.collect().await;
                for (id, outcome) in settled {
                    match outcome {
                        Ok(changed) => sum.changed += u64::from(changed),
                        Err(error) => {
                            tracing::error!(ticket = %id, ?error, "a ticket's clocks were not looked at");
                            sum.failed += 1;
                        }
                    }
                }
                // What is left after a full page without any progress would only be met again.
                if due.len() < usize::try_from(DUE_AT_ONCE).unwrap_or(usize::MAX) || sum.changed == before {
                    break;
                }
            }
        }
        telemetry::due_lag(Due::Tickets, lag);
        Ok(sum)
    }

    /// Does what time has made due on one ticket until nothing is; false when nothing was.
    async fn settle(&self, id: TicketId) -> Result<bool, Error> {
        let version = self.0.desks().current().await?;
        let (mut patience, mut changed) = (Patience::new(self.0), false);
        loop {
            let Some(stored) = self.0.table().ticket(id, Freshness::Latest).await? else { return Ok(changed) };
            let left = if let Some(call) = stored.ticket.to_tell(self.0.now()) {
                self.tell(&stored, call, &version.desk).await?
            } else {
                let Some(step) = self.due_step(&stored.ticket, &version.desk).await? else { return Ok(changed) };
                let transaction = write(self.0.table().transaction(), &[(stored.version, &step)], None)?;
                let transaction = self.with_closed_tag(transaction, &stored.ticket, &step, &version.desk).await?;
                let done = matches!(transaction.commit().await?, Outcome::Done);
                if done {
                    tell_breaches(&[&step]);
                }
                done.then_some(step.ticket)
            };
            match left {
                Some(ticket) if ticket.due_at().is_none_or(|due| due > self.0.now()) => return Ok(true),
                Some(_) => changed = true,
                None => patience.wait().await?,
            }
        }
    }

    /// Tells the manager what clocks have fired, or looks up whether that was done: claimed first, called then, and
    /// written down. Two calls and the provider's. The ticket afterwards; none when somebody else was faster.
    async fn tell(&self, stored: &StoredTicket, call: Call, desk: &Desk) -> Result<Option<Ticket>, Error> {
        let (id, own) = (stored.ticket.id, self.0.own_name());
        let (untold, mut stored) = match call {
            Call::LooksUp(untold) => (untold, stored.clone()),
            Call::Calls(untold) => {
                let ticket = stored.ticket.calling(untold.record, self.0.now());
                let claimed = StoredTicket { ticket, version: stored.version };
                let claim = self.0.table().transaction().ticket(&claimed)?;
                let Outcome::Done = claim.commit().await? else { return Ok(None) };
                (Untold { called: false, ..untold }, StoredTicket { version: claimed.version + 1, ..claimed })
            }
        };
        let heard = self.calls(&stored.ticket, &untold, desk).await?;
        let mut patience = Patience::new(self.0);
        loop {
            let step = stored.ticket.heard(untold.record, heard.clone(), desk, &own, self.0.now());
            let Some(step) = step else { return Ok(Some(stored.ticket)) };
            let transaction = write(self.0.table().transaction(), &[(stored.version, &step)], None)?;
            if let Outcome::Done = transaction.commit().await? {
                return Ok(Some(step.ticket));
            }
            patience.wait().await?;
            stored = self.0.table().ticket(id, Freshness::Latest).await?.ok_or(Error::NotFound)?;
        }
    }

    /// What the provider says: of a call, or of one that nobody has heard of.
    async fn calls(&self, ticket: &Ticket, untold: &Untold, desk: &Desk) -> Result<Heard, Error> {
        let Some(manager) = &desk.notices.manager else {
            return Ok(Heard::Over(Telling::Failed("no_manager".to_owned())));
        };
        let channel = manager.channel.into();
        let Some(sender) = self.0.parts().senders.of(channel) else {
            return Ok(Heard::Over(Telling::Failed("no_provider".to_owned())));
        };
        let (send, to) = (untold.id(ticket.id), Address::new(manager.to.to_string()));
        if untold.called {
            let sent = Sent { send, channel, to, at: untold.at.minus(LEASE), id: None };
            return Ok(sender.look_up(&sent).await.into());
        }
        let content = alarm(ticket, untold)?;
        let campaign = CampaignId::of("alarm", &[]);
        Ok(sender.send(&Message { send, campaign, channel, to, content }).await.into())
    }

    async fn due_step(&self, ticket: &Ticket, desk: &Desk) -> Result<Option<Step>, Error> {
        let (own, now) = (self.0.own_name(), self.0.now());
        if ticket.due_at().is_none_or(|due| due > now) {
            return Ok(None);
        }
        if !ticket.survey.as_ref().is_some_and(|survey| survey.tag_pending) {
            return Ok(ticket.pass_time(desk, &own, now));
        }
        // The tag comes first: giving it twice changes nothing, forgetting it would.
        let tag = [Tag { name: desk.survey.advocate_tag.clone(), until: None }];
        let tagged = match self.0.remarks().tag(ticket.member, &Sight::All, &tag, &[], &own).await {
            Ok(_) => true,
            Err(Error::Refused(_) | Error::NotFound) => false,
            Err(error) => return Err(error),
        };
        Ok(Some(ticket.act(Act::AdvocateTagged(tagged), own.clone(), desk, &own, now)?))
    }
}

/// What a manager reads: which ticket, and what its clocks have fired. Nothing about the member.
fn alarm(ticket: &Ticket, untold: &Untold) -> Result<Rendered, Error> {
    let topic = Code::parse("ticket_alarm").map_err(|e| Error::Defect(e.to_string()))?;
    let lines = untold.fired.iter().map(|Fired { clock, alarm, due }| {
        let clock = match clock {
            ClockName::FirstReply => "首次回复",
            ClockName::NextReply => "后续回复",
            ClockName::Resolution => "解决",
        };
        let alarm = match alarm {
            Alarm::Warning => "即将超时",
            Alarm::Breach => "已超时",
            Alarm::Escalation => "已升级",
        };
        format!("\n{clock}{alarm}（{due}）")
    });
    let Ticket { id, kind, priority, queue, .. } = ticket;
    let text = format!("工单 {id}（{kind}，{priority}，{queue}）{}", lines.collect::<String>());
    Ok(Rendered::Staff { topic, text })
}
