//! A server on loopback that plays a script, and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
    serve::ListenerExt,
};
use futures::{StreamExt, stream};

/// One answer of the script.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    end: End,
    mute: bool,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    Break,
    Hang,
}

impl Reply {
    pub(super) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            pieces: vec![body.into()],
            pause: Duration::ZERO,
            end: End::Close,
            mute: false,
        }
        .header("content-type", "application/json")
    }

    pub(super) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub(super) fn sse(body: impl Into<Vec<u8>>) -> Self {
        Self { headers: Vec::new(), ..Self::json(body) }.header("content-type", "text/event-stream; charset=utf-8")
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Sends the body in these pieces, each after a pause.
    pub(super) fn in_pieces(mut self, pause: Duration, pieces: Vec<Vec<u8>>) -> Self {
        (self.pause, self.pieces) = (pause, pieces);
        self
    }

    /// Breaks the connection where the body should go on.
    pub(super) fn broken(mut self) -> Self {
        self.end = End::Break;
        self
    }

    /// Leaves the connection open where the body should go on, and says nothing more.
    pub(super) fn hanging(mut self) -> Self {
        self.end = End::Hang;
        self
    }

    /// Does not even answer with a status.
    pub(super) fn mute(mut self) -> Self {
        self.mute = true;
        self
    }

    fn into_response(self) -> Response {
        let pause = self.pause;
        let pieces = stream::iter(self.pieces).then(move |piece| async move {
            // Even without a pause each piece goes out by itself.
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(piece))
        });
        let end = stream::once(async move {
            match self.end {
                End::Close => None,
                End::Hang => std::future::pending().await,
                End::Break => {
                    // What was sent should arrive before the connection breaks.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Some(Err(std::io::Error::other("broken on purpose")))
                }
            }
        });
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from_stream(pieces.chain(end.filter_map(std::future::ready)))).unwrap()
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) line: String,
    pub(super) authorization: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) body: serde_json::Value,
}

#[derive(Clone)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

pub(super) struct Server {
    pub(super) address: String,
    script: Script,
}

impl Server {
    pub(super) async fn playing(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Script { replies: Arc::new(Mutex::new(replies.into_iter().collect())), calls: Arc::default() };
        let app = Router::new().fallback(answer).with_state(script.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        // Otherwise each piece waits some 40 ms for the acknowledgement of the one before it.
        let listener = listener.tap_io(|connection| connection.set_nodelay(true).unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, script }
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.script.calls.lock().unwrap().clone()
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let text = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    script.calls.lock().unwrap().push(Call {
        line: format!("{} {}", head.method, head.uri),
        authorization: text("authorization"),
        user_agent: text("user-agent"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let reply = script.replies.lock().unwrap().pop_front();
    let reply = reply.unwrap_or_else(|| Reply::status(418, "the script is over"));
    if reply.mute {
        return std::future::pending().await;
    }
    reply.into_response()
}
