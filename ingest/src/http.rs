//! The one way out: a client that says who it is, asks politely and waits when told to.

mod download;
mod outgoing;

use std::borrow::Cow;
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use secrecy::ExposeSecret;

pub(crate) use self::outgoing::Outgoing;
use crate::breaker::Admission;
use crate::politeness::{Politeness, Turn};
use crate::{IngestError, Resting};

/// The shortest first pause before a request is repeated.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How often a request is sent on before it is taken for a ring.
const MAX_REDIRECTS: usize = 5;

/// How a [`PoliteClient`] behaves towards one source.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Who asks: name, version and an address to write to.
    pub user_agent: String,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take with its whole answer.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes after decompression.
    pub max_body_bytes: usize,
    /// The pause between requests: 3 s for arXiv, 1 s for Semantic Scholar.
    pub min_interval: Duration,
    /// How often a request is repeated after a failure that may pass.
    pub max_retries: usize,
    /// The longest single wait before a repetition; asked to wait longer, the client gives up.
    pub max_wait: Duration,
    /// A file by which all processes of an operator keep the pause together.
    pub state_file: Option<PathBuf>,
    /// After so many requests in a row that failed although they were repeated, the source is left alone.
    pub breaker_failures: u32,
    /// For how long at first; the pause doubles each time, up to six hours.
    pub breaker_pause: Duration,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            user_agent: concat!("lectern/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            max_body_bytes: 64 * 1024 * 1024,
            min_interval: Duration::from_secs(3),
            max_retries: 4,
            max_wait: Duration::from_secs(60),
            state_file: None,
            breaker_failures: 3,
            breaker_pause: Duration::from_secs(300),
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// Where it was sent on to, when the client did not follow.
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// An error, and whether to ask again at once.
struct Failed {
    error: IngestError,
    again: bool,
}

impl From<IngestError> for Failed {
    fn from(error: IngestError) -> Self {
        Self { again: error.is_retryable(), error }
    }
}

/// The one outbound client of a source: one request at a time, the pause kept between them in this process
/// and, with a state file, among all; repeated with growing pauses and jitter while that may help, and after
/// a `Retry-After` as long as it asks for, but never longer than [`ClientSettings::max_wait`]. Where no
/// connection can be had, that is told at once; and a source that has failed again and again is left alone for a
/// while, see [`ClientSettings::breaker_failures`]. It follows redirects on the same host only.
#[derive(Debug)]
pub struct PoliteClient {
    client: reqwest::Client,
    settings: ClientSettings,
    politeness: Politeness,
    clock: fn() -> Timestamp,
}

impl PoliteClient {
    /// A client with these manners; `clock` tells the time of day.
    ///
    /// # Errors
    /// [`IngestError::Refused`] when the user agent is no header value or TLS cannot be set up.
    pub fn new(settings: ClientSettings, clock: fn() -> Timestamp) -> Result<Self, IngestError> {
        let builder = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            // What it followed by itself it would ask without a pause.
            .redirect(Policy::none());
        let client =
            builder.build().map_err(|error| IngestError::refused(format!("no HTTP client: {}", causes(&error))))?;
        let state_file = settings.state_file.clone();
        let politeness = Politeness::new(settings.min_interval, settings.max_wait, state_file, clock);
        Ok(Self { client, settings, politeness, clock })
    }

    /// Asks until `judge` makes something of the answer, or an error that waiting does not cure.
    pub(crate) async fn fetch<T>(
        &self,
        request: &Outgoing,
        judge: impl Fn(&Answer) -> Result<T, IngestError>,
    ) -> Result<T, IngestError> {
        let admission = Mutex::new(None);
        let admitted = || *admission.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = || async {
            let mut held = admitted();
            let sent = self.send(request, &mut held).await;
            *admission.lock().unwrap_or_else(PoisonError::into_inner) = held;
            Ok(judge(&sent?)?)
        };
        let backoff = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.settings.min_interval.max(FIRST_PAUSE))
            .with_max_delay(self.settings.max_wait)
            .with_max_times(self.settings.max_retries);
        let fetched = attempt
            .retry(backoff)
            // A source that has failed again and again is asked once whether it is there again.
            .when(|failed: &Failed| failed.again && admitted() != Some(Admission::Probe))
            .adjust(|failed, pause| self.pause_after(&failed.error, pause?))
            .notify(|failed, pause| {
                tracing::warn!(address = request.address(), ?pause, "asking again: {}", failed.error)
            })
            .await
            .map_err(|failed| failed.error);
        self.learn_from(fetched.as_ref().err(), admitted()).await;
        fetched
    }

    /// Tells the breaker how a request ended. A refusal is an answer, and what is unreadable too.
    async fn learn_from(&self, error: Option<&IngestError>, admission: Option<Admission>) {
        let Some(admission) = admission else { return };
        let ClientSettings { breaker_failures, breaker_pause, .. } = self.settings;
        let learnt = match error {
            Some(IngestError::Resting { .. } | IngestError::Io { .. }) => Ok(()),
            Some(error @ (IngestError::RateLimited { .. } | IngestError::Transient { .. })) => {
                let (why, now) = (error.to_string(), (self.clock)());
                let fail = |breaker: &mut crate::breaker::Breaker| {
                    breaker.failed(admission, breaker_failures, breaker_pause, why, now);
                };
                self.politeness.judge(fail).await
            }
            _ => self.politeness.answered().await,
        };
        if let Err(fault) = learnt {
            tracing::warn!(%fault, "it is not noted how a request ended");
        }
    }

    /// Whether the source has failed again and again and is left alone, in whatever process.
    ///
    /// # Errors
    /// [`IngestError::Io`] when the file cannot be read.
    pub async fn resting(&self) -> Result<Option<Resting>, IngestError> {
        Ok(self.politeness.breaker().await?.resting((self.clock)()))
    }

    /// Lets the next request through although the source is left alone; how it ends decides what follows.
    ///
    /// # Errors
    /// [`IngestError::Io`] when the file cannot be used.
    pub async fn try_anyway(&self) -> Result<(), IngestError> {
        let now = (self.clock)();
        self.politeness.judge(|breaker| breaker.try_now(now)).await
    }

    /// The pause before the next attempt; none when the other side wants a longer one than we wait.
    fn pause_after(&self, error: &IngestError, pause: Duration) -> Option<Duration> {
        let asked = match error {
            IngestError::RateLimited { retry_after } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let max_wait = self.settings.max_wait;
        (asked <= max_wait).then(|| pause.min(max_wait).max(asked))
    }

    /// Asks, and asks where it is sent on to: each time at its turn.
    async fn send(&self, request: &Outgoing, admission: &mut Option<Admission>) -> Result<Answer, Failed> {
        let mut request = Cow::Borrowed(request);
        for _ in 0..MAX_REDIRECTS {
            let answer = self.send_once(&request, admission).await?;
            let Some(next) = request.sent_on(answer.status, answer.location.as_deref()) else { return Ok(answer) };
            request = Cow::Owned(next);
        }
        self.send_once(&request, admission).await
    }

    async fn send_once(&self, request: &Outgoing, admission: &mut Option<Admission>) -> Result<Answer, Failed> {
        let built = self.build(request)?;
        let mut turn = self.politeness.turn(admission).await?;
        let response = match built.send().await {
            Ok(response) => response,
            Err(error) => {
                // Where nobody listens, a minute of asking again only hides a wrong address from the user.
                let again = !error.is_connect();
                if again {
                    // It may have arrived just now, however long ago it was sent.
                    turn.pause(None).await?;
                }
                return Err(Failed { error: failure(request, error), again });
            }
        };
        Ok(self.receive(request, response, &mut turn).await?)
    }

    fn build(&self, request: &Outgoing) -> Result<RequestBuilder, IngestError> {
        let builder = match &request.json {
            Some(json) => {
                self.client.post(request.url.clone()).header(CONTENT_TYPE, "application/json").body(json.clone())
            }
            None => self.client.get(request.url.clone()),
        };
        let Some((name, key)) = &request.key else { return Ok(builder) };
        let mut value = HeaderValue::from_str(key.expose_secret().trim()).map_err(|_| {
            IngestError::refused(format!("the key for {} holds characters that no header may", request.address()))
        })?;
        value.set_sensitive(true);
        Ok(builder.header(HeaderName::from_static(name), value))
    }

    async fn receive(
        &self,
        from: &Outgoing,
        mut response: Response,
        turn: &mut Turn<'_>,
    ) -> Result<Answer, IngestError> {
        let retry_after = retry_after(response.headers(), (self.clock)());
        turn.pause(retry_after).await?;
        let limit = self.settings.max_body_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(from, error))? {
            if body.len() + chunk.len() > limit {
                return Err(IngestError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        let location = location(&response).map(str::to_owned);
        Ok(Answer { status: response.status().as_u16(), retry_after, location, body })
    }
}

fn location(response: &Response) -> Option<&str> {
    response.headers().get(LOCATION)?.to_str().ok()
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// What went wrong on the way, by the address and the setting it comes from.
fn failure(request: &Outgoing, error: reqwest::Error) -> IngestError {
    let (address, setting) = (request.address(), request.setting);
    let error = error.without_url();
    let what = if error.is_connect() {
        format!("cannot reach {address} ({}); check the network and the setting {setting}", causes(&error))
    } else if error.is_timeout() {
        format!("{address} did not answer in time; ask again later, or in smaller pages")
    } else if error.is_builder() {
        return IngestError::refused(format!("{address} is no address to ask; check the setting {setting}"));
    } else {
        format!("the connection to {address} broke off ({}); ask again later", causes(&error))
    };
    IngestError::Transient { what }
}

/// The innermost cause says what happened; those around it say only where.
fn causes(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(header: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, header.parse().unwrap());
        retry_after(&headers, "2026-11-22T12:00:00Z".parse().unwrap())
    }

    fn client() -> PoliteClient {
        PoliteClient::new(ClientSettings::default(), || Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(waits("120"), seconds(120));
        assert_eq!(waits("Sun, 22 Nov 2026 12:00:30 GMT"), seconds(30));
        assert_eq!(waits("Sun, 22 Nov 2026 11:00:00 GMT"), seconds(0));
        assert_eq!(waits("soon"), None);
        assert_eq!(waits("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn the_wait_that_is_asked_for_is_kept_up_to_the_longest() {
        let limited = |s| IngestError::RateLimited { retry_after: Some(Duration::from_secs(s)) };
        let pause = Duration::from_secs(5);
        for (asked, kept) in [(2, Some(5)), (30, Some(30)), (60, Some(60)), (61, None)] {
            assert_eq!(client().pause_after(&limited(asked), pause), kept.map(Duration::from_secs), "{asked}");
        }
        let broken = IngestError::Transient { what: "x".into() };
        assert_eq!(client().pause_after(&broken, Duration::from_secs(90)), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_key_is_never_printed() {
        let outgoing = Outgoing::get("https://x.org/a?query=q".parse().unwrap(), "setting")
            .with_key("x-api-key", Some("secret-key".to_owned().into()))
            .with_json("[]".into());
        assert!(!format!("{outgoing:?}").contains("secret-key"));
        let request = client().build(&outgoing).unwrap().build().unwrap();
        assert_eq!(request.headers()["x-api-key"], "secret-key");
        assert!(!format!("{request:?}").contains("secret-key"));
        let broken = outgoing.with_key("x-api-key", Some("secret\u{1}key".to_owned().into()));
        let error = client().build(&broken).unwrap_err().to_string();
        assert_eq!(error, "refused: the key for https://x.org/a holds characters that no header may");
    }

    #[test]
    fn a_name_that_no_header_can_hold_is_refused() {
        let settings = ClientSettings { user_agent: "two\nlines".into(), ..ClientSettings::default() };
        assert!(matches!(PoliteClient::new(settings, || Timestamp::UNIX_EPOCH), Err(IngestError::Refused { .. })));
    }
}
