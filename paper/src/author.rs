use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::identity::fold;

/// One author, in the order of the paper's own list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The name as the source writes it, given name first.
    pub name: String,
    /// Identifiers by who gave them: `semantic_scholar`, `orcid`.
    #[serde(default)]
    pub ids: BTreeMap<String, String>,
}

impl Author {
    /// An author known by name alone.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ids: BTreeMap::new() }
    }
}

/// The surname of a name, to compare with: lower case, no accents.
///
/// Reads `Ada Lovelace` and `Lovelace, Ada`; the last word is the surname, suffixes such as `Jr.`
/// aside. Good for matching records of one paper, not for sorting a bibliography.
#[must_use]
pub fn surname(name: &str) -> String {
    let family = match name.split_once(',') {
        Some((family, given)) if !is_suffix(given.trim()) => family,
        Some((whole, _)) => whole,
        None => name,
    };
    let last = family.split_whitespace().rev().find(|word| !is_suffix(word));
    fold(last.unwrap_or(family))
}

fn is_suffix(word: &str) -> bool {
    matches!(word.trim_matches(['.', ',']), "Jr" | "Sr" | "II" | "III" | "IV")
}

#[cfg(test)]
mod tests {
    use super::surname;

    #[test]
    fn finds_the_surname_in_either_order() {
        for (name, family) in [
            ("Ashish Vaswani", "vaswani"),
            ("Vaswani, Ashish", "vaswani"),
            ("Léon Bottou", "bottou"),
            ("Geoffrey E. Hinton", "hinton"),
            ("Kaiming He", "he"),
            ("Aidan N. Gomez Jr.", "gomez"),
            ("Osvaldo N. Oliveira, Jr.", "oliveira"),
            ("Łukasz Kaiser", "kaiser"),
            ("Planck Collaboration", "collaboration"),
            ("", ""),
        ] {
            assert_eq!(surname(name), family, "{name}");
        }
    }
}
