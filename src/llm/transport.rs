//! Sending a request and waiting for its answer: connections, time limits, and what the network does to them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use reqwest::{RequestBuilder, Response, Url, redirect};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use super::{
    ChatEvent, LlmError, ProviderSettings, Usage,
    reader::{LARGEST_DOCUMENT, Reader},
    rejection::{self, Refusal},
    who::Who,
};

/// As much of an error's body as is read, in bytes.
const LARGEST_REFUSAL: usize = 64 << 10;
/// The time for that body.
const REFUSAL_TIME: Duration = Duration::from_secs(10);
/// Longer than any call: stands for "no limit" where a duration is too large to be added to the present.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A client for one provider.
pub(crate) struct Transport {
    client: reqwest::Client,
    pub(crate) who: Arc<Who>,
    first_word: Duration,
    idle: Duration,
    whole: Duration,
}

/// What came back: an answer to read, or a refusal.
pub(crate) enum Answered {
    Accepted(Response),
    Refused(Refusal),
}

impl Transport {
    pub(crate) fn new(settings: &ProviderSettings, who: Who, base: &Url) -> Result<Self, LlmError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("lectern/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            // A key is not carried to another address, and a POST that was sent on would arrive as a GET.
            .redirect(redirect::Policy::none());
        if is_loopback(base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| unreachable_at(&who, error))?;
        let (first_word, idle, whole) = (settings.first_word_timeout, settings.idle_timeout, settings.deadline);
        Ok(Self { client, who: Arc::new(who), first_word, idle, whole })
    }

    /// When a call that begins now has to be over.
    pub(crate) fn deadline(&self) -> Instant {
        after(self.whole)
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends a request and waits for the status of its answer.
    pub(crate) async fn send(&self, request: RequestBuilder, deadline: Instant) -> Result<Answered, LlmError> {
        let request = match &self.who.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        };
        let limits = self.limits(deadline);
        let mut response =
            limits.within(self.first_word, request.send()).await?.map_err(|error| self.not_sent(error))?;
        if response.status().is_success() {
            return Ok(Answered::Accepted(response));
        }
        let status = response.status().as_u16();
        let retry_after = rejection::retry_after(response.headers());
        let mut body = Vec::new();
        // The status says what to do even when its message does not come, or not to the end.
        let reading = read_start(&mut response, &mut body);
        limits.within(REFUSAL_TIME.min(self.idle), reading).await.unwrap_or_default();
        Ok(Answered::Refused(Refusal { status, retry_after, body }))
    }

    /// The whole body of a small answer.
    pub(crate) async fn whole_body(&self, mut response: Response, deadline: Instant) -> Result<Vec<u8>, LlmError> {
        let mut body = Vec::new();
        let limits = self.limits(deadline);
        loop {
            let chunk = limits.within(self.idle, response.chunk()).await?;
            match chunk.map_err(|error| self.who.incomplete(&root_cause(error)))? {
                Some(bytes) if body.len() + bytes.len() > LARGEST_DOCUMENT => {
                    return Err(self.who.malformed("it is larger than 32 MiB"));
                }
                Some(bytes) => body.extend_from_slice(&bytes),
                None => return Ok(body),
            }
        }
    }

    /// Reads an answer as it comes.
    pub(crate) fn read(&self, response: Response, json: bool, deadline: Instant) -> Live {
        Live {
            response,
            reader: Reader::new(self.who.clone(), json),
            ready: VecDeque::new(),
            failure: None,
            over: false,
            wasted: Usage::default(),
            limits: self.limits(deadline),
            first_word: self.first_word,
            idle: self.idle,
        }
    }

    fn limits(&self, deadline: Instant) -> Limits {
        Limits { who: self.who.clone(), deadline, whole: self.whole }
    }

    fn not_sent(&self, error: reqwest::Error) -> LlmError {
        if error.is_connect() {
            return unreachable_at(&self.who, error);
        }
        LlmError::Transient { provider: self.who.provider(), message: self.who.quote(&root_cause(error)) }
    }
}

/// The time limits of one call.
struct Limits {
    who: Arc<Who>,
    deadline: Instant,
    whole: Duration,
}

impl Limits {
    async fn within<F: Future>(&self, silence: Duration, work: F) -> Result<F::Output, LlmError> {
        let until = after(silence).min(self.deadline);
        timeout_at(until, work).await.map_err(|_| {
            let provider = self.who.provider();
            if until == self.deadline {
                LlmError::DeadlineExceeded { provider, after: self.whole }
            } else {
                LlmError::Stalled { provider, silent_for: silence }
            }
        })
    }
}

/// An answer on its way.
pub(crate) struct Live {
    response: Response,
    reader: Reader,
    ready: VecDeque<ChatEvent>,
    failure: Option<LlmError>,
    over: bool,
    /// The tokens of the attempts before this one.
    pub(crate) wasted: Usage,
    limits: Limits,
    first_word: Duration,
    idle: Duration,
}

impl Live {
    /// The next piece; `None` after the last one, or after an error.
    pub(crate) async fn next(&mut self) -> Option<Result<ChatEvent, LlmError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(self.with_wasted(event)));
            }
            if let Some(error) = self.failure.take() {
                self.over = true;
                return Some(Err(error.with_wasted(self.wasted)));
            }
            if self.over || self.reader.is_done() {
                return None;
            }
            self.failure = self.read_more().await.err();
        }
    }

    /// Waits for the first piece, and keeps it for [`next`](Self::next).
    pub(crate) async fn begin(mut self) -> Result<Self, LlmError> {
        if let Some(first) = self.next().await {
            self.ready.push_front(first?);
        }
        Ok(self)
    }

    /// The model as the server named it.
    pub(crate) fn model(&self) -> Option<&str> {
        self.reader.model()
    }

    /// Any byte ends a silence, so that keep-alives and empty lines do.
    async fn read_more(&mut self) -> Result<(), LlmError> {
        let silence = if self.reader.has_begun() { self.idle } else { self.first_word };
        match self.limits.within(silence, self.response.chunk()).await {
            Ok(Ok(Some(bytes))) => self.reader.push(&bytes, &mut self.ready),
            Ok(Ok(None)) => self.reader.finish(&mut self.ready),
            Ok(Err(error)) => {
                let broken = self.limits.who.incomplete(&root_cause(error));
                self.reader.cut(broken, &mut self.ready)
            }
            Err(late) => self.reader.cut(late, &mut self.ready),
        }
    }

    fn with_wasted(&self, event: ChatEvent) -> ChatEvent {
        match event {
            ChatEvent::Finish { reason, usage: Some(mut usage) } => {
                usage += self.wasted;
                ChatEvent::Finish { reason, usage: Some(usage) }
            }
            other => other,
        }
    }
}

async fn read_start(response: &mut Response, body: &mut Vec<u8>) {
    while let Ok(Some(bytes)) = response.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() >= LARGEST_REFUSAL {
            return body.truncate(LARGEST_REFUSAL);
        }
    }
}

fn unreachable_at(who: &Who, error: reqwest::Error) -> LlmError {
    let message = who.quote(&root_cause(error));
    LlmError::Unreachable { provider: who.provider(), address: who.address.clone(), message }
}

/// What lies at the bottom of an error, without the address, which may hold a password.
fn root_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
}

fn after(wait: Duration) -> Instant {
    Instant::now() + wait.min(FOREVER)
}
