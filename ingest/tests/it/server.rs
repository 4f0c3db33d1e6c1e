//! A local server that gives scripted answers and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use ingest::http::{ClientSettings, PoliteClient};
use url::Url;

/// What the server answers to one request.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::from_u16(self.status).unwrap(), self.body).into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
}

impl Asked {
    /// The value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let url = Url::parse(&format!("http://x{}", self.uri)).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

#[derive(Default)]
struct Script {
    replies: Vec<Reply>,
    asked: Vec<Asked>,
}

/// A server on a free port of this machine; the last reply is given to every later request too.
pub struct Server {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub async fn with(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Script { replies: replies.into_iter().collect(), asked: Vec::new() };
        let script = Arc::new(Mutex::new(script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, script }
    }

    pub fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).unwrap()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    /// The times between the arrivals of requests.
    pub fn gaps(&self) -> Vec<Duration> {
        self.asked().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let mut script = script.lock().unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    script.asked.push(Asked { at: Instant::now(), method, uri, headers, body });
    let place = script.asked.len().min(script.replies.len()) - 1;
    script.replies[place].clone()
}

#[allow(clippy::disallowed_methods)] // The tests of the pace need the real time.
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A client that is as quick as the manners allow.
pub fn quick() -> ClientSettings {
    ClientSettings {
        user_agent: "lectern-test/1 (mailto:nobody@example.org)".into(),
        min_interval: Duration::from_millis(1),
        max_retries: 3,
        max_wait: Duration::from_secs(2),
        ..ClientSettings::default()
    }
}

pub fn client(settings: ClientSettings) -> Arc<PoliteClient> {
    Arc::new(PoliteClient::new(settings, now).unwrap())
}
