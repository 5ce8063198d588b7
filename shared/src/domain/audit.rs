//! The audit trail: which staff member was shown whom and changed what, when and why.
//!
//! Entries are written once and hang on chains. A chain is written by one worker at a time, on one day, from number 1
//! on; each entry carries the seal of the one before, and the chain's head carries number and seal of the last. A seal
//! is an HMAC under a key that the table's own administrators don't have, so that whoever can write the table can still
//! not write an entry that fits. Every worker opens chains of its own: no two processes wait for each other, no
//! partition grows hot, and an entry costs one call.
//!
//! What a chain proves: no entry of it was changed, removed, added or put in another place, and it ends where its head
//! says. What it can't prove: that a whole chain, entries and head together, was not removed, or a chain and its head
//! not put back to an earlier state; [`Day::digest`], noted elsewhere after the day is over, proves that too.
//! And whoever has the key and may write the table can write whatever they want.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::personal::Field;
use crate::digest::{half, hex, hmac_of_parts, sha256};
use crate::values::{Actor, LocalDay, MemberId, Moment, Reason, RowKey};

/// The layout of entries; older layouts stay readable.
const SCHEMA: u8 = 1;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditAct)]
pub enum Act {
    /// Was shown something of members.
    Looked,
    /// Asked for a change.
    Changed,
    /// Asked for something about members that the role may not do, or about somebody whom they may not see. Shown was
    /// nothing.
    Refused,
}

/// One entry: a request of a staff member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    schema: u8,
    /// When.
    pub at: Moment,
    /// Who, led by the role: `agent:li`.
    pub by: Actor,
    /// What.
    pub act: Act,
    /// By which route: `GET /v1/members/{id}`.
    pub route: String,
    /// What stood in the places of the route: ids, never personal data.
    pub places: BTreeMap<String, String>,
    /// Whom it was about.
    pub members: Vec<MemberId>,
    /// What of them was shown, masked or whole.
    pub fields: Vec<Field>,
    /// Whether one of them was under 14. Children's profiles show among the fields.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub minors: bool,
    /// Why, where somebody said so.
    pub reason: Option<Reason>,
    /// The request, as the log names it.
    pub request: String,
}

impl Entry {
    /// Whether it is about anybody under 14: a member, or the children of one (未成年人网络保护条例 37 asks for an audit of
    /// these every year).
    #[must_use]
    pub fn is_about_minors(&self) -> bool {
        self.minors || self.fields.contains(&Field::Children)
    }
}

/// A request before it is known whom it will be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who.
    pub by: Actor,
    /// What.
    pub act: Act,
    /// By which route.
    pub route: String,
    /// What stood in its places.
    pub places: BTreeMap<String, String>,
    /// What is shown of members.
    pub fields: Vec<Field>,
    /// Why.
    pub reason: Option<Reason>,
    /// The request.
    pub request: String,
}

impl Draft {
    /// The entry, now that it is known whom it is about.
    #[must_use]
    pub fn entry(&self, at: Moment, members: Vec<MemberId>, minors: bool) -> Entry {
        let Self { by, act, route, places, fields, reason, request } = self.clone();
        Entry { schema: SCHEMA, at, by, act, route, places, members, fields, minors, reason, request }
    }

    /// The same request when it was refused. Nobody knows what was asked for, so of its places only ids of ours stay:
    /// anything else could be a phone number.
    #[must_use]
    pub fn refused(&self) -> Self {
        let ours = |text: &String| MemberId::parse(text).is_ok() || RowKey::parse(text).is_ok();
        let places = self.places.iter().filter(|(_, place)| ours(place));
        let places = places.map(|(name, place)| (name.clone(), place.clone())).collect();
        Self { act: Act::Refused, places, fields: Vec::new(), ..self.clone() }
    }
}

/// The key under which entries are sealed.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// A key from its 32 secret bytes.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    fn seal(&self, chain: RowKey, number: u32, before: &Seal, text: &str) -> Seal {
        let number = number.to_be_bytes();
        Seal(half(hmac_of_parts(&self.0, &[chain.bytes(), &number, &before.0, text.as_bytes()])))
    }
}

/// The key never shows.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("audit::Key")
    }
}

/// What seals an entry, and everything before it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Seal(pub [u8; 16]);

impl std::fmt::Display for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: RowKey,
    /// The day on which it is written.
    pub day: LocalDay,
    /// How many entries it has.
    pub number: u32,
    /// The seal of the last one.
    pub seal: Seal,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The chain.
    pub chain: RowKey,
    /// Its place in the chain, from 1 on.
    pub number: u32,
    /// The seal of the entry before.
    pub before: Seal,
    /// The entry as JSON: what was sealed, letter for letter.
    pub text: String,
}

impl Link {
    /// What it says.
    pub fn entry(&self) -> Result<Entry, serde_json::Error> {
        serde_json::from_str(&self.text)
    }
}

impl Head {
    /// A chain without entries.
    #[must_use]
    pub const fn begin(chain: RowKey, day: LocalDay) -> Self {
        Self { chain, day, number: 0, seal: Seal([0; 16]) }
    }

    /// The chain with one entry more.
    pub fn append(&self, key: &Key, entry: &Entry) -> Result<(Link, Self), serde_json::Error> {
        let text = serde_json::to_string(entry)?;
        let link = Link { chain: self.chain, number: self.number.saturating_add(1), before: self.seal, text };
        let seal = key.seal(link.chain, link.number, &link.before, &link.text);
        Ok((link.clone(), Self { number: link.number, seal, ..*self }))
    }
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditFault)]
pub struct Fault {
    /// The chain.
    pub chain: RowKey,
    /// The first entry that is missing, was changed, or is not accounted for.
    pub number: u32,
    /// What is wrong: `missing`, `changed`, `without_head`.
    pub what: &'static str,
}

/// What a day's chains prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Chains.
    pub chains: usize,
    /// Entries.
    pub entries: usize,
    /// What is wrong, chain by chain.
    pub faults: Vec<Fault>,
    /// Stands for all heads together. Noted elsewhere when the day is over, it shows later that no chain was removed.
    pub digest: String,
}

/// Follows every chain of a day from its first entry to its head.
#[must_use]
pub fn verify(key: &Key, heads: &[Head], links: &[Link]) -> Day {
    let mut chains: BTreeMap<RowKey, (Option<&Head>, BTreeMap<u32, &Link>)> = BTreeMap::new();
    for head in heads {
        chains.entry(head.chain).or_default().0 = Some(head);
    }
    for link in links {
        chains.entry(link.chain).or_default().1.insert(link.number, link);
    }
    let faults = chains.iter().filter_map(|(chain, (head, links))| fault(key, *chain, *head, links)).collect();
    let ends: Vec<Vec<u8>> = chains
        .values()
        .filter_map(|(head, _)| *head)
        .map(|head| [head.chain.bytes().as_slice(), &head.number.to_be_bytes(), &head.seal.0].concat())
        .collect();
    let ends: Vec<&[u8]> = ends.iter().map(Vec::as_slice).collect();
    Day { chains: chains.len(), entries: links.len(), faults, digest: hex(&sha256(&ends)) }
}

fn fault(key: &Key, chain: RowKey, head: Option<&Head>, links: &BTreeMap<u32, &Link>) -> Option<Fault> {
    let fault = |number, what| Some(Fault { chain, number, what });
    let Some(head) = head else { return fault(1, "without_head") };
    let mut before = Seal::default();
    for number in 1..=head.number {
        let Some(link) = links.get(&number) else { return fault(number, "missing") };
        // Whether this entry or the one before was changed can't be told apart before the next seal is compared.
        if link.before != before {
            return fault(number.saturating_sub(1).max(1), "changed");
        }
        before = key.seal(chain, number, &link.before, &link.text);
    }
    if before != head.seal {
        return fault(head.number, "changed");
    }
    let further = links.keys().find(|number| !(1..=head.number).contains(number));
    further.and_then(|number| fault(*number, "without_head"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key::new([7; 32])
    }

    fn entry(n: u32) -> Entry {
        let draft = Draft {
            by: Actor::parse("agent:li").unwrap(),
            act: Act::Looked,
            route: "GET /v1/members/{id}".to_owned(),
            places: BTreeMap::from([("id".to_owned(), format!("m{n}"))]),
            fields: vec![Field::Name, Field::Phone],
            reason: Reason::parse("回电").ok(),
            request: format!("{n:032x}"),
        };
        draft.entry(Moment::parse("2026-03-02T10:00:00+08:00").unwrap(), vec![MemberId::from_random([1; 16])], false)
    }

    fn a_chain(of: u8, length: u32) -> (Head, Vec<Link>) {
        let mut head = Head::begin(RowKey::from_bytes([of; 16]), LocalDay::parse("2026-03-02").unwrap());
        let mut links = Vec::new();
        for n in 1..=length {
            let (link, next) = head.append(&key(), &entry(n)).unwrap();
            links.push(link);
            head = next;
        }
        (head, links)
    }

    #[test]
    fn chains_as_they_were_written_hold() {
        let (one, mut links) = a_chain(1, 5);
        let (two, others) = a_chain(2, 3);
        links.extend(others);
        let day = verify(&key(), &[one, two], &links);
        assert_eq!((day.chains, day.entries, &day.faults), (2, 8, &vec![]));
        assert_eq!(links[4].entry().unwrap(), entry(5));
        assert_eq!(verify(&key(), &[], &[]).faults, vec![]);
    }

    #[test]
    fn a_day_without_one_of_its_chains_has_another_digest() {
        let ((one, links), (two, others)) = (a_chain(1, 5), a_chain(2, 3));
        let both = verify(&key(), &[one, two], &[links.clone(), others].concat());
        let left = verify(&key(), &[one], &links);
        assert_eq!(left.faults, vec![]);
        assert_ne!(left.digest, both.digest);
    }

    #[test]
    fn of_a_request_that_was_refused_nothing_stays_that_is_no_id_of_ours() {
        let member = MemberId::from_random([1; 16]).to_string();
        let places = [("id", member.as_str()), ("run", "13800138000"), ("merge", "zhang xiaoming")];
        let draft = Draft {
            by: Actor::parse("agent:li").unwrap(),
            act: Act::Looked,
            route: "GET /v1/members/{id}".to_owned(),
            places: places.map(|(name, place)| (name.to_owned(), place.to_owned())).into(),
            fields: vec![Field::Name],
            reason: None,
            request: "1".to_owned(),
        };
        let refused = draft.refused();
        assert_eq!((refused.act, refused.fields), (Act::Refused, vec![]));
        assert_eq!(refused.places, BTreeMap::from([("id".to_owned(), member)]));
    }

    #[test]
    fn another_key_fits_nothing() {
        let (head, links) = a_chain(1, 3);
        assert_eq!(verify(&Key::new([8; 32]), &[head], &links).faults.len(), 1);
        assert_eq!(format!("{:?}", key()), "audit::Key");
    }

    proptest! {
        #[test]
        fn whatever_is_changed_removed_added_or_moved_shows(length in 1_u32..12, place in 0_usize..12, kind in 0_u8..6) {
            let (head, mut links) = a_chain(1, length);
            let place = place % links.len();
            match kind {
                0 => _ = links.remove(place),
                1 => links[place].text = links[place].text.replace("agent:li", "agent:wu"),
                2 => links[place].before = Seal([9; 16]),
                3 => links[place].number += length,
                4 => {
                    let (link, _) = head.append(&key(), &entry(99)).unwrap();
                    links.push(link);
                }
                _ => {
                    let (other, _) = a_chain(1, length + 1);
                    prop_assert_ne!(verify(&key(), &[other], &links).faults, vec![]);
                    links.clear();
                }
            }
            prop_assert_eq!(verify(&key(), &[head], &links).faults.len(), 1);
            prop_assert_eq!(verify(&key(), &[], &links).faults.len(), usize::from(!links.is_empty()));
        }
    }
}
