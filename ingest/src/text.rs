//! Small things about text that every format needs.

/// The words of `text` with one blank between them. The control characters of ASCII count as blanks; later
/// ones stay, for they are what is left of letters in texts that were decoded wrongly.
pub(crate) fn collapse(text: &str) -> String {
    let mut rest = text.trim_matches(is_blank);
    let mut collapsed = String::with_capacity(rest.len());
    while let Some((even, after)) = uneven(rest).and_then(|at| rest.split_at_checked(at)) {
        collapsed.push_str(even);
        collapsed.push(' ');
        rest = after.trim_start_matches(is_blank);
    }
    collapsed.push_str(rest);
    collapsed
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_ascii_control()
}

/// Bytes that are looked at together.
const AT_ONCE: usize = 32;

/// Where the first run of blanks begins that is not one plain blank. Most texts have few, so that what lies between is
/// passed over many bytes at a time.
fn uneven(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        if let Some([first @ .., _]) = bytes.get(at..)?.first_chunk::<{ AT_ONCE + 1 }>()
            && let Some(second) = bytes.get(at + 1..)?.first_chunk::<AT_ONCE>()
            && !first.iter().zip(second).fold(false, |found, (byte, next)| found | may_be_uneven(*byte, *next))
        {
            at += AT_ONCE;
            continue;
        }
        let near = bytes.get(at..)?;
        let begins_blank = |step: usize| {
            let mut rest = text.get(at + step..)?.chars();
            let blank = rest.next().filter(|c| is_blank(*c))?;
            (blank != ' ' || rest.as_str().starts_with(is_blank)).then_some(at + step)
        };
        let next_of = |step: usize| near.get(step + 1).copied().unwrap_or(b'x');
        let suspects =
            near.iter().take(AT_ONCE).enumerate().filter(|(step, byte)| may_be_uneven(**byte, next_of(*step)));
        if let Some(found) = suspects.map(|(step, _)| step).find_map(begins_blank) {
            return Some(found);
        }
        at += AT_ONCE;
    }
}

/// Whether a blank that is not a plain one, or one beside another, may begin with this byte: all do, and some letters.
fn may_be_uneven(byte: u8, next: u8) -> bool {
    may_be_odd(byte) | ((byte == b' ') & ((next == b' ') | may_be_odd(next)))
}

/// A control character, or the first byte of one of the blanks that Unicode has beside ASCII's.
fn may_be_odd(byte: u8) -> bool {
    (byte < b' ') | (byte == 0x7f) | (byte == 0xc2) | ((0xe1..=0xe3).contains(&byte))
}

/// The collapsed text, or none when nothing is left of it.
pub(crate) fn present(text: &str) -> Option<String> {
    Some(collapse(text)).filter(|collapsed| !collapsed.is_empty())
}

/// At most `length` characters of `text` on one line, to show in an error.
pub(crate) fn excerpt(text: &str, length: usize) -> String {
    let line = collapse(text);
    let mut shown: String = line.chars().take(length).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}

/// Adds `item` unless it is there already.
pub(crate) fn push_new(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The first DOI of a text that may name several, divided by blanks, commas or semicolons.
pub(crate) fn first_doi(text: &str) -> Option<paper::Doi> {
    // A DOI may itself hold a comma or a semicolon: they divide only where another DOI or nothing follows.
    let first_of = |word: &str| {
        let end = [",10.", ";10."].iter().filter_map(|divider| word.find(divider)).min().unwrap_or(word.len());
        word.get(..end)?.trim_end_matches([',', ';', '.']).parse().ok()
    };
    text.split_whitespace().find_map(first_of)
}

/// What a body that cannot be read looks like, in words for an error.
pub(crate) fn describe(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(1000)).unwrap_or(bytes));
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let opens_with = |tag: &str| start.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    if start.is_empty() {
        "an empty body".to_owned()
    } else if opens_with("<!doctype html") || opens_with("<html") {
        "an HTML page".to_owned()
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        "compressed data (gzip)".to_owned()
    } else if start.starts_with('<') {
        "XML".to_owned()
    } else if start.starts_with(['{', '[']) {
        "JSON".to_owned()
    } else {
        format!("text: `{}`", excerpt(start, 80))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_become_one_line() {
        assert_eq!(collapse("  A \n  wrapped\ttitle\u{0} with\u{a0}blanks  "), "A wrapped title with blanks");
        assert_eq!(present(" \n "), None);
        assert_eq!(present(" x "), Some("x".to_owned()));
    }

    proptest! {
        #[test]
        fn a_collapsed_text_is_its_words_with_one_blank_between(
            text in "([a-zé漢α]{1,40}|[ \n\t\u{a0}\u{2003}\u{3000}\u{85}\u{7f}]{1,3}){0,30}"
        ) {
            let words: Vec<&str> = text.split(is_blank).filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(collapse(&text), words.join(" "));
        }
    }

    #[test]
    fn an_excerpt_is_short_and_says_so() {
        assert_eq!(excerpt("a  long\nstory", 6), "a long…");
        assert_eq!(excerpt("short", 6), "short");
    }

    #[test]
    fn of_several_dois_the_first_is_taken() {
        for (text, doi) in [
            ("10.1103/PhysRevD.93.016005", "10.1103/PhysRevD.93.016005"),
            ("10.1103/PhysRevD.93.016005, 10.1103/PhysRevD.98.079901;10.1103/x", "10.1103/PhysRevD.93.016005"),
            ("10.1063/1.4938384 10.1063/1.5000000", "10.1063/1.4938384"),
            ("10.1002/(SICI)41:6<391::AID-ASI1>3.0.CO;2-9", "10.1002/(SICI)41:6<391::AID-ASI1>3.0.CO;2-9"),
            ("https://doi.org/10.1000/x,y", "10.1000/x,y"),
        ] {
            assert_eq!(first_doi(text).unwrap().as_str(), doi, "{text}");
        }
        assert_eq!(first_doi("to appear"), None);
    }

    #[test]
    fn names_what_came_instead() {
        for (bytes, what) in [
            (&b" \n"[..], "an empty body"),
            (b"\xef\xbb\xbf<!DOCTYPE HTML><html>", "an HTML page"),
            (b"<HTML><body>", "an HTML page"),
            (b"\x1f\x8b\x08", "compressed data (gzip)"),
            (b"<rss/>", "XML"),
            (b"[1]", "JSON"),
            (b"Rate exceeded.", "text: `Rate exceeded.`"),
        ] {
            assert_eq!(describe(bytes), what);
        }
    }

    proptest! {
        #[test]
        fn collapsing_keeps_every_visible_character(text in "\\PC{0,60}") {
            let visible = |t: &str| t.chars().filter(|c| !c.is_whitespace() && !c.is_ascii_control()).collect::<String>();
            prop_assert_eq!(visible(&collapse(&text)), visible(&text));
            prop_assert_eq!(collapse(&collapse(&text)), collapse(&text));
        }

        #[test]
        fn collapsing_leaves_the_words_with_one_blank_between(text in "[ab\\u{e9}\\u{85}\\u{a0}\\u{2003}\\u{0}\\u{7f} \n\t]{0,30}") {
            let words = text.split(is_blank).filter(|word| !word.is_empty());
            prop_assert_eq!(collapse(&text), words.collect::<Vec<_>>().join(" "));
        }

        #[test]
        fn nothing_here_panics(text in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (first_doi(&text), excerpt(&text, 5), describe(&bytes), describe(text.as_bytes()));
        }
    }
}
