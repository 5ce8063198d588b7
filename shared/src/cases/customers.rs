//! Members as staff see them: found by a handle, the whole picture, the timeline.
//!
//! A guide sees own customers only; everybody else's are not there. The id of a merged member leads to the one who
//! goes on.

use futures_util::future::try_join3;

use crate::app::App;
use crate::cases::ledger::Statement;
use crate::cases::people::{Acquisition, Handle, Profile};
use crate::cases::profiles::Basics;
use crate::cases::remarks::{WrittenNote, tags};
use crate::cases::{Error, Who};
use crate::domain::account::Membership;
use crate::domain::attempts;
use crate::domain::days::{Purchases, Window};
use crate::table::{Freshness, Hot, Page, Part, about, about_a_minor};
use crate::values::{Actor, MemberId, Moment, Name, RowKey};

/// Whose customers somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everybody's.
    All,
    /// This guide's own.
    Own(Actor),
}

impl Sight {
    /// Nothing of somebody else's customer is shown, not even that there is one.
    pub(crate) fn check(&self, profile: &Profile) -> Result<(), Error> {
        match self {
            Self::All => Ok(()),
            Self::Own(guide) if profile.source.guide.as_ref() == Some(guide) => Ok(()),
            Self::Own(_) => Err(Error::NotFound),
        }
    }
}

/// Everything that is known about a member.
#[derive(Clone, Debug)]
pub struct Portrait {
    /// The member.
    pub member: MemberId,
    /// The id that was asked for, when that member was merged into this one.
    pub followed_from: Option<MemberId>,
    /// Whether the person has signed up.
    pub claimed: bool,
    /// Whether the member is under 14.
    pub minor: bool,
    /// When the member was first known.
    pub known_since: Moment,
    /// When the person signed up.
    pub joined_at: Option<Moment>,
    /// How the member was won.
    pub source: Acquisition,
    /// Who invited the member.
    pub invited_by: Option<MemberId>,
    /// What the member told; in clear, to be masked.
    pub basics: Basics,
    /// By what the member is known; in clear, to be masked.
    pub handles: Vec<Handle>,
    /// Points and tier.
    pub statement: Statement,
    /// What was bought, all in all.
    pub lifetime: Purchases,
    /// What was bought within the programme's window.
    pub window: Purchases,
    /// Days since the last purchase.
    pub recency_days: Option<i32>,
    /// Tags.
    pub tags: Vec<Name>,
    /// The newest notes, newest first.
    pub notes: Vec<WrittenNote>,
}

/// Members as staff see them.
#[derive(Clone, Copy, Debug)]
pub struct Customers<'a>(pub(crate) &'a App);

impl App {
    /// Members as staff see them.
    #[must_use]
    pub const fn customers(&self) -> Customers<'_> {
        Customers(self)
    }
}

impl Customers<'_> {
    /// The member who has this handle, for somebody of staff, whose look-ups are counted whether they find anybody or
    /// not. Two calls, and those of [`Customers::portrait`]; one more for a guide.
    ///
    /// Phones and cards can be guessed, so nothing tells a guide whether nobody has one or somebody else's customer has:
    /// both take the same calls.
    pub async fn find(&self, handle: &Handle, sight: &Sight, by: &Actor) -> Result<Portrait, Error> {
        self.0.attempts().before(&attempts::LOOK_UPS, by.as_str()).await?;
        let owner = self.0.people().owners(std::slice::from_ref(handle)).await?.into_iter().next().flatten();
        if *sight != Sight::All {
            let whose = owner.unwrap_or_else(|| MemberId::from_random([0; 16]));
            let part = self.0.table().part(whose, &Part::Profile).await?.ok_or(Error::NotFound)?;
            sight.check(&Profile::read(&part)?)?;
        }
        self.portrait(owner.ok_or(Error::NotFound)?, sight).await
    }

    /// Everything about a member. Three calls: hot item, profile, notes.
    pub async fn portrait(&self, asked: MemberId, sight: &Sight) -> Result<Portrait, Error> {
        let hot = self.hot(asked).await?;
        let member = hot.account.member;
        let opened = self.0.people().open(member, Freshness::Recent).await?;
        sight.check(&opened.profile)?;
        self.note_who(&hot);
        let remarks = self.0.remarks();
        let purchases = async { self.purchases(&hot).await };
        let ledger = self.0.ledger();
        let parts = try_join3(ledger.statement_of(&hot), purchases, remarks.notes(&opened));
        let (statement, (lifetime, window, recency_days), notes) = Box::pin(parts).await?;
        Ok(Portrait {
            member,
            followed_from: Some(asked).filter(|asked| *asked != member),
            minor: hot.account.own.is_minor(self.0.now().day()),
            claimed: hot.account.membership == Membership::Claimed,
            known_since: opened.profile.known_since,
            joined_at: opened.profile.joined_at,
            invited_by: opened.profile.invited_by,
            basics: Basics::of(&opened)?,
            handles: opened.handles()?.into_iter().map(|(_, handle)| handle).collect(),
            source: opened.profile.source,
            statement,
            lifetime,
            window,
            recency_days,
            tags: tags(&hot.account, self.0.now()),
            notes,
        })
    }

    /// A page of the journal, newest first. Two calls (three for a guide), and one more per eight rows.
    pub async fn timeline(
        &self,
        asked: MemberId,
        sight: &Sight,
        by: &Actor,
        links: Option<Vec<RowKey>>,
        least: usize,
    ) -> Result<Page, Error> {
        let member = self.reach(asked, sight).await?.account.member;
        self.0.ledger().entries(&Who { member, session: None, by: by.clone() }, links, least).await
    }

    /// The member behind an id, if the one who asks may see them. One call, two for a guide.
    pub(crate) async fn reach(&self, asked: MemberId, sight: &Sight) -> Result<Hot, Error> {
        let hot = self.hot(asked).await?;
        self.may_see(&hot, sight).await?;
        Ok(hot)
    }

    /// Refuses who may not see a member. No call, one for a guide.
    pub(crate) async fn may_see(&self, hot: &Hot, sight: &Sight) -> Result<(), Error> {
        if let Sight::Own(_) = sight {
            let part = self.0.table().part(hot.account.member, &Part::Profile).await?.ok_or(Error::NotFound)?;
            sight.check(&Profile::read(&part)?)?;
        }
        self.note_who(hot);
        Ok(())
    }

    /// Notes for the audit trail whom the request is about.
    fn note_who(self, hot: &Hot) {
        about(hot.account.member);
        if hot.account.own.is_minor(self.0.now().day()) {
            about_a_minor();
        }
    }

    async fn hot(&self, asked: MemberId) -> Result<Hot, Error> {
        let hot = self.0.table().member(asked, Freshness::Recent).await?.ok_or(Error::NotFound)?;
        self.0.ledger().follow(hot, Freshness::Recent).await
    }

    async fn purchases(&self, hot: &Hot) -> Result<(Purchases, Purchases, Option<i32>), Error> {
        let version = self.0.programs().current().await?;
        let (days, today) = (&hot.account.days, self.0.now().day());
        let lifetime = days.within(Window::Lifetime, today);
        let window = days.within(version.program.ladder.window, today);
        Ok((lifetime, window, lifetime.last.map(|day| today.days_since(day))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_sees_own_customers_and_nobody_elses() {
        let guide = |name: &str| Actor::parse(name).unwrap();
        let moment = Moment::parse("2026-03-01T12:00:00+08:00").unwrap();
        let of = |guide| Profile::new(moment, Acquisition { guide, ..Acquisition::default() });
        let sight = Sight::Own(guide("li"));
        assert_eq!(sight.check(&of(Some(guide("li")))), Ok(()));
        assert_eq!(sight.check(&of(Some(guide("wang")))), Err(Error::NotFound));
        assert_eq!(sight.check(&of(None)), Err(Error::NotFound));
        assert_eq!(Sight::All.check(&of(None)), Ok(()));
    }
}
