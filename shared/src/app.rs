//! The app: every port in one place, shared by all requests of a process.

use std::sync::Arc;
use std::time::Duration;

use crate::cases::attempts::Full;
use crate::cases::campaigns::KeptCampaigns;
use crate::cases::tracking::Doors;
use crate::channels::Senders;
use crate::clock::Clock;
use crate::domain::anonymity::SmallestGroup;
use crate::domain::audit;
use crate::domain::campaign::Campaign;
use crate::domain::campaign::limits::LimitsVersion;
use crate::domain::clv::Model;
use crate::domain::desk::DeskVersion;
use crate::domain::playbook::Playbooks;
use crate::domain::privacy_policy::PolicyVersion;
use crate::domain::program::Versions;
use crate::domain::segmentation::Segmentation;
use crate::entropy::Entropy;
use crate::objects::Objects;
use crate::queue::Queue;
use crate::seal::{KeyCache, LookupKey, MasterKey};
use crate::table::{Chains, Kept, Pen, Table};
use crate::trust::cursor::CursorKey;
use crate::trust::identity::Identity;
use crate::trust::signature::SystemKeys;
use crate::trust::token::TokenKeys;
use crate::values::{Actor, Moment};
use crate::wechat::WeChat;

/// What an app is made of: built once at start-up, by a function's `main` or by the local host.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The tables.
    pub table: Table,
    /// The recompute queue.
    pub queue: Queue,
    /// The queue by which audiences are paged.
    pub dispatch_queue: Queue,
    /// The queue of messages that are to go, one member each.
    pub send_queue: Queue,
    /// The providers of messages.
    pub senders: Senders,
    /// By what whatever comes back of messages is known, and where it comes back to.
    pub doors: Doors,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Wraps members' keys.
    pub master: Arc<dyn MasterKey>,
    /// Hashes identities.
    pub lookup: LookupKey,
    /// Files of members.
    pub objects: Arc<dyn Objects>,
    /// WeChat.
    pub wechat: Arc<WeChat>,
    /// Signs session tokens.
    pub tokens: TokenKeys,
    /// The provider of staff tokens, if one is believed.
    pub staff: Option<Arc<Identity>>,
    /// Checks systems' signatures.
    pub systems: SystemKeys,
    /// Signs cursors.
    pub cursors: CursorKey,
    /// Seals the audit trail.
    pub audit_key: audit::Key,
    /// The smallest group of which operators are told something.
    pub smallest_group: SmallestGroup,
    /// Whether a bearer token may stand for a system's signature: on the local host only.
    pub bearer_systems: bool,
    /// For how long settings that were read may judge before they are read again: the time within which a new
    /// version reaches every running instance.
    pub settings_fresh_for: Duration,
    /// Within what time every running instance judges by settings that were saved: nothing where there is only one.
    pub instances_follow_within: Duration,
    /// The name under which the product itself writes into journals.
    pub own_name: Actor,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    programs: Kept<Versions>,
    segmentation: Kept<Segmentation>,
    model: Kept<Option<Arc<Model>>>,
    desk: Kept<DeskVersion>,
    playbooks: Kept<Playbooks>,
    triggered: Kept<Vec<Campaign>>,
    campaigns: KeptCampaigns,
    limits: Kept<LimitsVersion>,
    privacy_policy: Kept<PolicyVersion>,
    keys: KeyCache,
    chains: Arc<Chains>,
    full_counters: Full,
}

/// The app. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

impl App {
    /// An app of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            programs: Kept::default(),
            segmentation: Kept::default(),
            model: Kept::default(),
            desk: Kept::default(),
            playbooks: Kept::default(),
            triggered: Kept::default(),
            campaigns: KeptCampaigns::default(),
            limits: Kept::default(),
            privacy_policy: Kept::default(),
            keys: KeyCache::default(),
            chains: Arc::default(),
            full_counters: Full::default(),
        }))
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

    /// With what the audit trail is written.
    pub(crate) fn pen(&self) -> Pen {
        let Parts { audit_key, clock, entropy, .. } = self.parts();
        let chains = Arc::clone(&self.0.chains);
        Pen { key: audit_key.clone(), chains, clock: Arc::clone(clock), entropy: Arc::clone(entropy) }
    }

    /// By what whatever comes back of messages is known, and where it comes back to.
    #[must_use]
    pub fn doors(&self) -> &Doors {
        &self.0.parts.doors
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

    pub(crate) fn kept_programs(&self) -> &Kept<Versions> {
        &self.0.programs
    }

    pub(crate) fn kept_segmentation(&self) -> &Kept<Segmentation> {
        &self.0.segmentation
    }

    pub(crate) fn kept_model(&self) -> &Kept<Option<Arc<Model>>> {
        &self.0.model
    }

    pub(crate) fn kept_desk(&self) -> &Kept<DeskVersion> {
        &self.0.desk
    }

    pub(crate) fn kept_playbooks(&self) -> &Kept<Playbooks> {
        &self.0.playbooks
    }

    pub(crate) fn kept_triggered(&self) -> &Kept<Vec<Campaign>> {
        &self.0.triggered
    }

    pub(crate) fn kept_campaigns(&self) -> &KeptCampaigns {
        &self.0.campaigns
    }

    pub(crate) fn kept_limits(&self) -> &Kept<LimitsVersion> {
        &self.0.limits
    }

    pub(crate) fn kept_privacy_policy(&self) -> &Kept<PolicyVersion> {
        &self.0.privacy_policy
    }

    pub(crate) fn full_counters(&self) -> &Full {
        &self.0.full_counters
    }

    pub(crate) fn key_cache(&self) -> &KeyCache {
        &self.0.keys
    }
}
