//! What a run did, as the history keeps it.

use ingest::Rejected;
use serde::{Deserialize, Serialize};

use crate::library::{Rejections, SyncReport};

/// Records that are named for one reason, and reasons that are kept apart.
const MOST_RECORDS: usize = 5;
const MOST_REASONS: usize = 50;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Papers by what became of them.
    pub counts: Counts,
    /// Why records were rejected, the most frequent reason first.
    pub rejects: Vec<RejectGroup>,
    /// Whether it went on from where an earlier, interrupted one stopped.
    pub resumed: bool,
    /// Why the place where an earlier one stopped was given up, when it was.
    pub began_anew: Option<String>,
    /// Whether it ended at the most papers to take in, and the source has more.
    pub stopped_at_max: bool,
    /// Passages that were embedded while the run was being indexed; unknown when indexing did not end with it.
    pub embeddings: Option<u64>,
    /// Papers written to the index meanwhile, likewise.
    pub index_writes: Option<u64>,
}

/// How many records became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Counts {
    pub added: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub rejected: u64,
    pub deleted: u64,
}

/// Records that were rejected for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectGroup {
    /// The reason.
    pub reason: String,
    /// How many there are.
    pub count: u64,
    /// Some of them.
    pub records: Vec<String>,
}

impl From<SyncReport> for Outcome {
    fn from(report: SyncReport) -> Self {
        let counts = Counts {
            added: report.counts.added,
            updated: report.counts.updated,
            unchanged: report.counts.unchanged,
            rejected: report.rejected.count() as u64,
            deleted: report.deleted,
        };
        Self {
            counts,
            rejects: group(report.rejected),
            resumed: report.resumed,
            began_anew: report.began_anew,
            stopped_at_max: report.stopped_at_max,
            embeddings: None,
            index_writes: None,
        }
    }
}

fn group(rejected: Rejections) -> Vec<RejectGroup> {
    let all = rejected.count();
    let first = rejected.into_first();
    let unknown = all.saturating_sub(first.len()) as u64;
    let mut groups = by_reason(first);
    if unknown > 0 {
        let reason = "reasons that are not kept, since there are so many".to_owned();
        groups.push(RejectGroup { reason, count: unknown, records: Vec::new() });
    }
    groups
}

fn by_reason(rejected: Vec<Rejected>) -> Vec<RejectGroup> {
    let mut groups: Vec<RejectGroup> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for Rejected { record, reason } in rejected {
        let place = *places.entry(reason.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(RejectGroup { reason, count: 0, records: Vec::new() });
        }
        let Some(group) = groups.get_mut(place) else { continue };
        group.count += 1;
        if group.records.len() < MOST_RECORDS {
            group.records.push(record);
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    if groups.len() > MOST_REASONS {
        let rest = groups.split_off(MOST_REASONS - 1);
        let reason = format!("{} other reasons", rest.len());
        let count = rest.iter().map(|group| group.count).sum();
        let records = rest.into_iter().flat_map(|group| group.records).take(MOST_RECORDS).collect();
        groups.push(RejectGroup { reason, count, records });
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rejected(record: &str, reason: &str) -> Rejected {
        Rejected { record: record.to_owned(), reason: reason.to_owned() }
    }

    fn kept(all: Vec<Rejected>) -> Rejections {
        let mut kept = Rejections::default();
        kept.extend(all);
        kept
    }

    #[test]
    fn rejects_are_counted_by_reason_with_some_of_them() {
        let mut all = vec![rejected("a", "no title")];
        all.extend((0..7).map(|n| rejected(&n.to_string(), "no author")));
        let groups = group(kept(all));
        let expected = [("no author", 7, vec!["0", "1", "2", "3", "4"]), ("no title", 1, vec!["a"])];
        let expected = expected.map(|(reason, count, records)| RejectGroup {
            reason: reason.to_owned(),
            count,
            records: records.into_iter().map(String::from).collect(),
        });
        assert_eq!(groups, expected);
    }

    proptest! {
        #[test]
        fn none_is_lost_and_the_list_stays_short(reasons in proptest::collection::vec(0u8..200, 0..1_200)) {
            let all: Vec<Rejected> = reasons.iter().map(|n| rejected("x", &n.to_string())).collect();
            let groups = group(kept(all));
            prop_assert_eq!(groups.iter().map(|group| group.count).sum::<u64>(), reasons.len() as u64);
            prop_assert!(groups.len() <= MOST_REASONS + 1 && groups.iter().all(|group| group.records.len() <= MOST_RECORDS));
        }
    }
}
