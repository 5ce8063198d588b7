//! Requests under the law: what a person may ask of whoever holds their data, and by when it is to be decided.
//!
//! A request tells who asked for what and when, what became of it, and why not when it was refused. It stays when the
//! member is erased, because it proves that they were; it names nobody, only the member's id, which leads to no one then.

use serde::{Deserialize, Serialize};

use super::erasure::Receipt;
use super::refusal::Refusal;
use crate::values::{Actor, Code, LocalDay, MemberId, Moment, Reason, RequestId};

/// Days of work within which a request is to be decided: the law says "in time" (PIPL 50), App 违法违规收集使用个人信息行为认定方法
/// 15 working days at most.
const WORKING_DAYS: u32 = 15;

/// The most days all in all, whatever holidays lie between: GB/T 35273, 8.7.
const MOST_DAYS: u32 = 30;

/// Years for which a decided request is kept beside the one in which it was decided: as long as records of what is done
/// with personal data are to be kept (PIPL 56), and as long as somebody may sue about it (民法典 188). Then nothing
/// asks for it any more, and it goes (PIPL 19).
const KEPT_YEARS: u32 = 3;

/// The most requests of a member that wait for a decision: more than there are things to ask for, and few enough that
/// nobody buries the others' under them.
pub const MOST_OPEN: usize = 20;

/// The most of them when staff write one down, who are bound to: it keeps the list small.
pub const MOST_WRITTEN_DOWN: usize = 200;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RightsRequestKind)]
pub enum Kind {
    /// To be told what is held (PIPL 44, 45).
    Access,
    /// To have it put right (PIPL 46).
    Correction,
    /// To take it along (PIPL 45).
    Export,
    /// To have it erased (PIPL 47).
    Erasure,
    /// To have less done with it (PIPL 44).
    Restriction,
    /// To have a person look at what was decided by machine (PIPL 24).
    Review,
    /// What the next of kin of somebody who has died ask for (PIPL 49).
    NextOfKin,
}

impl Kind {
    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Correction => "correction",
            Self::Export => "export",
            Self::Erasure => "erasure",
            Self::Restriction => "restriction",
            Self::Review => "review",
            Self::NextOfKin => "next_of_kin",
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody has decided yet.
    Open,
    /// The member is gone; what belongs to them is being erased, and goes on by itself.
    Erasing {
        /// The member, and everybody who was merged into them.
        accounts: Vec<MemberId>,
        /// What there was to be erased.
        receipt: Box<Receipt>,
    },
    /// It was done.
    Done {
        /// When.
        at: Moment,
        /// By whom.
        by: Actor,
        /// What an erasure has erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Box<Receipt>>,
        /// Accounts that are looked through once more, for what was on its way when they were erased.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        again: Vec<MemberId>,
    },
    /// It was refused.
    Refused {
        /// When.
        at: Moment,
        /// By whom.
        by: Actor,
        /// Why: nobody is refused without being told (PIPL 50).
        reason: Reason,
    },
}

/// Where a request stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RequestStatus)]
pub enum Status {
    /// Nobody has decided yet.
    Open,
    /// The member is gone, and what belonged to them is being cleared away.
    Erasing,
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

impl Standing {
    /// In a word.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Open => Status::Open,
            Self::Erasing { .. } => Status::Erasing,
            Self::Done { .. } => Status::Done,
            Self::Refused { .. } => Status::Refused,
        }
    }

    /// When it was decided; not told while something is still to be erased.
    #[must_use]
    pub const fn decided_at(&self) -> Option<Moment> {
        match self {
            Self::Done { at, .. } | Self::Refused { at, .. } => Some(*at),
            Self::Open | Self::Erasing { .. } => None,
        }
    }

    /// Why it was refused.
    #[must_use]
    pub const fn refused_because(&self) -> Option<&Reason> {
        if let Self::Refused { reason, .. } = self { Some(reason) } else { None }
    }
}

/// What staff decide about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was done.
    Done,
    /// It is refused.
    Refused(Reason),
}

/// A request under the law.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsRequest {
    /// Its id.
    pub id: RequestId,
    /// Whose data it is about.
    pub member: MemberId,
    /// What is asked for.
    pub kind: Kind,
    /// What it is about: the segment, or `tier`, that a person is to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Code>,
    /// When it came in.
    pub received_at: Moment,
    /// The last day on which it may be decided.
    pub due_on: LocalDay,
    /// Who asked, or wrote it down.
    pub by: Actor,
    /// What staff wrote down about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What became of it.
    pub standing: Standing,
}

impl RightsRequest {
    /// A request that comes in now.
    #[must_use]
    pub fn new(id: RequestId, member: MemberId, kind: Kind, by: Actor, now: Moment) -> Self {
        let (about, reason, due_on) = (None, None, due_on(now.day()));
        Self { id, member, kind, about, received_at: now, due_on, by, reason, standing: Standing::Open }
    }

    /// Whether somebody, or the clock, still has something to do.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.standing, Standing::Open | Standing::Erasing { .. })
    }

    /// Whether it was refused.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.standing.refused_because().is_some()
    }

    /// The same request under an id of its own: a refused one makes room for the next that has the same id, and stays.
    #[must_use]
    pub fn set_aside(&self) -> Self {
        let id = RequestId::of("set-aside", &[&self.id.to_string(), &self.received_at.millis().to_string()]);
        Self { id, ..self.clone() }
    }

    /// When it has to be decided: the end of its last day.
    #[must_use]
    pub fn due_at(&self) -> Moment {
        Moment::start_of(self.due_on.plus(1))
    }

    /// The last day on which it is kept; none as long as somebody, or the clock, has something to do.
    #[must_use]
    pub fn kept_until(&self) -> Option<LocalDay> {
        match &self.standing {
            Standing::Open | Standing::Erasing { .. } => None,
            Standing::Done { again, .. } if !again.is_empty() => None,
            Standing::Done { at, .. } | Standing::Refused { at, .. } => Some(at.day().end_of_year_after(KEPT_YEARS)),
        }
    }

    /// The request after somebody has decided about it; none when it was decided like this before.
    pub fn decide(&self, decision: &Decision, by: &Actor, now: Moment) -> Result<Option<Self>, Refusal> {
        let by = by.clone();
        let standing = match (&self.standing, decision) {
            (Standing::Open, Decision::Done) if self.kind == Kind::Erasure => return Err(Refusal::DecidedByErasing),
            (Standing::Open, Decision::Done) => Standing::Done { at: now, by, receipt: None, again: Vec::new() },
            (Standing::Open, Decision::Refused(reason)) => Standing::Refused { at: now, by, reason: reason.clone() },
            (Standing::Done { .. }, Decision::Done) => return Ok(None),
            (Standing::Refused { reason: told, .. }, Decision::Refused(reason)) if told == reason => return Ok(None),
            _ => return Err(Refusal::DecidedAlready),
        };
        Ok(Some(Self { standing, ..self.clone() }))
    }
}

/// The last day on which what comes in on a day may be decided.
///
/// Saturdays and Sundays are no working days. Public holidays count as if they were, so that the day is never too late
/// in a year whose holidays nobody has entered.
#[must_use]
pub fn due_on(received: LocalDay) -> LocalDay {
    let working = |day: &LocalDay| day.days_since(day.start_of_week()) < 5;
    let later = (1..=MOST_DAYS).map(|days| received.plus(days));
    let last = later.filter(working).nth(usize::try_from(WORKING_DAYS).unwrap_or(0).saturating_sub(1));
    last.unwrap_or(received.plus(MOST_DAYS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    fn now() -> Moment {
        Moment::parse("2026-03-02T10:00:00+08:00").unwrap()
    }

    fn a_request(kind: Kind) -> RightsRequest {
        let member = MemberId::from_random([1; 16]);
        RightsRequest::new(RequestId::of("test", &[]), member, kind, Actor::parse("member").unwrap(), now())
    }

    #[test]
    fn r5_a_request_is_due_after_fifteen_working_days() {
        assert_eq!(due_on(day("2026-03-02")), day("2026-03-23"), "a Monday");
        assert_eq!(due_on(day("2026-03-06")), day("2026-03-27"), "a Friday");
        assert_eq!(due_on(day("2026-03-07")), day("2026-03-27"), "a Saturday");
        assert_eq!(a_request(Kind::Access).due_at(), Moment::parse("2026-03-24T00:00:00+08:00").unwrap());
    }

    proptest! {
        #[test]
        fn r5_no_request_waits_for_more_than_thirty_days(days in 0_u32..20_000) {
            let received = LocalDay::FIRST.plus(days);
            let due = due_on(received);
            prop_assert!(due > received && due <= received.plus(MOST_DAYS));
            prop_assert!(due.days_since(due.start_of_week()) < 5, "nothing falls due on a weekend");
        }
    }

    #[test]
    fn t1_a_decided_request_is_kept_for_three_years_and_an_open_one_until_it_is_decided() {
        let by = Actor::parse("manager:li").unwrap();
        let open = a_request(Kind::Review);
        assert_eq!(open.kept_until(), None);
        let done = open.decide(&Decision::Done, &by, now()).unwrap().unwrap();
        assert_eq!(done.kept_until(), Some(day("2029-12-31")));
        let refused = Decision::Refused(Reason::parse("身份无法核实").unwrap());
        assert_eq!(open.decide(&refused, &by, now()).unwrap().unwrap().kept_until(), Some(day("2029-12-31")));
        let again = Standing::Done { at: now(), by, receipt: None, again: vec![open.member] };
        assert_eq!(RightsRequest { standing: again, ..open }.kept_until(), None, "looked through once more");
    }

    #[test]
    fn r5_a_decision_is_made_once_and_said_again_it_is_the_same() {
        let (by, no) = (Actor::parse("manager:li").unwrap(), Reason::parse("身份无法核实").unwrap());
        let decide = |request: &RightsRequest, decision| request.decide(&decision, &by, now());
        let refused = decide(&a_request(Kind::Access), Decision::Refused(no.clone())).unwrap().unwrap();
        assert!(!refused.is_open());
        assert_eq!(decide(&refused, Decision::Refused(no)), Ok(None));
        assert_eq!(decide(&refused, Decision::Done), Err(Refusal::DecidedAlready));
        let done = decide(&a_request(Kind::Review), Decision::Done).unwrap().unwrap();
        assert_eq!(decide(&done, Decision::Done), Ok(None));
        assert_eq!(decide(&a_request(Kind::Erasure), Decision::Done), Err(Refusal::DecidedByErasing));
    }
}
