//! Which way things go in a text: whether it says that something grows or gets better, or that it shrinks or gets worse; pure.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::words::stem;

/// Verbs and adjectives, in all their forms.
const UP: [&str; 27] = [
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
    "surpass",
    "exceed",
    "accelerate",
    "strengthen",
    "superior",
    "elevate",
    "augment",
    "stimulate",
    "exacerbate",
    "aggravate",
    "amplify",
    "grow",
    "larger",
    "longer",
    "faster",
    "stronger",
    "facilitate",
];
const DOWN: [&str; 33] = [
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
    "inferior",
    "suppress",
    "diminish",
    "attenuate",
    "impede",
    "decline",
    "fall",
    "shrink",
    "smaller",
    "shorter",
    "slower",
    "weaker",
    "prevent",
    "hinder",
    "mitigate",
    "alleviate",
    "ameliorate",
    "abolish",
    "dampen",
    "degrade",
];
/// Words whose other forms mean something else, as of "negative" and "rise" in "gives rise to".
const UP_AS_WRITTEN: [&str; 8] = ["more", "positively", "rose", "risen", "rises", "grew", "growth", "gains"];
const DOWN_AS_WRITTEN: [&str; 7] = ["less", "negatively", "fell", "shrank", "loses", "blocked", "lost"];

static UP_STEMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| UP.iter().map(|word| stem(word)).collect());
static DOWN_STEMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| DOWN.iter().map(|word| stem(word)).collect());

/// Which ways things go in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Directions {
    up: bool,
    down: bool,
}

impl Directions {
    /// Of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut directions = Self::default();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase) {
            let stem = stem(&word);
            directions.up |= UP_STEMS.contains(&stem) || UP_AS_WRITTEN.contains(&word.as_str());
            directions.down |= DOWN_STEMS.contains(&stem) || DOWN_AS_WRITTEN.contains(&word.as_str());
        }
        directions
    }

    /// Whether this goes a way that the other does not.
    #[must_use]
    pub fn beyond(self, other: Self) -> bool {
        (self.up && !other.up) || (self.down && !other.down)
    }

    /// Up, down, or neither where a text has both or none.
    #[must_use]
    pub fn only(self) -> Option<bool> {
        (self.up != self.down).then_some(self.up)
    }

    /// Whether it goes anywhere.
    #[must_use]
    pub fn any(self) -> bool {
        self.up || self.down
    }
}

/// Whether a stem is that of a word of direction.
#[must_use]
pub fn is_direction(stem: &str) -> bool {
    UP_STEMS.contains(stem) || DOWN_STEMS.contains(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_goes_up_or_down_by_its_words() {
        for (text, only, any) in [
            ("Dropout improves accuracy", Some(true), true),
            ("The more accurate model", Some(true), true),
            ("The less accurate model", Some(false), true),
            ("Memory shrinks with length", Some(false), true),
            ("Better accuracy at lower cost", None, true),
            ("Cells that give rise to muscle", None, false),
            ("Residual blocks and the loss function", None, false),
            ("HPV positive and negative samples", None, false),
        ] {
            let directions = Directions::of(text);
            assert_eq!((directions.only(), directions.any()), (only, any), "{text}");
        }
    }
}
