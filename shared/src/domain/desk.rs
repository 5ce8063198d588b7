//! Settings of the service desk: which type goes to which department, what is promised, when the desk is open, when a
//! survey is sent. Versioned as a whole.

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::faq::{self, FaqEntry};
use super::flaw::{Flaw, Flaws};
use super::notice::Notices;
use super::sla::Policy;
use super::survey::SurveySettings;
use super::ticket::{Channel, Kind, Priority};
use crate::values::{Actor, Code, Moment, Name};

/// The most departments, and the most return reasons.
const MOST_CODES: usize = 30;
/// The most policies.
const MOST_POLICIES: usize = 50;

/// A department that works on tickets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Department {
    /// Its code.
    pub id: Code,
    /// What it is called.
    pub name: Name,
}

/// Where tickets of a type go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketRoute)]
pub struct Route {
    /// The type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The department.
    pub department: Code,
    /// How urgent they are, unless staff say otherwise.
    pub priority: Priority,
}

/// Why something is sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnReason {
    /// Its code.
    pub id: Code,
    /// What it is called.
    pub name: Name,
}

/// The tag that a member bears for a while after a ticket of theirs was solved, so that a segment can ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketClosedTag)]
pub struct ClosedTag {
    /// What it says.
    pub tag: Name,
    /// For how many days, the day of closing included, 1 to 90.
    pub days: u32,
}

/// How much one member may ask of the desk. Staff and systems who act for members are not held to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketLimits)]
pub struct TicketLimits {
    /// The most tickets that are neither resolved nor closed, 1 to 1000.
    pub open: u32,
    /// The most messages in a day, the first of each ticket included, 1 to 1000.
    pub messages_a_day: u32,
}

impl Default for TicketLimits {
    /// More than anybody who writes by hand has to say, and little for a script.
    fn default() -> Self {
        Self { open: 30, messages_a_day: 100 }
    }
}

/// Settings of the service desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Desk {
    /// Departments.
    pub departments: Vec<Department>,
    /// Where each type goes; one for every type.
    pub routes: Vec<Route>,
    /// The department that escalated tickets and follow-ups of bad surveys go to.
    pub escalation: Code,
    /// What is promised: the first policy that holds for a ticket counts. The last one holds for all.
    pub policies: Vec<Policy>,
    /// When the desk is open.
    pub calendar: Calendar,
    /// Days after which a resolved ticket closes by itself, 1 to 90.
    pub close_after_days: u32,
    /// Days for which a closed ticket can be reopened, 0 to 365.
    pub reopen_days: u32,
    /// The tag that members bear after a ticket of theirs was solved; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_tag: Option<ClosedTag>,
    /// Why something is sent back.
    pub return_reasons: Vec<ReturnReason>,
    /// The survey.
    pub survey: SurveySettings,
    /// What goes out about tickets; nothing when left out.
    #[serde(default)]
    pub notices: Notices,
    /// How much one member may ask.
    #[serde(default)]
    pub limits: TicketLimits,
    /// Questions that there are answers to.
    #[serde(default)]
    pub faq: Vec<FaqEntry>,
}

/// One version of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeskVersion {
    /// Its number.
    pub version: u32,
    /// Since when it counts.
    pub saved_at: Moment,
    /// Who saved it.
    pub by: Actor,
    /// The settings.
    pub desk: Desk,
}

impl Desk {
    /// Where a ticket of this type goes.
    #[must_use]
    pub fn route(&self, kind: Kind) -> (Code, Priority) {
        let route = self.routes.iter().find(|route| route.kind == kind);
        route.map_or_else(|| (self.escalation.clone(), Priority::Normal), |r| (r.department.clone(), r.priority))
    }

    /// What a ticket like this is promised; none only for settings with flaws.
    #[must_use]
    pub fn policy(&self, kind: Kind, priority: Priority, channel: Channel) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.holds(kind, priority, channel))
    }

    /// Whether there is a department with this code.
    #[must_use]
    pub fn has_department(&self, id: &Code) -> bool {
        self.departments.iter().any(|department| department.id == *id)
    }

    /// Whether there is a return reason with this code.
    #[must_use]
    pub fn has_return_reason(&self, id: &Code) -> bool {
        self.return_reasons.iter().any(|reason| reason.id == *id)
    }

    /// Everything that makes the settings unusable, with its place in the document.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        let unknown = |id: &Code| !self.has_department(id);
        let few = |length: usize| (1..=MOST_CODES).contains(&length);
        flaws.note(!few(self.departments.len()), "/departments", "must be 1 to 30");
        flaws.note(self.return_reasons.len() > MOST_CODES, "/return_reasons", "must be at most 30");
        for (n, department) in self.departments.iter().enumerate() {
            let again = self.departments.iter().take(n).any(|other| other.id == department.id);
            flaws.note(again, format_args!("/departments/{n}/id"), "must differ from the ids before it");
        }
        for (n, reason) in self.return_reasons.iter().enumerate() {
            let again = self.return_reasons.iter().take(n).any(|other| other.id == reason.id);
            flaws.note(again, format_args!("/return_reasons/{n}/id"), "must differ from the ids before it");
        }
        for (n, route) in self.routes.iter().enumerate() {
            flaws.note(
                unknown(&route.department),
                format_args!("/routes/{n}/department"),
                "must be one of departments",
            );
        }
        for kind in Kind::ALL {
            let routes = self.routes.iter().filter(|route| route.kind == kind).count();
            flaws.note(routes != 1, "/routes", &format!("must name the type {kind} once"));
        }
        flaws.note(unknown(&self.escalation), "/escalation", "must be one of departments");
        let open = self.policies.last().is_none_or(|policy| !policy.holds_always());
        flaws.note(open, "/policies", "must end with a policy without types, priorities and channels");
        flaws.note(self.policies.len() > MOST_POLICIES, "/policies", "must be at most 50");
        flaws.note(!(1..=90).contains(&self.close_after_days), "/close_after_days", "must be 1 to 90");
        flaws.note(self.reopen_days > 365, "/reopen_days", "must be at most 365");
        let tag = self.closed_tag.as_ref().is_some_and(|closed| !(1..=90).contains(&closed.days));
        flaws.note(tag, "/closed_tag/days", "must be 1 to 90");
        let policies = self.policies.iter().enumerate();
        flaws.0.extend(policies.flat_map(|(n, policy)| policy.flaws(&format!("/policies/{n}"))));
        let calendar = self.calendar.flaws().into_iter();
        flaws.0.extend(calendar.map(|f| Flaw { pointer: format!("/calendar{}", f.pointer), ..f }));
        flaws.0.extend(self.survey.flaws());
        flaws.0.extend(self.notices.flaws());
        let TicketLimits { open, messages_a_day } = self.limits;
        for (limit, name) in [(open, "open"), (messages_a_day, "messages_a_day")] {
            flaws.note(!(1..=1_000).contains(&limit), format_args!("/limits/{name}"), "must be 1 to 1000");
        }
        flaws.0.extend(faq::flaws(&self.faq));
        flaws.0
    }

    /// The settings that count until somebody saves others; an error can't happen, a test reads them.
    ///
    /// The first reply comes within 24 hours by the clock on the wall; the rest is counted in open hours. What is
    /// urgent is answered within one, quality within four; they are solved within eight, anything else within
    /// twenty-four. The desk is open from Monday to Friday, 9 to 12 and 13 to 18. The holidays and make-up workdays of
    /// 2026 are those of the State Council's notice of 4 November 2025 (国务院办公厅关于2026年部分节假日安排的通知);
    /// which weekday's hours are worked on a make-up day the notice leaves open. Later years are entered as they are
    /// announced.
    pub fn shipped() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("desks/shipped.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Weekday;

    fn places(desk: &Desk) -> Vec<String> {
        desk.flaws().into_iter().map(|flaw| flaw.pointer).collect()
    }

    #[test]
    fn the_shipped_settings_can_be_read_and_have_no_flaw() {
        assert_eq!(Desk::shipped().unwrap().flaws(), []);
    }

    #[test]
    fn the_shipped_year_has_thirty_three_days_off_and_six_to_make_up_for_them() {
        let calendar = Desk::shipped().unwrap().calendar;
        let off: i32 = calendar.holidays.iter().map(|holiday| holiday.until.days_since(holiday.from) + 1).sum();
        assert_eq!((off, calendar.workdays.len()), (33, 6));
        let is_weekend = |day| matches!(Weekday::of(day), Weekday::Saturday | Weekday::Sunday);
        assert!(calendar.workdays.iter().all(|workday| is_weekend(workday.day)));
    }

    #[test]
    fn every_type_has_a_department_and_a_promise() {
        let desk = Desk::shipped().unwrap();
        for kind in Kind::ALL {
            let (department, priority) = desk.route(kind);
            assert!(desk.has_department(&department));
            assert!(desk.policy(kind, priority, Channel::MiniProgram).is_some());
        }
        let id = |priority| desk.policy(Kind::Other, priority, Channel::Phone).unwrap().id.to_string();
        assert_eq!([id(Priority::Urgent), id(Priority::High), id(Priority::Low)], ["urgent", "high", "standard"]);
    }

    #[test]
    fn a_flaw_is_named_with_its_place() {
        let shipped = Desk::shipped().unwrap();
        let nowhere = Code::parse("nowhere").unwrap();
        assert_eq!(places(&Desk { escalation: nowhere, ..shipped.clone() }), ["/escalation"]);
        let routes = shipped.routes.iter().skip(1).cloned().collect();
        assert_eq!(places(&Desk { routes, ..shipped.clone() }), ["/routes"]);
        let policies = shipped.policies.iter().take(2).cloned().collect();
        assert_eq!(places(&Desk { policies, ..shipped.clone() }), ["/policies"]);
        let mut endless = shipped;
        endless.policies[1].next_reply.minutes = 0;
        endless.calendar.week.friday.reverse();
        endless.close_after_days = 0;
        endless.limits.messages_a_day = 0;
        if let Some(survey) = &mut endless.notices.survey {
            survey.content.wecom = None;
        }
        let flaws = ["/close_after_days", "/policies/1/next_reply/minutes", "/calendar/week/friday/1"];
        let flaws = [&flaws[..], &["/notices/survey/content/wecom", "/limits/messages_a_day"]].concat();
        assert_eq!(places(&endless), flaws);
    }
}
