//! Consents: what members agree to, refuse and withdraw, and the records of it.
//!
//! A decision is one transaction: the journal's row, the hot item with the last decision and the segments that follow
//! from it, and the record in the member's profile. It counts as soon as the call returns: whoever sends something asks
//! the hot item right before.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::ledger::Patience;
use crate::cases::people::{Handle, Opened};
use crate::cases::profiles::Basics;
use crate::cases::{Error, Who};
use crate::digest::{half, hex};
use crate::domain::account::Account;
use crate::domain::age::Own;
use crate::domain::consent::{self, Decision, Origin, Purpose, Record, Via, Wish};
use crate::domain::privacy_policy::{PolicyVersion, Statement};
use crate::domain::refusal::Refusal;
use crate::table::{Freshness, Hot, Outcome, Part, StoredPart, Transaction};
use crate::values::{Device, LocalDay, Locale, MemberId, PageName};

/// What a member has decided about a purpose, and what they are told about it.
#[derive(Clone, Debug)]
pub struct Held {
    /// About what.
    pub purpose: Purpose,
    /// Whether it may be processed for.
    pub live: bool,
    /// The last decision.
    pub decision: Option<Decision>,
    /// The first day on which the member may be asked again, after a no.
    pub may_ask_again_on: Option<LocalDay>,
    /// The statement in force; none when the purpose is not offered any more.
    pub statement: Option<Statement>,
}

impl Held {
    fn of(account: &Account, purpose: Purpose, policy: &PolicyVersion, today: LocalDay) -> Self {
        let decision = account.traits.decision(purpose).copied();
        let live = account.agrees_to(purpose, policy.policy.floors(), today);
        let again = decision.and_then(|decision| decision.may_ask_again_on()).filter(|day| *day > today);
        let statement = policy.policy.statement(purpose).cloned();
        Self { purpose, live, decision, may_ask_again_on: again, statement }
    }
}

/// Consents.
#[derive(Clone, Copy, Debug)]
pub struct Consents<'a>(pub(crate) &'a App);

impl App {
    /// Consents.
    #[must_use]
    pub const fn consents(&self) -> Consents<'_> {
        Consents(self)
    }
}

impl Consents<'_> {
    /// Where somebody decides. Of the address only a keyed hash is kept: it can show that two records have the same
    /// one, and no more.
    #[must_use]
    pub fn origin(
        &self,
        page: Option<PageName>,
        device: Option<Device>,
        locale: Option<Locale>,
        address: Option<IpAddr>,
    ) -> Origin {
        let hash = |address: IpAddr| hex(&half(self.0.lookup_key().hash("ip", &address.to_canonical().to_string())));
        Origin { page, device, locale, ip_hash: address.map(hash) }
    }

    /// Every purpose that is offered or was decided about. One call, half a read unit.
    pub async fn held(&self, who: &Who) -> Result<Vec<Held>, Error> {
        let hot = self.0.ledger().open(who, Freshness::Recent).await?;
        self.held_by(&hot.account).await
    }

    /// The same for staff. One call, two for a guide.
    pub async fn held_of(&self, asked: MemberId, sight: &Sight) -> Result<Vec<Held>, Error> {
        let hot = self.0.customers().reach(asked, sight).await?;
        self.held_by(&hot.account).await
    }

    /// What a member has decided about one purpose. One call.
    pub(crate) async fn held_about(&self, who: &Who, purpose: Purpose) -> Result<Held, Error> {
        let hot = self.0.ledger().open(who, Freshness::Latest).await?;
        let policy = self.0.privacy_policies().current().await?;
        Ok(Held::of(&hot.account, purpose, &policy, self.0.now().day()))
    }

    async fn held_by(&self, account: &Account) -> Result<Vec<Held>, Error> {
        let (policy, today) = (self.0.privacy_policies().current().await?, self.0.now().day());
        let all = Purpose::ALL.into_iter().map(|purpose| Held::of(account, purpose, &policy, today));
        Ok(all.filter(|held| held.statement.is_some() || held.decision.is_some()).collect())
    }

    /// A page of the records, newest first, and the place where the next one begins. Two calls.
    pub async fn records(
        &self,
        who: &Who,
        after: Option<&str>,
        most: i32,
    ) -> Result<(Vec<Record>, Option<String>), Error> {
        let hot = self.0.ledger().open(who, Freshness::Recent).await?;
        let (texts, next) = self.0.table().consents(hot.account.member, after, most).await?;
        let records = texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
        Ok((records, next))
    }

    /// A decision of a member. Two calls, and what a change of segments writes; three where a guardian decides.
    ///
    /// Said again it is the same decision. Withdrawing a guardian's consent erases what was stored under it.
    pub async fn decide(&self, who: &Who, wish: &Wish) -> Result<Held, Error> {
        if wish.purpose == Purpose::Children {
            return self.0.children().decide(who, wish).await;
        }
        self.decide_for_all(who, wish).await
    }

    /// A decision that is about no single child.
    pub(crate) async fn decide_for_all(&self, who: &Who, wish: &Wish) -> Result<Held, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let policy = self.policy_for(wish).await?;
            let mut hot = self.0.ledger().open(who, Freshness::Latest).await?;
            if let Some(channel) = wish.purpose.channel().filter(|_| wish.agrees_to.is_some()) {
                hot.reach.readmit(channel);
            }
            let (before, transaction) = self.prepared(&hot, wish).await?;
            let (rules, now) = (self.0.rulebook().await?, self.0.now());
            let decided = consent::decide(&before, wish, &policy.policy, &rules, now, &who.by)?;
            let Some(decided) = decided else {
                return Ok(Held::of(&hot.account, wish.purpose, &policy, now.day()));
            };
            let transaction = transaction.movement(&hot, &decided.posted)?.part(&record_part(&decided.record)?)?;
            match transaction.commit().await? {
                Outcome::Done => return Ok(Held::of(&decided.posted.account, wish.purpose, &policy, now.day())),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    /// A member wants no more of something: takes back what was agreed to, or refuses what never was. Counts at once, for
    /// messages that wait to be sent, too. Two calls; asking again changes nothing.
    pub async fn withdraw(&self, who: &Who, purpose: Purpose, via: Via) -> Result<Held, Error> {
        self.decide(who, &Wish::no(purpose, via)).await
    }

    /// The same, written down by staff for a member whom they may see. Three calls, four for a guide.
    pub async fn withdraw_for(&self, who: &Who, sight: &Sight, wish: &Wish) -> Result<Held, Error> {
        let member = self.0.customers().reach(who.member, sight).await?.account.member;
        self.decide(&Who { member, ..who.clone() }, wish).await
    }

    /// The policy by which a wish is judged: read anew when the member has seen a later one than this process knows.
    pub(crate) async fn policy_for(&self, wish: &Wish) -> Result<Arc<PolicyVersion>, Error> {
        let policy = self.0.privacy_policies().current().await?;
        let known = policy.policy.statement(wish.purpose).map_or(0, |statement| statement.version);
        if wish.agrees_to.is_some_and(|seen| seen != known) {
            return self.0.privacy_policies().newest().await;
        }
        Ok(policy)
    }

    /// The account on which a wish is decided, and what else is written with it.
    async fn prepared(&self, hot: &Hot, wish: &Wish) -> Result<(Account, Transaction<'_>), Error> {
        let (account, transaction) = (hot.account.clone(), self.0.table().transaction());
        if wish.purpose != Purpose::Minor {
            return Ok((account, transaction));
        }
        let mut opened = self.0.people().open(account.member, Freshness::Latest).await?;
        if wish.agrees_to.is_some() {
            verified_guardian(&opened)?;
            return Ok((account, transaction));
        }
        if !account.own.is_minor(self.0.now().day()) {
            return Ok((account, transaction));
        }
        Basics::default().seal(self.0, &mut opened)?;
        Ok((Account { own: Own::default(), ..account }, transaction.part(&opened.part()?)?))
    }
}

/// A guardian is known by a phone that WeChat has verified and that is bound.
pub(crate) fn verified_guardian(opened: &Opened) -> Result<(), Error> {
    let phone = opened.handles()?.iter().any(|(_, handle)| matches!(handle, Handle::Phone(_)));
    if phone { Ok(()) } else { Err(Refusal::GuardianNotVerified.into()) }
}

/// A record as a part of the member's profile.
pub(crate) fn record_part(record: &Record) -> Result<StoredPart, Error> {
    let at = record.at().ok_or_else(|| Error::Defect("a record of consent has no time".into()))?;
    let text = serde_json::to_string(record)?;
    Ok(StoredPart::new(record.member, Part::Consent(at, record.id), text))
}
