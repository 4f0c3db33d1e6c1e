//! From bytes to events, without a network.

use std::collections::VecDeque;

use proptest::prelude::*;
use serde_json::json;

use super::{DEEPSEEK_ANSWER, DEEPSEEK_STREAM, DEEPSEEK_THINKING, DEEPSEEK_TOOLS, KEY, OPENAI_STREAM, stop, text, who};
use crate::llm::{ChatEvent, FinishReason, LlmError, Usage, reader::Reader};

pub(super) type Read = (Vec<ChatEvent>, Option<LlmError>);

/// Reads a body in pieces of the given sizes, taken again and again, up to its end or its first error.
pub(super) fn read_in_pieces(body: &[u8], json: bool, sizes: &[usize]) -> Read {
    let mut reader = Reader::new(who(KEY), json);
    let (mut out, mut rest) = (VecDeque::new(), body);
    let mut result = Ok(());
    for size in sizes.iter().cycle() {
        if rest.is_empty() || reader.is_done() || result.is_err() {
            break;
        }
        let (piece, left) = rest.split_at((*size).min(rest.len()));
        (result, rest) = (reader.push(piece, &mut out), left);
    }
    if result.is_ok() && !reader.is_done() {
        result = reader.finish(&mut out);
    }
    (out.into(), result.err())
}

fn read(body: &str) -> Read {
    read_in_pieces(body.as_bytes(), false, &[usize::MAX])
}

fn read_json(body: &str) -> Read {
    read_in_pieces(body.as_bytes(), true, &[usize::MAX])
}

fn event(choice: &serde_json::Value) -> String {
    format!("data: {}\n\n", json!({"choices": [choice]}))
}

fn said(content: &str) -> String {
    event(&json!({"index": 0, "delta": {"content": content}}))
}

fn finished(reason: &str) -> String {
    event(&json!({"index": 0, "delta": {}, "finish_reason": reason}))
}

fn finish(reason: FinishReason) -> ChatEvent {
    ChatEvent::Finish { reason, usage: None }
}

#[test]
fn thoughts_come_apart_from_the_answer() {
    let thought = |text: &str| ChatEvent::Reasoning(text.to_owned());
    let usage = Usage { prompt_tokens: 19, cache_hit_tokens: 0, completion_tokens: 27, reasoning_tokens: 25 };
    let expected = vec![thought("Two and two"), thought(" make four."), text("4"), stop(Some(usage))];
    assert_eq!(read(DEEPSEEK_THINKING), (expected, None));
}

#[test]
fn thoughts_of_either_name_are_taken_once() {
    let both =
        json!({"delta": {"reasoning": "hm", "reasoning_content": "hm", "content": "so"}, "finish_reason": "stop"});
    let one = json!({"delta": {"reasoning": "hm", "content": "so"}, "finish_reason": "stop"});
    let expected = vec![ChatEvent::Reasoning("hm".to_owned()), text("so"), finish(FinishReason::Stop)];
    for choice in [both, one] {
        assert_eq!(read(&event(&choice)), (expected.clone(), None));
    }
}

#[test]
fn every_documented_reason_to_stop_is_known() {
    let reasons = [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("tool_calls", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("eos_token", FinishReason::Other("eos_token".to_owned())),
    ];
    for (name, reason) in reasons {
        let expected = vec![text("a"), finish(reason)];
        assert_eq!(read(&(said("a") + &finished(name))), (expected, None), "{name}");
    }
    let (events, error) = read(&(said("a") + &finished("insufficient_system_resource") + "data: [DONE]\n\n"));
    assert_eq!(events, [text("a")]);
    assert!(matches!(error, Some(LlmError::Unusable { usage: None, .. })), "{error:?}");
}

#[test]
fn done_without_a_reason_is_a_stop_when_something_was_said() {
    assert_eq!(read(&(said("a") + "data: [DONE]\n\n")), (vec![text("a"), finish(FinishReason::Stop)], None));
    assert_eq!(read(&(said("a") + "data: [DONE]")), (vec![text("a"), finish(FinishReason::Stop)], None));
    let (events, error) = read("data: [DONE]\n\n");
    assert_eq!(events, []);
    assert!(matches!(error, Some(LlmError::Incomplete { .. })), "{error:?}");
}

#[test]
fn nothing_after_done_counts() {
    let stream = said("a") + &finished("stop") + "data: [DONE]\n\n" + &said("b") + "data: nonsense\n\n";
    assert_eq!(read(&stream), (vec![text("a"), finish(FinishReason::Stop)], None));
}

#[test]
fn only_the_first_choice_is_read() {
    let two = json!({"choices": [
        {"index": 1, "message": {"content": "b"}, "finish_reason": "length"},
        {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
    ]});
    assert_eq!(read(&two.to_string()), (vec![text("a"), finish(FinishReason::Stop)], None));
}

#[test]
fn content_in_parts_is_joined() {
    let parts =
        json!([{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    let answer = json!({"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]});
    assert_eq!(read(&answer.to_string()), (vec![text("ab"), finish(FinishReason::Stop)], None));
}

#[test]
fn usage_that_grows_in_every_event_is_not_added_up() {
    let counted = |n: u64| {
        let usage = json!({"prompt_tokens": 5, "completion_tokens": n});
        format!("data: {}\n\n", json!({"choices": [{"delta": {"content": "a"}}], "usage": usage}))
    };
    let (events, _) = read(&(counted(1) + &counted(2) + &finished("stop")));
    let usage = Usage { prompt_tokens: 5, completion_tokens: 2, ..Usage::default() };
    assert_eq!(events.last(), Some(&stop(Some(usage))));
}

#[test]
fn half_a_usage_is_unknown() {
    let with = |usage: serde_json::Value| {
        let answer = json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage});
        match read(&answer.to_string()).0.pop() {
            Some(ChatEvent::Finish { usage, .. }) => usage,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(json!(null)), None);
    assert_eq!(with(json!({})), None);
    assert_eq!(with(json!({"prompt_tokens": 5})), None);
    assert_eq!(with(json!({"completion_tokens": 5})), None);
    let parts = json!({"prompt_cache_hit_tokens": 3, "prompt_cache_miss_tokens": 4, "completion_tokens": 5});
    let sum = Usage { prompt_tokens: 7, cache_hit_tokens: 3, completion_tokens: 5, reasoning_tokens: 0 };
    assert_eq!(with(parts), Some(sum));
}

#[test]
fn in_json_mode_blanks_at_the_beginning_are_dropped_and_others_kept() {
    let stream = said(" \n") + &said("\t{") + &said(" \n") + &said("}") + &finished("stop");
    assert_eq!(read_json(&stream), (vec![text("{"), text(" \n"), text("}"), finish(FinishReason::Stop)], None));
    let (events, error) = read(&stream);
    assert_eq!((events.len(), error), (5, None));
}

#[test]
fn in_json_mode_blanks_alone_are_unusable_unless_the_filter_cut_in() {
    for reason in ["stop", "length"] {
        let (events, error) = read_json(&(said("   ") + &finished(reason)));
        assert_eq!(events, []);
        assert!(matches!(error, Some(LlmError::Unusable { .. })), "{error:?}");
        assert!(error.unwrap().is_retryable());
    }
    let filtered = said(" ") + &finished("content_filter");
    assert_eq!(read_json(&filtered), (vec![finish(FinishReason::ContentFilter)], None));
}

#[test]
fn events_that_say_nothing_are_skipped() {
    let stream = format!("data:\n\ndata: {{\"type\": \"ping\"}}\n\ndata: {{\"choices\": null}}\n\n{DEEPSEEK_STREAM}");
    assert_eq!(read(&stream), read(DEEPSEEK_STREAM));
}

#[test]
fn a_byte_order_mark_before_either_shape_is_skipped() {
    for body in [DEEPSEEK_ANSWER, DEEPSEEK_STREAM] {
        assert_eq!(read(&format!("\u{feff}{body}")), read(body));
    }
}

#[test]
fn sizes_are_limited() {
    let endless = said(&"x".repeat(1 << 20));
    let (_, error) = read_in_pieces(endless.as_bytes(), false, &[4096]);
    assert!(matches!(error, Some(LlmError::Malformed { .. })), "{error:?}");
    let mut reader = Reader::new(who(KEY), false);
    let mut pushed = reader.push(b"{", &mut VecDeque::new());
    let mib = vec![b' '; 1 << 20];
    let taken = (0..40).take_while(|_| {
        pushed = reader.push(&mib, &mut VecDeque::new());
        pushed.is_ok()
    });
    assert_eq!(taken.count(), 31);
    assert!(matches!(pushed, Err(LlmError::Malformed { .. })));
}

#[test]
fn what_a_malformed_answer_says_is_quoted_shortly_and_without_the_key() {
    let (_, error) = read(&format!("You sent {KEY} and {}", "x".repeat(1000)));
    let Some(LlmError::Malformed { message, .. }) = error else { panic!("{error:?}") };
    assert!(message.contains("You sent [key] and xxx"), "{message}");
    assert_eq!(message.chars().count(), 301);
}

/// In two pieces, at every place.
#[test]
fn a_cut_at_any_byte_changes_nothing() {
    for body in [DEEPSEEK_ANSWER, DEEPSEEK_STREAM, DEEPSEEK_THINKING, DEEPSEEK_TOOLS, OPENAI_STREAM] {
        let whole = read(body);
        for cut in 1..body.len() {
            assert_eq!(read_in_pieces(body.as_bytes(), false, &[cut, usize::MAX]), whole, "cut at {cut}: {body}");
        }
    }
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(said("µ")),
        Just(said(" ")),
        Just(finished("stop")),
        Just(": keep-alive\r\n\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("data: [DONE]\n\n".to_owned()),
        Just("data: {\"error\": \"oh\"}\n\n".to_owned()),
        Just("data: nonsense\n\n".to_owned()),
        Just("data: {\"choi".to_owned()),
        Just("{".to_owned()),
        Just(DEEPSEEK_ANSWER.to_owned()),
        Just(OPENAI_STREAM.to_owned()),
        Just(DEEPSEEK_TOOLS.to_owned()),
    ];
    proptest::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_splitting_reads_the_same(body in any_body(), json: bool, sizes in proptest::collection::vec(1_usize..60, 1..5)) {
        prop_assert_eq!(read_in_pieces(&body, json, &sizes), read_in_pieces(&body, json, &[usize::MAX]));
    }

    #[test]
    fn no_bytes_make_it_panic_and_it_ends_in_one_way(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (events, error) = read_in_pieces(&body, false, &[7]);
        let finished = matches!(events.last(), Some(ChatEvent::Finish { .. }));
        prop_assert_ne!(finished, error.is_some());
    }
}
