//! Answers of Semantic Scholar's Academic Graph.
#![no_main]

use fuzz::{read_twice, records};
use ingest::semantic_scholar::parse_body;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read_twice(parse_body, bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Between two records that are papers, it is read with them when it is one record, or several. Anything else could
    // close the list.
    let alone = format!("[{text}]");
    let is_list = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(&alone);
    if !is_list.is_ok_and(|records| !records.is_empty()) {
        return;
    }
    let paper = r#"{"paperId": "p", "title": "A title"}"#;
    let list = format!(r#"{{"total": 3, "data": [{paper}, {text}, {paper}]}}"#);
    if let Some(page) = read_twice(parse_body, list.as_bytes()) {
        assert!(page.papers.len() >= 2, "{list}");
        assert!(records(&page) >= 3, "{list}");
    }
});
