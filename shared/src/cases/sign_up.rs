//! Log-in and sign-up: who stands behind WeChat's codes, and how they become a member.
//!
//! - Nobody known: a new member, in one transaction with the welcome points and the inviter's reward.
//! - Somebody whom orders had made a member of: the person claims that member.
//! - Somebody known: logged in; ids that are new are added.
//!
//! The owner of the openid decides, then that of the unionid, then, among those whom nobody has signed up for, that
//! of the verified phone. A phone never opens the account of somebody who has signed up: numbers change hands. That
//! log-in is refused and leaves nothing behind; without the phone it goes through. A unionid that belongs to another
//! member than the openid stays there, for a manager to merge.
//!
//! Identities are claimed on condition that nobody has them, so two log-ins at once make one member: the second one
//! loses, resolves again and finds the first one's.

use crate::app::App;
use crate::cases::Error;
use crate::cases::ledger::Patience;
use crate::cases::people::{Acquisition, Handle, Opened};
use crate::domain::account::Membership;
use crate::domain::attempts;
use crate::domain::earning::{self, Joining};
use crate::domain::posting::Posted;
use crate::domain::refusal::Refusal;
use crate::table::{Freshness, Hot, Outcome, Transaction};
use crate::values::{Actor, InviteCode, MemberId, Phone};
use crate::wechat::WeChatIdentity;

/// What somebody brings who wants to come in.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// WeChat's code of the login.
    pub code: String,
    /// WeChat's code of the phone button.
    pub phone_code: Option<String>,
    /// A friend's invite code, as typed or scanned.
    pub invite: Option<String>,
    /// How the person came.
    pub source: Acquisition,
}

/// What became of an invite code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InviteOutcome {
    /// Both sides are rewarded as the programme says.
    Accepted,
    /// Nobody has this code.
    Unknown,
    /// Whoever logged in was a member before.
    NotNew,
}

/// Somebody who is in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The member.
    pub member: MemberId,
    /// The number that the session's token carries.
    pub sessions: u32,
    /// Whether the person signed up just now.
    pub is_new: bool,
    /// What became of the invite code, if there was one.
    pub invitation: Option<InviteOutcome>,
}

/// Log-in and sign-up.
#[derive(Clone, Copy, Debug)]
pub struct SignUp<'a>(pub(crate) &'a App);

impl App {
    /// Log-in and sign-up.
    #[must_use]
    pub const fn sign_up(&self) -> SignUp<'_> {
        SignUp(self)
    }
}

/// Who came in, as WeChat told.
struct Arrival<'a> {
    identity: WeChatIdentity,
    phone: Option<Phone>,
    /// None was sent, or what was sent is no code.
    invite: Option<InviteCode>,
    asked: &'a LogIn,
    by: Actor,
}

/// Who has the handles of an arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Owners {
    openid: Option<MemberId>,
    unionid: Option<MemberId>,
    phone: Option<MemberId>,
    inviter: Option<MemberId>,
}

impl Owners {
    /// The member whom WeChat's own ids name.
    fn by_wechat(self) -> Option<MemberId> {
        self.openid.or(self.unionid)
    }
}

impl Arrival<'_> {
    fn handles(&self) -> Vec<Handle> {
        let unionid = self.identity.unionid.clone().map(Handle::UnionId);
        let phone = self.phone.clone().map(Handle::Phone);
        [Some(Handle::OpenId(self.identity.openid.clone())), unionid, phone].into_iter().flatten().collect()
    }

    /// The handles that nobody has yet.
    fn unowned(&self, owners: Owners) -> Vec<Handle> {
        let free = |handle: &Handle| match handle {
            Handle::OpenId(_) => owners.openid.is_none(),
            Handle::UnionId(_) => owners.unionid.is_none(),
            _ => owners.phone.is_none(),
        };
        self.handles().into_iter().filter(free).collect()
    }

    fn invitation(&self, inviter: Option<&Hot>) -> Option<InviteOutcome> {
        let outcome = if inviter.is_some() { InviteOutcome::Accepted } else { InviteOutcome::Unknown };
        self.asked.invite.as_ref().map(|_| outcome)
    }
}

impl SignUp<'_> {
    /// Logs somebody in, and signs them up when they are new.
    ///
    /// Known: two calls, and one to WeChat. New: two calls (three with an invitation), one to the master key's service.
    /// A phone code costs one call more, by which it is counted, and one more to WeChat.
    pub async fn log_in(&self, asked: &LogIn) -> Result<LoggedIn, Error> {
        let arrival = self.arrival(asked).await?;
        let mut patience = Patience::new(self.0);
        loop {
            if let Some(logged_in) = Box::pin(self.attempt(&arrival)).await? {
                return Ok(logged_in);
            }
            patience.wait().await?;
        }
    }

    async fn arrival<'l>(&self, asked: &'l LogIn) -> Result<Arrival<'l>, Error> {
        let wechat = &self.0.parts().wechat;
        let identity = wechat.code_session(&asked.code).await.map_err(Error::Login)?;
        let phone = match &asked.phone_code {
            Some(code) => {
                self.0.attempts().before(&attempts::PHONE_CODES, identity.openid.as_str()).await?;
                let phone = wechat.phone_number(code, Some(&identity.openid), self.0.wall()).await;
                Some(phone.map_err(Error::PhoneCode)?)
            }
            None => None,
        };
        let invite = asked.invite.as_deref().and_then(|code| InviteCode::read(code).ok());
        let by = Actor::parse("member").map_err(|e| Error::Defect(e.to_string()))?;
        Ok(Arrival { identity, phone, invite, asked, by })
    }

    /// One try on what is there now; none when somebody was faster.
    async fn attempt(&self, arrival: &Arrival<'_>) -> Result<Option<LoggedIn>, Error> {
        let owners = self.owners(arrival).await?;
        match (owners.by_wechat(), owners.phone) {
            (None, None) => self.create(arrival, owners).await,
            (Some(member), _) => {
                if let Some(phone) = &arrival.phone {
                    match Box::pin(self.0.profiles().settle_phone(member, phone, &arrival.by)).await {
                        // The identity has moved since it was looked up.
                        Err(Error::SessionEnded) => return Ok(None),
                        Err(Error::Refused(Refusal::MemberErased)) => return self.free(arrival, owners, member).await,
                        settled => drop(settled?),
                    }
                }
                // The phone is settled: what is left to add are WeChat's own ids.
                let settled = Owners { phone: Some(member), ..owners };
                self.enter(arrival, settled, member).await
            }
            (None, Some(member)) => self.enter(arrival, owners, member).await,
        }
    }

    /// Who has the handles and the invite code. One call.
    async fn owners(&self, arrival: &Arrival<'_>) -> Result<Owners, Error> {
        let mut handles = arrival.handles();
        handles.extend(arrival.invite.clone().map(Handle::Invite));
        let found = self.0.people().owners(&handles).await?;
        let mut owners = Owners::default();
        for (handle, owner) in handles.iter().zip(found) {
            match handle {
                Handle::OpenId(_) => owners.openid = owner,
                Handle::UnionId(_) => owners.unionid = owner,
                Handle::Phone(_) => owners.phone = owner,
                Handle::Invite(_) | Handle::Card(_) | Handle::Wecom(_) => owners.inviter = owner,
            }
        }
        Ok(owners)
    }

    /// Somebody unknown becomes a member: hot item and journal, profile, key, identities, and the inviter's reward.
    async fn create(&self, arrival: &Arrival<'_>, owners: Owners) -> Result<Option<LoggedIn>, Error> {
        let inviter = self.inviter(owners, None).await?;
        let mut person = self.0.people().prepare(arrival.asked.source.clone()).await?;
        person.profile.joined_at = Some(self.0.now());
        person.profile.invited_by = inviter.as_ref().map(|hot| hot.account.member);
        for handle in arrival.handles() {
            person.add(self.0, handle)?;
        }
        person.add(self.0, self.new_code())?;
        let member = person.hot.account.member;
        let joined = self.join(&person.hot, inviter.as_ref(), arrival).await?;
        let transaction = self.0.table().transaction().movement(&person.hot, &joined)?;
        let transaction = self.thank(transaction, inviter.as_ref(), member, arrival).await?;
        match person.write(self.0, transaction)?.commit().await? {
            Outcome::Done => {
                person.remember(self.0);
                let invitation = arrival.invitation(inviter.as_ref());
                Ok(Some(LoggedIn { member, sessions: 0, is_new: true, invitation }))
            }
            Outcome::Lost(_) => Ok(None),
        }
    }

    /// Somebody comes in as a member who is there already.
    async fn enter(&self, arrival: &Arrival<'_>, owners: Owners, member: MemberId) -> Result<Option<LoggedIn>, Error> {
        let hot = self.0.table().member(member, Freshness::Latest).await?;
        let hot = hot.ok_or_else(|| Error::Defect("an identity leads to nobody".into()))?;
        match hot.account.membership {
            // The identity has moved since it was looked up.
            Membership::MergedInto(_) => Ok(None),
            Membership::Erased => self.free(arrival, owners, member).await,
            Membership::OnHold { .. } => Err(Refusal::LegalHold.into()),
            Membership::Claimed if owners.by_wechat().is_none() => self.phone_taken(arrival).await,
            Membership::Claimed => self.known(arrival, owners, &hot).await,
            Membership::Unclaimed => self.claim(arrival, owners, &hot).await,
        }
    }

    /// Ids that lead to somebody who was erased, as they do after a restore to a time before it, are nobody's.
    async fn free(&self, arrival: &Arrival<'_>, owners: Owners, erased: MemberId) -> Result<Option<LoggedIn>, Error> {
        let mut transaction = self.0.table().transaction();
        for handle in arrival.handles() {
            let owner = match &handle {
                Handle::OpenId(_) => owners.openid,
                Handle::UnionId(_) => owners.unionid,
                _ => owners.phone,
            };
            if owner == Some(erased) {
                transaction = transaction.release_identity(&self.0.people().identity(&handle), erased)?;
            }
        }
        // Freed or not, the next try looks anew.
        transaction.commit().await?;
        Ok(None)
    }

    async fn known(&self, arrival: &Arrival<'_>, owners: Owners, hot: &Hot) -> Result<Option<LoggedIn>, Error> {
        let member = hot.account.member;
        let missing = arrival.unowned(owners);
        if !missing.is_empty() {
            let mut opened = self.0.people().open(member, Freshness::Latest).await?;
            let transaction = self.link(self.0.table().transaction(), &mut opened, &missing)?;
            if let Outcome::Lost(_) = transaction.part(&opened.part()?)?.commit().await? {
                return Ok(None);
            }
        }
        let invitation = arrival.asked.invite.as_ref().map(|_| InviteOutcome::NotNew);
        Ok(Some(LoggedIn { member, sessions: hot.sessions, is_new: false, invitation }))
    }

    /// Somebody whom orders had made a member of signs up: points and purchases so far are theirs.
    async fn claim(&self, arrival: &Arrival<'_>, owners: Owners, hot: &Hot) -> Result<Option<LoggedIn>, Error> {
        let member = hot.account.member;
        let mut opened = self.0.people().open(member, Freshness::Latest).await?;
        let known = opened.handles()?;
        let other_wechat = known.iter().any(|(_, handle)| matches!(handle, Handle::OpenId(_) | Handle::UnionId(_)));
        if owners.by_wechat().is_none() && other_wechat {
            return self.phone_taken(arrival).await;
        }
        let inviter = self.inviter(owners, Some(member)).await?;
        opened.profile.joined_at = Some(self.0.now());
        opened.profile.invited_by = inviter.as_ref().map(|hot| hot.account.member);
        opened.profile.source = won(&opened.profile.source, &arrival.asked.source);
        let mut added = arrival.unowned(owners);
        if !known.iter().any(|(_, handle)| matches!(handle, Handle::Invite(_))) {
            added.push(self.new_code());
        }
        let joined = self.join(hot, inviter.as_ref(), arrival).await?;
        let transaction = self.0.table().transaction().movement(hot, &joined)?;
        let transaction = self.thank(transaction, inviter.as_ref(), member, arrival).await?;
        let transaction = self.link(transaction, &mut opened, &added)?;
        Ok(match transaction.part(&opened.part()?)?.commit().await? {
            Outcome::Done => {
                let invitation = arrival.invitation(inviter.as_ref());
                Some(LoggedIn { member, sessions: hot.sessions, is_new: true, invitation })
            }
            Outcome::Lost(_) => None,
        })
    }

    /// Somebody else has the phone, unless it was this very person who came in a moment ago by another request.
    async fn phone_taken(&self, arrival: &Arrival<'_>) -> Result<Option<LoggedIn>, Error> {
        let owners = self.owners(arrival).await?;
        if owners.by_wechat().is_some() { Ok(None) } else { Err(Refusal::PhoneTaken.into()) }
    }

    /// The member who invited: the one who goes on, if merged, and not the friend's own self.
    async fn inviter(&self, owners: Owners, friend: Option<MemberId>) -> Result<Option<Hot>, Error> {
        let Some(inviter) = owners.inviter else { return Ok(None) };
        let Some(hot) = self.0.table().member(inviter, Freshness::Latest).await? else { return Ok(None) };
        let hot = match self.0.ledger().follow(hot, Freshness::Latest).await {
            Ok(hot) => hot,
            // Nobody is kept from signing up by what stands against the friend who invited them.
            Err(Error::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(hot).filter(|hot| Some(hot.account.member) != friend))
    }

    async fn join(&self, hot: &Hot, inviter: Option<&Hot>, arrival: &Arrival<'_>) -> Result<Posted, Error> {
        let rules = self.0.rulebook().await?;
        let joining = Joining { invited: inviter.is_some(), source: arrival.asked.source.channel.clone() };
        Ok(earning::join(&hot.account, joining, &rules, self.0.now(), arrival.by.clone())?)
    }

    /// The inviter's reward, in the same transaction.
    async fn thank<'t>(
        &self,
        transaction: Transaction<'t>,
        inviter: Option<&Hot>,
        friend: MemberId,
        arrival: &Arrival<'_>,
    ) -> Result<Transaction<'t>, Error> {
        let Some(hot) = inviter else { return Ok(transaction) };
        let rules = self.0.rulebook().await?;
        let posted = earning::invited(&hot.account, friend, &rules, self.0.now(), arrival.by.clone())?;
        Ok(transaction.movement(hot, &posted)?)
    }

    /// Adds handles to a profile, and claims them.
    fn link<'t>(
        self,
        mut transaction: Transaction<'t>,
        opened: &mut Opened,
        handles: &[Handle],
    ) -> Result<Transaction<'t>, Error> {
        for handle in handles {
            opened.add(self.0, handle)?;
            transaction = transaction.claim_identity(&self.0.people().identity(handle), opened.member)?;
        }
        Ok(transaction)
    }

    fn new_code(self) -> Handle {
        Handle::Invite(InviteCode::from_random(crate::entropy::bytes(self.0.entropy())))
    }
}

/// How a member was won who had bought before signing up: what the sign-up says, but the first store and guide stay.
fn won(before: &Acquisition, now: &Acquisition) -> Acquisition {
    Acquisition {
        channel: now.channel.clone().or_else(|| before.channel.clone()),
        store: before.store.clone().or_else(|| now.store.clone()),
        guide: before.guide.clone().or_else(|| now.guide.clone()),
        campaign: now.campaign.clone().or_else(|| before.campaign.clone()),
        cost: now.cost.or(before.cost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Code;

    #[test]
    fn a_customer_stays_the_first_guides_own() {
        let actor = |name: &str| Actor::parse(name).ok();
        let before = Acquisition { channel: Code::parse("order").ok(), guide: actor("li"), ..Acquisition::default() };
        let now = Acquisition {
            channel: Code::parse("store_qr").ok(),
            store: actor("s1"),
            guide: actor("wang"),
            ..Acquisition::default()
        };
        let won = won(&before, &now);
        assert_eq!(won.guide, actor("li"));
        assert_eq!(won.store, actor("s1"));
        assert_eq!(won.channel, now.channel);
    }

    #[test]
    fn the_openid_decides_before_the_unionid_and_a_phone_alone_is_not_wechat() {
        let member = |seed| Some(MemberId::from_random([seed; 16]));
        let owners = Owners { openid: member(1), unionid: member(2), phone: member(3), inviter: member(4) };
        assert_eq!(owners.by_wechat(), member(1));
        assert_eq!(Owners { openid: None, ..owners }.by_wechat(), member(2));
        assert_eq!(Owners { phone: member(3), ..Owners::default() }.by_wechat(), None);
    }
}
