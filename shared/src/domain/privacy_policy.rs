//! The privacy policy: what members are told before they agree, purpose by purpose. Versioned as a whole.
//!
//! A statement keeps its own version, that of the policy with which its text was changed last, so that a comma in one
//! statement asks nobody about another one. Whether a change was one of substance is said when it is saved: then older
//! consents count no more, and members are asked again (PIPL 14; 网络数据安全管理条例 22).

use serde::{Deserialize, Serialize};

use super::consent::{Floors, Purpose, Scope};
use super::flaw::Flaws;
use super::impact_assessment::{self, Cause, ImpactAssessment};
use crate::digest::{hex, sha256};
use crate::values::{Actor, LocalDay, Moment, Name, Note};

/// What changed in substance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Substance {
    /// What the data is processed for.
    Purpose,
    /// How it is processed.
    Method,
    /// Which data it is.
    Type,
}

/// What a member is told about one purpose, in Chinese. A guardian is told all of it (儿童个人信息网络保护规定 10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementText {
    /// What it is called.
    pub title: Name,
    /// Purpose, method and scope (目的、方式、范围).
    pub use_of_data: Note,
    /// Where it is stored, for how long, and what becomes of it then (存储地点、期限、到期处理).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Note>,
    /// How it is protected (安全保障措施).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safeguards: Option<Note>,
    /// What follows from a no (拒绝的后果).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Note>,
    /// How to complain (投诉、举报的渠道和方式).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaints: Option<Note>,
    /// How to have it corrected or deleted (更正、删除的途径和方法).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<Note>,
    /// Who gets it: name, contact, purpose, method and types (接收方; PIPL 23, 39).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<Note>,
}

impl StatementText {
    fn parts(&self) -> [(&'static str, Option<&Note>); 7] {
        [
            ("use_of_data", Some(&self.use_of_data)),
            ("storage", self.storage.as_ref()),
            ("safeguards", self.safeguards.as_ref()),
            ("refusal", self.refusal.as_ref()),
            ("complaints", self.complaints.as_ref()),
            ("rights", self.rights.as_ref()),
            ("recipients", self.recipients.as_ref()),
        ]
    }

    /// SHA-256 in hexadecimal: of the title, and of each part that there is behind its name, every one of them on a
    /// line of its own.
    #[must_use]
    pub fn sha256(&self) -> String {
        let parts = self.parts().into_iter().filter_map(|(name, part)| Some((name, part?)));
        let lines = parts.map(|(name, part)| format!("{name}: {part}\n"));
        let text: String = std::iter::once(format!("title: {}\n", self.title)).chain(lines).collect();
        hex(&sha256(&[text.as_bytes()]))
    }

    /// What is missing of what the law asks for.
    fn missing(&self, purpose: Purpose) -> Vec<&'static str> {
        let asked: &[&str] = match (purpose, purpose.scope()) {
            (_, Scope::Guardian) => &["storage", "safeguards", "refusal", "complaints", "rights"],
            (Purpose::ThirdParty | Purpose::CrossBorder, _) => &["recipients"],
            _ => &[],
        };
        let there = |wanted: &str| self.parts().iter().any(|(name, part)| *name == wanted && part.is_some());
        asked.iter().copied().filter(|name| !there(name)).collect()
    }
}

/// A statement as somebody wants to have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementDraft {
    /// About what.
    pub purpose: Purpose,
    /// The text.
    pub text: StatementText,
    /// What changed in substance since the version before; nothing when only words did. Then older consents count on.
    #[serde(default)]
    pub changes: Vec<Substance>,
}

/// A privacy policy as somebody wants to have it: as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyDraft {
    /// One for each purpose that is offered; what is left out is not offered any more.
    pub statements: Vec<StatementDraft>,
    /// The assessments of everything for which the law asks for one (PIPL 55), each purpose in one of them: sensitive
    /// data, automated decisions, data that are handed on or leave the country. Members are not shown them.
    #[serde(default)]
    pub impact_assessments: Vec<ImpactAssessment>,
}

/// What members are told about one purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Statement {
    /// About what.
    pub purpose: Purpose,
    /// The version of the policy with which the text was changed last: what a yes has to name.
    pub version: u32,
    /// The oldest version to which a yes still counts.
    pub counts_from: u32,
    /// SHA-256 of the text in hexadecimal.
    pub sha256: String,
    /// The text.
    pub text: StatementText,
}

/// All that members are told, and what was weighed before they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PrivacyPolicy {
    /// One statement for each purpose that is offered.
    pub statements: Vec<Statement>,
    /// The impact assessments behind them; none in versions that were saved before they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impact_assessments: Vec<ImpactAssessment>,
}

/// One version of the privacy policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyVersion {
    /// Its number.
    pub version: u32,
    /// Since when it counts.
    pub saved_at: Moment,
    /// Who saved it.
    pub by: Actor,
    /// The policy.
    pub policy: PrivacyPolicy,
}

impl PrivacyPolicy {
    /// The statement about a purpose; none when it is not offered.
    #[must_use]
    pub fn statement(&self, purpose: Purpose) -> Option<&Statement> {
        self.statements.iter().find(|statement| statement.purpose == purpose)
    }

    /// From which versions on consents count.
    #[must_use]
    pub fn floors(&self) -> Floors {
        Floors::of(self.statements.iter().map(|statement| (statement.purpose, statement.counts_from)))
    }

    /// The policy as the next version makes it, or everything that is wrong with it, with its place.
    ///
    /// A purpose that was taken out and comes back begins anew: consents of its first time count no more.
    pub fn next(&self, version: u32, draft: &PolicyDraft, today: LocalDay) -> Result<Self, Flaws> {
        let mut flaws = Flaws::default();
        let statements = self.stated(version, &draft.statements, &mut flaws);
        let offered: Vec<Purpose> = draft.statements.iter().map(|draft| draft.purpose).collect();
        let changed = draft.statements.iter().filter(|draft| !draft.changes.is_empty());
        let changed: Vec<Purpose> = changed.map(|draft| draft.purpose).collect();
        let (now, before) = (&draft.impact_assessments, &self.impact_assessments);
        impact_assessment::flaws(now, before, (&offered, &changed), today, &mut flaws);
        if flaws.0.is_empty() { Ok(Self { statements, impact_assessments: now.clone() }) } else { Err(flaws) }
    }

    /// The statements as the next version makes them.
    fn stated(&self, version: u32, drafts: &[StatementDraft], flaws: &mut Flaws) -> Vec<Statement> {
        let mut statements = Vec::with_capacity(drafts.len());
        for (n, draft) in drafts.iter().enumerate() {
            let before = self.statement(draft.purpose);
            let same = before.is_some_and(|before| before.text == draft.text);
            let again = drafts.iter().take(n).any(|other| other.purpose == draft.purpose);
            flaws.note(again, format_args!("/statements/{n}/purpose"), "must differ from the purposes before it");
            for part in draft.text.missing(draft.purpose) {
                let place = format_args!("/statements/{n}/text/{part}");
                flaws.note(true, place, "the law asks for it with this purpose");
            }
            let unseen = same && !draft.changes.is_empty();
            flaws.note(unseen, format_args!("/statements/{n}/changes"), "a change of substance must show in the text");
            let sha256 = draft.text.sha256();
            statements.push(match before {
                Some(before) if same => before.clone(),
                before => Statement {
                    purpose: draft.purpose,
                    version,
                    counts_from: before.filter(|_| draft.changes.is_empty()).map_or(version, |s| s.counts_from),
                    sha256,
                    text: draft.text.clone(),
                },
            });
        }
        statements
    }

    /// The policy that ships, version 1; an error can't happen, a test reads it.
    ///
    /// It offers neither third parties nor other countries: whoever names recipients has to say who they are. Its impact
    /// assessment is called `development` and assesses nothing: whoever lets members in saves a policy of their own first.
    pub fn shipped() -> Result<Self, serde_json::Error> {
        let drafts: Vec<StatementDraft> = serde_json::from_str(include_str!("privacy_policies/shipped.json"))?;
        let mut flaws = Flaws::default();
        let statements = Self::default().stated(1, &drafts, &mut flaws);
        let assessed = drafts.iter().map(|draft| draft.purpose).filter(|purpose| Cause::of(*purpose).is_some());
        let assessment = ImpactAssessment::for_development(assessed.collect()).map_err(serde::de::Error::custom)?;
        if flaws.0.is_empty() {
            Ok(Self { statements, impact_assessments: vec![assessment] })
        } else {
            Err(serde::de::Error::custom(flaws))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> PrivacyPolicy {
        PrivacyPolicy::shipped().unwrap()
    }

    /// The policy with these statements, everything newly assessed.
    fn next(policy: &PrivacyPolicy, version: u32, statements: &[StatementDraft]) -> Result<PrivacyPolicy, Flaws> {
        let (made_on, kept_until) = (LocalDay::parse("2026-01-05").unwrap(), LocalDay::parse("2029-12-31").unwrap());
        let number = Name::parse(&format!("PIA-{version}")).unwrap();
        let assessment = ImpactAssessment { number, made_on, kept_until, purposes: Purpose::ALL.to_vec() };
        let draft = PolicyDraft { statements: statements.to_vec(), impact_assessments: vec![assessment] };
        policy.next(version, &draft, made_on)
    }

    fn drafts() -> Vec<StatementDraft> {
        let draft = |s: &Statement| StatementDraft { purpose: s.purpose, text: s.text.clone(), changes: Vec::new() };
        shipped().statements.iter().map(draft).collect()
    }

    /// The shipped policy with one statement's text changed.
    fn with(purpose: Purpose, changes: &[Substance]) -> Vec<StatementDraft> {
        let mut drafts = drafts();
        for draft in drafts.iter_mut().filter(|draft| draft.purpose == purpose) {
            draft.text.use_of_data = Note::parse("换了说法").unwrap();
            draft.changes = changes.to_vec();
        }
        drafts
    }

    fn versions(policy: &PrivacyPolicy, purpose: Purpose) -> (u32, u32) {
        let statement = policy.statement(purpose).unwrap();
        (statement.version, statement.counts_from)
    }

    #[test]
    fn the_shipped_policy_offers_everything_that_names_no_recipient() {
        let offered: Vec<Purpose> = shipped().statements.iter().map(|statement| statement.purpose).collect();
        let not = [Purpose::ThirdParty, Purpose::CrossBorder];
        let wanted: Vec<Purpose> = Purpose::ALL.into_iter().filter(|purpose| !not.contains(purpose)).collect();
        assert_eq!(offered, wanted);
    }

    #[test]
    fn a1_whoever_saves_what_ships_as_it_is_has_to_name_an_assessment_of_their_own() {
        let (shipped, today) = (shipped(), LocalDay::parse("2026-01-05").unwrap());
        let unassessed = PolicyDraft { statements: drafts(), impact_assessments: Vec::new() };
        let flaws = shipped.next(2, &unassessed, today).unwrap_err().0;
        let needed = shipped.statements.iter().filter(|statement| Cause::of(statement.purpose).is_some());
        assert_eq!(flaws.len(), needed.count());
        assert!(flaws.iter().all(|flaw| flaw.pointer == "/impact_assessments"), "{flaws:?}");
        let as_shipped = PolicyDraft { impact_assessments: shipped.impact_assessments.clone(), ..unassessed };
        let flaws = shipped.next(2, &as_shipped, today).unwrap_err().0;
        assert_eq!((flaws.len(), flaws[0].pointer.as_str()), (1, "/impact_assessments/0/number"));
    }

    #[test]
    fn c2_other_words_leave_consents_alone_and_another_substance_asks_again() {
        let worded = next(&shipped(), 2, &with(Purpose::Sms, &[])).unwrap();
        assert_eq!(versions(&worded, Purpose::Sms), (2, 1));
        assert_eq!(versions(&worded, Purpose::Email), (1, 1), "nobody is asked about what did not change");
        let changed = next(&shipped(), 2, &with(Purpose::Sms, &[Substance::Method])).unwrap();
        assert_eq!(versions(&changed, Purpose::Sms), (2, 2));
        assert!(!changed.floors().admit(Purpose::Sms, 1) && changed.floors().admit(Purpose::Sms, 2));
        assert!(changed.floors().admit(Purpose::Email, 1));
    }

    #[test]
    fn c2_what_was_taken_out_and_comes_back_begins_anew() {
        let without: Vec<_> = drafts().into_iter().filter(|draft| draft.purpose != Purpose::Sms).collect();
        let second = next(&shipped(), 2, &without).unwrap();
        assert!(!second.floors().admit(Purpose::Sms, 1));
        let third = next(&second, 3, &drafts()).unwrap();
        assert_eq!(versions(&third, Purpose::Sms), (3, 3));
    }

    #[test]
    fn c4_and_m2_a_statement_lacks_nothing_that_the_law_asks_for() {
        let mut drafts = drafts();
        let children = drafts.iter().position(|draft| draft.purpose == Purpose::Children).unwrap();
        drafts[children].text.complaints = None;
        drafts[children].text.storage = None;
        let mut abroad = drafts[0].clone();
        abroad.purpose = Purpose::CrossBorder;
        drafts.push(abroad.clone());
        drafts.push(abroad);
        drafts[1].changes = vec![Substance::Type];
        let flaws: Vec<String> = next(&shipped(), 2, &drafts).unwrap_err().0.into_iter().map(|f| f.pointer).collect();
        let (last, again) = (drafts.len() - 2, drafts.len() - 1);
        assert_eq!(
            flaws,
            [
                "/statements/1/changes".to_owned(),
                format!("/statements/{children}/text/storage"),
                format!("/statements/{children}/text/complaints"),
                format!("/statements/{last}/text/recipients"),
                format!("/statements/{again}/purpose"),
                format!("/statements/{again}/text/recipients"),
            ]
        );
    }

    #[test]
    fn a_statement_is_known_by_the_digest_of_all_its_parts() {
        let text = shipped().statement(Purpose::Children).unwrap().text.clone();
        let swapped =
            StatementText { storage: text.safeguards.clone(), safeguards: text.storage.clone(), ..text.clone() };
        assert_ne!(swapped.sha256(), text.sha256());
        assert_ne!(StatementText { rights: None, ..text.clone() }.sha256(), text.sha256());
        assert_eq!(text.sha256().len(), 64);
    }
}
