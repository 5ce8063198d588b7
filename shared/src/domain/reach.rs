//! Reach: what has lately gone to a member, what may still go, and where nothing may go.
//!
//! It lies in the member's hot item, so that every gate in front of a send is judged from the one read that a send makes
//! anyway, and a cap holds by that item's version: two sends to one member at once can't both be the last one allowed.
//! No journal row tells of it: a message moves no points.

use serde::{Deserialize, Serialize};

use super::campaign::conversion::{Arm, Attribution, Conversion};
use super::program::Period;
use super::traits::Channel;
use crate::values::{CampaignId, Code, LocalDay, Moment, SendId, TemplateId};

/// How long a touch is remembered, in days: the longest period of a cap, which is a month, and the longest window of
/// attribution.
pub const TOUCH_DAYS: u32 = 31;

/// The most templates whose credits are counted for one member: what a mini program may ask for, with room for change.
const MOST_CREDITS: usize = 50;

/// A message that went to the member, or that may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// The send.
    pub send: SendId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The variant.
    pub variant: Option<Code>,
    /// The channel.
    pub channel: Channel,
    /// When.
    pub at: Moment,
    /// Until when an order counts as its answer; the moment itself for what nobody buys from.
    pub counts_until: Moment,
    /// Whether an order has come since.
    pub converted: bool,
}

/// A message that would have gone to the member, had they not been held out. It counts for no cap: nothing went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOut {
    /// The send.
    pub send: SendId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// When it would have gone.
    pub at: Moment,
    /// Until when an order would have counted as its answer.
    pub counts_until: Moment,
    /// Whether an order has come since.
    pub converted: bool,
}

/// Subscribe messages of one template that the member has accepted and not yet been sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// The template, by WeChat's id.
    pub template: TemplateId,
    /// How many.
    pub left: u32,
}

/// Why nothing goes to a member on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuppressedBy {
    /// The member asked for no more, by a word sent back or a switch of the provider's.
    OptOut,
    /// The provider keeps the address on a list of its own.
    Blacklist,
    /// The address does not exist any more.
    Bounce,
    /// The member reported a message as unwanted.
    Complaint,
}

/// A channel on which nothing goes to the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The channel.
    pub channel: Channel,
    /// Why.
    pub by: SuppressedBy,
    /// Since when.
    pub since: LocalDay,
}

/// How many messages may go to one member in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FrequencyCap)]
pub struct FrequencyCap {
    /// On this channel; over all channels when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The period: a calendar day, week or month in Asia/Shanghai.
    pub per: Period,
    /// How many.
    pub most: u32,
}

/// What has lately gone to a member, what may still go, and where nothing may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    touches: Vec<Touch>,
    credits: Vec<Credit>,
    suppressions: Vec<Suppression>,
    held_out: Vec<HeldOut>,
}

impl Reach {
    /// What lately went to the member, oldest first.
    #[must_use]
    pub fn touches(&self) -> &[Touch] {
        &self.touches
    }

    /// Where nothing may go.
    #[must_use]
    pub fn suppressions(&self) -> &[Suppression] {
        &self.suppressions
    }

    /// Why nothing goes to the member on this channel; none when something may.
    #[must_use]
    pub fn suppressed(&self, channel: Channel) -> Option<SuppressedBy> {
        self.suppressions.iter().find(|known| known.channel == channel).map(|known| known.by)
    }

    /// The first cap that one more message on this channel would break; none when it may go.
    #[must_use]
    pub fn capped<'a>(&self, caps: &'a [FrequencyCap], channel: Channel, today: LocalDay) -> Option<&'a FrequencyCap> {
        caps.iter().filter(|cap| cap.channel.is_none_or(|only| only == channel)).find(|cap| {
            let since = cap.per.start(today);
            let counts =
                |touch: &&Touch| touch.at.day() >= since && cap.channel.is_none_or(|only| only == touch.channel);
            self.touches.iter().filter(counts).count() >= usize::try_from(cap.most).unwrap_or(usize::MAX)
        })
    }

    /// Whether an order at this moment is a conversion of anything: of nothing for nearly everybody.
    #[must_use]
    pub fn may_convert(&self, at: Moment) -> bool {
        self.touches.iter().any(|touch| touch.at <= at && at < touch.counts_until)
            || self.held_out.iter().any(|held| held.at <= at && at < held.counts_until)
    }

    /// Every campaign whose window is open for an order at this moment, by the last of its sends; oldest first.
    #[must_use]
    pub fn conversions(&self, at: Moment, by: Attribution) -> Vec<Conversion> {
        let touched = self.touches.iter().map(|touch| {
            let arm = Arm::Copy { variant: touch.variant.clone(), channel: touch.channel };
            (touch.at, touch.counts_until, conversion(touch.send, touch.campaign, arm, !touch.converted))
        });
        let held_out = self.held_out.iter().map(|held| {
            (held.at, held.counts_until, conversion(held.send, held.campaign, Arm::Holdout, !held.converted))
        });
        let mut open: Vec<(Moment, Conversion)> = touched
            .chain(held_out)
            .filter(|(from, until, _)| *from <= at && at < *until)
            .map(|(from, _, conversion)| (from, conversion))
            .collect();
        open.sort_by_key(|(from, conversion)| (*from, conversion.send));
        let sends: Vec<Conversion> = open.into_iter().map(|(_, conversion)| conversion).collect();
        let is_last = |(place, send): &(usize, &Conversion)| {
            sends.iter().skip(place + 1).all(|later| later.campaign != send.campaign)
        };
        let mut found: Vec<_> = sends.iter().enumerate().filter(is_last).map(|(_, send)| send.clone()).collect();
        let mut copies = found.iter_mut().filter(|conversion| conversion.arm != Arm::Holdout);
        let attributed = match by {
            Attribution::Last => copies.next_back(),
            Attribution::First => copies.next(),
        };
        if let Some(conversion) = attributed {
            conversion.attributed = true;
        }
        found
    }

    /// An order has come that these tell of.
    pub fn convert(&mut self, conversions: &[Conversion]) {
        let told = |send: SendId| conversions.iter().any(|conversion| conversion.send == send);
        self.touches.iter_mut().filter(|touch| told(touch.send)).for_each(|touch| touch.converted = true);
        self.held_out.iter_mut().filter(|held| told(held.send)).for_each(|held| held.converted = true);
    }

    /// A message goes out; telling it again changes nothing. What is too old to count is forgotten.
    pub fn touch(&mut self, touch: Touch) {
        let first = touch.at.day().minus(TOUCH_DAYS);
        let converted = self.touches.iter().any(|known| known.send == touch.send && known.converted);
        self.touches.retain(|known| known.send != touch.send && known.at.day() >= first);
        let place = self.touches.partition_point(|known| known.at <= touch.at);
        self.touches.insert(place, Touch { converted: converted || touch.converted, ..touch });
    }

    /// A message does not go out, because the member is held out; telling it again changes nothing.
    pub fn hold_out(&mut self, held: HeldOut) {
        let first = held.at.day().minus(TOUCH_DAYS);
        let converted = self.held_out.iter().any(|known| known.send == held.send && known.converted);
        self.held_out.retain(|known| known.send != held.send && known.at.day() >= first);
        self.held_out.push(HeldOut { converted: converted || held.converted, ..held });
    }

    /// The message did not go out after all.
    pub fn untouch(&mut self, send: SendId) {
        self.touches.retain(|known| known.send != send);
    }

    /// Messages of this template that may still go.
    #[must_use]
    pub fn credit(&self, template: &TemplateId) -> u32 {
        self.credits.iter().find(|known| known.template == *template).map_or(0, |known| known.left)
    }

    /// The member accepts one more message of this template. What was accepted least lately makes room.
    pub fn grant(&mut self, template: &TemplateId) {
        let left = self.credit(template).saturating_add(1);
        self.exhaust(template);
        self.credits.push(Credit { template: template.clone(), left });
        let over = self.credits.len().saturating_sub(MOST_CREDITS);
        self.credits.drain(..over);
    }

    /// One message of this template goes out; false when none may.
    pub fn spend(&mut self, template: &TemplateId) -> bool {
        let Some(place) = self.credits.iter().position(|known| known.template == *template) else { return false };
        let Some(credit) = self.credits.get_mut(place) else { return false };
        credit.left = credit.left.saturating_sub(1);
        if credit.left == 0 {
            self.credits.remove(place);
        }
        true
    }

    /// None of this template may go any more.
    pub fn exhaust(&mut self, template: &TemplateId) {
        self.credits.retain(|known| known.template != *template);
    }

    /// Nothing goes to the member on this channel from now on. The first reason stays.
    pub fn suppress(&mut self, channel: Channel, by: SuppressedBy, since: LocalDay) {
        if self.suppressed(channel).is_none() {
            self.suppressions.push(Suppression { channel, by, since });
        }
    }

    /// Something may go again, because the member has asked for it anew. An address that does not exist comes to life by
    /// nobody's will.
    pub fn readmit(&mut self, channel: Channel) {
        self.suppressions.retain(|known| known.channel != channel || known.by == SuppressedBy::Bounce);
    }

    /// What two accounts of one person know together: whatever forbids goes on forbidding.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        other.touches.iter().for_each(|touch| joined.touch(touch.clone()));
        other.held_out.iter().for_each(|held| joined.hold_out(*held));
        // A credit belongs to an openid, and only one of the two is written to.
        for theirs in other.credits.iter().filter(|theirs| self.credit(&theirs.template) == 0) {
            joined.credits.push(theirs.clone());
        }
        for theirs in &other.suppressions {
            joined.suppress(theirs.channel, theirs.by, theirs.since);
        }
        joined
    }

    /// Whether nothing is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.touches.is_empty() && self.credits.is_empty() && self.suppressions.is_empty() && self.held_out.is_empty()
    }
}

fn conversion(send: SendId, campaign: CampaignId, arm: Arm, first: bool) -> Conversion {
    Conversion { send, campaign, arm, first, attributed: false }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn noon(day: u32) -> Moment {
        Moment::start_of(LocalDay::parse("2026-11-02").unwrap().plus(day)).plus(12 * HOUR)
    }

    fn a_touch(name: &str, channel: Channel, at: Moment) -> Touch {
        let campaign = CampaignId::of("test", &["campaign"]);
        let send = SendId::of("test", &[name]);
        Touch { send, campaign, variant: None, channel, at, counts_until: at.plus(72 * HOUR), converted: false }
    }

    fn a_touch_of(campaign: &str, at: Moment) -> Touch {
        Touch { campaign: CampaignId::of("test", &[campaign]), ..a_touch(campaign, Channel::Sms, at) }
    }

    fn held_out_of(campaign: &str, at: Moment) -> HeldOut {
        let Touch { send, campaign, at, counts_until, converted, .. } = a_touch_of(campaign, at);
        HeldOut { send, campaign, at, counts_until, converted }
    }

    fn cap(channel: Option<Channel>, per: Period, most: u32) -> FrequencyCap {
        FrequencyCap { channel, per, most }
    }

    #[test]
    fn a_cap_counts_calendar_days_weeks_and_months_and_its_own_channel_only() {
        let mut reach = Reach::default();
        reach.touch(a_touch("monday", Channel::Sms, noon(0)));
        let sunday = noon(6).day();
        let weekly = [cap(Some(Channel::Sms), Period::Week, 1)];
        assert_eq!(reach.capped(&weekly, Channel::Sms, sunday), Some(&weekly[0]));
        assert_eq!(reach.capped(&weekly, Channel::Email, sunday), None);
        assert_eq!(reach.capped(&weekly, Channel::Sms, sunday.plus(1)), None);
        let any = [cap(None, Period::Month, 1)];
        assert_eq!(reach.capped(&any, Channel::Email, noon(28).day()), Some(&any[0]));
        assert_eq!(reach.capped(&any, Channel::Email, noon(29).day()), None);
    }

    #[test]
    fn what_did_not_go_out_counts_for_nothing() {
        let mut reach = Reach::default();
        let touch = a_touch("one", Channel::Sms, noon(0));
        reach.touch(touch.clone());
        reach.touch(touch.clone());
        assert_eq!(reach.touches().len(), 1);
        reach.untouch(touch.send);
        assert!(reach.is_empty());
    }

    #[test]
    fn an_order_answers_only_what_went_before_it_and_within_its_time() {
        let mut reach = Reach::default();
        reach.touch(a_touch("one", Channel::Sms, noon(1)));
        let answers = |at: Moment| reach.conversions(at, Attribution::Last).len();
        assert_eq!([0, 1, 3, 4].map(|day| answers(noon(day))), [0, 1, 1, 0]);
        assert_eq!([0, 1, 3, 4].map(|day| reach.may_convert(noon(day))), [false, true, true, false]);
    }

    #[test]
    fn every_open_campaign_has_its_conversion_and_one_has_the_revenue() {
        let mut reach = Reach::default();
        for (campaign, day) in [("over", 0), ("older", 4), ("newer", 5)] {
            reach.touch(a_touch_of(campaign, noon(day)));
        }
        reach.hold_out(held_out_of("held out", noon(5)));
        let found = |by| -> Vec<(SendId, bool)> {
            reach.conversions(noon(6), by).iter().map(|found| (found.send, found.attributed)).collect()
        };
        let send = |campaign: &str| SendId::of("test", &[campaign]);
        let mut last = found(Attribution::Last);
        last.sort_by_key(|(send, attributed)| (*attributed, *send));
        assert_eq!(last.len(), 3);
        assert_eq!(last.last(), Some(&(send("newer"), true)));
        assert!(found(Attribution::First).contains(&(send("older"), true)));
        assert_eq!(found(Attribution::First).iter().filter(|(_, attributed)| *attributed).count(), 1);
    }

    #[test]
    fn several_copies_of_one_campaign_are_one_conversion_of_the_last() {
        let mut reach = Reach::default();
        reach.touch(a_touch("one", Channel::Sms, noon(0)));
        reach.touch(a_touch("other", Channel::Email, noon(1)));
        let found = reach.conversions(noon(2), Attribution::First);
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].arm, found[0].attributed), (&Arm::Copy { variant: None, channel: Channel::Email }, true));
    }

    #[test]
    fn only_the_first_order_is_the_members_first() {
        let mut reach = Reach::default();
        reach.touch(a_touch_of("one", noon(0)));
        reach.hold_out(held_out_of("other", noon(0)));
        let first = reach.conversions(noon(1), Attribution::Last);
        assert!(first.len() == 2 && first.iter().all(|conversion| conversion.first));
        reach.convert(&first);
        reach.touch(a_touch_of("one", noon(0)));
        reach.hold_out(held_out_of("other", noon(0)));
        let second = reach.conversions(noon(2), Attribution::Last);
        assert!(second.len() == 2 && second.iter().all(|conversion| !conversion.first));
    }

    #[test]
    fn being_held_out_counts_for_no_cap_and_earns_no_revenue() {
        let mut reach = Reach::default();
        reach.hold_out(held_out_of("one", noon(0)));
        reach.hold_out(held_out_of("one", noon(0)));
        let any = [cap(None, Period::Month, 1)];
        assert_eq!(reach.capped(&any, Channel::Sms, noon(0).day()), None);
        let found = reach.conversions(noon(1), Attribution::Last);
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].arm, found[0].attributed), (&Arm::Holdout, false));
        let other = Reach::default().joined(&reach);
        assert_eq!(other.conversions(noon(1), Attribution::Last), found);
    }

    #[test]
    fn two_accounts_of_one_person_together_forbid_what_either_forbade() {
        let (mut one, mut other) = (Reach::default(), Reach::default());
        one.touch(a_touch("one", Channel::Sms, noon(0)));
        other.touch(a_touch("other", Channel::Sms, noon(1)));
        other.suppress(Channel::Email, SuppressedBy::Bounce, noon(1).day());
        let both = one.joined(&other);
        assert_eq!(both.touches().len(), 2);
        assert_eq!(both.suppressed(Channel::Email), Some(SuppressedBy::Bounce));
    }

    proptest! {
        #[test]
        fn credits_are_never_spent_more_often_than_granted(steps in prop::collection::vec((0_u8..3, 0_u8..3), 0..60)) {
            let mut reach = Reach::default();
            let mut left = [0_u32; 3];
            for (template, step) in steps {
                let id = TemplateId::parse(&format!("t{template}")).unwrap();
                let left = &mut left[usize::from(template)];
                match step {
                    0 => { reach.grant(&id); *left += 1; }
                    1 => { prop_assert_eq!(reach.spend(&id), *left > 0); *left = left.saturating_sub(1); }
                    _ => { reach.exhaust(&id); *left = 0; }
                }
                prop_assert_eq!(reach.credit(&id), *left);
            }
        }

        #[test]
        fn a_cap_lets_exactly_so_many_through(most in 1_u32..5, days in prop::collection::vec(0_u32..40, 0..60)) {
            let caps = [cap(None, Period::Day, most), cap(Some(Channel::Sms), Period::Week, 2 * most)];
            let mut reach = Reach::default();
            let mut days = days;
            days.sort_unstable();
            for (n, day) in days.into_iter().enumerate() {
                let today = noon(day).day();
                if reach.capped(&caps, Channel::Sms, today).is_none() {
                    reach.touch(a_touch(&n.to_string(), Channel::Sms, noon(day)));
                }
                let on = |since: LocalDay| reach.touches().iter().filter(|t| t.at.day() >= since).count();
                prop_assert!(on(today) <= most as usize);
                prop_assert!(on(Period::Week.start(today)) <= 2 * most as usize);
            }
        }
    }
}
