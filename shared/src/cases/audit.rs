//! The audit trail, read: page by page, proven, and by whom it tells of when data has leaked.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::App;
use crate::cases::Error;
use crate::domain::audit::{Day, Entry, Link, verify};
use crate::domain::personal::Field;
use crate::domain::refusal::Refusal;
use crate::table::{AuditPlace, AuditPosition};
use crate::values::{Actor, LocalDay, MemberId, Moment};

/// Entries that are read at once: with two hundred members each they still fit into one answer of the table.
const READ: usize = 100;
/// Reads for one page: a filter that fits little ends with a cursor instead of keeping the client waiting.
const READS: usize = 80;
/// What one breach report reads and holds at most; whoever asks for more is told to ask for less at a time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of entries that are read, whether the report is about them or not: by them a quarter of a busy brand ends
    /// in time with a no instead of at the deadline.
    pub bytes: usize,
    /// Members that are named, one for each of staff to whom they were shown: by them the answer stays below the six
    /// megabytes that a function may answer.
    pub members: usize,
}

impl Bounds {
    /// So many bytes are about fifty thousand looks at one member each.
    pub const USUAL: Self = Self { bytes: 20 * 1024 * 1024, members: 100_000 };
}

/// Which entries are wanted.
#[derive(Clone, Debug)]
pub struct Filter {
    /// From when on.
    pub from: Moment,
    /// Until before when.
    pub until: Moment,
    /// By whom.
    pub by: Option<Actor>,
    /// About whom.
    pub about: Option<MemberId>,
    /// Only what is about somebody under 14, or about children.
    pub minors: bool,
}

impl Filter {
    fn takes(&self, entry: &Entry) -> bool {
        (self.from..self.until).contains(&entry.at)
            && self.by.as_ref().is_none_or(|by| *by == entry.by)
            && (!self.minors || entry.is_about_minors())
            && self.about.as_ref().is_none_or(|member| entry.members.contains(member))
    }

    /// The days that it touches.
    fn days(&self) -> impl Iterator<Item = LocalDay> + '_ {
        let (first, until) = (self.from.day(), self.until);
        let next = |day: &LocalDay| Some(day.plus(1)).filter(|next| next != day);
        std::iter::successors(Some(first), next).take_while(move |day| Moment::start_of(*day) < until)
    }

    fn beginning(&self) -> AuditPosition {
        AuditPosition { day: self.from.day(), after: String::new() }
    }
}

/// An entry and where it hangs.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it says.
    pub entry: Entry,
    /// Its place in its chain, and what was sealed.
    pub link: Link,
}

/// Whom one staff member was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Whom.
    pub members: BTreeSet<MemberId>,
    /// What of them.
    pub fields: BTreeSet<Field>,
    /// In how many requests.
    pub requests: u64,
    /// The first and the last of them.
    pub span: Option<(Moment, Moment)>,
}

impl Exposure {
    fn note(&mut self, entry: Entry) {
        self.members.extend(entry.members);
        self.fields.extend(entry.fields);
        self.requests += 1;
        let (first, last) = self.span.unwrap_or((entry.at, entry.at));
        self.span = Some((first.min(entry.at), last.max(entry.at)));
    }
}

/// The audit trail.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a>(pub(crate) &'a App);

impl App {
    /// The audit trail.
    #[must_use]
    pub const fn audit(&self) -> Audit<'_> {
        Audit(self)
    }
}

impl Audit<'_> {
    /// A page of entries, oldest first, and where the next one begins. Sixteen calls per hundred entries and day;
    /// where a filter fits little, a page may have fewer entries than asked for and still be followed by another one.
    pub async fn page(
        &self,
        filter: &Filter,
        from: Option<AuditPosition>,
        most: usize,
    ) -> Result<(Vec<Found>, Option<AuditPosition>), Error> {
        let (mut found, mut position) = (Vec::new(), from.unwrap_or_else(|| filter.beginning()));
        for _ in 0..READS {
            let (entries, whole) = self.0.table().audited(&position, READ).await?;
            for (place, link) in entries {
                position.after = place;
                let entry = link.entry()?;
                if filter.takes(&entry) {
                    found.push(Found { entry, link });
                }
                if found.len() == most {
                    return Ok((found, Some(position)));
                }
            }
            if whole {
                let next = position.day.plus(1);
                if next == position.day || Moment::start_of(next) >= filter.until {
                    return Ok((found, None));
                }
                position = AuditPosition { day: next, after: String::new() };
            }
        }
        Ok((found, Some(position)))
    }

    /// Who was shown whom between two moments: everything that has to be known when somebody's access has leaked. Sixteen
    /// calls for each day, side by side, and one for each further MB.
    pub async fn breach(&self, filter: &Filter, bounds: Bounds) -> Result<BTreeMap<Actor, Exposure>, Error> {
        let (mut exposed, mut bytes) = (BTreeMap::<Actor, Exposure>::new(), 0);
        for day in filter.days() {
            let mut places: Vec<AuditPlace> = AuditPlace::all_of(day).collect();
            while !places.is_empty() {
                let table = self.0.table();
                let pages = places.into_iter().map(|place| table.audited_at(place, (filter.from, filter.until)));
                let pages = futures_util::future::try_join_all(pages).await?;
                places = Vec::new();
                for (links, next) in pages {
                    places.extend(next);
                    for link in links {
                        bytes += link.text.len();
                        let entry = link.entry()?;
                        if filter.takes(&entry) && !entry.members.is_empty() {
                            exposed.entry(entry.by.clone()).or_default().note(entry);
                        }
                    }
                }
                let members = exposed.values().map(|of| of.members.len()).sum::<usize>();
                if bytes > bounds.bytes || members > bounds.members {
                    return Err(Refusal::SpanTooWide.into());
                }
            }
        }
        Ok(exposed)
    }

    /// Follows every chain of a day. At least sixteen calls, and one per MB.
    pub async fn prove(&self, day: LocalDay) -> Result<Day, Error> {
        let (heads, links) = self.0.table().audited_day(day).await?;
        Ok(verify(&self.0.parts().audit_key, &heads, &links))
    }
}
