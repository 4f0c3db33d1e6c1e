//! Semantic Scholar's Academic Graph: every answer that lists papers, and the live source.

mod body;
mod convert;
mod diff;
mod links;
mod lookup;
mod request;
mod source;
mod wire;

pub use diff::{DiffPage, S2Diff};
pub use lookup::S2Lookup;
pub use request::{DEFAULT_BASE_URL, FIELDS, S2Request};
pub use source::S2Source;

use std::time::Duration;

use body::{Body, Papers};
use jiff::Timestamp;
use paper::SourceName;

use crate::{Cursor, IngestError, Page};

/// Reads a body that lists papers, in any shape the service has for that: the pages of a search or of a bulk
/// search, a match, a batch, the papers of an author, citations, references, recommendations, a single paper.
///
/// A record without a title, or in a wrong form, is rejected with the reason, and so is the null that stands
/// for an unknown id; the rest go on.
///
/// # Errors
/// [`IngestError::NotPapers`] for answers about authors, snippets and data sets; for an error of theirs what
/// its words mean, [`IngestError::RateLimited`], [`IngestError::Transient`] or [`IngestError::Refused`];
/// [`IngestError::Malformed`] for anything else.
pub fn parse_body(bytes: &[u8], seen: Timestamp) -> Result<Page, IngestError> {
    Ok(page(papers_of(body::read(bytes)?)?, seen, &[]))
}

/// Why there is no paper where there is null.
const NOT_FOUND: &str = "not found";

fn papers_of(body: Body<'_>) -> Result<Papers<'_>, IngestError> {
    match body {
        Body::Papers(papers) => Ok(papers),
        Body::Failure(said) => Err(failure(&said)),
        Body::Other(what) => Err(IngestError::NotPapers { origin: SourceName::SemanticScholar, what: what.to_owned() }),
    }
}

/// The page that the records make; `asked` names those that have no name of their own, by their places.
fn page(list: Papers<'_>, seen: Timestamp, asked: &[String]) -> Page {
    let token = list.token.map(|token| Cursor::at("token", token));
    let next = token.or_else(|| list.next.map(|next| Cursor::at("offset", next)));
    let mut page = Page { next, total: list.total, ..Page::default() };
    for (place, record) in list.records.into_iter().enumerate() {
        let read = wire::paper(record).and_then(|record| record.ok_or_else(|| NOT_FOUND.to_owned()));
        let name = || wire::name_of(record).or_else(|| asked.get(place).cloned());
        let paper = read.and_then(|record| convert::paper(record, seen));
        page.add(|| name().unwrap_or_else(|| format!("record {}", place + 1)), paper);
    }
    page
}

/// What an error means, by its words alone: a file has no status.
fn failure(said: &str) -> IngestError {
    let words = said.to_lowercase();
    let about = |known: &[&str]| known.iter().any(|word| words.contains(word));
    if about(&["too many requests", "rate limit"]) {
        IngestError::RateLimited { retry_after: None }
    } else if about(&["internal server error", "timed out", "timeout", "service unavailable", "bad gateway"]) {
        transient(said)
    } else {
        refusal(said)
    }
}

/// What an error means, by its status.
fn failure_with(status: u16, retry_after: Option<Duration>, said: &str) -> IngestError {
    match status {
        429 | 503 => IngestError::RateLimited { retry_after },
        408 | 500..=599 => transient(&format!("HTTP {status}, {said}")),
        401 | 403 => refusal(&format!("{said} (is the key right?)")).with_status(status),
        _ => refusal(said).with_status(status),
    }
}

fn transient(said: &str) -> IngestError {
    IngestError::Transient { what: format!("Semantic Scholar failed ({said}); ask again later") }
}

fn refusal(said: &str) -> IngestError {
    let words = said.to_lowercase();
    let remedy = if words.contains("not found") {
        "check the id or the title"
    } else if words.contains("forbidden") || words.contains("unauthorized") || words.contains("key") {
        "correct or remove the setting sources.semantic_scholar.api_key"
    } else {
        "change the request"
    };
    IngestError::refused(format!("Semantic Scholar says: {said}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Page, IngestError> {
        parse_body(body.as_bytes(), Timestamp::UNIX_EPOCH)
    }

    /// The titles, the rejected as `record: reason`, the next cursor and the total.
    fn summary(body: &str) -> (Vec<String>, Vec<String>, Option<String>, Option<u64>) {
        let page = parse(body).unwrap();
        let rejected = page.rejected.iter().map(|r| format!("{}: {}", r.record, r.reason)).collect();
        (page.papers.into_iter().map(|p| p.title).collect(), rejected, page.next.map(|c| c.to_string()), page.total)
    }

    fn titles(body: &str) -> Vec<String> {
        let (titles, rejected, ..) = summary(body);
        assert_eq!(rejected, Vec::<String>::new(), "{body}");
        titles
    }

    #[test]
    fn every_shape_of_a_list_is_read() {
        for (body, expected) in [
            (r#"{"data": [{"paperId": "a", "title": "A", "matchScore": 9.5}]}"#, &["A"][..]),
            (r#"[{"title": "A"}, {"title": "B"}]"#, &["A", "B"]),
            (
                r#"{"data": [{"contexts": [], "citingPaper": {"title": "A"}}, {"citingPaper": {"title": "B"}}]}"#,
                &["A", "B"],
            ),
            (r#"{"offset": 0, "data": [{"citedPaper": {"paperId": null, "title": "A"}}]}"#, &["A"]),
            (r#"{"recommendedPapers": [{"title": "A"}]}"#, &["A"]),
            (r#"{"paperId": "a", "title": "A"}"#, &["A"]),
            (r#"{"total": 0, "offset": 0}"#, &[]),
            (r#"{"data": []}"#, &[]),
            (r#"{"data": null, "citingPaperInfo": {"openAccessPdf": null}}"#, &[]),
            ("[]", &[]),
        ] {
            assert_eq!(titles(body), expected, "{body}");
        }
    }

    #[test]
    fn each_kind_of_page_leads_on_in_its_own_way() {
        let search = summary(r#"{"total": 70498, "offset": 100, "next": 200, "data": []}"#);
        assert_eq!((search.2.as_deref(), search.3), (Some("offset=200"), Some(70_498)));
        let bulk = summary(r#"{"total": 3027, "token": "PCOA=", "data": []}"#);
        assert_eq!((bulk.2.as_deref(), bulk.3), (Some("token=PCOA="), Some(3027)));
        assert_eq!(summary(r#"{"total": 3027, "token": null, "data": []}"#).2, None);
    }

    #[test]
    fn one_bad_record_is_rejected_and_the_rest_go_on() {
        let (titles, rejected, ..) = summary(
            r#"[null, "text", {"paperId": "p", "year": 1936}, {"title": {}}, {"title": "A"},
                {"paperId": "q", "title": "B", "journal": "Nature"}, 7, {"citedPaper": null}]"#,
        );
        assert_eq!(titles, ["A"]);
        let reasons: Vec<_> = rejected.iter().map(|r| r.split(" (").next().unwrap()).collect();
        let form = "not in the form of a paper: invalid type";
        assert_eq!(
            reasons,
            [
                "record 1: not found".to_owned(),
                format!("record 2: {form}: string \"text\", expected struct Paper"),
                "p: no title".to_owned(),
                format!("record 4: {form}: map, expected a string"),
                format!("q: {form}: string \"Nature\", expected struct Journal"),
                format!("record 7: {form}: integer `7`, expected struct Paper"),
                "record 8: not found".to_owned(),
            ]
        );
    }

    #[test]
    fn answers_to_other_questions_are_no_papers() {
        for (body, what) in [
            (r#"{"authorId": "1", "name": "A. Turing"}"#, "about authors"),
            (r#"{"total": 1, "data": [{"authorId": "1", "name": "A. Turing"}]}"#, "about authors"),
            (r#"[null, {"authorId": "1"}]"#, "about authors"),
            (r#"{"data": [{"snippet": {"text": "x"}, "paper": {"title": "A"}}]}"#, "a list of snippets"),
            (r#"["2022-05-10", "2022-05-17"]"#, "a list of bare values"),
            (r#"{"release_id": "2025-08-19", "datasets": []}"#, "a release of the data sets"),
            (r#"{"dataset": "papers", "diffs": []}"#, "a list of files of a data set"),
            ("{}", "a JSON object without papers"),
        ] {
            let text = parse(body).unwrap_err().to_string();
            assert_eq!(text, format!("this is {what}, not a list of papers from semantic-scholar"), "{body}");
        }
    }

    #[test]
    fn an_error_means_what_its_words_say() {
        assert!(matches!(
            parse(r#"{"message": "Too Many Requests. Please wait", "code": "429"}"#),
            Err(IngestError::RateLimited { retry_after: None })
        ));
        for words in ["Internal Server Error", "Endpoint request timed out"] {
            assert!(matches!(parse(&format!(r#"{{"message": "{words}"}}"#)), Err(IngestError::Transient { .. })));
        }
        for (body, remedy) in [
            (r#"{"message": "Forbidden"}"#, "correct or remove the setting sources.semantic_scholar.api_key"),
            (r#"{"error": "Title match not found"}"#, "check the id or the title"),
            (r#"{"error": "Unrecognized or unsupported fields: [unknown]"}"#, "change the request"),
        ] {
            let text = parse(body).unwrap_err().to_string();
            assert!(text.starts_with("refused: Semantic Scholar says: ") && text.ends_with(remedy), "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_named() {
        for (body, what) in [
            (r#"{"data": [{"title": "A"}"#, "the JSON ends in the middle, at byte 24"),
            ("<html></html>", "an HTML page"),
            ("[1,]", "broken JSON (trailing comma at line 1 column 4)"),
            ("", "an empty body"),
            ("Service Unavailable", "text: `Service Unavailable`"),
            (r#"{"data": 5}"#, "`data` that is no list"),
            ("\"x\"", "a bare JSON value"),
        ] {
            let text = parse(body).unwrap_err().to_string();
            assert_eq!(text, format!("not readable as an answer of semantic-scholar: {what}"), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), text in "[\\[\\]{}:,\"a0 -]{0,40}") {
            let _ = (parse_body(&bytes, Timestamp::UNIX_EPOCH), parse(&text));
        }
    }
}
