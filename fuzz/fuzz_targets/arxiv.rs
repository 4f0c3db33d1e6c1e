//! Atom feeds, and whatever else `arxiv::parse` is given.
#![no_main]

use fuzz::{ends_inside_a_tag, read_twice, records};
use ingest::arxiv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read_twice(arxiv::parse, bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // As the inside of entries it may be anything that is no further entry and hides none.
    if ["entry", "<!", "<?"].iter().any(|mark| text.contains(mark)) || ends_inside_a_tag(text) {
        return;
    }
    for entries in [1, 3] {
        let feed = format!("<feed>{}</feed>", format!("<entry>{text}</entry>").repeat(entries));
        if let Some(page) = read_twice(arxiv::parse, feed.as_bytes()) {
            assert_eq!(records(&page), entries, "{feed}");
        }
    }
});
