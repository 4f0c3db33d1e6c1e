//! Records that were rejected: the first of them, and how many there are in all.

use ingest::Rejected;
use serde::Serialize;

/// Records that are kept with their reasons. A source that has become another one rejects millions.
const KEPT: usize = 1_000;

/// Rejected records, of which the first are kept with their reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rejections {
    count: usize,
    first: Vec<Rejected>,
}

impl Rejections {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first of them, each with its reason.
    #[must_use]
    pub fn into_first(self) -> Vec<Rejected> {
        self.first
    }
}

impl Extend<Rejected> for Rejections {
    fn extend<T: IntoIterator<Item = Rejected>>(&mut self, more: T) {
        for rejected in more {
            self.count += 1;
            if self.first.len() < KEPT {
                self.first.push(rejected);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_thousand_kept() {
        let rejected = |n: usize| Rejected { record: n.to_string(), reason: "no title".to_owned() };
        let mut all = Rejections::default();
        all.extend((0..999).map(rejected));
        all.extend((999..2_500).map(rejected));
        assert_eq!((all.count(), all.into_first()), (2_500, (0..1_000).map(rejected).collect()));
    }
}
