//! Answers of OAI-PMH.
#![no_main]

use fuzz::{ends_inside_a_tag, read_twice, records};
use ingest::arxiv::oai;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read_twice(oai::parse, bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // As the inside of records it may be anything that is no further record or error and hides none.
    if ["record", "Record", "error", "<!", "<?"].iter().any(|mark| text.contains(mark)) || ends_inside_a_tag(text) {
        return;
    }
    for count in [1, 3] {
        let list = format!("<record>{text}</record>").repeat(count);
        let answer = format!("<OAI-PMH><ListRecords>{list}</ListRecords></OAI-PMH>");
        if let Some(page) = read_twice(oai::parse, answer.as_bytes()) {
            assert_eq!(records(&page), count, "{answer}");
            assert!(page.deleted.iter().all(|key| key.starts_with("arxiv:")), "{:?}", page.deleted);
        }
    }
});
