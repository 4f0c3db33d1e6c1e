//! A scripted server in DeepSeek's and OpenAI's format stands in for the provider of a model.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{Home, events};

pub const QUESTION: &str = "Which BLEU score did the Transformer reach on WMT 2014 English-German?";
/// A sentence that the sample library supports.
pub const TRUE: &str = "The large Transformer model reached 28.4 BLEU on WMT 2014 English-German";

/// What the scripted provider says, when it may, and what it was asked.
#[derive(Clone)]
struct Script {
    status: u16,
    body: Arc<Mutex<String>>,
    kind: &'static str,
    gate: Arc<Semaphore>,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

pub struct Provider {
    pub address: String,
    pub asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    body: Arc<Mutex<String>>,
    gate: Arc<Semaphore>,
    _runtime: tokio::runtime::Runtime,
}

impl Provider {
    /// What it says from now on.
    pub fn says(&self, body: String) {
        *self.body.lock().unwrap() = body;
    }

    /// Lets a provider that is [`held`] answer from now on.
    pub fn release(&self) {
        self.gate.close();
    }
}

async fn answer(State(script): State<Script>, headers: HeaderMap, body: String) -> Response {
    script.asked.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
    // Nobody adds a permit: it waits until the gate is closed for good, which lets everybody go.
    let _ = script.gate.acquire().await;
    let status = StatusCode::from_u16(script.status).unwrap();
    (status, [("content-type", script.kind)], Body::from(script.body.lock().unwrap().clone())).into_response()
}

pub fn provider(status: u16, kind: &'static str, body: impl Into<String>) -> Provider {
    let provider = waiting(status, kind, body.into());
    provider.release();
    provider
}

/// A provider that answers a draft when it is released.
pub fn held(body: impl Into<String>) -> Provider {
    waiting(200, "text/event-stream", body.into())
}

fn waiting(status: u16, kind: &'static str, body: String) -> Provider {
    let (asked, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
    let body = Arc::new(Mutex::new(body));
    let script = Script { status, body: body.clone(), kind, gate: gate.clone(), asked: asked.clone() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/chat/completions", post(answer)).with_state(script);
    runtime.spawn(async move { axum::serve(listener, router).await });
    Provider { address, asked, body, gate, _runtime: runtime }
}

/// A stream of these pieces, in DeepSeek's format, with a keep-alive and the usage at the end.
pub fn streamed(pieces: &[&str]) -> String {
    ended(pieces, "stop")
}

/// The same, ended for this reason.
pub fn ended(pieces: &[&str], reason: &str) -> String {
    let end = json!({"id": "x", "object": "chat.completion.chunk", "model": "deepseek-flash", "created": 1,
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
            "prompt_cache_hit_tokens": 400, "prompt_cache_miss_tokens": 600}});
    format!("{}data: {end}\n\ndata: [DONE]\n\n", broken_off(pieces))
}

/// The same without an end.
pub fn broken_off(pieces: &[&str]) -> String {
    let mut body = String::from(": keep-alive\n\n");
    for piece in pieces {
        let chunk = json!({"id": "x", "object": "chat.completion.chunk", "model": "deepseek-flash", "created": 1,
            "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": null}]});
        body.push_str(&format!("data: {chunk}\n\n"));
    }
    body
}

pub fn home_with(provider: &Provider) -> Home {
    Home::with_samples()
        .set("DEEPSEEK_API_KEY", "sk-planted-key-0123456789")
        .set("LECTERN__LLM__DEEPSEEK__BASE_URL", provider.address.clone())
        .set("LECTERN__LLM__MAX_RETRIES", "0")
        // What it says stays as it is scripted.
        .set("LECTERN__AGENT__REPAIR", "false")
        .set("LECTERN__AGENT__CACHE", "false")
        .set("LECTERN__LLM__BREAKER_FAILURES", "1000000")
}

/// The number under which the Transformer paper is offered, as the evidence of an answer tells it.
pub fn offered_number(home: &Home) -> usize {
    let body = json!({"question": QUESTION, "mode": "quote", "stream": true});
    let seen = events(&home.serve().post("/v1/answers", &body).body);
    let evidence = &seen.iter().find(|(_, kind, _)| kind == "evidence").unwrap().2;
    let paper = evidence.as_array().unwrap().iter().find(|e| e["title"] == "Attention Is All You Need").unwrap();
    usize::try_from(paper["n"].as_u64().unwrap()).unwrap()
}
