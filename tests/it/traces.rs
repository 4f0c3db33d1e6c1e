//! What was done within a run, as it is told afterwards.

use std::collections::BTreeMap;
use std::io::Read;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE, held, home_with, streamed};
use crate::provider_server::{Asked, Provider};
use crate::scripted::{body, home_of, model, number_of};
use crate::support::{Home, Server, eventually};

/// The name of a search's span.
const SEARCH: &str = "retrieval library";

/// The spans of an answer by their names, each with its number, the one that it is within, and what it says.
fn spans(server: &Server, answer: &Value) -> Vec<Value> {
    let trace = server.get(&format!("/v1/runs/{}/trace", answer["id"].as_str().unwrap())).json();
    trace["spans"].as_array().unwrap().clone()
}

fn named<'s>(spans: &'s [Value], name: &str) -> &'s Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

#[test]
fn every_run_has_a_span_for_each_state_search_embedding_and_call_of_a_model() {
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, "Attention Is All You Need"))));
    let home = home_of(&provider);
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    let spans = spans(&server, &answer);
    let root = named(&spans, "invoke_agent lectern");
    assert_eq!((&root["id"], &root["parent"], &root["error"]), (&json!(1), &Value::Null, &Value::Null));
    for state in ["route", "plan", "retrieve", "write"] {
        assert_eq!(named(&spans, state)["parent"], json!(1), "{state}");
    }
    let search = named(&spans, SEARCH);
    assert_eq!(search["parent"], named(&spans, "retrieve")["id"]);
    assert_eq!(search["attributes"]["gen_ai.operation.name"], "retrieval");
    assert!(search["attributes"]["lectern.search.hits"].as_u64().unwrap() > 0);
    let of_the_search = spans.iter().find(|span| span["parent"] == search["id"]).expect("a search embeds its query");
    assert_eq!(of_the_search["name"], "embeddings all-MiniLM-L6-v2");
    let said = ["gen_ai.operation.name", "gen_ai.request.model", "gen_ai.embeddings.dimension.count"];
    let said = said.map(|name| of_the_search["attributes"][name].clone());
    assert_eq!(said, [json!("embeddings"), json!("all-MiniLM-L6-v2"), json!(384)]);
    let chat = named(&spans, "chat deepseek-flash");
    assert_eq!((&chat["parent"], &chat["kind"]), (&named(&spans, "write")["id"], &json!("client")));
    let said = |name: &str| chat["attributes"][name].clone();
    assert_eq!((said("gen_ai.operation.name"), said("gen_ai.provider.name")), (json!("chat"), json!("deepseek")));
    assert_eq!(said("gen_ai.usage.input_tokens"), answer["usage"]["prompt_tokens"]);
    assert_eq!(said("gen_ai.usage.output_tokens"), answer["usage"]["completion_tokens"]);
    assert_eq!(said("lectern.cost_usd"), answer["usage"]["cost_usd"]);
    assert_eq!((&said("lectern.step"), &root["attributes"]["lectern.status"]), (&json!("draft"), &json!("answered")));
    // Each lies within the one that it was done within.
    let by_id: BTreeMap<u64, &Value> = spans.iter().map(|span| (span["id"].as_u64().unwrap(), span)).collect();
    let time = |span: &Value, at: &str| span[at].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    for span in &spans {
        if let Some(parent) = span["parent"].as_u64().map(|parent| by_id[&parent]) {
            let within = time(parent, "start") <= time(span, "start") && time(span, "end") <= time(parent, "end");
            assert!(within, "{span} in {parent}");
        }
    }
    let text = spans.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains(QUESTION) && !text.contains("sk-planted"), "no texts and no keys unless they are asked for");
}

#[test]
fn questions_prompts_and_answers_are_traced_only_where_the_operator_says_so() {
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, "Attention Is All You Need"))));
    let home = home_of(&provider).set("LECTERN__TRACING__TEXTS", "true");
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    let spans = spans(&server, &answer);
    let messages = |span: &Value, name: &str| -> Vec<Value> {
        serde_json::from_str(span["attributes"][name].as_str().unwrap()).unwrap()
    };
    let message = |role: &str, text: &Value| json!({"role": role, "parts": [{"type": "text", "content": text}]});
    let root = named(&spans, "invoke_agent lectern");
    assert_eq!(messages(root, "gen_ai.input.messages"), [message("user", &json!(QUESTION))]);
    assert_eq!(messages(root, "gen_ai.output.messages"), [message("assistant", &answer["text"])]);
    assert_eq!(named(&spans, SEARCH)["attributes"]["gen_ai.retrieval.query.text"], QUESTION);
    let chat = named(&spans, "chat deepseek-flash");
    let asked = body(&provider.asked()[0]);
    let asked: Vec<Value> = asked["messages"].as_array().unwrap().clone();
    let asked: Vec<Value> = asked.iter().map(|m| message(m["role"].as_str().unwrap(), &m["content"])).collect();
    assert_eq!(messages(chat, "gen_ai.input.messages"), asked);
    let said = messages(chat, "gen_ai.output.messages")[0]["parts"][0]["content"].clone();
    assert!(said.as_str().unwrap().starts_with(TRUE), "{said}");
}

#[test]
fn a_call_that_fails_is_a_span_that_says_why() {
    let provider = model(|_, _| (401, "{\"error\": {\"message\": \"no\"}}".to_owned()));
    let home = home_of(&provider);
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    let spans = spans(&server, &answer);
    assert_eq!(named(&spans, "chat deepseek-flash")["error"], "unauthorized");
    assert_eq!(named(&spans, "invoke_agent lectern")["error"], Value::Null, "it was quoted in its place");
}

/// A receiver of OTLP over HTTP, as a collector has it.
fn collector(status: u16) -> Provider {
    Provider::new(move |_| (status, Vec::new()))
}

/// What was sent, by the official definition of the protocol.
fn received(asked: &Asked) -> ExportTraceServiceRequest {
    let header = |name: &str| asked.headers[name].to_str().unwrap().to_owned();
    assert_eq!((asked.path(), header("content-type").as_str()), ("/v1/traces", "application/x-protobuf"));
    assert_eq!(header("content-encoding"), "gzip");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&asked.bytes[..]).read_to_end(&mut plain).unwrap();
    ExportTraceServiceRequest::decode(&plain[..]).unwrap()
}

fn spans_in(request: &ExportTraceServiceRequest) -> Vec<Span> {
    request.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans).cloned().collect()
}

/// Attributes as the trace here has them.
fn plain(attributes: &[KeyValue]) -> Value {
    let value = |value: &Option<AnyValue>| match value.as_ref().unwrap().value.as_ref().unwrap() {
        Any::StringValue(text) => json!(text),
        Any::IntValue(count) => json!(count),
        Any::DoubleValue(number) => json!(number),
        Any::BoolValue(flag) => json!(flag),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), value(&attribute.value))).collect()
}

#[test]
fn a_collector_receives_the_trace_that_is_kept_here() {
    let collector = collector(200);
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, "Attention Is All You Need"))));
    let home = home_of(&provider)
        .set("LECTERN__TRACING__OTLP_ENDPOINT", collector.address.clone())
        .set("LECTERN__TRACING__OTLP_HEADERS", "authorization=Basic%20c2stcGxhbnRlZA==,x-team=papers")
        .set("LECTERN__TRACING__SERVICE_NAME", "reading-room");
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    let kept = spans(&server, &answer);
    let sent = eventually(|| collector.asked().first().cloned());
    assert_eq!(sent.headers["authorization"], "Basic c2stcGxhbnRlZA==");
    assert_eq!(sent.headers["x-team"], "papers");
    let request = received(&sent);
    let resource = plain(&request.resource_spans[0].resource.as_ref().unwrap().attributes);
    assert_eq!((&resource["service.name"], &resource["service.version"]), (&json!("reading-room"), &json!("0.1.0")));
    let spans = spans_in(&request);
    assert_eq!(spans.len(), kept.len());
    let by_number: BTreeMap<u64, &Span> =
        kept.iter().zip(&spans).map(|(kept, sent)| (kept["id"].as_u64().unwrap(), sent)).collect();
    for (kept, sent) in kept.iter().zip(&spans) {
        let hex: String = sent.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, answer["id"].as_str().unwrap().replace('-', ""), "a trace has its answer's id");
        assert_eq!(
            (sent.name.as_str(), plain(&sent.attributes)),
            (kept["name"].as_str().unwrap(), kept["attributes"].clone())
        );
        let parent = kept["parent"].as_u64().map(|parent| by_number[&parent].span_id.clone()).unwrap_or_default();
        assert_eq!(sent.parent_span_id, parent);
        let nanoseconds = |at: &str| kept[at].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_nanosecond();
        assert_eq!(i128::from(sent.start_time_unix_nano), nanoseconds("start"));
        assert_eq!(i128::from(sent.end_time_unix_nano), nanoseconds("end"));
        let kind = if kept["kind"] == "client" { SpanKind::Client } else { SpanKind::Internal };
        assert_eq!(sent.kind, kind as i32);
    }
    let told = server.get("/metrics").body;
    let count = format!("lectern_trace_spans_total{{outcome=\"sent\"}} {}", spans.len());
    assert!(told.lines().any(|line| line == count), "{told}");
}

#[test]
fn a_command_sends_its_trace_before_it_ends_and_failures_are_marked() {
    let collector = collector(200);
    let provider = model(|_, _| (401, "{\"error\": {\"message\": \"no\"}}".to_owned()));
    let home = home_of(&provider).set("LECTERN__TRACING__OTLP_ENDPOINT", format!("{}/v1/traces", collector.address));
    home.run(&["ask", QUESTION, "--mode", "chat"]).exited(0);
    let asked = collector.asked();
    assert_eq!(asked.len(), 1);
    let spans = spans_in(&received(&asked[0]));
    let chat = spans.iter().find(|span| span.name == "chat deepseek-flash").unwrap();
    let status = chat.status.clone().unwrap();
    assert_eq!((status.code, status.message.as_str()), (StatusCode::Error as i32, "unauthorized"));
    assert_eq!(plain(&chat.attributes)["error.type"], "unauthorized");
}

#[test]
fn a_collector_that_is_away_costs_a_line_in_the_log_and_no_answer() {
    let collector = collector(400);
    let home = Home::with_samples()
        .set("LECTERN__TRACING__OTLP_ENDPOINT", collector.address.clone())
        .set("LECTERN__TRACING__OTLP_HEADERS", "authorization=sk-planted");
    let server = home.serve();
    for _ in 0..2 {
        let answer = server.post("/v1/answers", &json!({"question": QUESTION, "cache": false})).json();
        assert_eq!(answer["status"], "answered");
        let failed = collector.asked().len();
        eventually(|| (collector.asked().len() > failed).then_some(()));
    }
    let failures = |server: &Server| {
        let told = server.get("/metrics").body;
        let line = told.lines().find_map(|line| line.strip_prefix("lectern_trace_spans_total{outcome=\"failed\"} "));
        line.unwrap().parse::<u64>().unwrap()
    };
    eventually(|| (failures(&server) > 10).then_some(()));
    let log = server.log();
    let told: Vec<&String> = log.iter().filter(|line| line.contains("traces cannot be sent")).collect();
    assert_eq!(told.len(), 1, "{log:?}");
    assert!(told[0].contains("/v1/traces") && !log.join("").contains("sk-planted"), "{log:?}");
}

#[test]
fn an_address_or_headers_for_traces_that_cannot_be_used_are_told_at_the_start() {
    let home = Home::new().set("LECTERN__TRACING__OTLP_ENDPOINT", "localhost:4318");
    let ran = home.run(&["stats"]).exited(1);
    assert!(ran.stderr.contains("`tracing.otlp_endpoint` must begin with http:// or https://"), "{}", ran.stderr);
    let home = Home::new()
        .set("LECTERN__TRACING__OTLP_ENDPOINT", "http://localhost:4318")
        .set("LECTERN__TRACING__OTLP_HEADERS", "sk-planted");
    let ran = home.run(&["stats"]).exited(1);
    assert!(ran.stderr.contains("header 1 is not of the form name=value"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("planted"));
}

#[test]
fn what_was_sent_when_a_run_failed_is_not_sent_again_when_it_is_resumed() {
    let collector = collector(200);
    let provider = held(streamed(&["NO ANSWER"]));
    let home = home_with(&provider).set("LECTERN__TRACING__OTLP_ENDPOINT", collector.address.clone());
    let server = home.serve();
    let mut left = server.ask(QUESTION, false);
    let id = left.until("evidence")[0].2["id"].as_str().unwrap().to_owned();
    drop(left);
    let sent = |requests: usize| {
        let asked = eventually(|| Some(collector.asked()).filter(|asked| asked.len() >= requests));
        asked.iter().flat_map(|asked| spans_in(&received(asked))).collect::<Vec<Span>>()
    };
    let first = sent(1).len();
    provider.release();
    server.send(|client| client.post(server.url(&format!("/v1/answers/{id}/resume"))));
    let all = sent(2);
    let ids: std::collections::BTreeSet<&Vec<u8>> = all.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), all.len(), "each is sent once");
    let roots = all.iter().filter(|span| span.parent_span_id.is_empty()).count();
    assert!(first > 3 && all.len() > first && roots == 2, "{first} of {}, {roots} roots", all.len());
    assert!(all.iter().all(|span| span.trace_id == all[0].trace_id));
}
