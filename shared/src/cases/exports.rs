//! Exports: everything that is kept about a member, as JSON that another house can read (PIPL 45).
//!
//! What there is comes in categories, each a list. One answer holds all of it for nearly everybody; where it would become
//! larger than a function may answer, it ends with the place where the next one goes on, and the lists are put one behind
//! the other. What is listed here is held against everything that is stored by a test.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::cases::people::Opened;
use crate::cases::profiles::Basics;
use crate::cases::tickets::whole;
use crate::cases::{Error, Who, remarks};
use crate::domain::campaign::send::Send;
use crate::domain::refusal::Refusal;
use crate::domain::rights_request::{Kind, RightsRequest};
use crate::domain::ticket::What;
use crate::table::{Belonging, Freshness, Hot, RequestPosition, Side, StoredTicket, TicketList, TicketPosition};
use crate::values::{Actor, MemberId, Moment, RowKey, SendId};

/// How the document is laid out.
pub const FORMAT: &str = "huitou-export-1";

/// Bytes after which an answer ends: half of what a function may answer, so that the last piece may be large.
const ENOUGH: usize = 3 * 1024 * 1024;

/// Rows of the journal that are read at once.
const ROWS: usize = 64;
/// Tickets that are read at once.
const TICKETS: i32 = 10;
/// Requests under the law that are read at once.
const REQUESTS: i32 = 100;

/// The categories, in the order in which they are read.
pub const CATEGORIES: [&str; 11] = [
    "profile",
    "children",
    "account",
    "consents",
    "corrections",
    "notes",
    "merges",
    "journal",
    "tickets",
    "messages_sent",
    "requests",
];

/// Where an export goes on. `of` is the place of the account among those that were merged into one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// What the member told, and where the account stands.
    Person,
    /// Parts of the profile.
    Parts {
        /// The account.
        of: usize,
        /// The part behind which it goes on.
        after: Option<String>,
    },
    /// The journal, newest row first.
    Journal {
        /// The account.
        of: usize,
        /// The links to follow; none to begin with the newest row.
        links: Option<Vec<RowKey>>,
    },
    /// Tickets with what was said.
    Tickets {
        /// The account.
        of: usize,
        /// Where its list goes on.
        within: Option<TicketPosition>,
    },
    /// Messages of campaigns.
    Sends {
        /// The account.
        of: usize,
        /// The message behind which it goes on.
        after: Option<(SendId, Moment)>,
    },
    /// What was asked under the law, newest first.
    Requests {
        /// The account.
        of: usize,
        /// Where its list goes on.
        within: Option<RequestPosition>,
    },
}

/// Everything, or a part of it.
#[derive(Clone, Debug)]
pub struct Export {
    /// Whose.
    pub member: MemberId,
    /// When it was read.
    pub at: Moment,
    /// By category, a list each.
    pub data: BTreeMap<&'static str, Vec<Value>>,
    /// Where the next part begins; none when this was the last one.
    pub next: Option<Place>,
}

/// What one step has read.
type Pieces = Vec<(&'static str, Value)>;

/// Exports.
#[derive(Clone, Copy, Debug)]
pub struct Exports<'a>(pub(crate) &'a App);

impl App {
    /// Exports.
    #[must_use]
    pub const fn exports(&self) -> Exports<'_> {
        Exports(self)
    }
}

impl Exports<'_> {
    /// Everything from a place on, until it is enough for one answer. A handful of calls, one for every eight rows of the
    /// journal and one for each ticket and message. That it was given is noted as a request that was done.
    pub async fn read(&self, who: &Who, from: Option<Place>) -> Result<Export, Error> {
        let opened = self.0.people().open(who.member, Freshness::Recent).await?;
        let ended = who.session.is_some_and(|session| session < opened.profile.sessions);
        match (opened.profile.merged, who.session) {
            (Some(_), None) => return Err(Refusal::MergedElsewhere.into()),
            (Some(_), Some(_)) => return Err(Error::SessionEnded),
            (None, _) if ended => return Err(Error::SessionEnded),
            (None, _) => {}
        }
        if from.is_none() {
            self.0.rights_requests().note_done(who, Kind::Export).await?;
        }
        let accounts: Vec<MemberId> = opened.all_accounts().collect();
        let (mut data, mut bytes, mut next) = (BTreeMap::new(), 0, Some(from.unwrap_or(Place::Person)));
        while let Some(place) = next.take_if(|_| bytes < ENOUGH) {
            let (pieces, then) = Box::pin(self.step(who, &opened, &accounts, place)).await?;
            for (category, piece) in pieces {
                bytes += piece.to_string().len();
                data.entry(category).or_insert_with(Vec::new).push(piece);
            }
            next = then;
        }
        Ok(Export { member: who.member, at: self.0.now(), data, next })
    }

    async fn step(
        self,
        who: &Who,
        opened: &Opened,
        accounts: &[MemberId],
        place: Place,
    ) -> Result<(Pieces, Option<Place>), Error> {
        let account = |of: usize| accounts.get(of).copied();
        match place {
            Place::Person => Ok((self.person(who, opened).await?, Some(Place::Parts { of: 0, after: None }))),
            Place::Parts { of, after } => {
                let Some(member) = account(of) else {
                    return Ok((Vec::new(), Some(Place::Journal { of: 0, links: None })));
                };
                let (parts, next) = self.0.table().parts_of(member, after.as_deref()).await?;
                let own = if of == 0 { None } else { Some(self.0.people().open(member, Freshness::Recent).await?) };
                let pieces = parts.iter().map(|part| belonging(own.as_ref().unwrap_or(opened), part));
                let pieces = pieces.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect();
                let after = next
                    .map_or(Place::Parts { of: of + 1, after: None }, |after| Place::Parts { of, after: Some(after) });
                Ok((pieces, Some(after)))
            }
            Place::Journal { of, links } => {
                let Some(member) = account(of) else {
                    return Ok((Vec::new(), Some(Place::Tickets { of: 0, within: None })));
                };
                let (pieces, links) = self.journal(member, links).await?;
                let over = links.is_empty();
                Ok((
                    pieces,
                    Some(if over {
                        Place::Journal { of: of + 1, links: None }
                    } else {
                        Place::Journal { of, links: Some(links) }
                    }),
                ))
            }
            Place::Tickets { of, within } => {
                let Some(member) = account(of) else {
                    return Ok((Vec::new(), Some(Place::Sends { of: 0, after: None })));
                };
                let (pieces, next) = self.tickets(member, within).await?;
                let place = match next {
                    Some(within) => Place::Tickets { of, within: Some(within) },
                    None => Place::Tickets { of: of + 1, within: None },
                };
                Ok((pieces, Some(place)))
            }
            Place::Sends { of, after } => {
                let Some(member) = account(of) else {
                    return Ok((Vec::new(), Some(Place::Requests { of: 0, within: None })));
                };
                let (ids, next) = self.0.table().sends_of(member, after).await?;
                let mut pieces = Vec::new();
                for id in ids {
                    let stored = self.0.table().send(id, Freshness::Recent).await?;
                    pieces.extend(stored.map(|stored| ("messages_sent", sent(&stored.send))));
                }
                let place = match next {
                    Some(after) => Place::Sends { of, after: Some(after) },
                    None => Place::Sends { of: of + 1, after: None },
                };
                Ok((pieces, Some(place)))
            }
            Place::Requests { of, within } => {
                let Some(member) = account(of) else { return Ok((Vec::new(), None)) };
                let (stored, next) = self.0.table().requests_of(member, within, REQUESTS).await?;
                let pieces = stored.into_iter().map(|stored| ("requests", asked(&stored.request)));
                let place = match next {
                    Some(within) => Place::Requests { of, within: Some(within) },
                    None => Place::Requests { of: of + 1, within: None },
                };
                Ok((pieces.collect(), Some(place)))
            }
        }
    }

    /// What the member told, children, and where the account stands. Three calls.
    async fn person(self, who: &Who, opened: &Opened) -> Result<Pieces, Error> {
        let hot = self.0.table().member(who.member, Freshness::Recent).await?.ok_or(Error::NotFound)?;
        let basics = Basics::of(opened)?;
        let ids: Vec<Value> = (opened.handles()?.iter())
            .map(|(_, handle)| json!({ "kind": handle.kind(), "value": handle.value() }))
            .collect();
        let profile = &opened.profile;
        let mut pieces: Pieces = vec![(
            "profile",
            json!({
                "name": basics.name, "birthday": basics.birthday, "email": basics.email, "city": basics.city,
                "gender": basics.gender, "ids": ids, "known_since": profile.known_since,
                "joined_at": profile.joined_at, "source": profile.source, "invited_by": profile.invited_by,
                "merged_accounts": profile.absorbed, "times_sessions_were_ended": profile.sessions,
            }),
        )];
        for kept in self.0.children().list(who).await? {
            let piece = json!({ "id": kept.id, "child": kept.child, "added_at": kept.at,
                "consent": { "policy_version": kept.policy, "live": kept.live } });
            pieces.push(("children", piece));
        }
        pieces.push(("account", self.account(&hot).await?));
        Ok(pieces)
    }

    /// Points, tier, purchase days, segments, tags, decisions, and by what campaigns have reached the member.
    async fn account(self, hot: &Hot) -> Result<Value, Error> {
        let statement = self.0.ledger().statement_of(hot).await?;
        let (account, traits) = (&hot.account, &hot.account.traits);
        let touches = hot.reach.touches().iter().map(|touch| {
            json!({ "campaign": touch.campaign, "channel": touch.channel, "at": touch.at, "converted": touch.converted })
        });
        let suppressed = hot
            .reach
            .suppressions()
            .iter()
            .map(|known| json!({ "channel": known.channel, "by": known.by, "since": known.since }));
        Ok(json!({
            "balance": statement.balance,
            "expiring": statement.expiring,
            "tier": statement.standing,
            "purchase_days": account.days,
            "check_in_streak": account.streak,
            "limits_used": account.used,
            "segments": account.segments,
            "tags": traits.tags,
            "last_seen": traits.seen,
            "friends_invited": traits.invited,
            "decisions": traits.decisions,
            "answers": traits.answers,
            "touches": touches.collect::<Vec<_>>(),
            "suppressed": suppressed.collect::<Vec<_>>(),
        }))
    }

    async fn journal(self, member: MemberId, links: Option<Vec<RowKey>>) -> Result<(Pieces, Vec<RowKey>), Error> {
        let links = if let Some(links) = links {
            links
        } else {
            let hot = self.0.table().member(member, Freshness::Recent).await?;
            hot.map(|hot| hot.account.chain.recent).unwrap_or_default()
        };
        let page = self.0.table().rows_from(links, ROWS).await?;
        let mut pieces = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            let mut row = serde_json::to_value(&entry)?;
            if let Some(fields) = row.as_object_mut() {
                // How rows hang together is the house's own, and who of its people wrote one is theirs.
                for own in ["schema", "previous", "links"] {
                    fields.remove(own);
                }
                fields.insert("id".to_owned(), json!(entry.row));
                fields.insert("by".to_owned(), json!(role(&entry.by)));
            }
            pieces.push(("journal", row));
        }
        Ok((pieces, page.next))
    }

    /// Tickets with what was said on both sides, and files as links; nothing of the desk's own.
    async fn tickets(
        self,
        member: MemberId,
        within: Option<TicketPosition>,
    ) -> Result<(Pieces, Option<TicketPosition>), Error> {
        let page = self.0.table().tickets(&TicketList::Of(member), within.as_ref(), TICKETS).await?;
        let opened = self.0.people().open(member, Freshness::Recent).await?;
        let mut pieces = Vec::new();
        for StoredTicket { ticket, .. } in page.tickets {
            let read = self.0.table().ticket_and_records(ticket.id, Side::Shared).await?;
            let Some((stored, records)) = read else { continue };
            let whole = whole(stored, records, Some(&opened))?;
            let mut messages = Vec::new();
            for read in &whole.records {
                let mut files = Vec::new();
                for file in &read.record.attachments {
                    let link = self.0.attachments().link(member, file)?;
                    files.push(json!({ "media": file.media, "bytes": file.bytes, "url": link.url, "expires_at": link.expires_at }));
                }
                messages
                    .push(json!({ "at": read.record.at, "by": role(&read.record.by), "what": said(&read.record.what),
                    "text": read.text, "attachments": files }));
            }
            let ticket = whole.stored.ticket;
            let scores = ticket.survey.as_ref().and_then(|survey| survey.answered);
            pieces.push((
                "tickets",
                json!({ "id": ticket.id, "type": ticket.kind, "channel": ticket.channel, "opened_at": ticket.opened_at,
                    "status": ticket.state, "order": ticket.subject.order, "sku": ticket.subject.sku, "line": ticket.subject.line,
                    "return_reason": ticket.subject.return_reason, "survey": scores, "messages": messages }),
            ));
        }
        Ok((pieces, page.next))
    }
}

/// A part of a profile as an export shows it; none for what only says that something was done before.
fn belonging(opened: &Opened, part: &Belonging) -> Result<Option<(&'static str, Value)>, Error> {
    let kind = part.part.split('#').next().unwrap_or_default();
    Ok(match kind {
        "consent" => Some(("consents", serde_json::from_str(&part.text)?)),
        "corrected" => Some(("corrections", serde_json::from_str(&part.text)?)),
        "note" => {
            let note = remarks::unseal(opened, &part.text)?;
            Some(("notes", json!({ "at": note.at, "by": role(&note.by), "text": note.text })))
        }
        "merge" => {
            let mut merge: Value = serde_json::from_str(&part.text)?;
            if let Some(fields) = merge.as_object_mut() {
                // Keyed hashes say nothing to anybody.
                fields.remove("identities");
                fields.remove("by");
                fields.remove("undone_by");
            }
            Some(("merges", merge))
        }
        // Shown as profile and as children; or nothing but that a request was made before.
        _ => None,
    })
}

/// What was asked for under the law, and what became of it.
fn asked(request: &RightsRequest) -> Value {
    let standing = &request.standing;
    json!({
        "id": request.id, "kind": request.kind, "about": request.about, "received_at": request.received_at,
        "due_on": request.due_on, "status": standing.status(), "decided_at": standing.decided_at(),
        "refused_because": standing.refused_because(),
    })
}

fn said(what: &What) -> &'static str {
    match what {
        What::Opened => "opened",
        What::StaffWrote => "answered",
        What::MemberClosed => "closed",
        _ => "wrote",
    }
}

/// A message of a campaign: what became of it, and what the member did.
fn sent(send: &Send) -> Value {
    // A state is stored under its name, with or without what belongs to it.
    let state = serde_json::to_value(&send.state).unwrap_or_default();
    let name = state.as_str().map(str::to_owned);
    let name = name.or_else(|| state.as_object().and_then(|fields| fields.keys().next().cloned()));
    json!({
        "campaign": send.campaign, "made_at": send.made_at, "status": name.unwrap_or_default().to_lowercase(),
        "since": send.since, "channel": send.call().map(|call| call.channel), "variant": send.variant,
        "opened_at": send.answers.opened_at, "clicked_at": send.answers.clicked_at,
        "converted_at": send.answers.converted_at,
    })
}

/// Of whoever wrote something, the role: the name of somebody of the house is theirs.
fn role(by: &Actor) -> &str {
    by.as_str().split(':').next().unwrap_or_default()
}
