//! What the demo says at its end: every member's account added up, and proved from the journal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use huitou::app::App;
use huitou::cases::recompute::all_shards;
use huitou::domain::account::Membership;
use huitou::domain::book::Book;
use huitou::domain::posting::settled;
use huitou::domain::program::Version;
use huitou::domain::proof::prove;
use huitou::table::{Hot, ScanShard};
use huitou::values::Code;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Members read at once.
const PAGE: i32 = 500;
/// Parts of the table that are added up side by side.
const PARTS: u16 = 4;
/// Longer than any settling takes.
const FOREVER: Duration = Duration::from_hours(24);

/// All accounts together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Members who were not merged into others.
    pub members: u64,
    /// Points ever issued.
    pub issued: i64,
    /// Points spent or given away.
    pub spent: i64,
    /// Points lapsed.
    pub expired: i64,
    /// Points that members have, pending and held ones included, less what they owe.
    pub outstanding: i64,
    /// Points taken back.
    pub clawed_back: i64,
    /// Members by tier.
    pub tiers: BTreeMap<String, u64>,
    /// Members by segment, as the table keeps the counts.
    pub segments: BTreeMap<Code, u64>,
    /// Accounts whose journal does not prove them.
    pub unproved: Vec<String>,
    /// The sum over all books of all members: zero.
    pub sum: i64,
}

impl Totals {
    /// Whether every account was proved and the books of all sum to zero.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.unproved.is_empty() && self.sum == 0
    }

    /// The part of the demo's JSON that tells of points and tiers.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "points": {
                "issued": self.issued,
                "spent": self.spent,
                "expired": self.expired,
                "clawed_back": self.clawed_back,
                "outstanding": self.outstanding,
                "balanced": self.balanced(),
            },
            "tiers": self.tiers,
            "segments": self.segments,
        })
    }

    fn join(&mut self, part: Self) {
        self.members += part.members;
        self.issued += part.issued;
        self.spent += part.spent;
        self.expired += part.expired;
        self.outstanding += part.outstanding;
        self.clawed_back += part.clawed_back;
        self.sum += part.sum;
        self.unproved.extend(part.unproved);
        for (tier, members) in part.tiers {
            *self.tiers.entry(tier).or_default() += members;
        }
    }

    fn add(&mut self, hot: &Hot, app: &App, version: &Version) -> Result<(), String> {
        let account = settled(&hot.account, version, app.now()).map_err(|e| e.to_string())?;
        let books = &account.holdings.books;
        self.issued -= books.of(Book::Issued);
        self.spent += books.of(Book::Spent) + books.of(Book::Donated);
        self.expired += books.of(Book::Expired);
        self.clawed_back += books.of(Book::ClawedBack);
        self.outstanding +=
            [Book::Available, Book::Pending, Book::Held, Book::Debt].map(|b| books.of(b)).iter().sum::<i64>();
        self.sum += books.sum();
        if !matches!(account.membership, Membership::MergedInto(_)) {
            self.members += 1;
            let tier = account.standing.as_ref().map_or("-", |standing| standing.tier.as_str());
            *self.tiers.entry(tier.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

/// Settles everybody whom time has changed, as the nightly schedule does, the shards side by side.
pub async fn settle(app: &App) -> Result<(), String> {
    let mut shards = JoinSet::new();
    for shard in all_shards() {
        let app = app.clone();
        shards.spawn(async move { app.recompute().drain(&[shard], FOREVER).await });
    }
    while let Some(drained) = shards.join_next().await {
        drained.map_err(|e| e.to_string())?.map_err(|e| format!("{e:?}"))?;
    }
    Ok(())
}

/// Adds up all accounts and proves each of them from its journal, several parts of them side by side: one read per page
/// of members, one per hundred rows.
pub async fn add_up(app: &App) -> Result<Totals, String> {
    let mut parts = JoinSet::new();
    for number in 0..PARTS {
        let app = app.clone();
        parts.spawn(async move { add_up_part(&app, ScanShard { number, of: PARTS }).await });
    }
    let segments = app.table().segment_counts().await.map_err(|e| e.to_string())?;
    let mut totals = Totals { segments, ..Totals::default() };
    while let Some(part) = parts.join_next().await {
        totals.join(part.map_err(|e| e.to_string())??);
    }
    Ok(totals)
}

async fn add_up_part(app: &App, part: ScanShard) -> Result<Totals, String> {
    let version = app.programs().current().await.map_err(|e| format!("{e:?}"))?;
    let mut totals = Totals::default();
    let mut from = None;
    loop {
        let page = app.table().page_of_members(part, from, PAGE).await.map_err(|e| e.to_string())?;
        if page.unreadable > 0 {
            return Err(format!("{} members' items can't be read; the log says which.", page.unreadable));
        }
        for hot in &page.members {
            totals.add(hot, app, &version)?;
        }
        let accounts: Vec<_> = page.members.iter().map(|hot| &hot.account).collect();
        let journals = app.table().whole_journals(&accounts).await.map_err(|e| e.to_string())?;
        for (account, rows) in accounts.into_iter().zip(&journals) {
            if prove(account.member, rows, account).fault.is_some() {
                totals.unproved.push(account.member.to_string());
            }
        }
        from = page.next;
        if from.is_none() {
            return Ok(totals);
        }
    }
}

/// The demo's JSON for people.
#[must_use]
pub fn for_people(summary: &Value) -> String {
    let mut text = String::new();
    let figure = |pointer: &str| summary.pointer(pointer).map(ToString::to_string).unwrap_or_default();
    // Writing to a string can't fail.
    let _ = writeln!(text, "\n  orders       {:>10}\n  customers    {:>10}", figure("/orders"), figure("/customers"));
    for name in ["issued", "spent", "expired", "clawed_back", "outstanding"] {
        let _ = writeln!(text, "  {:<12} {:>10} points", name.replace('_', " "), figure(&format!("/points/{name}")));
    }
    for kind in ["tiers", "segments"] {
        let _ = writeln!(text, "\n  {kind}");
        for (name, members) in summary.get(kind).and_then(Value::as_object).into_iter().flatten() {
            let _ = writeln!(text, "    {name:<16} {:>6} members", members.to_string());
        }
    }
    let _ = write!(text, "\n  balanced: {} (every account rebuilt from its journal)", figure("/points/balanced"));
    text
}
