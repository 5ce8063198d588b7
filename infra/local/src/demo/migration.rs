//! Who moved from which value segment to which between two runs of the demo.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use huitou::app::App;
use huitou::domain::segmentation::Judged;
use huitou::table::ScanShard;
use huitou::values::{Code, MemberId};

/// Members read at once.
const PAGE: i32 = 500;
/// The set whose entries are told apart.
const SET: &str = "value";

/// The value segment of every member, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placing(HashMap<MemberId, Code>);

/// Members by the segment that they left and the one that they entered.
pub type Moves = BTreeMap<Code, BTreeMap<Code, u64>>;

impl Placing {
    /// Reads everybody's segment: half a read unit per 4 KB.
    pub async fn read(app: &App) -> Result<Self, String> {
        let rules = app.segments().rules().await.map_err(|e| format!("{e:?}"))?;
        let (mut placing, mut from) = (HashMap::new(), None);
        loop {
            let page = app.table().page_of_members(ScanShard::WHOLE, from, PAGE).await.map_err(|e| e.to_string())?;
            for hot in page.members {
                let judged = Judged { segments: hot.account.segments, until: None };
                if let Some(entry) = rules.entry(SET, &judged) {
                    placing.insert(hot.account.member, entry.id.clone());
                }
            }
            from = page.next;
            if from.is_none() {
                return Ok(Self(placing));
            }
        }
    }

    /// Who has moved by `later`; members who were not known before are left out.
    #[must_use]
    pub fn moves(&self, later: &Self) -> Moves {
        let mut moves = Moves::new();
        for (member, before) in &self.0 {
            if let Some(after) = later.0.get(member).filter(|after| *after != before) {
                *moves.entry(before.clone()).or_default().entry(after.clone()).or_default() += 1;
            }
        }
        moves
    }
}

/// The moves as a small table: a line for each segment that was left.
#[must_use]
pub fn for_people(moves: &Moves) -> String {
    let entered: Vec<&Code> = {
        let mut all: Vec<&Code> = moves.values().flat_map(BTreeMap::keys).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let mut text = format!("\n  {:<16}", "from / to");
    // Writing to a string can't fail.
    for to in &entered {
        let _ = write!(text, " {:>14}", to.as_str());
    }
    for (from, to) in moves {
        let _ = write!(text, "\n  {:<16}", from.as_str());
        for column in &entered {
            let members = to.get(*column).map(ToString::to_string);
            let _ = write!(text, " {:>14}", members.as_deref().unwrap_or("."));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placing(members: &[(u8, &str)]) -> Placing {
        let member = |n: u8| MemberId::from_random([n; 16]);
        Placing(members.iter().map(|(n, code)| (member(*n), Code::parse(code).unwrap())).collect())
    }

    #[test]
    fn the_table_counts_who_moved_and_leaves_out_who_stayed_or_came() {
        let before = placing(&[(1, "new"), (2, "new"), (3, "dormant"), (4, "potential")]);
        let after = placing(&[(1, "cooling"), (2, "cooling"), (3, "dormant"), (4, "new"), (5, "new")]);
        let table = for_people(&before.moves(&after));
        let lines: Vec<Vec<&str>> = table.trim().lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines,
            [vec!["from", "/", "to", "cooling", "new"], vec!["new", "2", "."], vec!["potential", ".", "1"],]
        );
    }
}
