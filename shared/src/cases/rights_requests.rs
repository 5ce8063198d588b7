//! Requests under the law: written down when they come in, listed by the day on which they are due, decided once.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::erasures::request_id;
use crate::cases::ledger::Patience;
use crate::cases::people::Profile;
use crate::cases::{Error, Who};
use crate::domain::account::Membership;
use crate::domain::refusal::Refusal;
use crate::domain::rights_request::{Decision, Kind, MOST_OPEN, MOST_WRITTEN_DOWN, RightsRequest};
use crate::table::{Freshness, OpenRequests, Outcome, Part, RequestPosition, StoredPart, StoredRequest};
use crate::values::{Actor, Code, MemberId, Reason, RequestId};

/// Requests on a page.
const PAGE: i32 = 50;
/// Accounts that are looked into for one page.
const ACCOUNTS: usize = 20;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What.
    pub kind: Kind,
    /// What it is about.
    pub about: Option<Code>,
    /// What staff write down about it.
    pub reason: Option<Reason>,
}

/// Where a member's own list goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPosition {
    /// The place of the account among those that were merged into one.
    of: usize,
    /// Where its list goes on; at its beginning for none.
    within: Option<RequestPosition>,
}

/// The requests of a member that nobody has decided about, as they are stored.
struct Open {
    ids: Vec<RequestId>,
    part: StoredPart,
}

impl Open {
    /// The list with one more.
    fn with(mut self, id: RequestId) -> Result<StoredPart, Error> {
        self.ids.push(id);
        self.stored()
    }

    /// The list without one; none when it is not in it.
    fn without(mut self, id: RequestId) -> Result<Option<StoredPart>, Error> {
        let before = self.ids.len();
        self.ids.retain(|open| *open != id);
        if self.ids.len() == before { Ok(None) } else { self.stored().map(Some) }
    }

    fn stored(self) -> Result<StoredPart, Error> {
        Ok(StoredPart { text: serde_json::to_string(&self.ids)?, ..self.part })
    }
}

/// Requests under the law.
#[derive(Clone, Copy, Debug)]
pub struct RightsRequests<'a>(pub(crate) &'a App);

impl App {
    /// Requests under the law.
    #[must_use]
    pub const fn rights_requests(&self) -> RightsRequests<'_> {
        RightsRequests(self)
    }
}

impl RightsRequests<'_> {
    /// Writes down what somebody asks for, once however often it is asked with the same key. Three calls; one more when
    /// asked again, and for a guide's own customers.
    ///
    /// A legal hold keeps nobody from asking.
    pub async fn ask(&self, who: &Who, sight: &Sight, key: &str, asked: &Asked) -> Result<RightsRequest, Error> {
        let hot = self.0.ledger().books(who.member).await?;
        let member = hot.account.member;
        match (hot.account.membership, who.session) {
            (Membership::Erased, _) => return Err(Refusal::MemberErased.into()),
            (_, Some(session)) if session < hot.sessions || member != who.member => return Err(Error::SessionEnded),
            (_, Some(_)) => {}
            (_, None) => self.0.customers().may_see(&hot, sight).await?,
        }
        let now = self.0.now();
        let request = |id| RightsRequest {
            about: asked.about.clone(),
            reason: asked.reason.clone(),
            ..RightsRequest::new(id, member, asked.kind, who.by.clone(), now)
        };
        if asked.kind == Kind::Erasure {
            return self.ask_to_be_erased(request(request_id(member))).await;
        }
        let id = RequestId::of("rights-request", &[&member.to_string(), who.by.as_str(), asked.kind.word(), key]);
        self.write_down(request(id), if who.session.is_some() { MOST_OPEN } else { MOST_WRITTEN_DOWN }).await
    }

    /// Writes a request down, unless it was before, on condition that fewer than `most` of the member's are open.
    async fn write_down(self, request: RightsRequest, most: usize) -> Result<RightsRequest, Error> {
        let (id, stored) = (request.id, StoredRequest::new(request));
        let mut patience = Patience::new(self.0);
        loop {
            let open = self.open_of(stored.request.member).await?;
            let room = open.ids.len() < most;
            if room && !open.ids.contains(&id) {
                let part = open.with(id)?;
                let transaction = self.0.table().transaction().request(&stored)?.part(&part)?;
                if let Outcome::Done = transaction.commit().await? {
                    return Ok(stored.request);
                }
            }
            if let Some(earlier) = self.0.table().request(id, Freshness::Latest).await? {
                let asked = |request: &RightsRequest| (request.about.clone(), request.reason.clone());
                let same = asked(&earlier.request) == asked(&stored.request);
                return if same { Ok(earlier.request) } else { Err(Error::ReusedKey) };
            }
            if !room {
                return Err(Refusal::TooManyOpenRequests { most }.into());
            }
            patience.wait().await?;
        }
    }

    /// There is one erasure of a member, whoever asks for it and however often; but one that was refused is answered
    /// anew, in its own time.
    async fn ask_to_be_erased(self, request: RightsRequest) -> Result<RightsRequest, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let mut transaction = self.0.table().transaction();
            let version = match self.0.table().request(request.id, Freshness::Latest).await? {
                None => 0,
                Some(earlier) if !earlier.request.is_refused() => return Ok(earlier.request),
                Some(refused) => {
                    transaction = transaction.request(&StoredRequest::new(refused.request.set_aside()))?;
                    refused.version
                }
            };
            let stored = StoredRequest { request: request.clone(), version };
            if let Outcome::Done = transaction.request(&stored)?.commit().await? {
                return Ok(stored.request);
            }
            patience.wait().await?;
        }
    }

    /// A member's requests that nobody has decided about. One call.
    async fn open_of(self, member: MemberId) -> Result<Open, Error> {
        let part = self.0.table().part(member, &Part::OpenRequests).await?;
        let part = part.unwrap_or_else(|| StoredPart::new(member, Part::OpenRequests, "[]".to_owned()));
        Ok(Open { ids: serde_json::from_str(&part.text)?, part })
    }

    /// Notes that somebody was given what they may have, as a request that came in and was done at once; one a day. One
    /// call.
    pub(crate) async fn note_done(&self, who: &Who, kind: Kind) -> Result<(), Error> {
        let (now, member) = (self.0.now(), who.member);
        let id = RequestId::of("given", &[&member.to_string(), kind.word(), &now.day().to_string()]);
        let request = RightsRequest::new(id, member, kind, who.by.clone(), now);
        if let Some(done) = request.decide(&Decision::Done, &who.by, now)? {
            // Lost is noted before.
            self.0.table().transaction().request(&StoredRequest::new(done))?.commit().await?;
        }
        Ok(())
    }

    /// A page of what a member has asked for, newest first, and then of what was asked for by accounts that were merged
    /// into theirs. Three calls, and one more for each such account.
    pub async fn mine(
        &self,
        who: &Who,
        from: Option<OwnPosition>,
    ) -> Result<(Vec<RightsRequest>, Option<OwnPosition>), Error> {
        let hot = self.0.table().member(who.member, Freshness::Recent).await?.ok_or(Error::NotFound)?;
        match hot.account.membership {
            Membership::Erased => return Err(Refusal::MemberErased.into()),
            Membership::MergedInto(_) => return Err(Error::SessionEnded),
            _ if who.session.is_some_and(|session| session < hot.sessions) => return Err(Error::SessionEnded),
            _ => {}
        }
        let part = self.0.table().part(who.member, &Part::Profile).await?.ok_or(Error::NotFound)?;
        let accounts: Vec<MemberId> = std::iter::once(who.member).chain(Profile::read(&part)?.absorbed).collect();
        let (mut found, mut place) = (Vec::new(), from.unwrap_or_default());
        for _ in 0..ACCOUNTS {
            let room = PAGE - i32::try_from(found.len()).unwrap_or(PAGE);
            let Some(account) = accounts.get(place.of).filter(|_| room > 0) else { break };
            let (page, within) = self.0.table().requests_of(*account, place.within, room).await?;
            found.extend(page.into_iter().map(|stored| stored.request));
            place = OwnPosition { of: place.of + usize::from(within.is_none()), within };
        }
        Ok((found, Some(place).filter(|place| place.of < accounts.len())))
    }

    /// A page of the requests that somebody has to decide about, the one that is due first at the front. One call.
    pub async fn open(
        &self,
        from: Option<RequestPosition>,
    ) -> Result<(Vec<RightsRequest>, Option<RequestPosition>), Error> {
        let (page, next) = self.0.table().open_requests(OpenRequests::ToDecide, from, PAGE).await?;
        Ok((page.into_iter().map(|stored| stored.request).collect(), next))
    }

    /// Decides about a request. Three calls. Decided again in the same way, nothing changes.
    pub async fn decide(&self, id: RequestId, decision: &Decision, by: &Actor) -> Result<RightsRequest, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let stored = self.0.table().request(id, Freshness::Latest).await?.ok_or(Error::NotFound)?;
            let Some(decided) = stored.request.decide(decision, by, self.0.now())? else { return Ok(stored.request) };
            let next = StoredRequest { request: decided, version: stored.version };
            let mut transaction = self.0.table().transaction().request(&next)?;
            if let Some(part) = self.open_of(next.request.member).await?.without(id)? {
                transaction = transaction.part(&part)?;
            }
            if let Outcome::Done = transaction.commit().await? {
                return Ok(next.request);
            }
            patience.wait().await?;
        }
    }
}
