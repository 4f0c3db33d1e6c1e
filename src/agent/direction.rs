//! Whether a text says that something grows or gets better, or that it shrinks or gets worse; pure.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::words::stem;

const UP: [&str; 28] = [
    "increase",
    "improve",
    "enhance",
    "raise",
    "higher",
    "greater",
    "better",
    "promote",
    "upregulate",
    "outperform",
    "accelerate",
    "strengthen",
    "gain",
    "more",
    "positive",
    "superior",
    "elevate",
    "augment",
    "stimulate",
    "boost",
    "exacerbate",
    "amplify",
    "rose",
    "larger",
    "faster",
    "stronger",
    "facilitate",
    "aggravate",
];
const DOWN: [&str; 37] = [
    "decrease",
    "worsen",
    "impair",
    "reduce",
    "reduction",
    "lower",
    "fewer",
    "worse",
    "inhibit",
    "downregulate",
    "underperform",
    "slow",
    "weaken",
    "loss",
    "less",
    "negative",
    "inferior",
    "suppress",
    "diminish",
    "attenuate",
    "impede",
    "decline",
    "drop",
    "fall",
    "fell",
    "shrink",
    "smaller",
    "slower",
    "weaker",
    "block",
    "prevent",
    "hinder",
    "mitigate",
    "alleviate",
    "ameliorate",
    "abolish",
    "dampen",
];

static UP_STEMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| UP.iter().map(|word| stem(word)).collect());
static DOWN_STEMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| DOWN.iter().map(|word| stem(word)).collect());

/// Which way things go in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directions {
    up: bool,
    down: bool,
}

impl Directions {
    /// Of the stems of a text.
    pub fn of(stems: &BTreeSet<String>) -> Self {
        Self { up: !stems.is_disjoint(&UP_STEMS), down: !stems.is_disjoint(&DOWN_STEMS) }
    }

    /// Whether this goes a way that the other does not.
    pub fn beyond(self, other: Self) -> bool {
        (self.up && !other.up) || (self.down && !other.down)
    }

    /// Up, down, or neither where a text has both or none.
    pub fn only(self) -> Option<bool> {
        (self.up != self.down).then_some(self.up)
    }
}

/// Whether a stem is that of a word of direction.
pub(super) fn is_direction(stem: &str) -> bool {
    UP_STEMS.contains(stem) || DOWN_STEMS.contains(stem)
}
