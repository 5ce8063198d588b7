//! Members by the thousand, written straight into a table.

use huitou::domain::order::Order;
use huitou::domain::purchase::{Rules, purchase};
use huitou::domain::rulebook::Rulebook;
use huitou::table::{Hot, Outcome, Table};
use huitou::values::{Actor, Fen, ForeignId, MemberId, Moment, Source};

/// The most that one transaction writes.
pub const AT_ONCE: u32 = 100;

/// The member of this number, who has bought at these times.
#[must_use]
pub fn a_member(id: MemberId, number: u32, rules: &Rulebook, bought: &[Moment]) -> Hot {
    let mut hot = Hot::new(id);
    for (n, at) in bought.iter().enumerate() {
        let order = Order {
            source: Source::parse("till").unwrap(),
            id: ForeignId::parse(&format!("{number}-{n}")).unwrap(),
            paid_at: *at,
            amount: Fen::computed(u64::from(number % 97) * 1_000),
            currency: None,
            lines: Vec::new(),
            store: None,
            guide: None,
        };
        let rules = Rules { now: rules, then: &rules.version };
        let posted = purchase(&hot.account, &order, &[], rules, *at, Actor::parse("till:1").unwrap()).unwrap();
        hot = hot.after(&posted);
    }
    hot
}

/// Writes at most [`AT_ONCE`] members.
pub async fn write(table: &Table, members: &[Hot]) {
    let transaction = members.iter().fold(table.transaction(), |all, hot| all.member(hot).unwrap());
    assert!(matches!(transaction.commit().await, Ok(Outcome::Done)));
}
