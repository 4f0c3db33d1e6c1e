//! Citation marks and quotation marks in a drafted sentence.

/// A drafted sentence taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Marked {
    /// The sentence without marks, list bullets and surrounding white space.
    pub bare: String,
    /// The numbers in its marks, each once, in order; a mark that holds anything but numbers counts as 0,
    /// which no evidence has.
    pub numbers: Vec<usize>,
    /// What stands between quotation marks, when it is long enough to be somebody's words.
    pub quotations: Vec<String>,
}

/// Two words in quotation marks name a thing; more repeat what somebody wrote.
const LEAST_QUOTED_WORDS: usize = 3;

impl Marked {
    pub(super) fn read(drafted: &str) -> Self {
        let mut bare = String::with_capacity(drafted.len());
        let mut numbers = Vec::new();
        let mut rest = drafted;
        while let Some((before, after)) = rest.split_once('[') {
            bare.push_str(before);
            match after.split_once(']') {
                Some((inside, tail)) if is_mark(inside) => {
                    numbers.extend(marked_numbers(inside));
                    bare.truncate(bare.trim_end().len());
                    rest = tail;
                }
                _ => {
                    bare.push('[');
                    rest = after;
                }
            }
        }
        bare.push_str(rest);
        let mut seen = std::collections::HashSet::new();
        numbers.retain(|n| seen.insert(*n));
        let bare = bare.trim().trim_start_matches(['-', '*', '•', '#', '>']).trim().to_owned();
        Self { quotations: quotations(&bare), bare, numbers }
    }
}

/// `[1]`, `[1, 2]`, and what a model writes when it makes one up: `[Smith 2020]`, `[p3]`, `[^1]`.
fn is_mark(inside: &str) -> bool {
    inside.chars().any(|c| c.is_ascii_digit()) && inside.chars().count() <= 60 && !inside.contains('$')
}

fn marked_numbers(inside: &str) -> Vec<usize> {
    if inside.chars().any(char::is_alphabetic) {
        return vec![0];
    }
    let parts = inside.split([',', ';', ' ']).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().unwrap_or(0)).collect()
}

fn quotations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(char, String)> = None;
    for c in text.chars() {
        open = match open {
            None => match c {
                '"' => Some(('"', String::new())),
                '“' | '„' => Some(('”', String::new())),
                '«' => Some(('»', String::new())),
                _ => None,
            },
            Some((close, words)) if c == close => {
                found.push(words);
                None
            }
            Some((close, mut words)) => {
                words.push(c);
                Some((close, words))
            }
        };
    }
    // One that is not closed claims somebody's words all the same.
    found.extend(open.map(|(_, words)| words));
    let trimmed = found.into_iter().map(|words| words.trim().trim_end_matches(['.', ',', ';']).to_owned());
    trimmed.filter(|words| words.split_whitespace().count() >= LEAST_QUOTED_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(drafted: &str) -> (String, Vec<usize>) {
        let marked = Marked::read(drafted);
        (marked.bare, marked.numbers)
    }

    #[test]
    fn marks_are_taken_off_wherever_they_stand() {
        for (drafted, bare, numbers) in [
            ("It works [1].", "It works.", vec![1]),
            ("It works. [2, 3]", "It works.", vec![2, 3]),
            ("- It [1] works [1][4].", "It works.", vec![1, 4]),
            ("It works [Smith 2020].", "It works.", vec![0]),
            ("The range [a, b] stays.", "The range [a, b] stays.", vec![]),
            ("Open [1", "Open [1", vec![]),
        ] {
            assert_eq!(read(drafted), (bare.to_owned(), numbers.clone()), "{drafted}");
        }
    }

    #[test]
    fn a_quotation_that_is_not_closed_counts() {
        assert_eq!(Marked::read("They say \"a b c d [1].").quotations, ["a b c d"]);
        assert_eq!(Marked::read("Sie sagen «a b c» [1].").quotations, ["a b c"]);
    }

    #[test]
    fn quotations_are_found_in_both_kinds_of_marks() {
        let marked = Marked::read("They say \"a b c.\" and “d e f g” of \"BERT\" [1].");
        assert_eq!(marked.quotations, ["a b c", "d e f g"]);
    }

    proptest! {
        #[test]
        fn never_panics_and_never_keeps_a_number_mark(text in "[a-z \\[\\]0-9,\"“”.]{0,60}") {
            let marked = Marked::read(&text);
            prop_assert!(marked.numbers.len() <= text.len());
            prop_assert!(!marked.bare.contains("[1]"));
        }
    }
}
