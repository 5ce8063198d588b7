//! Campaigns: what goes to whom, on which channel, when, and how often.
//!
//! A campaign is a [`Definition`] and where it stands. Launching it pages its audience into a queue; what becomes of one
//! member's copy is a [`send::Send`], which is claimed before a provider is asked and counted under where it stands. All
//! decisions are here, pure: whether something may go ([`gates`]), to whom which wording goes ([`assign`]), when it may
//! arrive ([`quiet`]), and when a provider is left alone ([`circuit`]).

pub mod answer;
pub mod assign;
pub mod circuit;
pub mod content;
pub mod conversion;
pub mod counts;
pub mod definition;
pub mod gates;
pub mod limits;
pub mod outcome;
pub mod quiet;
pub mod report;
pub mod scene;
pub mod send;
mod trigger;
mod turn;

use serde::{Deserialize, Serialize};

pub use self::turn::{BURST, Pace, Turn};

use self::definition::Definition;
use super::refusal::Refusal;
use crate::values::{Actor, CampaignId, Moment, RowKey};

/// Where a campaign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CampaignState)]
pub enum State {
    /// Being written.
    Draft,
    /// Launched, and its window has not begun.
    Scheduled,
    /// On its way.
    Running,
    /// Held up by staff, or because a provider refused its content; what is due waits.
    Paused,
    /// Ended by staff; what was due does not go.
    Stopped,
    /// Ended with its window.
    Finished,
}

impl State {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
        }
    }

    /// Whether something may still go out.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Scheduled | Self::Running | Self::Paused)
    }
}

/// What staff do with a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Let it go out.
    Launch,
    /// Hold it up.
    Pause,
    /// Let it go on.
    Resume,
    /// End it.
    Stop,
}

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// What it is to do.
    pub definition: Definition,
    /// Where it stood when it was last changed; see [`Campaign::standing`].
    pub state: State,
    /// When it was made.
    pub created_at: Moment,
    /// By whom.
    pub created_by: Actor,
    /// A hash of what was asked for when it was made, by which a repeated request is known.
    pub asked: RowKey,
    /// When it was launched.
    pub launched_at: Option<Moment>,
    /// When its whole audience was in the queue.
    pub dispatched_at: Option<Moment>,
    /// Why it was paused by itself: what a provider said of its content.
    pub fault: Option<String>,
}

impl Campaign {
    /// A draft.
    #[must_use]
    pub const fn draft(id: CampaignId, definition: Definition, asked: RowKey, by: Actor, now: Moment) -> Self {
        Self {
            id,
            definition,
            state: State::Draft,
            created_at: now,
            created_by: by,
            asked,
            launched_at: None,
            dispatched_at: None,
            fault: None,
        }
    }

    /// Where it stands now: time alone begins and ends it.
    #[must_use]
    pub fn standing(&self, now: Moment) -> State {
        let window = self.definition.window;
        match self.state {
            State::Scheduled | State::Running | State::Paused if now >= window.until => State::Finished,
            State::Scheduled if now >= window.from => State::Running,
            state => state,
        }
    }

    /// When time alone changes where it stands.
    #[must_use]
    pub fn due_at(&self) -> Option<Moment> {
        match self.state {
            State::Scheduled => Some(self.definition.window.from),
            State::Running | State::Paused => Some(self.definition.window.until),
            State::Draft | State::Stopped | State::Finished => None,
        }
    }

    /// Whether a launch, and not moves between segments, sets its messages off.
    #[must_use]
    pub const fn is_broadcast(&self) -> bool {
        self.definition.trigger.is_none()
    }

    /// Whether the same member may get a second copy: then copies tell nothing of how many members there are.
    #[must_use]
    pub fn may_come_again(&self) -> bool {
        self.definition.trigger.is_some_and(|trigger| trigger.again_after_days.is_some())
    }

    /// The campaign as time has left it.
    #[must_use]
    pub fn aged(&self, now: Moment) -> Self {
        Self { state: self.standing(now), ..self.clone() }
    }

    /// The campaign after an act. Doing again what is done changes nothing.
    pub fn act(&self, act: Act, now: Moment) -> Result<Self, Refusal> {
        let mut next = self.aged(now);
        let to = match (next.state, act) {
            (State::Draft, Act::Launch) => {
                next.launched_at = Some(now);
                if now < next.definition.window.from { State::Scheduled } else { State::Running }
            }
            (State::Scheduled | State::Running, Act::Launch | Act::Resume)
            | (State::Paused, Act::Pause)
            | (State::Stopped, Act::Stop) => next.state,
            (State::Scheduled | State::Running, Act::Pause) => State::Paused,
            (State::Paused, Act::Resume) => {
                next.fault = None;
                if now < next.definition.window.from { State::Scheduled } else { State::Running }
            }
            (State::Draft | State::Scheduled | State::Running | State::Paused, Act::Stop) => State::Stopped,
            (from, _) => return Err(Refusal::CampaignStands { state: from }),
        };
        next.state = to;
        Ok(next)
    }

    /// The campaign paused by itself, because a provider refused its content; nothing for one that is not on its way.
    #[must_use]
    pub fn faulted(&self, said: &str, now: Moment) -> Option<Self> {
        let aged = self.aged(now);
        let goes_on = matches!(aged.state, State::Scheduled | State::Running);
        goes_on.then(|| Self { state: State::Paused, fault: Some(said.to_owned()), ..aged })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn a_definition() -> Definition {
        let variant = |id: &str| json!({ "id": id, "weight": 50, "content": { "sms": { "sign": "回头客", "template": "SMS_1", "text": "好久不见" } } });
        let definition = json!({
            "name": "唤醒", "scene": "dormant_wake_up", "purpose": "marketing", "audience": { "segment": "dormant" },
            "plan": ["sms"], "variants": [variant("a"), variant("b")], "attribution_days": 7,
            "window": { "from": "2026-11-02T10:00:00+08:00", "until": "2026-11-09T10:00:00+08:00" },
        });
        serde_json::from_value(definition).unwrap()
    }

    fn at(hour: u8) -> Moment {
        Moment::parse(&format!("2026-11-02T{hour:02}:00:00+08:00")).unwrap()
    }

    fn a_draft() -> Campaign {
        let (id, by) = (CampaignId::of("test", &["campaign"]), Actor::parse("operator:li").unwrap());
        Campaign::draft(id, a_definition(), RowKey::of("test", &[]), by, at(8))
    }

    #[test]
    fn time_alone_begins_and_ends_a_launched_campaign() {
        let launched = a_draft().act(Act::Launch, at(9)).unwrap();
        assert_eq!((launched.state, launched.due_at()), (State::Scheduled, Some(launched.definition.window.from)));
        assert_eq!(launched.standing(at(10)), State::Running);
        assert_eq!(launched.standing(launched.definition.window.until), State::Finished);
        assert_eq!(a_draft().standing(launched.definition.window.until), State::Draft);
    }

    #[test]
    fn doing_again_what_is_done_changes_nothing_and_what_has_ended_stays_so() {
        let running = a_draft().act(Act::Launch, at(11)).unwrap();
        assert_eq!(running.state, State::Running);
        assert_eq!(running.act(Act::Launch, at(12)), Ok(running.clone()));
        let paused = running.act(Act::Pause, at(12)).unwrap();
        assert_eq!(paused.act(Act::Pause, at(13)), Ok(paused.clone()));
        assert_eq!(paused.act(Act::Resume, at(13)).unwrap().state, State::Running);
        let stopped = paused.act(Act::Stop, at(14)).unwrap();
        assert_eq!(stopped.act(Act::Stop, at(15)), Ok(stopped.clone()));
        for act in [Act::Launch, Act::Pause, Act::Resume] {
            assert_eq!(stopped.act(act, at(15)), Err(Refusal::CampaignStands { state: State::Stopped }));
        }
        assert_eq!(a_draft().act(Act::Pause, at(9)), Err(Refusal::CampaignStands { state: State::Draft }));
    }
}
