//! The event parser, by the examples of the standard and by any way of splitting.

use proptest::prelude::*;

use crate::llm::sse::{SseParser, TooLong};

fn parse(stream: &[u8]) -> Vec<String> {
    let (events, rest) = parse_in_pieces(stream, &[]);
    assert_eq!(rest, None);
    events
}

/// Splits the stream at each of `cuts`, taken modulo its length.
fn parse_in_pieces(stream: &[u8], cuts: &[usize]) -> (Vec<String>, Option<String>) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.push(stream.len());
    cuts.sort_unstable();
    let (mut parser, mut events, mut from) = (SseParser::new(1000), Vec::new(), 0);
    for cut in cuts {
        parser.push(&stream[from..cut], &mut events).unwrap();
        from = cut;
    }
    (events, parser.finish())
}

#[test]
fn events_end_at_empty_lines_of_every_kind() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = ["data: one", "", "data: two", "", ""].join(end);
        assert_eq!(parse(stream.as_bytes()), ["one", "two"], "{end:?}");
    }
}

#[test]
fn several_data_lines_are_joined() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = ["data: YHOO", "data: +2", "data: 10", "", ""].join(end);
        assert_eq!(parse(stream.as_bytes()), ["YHOO\n+2\n10"], "{end:?}");
    }
}

#[test]
fn only_one_blank_after_the_colon_is_dropped() {
    assert_eq!(parse(b"data:test\n\ndata: test\n\ndata:  test\n\n"), ["test", "test", " test"]);
}

#[test]
fn data_may_be_empty_and_colon_may_be_missing() {
    assert_eq!(parse(b"data\n\ndata\ndata\n\ndata:\n\n"), ["", "\n", ""]);
}

#[test]
fn comments_and_other_fields_are_no_data() {
    let stream = b": keep-alive\n\n:\n\nevent: ping\nid: 7\nretry: 10\ndatabase: x\ndata: a\n: in between\ndata: b\n\n";
    assert_eq!(parse(stream), ["a\nb"]);
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_beginning_only() {
    let stream = "\u{feff}data: a\n\n\u{feff}data: b\n\ndata: \u{feff}c\n\n";
    assert_eq!(parse(stream.as_bytes()), ["a", "\u{feff}c"]);
}

#[test]
fn an_event_that_was_not_closed_is_handed_out_at_the_end() {
    assert_eq!(parse_in_pieces(b"data: a\n\ndata: [DONE]", &[]), (vec!["a".to_owned()], Some("[DONE]".to_owned())));
    assert_eq!(parse_in_pieces(b"data: a\n\n: keep-al", &[]), (vec!["a".to_owned()], None));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(parse(b"data: a\xFFb\n\n"), ["a\u{fffd}b"]);
}

#[test]
fn an_event_without_end_is_refused() {
    let mut parser = SseParser::new(10);
    let mut events = Vec::new();
    assert_eq!(parser.push(b"data: 1234\n\ndata: 12345", &mut events), Err(TooLong));
    assert_eq!(events, ["1234"]);
    let mut parser = SseParser::new(20);
    assert_eq!(parser.push(&b"data:\n".repeat(100), &mut events), Err(TooLong));
    let mut parser = SseParser::new(20);
    assert_eq!(parser.push(&b": keep-alive\n\ndata: 1\n\n".repeat(100), &mut Vec::new()), Ok(()));
}

/// Lines as servers send them and as they should not, and bytes of any kind.
fn a_stream() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(b"data: [DONE]".to_vec()),
        Just(": keep-alive".as_bytes().to_vec()),
        Just("data: {\"text\":\"µ 漢\"}".as_bytes().to_vec()),
        Just(b"data".to_vec()),
        Just("\u{feff}data: x".as_bytes().to_vec()),
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just("\n\n"), Just("\r\n\r\n")];
    let ended = (line, end).prop_map(|(mut line, end)| {
        line.extend_from_slice(end.as_bytes());
        line
    });
    proptest::collection::vec(ended, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn any_splitting_gives_the_same_events(stream in a_stream(), cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
        prop_assert_eq!(parse_in_pieces(&stream, &cuts), parse_in_pieces(&stream, &[]));
    }

    #[test]
    fn what_is_written_as_events_is_read_back(texts in proptest::collection::vec("[^\r\n]{0,20}(\n[^\r\n]{0,20}){0,2}", 0..8)) {
        let event = |text: &String| text.split('\n').map(|line| format!("data: {line}\n")).collect::<String>() + "\n";
        let stream: String = texts.iter().map(event).collect();
        prop_assert_eq!(parse(stream.as_bytes()), texts);
    }
}
