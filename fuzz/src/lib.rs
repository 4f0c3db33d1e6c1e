//! What must hold for whatever a parser is given.

use ingest::{IngestError, Page};
use jiff::Timestamp;

/// A reader of one format.
pub type Read = fn(&[u8], Timestamp) -> Result<Page, IngestError>;

/// Reads `bytes` twice: it ends without a panic and says the same again, a cursor that it gives can be stored and
/// handed back, and every error says something.
pub fn read_twice(read: Read, bytes: &[u8]) -> Option<Page> {
    let (first, again) = (read(bytes, Timestamp::UNIX_EPOCH), read(bytes, Timestamp::UNIX_EPOCH));
    match (first, again) {
        (Ok(page), Ok(again)) => {
            assert_eq!(page, again);
            for cursor in page.next.iter().chain(&page.later) {
                assert_eq!(cursor.to_string().parse().as_ref(), Ok(cursor));
            }
            Some(page)
        }
        (Err(fault), Err(again)) => {
            assert_eq!(fault.to_string(), again.to_string());
            assert!(!fault.to_string().trim().is_empty());
            None
        }
        (first, again) => panic!("{first:?} and then {again:?}"),
    }
}

/// How many records a page tells of: each is a paper, rejected with a reason, or deleted.
pub fn records(page: &Page) -> usize {
    assert!(page.rejected.iter().all(|rejected| !rejected.reason.is_empty()));
    page.papers.len() + page.rejected.len() + page.deleted.len()
}

/// Whether a piece of XML ends inside a tag, or inside a quoted value of one, so that what follows is a part of it.
pub fn ends_inside_a_tag(text: &str) -> bool {
    let (mut in_tag, mut quote) = (false, None);
    for c in text.chars() {
        match (in_tag, quote, c) {
            (false, _, '<') => in_tag = true,
            (true, None, '>') => in_tag = false,
            (true, None, '"' | '\'') => quote = Some(c),
            (true, Some(open), _) if c == open => quote = None,
            _ => {}
        }
    }
    in_tag
}
