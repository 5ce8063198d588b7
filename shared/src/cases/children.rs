//! Children: what a guardian keeps of them, from the consent that allows it to the erasure that ends it.
//!
//! Each child is a part of the guardian's profile, sealed under a key of its own, which lies sealed beside the
//! guardian's in the table that has no backups. Nothing of a child is stored before the guardian's consent, which is
//! written in the same transaction; taking the consent back deletes the part and destroys the key, so that what
//! backups still hold is noise. The hot item learns on which days a child's age band rolls and the birthday comes
//! round, in the same transaction, and the journal nothing but which segments the guardian entered and left by it.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::consents::{Held, record_part, verified_guardian};
use crate::cases::ledger::{Patience, defect};
use crate::cases::people::Opened;
use crate::cases::{Error, Who};
use crate::domain::account::Account;
use crate::domain::age::ChildAge;
use crate::domain::child::{Child, MOST_CHILDREN};
use crate::domain::consent::{self, Origin, Purpose, Record, Told, Via, Wish};
use crate::domain::entry::What;
use crate::domain::posting::{Posting, Settled, settlement};
use crate::domain::refusal::Refusal;
use crate::table::{ChildKeys, Freshness, Hot, Outcome, Part, StoredPart, Transaction};
use crate::values::{ChildId, MemberId, Moment, RowKey};

/// The layout of a stored child; older layouts stay readable.
const SCHEMA: u8 = 1;

/// A child as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredChild {
    schema: u8,
    /// When it was added.
    at: Moment,
    /// The version of the statement to which the guardian has agreed.
    policy: u32,
    /// All that was told of it.
    sealed: String,
}

/// That a child was added under this id, so that a request which comes late does not bring back an erased one.
#[derive(Serialize)]
struct Added {
    schema: u8,
    at: Moment,
}

/// A child in clear.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its id.
    pub id: ChildId,
    /// What is known of it.
    pub child: Child,
    /// When it was added.
    pub at: Moment,
    /// The version of the statement to which the guardian has agreed.
    pub policy: u32,
    /// Whether that consent still counts.
    pub live: bool,
    /// The version on which an edit builds.
    pub version: u64,
}

impl Kept {
    fn part(&self, member: MemberId, sealed: String) -> Result<StoredPart, Error> {
        let stored = StoredChild { schema: SCHEMA, at: self.at, policy: self.policy, sealed };
        Ok(StoredPart {
            member,
            part: Part::Child(self.id),
            text: serde_json::to_string(&stored)?,
            version: self.version,
        })
    }
}

/// A guardian, with all that is known of them and theirs.
struct Family {
    hot: Hot,
    guardian: Opened,
    children: Vec<Kept>,
}

/// Children.
#[derive(Clone, Copy, Debug)]
pub struct Children<'a>(pub(crate) &'a App);

impl App {
    /// Children.
    #[must_use]
    pub const fn children(&self) -> Children<'_> {
        Children(self)
    }
}

impl Children<'_> {
    /// A guardian's children, oldest first. Two calls.
    pub async fn list(&self, who: &Who) -> Result<Vec<Kept>, Error> {
        let guardian = self.0.people().own(who, Freshness::Latest).await?;
        self.of(&guardian).await
    }

    /// Adds a child under the guardian's consent, once however often it is asked for with the same key. Four calls, and
    /// what a change of segments writes.
    pub async fn add(&self, who: &Who, key: &str, child: Child, consent: Option<&Wish>) -> Result<Kept, Error> {
        child.check_age(self.0.now().day())?;
        self.check(&child)?;
        let wish = consent.ok_or(Refusal::GuardianConsentRequired)?;
        let id = ChildId::of("child", &[&who.member.to_string(), key]);
        let mut patience = Patience::new(self.0);
        loop {
            let family = self.family(who).await?;
            if let Some(earlier) = family.children.iter().find(|kept| kept.id == id) {
                return if earlier.child == child { Ok(earlier.clone()) } else { Err(Error::ReusedKey) };
            }
            if family.children.len() >= MOST_CHILDREN {
                return Err(Refusal::TooManyChildren { most: MOST_CHILDREN }.into());
            }
            let told = self.agreed(&family, wish).await?;
            let now = self.0.now();
            let kept = Kept { id, child: child.clone(), at: now, policy: told.version, live: true, version: 0 };
            let (child_key, kept_key) = family.guardian.new_child_key(self.0, id)?;
            let part = kept.part(who.member, child_key.seal(self.0, &serde_json::to_string(&kept.child)?)?)?;
            let added = StoredPart::new(
                who.member,
                Part::Added(id),
                serde_json::to_string(&Added { schema: SCHEMA, at: now })?,
            );
            let record = self.record(who, &Wish { child: Some(id), ..wish.clone() }, told);
            let transaction = self.0.table().transaction().part(&part)?.part(&added)?;
            let transaction = transaction.child_keys(who.member, &ChildKeys::Add(id, &kept_key))?;
            let children = family.children.iter().chain([&kept]);
            let account = self.with(&family.hot.account, children);
            let transaction = self.book(transaction, &family.hot, account, who, Some(wish)).await?;
            match transaction.part(&record_part(&record)?)?.commit().await? {
                Outcome::Done => return Ok(Kept { version: 1, ..kept }),
                Outcome::Lost(_) => patience.wait().await?,
            }
            if self.0.table().part(who.member, &Part::Added(id)).await?.is_some()
                && self.0.table().part(who.member, &Part::Child(id)).await?.is_none()
            {
                return Err(Error::ReusedKey);
            }
        }
    }

    /// Replaces what is known of a child, under a consent that is live. Four calls, and what a change of segments
    /// writes.
    ///
    /// With the version that was read, an edit in between is not overwritten.
    pub async fn edit(&self, who: &Who, id: ChildId, child: Child, builds_on: Option<u64>) -> Result<Kept, Error> {
        self.check(&child)?;
        let mut patience = Patience::new(self.0);
        loop {
            let family = self.family(who).await?;
            let before = family.children.iter().find(|kept| kept.id == id).ok_or(Error::NotFound)?;
            if builds_on.is_some_and(|version| version != before.version) {
                return Err(Error::VersionMoved);
            }
            if before.child.birthday != child.birthday {
                child.check_age(self.0.now().day())?;
            }
            if !before.live {
                return Err(Refusal::GuardianConsentRequired.into());
            }
            let kept = Kept { child: child.clone(), ..before.clone() };
            let child_key = family.guardian.child_key(id)?.ok_or(Error::NotFound)?;
            let part = kept.part(who.member, child_key.seal(self.0, &serde_json::to_string(&kept.child)?)?)?;
            let children = family.children.iter().map(|other| if other.id == id { &kept } else { other });
            let account = self.with(&family.hot.account, children);
            let transaction = self.0.table().transaction().part(&part)?;
            let transaction = self.book(transaction, &family.hot, account, who, None).await?;
            match transaction.commit().await? {
                Outcome::Done => return Ok(Kept { version: kept.version + 1, ..kept }),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    /// Erases a child: its part, its key, what the hot item knew; the consent ends with it. Four calls.
    pub async fn delete(&self, who: &Who, id: ChildId) -> Result<(), Error> {
        let wish = Wish { child: Some(id), ..Wish::no(Purpose::Children, Via::Deletion) };
        if self.erase(who, &wish).await? { Ok(()) } else { Err(Error::NotFound) }
    }

    /// A guardian's decision about children who are there: agreeing anew to what the statement says now, or taking the
    /// consent back, which erases them. Without a child it is about all of them.
    pub(crate) async fn decide(&self, who: &Who, wish: &Wish) -> Result<Held, Error> {
        if wish.agrees_to.is_some() {
            self.renew(who, wish).await?;
        } else if !self.erase(who, wish).await? && wish.child.is_none() {
            return self.0.consents().decide_for_all(who, wish).await;
        }
        self.0.consents().held_about(who, Purpose::Children).await
    }

    async fn renew(&self, who: &Who, wish: &Wish) -> Result<(), Error> {
        let id = wish.child.ok_or(Refusal::ChildUnclear)?;
        let mut patience = Patience::new(self.0);
        loop {
            let family = self.family(who).await?;
            let before = family.children.iter().find(|kept| kept.id == id).ok_or(Error::NotFound)?;
            let told = self.agreed(&family, wish).await?;
            if before.policy == told.version {
                return Ok(());
            }
            let kept = Kept { policy: told.version, ..before.clone() };
            let child_key = family.guardian.child_key(id)?.ok_or(Error::NotFound)?;
            let part = kept.part(who.member, child_key.seal(self.0, &serde_json::to_string(&kept.child)?)?)?;
            let record = self.record(who, wish, told);
            let children = family.children.iter().map(|other| if other.id == id { &kept } else { other });
            let account = self.with(&family.hot.account, children);
            let transaction = self.0.table().transaction().part(&part)?.part(&record_part(&record)?)?;
            let transaction = self.book(transaction, &family.hot, account, who, Some(wish)).await?;
            match transaction.commit().await? {
                Outcome::Done => return Ok(()),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    /// Erases the child that a wish is about, or all of them; false when there is none.
    async fn erase(&self, who: &Who, wish: &Wish) -> Result<bool, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let family = self.family(who).await?;
            let is_meant = |kept: &Kept| wish.child.is_none_or(|id| id == kept.id);
            let (gone, left): (Vec<&Kept>, Vec<&Kept>) = family.children.iter().partition(|kept| is_meant(kept));
            if gone.is_empty() {
                return Ok(false);
            }
            let ids: Vec<ChildId> = gone.iter().map(|kept| kept.id).collect();
            let keys = ChildKeys::Destroy(&ids);
            let mut transaction = self.0.table().transaction().child_keys(who.member, &keys)?;
            for kept in &gone {
                let told = Told { version: kept.policy, sha256: self.digest(kept.policy).await? };
                let record = self.record(who, &Wish { child: Some(kept.id), ..wish.clone() }, told);
                transaction = transaction.without_part(&kept.part(who.member, String::new())?)?;
                transaction = transaction.part(&record_part(&record)?)?;
            }
            let account = self.with(&family.hot.account, left.iter().copied());
            let last = Some(wish).filter(|_| left.is_empty());
            let transaction = self.book(transaction, &family.hot, account, who, last).await?;
            match transaction.commit().await? {
                Outcome::Done => return Ok(true),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    /// Guardian and children as they are now. Three calls.
    async fn family(&self, who: &Who) -> Result<Family, Error> {
        // The hot item first: whatever is written builds on its version, so that what is read after it can't be older.
        let hot = self.0.ledger().open(who, Freshness::Latest).await?;
        let guardian = self.0.people().own(who, Freshness::Latest).await?;
        let children = self.of(&guardian).await?;
        Ok(Family { hot, guardian, children })
    }

    /// The children of a guardian. One call. One whose key was destroyed is no more.
    async fn of(&self, guardian: &Opened) -> Result<Vec<Kept>, Error> {
        let floors = self.0.privacy_policies().current().await?.policy.floors();
        let mut children = Vec::new();
        for part in self.0.table().children(guardian.member).await? {
            let Part::Child(id) = part.part else { continue };
            let Some(key) = guardian.child_key(id)? else { continue };
            let stored: StoredChild = serde_json::from_str(&part.text)?;
            let child = serde_json::from_str(&key.open(&stored.sealed)?)?;
            let live = floors.admit(Purpose::Children, stored.policy);
            children.push(Kept { id, child, at: stored.at, policy: stored.policy, live, version: part.version });
        }
        children.sort_by_key(|kept| (kept.at, kept.id));
        Ok(children)
    }

    /// The statement to which a guardian agrees, who is known by a bound phone.
    async fn agreed(&self, family: &Family, wish: &Wish) -> Result<Told, Error> {
        verified_guardian(&family.guardian)?;
        let policy = self.0.consents().policy_for(wish).await?;
        Ok(consent::told(&family.hot.account, wish, &policy.policy, self.0.now().day())?)
    }

    async fn digest(&self, version: u32) -> Result<Option<String>, Error> {
        let policy = self.0.privacy_policies().current().await?;
        let statement = policy.policy.statement(Purpose::Children).filter(|statement| statement.version == version);
        Ok(statement.map(|statement| statement.sha256.clone()))
    }

    fn check(self, child: &Child) -> Result<(), Error> {
        let flaws = child.flaws(self.0.now().day());
        if flaws.is_empty() { Ok(()) } else { Err(Error::Flawed(flaws)) }
    }

    fn record(self, who: &Who, wish: &Wish, told: Told) -> Record {
        let child = wish.child.map(|child| child.to_string()).unwrap_or_default();
        let decision = if wish.agrees_to.is_some() { "granted" } else { "withdrawn" };
        let id = RowKey::of("consent-of-child", &[&child, decision, &told.version.to_string()]);
        Record::of(id, who.member, wish, told, self.0.now(), who.by.clone())
    }

    /// An account that knows of these children, as far as it may.
    fn with<'k>(self, account: &Account, children: impl Iterator<Item = &'k Kept>) -> Account {
        let today = self.0.now().day();
        let ages = children.map(|kept| ChildAge::of(kept.child.birthday, kept.policy, today)).collect();
        Account { children: ages, ..account.clone() }
    }

    /// Writes an account whose children have changed: with a row when the guardian has decided something new about
    /// children as such or segments change by it, and without one otherwise.
    async fn book<'t>(
        &self,
        transaction: Transaction<'t>,
        hot: &Hot,
        account: Account,
        who: &Who,
        wish: Option<&Wish>,
    ) -> Result<Transaction<'t>, Error> {
        let (rules, now) = (self.0.rulebook().await?, self.0.now());
        if let Some(wish) = wish {
            let decision = account.traits.decision(Purpose::Children);
            let granted = wish.agrees_to.is_some();
            let policy = wish.agrees_to.or(decision.map(|decision| decision.policy)).unwrap_or(0);
            if !consent::says_the_same(decision, granted, policy, now.day()) {
                let row = consent::row(&account, Purpose::Children);
                let what = What::Consent { purpose: Purpose::Children, granted, policy, via: wish.via };
                let posting = Posting::open(&account, &rules, now).map_err(defect)?;
                let posted = posting.close(row, who.by.clone(), what).map_err(defect)?;
                return Ok(transaction.movement(hot, &posted)?);
            }
        }
        Ok(match settlement(&account, &rules, now, who.by.clone()).map_err(defect)? {
            Settled::Moved(posted) => transaction.movement(hot, &posted)?,
            Settled::Same(due_on) => transaction.member(&hot.with(account, due_on))?,
        })
    }
}

/// A guardian's yes, as a request brings it.
#[must_use]
pub fn guardians_yes(version: u32, origin: Origin) -> Wish {
    Wish { agrees_to: Some(version), origin, ..Wish::no(Purpose::Children, Via::MiniProgram) }
}
