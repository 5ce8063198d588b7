//! The app: every port in one place, shared by all requests of a process.

use std::sync::Arc;
use std::time::Duration;

use crate::cases::Error;
use crate::cases::customers::Customers;
use crate::cases::dry_run::DryRuns;
use crate::cases::intake::Intake;
use crate::cases::ledger::Ledger;
use crate::cases::merges::Merges;
use crate::cases::people::People;
use crate::cases::profiles::Profiles;
use crate::cases::programs::{ProgramCache, Programs};
use crate::cases::recompute::Recompute;
use crate::cases::remarks::Remarks;
use crate::cases::sign_up::SignUp;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::manners::cursor::CursorKey;
use crate::manners::signature::SystemKeys;
use crate::manners::token::TokenKeys;
use crate::queue::Queue;
use crate::seal::{KeyCache, LookupKey, MasterKey, MemberKey};
use crate::table::Table;
use crate::values::{Actor, MemberId, Moment};
use crate::wechat::WeChat;

/// What an app is made of: built once at start-up, by a function's `main` or by the local host.
#[derive(Debug)]
pub struct Parts {
    /// The tables.
    pub table: Table,
    /// The recompute queue.
    pub queue: Queue,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Wraps members' keys.
    pub master: Arc<dyn MasterKey>,
    /// Hashes identities.
    pub lookup: LookupKey,
    /// WeChat.
    pub wechat: WeChat,
    /// Signs session tokens.
    pub tokens: TokenKeys,
    /// Checks systems' signatures.
    pub systems: SystemKeys,
    /// Signs cursors.
    pub cursors: CursorKey,
    /// Whether a bearer token may stand for a system's signature: on the local host only.
    pub bearer_systems: bool,
    /// For how long settings that were read may judge before they are read again: the time within which a new
    /// version reaches every running instance.
    pub settings_fresh_for: Duration,
    /// The name under which the product itself writes into journals.
    pub own_name: Actor,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    programs: ProgramCache,
    keys: KeyCache,
}

/// The app. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

impl App {
    /// An app of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner { parts, programs: ProgramCache::default(), keys: KeyCache::default() }))
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> Ledger<'_> {
        Ledger(self)
    }

    /// Intake of orders, refunds and events.
    #[must_use]
    pub const fn intake(&self) -> Intake<'_> {
        Intake(self)
    }

    /// People.
    #[must_use]
    pub const fn people(&self) -> People<'_> {
        People(self)
    }

    /// Log-in and sign-up.
    #[must_use]
    pub const fn sign_up(&self) -> SignUp<'_> {
        SignUp(self)
    }

    /// Members' own profiles.
    #[must_use]
    pub const fn profiles(&self) -> Profiles<'_> {
        Profiles(self)
    }

    /// Merges of members who are one person.
    #[must_use]
    pub const fn merges(&self) -> Merges<'_> {
        Merges(self)
    }

    /// Members as staff see them.
    #[must_use]
    pub const fn customers(&self) -> Customers<'_> {
        Customers(self)
    }

    /// Tags and notes.
    #[must_use]
    pub const fn remarks(&self) -> Remarks<'_> {
        Remarks(self)
    }

    /// The programme's settings.
    #[must_use]
    pub const fn programs(&self) -> Programs<'_> {
        Programs(self)
    }

    /// Dry runs of settings.
    #[must_use]
    pub const fn dry_runs(&self) -> DryRuns<'_> {
        DryRuns(self)
    }

    /// Recompute.
    #[must_use]
    pub const fn recompute(&self) -> Recompute<'_> {
        Recompute(self)
    }

    /// The time of business.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.0.parts.clock.now()
    }

    /// The time of security.
    #[must_use]
    pub fn wall(&self) -> Moment {
        self.0.parts.clock.wall()
    }

    /// The tables.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.0.parts.table
    }

    /// All parts.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// The name under which the product itself writes into journals.
    #[must_use]
    pub fn own_name(&self) -> Actor {
        self.0.parts.own_name.clone()
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        self.0.parts.entropy.as_ref()
    }

    pub(crate) fn lookup_key(&self) -> &LookupKey {
        &self.0.parts.lookup
    }

    pub(crate) fn master_key(&self) -> &dyn MasterKey {
        self.0.parts.master.as_ref()
    }

    pub(crate) fn program_cache(&self) -> &ProgramCache {
        &self.0.programs
    }

    /// Keeps the key of a member who has just become known, so that the next request asks for nothing.
    pub(crate) fn keep_key(&self, member: MemberId, wrapped: &[u8], key: MemberKey) {
        self.0.keys.keep(member, wrapped, key, self.wall());
    }

    /// A member's key, from the last few minutes' or by the master key.
    pub(crate) async fn unwrap_key(&self, member: MemberId, wrapped: &[u8]) -> Result<MemberKey, Error> {
        Ok(self.0.keys.key(self.master_key(), member, wrapped, self.wall()).await?)
    }
}
