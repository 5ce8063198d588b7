//! Merges: two members who are one person become one, and apart again when that was wrong.
//!
//! One transaction moves everything: points and purchase days (a row in both journals), identities, the sealed ids in
//! both profiles, and the record by which it can be undone. Both sides' hot items and profiles are written on
//! condition of the versions that the guard has judged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures_util::future::try_join3;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::ledger::{Patience, defect};
use crate::cases::people::{Handle, Opened};
use crate::domain::account::{Account, Membership};
use crate::domain::entry::{Entry, What};
use crate::domain::merge::{self, Merged};
use crate::domain::order::Order;
use crate::domain::posting::{balance, settled};
use crate::domain::refusal::Refusal;
use crate::domain::rulebook::Rulebook;
use crate::table::{Freshness, Hot, Identity, Outcome, Part, StoredPart, Transaction};
use crate::values::{Actor, MemberId, Moment, Points, Reason, RowKey};

/// The layout of a stored merge; older layouts stay readable.
const SCHEMA: u8 = 1;

/// The most ids that pass and segments that are left in one merge: of a transaction's hundred writes eleven are the
/// accounts', the profiles' and the records', and some are segments that the other one enters.
const MOST_MOVED: usize = 80;

/// Who is to be merged into whom.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The member who goes on.
    pub survivor: MemberId,
    /// The member who is taken over.
    pub absorbed: MemberId,
    /// Why.
    pub reason: Reason,
    /// Who wants it.
    pub by: Actor,
}

/// Why two members can't be merged as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Both have an openid.
    Openid,
    /// Both have a unionid.
    Unionid,
    /// Both have signed up, with different phones.
    Phone,
    /// The member to be taken over has points held for a checkout.
    OpenHolds,
    /// The member to be taken over has signed up and the other one has not.
    OtherWay,
    /// More ids and segments than can move at once.
    TooManyIds,
    /// Both are known to WeCom, by different ids.
    Wecom,
    /// The member to be taken over has children's profiles.
    Children,
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Openid | Conflict::Unionid | Conflict::Phone | Conflict::Wecom => Self::ConflictingIdentities,
            Conflict::OpenHolds => Self::OpenHolds,
            Conflict::OtherWay => Self::MergeTheOtherWay,
            Conflict::TooManyIds => Self::TooManyIds,
            Conflict::Children => Self::ChildrenThere,
        }
    }
}

/// What a merge moved, or would move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Points that could be spent, or could be later.
    pub points: Points,
    /// Points owed.
    pub debt: Points,
    /// Purchase days.
    pub days: usize,
    /// The kinds of the ids: `card`, `phone` ...
    pub handles: Vec<String>,
}

/// A merge that happened.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its name, by which it can be undone.
    pub merge: RowKey,
    /// When it happened.
    pub at: Moment,
    /// What it moved.
    pub moved: Moved,
}

/// A merge as it would be now.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// What it would move.
    pub moved: Moved,
    /// What stands against it; nothing when it would go through.
    pub conflicts: Vec<Conflict>,
}

/// A merge as it is stored with the member who goes on.
#[derive(Serialize, Deserialize)]
struct Record {
    schema: u8,
    at: Moment,
    by: Actor,
    reason: Reason,
    absorbed: MemberId,
    #[serde(flatten)]
    moved: Moved,
    /// Keyed hashes of the ids that came along.
    identities: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undone_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undone_by: Option<Actor>,
}

impl Record {
    fn read(part: &StoredPart) -> Result<Self, Error> {
        Ok(serde_json::from_str(&part.text)?)
    }

    fn text(&self) -> Result<String, Error> {
        Ok(serde_json::to_string(self)?)
    }

    fn done(self, merge: RowKey) -> Done {
        Done { merge, at: self.at, moved: self.moved }
    }
}

/// One side of a merge.
struct Side {
    hot: Hot,
    opened: Opened,
    handles: Vec<(String, Handle)>,
}

impl Side {
    fn stand(&self) -> Stand<'_> {
        Stand { account: &self.hot.account, handles: self.handles.iter().map(|(_, handle)| handle).collect() }
    }

    /// All sessions of this side end; the hot item and the profile say the same.
    fn end_sessions(&mut self) {
        self.hot.sessions += 1;
        self.opened.profile.sessions = self.hot.sessions;
    }
}

/// What the guard looks at.
struct Stand<'a> {
    account: &'a Account,
    handles: Vec<&'a Handle>,
}

impl Stand<'_> {
    fn has(&self, kind: &str) -> bool {
        self.handles.iter().any(|handle| handle.kind() == kind)
    }

    fn claimed(&self) -> bool {
        self.account.membership == Membership::Claimed
    }
}

/// Whether two members can be one person. An id belongs to one member, so two of a kind are always different ones.
fn conflicts(survivor: &Stand<'_>, absorbed: &Stand<'_>) -> Vec<Conflict> {
    let both = |kind| survivor.has(kind) && absorbed.has(kind);
    let claimed = survivor.claimed() && absorbed.claimed();
    [
        (both("openid"), Conflict::Openid),
        (both("unionid"), Conflict::Unionid),
        (both("wecom"), Conflict::Wecom),
        (claimed && both("phone"), Conflict::Phone),
        (absorbed.account.reserves_something(), Conflict::OpenHolds),
        (absorbed.claimed() && !survivor.claimed(), Conflict::OtherWay),
        (absorbed.handles.len() + absorbed.account.segments.len() > MOST_MOVED, Conflict::TooManyIds),
        (!absorbed.account.children.is_empty(), Conflict::Children),
    ]
    .into_iter()
    .filter_map(|(stands, conflict)| stands.then_some(conflict))
    .collect()
}

/// Merges.
#[derive(Clone, Copy, Debug)]
pub struct Merges<'a>(pub(crate) &'a App);

impl App {
    /// Merges of members who are one person.
    #[must_use]
    pub const fn merges(&self) -> Merges<'_> {
        Merges(self)
    }
}

impl Merges<'_> {
    /// What a merge would do. Three calls; nothing is written.
    pub async fn preview(&self, wish: &Wish) -> Result<Outlook, Error> {
        let (survivor, absorbed) = self.sides(wish.survivor, wish.absorbed).await?;
        if is_merged(&survivor.hot) || is_merged(&absorbed.hot) {
            return Err(Refusal::MergedAlready.into());
        }
        let (moved, conflicts) = self.judge(&survivor, &absorbed).await?;
        Ok(Outlook { moved, conflicts })
    }

    /// Merges one member into another. Four calls: both hot items, both profiles, the transaction.
    ///
    /// Asked again, it answers with the merge that is there; that takes four calls, too.
    pub async fn merge(&self, wish: &Wish) -> Result<Done, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let (survivor, absorbed) = self.sides(wish.survivor, wish.absorbed).await?;
            if let Some((into, merge)) = absorbed.opened.profile.merged
                && into == wish.survivor
            {
                return self.earlier(into, merge).await;
            }
            if is_merged(&survivor.hot) || is_merged(&absorbed.hot) {
                return Err(Refusal::MergedAlready.into());
            }
            let (moved, conflicts) = self.judge(&survivor, &absorbed).await?;
            if let Some(conflict) = conflicts.into_iter().next() {
                return Err(Refusal::from(conflict).into());
            }
            if let Some(done) = self.write(wish, survivor, absorbed, moved).await? {
                return Ok(done);
            }
            patience.wait().await?;
        }
    }

    /// Takes in whatever was kept for a person whom nobody had signed up for, now that a verified phone says who it
    /// is. Five calls. Nothing happens when the other one was merged meanwhile: the phone leads elsewhere then.
    pub(crate) async fn take_in_unclaimed(&self, wish: &Wish) -> Result<(), Error> {
        let other = self.0.table().member(wish.absorbed, Freshness::Latest).await?;
        match other.map(|hot| hot.account.membership) {
            None | Some(Membership::MergedInto(_) | Membership::Erased) => Ok(()),
            Some(Membership::Claimed | Membership::OnHold { .. }) => Err(Refusal::PhoneTaken.into()),
            Some(Membership::Unclaimed) => match self.merge(wish).await {
                Ok(_) | Err(Error::Refused(Refusal::MergedAlready)) => Ok(()),
                // Signed up between the two reads, or known by another WeChat id.
                Err(Error::Refused(Refusal::MergeTheOtherWay | Refusal::ConflictingIdentities)) => {
                    Err(Refusal::PhoneTaken.into())
                }
                Err(other) => Err(other),
            },
        }
    }

    /// Undoes a merge: points, purchase days and ids go back, and the absorbed member lives again. Seven calls.
    ///
    /// Sessions of both sides end: whoever logged in by an id that goes back must not stay in the other's account.
    /// Ids that the survivor has given up meanwhile stay given up. Undone already, there is nothing to do. After a refund of
    /// an order that came along it is refused.
    pub async fn undo(&self, survivor: MemberId, merge: RowKey, by: &Actor) -> Result<(), Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let part = self.0.table().part(survivor, &Part::Merge(merge)).await?.ok_or(Refusal::UnknownMerge)?;
            let record = Record::read(&part)?;
            if record.undone_at.is_some() {
                return Ok(());
            }
            let sides = self.sides(survivor, record.absorbed).await?;
            if is_merged(&sides.0.hot) {
                return Err(Refusal::MergedAlready.into());
            }
            self.refuse_after_refunds(&sides.0.hot, merge).await?;
            if self.write_undo(merge, sides, (part, record), by).await? {
                return Ok(());
            }
            patience.wait().await?;
        }
    }

    /// A refund of an order that came along was taken from what the survivor has; giving all of it back would count
    /// that refund on neither side. One call per eight rows since the merge, and one per refund among them.
    async fn refuse_after_refunds(&self, survivor: &Hot, merge: RowKey) -> Result<(), Error> {
        let mut links = survivor.account.chain.recent.clone();
        while !links.is_empty() {
            let page = self.0.table().rows_from(links, 1).await?;
            for entry in &page.entries {
                if entry.row == merge::row_in(merge) {
                    return Ok(());
                }
                if let What::Refund { source, order, .. } = &entry.what {
                    let booked = self.0.table().row(Order::row_of(source, order)).await?;
                    if booked.is_some_and(|row| row.member != survivor.account.member) {
                        return Err(Refusal::RefundedSince.into());
                    }
                }
            }
            links = page.next;
        }
        Err(Refusal::UnknownMerge.into())
    }

    /// Both sides as they are now. Three calls, side by side.
    async fn sides(&self, survivor: MemberId, absorbed: MemberId) -> Result<(Side, Side), Error> {
        if survivor == absorbed {
            return Err(Refusal::SameMember.into());
        }
        let members = [survivor, absorbed];
        let people = self.0.people();
        let hots = async { Ok(self.0.table().members(&members).await?) };
        let latest = Freshness::Latest;
        let read = try_join3(hots, people.open(survivor, latest), people.open(absorbed, latest));
        let (hots, one, other) = Box::pin(read).await?;
        let side = |opened: Opened| {
            let hot = hots.iter().find(|hot| hot.account.member == opened.member).cloned();
            Ok::<_, Error>(Side { hot: hot.ok_or(Error::NotFound)?, handles: opened.handles()?, opened })
        };
        Ok((side(one)?, side(other)?))
    }

    /// What would be moved, and what stands against it.
    async fn judge(&self, survivor: &Side, absorbed: &Side) -> Result<(Moved, Vec<Conflict>), Error> {
        let version = self.0.programs().current().await?;
        // Time may have ended a hold, or let points lapse.
        let account = settled(&absorbed.hot.account, &version, self.0.now()).map_err(defect)?;
        let stand = Stand { account: &account, ..absorbed.stand() };
        let (conflicts, points) = (conflicts(&survivor.stand(), &stand), balance(&account));
        let moved = Moved {
            points: points.available + points.pending,
            debt: points.debt,
            days: account.days.days().len(),
            handles: absorbed.handles.iter().map(|(_, handle)| handle.kind().to_owned()).collect(),
        };
        Ok((moved, conflicts))
    }

    async fn earlier(&self, survivor: MemberId, merge: RowKey) -> Result<Done, Error> {
        let part = self.0.table().part(survivor, &Part::Merge(merge)).await?;
        let part = part.ok_or_else(|| Error::Defect("a merge has no record".into()))?;
        Ok(Record::read(&part)?.done(merge))
    }

    /// Writes a merge that the guard has let through; none when somebody was faster.
    async fn write(
        &self,
        wish: &Wish,
        mut survivor: Side,
        mut absorbed: Side,
        moved: Moved,
    ) -> Result<Option<Done>, Error> {
        let rules = self.0.rulebook().await?;
        let name = merge::name(wish.survivor, &absorbed.hot.account);
        let now = self.0.now();
        let accounts = (&survivor.hot.account, &absorbed.hot.account);
        let merged = merge::merge(accounts.0, accounts.1, &wish.reason, &rules, now, &wish.by)?;
        let identities = self.carry(&mut absorbed, &mut survivor, |_| true)?;
        absorbed.end_sessions();
        absorbed.opened.profile.merged = Some((wish.survivor, name));
        // Whatever went to either of them went to this person, and what either did not want this person does not want.
        survivor.hot.reach = survivor.hot.reach.joined(&absorbed.hot.reach);
        let came_along: Vec<MemberId> = absorbed.opened.all_accounts().collect();
        survivor.opened.profile.absorbed.extend(came_along);
        let record = Record {
            schema: SCHEMA,
            at: now,
            by: wish.by.clone(),
            reason: wish.reason.clone(),
            absorbed: wish.absorbed,
            moved,
            identities: identities.iter().map(packed).collect(),
            undone_at: None,
            undone_by: None,
        };
        let part = StoredPart::new(wish.survivor, Part::Merge(name), record.text()?);
        let transaction = self.both(&survivor, &absorbed, &merged)?.part(&part)?;
        let moving = identities.iter().try_fold(transaction, |transaction, identity| {
            transaction.move_identity(identity, wish.absorbed, wish.survivor)
        })?;
        Ok(match moving.commit().await? {
            Outcome::Done => Some(record.done(name)),
            Outcome::Lost(_) => None,
        })
    }

    /// Writes an undo; false when somebody was faster.
    async fn write_undo(
        &self,
        name: RowKey,
        (mut survivor, mut absorbed): (Side, Side),
        (mut part, mut record): (StoredPart, Record),
        by: &Actor,
    ) -> Result<bool, Error> {
        let rules = self.0.rulebook().await?;
        let undone = self.taken_apart(name, (&survivor.hot.account, &absorbed.hot.account), &rules, by).await?;
        let identities = self.carry(&mut survivor, &mut absorbed, |identity| {
            let packed = packed(identity);
            record.identities.contains(&packed)
        })?;
        survivor.end_sessions();
        absorbed.end_sessions();
        absorbed.opened.profile.merged = None;
        let leaving: Vec<MemberId> = absorbed.opened.all_accounts().collect();
        survivor.opened.profile.absorbed.retain(|account| !leaving.contains(account));
        record.undone_at = Some(self.0.now());
        record.undone_by = Some(by.clone());
        part.text = record.text()?;
        let transaction = self.both(&survivor, &absorbed, &undone)?.part(&part)?;
        let (from, to) = (survivor.hot.account.member, absorbed.hot.account.member);
        let moving = identities
            .iter()
            .try_fold(transaction, |transaction, identity| transaction.move_identity(identity, from, to))?;
        Ok(matches!(moving.commit().await?, Outcome::Done))
    }

    /// The movements that undo a merge, from the rows that it wrote. Two calls.
    async fn taken_apart(
        &self,
        name: RowKey,
        (survivor, absorbed): (&Account, &Account),
        rules: &Rulebook,
        by: &Actor,
    ) -> Result<Merged, Error> {
        let row = |key| async move {
            let row = self.0.table().row(key).await?;
            row.ok_or_else(|| Error::Defect("a merge has no row in a journal".into()))
        };
        let merged_out: Entry = row(merge::row_out(name)).await?;
        let merged_in: Entry = row(merge::row_in(name)).await?;
        Ok(merge::undo(survivor, absorbed, &merged_out, &merged_in, rules, self.0.now(), by)?)
    }

    /// Takes ids out of one profile and seals them into another one; says which.
    fn carry(self, from: &mut Side, to: &mut Side, wanted: impl Fn(&Identity) -> bool) -> Result<Vec<Identity>, Error> {
        let mut carried = Vec::new();
        for (field, handle) in &from.handles {
            let identity = self.0.people().identity(handle);
            if wanted(&identity) {
                from.opened.set(self.0, field, None)?;
                to.opened.add(self.0, handle)?;
                carried.push(identity);
            }
        }
        Ok(carried)
    }

    /// Rows, hot items and profiles of both sides.
    fn both(&self, survivor: &Side, absorbed: &Side, merged: &Merged) -> Result<Transaction<'_>, Error> {
        Ok(self
            .0
            .table()
            .transaction()
            .movement(&survivor.hot, &merged.survivor)?
            .movement(&absorbed.hot, &merged.absorbed)?
            .part(&survivor.opened.part()?)?
            .part(&absorbed.opened.part()?)?)
    }
}

fn is_merged(hot: &Hot) -> bool {
    matches!(hot.account.membership, Membership::MergedInto(_))
}

fn packed(identity: &Identity) -> String {
    STANDARD_NO_PAD.encode(identity.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::book::Hold;
    use crate::values::{Card, Code, OpenId, Phone};

    fn member(seed: u8, membership: Membership) -> Account {
        Account { membership, ..Account::new(MemberId::from_random([seed; 16])) }
    }

    fn openid(text: &str) -> Handle {
        Handle::OpenId(OpenId::parse(text).unwrap())
    }

    fn phone(text: &str) -> Handle {
        Handle::Phone(Phone::parse(text).unwrap())
    }

    fn judged(survivor: (&Account, &[Handle]), absorbed: (&Account, &[Handle])) -> Vec<Conflict> {
        fn stand<'a>((account, handles): (&'a Account, &'a [Handle])) -> Stand<'a> {
            Stand { account, handles: handles.iter().collect() }
        }
        conflicts(&stand(survivor), &stand(absorbed))
    }

    #[test]
    fn two_cards_at_the_till_can_be_one_person() {
        let (one, other) = (member(1, Membership::Claimed), member(2, Membership::Unclaimed));
        let card = |text: &str| Handle::Card(Card::parse(text).unwrap());
        assert_eq!(judged((&one, &[card("1"), openid("a")]), (&other, &[card("2")])), []);
    }

    #[test]
    fn two_openids_are_two_people() {
        let (one, other) = (member(1, Membership::Claimed), member(2, Membership::Unclaimed));
        assert_eq!(judged((&one, &[openid("a")]), (&other, &[openid("b")])), [Conflict::Openid]);
    }

    #[test]
    fn two_phones_are_two_people_only_when_both_have_signed_up() {
        let phones = ([phone("13800138000")], [phone("13900139000")]);
        let (one, other) = (member(1, Membership::Claimed), member(2, Membership::Claimed));
        assert_eq!(judged((&one, &phones.0), (&other, &phones.1)), [Conflict::Phone]);
        let other = member(2, Membership::Unclaimed);
        assert_eq!(judged((&one, &phones.0), (&other, &phones.1)), []);
    }

    #[test]
    fn open_holds_the_wrong_direction_and_a_heap_of_ids_stand_against_a_merge() {
        let (one, mut other) = (member(1, Membership::Unclaimed), member(2, Membership::Claimed));
        assert_eq!(judged((&one, &[]), (&other, &[])), [Conflict::OtherWay]);
        other.membership = Membership::Unclaimed;
        let until = Moment::parse("2026-03-01T12:00:00+08:00").unwrap();
        other.holdings.holds.push(Hold { id: RowKey::of("hold", &[]), until, lots: Vec::new() });
        assert_eq!(judged((&one, &[]), (&other, &[])), [Conflict::OpenHolds]);
        other.holdings.holds.clear();
        let heap = vec![openid("a"); MOST_MOVED];
        assert_eq!(judged((&one, &[]), (&other, &heap)), []);
        other.segments.push(Code::parse("dormant").unwrap());
        assert_eq!(judged((&one, &[]), (&other, &heap)), [Conflict::TooManyIds]);
    }
}
