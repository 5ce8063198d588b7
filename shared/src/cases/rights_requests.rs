//! Requests under the law: written down when they come in, listed by the day on which they are due, decided once.

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::erasures::request_id;
use crate::cases::ledger::Patience;
use crate::cases::{Error, Who};
use crate::domain::account::Membership;
use crate::domain::refusal::Refusal;
use crate::domain::rights_request::{Decision, Kind, RightsRequest};
use crate::table::{Freshness, OpenRequests, Outcome, RequestPosition, StoredRequest};
use crate::values::{Actor, Code, Reason, RequestId};

/// Requests on a page, and of a member.
const PAGE: i32 = 50;

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
    /// Writes down what somebody asks for, once however often it is asked with the same key. Two calls; three when asked
    /// again, one more for a guide's own customers.
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
        // There is one erasure of a member, whoever asks for it and however often.
        let id = match asked.kind {
            Kind::Erasure => request_id(member),
            kind => RequestId::of("rights-request", &[&member.to_string(), who.by.as_str(), kind.word(), key]),
        };
        let mut patience = Patience::new(self.0);
        loop {
            let request = RightsRequest::new(id, member, asked.kind, who.by.clone(), self.0.now());
            let request = RightsRequest { about: asked.about.clone(), reason: asked.reason.clone(), ..request };
            let stored = StoredRequest::new(request);
            if let Outcome::Done = self.0.table().transaction().request(&stored)?.commit().await? {
                return Ok(stored.request);
            }
            if let Some(earlier) = self.0.table().request(id, Freshness::Latest).await? {
                let same = earlier.request.about == asked.about && earlier.request.reason == asked.reason;
                let known = asked.kind == Kind::Erasure || same;
                return if known { Ok(earlier.request) } else { Err(Error::ReusedKey) };
            }
            patience.wait().await?;
        }
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

    /// The last fifty things that a member has asked for, newest first. Two calls.
    pub async fn mine(&self, who: &Who) -> Result<Vec<RightsRequest>, Error> {
        let hot = self.0.table().member(who.member, Freshness::Recent).await?.ok_or(Error::NotFound)?;
        match hot.account.membership {
            Membership::Erased => return Err(Refusal::MemberErased.into()),
            Membership::MergedInto(_) => return Err(Error::SessionEnded),
            _ if who.session.is_some_and(|session| session < hot.sessions) => return Err(Error::SessionEnded),
            _ => {}
        }
        let (stored, _) = self.0.table().requests_of(who.member, None, PAGE).await?;
        Ok(stored.into_iter().map(|stored| stored.request).collect())
    }

    /// A page of the requests that somebody has to decide about, the one that is due first at the front. One call.
    pub async fn open(
        &self,
        from: Option<RequestPosition>,
    ) -> Result<(Vec<RightsRequest>, Option<RequestPosition>), Error> {
        let (page, next) = self.0.table().open_requests(OpenRequests::ToDecide, from, PAGE).await?;
        Ok((page.into_iter().map(|stored| stored.request).collect(), next))
    }

    /// Decides about a request. Two calls. Decided again in the same way, nothing changes.
    pub async fn decide(&self, id: RequestId, decision: &Decision, by: &Actor) -> Result<RightsRequest, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let stored = self.0.table().request(id, Freshness::Latest).await?.ok_or(Error::NotFound)?;
            let Some(decided) = stored.request.decide(decision, by, self.0.now())? else { return Ok(stored.request) };
            let next = StoredRequest { request: decided, version: stored.version };
            if let Outcome::Done = self.0.table().transaction().request(&next)?.commit().await? {
                return Ok(next.request);
            }
            patience.wait().await?;
        }
    }
}
