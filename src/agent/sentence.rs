//! Where sentences begin and end, in Unicode characters; pure.

/// The ranges of the sentences of a text, without the white space between them.
///
/// A sentence ends at `.`, `!`, `?` or `…` (closing quotes and brackets included) before white space and
/// something that can begin a sentence, or at an empty line. Abbreviations, initials, decimal points,
/// brackets and `$…$` mathematics do not end one.
#[must_use]
pub fn sentences(text: &str) -> Vec<(usize, usize)> {
    let characters: Vec<char> = text.chars().collect();
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut inside_math = false;
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        if c == '$' && at.checked_sub(1).and_then(|before| characters.get(before)) != Some(&'\\') {
            inside_math = !inside_math;
        }
        let ends = match c {
            '.' | '!' | '?' | '…' => !inside_math && ends_here(&characters, start, at),
            '\n' => characters.get(at + 1) == Some(&'\n'),
            _ => false,
        };
        at += 1;
        if ends {
            while characters.get(at).is_some_and(|c| matches!(c, '"' | '”' | '\'' | '’' | ')' | ']' | '.' | '!' | '?'))
            {
                at += 1;
            }
            ranges.extend(trim(&characters, start, at));
            start = at;
            inside_math = false;
        }
    }
    ranges.extend(trim(&characters, start, characters.len()));
    ranges
}

/// The characters `start..end` of a text; what lies beyond its end is left out.
#[must_use]
pub fn slice(text: &str, start: usize, end: usize) -> String {
    text.chars().skip(start).take(end.saturating_sub(start)).collect()
}

fn trim(text: &[char], start: usize, end: usize) -> Option<(usize, usize)> {
    let inner = text.get(start..end)?;
    let leading = inner.iter().take_while(|c| c.is_whitespace()).count();
    let trailing = inner.iter().rev().take_while(|c| c.is_whitespace()).count();
    (leading < inner.len()).then(|| (start + leading, end - trailing))
}

fn ends_here(text: &[char], start: usize, at: usize) -> bool {
    let after = text.get(at + 1..).unwrap_or_default();
    let closing =
        after.iter().take_while(|c| matches!(c, '"' | '”' | '\'' | '’' | ')' | ']' | '.' | '!' | '?')).count();
    let rest = after.get(closing..).unwrap_or_default();
    let Some(first) = rest.first() else { return true };
    let Some(next) = rest.iter().find(|c| !c.is_whitespace()) else { return true };
    if !first.is_whitespace() || next.is_lowercase() {
        return false;
    }
    let before = text.get(start..at).unwrap_or_default();
    text.get(at) != Some(&'.') || !(is_abbreviated(before) || opens_bracket(before, closing))
}

/// Whether the word before a full stop is one that is written with it.
fn is_abbreviated(before: &[char]) -> bool {
    let reversed: String = before.iter().rev().take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-')).collect();
    let word: String = reversed.chars().rev().collect();
    let single_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    const ABBREVIATIONS: [&str; 30] = [
        "e.g", "i.e", "al", "vs", "cf", "fig", "figs", "eq", "eqs", "sec", "ref", "refs", "tab", "no", "nos", "dr",
        "prof", "mr", "mrs", "ms", "st", "resp", "approx", "ca", "etc", "dept", "vol", "viz", "jr", "inc",
    ];
    let lower = word.to_lowercase();
    // `etc.` and `al.` before a capital end a sentence as often as not; a sentence too long does less harm.
    single_initial || ABBREVIATIONS.contains(&lower.as_str())
}

fn opens_bracket(before: &[char], closing: usize) -> bool {
    let open = before.iter().filter(|c| **c == '(').count();
    let close = before.iter().filter(|c| **c == ')').count();
    closing == 0 && open > close
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        sentences(text).into_iter().map(|(start, end)| slice(text, start, end)).collect()
    }

    #[test]
    fn ends_a_sentence_where_a_reader_would() {
        for (text, expected) in [
            ("One. Two! Three? Four", vec!["One.", "Two!", "Three?", "Four"]),
            ("We reach 28.4 BLEU. It is new.", vec!["We reach 28.4 BLEU.", "It is new."]),
            (
                "Vaswani et al. showed this, e.g. Fig. 3. Then more.",
                vec!["Vaswani et al. showed this, e.g. Fig. 3.", "Then more."],
            ),
            ("By D. E. Knuth. Next.", vec!["By D. E. Knuth.", "Next."]),
            ("He said \"it works.\" We agree.", vec!["He said \"it works.\"", "We agree."]),
            ("Let $p. Q$ be true. Done.", vec!["Let $p. Q$ be true.", "Done."]),
            ("It works (see Sec. II. It is long) well. End.", vec!["It works (see Sec. II. It is long) well.", "End."]),
            ("First line\n\nSecond line", vec!["First line", "Second line"]),
            ("Größe zählt. Äpfel auch.", vec!["Größe zählt.", "Äpfel auch."]),
            ("   ", vec![]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn sentences_lie_in_order_and_leave_out_only_white_space(text in "[a-zA-Zé.!?()$ \n]{0,80}") {
            let ranges = sentences(&text);
            let mut covered = String::new();
            let mut last = 0;
            for (start, end) in ranges {
                prop_assert!(start >= last && end > start);
                covered.push_str(&slice(&text, start, end));
                last = end;
            }
            let bare = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(bare(&covered), bare(&text));
        }
    }
}
