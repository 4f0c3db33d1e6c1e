//! A local server that answers as a provider does, by a function of what it is asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
    /// The body where it is no text.
    pub bytes: Bytes,
}

impl Asked {
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let url = reqwest::Url::parse(&format!("http://x{}", self.uri)).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The list of that name in the body.
    pub fn list(&self, name: &str) -> Vec<String> {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        serde_json::from_value(body[name].clone()).unwrap()
    }
}

/// A status and a body.
pub type Answer = (u16, Vec<u8>);

type Answers = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

#[derive(Clone)]
struct Script {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Answers,
}

/// The server; it ends with the value.
pub struct Provider {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Provider {
    pub fn new(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script = Script { asked: Arc::clone(&asked), answers: Arc::new(answers) };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script);
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, asked, _runtime: runtime }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(script): State<Script>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let asked = Asked { method, uri, headers, body: String::from_utf8_lossy(&body).into_owned(), bytes: body };
    script.asked.lock().unwrap().push(asked.clone());
    let (status, body) = (script.answers)(&asked);
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}
