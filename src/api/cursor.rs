//! The opaque cursor of a search: a place between two pages, and a mark of the search that it belongs to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use index::{MOST_SHOWN, Place, SearchQuery};
use uuid::Uuid;

/// What a cursor begins with, by its kind.
const SHOWN: u8 = b's';
const BEHIND: u8 = b'b';

/// Writes where the next page of a search begins.
#[must_use]
pub fn write(query: &SearchQuery, place: &Place) -> String {
    // The kind first: so that no cursor begins with a hyphen, which a command line would take for an option.
    let (kind, place) = match place {
        Place::Shown(marks) => (SHOWN, marks.iter().flat_map(|mark| mark.to_be_bytes()).collect()),
        Place::Behind { value, paper } => (BEHIND, [&value.to_be_bytes()[..], paper.as_uuid().as_bytes()].concat()),
    };
    URL_SAFE_NO_PAD.encode([vec![kind], mark(query).to_be_bytes().to_vec(), place].concat())
}

/// Reads a cursor that this search has given; none for any other.
#[must_use]
pub fn read(cursor: &str, query: &SearchQuery) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (kind, rest) = bytes.split_first()?;
    let (written_mark, rest) = rest.split_first_chunk()?;
    if u32::from_be_bytes(*written_mark) != mark(query) {
        return None;
    }
    match *kind {
        SHOWN => {
            let (marks, left) = rest.as_chunks();
            (left.is_empty() && marks.len() <= MOST_SHOWN)
                .then(|| Place::Shown(marks.iter().map(|mark| u32::from_be_bytes(*mark)).collect()))
        }
        BEHIND => {
            let (value, paper) = rest.split_first_chunk()?;
            let paper = Uuid::from_slice(paper).ok()?.into();
            Some(Place::Behind { value: i64::from_be_bytes(*value), paper })
        }
        _ => None,
    }
}

/// FNV-1a of what a search asks for; a mark against mistakes, not against malice.
fn mark(query: &SearchQuery) -> u32 {
    let asked = format!("{:?}", (&query.text, query.plain, query.mode, query.sort, &query.filter));
    asked.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use paper::PaperId;
    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = Place> {
        let behind = (any::<i64>(), any::<u64>())
            .prop_map(|(value, n)| Place::Behind { value, paper: PaperId::derive(&format!("cursor:{n}")) });
        prop_oneof![prop::collection::vec(any::<u32>(), 0..30).prop_map(Place::Shown), behind]
    }

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_place_and_no_other_search_takes_it(place in place(), text in "[a-z]{1,8}") {
            let query = SearchQuery::new(text.clone());
            let cursor = write(&query, &place);
            prop_assert!(cursor.starts_with(|c: char| c.is_ascii_alphabetic()));
            prop_assert_eq!(read(&cursor, &query), Some(place));
            prop_assert_eq!(read(&cursor, &SearchQuery::new(format!("{text}x"))), None);
        }

        #[test]
        fn a_made_up_cursor_never_panics(cursor in "[A-Za-z0-9_-]{0,60}|\\PC{0,20}") {
            let _ = read(&cursor, &SearchQuery::new("x"));
        }
    }

    #[test]
    fn a_cursor_of_more_than_can_have_been_shown_is_none() {
        let query = SearchQuery::new("x");
        let of = |marks: usize| read(&write(&query, &Place::Shown(vec![7; marks])), &query);
        assert_eq!(of(MOST_SHOWN), Some(Place::Shown(vec![7; MOST_SHOWN])));
        assert_eq!(of(MOST_SHOWN + 1), None);
    }

    #[test]
    fn a_cursor_that_was_cut_is_none() {
        let query = SearchQuery::new("x");
        let place = Place::Behind { value: 20_240_131, paper: PaperId::derive("cursor:1") };
        let cursor = write(&query, &place);
        for length in 0..cursor.len() {
            assert_eq!(read(cursor.get(..length).unwrap(), &query), None, "{length}");
        }
        assert_eq!(read(&format!("{cursor}AAAA"), &query), None);
    }
}
