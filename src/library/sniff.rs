//! What a file is when it is not JSON lines: an answer of a source that was saved, and belongs elsewhere.

use std::io::{self, BufRead};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::LibraryError;
use super::import::open;

/// How much of a file is looked at, in bytes: the longest line that the reader of JSON lines takes.
const LOOKED_AT: u64 = 16 * 1024 * 1024;

/// A file whose beginning is that of an XML document or of one JSON document is refused as a whole: read line by line
/// it would be thousands of rejected lines.
///
/// # Errors
/// [`LibraryError::Foreign`] for such a file, [`LibraryError::Unreadable`] for one that cannot be read.
pub fn refuse_foreign(file: &Path) -> Result<(), LibraryError> {
    let unreadable = |source| LibraryError::Unreadable { path: file.to_owned(), source };
    let line = first_line(open(file).map_err(unreadable)?).map_err(unreadable)?;
    match foreign(&line) {
        Some(what) => Err(LibraryError::Foreign { path: file.to_owned(), what }),
        None => Ok(()),
    }
}

/// The first line that says something.
fn first_line(lines: impl BufRead) -> io::Result<Vec<u8>> {
    let mut lines = lines.take(LOOKED_AT);
    loop {
        let mut line = Vec::new();
        let read = lines.read_until(b'\n', &mut line)?;
        let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line).trim_ascii();
        if read == 0 || !text.is_empty() {
            return Ok(text.to_vec());
        }
    }
}

/// What the file is that begins with this line, with what to do; none for JSON lines, good or bad.
fn foreign(line: &[u8]) -> Option<&'static str> {
    const XML: &str = "XML, not JSON lines; an Atom feed or an OAI-PMH answer of arXiv is taken in with `lectern sync arxiv --from-file`";
    const JSON: &str = "one JSON document, not JSON lines; an answer of Semantic Scholar is taken in with `lectern sync semantic-scholar --from-file`";
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
        foreign(&first_line(text.as_bytes()).unwrap()).is_some()
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
