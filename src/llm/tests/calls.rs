//! Tool calls put together from what servers send.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DEEPSEEK_TOOLS, call, reader::read_in_pieces, stop, text};
use crate::llm::{ChatEvent, FinishReason, LlmError, ToolCall, Usage};

fn read(body: &str) -> (Vec<ChatEvent>, Option<LlmError>) {
    read_in_pieces(body.as_bytes(), false, &[usize::MAX])
}

fn event(delta: &Value, finish: Option<&str>) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
}

/// A stream of these pieces of calls, each in an event of its own.
fn streamed(pieces: &[Value], finish: &str) -> String {
    let pieces: String = pieces.iter().map(|piece| event(&json!({"tool_calls": [piece]}), None)).collect();
    pieces + &event(&json!({}), Some(finish)) + "data: [DONE]\n\n"
}

fn calls_of(body: &str) -> Vec<ToolCall> {
    match read(body) {
        (events, None) => events
            .into_iter()
            .find_map(|event| if let ChatEvent::ToolCalls(calls) = event { Some(calls) } else { None })
            .unwrap_or_default(),
        (_, Some(error)) => panic!("{error}: {body}"),
    }
}

fn search(arguments: &str) -> ToolCall {
    call("a", "search", arguments)
}

#[test]
fn the_pieces_of_each_call_are_joined_and_come_before_the_end() {
    let usage = Usage { prompt_tokens: 404, cache_hit_tokens: 384, completion_tokens: 48, reasoning_tokens: 6 };
    let calls = vec![call("call_00_a", "search", "{\"query\": \"µ 漢\"}"), call("call_01_b", "now", "{}")];
    let expected = vec![
        ChatEvent::Reasoning("Two places to look.".to_owned()),
        text("I look."),
        ChatEvent::ToolCalls(calls),
        ChatEvent::Finish { reason: FinishReason::ToolCalls, usage: Some(usage) },
    ];
    assert_eq!(read(DEEPSEEK_TOOLS), (expected, None));
}

#[test]
fn a_document_of_tool_calls_only_is_an_answer_without_text() {
    let function = json!({"name": "search", "arguments": "{\"query\": \"µ\"}"});
    let whole = json!({"id": "a", "type": "function", "function": function});
    let again = json!({"id": "b", "index": 0, "function": {"name": "search"}});
    let message = json!({"role": "assistant", "content": "", "tool_calls": [whole, again]});
    let answer = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).to_string();
    let calls = vec![search("{\"query\": \"µ\"}"), call("b", "search", "{}")];
    let end = ChatEvent::Finish { reason: FinishReason::ToolCalls, usage: None };
    assert_eq!(read(&answer), (vec![ChatEvent::ToolCalls(calls), end], None));
}

#[test]
fn pieces_are_told_apart_in_every_way_that_servers_have() {
    let opening = |index: Value, id: Value, name: &str| {
        let piece = json!({"index": index, "id": id, "function": {"name": name, "arguments": ""}});
        let kept = piece.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    let more = |index: Value, text: &str| match index {
        Value::Null => json!({"function": {"arguments": text}}),
        index => json!({"index": index, "function": {"name": null, "arguments": text}}),
    };
    let no = Value::Null;
    let two = vec![search("{\"q\": 1}"), call("b", "now", "{}")];
    let interleaved = [
        opening(json!(0), json!("a"), "search"),
        opening(json!(1), json!("b"), "now"),
        more(json!(0), "{\"q\""),
        more(json!(1), "{}"),
        more(json!(0), ": 1}"),
    ];
    let without_index = [
        opening(no.clone(), json!("a"), "search"),
        more(no.clone(), "{\"q\""),
        more(no.clone(), ": 1}"),
        opening(no.clone(), json!("b"), "now"),
        more(no.clone(), "{}"),
    ];
    let all_of_index_0 = [
        opening(json!(0), json!("a"), "search"),
        more(json!(0), "{\"q\": 1}"),
        opening(json!(0), json!("b"), "now"),
        more(json!(0), "{}"),
    ];
    let everything_repeated = [
        opening(json!(0), json!("a"), "search"),
        json!({"index": 0, "id": "a", "function": {"name": "search", "arguments": "{\"q\": 1}"}}),
        opening(json!(1), json!("b"), "now"),
        json!({"index": 1, "id": "b", "function": {"name": "now", "arguments": "{}"}}),
    ];
    let whole = [
        json!({"id": "a", "function": {"name": "search", "arguments": "{\"q\": 1}"}}),
        json!({"id": "b", "function": {"name": "now", "arguments": {}}}),
    ];
    let ways: [&[Value]; 5] = [&interleaved, &without_index, &all_of_index_0, &everything_repeated, &whole];
    for way in ways {
        assert_eq!(calls_of(&streamed(way, "tool_calls")), two, "{way:?}");
    }
    let without_id = [opening(json!(0), no.clone(), "search"), opening(no.clone(), no, "now")];
    let expected = [call("call_0", "search", "{}"), call("call_1", "now", "{}")];
    assert_eq!(calls_of(&streamed(&without_id, "tool_calls")), expected);
}

#[test]
fn what_a_limit_cut_off_is_not_called() {
    let whole = json!({"index": 0, "id": "a", "function": {"name": "search", "arguments": "{\"q\": 1}"}});
    let half = json!({"index": 1, "id": "b", "function": {"name": "search", "arguments": "{\"q\": \"remo"}});
    let begun = json!({"index": 1, "id": "b", "function": {"name": "search", "arguments": ""}});
    let nameless = json!({"index": 1, "id": "b"});
    for cut in [half.clone(), begun, nameless] {
        for reason in ["length", "content_filter"] {
            assert_eq!(calls_of(&streamed(&[whole.clone(), cut.clone()], reason)), [search("{\"q\": 1}")], "{cut}");
        }
    }
    assert_eq!(calls_of(&streamed(std::slice::from_ref(&half), "length")), []);
    // Where nothing was cut off it is what the model wrote, for the caller to answer.
    assert_eq!(calls_of(&streamed(&[half], "tool_calls")), [call("b", "search", "{\"q\": \"remo")]);
}

/// In JSON mode too: blanks in place of JSON are no answer, and a call is one.
#[test]
fn calls_count_whatever_the_reason_to_stop() {
    let piece = json!({"index": 0, "id": "a", "function": {"name": "search", "arguments": "{}"}});
    let stopped = streamed(std::slice::from_ref(&piece), "stop");
    for json in [false, true] {
        let read = read_in_pieces(stopped.as_bytes(), json, &[usize::MAX]);
        assert_eq!(read, (vec![ChatEvent::ToolCalls(vec![search("{}")]), stop(None)], None));
    }
    let without_reason = event(&json!({"tool_calls": [piece]}), None) + "data: [DONE]\n\n";
    let end = ChatEvent::Finish { reason: FinishReason::ToolCalls, usage: None };
    assert_eq!(read(&without_reason), (vec![ChatEvent::ToolCalls(vec![search("{}")]), end], None));
}

#[test]
fn a_call_of_nothing_is_malformed_and_one_that_breaks_off_is_incomplete() {
    let (events, error) = read(&streamed(&[json!({"index": 0, "id": "a"})], "tool_calls"));
    assert_eq!(events, []);
    assert!(matches!(error, Some(LlmError::Malformed { .. })), "{error:?}");
    let (events, error) = read(&event(&json!({"tool_calls": [{"index": 0, "function": {"name": "now"}}]}), None));
    assert_eq!(events, []);
    assert!(matches!(error, Some(LlmError::Incomplete { .. })), "{error:?}");
}

/// How a server tells the calls of a stream apart.
#[derive(Debug, Clone, Copy)]
enum Way {
    Index,
    Id,
    Name,
    IdUnderOneIndex,
}

proptest! {
    #[test]
    fn however_calls_are_cut_they_come_out_as_they_were(
        texts in proptest::collection::vec(("[a-z_]{1,8}", ".{0,12}"), 1..5),
        size in 1_usize..6,
        way in prop_oneof![Just(Way::Index), Just(Way::Id), Just(Way::Name), Just(Way::IdUnderOneIndex)],
    ) {
        let (mut pieces, mut expected) = (Vec::new(), Vec::new());
        for (n, (name, text)) in texts.iter().enumerate() {
            let arguments = json!({"text": text}).to_string();
            let (index, id) = match way {
                Way::Index => (json!(n), Some(format!("id_{n}"))),
                Way::Id => (Value::Null, Some(format!("id_{n}"))),
                Way::Name => (Value::Null, None),
                Way::IdUnderOneIndex => (json!(0), Some(format!("id_{n}"))),
            };
            pieces.push(json!({"index": index, "id": id, "function": {"name": name}}));
            let characters: Vec<char> = arguments.chars().collect();
            pieces.extend(characters.chunks(size).map(|some| {
                json!({"index": index, "function": {"arguments": some.iter().collect::<String>()}})
            }));
            expected.push(call(&id.unwrap_or(format!("call_{n}")), name, &arguments));
        }
        prop_assert_eq!(calls_of(&streamed(&pieces, "tool_calls")), expected);
    }
}
