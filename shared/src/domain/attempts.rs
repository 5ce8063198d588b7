//! Attempts: how often somebody may try what invites abuse, and from when on they may again.
//!
//! All limits stand in [`LIMITS`], and nowhere else. They count in fixed windows that divide the day of Shanghai: one
//! conditional counter per window, which needs neither a read before it nor a list of the times that a sliding window
//! would keep. The price is that up to twice as many attempts can meet around the end of a window; the figures below
//! are chosen with that in mind.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::values::{LocalDay, Moment};

/// By what attempts are told apart. Nobody is held to what somebody else claims: an openid counts once WeChat has told
/// it, staff and members once their token has proved them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// The network address, as the gateway has seen it.
    Address,
    /// The person, as WeChat knows them.
    OpenId,
    /// The member of the session.
    Member,
    /// The staff member of the token.
    Staff,
}

/// What counts as an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Everything that costs something or shows something, before it is done: it costs one call to the table, and when
    /// the counter can't be reached nothing is done.
    Doings,
    /// Answers with one of these codes, after they are known: whoever is right pays nothing and is never turned away,
    /// however many others guess from the same address; a refusal turns into 429. When the counter can't be reached the
    /// refusal stays what it was.
    Refusals(&'static [&'static str]),
}

/// How often something may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited: its counters have this name, so that two rows with the same name share them.
    pub name: &'static str,
    /// The routes, by method and pattern.
    pub routes: &'static [(&'static str, &'static str)],
    /// By what attempts are told apart.
    pub per: Per,
    /// What counts.
    pub counted: Counted,
    /// The most within a window.
    pub most: u32,
    /// The window: a whole part of a day.
    pub within: Duration,
}

const TEN_MINUTES: Duration = Duration::from_mins(10);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Codes that WeChat doesn't know, and codes for phones that it doesn't know. Addresses of mobile networks are shared
/// by thousands, of whom hardly anybody ever sends a code that does not count.
pub const LOG_INS: Limit = Limit {
    name: "log-in",
    routes: &[("POST", "/v1/sessions")],
    per: Per::Address,
    counted: Counted::Refusals(&["login_code_invalid", "phone_code_invalid"]),
    most: 60,
    within: TEN_MINUTES,
};

/// WeChat charges for every number that it tells. That a person logs in too often it says itself.
pub const PHONE_CODES: Limit = Limit {
    name: "phone-code",
    routes: &[("POST", "/v1/sessions"), ("POST", "/v1/me/phone")],
    per: Per::OpenId,
    counted: Counted::Doings,
    most: 30,
    within: DAY,
};

/// Each may leave 15 MB for a day.
pub const UPLOADS: Limit = Limit {
    name: "upload",
    routes: &[("POST", "/v1/me/attachments")],
    per: Per::Member,
    counted: Counted::Doings,
    most: 60,
    within: DAY,
};

/// Phones and cards can be tried one by one, so hits count as well as misses: one every ten seconds of an hour.
pub const LOOK_UPS: Limit = Limit {
    name: "look-up",
    routes: &[("POST", "/v1/members/lookup")],
    per: Per::Staff,
    counted: Counted::Doings,
    most: 360,
    within: HOUR,
};

/// Links in messages are signed: a guess finds nothing and reads nothing.
pub const LINKS: Limit = Limit {
    name: "link",
    routes: &[("GET", "/r/{token}"), ("GET", "/u/{token}"), ("POST", "/u/{token}")],
    per: Per::Address,
    counted: Counted::Refusals(&["not_found"]),
    most: 100,
    within: TEN_MINUTES,
};

/// Links of surveys are signed.
pub const SURVEYS: Limit = Limit {
    name: "survey",
    routes: &[("POST", "/v1/surveys/{token}")],
    per: Per::Address,
    counted: Counted::Refusals(&["survey_unknown"]),
    most: 30,
    within: TEN_MINUTES,
};

/// Receipts of erasures are signed.
pub const ERASURE_RECEIPTS: Limit = Limit {
    name: "erasure-receipt",
    routes: &[("POST", "/v1/erasure-receipts")],
    per: Per::Address,
    counted: Counted::Refusals(&["receipt_unknown"]),
    most: 30,
    within: TEN_MINUTES,
};

/// Whoever knows the last part of the path is a provider.
pub const PROVIDER_RECEIPTS: Limit = Limit {
    name: "provider-receipt",
    routes: &[("POST", "/v1/receipts/{provider}/{secret}")],
    per: Per::Address,
    counted: Counted::Refusals(&["not_found"]),
    most: 30,
    within: TEN_MINUTES,
};

/// WeChat signs its pushes.
pub const PUSHES: Limit = Limit {
    name: "push",
    routes: &[("GET", "/v1/wechat/push"), ("POST", "/v1/wechat/push")],
    per: Per::Address,
    counted: Counted::Refusals(&["push_forged", "push_stale", "push_for_another_app"]),
    most: 30,
    within: TEN_MINUTES,
};

/// Every limit.
pub const LIMITS: [Limit; 9] =
    [LOG_INS, PHONE_CODES, UPLOADS, LOOK_UPS, LINKS, SURVEYS, ERASURE_RECEIPTS, PROVIDER_RECEIPTS, PUSHES];

/// A stretch of time in which attempts are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The day.
    pub day: LocalDay,
    /// Which one of the day, from 0.
    pub number: u128,
    /// When the next one begins.
    pub ends: Moment,
}

impl Limit {
    /// The window that a moment falls into.
    #[must_use]
    pub fn window(&self, now: Moment) -> Window {
        let day = now.day();
        let begins = Moment::start_of(day);
        let length = self.within.as_millis().max(1);
        let number = now.since(begins).as_millis() / length;
        let end = u64::try_from((number + 1).saturating_mul(length)).unwrap_or(u64::MAX);
        Window { day, number, ends: begins.plus(Duration::from_millis(end)) }
    }

    /// What a refusal with this code counts against, when this route gave it.
    #[must_use]
    pub fn on_refusal(method: &str, route: &str, code: &str) -> Option<&'static Self> {
        LIMITS.iter().find(|limit| {
            let Counted::Refusals(codes) = limit.counted else { return false };
            limit.routes.contains(&(method, route)) && codes.contains(&code)
        })
    }
}

/// In how many seconds a moment has come, rounded up, so that whoever waits for them is not too early.
#[must_use]
pub fn seconds_until(then: Moment, now: Moment) -> u32 {
    let seconds = then.since(now).as_millis().div_ceil(1_000);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

/// What an address is counted as. Whoever has one address of IPv6 has all of its /64, so they count as one.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn every_limit_has_a_name_of_its_own_and_a_window_that_divides_the_day() {
        let names: BTreeSet<&str> = LIMITS.iter().map(|limit| limit.name).collect();
        assert_eq!(names.len(), LIMITS.len());
        for limit in LIMITS {
            assert!(limit.most > 0 && !limit.routes.is_empty(), "{limit:?}");
            assert!(DAY.as_millis().is_multiple_of(limit.within.as_millis()), "{limit:?}");
        }
    }

    #[test]
    fn what_nobody_has_proved_counts_by_refusals_and_what_somebody_has_by_doings() {
        for limit in LIMITS {
            let refusals = matches!(limit.counted, Counted::Refusals(codes) if !codes.is_empty());
            assert_eq!(limit.per == Per::Address, refusals, "{limit:?}");
        }
    }

    #[test]
    fn a_day_of_limits_begins_at_midnight_in_shanghai() {
        let window = UPLOADS.window(moment("2026-03-02T23:59:59.999+08:00"));
        assert_eq!(window.ends, moment("2026-03-03T00:00:00+08:00"));
        assert_ne!(UPLOADS.window(window.ends), window);
    }

    #[test]
    fn a_refusal_counts_only_where_its_code_is_listed() {
        assert_eq!(Limit::on_refusal("GET", "/r/{token}", "not_found"), Some(&LINKS));
        assert_eq!(Limit::on_refusal("GET", "/r/{token}", "try_again"), None);
        assert_eq!(Limit::on_refusal("POST", "/v1/members/lookup", "not_found"), None);
    }

    #[test]
    fn an_address_of_ipv6_counts_as_its_network_and_one_of_ipv4_as_itself() {
        let counted = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("2001:db8:1:2::1"), "2001:db8:1:2::");
        assert_ne!(counted("2001:db8:1:3::1"), counted("2001:db8:1:2::1"));
        assert_eq!(counted("203.0.113.9"), "203.0.113.9");
        assert_eq!(counted("::ffff:203.0.113.9"), "203.0.113.9");
    }

    proptest! {
        #[test]
        fn whoever_waits_as_told_is_in_the_next_window_and_no_later_than_its_first_second(
            millis in 700_000_000_000_i64..4_000_000_000_000, which in 0..LIMITS.len(),
        ) {
            let (limit, now) = (&LIMITS[which], Moment::from_millis(millis).unwrap());
            let window = limit.window(now);
            prop_assert!(window.ends > now && window.ends.since(now) <= limit.within);
            let wait = seconds_until(window.ends, now);
            let then = now.plus(Duration::from_secs(u64::from(wait)));
            prop_assert_ne!(limit.window(then), window);
            prop_assert!(then.since(window.ends) < Duration::from_secs(1));
            let just_before = Moment::from_millis(window.ends.millis() - 1).unwrap();
            prop_assert_eq!(limit.window(just_before), window);
        }
    }
}
