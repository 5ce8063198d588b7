//! Members' own profiles: what they tell about themselves, their phone, and logging out.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::ledger::{Patience, defect};
use crate::cases::merges::Wish;
use crate::cases::people::{Acquisition, Handle, Opened, Profile};
use crate::cases::{Error, Who};
use crate::digest::{half, hex};
use crate::domain::account::Account;
use crate::domain::age::under_fourteen_until;
use crate::domain::attempts;
use crate::domain::consent::Purpose;
use crate::domain::posting::{Settled, settlement};
use crate::domain::refusal::Refusal;
use crate::table::{Freshness, Hot, Outcome, Part, StoredPart, Transaction};
use crate::values::{Actor, Birthday, Email, InviteCode, MemberId, Moment, Name, OpenId, Phone, Reason, RowKey};

/// What a member tells about themselves. All of it is stored sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basics {
    /// The name.
    pub name: Option<Name>,
    /// The birthday.
    pub birthday: Option<Birthday>,
    /// The e-mail address.
    pub email: Option<Email>,
    /// The city.
    pub city: Option<Name>,
    /// The gender.
    pub gender: Option<Gender>,
}

/// The layout of a stored correction; older layouts stay readable.
const SCHEMA: u8 = 1;

/// That a member put something right.
#[derive(Serialize)]
struct Correction<'a> {
    schema: u8,
    id: RowKey,
    at: Moment,
    by: &'a Actor,
    fields: Vec<CorrectedField>,
}

/// One field that was put right, by keyed hashes.
#[derive(Serialize)]
struct CorrectedField {
    field: &'static str,
    before: Option<String>,
    after: Option<String>,
}

/// A gender, as far as somebody wants to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gender {
    /// A woman.
    Female,
    /// A man.
    Male,
    /// Neither.
    Other,
}

impl Gender {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
            Self::Other => "other",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Female, Self::Male, Self::Other].into_iter().find(|gender| gender.as_str() == text)
    }
}

impl Basics {
    /// Opens what is sealed in a profile.
    pub fn of(opened: &Opened) -> Result<Self, Error> {
        Ok(Self {
            name: opened.value("name", Name::parse)?,
            birthday: opened.value("birthday", Birthday::parse)?,
            email: opened.value("email", Email::parse)?,
            city: opened.value("city", Name::parse)?,
            gender: opened.field("gender")?.as_deref().and_then(Gender::read),
        })
    }

    /// Every field as a text, by its name.
    fn texts(&self) -> [(&'static str, Option<String>); 5] {
        [
            ("name", self.name.as_ref().map(ToString::to_string)),
            ("birthday", self.birthday.map(|day| day.to_string())),
            ("email", self.email.as_ref().map(|email| email.as_str().to_owned())),
            ("city", self.city.as_ref().map(ToString::to_string)),
            ("gender", self.gender.map(|gender| gender.as_str().to_owned())),
        ]
    }

    pub(crate) fn seal(&self, app: &App, opened: &mut Opened) -> Result<(), Error> {
        self.texts().iter().try_for_each(|(name, text)| opened.set(app, name, text.as_deref()))
    }
}

/// A member's own profile in clear.
#[derive(Clone, Debug)]
pub struct Mine {
    /// The member.
    pub member: MemberId,
    /// What the member told.
    pub basics: Basics,
    /// The verified phone.
    pub phone: Option<Phone>,
    /// The code to pass on to friends.
    pub invite_code: Option<InviteCode>,
    /// The kinds of ids by which the member is known: `openid`, `phone`, `card` ...
    pub linked: Vec<&'static str>,
    /// When the member signed up.
    pub joined_at: Option<Moment>,
    /// How the member was won.
    pub source: Acquisition,
    /// The version on which an edit builds.
    pub version: u64,
}

impl Mine {
    fn of(opened: &Opened, version: u64) -> Result<Self, Error> {
        let handles: Vec<Handle> = opened.handles()?.into_iter().map(|(_, handle)| handle).collect();
        let mut linked: Vec<_> = handles.iter().map(Handle::kind).filter(|kind| *kind != "invite").collect();
        linked.dedup();
        let phone = handles.iter().find_map(|h| if let Handle::Phone(phone) = h { Some(phone.clone()) } else { None });
        let code = handles.iter().find_map(|h| if let Handle::Invite(code) = h { Some(code.clone()) } else { None });
        Ok(Self {
            member: opened.member,
            basics: Basics::of(opened)?,
            phone,
            invite_code: code,
            linked,
            joined_at: opened.profile.joined_at,
            source: opened.profile.source.clone(),
            version,
        })
    }
}

/// Members' own profiles.
#[derive(Clone, Copy, Debug)]
pub struct Profiles<'a>(pub(crate) &'a App);

impl App {
    /// Members' own profiles.
    #[must_use]
    pub const fn profiles(&self) -> Profiles<'_> {
        Profiles(self)
    }
}

impl Profiles<'_> {
    /// The own profile. One call.
    pub async fn read(&self, who: &Who) -> Result<Mine, Error> {
        let opened = self.0.people().own(who, Freshness::Recent).await?;
        Mine::of(&opened, opened.version)
    }

    /// Replaces what the member told; what is left out is forgotten. Two calls; three, and what a change of segments
    /// writes, when the birthday is another one or the member is under 14.
    ///
    /// With the version that was read, an edit in between is not overwritten. Of somebody under 14 nothing is stored
    /// without a guardian's live consent.
    pub async fn edit(&self, who: &Who, basics: &Basics, builds_on: Option<u64>) -> Result<Mine, Error> {
        if basics.birthday.is_some_and(|birthday| birthday.is_after(self.0.now().day())) {
            return Err(Refusal::BirthdayInTheFuture.into());
        }
        let mut patience = Patience::new(self.0);
        loop {
            let mut opened = self.0.people().own(who, Freshness::Latest).await?;
            if builds_on.is_some_and(|version| version != opened.version) {
                return Err(Error::VersionMoved);
            }
            let before = Basics::of(&opened)?;
            basics.seal(self.0, &mut opened)?;
            let mut transaction = self.0.table().transaction().part(&opened.part()?)?;
            if let Some(record) = self.corrected(who, &opened, &before, basics)? {
                transaction = transaction.part(&record)?;
            }
            let young =
                [before.birthday, basics.birthday].into_iter().flatten().any(|birthday| self.is_young(birthday));
            let transaction = if young || before.birthday != basics.birthday {
                self.with_age(transaction, who, basics.birthday).await?
            } else {
                transaction
            };
            match transaction.commit().await? {
                Outcome::Done => return Mine::of(&opened, opened.version + 1),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    /// The record that something was put right (PIPL 46): which fields, with keyed hashes of what stood there and what
    /// stands there now, so that it can be shown what was said when, without saying it. None when nothing changed.
    fn corrected(
        self,
        who: &Who,
        opened: &Opened,
        before: &Basics,
        after: &Basics,
    ) -> Result<Option<StoredPart>, Error> {
        let hash = |field: &str, text: &Option<String>| {
            let kind = format!("corrected-{field}");
            text.as_ref().map(|text| hex(&half(self.0.lookup_key().hash(&kind, text))))
        };
        let fields: Vec<CorrectedField> = (before.texts().iter().zip(&after.texts()))
            .filter(|((_, was), (_, is))| was != is)
            .map(|((name, was), (_, is))| CorrectedField {
                field: name,
                before: hash(name, was),
                after: hash(name, is),
            })
            .collect();
        if fields.is_empty() {
            return Ok(None);
        }
        let at = self.0.now();
        let id = RowKey::of("correction", &[&opened.member.to_string(), &opened.version.to_string()]);
        let record = Correction { schema: SCHEMA, id, at, by: &who.by, fields };
        let text = serde_json::to_string(&record)?;
        Ok(Some(StoredPart::new(opened.member, Part::Corrected(at, id), text)))
    }

    fn is_young(self, birthday: Birthday) -> bool {
        under_fourteen_until(birthday, self.0.now().day()).is_some()
    }

    /// The hot item learns the member's age, in the transaction that writes the birthday: marketing must not have to open
    /// a profile to find out that somebody is under 14. Its version guards the guardian's consent on which it builds.
    async fn with_age<'t>(
        self,
        transaction: Transaction<'t>,
        who: &Who,
        birthday: Option<Birthday>,
    ) -> Result<Transaction<'t>, Error> {
        let hot = self.0.ledger().open(who, Freshness::Latest).await?;
        let (rules, now) = (self.0.rulebook().await?, self.0.now());
        let own = hot.account.own.told_again(birthday, now.day());
        let agreed = hot.account.traits.decision(Purpose::Minor).is_some_and(|d| d.is_live(rules.floors));
        if own.is_minor(now.day()) && !agreed {
            return Err(Refusal::GuardianConsentRequired.into());
        }
        let account = Account { own, ..hot.account.clone() };
        Ok(match settlement(&account, &rules, now, who.by.clone()).map_err(defect)? {
            Settled::Moved(posted) => transaction.movement(&hot, &posted)?,
            Settled::Same(due_on) => transaction.member(&hot.with(account, due_on))?,
        })
    }

    /// Ends all sessions of the member. Three calls.
    pub async fn log_out(&self, who: &Who) -> Result<(), Error> {
        let mut hot = self.0.ledger().open(who, Freshness::Latest).await?;
        let mut patience = Patience::new(self.0);
        loop {
            let part = self.0.table().part(who.member, &Part::Profile).await?.ok_or(Error::NotFound)?;
            let sessions = hot.sessions + 1;
            let profile = Profile { sessions, ..Profile::read(&part)? };
            let part = StoredPart { text: profile.text()?, ..part };
            let write = self.0.table().transaction().member(&Hot { sessions, ..hot })?.part(&part)?;
            match write.commit().await? {
                Outcome::Done => return Ok(()),
                Outcome::Lost(_) => patience.wait().await?,
            }
            hot = match self.0.ledger().open(who, Freshness::Latest).await {
                Ok(hot) => hot,
                // Somebody else has just done it.
                Err(Error::SessionEnded) => return Ok(()),
                Err(other) => return Err(other),
            };
        }
    }

    /// Binds the phone that WeChat's code tells, in place of an earlier one. Five calls and one to WeChat; seven
    /// more when orders had made a member of the phone, whose points and days come along.
    pub async fn bind_phone(&self, who: &Who, code: &str) -> Result<Mine, Error> {
        let opened = self.0.people().own(who, Freshness::Recent).await?;
        let wechat_id = opened.value("openid", OpenId::parse)?;
        let person = wechat_id.as_ref().map_or_else(|| who.member.to_string(), |id| id.as_str().to_owned());
        self.0.attempts().before(&attempts::PHONE_CODES, &person).await?;
        let asked = self.0.parts().wechat.phone_number(code, wechat_id.as_ref(), self.0.wall()).await;
        Box::pin(self.settle_phone(who.member, &asked.map_err(Error::PhoneCode)?, &who.by)).await
    }

    /// Makes a verified phone the member's only one.
    ///
    /// A phone of nobody is claimed; one of a member whom nobody has signed up for brings that member along; one of
    /// anybody else is taken. The number that it replaces is given up: numbers change hands, and the next person who
    /// buys with it is somebody else.
    pub(crate) async fn settle_phone(&self, member: MemberId, phone: &Phone, by: &Actor) -> Result<Mine, Error> {
        let handle = Handle::Phone(phone.clone());
        let mut patience = Patience::new(self.0);
        loop {
            let opened = self.0.people().open(member, Freshness::Latest).await?;
            if opened.profile.merged.is_some() {
                return Err(Error::SessionEnded);
            }
            let phones = phones(&opened)?;
            if phones.len() == 1 && phones.iter().all(|(_, known)| *known == handle) {
                return Mine::of(&opened, opened.version);
            }
            let owner = self.0.people().owners(std::slice::from_ref(&handle)).await?.into_iter().next().flatten();
            match owner {
                Some(other) if other != member => self.take_in(member, other, by).await?,
                owner => {
                    if let Some(mine) = self.replace_phone(opened, &phones, &handle, owner.is_some()).await? {
                        return Ok(mine);
                    }
                }
            }
            patience.wait().await?;
        }
    }

    async fn take_in(&self, survivor: MemberId, absorbed: MemberId, by: &Actor) -> Result<(), Error> {
        let reason = Reason::parse("手机号验证").map_err(|e| Error::Defect(e.to_string()))?;
        Box::pin(self.0.merges().take_in_unclaimed(&Wish { survivor, absorbed, reason, by: by.clone() })).await
    }

    /// Writes a phone in place of all others; none when somebody was faster.
    async fn replace_phone(
        &self,
        mut opened: Opened,
        known: &[(String, Handle)],
        phone: &Handle,
        own: bool,
    ) -> Result<Option<Mine>, Error> {
        let people = self.0.people();
        let mut transaction = self.0.table().transaction();
        for (field, handle) in known {
            opened.set(self.0, field, None)?;
            if handle != phone {
                transaction = transaction.release_identity(&people.identity(handle), opened.member)?;
            }
        }
        opened.add(self.0, phone)?;
        if !own {
            transaction = transaction.claim_identity(&people.identity(phone), opened.member)?;
        }
        match transaction.part(&opened.part()?)?.commit().await? {
            Outcome::Done => Mine::of(&opened, opened.version + 1).map(Some),
            Outcome::Lost(_) => Ok(None),
        }
    }
}

fn phones(opened: &Opened) -> Result<Vec<(String, Handle)>, Error> {
    let handles = opened.handles()?.into_iter();
    Ok(handles.filter(|(_, handle)| matches!(handle, Handle::Phone(_))).collect())
}
