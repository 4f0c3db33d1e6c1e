//! Tools and prefixes from request to request: what is sent, what is sent back, and what is refused before it is sent.

use serde_json::{Value, json};

use super::{
    DEEPSEEK_ANSWER, DEEPSEEK_TOOLS, KEY, Kind, all, call, json_question, question,
    server::{Reply, Server},
    stop,
    suite::on_both,
    text,
};
use crate::llm::{
    ChatEvent, ChatRequest, FinishReason, LlmError, Message, ProviderSettings, Thinking, Tool, ToolChoice,
    client::Dialect,
    deepseek::{DeepSeek, NAMES},
    settings::Checked,
};

on_both!(
    tools_are_offered_in_the_common_format,
    a_choice_is_sent_where_there_is_one,
    a_conversation_with_calls_goes_on,
    what_is_wrong_with_tools_is_said_before_they_are_sent,
    calls_without_results_are_not_sent,
    a_stream_of_calls_that_breaks_off_is_asked_for_again,
);

fn tool(name: &str) -> Tool {
    let parameters = json!({
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": false,
    });
    Tool { name: name.to_owned(), description: format!("Does {name}."), parameters, strict: false }
}

fn offering(tools: &[&str], tool_choice: ToolChoice) -> ChatRequest {
    let tools = tools.iter().map(|name| tool(name)).collect();
    ChatRequest { tools, tool_choice, thinking: Some(Thinking::Off), ..question() }
}

/// The body that arrives at the server.
async fn sent(kind: Kind, request: &ChatRequest) -> Value {
    let server = Server::playing([Reply::json(kind.answer())]).await;
    kind.at(&server.address).complete(request).await.unwrap();
    server.calls().remove(0).body
}

/// Why a request is not sent.
async fn refused(kind: Kind, request: &ChatRequest) -> String {
    let server = Server::playing([]).await;
    let error = kind.at(&server.address).complete(request).await.unwrap_err();
    assert_eq!(server.calls().len(), 0, "{error}");
    match error {
        LlmError::BadRequest { message, .. } => message,
        other => panic!("{other}"),
    }
}

async fn tools_are_offered_in_the_common_format(kind: Kind) {
    let body = sent(kind, &offering(&["search", "now"], ToolChoice::Auto)).await;
    let function = |name: &str| {
        let Tool { name, description, parameters, .. } = tool(name);
        json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
    };
    assert_eq!(body["tools"], json!([function("search"), function("now")]));
    assert_eq!(body.get("tool_choice"), None);
    let body = sent(kind, &question()).await;
    assert_eq!((body.get("tools"), body.get("tool_choice")), (None, None));
}

async fn a_choice_is_sent_where_there_is_one(kind: Kind) {
    let named = json!({"type": "function", "function": {"name": "search"}});
    let cases = [
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (ToolChoice::Named("search".to_owned()), named),
    ];
    for (choice, wire) in cases {
        assert_eq!(sent(kind, &offering(&["search"], choice)).await["tool_choice"], wire);
    }
    assert_eq!(sent(kind, &offering(&[], ToolChoice::None)).await.get("tool_choice"), None);
}

/// The calls of an answer become a turn, and their results follow. Thoughts go back to DeepSeek only.
async fn a_conversation_with_calls_goes_on(kind: Kind) {
    let server = Server::playing([Reply::sse(DEEPSEEK_TOOLS), Reply::json(kind.answer())]).await;
    let model = kind.at(&server.address);
    let mut request = ChatRequest { thinking: None, ..offering(&["search", "now"], ToolChoice::Auto) };
    let reply = model.complete(&request).await.unwrap();
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    let calls = vec![call("call_00_a", "search", "{\"query\": \"µ 漢\"}"), call("call_01_b", "now", "{}")];
    assert_eq!(reply.tool_calls, calls);
    request.messages.push(Message { content: String::new(), ..reply.into_message() });
    request.messages.push(Message::tool_result("call_01_b", "noon"));
    request.messages.push(Message::tool_result("call_00_a", "nothing"));
    model.complete(&request).await.unwrap();
    let wire = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let mut turn = json!({
        "role": "assistant",
        "content": "",
        "tool_calls": [wire("call_00_a", "search", "{\"query\": \"µ 漢\"}"), wire("call_01_b", "now", "{}")],
    });
    if let Kind::DeepSeek = kind {
        turn["reasoning_content"] = json!("Two places to look.");
    }
    let messages = &server.calls()[1].body["messages"];
    assert_eq!(messages[2], turn);
    assert_eq!(messages[3], json!({"role": "tool", "content": "noon", "tool_call_id": "call_01_b"}));
    assert_eq!(messages[4], json!({"role": "tool", "content": "nothing", "tool_call_id": "call_00_a"}));
}

async fn what_is_wrong_with_tools_is_said_before_they_are_sent(kind: Kind) {
    let with = |tool: Tool| ChatRequest { tools: vec![tool], ..offering(&[], ToolChoice::Auto) };
    let long = "x".repeat(65);
    for name in ["", "a b", "é", "a.b", long.as_str()] {
        assert!(refused(kind, &with(tool(name))).await.ends_with("at most 64"), "{name}");
    }
    let shapeless = with(Tool { parameters: json!("any"), ..tool("search") });
    let cases = [
        (shapeless, "the parameters of the tool `search` are not described by a JSON object"),
        (offering(&["now", "search", "now"], ToolChoice::Auto), "two tools are called `now`"),
        (offering(&[], ToolChoice::Required), "a tool is demanded and none is offered"),
        (offering(&["now"], ToolChoice::Named("search".into())), "the tool `search` is demanded and not offered"),
    ];
    for (request, reason) in cases {
        assert_eq!(refused(kind, &request).await, reason);
    }
}

async fn calls_without_results_are_not_sent(kind: Kind) {
    let asked = |rest: Vec<Message>| {
        let turn =
            Message { tool_calls: vec![call("a", "now", "{}"), call("b", "now", "{}")], ..Message::assistant("") };
        let messages = [question().messages, vec![turn], rest].concat();
        ChatRequest { messages, ..offering(&["now"], ToolChoice::Auto) }
    };
    let (a, b) = (Message::tool_result("a", "1"), Message::tool_result("b", "2"));
    let open = "a tool call has no result";
    let unknown = "a tool's result belongs to no call";
    let cases = [
        (vec![], open),
        (vec![a.clone()], open),
        (vec![a.clone(), Message::user("And?"), b.clone()], open),
        (vec![a.clone(), a.clone()], unknown),
        (vec![a.clone(), b.clone(), Message::tool_result("c", "3")], unknown),
    ];
    for (rest, reason) in cases {
        assert_eq!(refused(kind, &asked(rest)).await, reason);
    }
    sent(kind, &asked(vec![b, a, Message::user("And?")])).await;
}

/// Nobody has seen a call until it is whole.
async fn a_stream_of_calls_that_breaks_off_is_asked_for_again(kind: Kind) {
    let (_, calls) = DEEPSEEK_TOOLS.split_once("\"I look.\"").unwrap();
    let (_, calls) = calls.split_once("\n\n").unwrap();
    let (begun, _) = calls.split_once("call_01_b").unwrap();
    let server = Server::playing([Reply::sse(begun), Reply::sse(calls)]).await;
    let events = all(&*kind.at(&server.address), &offering(&["search", "now"], ToolChoice::Auto)).await;
    let [Ok(ChatEvent::ToolCalls(calls)), Ok(ChatEvent::Finish { .. })] = &events[..] else { panic!("{events:?}") };
    assert_eq!((calls.len(), server.calls().len()), (2, 2));
}

fn dialect(base: &str) -> DeepSeek {
    let settings = ProviderSettings::new(base, Some(KEY.into()), "deepseek-flash");
    DeepSeek::new(&Checked::new(&settings, &NAMES).unwrap(), "deepseek-flash").unwrap()
}

#[test]
fn a_demanded_tool_is_refused_unless_thinking_is_off() {
    let own = dialect("https://api.deepseek.com");
    let reason = "a tool cannot be demanded while the model thinks; switch thinking off";
    for choice in [ToolChoice::Required, ToolChoice::Named("now".to_owned())] {
        let asked = |thinking| ChatRequest { thinking, ..offering(&["now"], choice.clone()) };
        for thinking in [None, Some(Thinking::On), Some(Thinking::Low), Some(Thinking::High), Some(Thinking::Max)] {
            assert_eq!(own.body(&asked(thinking), false).err().as_deref(), Some(reason), "{thinking:?}");
        }
        assert!(own.body(&asked(Some(Thinking::Off)), false).is_ok());
        // What another server does by itself is not known.
        assert!(dialect("http://127.0.0.1:8000").body(&asked(None), false).is_ok());
    }
    for choice in [ToolChoice::Auto, ToolChoice::None] {
        let asked = ChatRequest { thinking: Some(Thinking::On), ..offering(&["now"], choice) };
        assert!(own.body(&asked, false).is_ok());
    }
}

#[test]
fn thoughts_go_back_in_every_exchange_with_calls_and_in_no_other() {
    let thinking = |text: &str, content: &str| Message { reasoning: text.to_owned(), ..Message::assistant(content) };
    let messages = vec![
        Message::system("Cite."),
        Message::user("One?"),
        thinking("first", "Eins."),
        Message::user("Two?"),
        Message { tool_calls: vec![call("a", "now", "{}")], ..thinking("second", "") },
        Message::tool_result("a", "noon"),
        thinking("third", "Zwei."),
        Message::user("Three?"),
        thinking("fourth", "Drei."),
        Message::user("Four?"),
    ];
    let request = ChatRequest { messages, ..offering(&["now"], ToolChoice::Auto) };
    let dialect = dialect("https://api.deepseek.com");
    let body = serde_json::to_value(dialect.body(&request, false).unwrap()).unwrap();
    let turns = body["messages"].as_array().unwrap().iter();
    let thoughts: Vec<&str> = turns.map(|turn| turn["reasoning_content"].as_str().unwrap_or("-")).collect();
    assert_eq!(thoughts, ["-", "-", "-", "-", "second", "-", "third", "-", "-", "-"]);
}

#[tokio::test]
async fn strict_tools_live_at_beta_and_leave_nothing_open() {
    let server = Server::playing([Reply::json(DEEPSEEK_ANSWER)]).await;
    let strict = |parameters: Value| ChatRequest {
        tools: vec![tool("now"), Tool { parameters, strict: true, ..tool("search") }],
        ..offering(&[], ToolChoice::Auto)
    };
    let good = tool("search").parameters;
    Kind::DeepSeek.at(&format!("{}/v1", server.address)).complete(&strict(good.clone())).await.unwrap();
    let call = server.calls().remove(0);
    assert_eq!(call.line, "POST /beta/chat/completions");
    let marks = [0, 1].map(|n| call.body["tools"][n]["function"].get("strict").cloned());
    assert_eq!(marks, [None, Some(json!(true))]);

    let closed = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let open = json!({"type": "object", "properties": {}});
    let fine = [
        closed(json!({}), json!([])),
        // A property may be called like a keyword.
        closed(json!({"properties": {"type": "string"}}), json!(["properties"])),
        closed(json!({"list": {"type": "array", "items": good.clone()}}), json!(["list"])),
    ];
    for parameters in fine {
        sent(Kind::DeepSeek, &strict(parameters)).await;
    }
    let faults = [
        open.clone(),
        json!({"type": "object"}),
        closed(json!({"a": {"type": "string"}, "b": {"type": "string"}}), json!(["a"])),
        closed(json!({"a": open}), json!(["a"])),
        closed(json!({"a": {"type": "array", "items": open}}), json!(["a"])),
        closed(json!({"a": {"anyOf": [{"type": "string"}, open]}}), json!(["a"])),
        closed(json!({"a": {"type": ["object", "null"]}}), json!(["a"])),
        json!({"type": "object", "additionalProperties": false, "$defs": {"a": open}}),
    ];
    for parameters in faults {
        let reason = refused(Kind::DeepSeek, &strict(parameters.clone())).await;
        assert!(reason.starts_with("the tool `search` is strict: "), "{parameters}: {reason}");
    }
}

#[tokio::test]
async fn only_deepseek_finishes_what_it_began() {
    let models = [Kind::DeepSeek, Kind::OpenAi].map(|kind| kind.at("http://127.0.0.1:9"));
    assert_eq!(models.map(|model| model.can_continue()), [true, false]);
}

#[tokio::test]
async fn an_answer_that_stopped_at_its_limit_is_finished_without_thinking() {
    let (first, rest) = ("Entropy is", " 7 µJ/K [1].");
    let cut = DEEPSEEK_ANSWER.replace("Entropy is 7 µJ/K [1].", first).replace("\"stop\"", "\"length\"");
    let end = DEEPSEEK_ANSWER.replace("Entropy is 7 µJ/K [1].", rest);
    let server = Server::playing([Reply::json(cut), Reply::json(end.clone()), Reply::json(end)]).await;
    let model = Kind::DeepSeek.at(&server.address);
    let mut request = ChatRequest { thinking: Some(Thinking::On), temperature: Some(0.5), ..json_question() };
    let reply = model.complete(&request).await.unwrap();
    assert_eq!((reply.text.as_str(), &reply.finish), (first, &FinishReason::Length));
    request.messages.push(Message { reasoning: "Hm.".to_owned(), ..reply.into_message() });
    // In the middle of a text a blank at the beginning is part of it, in JSON too.
    assert_eq!(model.complete(&request).await.unwrap().text, rest);
    let events = all(&*model, &request).await;
    assert_eq!(events, [Ok(text(rest)), Ok(stop(Some(super::ANSWER_USAGE)))]);
    let call = server.calls().remove(1);
    assert_eq!(call.line, "POST /beta/chat/completions");
    assert_eq!(call.body["messages"][2], json!({"role": "assistant", "content": first, "prefix": true}));
    assert_eq!((&call.body["thinking"], &call.body["temperature"]), (&json!({"type": "disabled"}), &json!(0.5)));
}

#[tokio::test]
async fn there_is_nothing_to_go_on_from_blanks() {
    for blank in ["", " \n"] {
        let mut request = question();
        request.messages.push(Message::assistant(blank));
        assert_eq!(refused(Kind::DeepSeek, &request).await, "there is no text to go on from");
    }
}
