//! People: who is behind an openid, a phone or a card, and how someone unknown becomes a member.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::ledger::Patience;
use crate::cases::{Error, Who};
use crate::domain::refusal::Refusal;
use crate::seal::{Context, MemberKey};
use crate::table::{Freshness, Hot, Identity, Outcome, Part, StoredPart, Transaction};
use crate::values::{
    Actor, Card, ChildId, Code, Email, ExternalUserId, Fen, Invalid, InviteCode, MemberId, Moment, OpenId, Phone,
    RowKey, UnionId,
};

/// The layout of a stored profile; older layouts stay readable.
const SCHEMA: u8 = 1;

/// Something by which a person can be found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Handle {
    /// WeChat's id within the mini program.
    OpenId(OpenId),
    /// WeChat's id across the brand's apps.
    UnionId(UnionId),
    /// The phone number.
    Phone(Phone),
    /// The card at the till.
    Card(Card),
    /// The code that the member passes on to friends.
    Invite(InviteCode),
    /// WeCom's id of a person whom a guide has added.
    Wecom(ExternalUserId),
}

impl Handle {
    /// Every kind.
    pub const KINDS: [&'static str; 6] = ["openid", "unionid", "phone", "card", "invite", "wecom"];

    /// The kind, as keyed hashes and sealed fields name it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::OpenId(_) => "openid",
            Self::UnionId(_) => "unionid",
            Self::Phone(_) => "phone",
            Self::Card(_) => "card",
            Self::Invite(_) => "invite",
            Self::Wecom(_) => "wecom",
        }
    }

    /// The value in clear.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::OpenId(id) => id.as_str(),
            Self::UnionId(id) => id.as_str(),
            Self::Phone(phone) => phone.digits(),
            Self::Card(card) => card.as_str(),
            Self::Invite(code) => code.as_str(),
            Self::Wecom(id) => id.as_str(),
        }
    }

    /// Reads a handle of this kind.
    #[must_use]
    pub fn read(kind: &str, value: &str) -> Option<Self> {
        match kind {
            "openid" => OpenId::parse(value).ok().map(Self::OpenId),
            "unionid" => UnionId::parse(value).ok().map(Self::UnionId),
            "phone" => Phone::parse(&format!("+{value}")).ok().map(Self::Phone),
            "card" => Card::parse(value).ok().map(Self::Card),
            "invite" => InviteCode::parse(value).ok().map(Self::Invite),
            "wecom" => ExternalUserId::parse(value).ok().map(Self::Wecom),
            _ => None,
        }
    }
}

/// How a member was won.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acquisition {
    /// The channel: `store_qr`, `wecom`, `order`, a campaign's name ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Code>,
    /// The store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Actor>,
    /// The guide, whose own customer the member becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<Actor>,
    /// The campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Code>,
    /// What the acquisition cost, in fen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Fen>,
}

/// Why nothing is done with a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// The member was erased; this is all that is left.
    Erased,
    /// A legal hold allows nothing but keeping it.
    LegalHold,
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Erased => Self::MemberErased,
            Closed::LegalHold => Self::LegalHold,
        }
    }
}

/// A member's profile as it is stored: what is personal is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The layout.
    pub schema: u8,
    /// When the member was first known.
    pub known_since: Moment,
    /// When the person signed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_at: Option<Moment>,
    /// How the member was won.
    #[serde(default)]
    pub source: Acquisition,
    /// Who invited the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<MemberId>,
    /// The session number, as in the hot item, so that reading a profile needs no second item.
    #[serde(default)]
    pub sessions: u32,
    /// Into whom the member was merged, and by which merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<(MemberId, RowKey)>,
    /// Accounts that were merged into this one, and those that had been merged into them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absorbed: Vec<MemberId>,
    /// Why nothing is done with it; the hot item says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// Sealed fields by name; a field of many values numbers them, as `card`, `card.2`.
    #[serde(default)]
    pub sealed: BTreeMap<String, String>,
}

impl Profile {
    /// A profile of somebody who becomes known now.
    #[must_use]
    pub fn new(now: Moment, source: Acquisition) -> Self {
        Self {
            schema: SCHEMA,
            known_since: now,
            joined_at: None,
            source,
            invited_by: None,
            sessions: 0,
            merged: None,
            absorbed: Vec::new(),
            closed: None,
            sealed: BTreeMap::new(),
        }
    }

    /// What is left of a profile when its member is erased: that there was one, and that it is gone.
    #[must_use]
    pub fn erased(now: Moment, sessions: u32) -> Self {
        Self { closed: Some(Closed::Erased), sessions, ..Self::new(now, Acquisition::default()) }
    }

    /// Reads a stored profile.
    pub fn read(part: &StoredPart) -> Result<Self, Error> {
        Ok(serde_json::from_str(&part.text)?)
    }

    /// The profile as it is stored.
    pub fn text(&self) -> Result<String, Error> {
        Ok(serde_json::to_string(self)?)
    }

    /// The first free name for another value of a field.
    #[must_use]
    pub fn free_name(&self, field: &str) -> String {
        let mut name = field.to_owned();
        let mut next = 2_u32;
        while self.sealed.contains_key(&name) {
            name = format!("{field}.{next}");
            next += 1;
        }
        name
    }
}

/// A member's profile opened with the member's key.
#[derive(Debug)]
pub struct Opened {
    /// The member.
    pub member: MemberId,
    /// The profile as stored.
    pub profile: Profile,
    /// The version on which the next write builds.
    pub version: u64,
    key: MemberKey,
    child_keys: BTreeMap<ChildId, String>,
}

impl Opened {
    /// A stored profile with its member's key.
    pub(crate) fn new(part: &StoredPart, key: MemberKey, child_keys: BTreeMap<ChildId, String>) -> Result<Self, Error> {
        Ok(Self { member: part.member, profile: Profile::read(part)?, version: part.version, key, child_keys })
    }

    /// A key for another child, and the text by which it is kept beside the member's.
    pub fn new_child_key(&self, app: &App, child: ChildId) -> Result<(ChildKey, String), Error> {
        let bytes: [u8; 32] = crate::entropy::bytes(app.entropy());
        let kept = self.seal(app, &child_key_name(child), &STANDARD_NO_PAD.encode(bytes))?;
        Ok((ChildKey { member: self.member, child, key: MemberKey::from_bytes(bytes) }, kept))
    }

    /// The key of a child; none once it was destroyed.
    pub fn child_key(&self, child: ChildId) -> Result<Option<ChildKey>, Error> {
        let Some(kept) = self.child_keys.get(&child) else { return Ok(None) };
        let bytes = STANDARD_NO_PAD.decode(self.unsealed(&child_key_name(child), kept)?).ok();
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| Error::Defect("a child's key has another length".into()))?;
        Ok(Some(ChildKey { member: self.member, child, key: MemberKey::from_bytes(bytes) }))
    }

    /// This account, and every one that was merged into it.
    pub(crate) fn all_accounts(&self) -> impl Iterator<Item = MemberId> + '_ {
        std::iter::once(self.member).chain(self.profile.absorbed.iter().copied())
    }

    /// A personal field in clear.
    pub fn field(&self, name: &str) -> Result<Option<String>, Error> {
        self.profile.sealed.get(name).map(|sealed| self.unsealed(name, sealed)).transpose()
    }

    /// A personal field in clear, as the value that it is.
    pub fn value<T>(&self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Result<Option<T>, Error> {
        let text = self.field(name)?;
        text.map(|text| parse(&text).map_err(|e| Error::Defect(format!("the field {name}: {e}")))).transpose()
    }

    /// Seals a personal field, or takes it away; nothing in clear is kept.
    pub fn set(&mut self, app: &App, name: &str, value: Option<&str>) -> Result<(), Error> {
        match value {
            Some(value) => seal_field(app, &self.key, self.member, &mut self.profile, name, value)?,
            None => {
                self.profile.sealed.remove(name);
            }
        }
        Ok(())
    }

    /// Adds a handle beside those of its kind that are there.
    pub fn add(&mut self, app: &App, handle: &Handle) -> Result<(), Error> {
        let name = self.profile.free_name(handle.kind());
        self.set(app, &name, Some(handle.value()))
    }

    /// All handles that the profile holds, each with the name of its field.
    pub fn handles(&self) -> Result<Vec<(String, Handle)>, Error> {
        let mut handles = Vec::new();
        for (name, sealed) in &self.profile.sealed {
            let kind = name.split('.').next().unwrap_or(name);
            if Handle::KINDS.contains(&kind) {
                let handle = Handle::read(kind, &self.unsealed(name, sealed)?);
                handles.extend(handle.map(|handle| (name.clone(), handle)));
            }
        }
        Ok(handles)
    }

    /// Seals a text that is kept elsewhere, under the member's key and a name of its own.
    pub fn seal(&self, app: &App, name: &str, text: &str) -> Result<String, Error> {
        sealed(app, &self.key, self.member, name, text)
    }

    /// Opens what [`Opened::seal`] sealed under this name.
    pub fn unsealed(&self, name: &str, sealed: &str) -> Result<String, Error> {
        unsealed(&self.key, self.member, name, sealed)
    }

    /// The profile as a part to be written, on condition that nobody has changed it since.
    pub fn part(&self) -> Result<StoredPart, Error> {
        let text = self.profile.text()?;
        Ok(StoredPart { member: self.member, part: Part::Profile, text, version: self.version })
    }
}

fn child_key_name(child: ChildId) -> String {
    format!("child-key:{child}")
}

/// The key of one child's data: destroying it erases the child, in every backup too, and nobody else.
#[derive(Debug)]
pub struct ChildKey {
    member: MemberId,
    child: ChildId,
    key: MemberKey,
}

impl ChildKey {
    /// Seals what is known of the child.
    pub fn seal(&self, app: &App, text: &str) -> Result<String, Error> {
        sealed(app, &self.key, self.member, &format!("child:{}", self.child), text)
    }

    /// Opens what [`ChildKey::seal`] sealed.
    pub fn open(&self, text: &str) -> Result<String, Error> {
        unsealed(&self.key, self.member, &format!("child:{}", self.child), text)
    }
}

fn context(member: MemberId, field: &str) -> Context<'_> {
    Context { table: "profiles", member, field, version: u16::from(SCHEMA) }
}

fn seal_field(
    app: &App,
    key: &MemberKey,
    member: MemberId,
    profile: &mut Profile,
    name: &str,
    value: &str,
) -> Result<(), Error> {
    profile.sealed.insert(name.to_owned(), sealed(app, key, member, name, value)?);
    Ok(())
}

fn sealed(app: &App, key: &MemberKey, member: MemberId, name: &str, value: &str) -> Result<String, Error> {
    let nonce = crate::entropy::bytes(app.entropy());
    let sealed = key.seal(&context(member, name), value.as_bytes(), nonce)?;
    Ok(STANDARD_NO_PAD.encode(sealed))
}

fn unsealed(key: &MemberKey, member: MemberId, name: &str, sealed: &str) -> Result<String, Error> {
    let sealed = STANDARD_NO_PAD.decode(sealed).map_err(|e| Error::Defect(e.to_string()))?;
    let plain = key.open(&context(member, name), &sealed)?;
    String::from_utf8(plain).map_err(|e| Error::Defect(e.to_string()))
}

/// By what a member can be reached, in clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    /// By WeChat, within the mini program.
    pub openid: Option<OpenId>,
    /// By text message: the verified number.
    pub phone: Option<Phone>,
    /// By e-mail: as the member told it.
    pub email: Option<Email>,
    /// By WeCom: whom a guide has added.
    pub wecom: Option<ExternalUserId>,
}

impl Contacts {
    /// Opens what is sealed in a profile; of several ids of a kind the first.
    pub fn of(opened: &Opened) -> Result<Self, Error> {
        let mut contacts = Self { email: opened.value("email", Email::parse)?, ..Self::default() };
        for (_, handle) in opened.handles()? {
            match handle {
                Handle::OpenId(id) => contacts.openid = contacts.openid.or(Some(id)),
                Handle::Phone(phone) => contacts.phone = contacts.phone.or(Some(phone)),
                Handle::Wecom(id) => contacts.wecom = contacts.wecom.or(Some(id)),
                Handle::UnionId(_) | Handle::Card(_) | Handle::Invite(_) => {}
            }
        }
        Ok(contacts)
    }
}

/// Somebody who is about to become known.
#[derive(Debug)]
pub struct NewPerson {
    /// The hot item before the first movement.
    pub hot: Hot,
    /// The profile, sealed.
    pub profile: Profile,
    key: MemberKey,
    wrapped: Vec<u8>,
    handles: Vec<Handle>,
}

impl NewPerson {
    /// Adds a handle by which the person will be found.
    pub fn add(&mut self, app: &App, handle: Handle) -> Result<(), Error> {
        let name = self.profile.free_name(handle.kind());
        seal_field(app, &self.key, self.hot.account.member, &mut self.profile, &name, handle.value())?;
        self.handles.push(handle);
        Ok(())
    }

    /// Adds all that makes the person known to a transaction, apart from the first movement: key, profile, handles.
    pub fn write<'t>(&self, app: &App, mut transaction: Transaction<'t>) -> Result<Transaction<'t>, Error> {
        let member = self.hot.account.member;
        for handle in &self.handles {
            transaction = transaction.claim_identity(&app.people().identity(handle), member)?;
        }
        let profile = StoredPart::new(member, Part::Profile, self.profile.text()?);
        Ok(transaction.part(&profile)?.key(member, &self.wrapped)?)
    }

    /// The person has become known: the next request need not ask for the key.
    pub fn remember(self, app: &App) {
        app.key_cache().keep(self.hot.account.member, &self.wrapped, self.key, app.wall());
    }
}

/// People.
#[derive(Clone, Copy, Debug)]
pub struct People<'a>(pub(crate) &'a App);

impl App {
    /// People.
    #[must_use]
    pub const fn people(&self) -> People<'_> {
        People(self)
    }
}

impl People<'_> {
    /// The keyed hash by which a handle is looked up.
    #[must_use]
    pub fn identity(&self, handle: &Handle) -> Identity {
        Identity(self.0.lookup_key().hash(handle.kind(), handle.value()))
    }

    /// Who has these handles. One call for all of them.
    pub async fn owners(&self, handles: &[Handle]) -> Result<Vec<Option<MemberId>>, Error> {
        let identities: Vec<Identity> = handles.iter().map(|handle| self.identity(handle)).collect();
        if identities.is_empty() { Ok(Vec::new()) } else { Ok(self.0.table().owners(&identities).await?) }
    }

    /// Prepares somebody who becomes known now. No table call; one call to the master key's service.
    pub async fn prepare(&self, source: Acquisition) -> Result<NewPerson, Error> {
        let member = MemberId::from_random(crate::entropy::bytes(self.0.entropy()));
        let key = MemberKey::random(self.0.entropy());
        let wrapped = self.0.master_key().wrap(member, &key).await?;
        let profile = Profile::new(self.0.now(), source);
        Ok(NewPerson { hot: Hot::new(member), profile, key, wrapped, handles: Vec::new() })
    }

    /// A member's profile, opened. One call, and one to the master key's service unless the key is still known.
    ///
    /// Somebody who isn't there yet by a recent read is looked for once more: they may have signed up just now. Whoever was
    /// erased or is under a legal hold is refused.
    pub async fn open(&self, member: MemberId, freshness: Freshness) -> Result<Opened, Error> {
        let opened = self.open_on_hold(member, freshness).await?;
        match opened.profile.closed {
            Some(closed) => Err(Refusal::from(closed).into()),
            None => Ok(opened),
        }
    }

    /// The same, a legal hold notwithstanding: for whoever sets and lifts it.
    pub(crate) async fn open_on_hold(&self, member: MemberId, freshness: Freshness) -> Result<Opened, Error> {
        let mut read = self.0.table().profile_and_key(member, freshness).await?;
        if freshness == Freshness::Recent && !matches!(read, (Some(_), Some(_))) {
            read = self.0.table().profile_and_key(member, Freshness::Latest).await?;
        }
        let (part, keys) = match read {
            (Some(part), Some(keys)) => (part, keys),
            (Some(part), None) => {
                let closed = Profile::read(&part)?.closed;
                return Err(closed.map_or(Error::NotFound, |closed| Refusal::from(closed).into()));
            }
            (None, _) => return Err(Error::NotFound),
        };
        let key = self.0.key_cache().key(self.0.master_key(), member, &keys.wrapped, self.0.wall()).await?;
        Opened::new(&part, key, keys.of_children)
    }

    /// By what a member can be reached. One call, which reads profile and key together.
    ///
    /// It says nothing about whether they may be: see [`crate::domain::account::Account::may_be_sent`].
    pub async fn contacts(&self, member: MemberId) -> Result<Contacts, Error> {
        Contacts::of(&self.open(member, Freshness::Recent).await?)
    }

    /// Links another handle to a member, provided that nobody has it: true when it is linked now, false when it was
    /// before. Two calls, three when it was.
    pub async fn link(&self, member: MemberId, handle: &Handle) -> Result<bool, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let mut opened = self.open(member, Freshness::Latest).await?;
            if opened.profile.merged.is_some() {
                return Err(Error::NotFound);
            }
            opened.add(self.0, handle)?;
            let transaction = self.0.table().transaction().claim_identity(&self.identity(handle), member)?;
            if let Outcome::Done = transaction.part(&opened.part()?)?.commit().await? {
                return Ok(true);
            }
            match self.owners(std::slice::from_ref(handle)).await?.into_iter().next().flatten() {
                Some(owner) if owner == member => return Ok(false),
                Some(_) => return Err(Refusal::IdTaken.into()),
                None => patience.wait().await?,
            }
        }
    }

    /// The own profile of somebody who is logged in; the session must not have been ended. One call.
    pub async fn own(&self, who: &Who, freshness: Freshness) -> Result<Opened, Error> {
        let opened = self.open(who.member, freshness).await?;
        let ended = who.session.is_some_and(|session| session < opened.profile.sessions);
        if ended || opened.profile.merged.is_some() { Err(Error::SessionEnded) } else { Ok(opened) }
    }
}
