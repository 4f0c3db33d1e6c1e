//! Citation marks, other references and quotation marks in a drafted sentence.

use std::borrow::Cow;

/// A drafted sentence taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Marked {
    /// The sentence without marks, list bullets and surrounding white space.
    pub bare: String,
    /// The numbers in its marks, each once, in order; a mark that holds anything but numbers counts as 0,
    /// which no evidence has.
    pub numbers: Vec<usize>,
    /// What still refers to something outside of the sentence: other brackets, links, addresses, `Smith et al`.
    /// It may stand only where a source has it too.
    pub references: Vec<String>,
    /// What stands between quotation marks, when it is long enough to be somebody's words.
    pub quotations: Vec<String>,
}

/// Two words in quotation marks name a thing; more repeat what somebody wrote.
const LEAST_QUOTED_WORDS: usize = 3;
/// No mark is longer, in characters.
const LONGEST_MARK: usize = 60;
/// A mark such as `[2-40]` names no sources one by one.
const LONGEST_RANGE: usize = 10;

impl Marked {
    pub(super) fn read(drafted: &str) -> Self {
        let mut bare = String::with_capacity(drafted.len());
        let mut numbers = Vec::new();
        let mut rest = drafted;
        while let Some((before, after)) = rest.split_once('[') {
            bare.push_str(before);
            match after.split_once(']') {
                Some((inside, tail)) if is_mark(inside) && !tail.starts_with('(') => {
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
        Self { quotations: quotations(&bare), references: references(&bare), bare, numbers }
    }
}

/// Square brackets, as marks have them and as texts have them that were [`set_apart`].
const BRACKETS: [char; 4] = ['[', ']', '［', '］'];

/// A text whose own square brackets cannot be taken for marks: they become full-width ones.
pub(in crate::agent) fn set_apart(text: &str) -> Cow<'_, str> {
    if text.contains(['[', ']']) {
        Cow::Owned(text.replace('[', "［").replace(']', "］"))
    } else {
        Cow::Borrowed(text)
    }
}

/// `[1]`, `[1, 2]`, `[1-3]`, and what a model writes when it makes one up: `[Smith 2020]`, `[p3]`, `[^1]`.
fn is_mark(inside: &str) -> bool {
    inside.chars().any(|c| c.is_ascii_digit()) && inside.chars().count() <= LONGEST_MARK && !inside.contains('$')
}

fn marked_numbers(inside: &str) -> Vec<usize> {
    if inside.chars().any(char::is_alphabetic) {
        return vec![0];
    }
    let parts = inside.split([',', ';', ' ']).filter(|part| !part.is_empty());
    parts.flat_map(|part| range(part).unwrap_or_else(|| vec![part.parse().unwrap_or(0)])).collect()
}

fn range(part: &str) -> Option<Vec<usize>> {
    let (first, last) = part.split_once(['-', '–'])?;
    let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
    (first < last && last - first < LONGEST_RANGE).then(|| (first..=last).collect())
}

fn references(bare: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = bare;
    while let Some(at) = rest.find(BRACKETS) {
        let (_, bracket) = rest.split_at(at);
        // One that is not closed, or not opened, is in no source as it stands.
        let closing = bracket.char_indices().find(|(_, c)| matches!(c, ']' | '］'));
        let (reference, after) = bracket.split_at(closing.map_or(bracket.len(), |(end, c)| end + c.len_utf8()));
        found.push(reference.to_owned());
        rest = after;
    }
    let words: Vec<&str> = bare.split_whitespace().collect();
    for (at, word) in words.iter().enumerate() {
        let word = word.trim_matches(['(', ')', ',', ';', '.', '<', '>']);
        if is_address(word) {
            found.push(word.to_owned());
        }
        let named = at.checked_sub(1).and_then(|before| words.get(before));
        if let (Some(name), "et", Some(al)) = (named, word, words.get(at + 1))
            && al.starts_with("al")
        {
            found.push(format!("{} et al", name.trim_start_matches(['(', '['])));
        }
    }
    found
}

/// `https://a.org`, `www.a.org`, `doi:10.1/2`, `arXiv:1706.03762`, `github.com/a/b`.
fn is_address(word: &str) -> bool {
    let word = word.to_lowercase();
    let host = word.split_once('/').map(|(host, _)| host);
    let named = host
        .and_then(|host| host.rsplit_once('.'))
        .is_some_and(|(_, domain)| domain.chars().count() >= 2 && domain.chars().all(char::is_alphabetic));
    named || word.contains("://") || ["www.", "doi:", "arxiv:"].iter().any(|start| word.starts_with(start))
}

fn quotations(text: &str) -> Vec<String> {
    // TeX's quotation marks.
    let text = text.replace("``", "\"").replace("''", "\"");
    let mut found = Vec::new();
    let mut open: Option<(char, String)> = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let inside_a_word = c == '’' && characters.peek().is_some_and(|next| next.is_alphabetic());
        open = match open {
            None => match c {
                '"' => Some(('"', String::new())),
                '“' | '„' => Some(('”', String::new())),
                '‘' | '‚' => Some(('’', String::new())),
                '«' => Some(('»', String::new())),
                '「' => Some(('」', String::new())),
                _ => None,
            },
            Some((close, words)) if c == close && !inside_a_word => {
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

/// The numbers that a drafted sentence cites.
pub(in crate::agent) fn cited_numbers(drafted: &str) -> Vec<usize> {
    Marked::read(drafted).numbers
}

/// A text that cannot end the cell that it stands in.
pub(in crate::agent) fn one_cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "∣")
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
            ("They work [1-3, 5]; so do these[2].", "They work; so do these.", vec![1, 2, 3, 5]),
            ("It works [2-400].", "It works.", vec![0]),
            ("The range [a, b] stays.", "The range [a, b] stays.", vec![]),
            ("Open [1", "Open [1", vec![]),
        ] {
            assert_eq!(read(drafted), (bare.to_owned(), numbers.clone()), "{drafted}");
        }
    }

    #[test]
    fn what_refers_elsewhere_is_found_in_whatever_form() {
        for (drafted, references) in [
            ("It works [Smith et al.] [1].", vec!["[Smith et al.]", "Smith et al"]),
            ("It works [1](http://a.org/b).", vec!["[1]", "[1](http://a.org/b"]),
            ("It works, see https://a.org [1].", vec!["https://a.org"]),
            ("It works (Smith et al., 2020) [1].", vec!["Smith et al"]),
            ("The [MASK] token [1].", vec!["[MASK]"]),
            ("The ［12］ and ［Smith］ [1].", vec!["［12］", "［Smith］"]),
            ("See (GitHub.com/a/b), e.g. 3.5/4.0 and/or DOI:10.1/2 [1].", vec!["GitHub.com/a/b", "DOI:10.1/2"]),
            ("It works] well [2", vec!["]", "[2"]),
            ("It works (see above) [1].", vec![]),
        ] {
            assert_eq!(Marked::read(drafted).references, references, "{drafted}");
        }
    }

    #[test]
    fn a_text_set_apart_holds_no_mark() {
        assert_eq!(set_apart("As in [12], x lies in [0, 1]."), "As in ［12］, x lies in ［0, 1］.");
        assert_eq!(set_apart("Plain."), "Plain.");
    }

    #[test]
    fn a_quotation_that_is_not_closed_counts() {
        assert_eq!(Marked::read("They say \"a b c d [1].").quotations, ["a b c d"]);
        assert_eq!(Marked::read("Sie sagen «a b c» [1].").quotations, ["a b c"]);
        assert_eq!(Marked::read("They say ‘it’s all that’ and ``a b c'' [1].").quotations, ["it’s all that", "a b c"]);
        assert_eq!(Marked::read("The authors’ method isn’t the reviewers’ own [1].").quotations, [""; 0]);
    }

    #[test]
    fn quotations_are_found_in_both_kinds_of_marks() {
        let marked = Marked::read("They say \"a b c.\" and “d e f g” of \"BERT\" [1].");
        assert_eq!(marked.quotations, ["a b c", "d e f g"]);
    }

    proptest! {
        #[test]
        fn a_bracket_is_either_a_mark_or_a_reference(text in "[a-z \\[\\]［］0-9,()\"“”.-]{0,60}") {
            let marked = Marked::read(&text);
            let kept = marked.bare.matches(BRACKETS).count();
            let referred: usize = marked.references.iter().map(|r| r.matches(BRACKETS).count()).sum();
            prop_assert!(kept <= referred, "{:?}", marked);
        }
    }
}
