//! What a file is when it is not JSON lines: an answer of a source that was saved, and belongs elsewhere.

use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::IgnoredAny;

/// How much of a file is looked at, in bytes: the longest line that the reader of JSON lines takes.
const LOOKED_AT: u64 = 16 * 1024 * 1024;

/// What a file has up to the end of the first line that says something.
pub(super) fn beginning(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut lines = lines.take(LOOKED_AT);
    let mut begun = Vec::new();
    loop {
        let before = begun.len();
        if lines.read_until(b'\n', &mut begun)? == 0 || !said(begun.get(before..).unwrap_or_default()).is_empty() {
            return Ok(begun);
        }
    }
}

fn said(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).trim_ascii()
}

/// What the file is that begins so, with what to do; none for JSON lines, good or bad. An XML document or one JSON document
/// is refused as a whole: read line by line it would be thousands of rejected lines.
pub(super) fn foreign(begun: &[u8]) -> Option<&'static str> {
    const XML: &str = "XML, not JSON lines; an Atom feed or an OAI-PMH answer of arXiv is taken in with `lectern sync arxiv --from-file`";
    const JSON: &str = "one JSON document, not JSON lines; an answer of Semantic Scholar is taken in with `lectern sync semantic-scholar --from-file`";
    let line = said(begun);
    match line.first()? {
        b'<' => Some(XML),
        b'[' => Some(JSON),
        b'{' if is_answer(line) => Some(JSON),
        _ => None,
    }
}

/// Whether an object holds a list of papers in place of one, or goes on in the lines that follow.
fn is_answer(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        title: Option<IgnoredAny>,
        data: Option<Vec<IgnoredAny>>,
        #[serde(rename = "recommendedPapers")]
        recommended: Option<Vec<IgnoredAny>>,
    }
    match serde_json::from_slice::<Answer>(line) {
        Ok(answer) => answer.title.is_none() && (answer.data.is_some() || answer.recommended.is_some()),
        Err(fault) => fault.is_eof() && matches!(line.last(), Some(b'{' | b'[' | b',')),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_foreign(text: &str) -> bool {
        foreign(&beginning(&mut text.as_bytes()).unwrap()).is_some()
    }

    #[test]
    fn saved_answers_are_known_by_their_beginning() {
        for text in [
            "<?xml version='1.0'?>\n<feed/>",
            "\u{feff}\n  <feed>",
            "<OAI-PMH>",
            "[{\"title\": \"One\"}]",
            "[\n",
            "{\n  \"total\": 1,",
            "{\"total\": 1, \"data\": [",
            "{\"total\": 1, \"data\": [{\"title\": \"One\"}]}",
            "{\"recommendedPapers\": []}",
        ] {
            assert!(is_foreign(text), "{text}");
        }
    }

    #[test]
    fn lines_good_and_bad_are_left_to_their_reader() {
        for text in [
            "",
            "\n \n",
            "not json\n",
            "{\"title\": \"One\"}\n{",
            "{\"title\": \"One\", \"data\": []}",
            "{\"abstract\": \"no title\"}",
            "{\"title\": \"cut o",
            "{\"data\": 7}",
            "\u{0}\u{1}",
        ] {
            assert!(!is_foreign(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_begins_with_a_paper_is_read(title in "\\PC{1,40}", rest in "\\PC{0,40}") {
            let line = serde_json::json!({"title": title}).to_string();
            let text = format!("{line}\n{rest}");
            prop_assert!(!is_foreign(&text));
        }
    }
}
