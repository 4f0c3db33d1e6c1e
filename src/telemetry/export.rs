//! Traces on their way to a collector, by OTLP over HTTP. What is kept here does not depend on it: a collector that is away costs
//! its copy of a trace and a line in the log, and nobody waits for it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_otlp::{Compression, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor,
};
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use url::Url;

use super::conventions::ERROR_TYPE;
use super::trace::{Attribute, Kind, Span};
use crate::config::Tracing;
use crate::llm::is_loopback;

/// Where a collector takes traces, below its address.
const TRACES: &str = "v1/traces";
/// How many spans wait to be sent; more are dropped.
const MOST_WAITING: usize = 16_384;
/// How long spans wait for others that are sent with them.
const TOGETHER: Duration = Duration::from_secs(1);
/// How long a collector has to take a batch, its repetitions included, and how long the end of the process waits for the last one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who sends traces.
pub struct Exporter {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    tally: Arc<Tally>,
}

/// What became of spans that were to be sent.
#[derive(Debug, Default)]
pub struct Tally {
    sent: AtomicU64,
    failed: AtomicU64,
    is_failing: AtomicBool,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl Exporter {
    /// Who sends traces as configured; none where no address is set.
    ///
    /// # Errors
    /// When the address or the headers cannot be used; no message has a header's value.
    pub fn new(settings: &Tracing, instance: &str) -> Result<Option<Self>, String> {
        let address = settings.otlp_endpoint.trim();
        if address.is_empty() {
            return Ok(None);
        }
        let endpoint = endpoint(address)?;
        let inner = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint.as_str())
            .with_protocol(Protocol::HttpBinary)
            .with_compression(Compression::Gzip)
            .with_timeout(PATIENCE)
            .with_headers(headers(settings.otlp_headers.expose_secret())?)
            .with_http_client(client(&endpoint)?)
            .build()
            .map_err(|fault| format!("`tracing.otlp_endpoint` is `{endpoint}`: {fault}"))?;
        let tally = Arc::new(Tally::default());
        let mut watched = Watched { inner, endpoint: endpoint.to_string(), tally: Arc::clone(&tally) };
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let instance = KeyValue::new("service.instance.id", instance.to_owned());
        let resource = Resource::builder_empty().with_service_name(settings.service_name.clone());
        watched.set_resource(&resource.with_attributes([version, instance]).build());
        let config = BatchConfigBuilder::default().with_max_queue_size(MOST_WAITING).with_scheduled_delay(TOGETHER);
        let processor = BatchSpanProcessor::builder(watched).with_batch_config(config.build()).build();
        let scope = InstrumentationScope::builder("lectern").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Some(Self { processor, scope, tally }))
    }

    /// Has the spans of a run sent, in a while. A span whose parent is not among them, which was cut off before it ended, is put
    /// below the root.
    pub fn export(&self, run: &str, spans: &[Span]) {
        let known: HashSet<u64> = spans.iter().map(|span| span.id).collect();
        let root = spans.iter().rev().find(|span| span.parent.is_none()).map(|span| span.id);
        let trace = trace_id(run);
        for span in spans {
            let parent = span.parent.map(|parent| if known.contains(&parent) { Some(parent) } else { root });
            self.processor.on_end(self.data(run, trace, span, parent.flatten()));
        }
    }

    /// How many spans were sent, and how many could not be.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.tally.sent.load(Ordering::Relaxed), self.tally.failed.load(Ordering::Relaxed))
    }

    fn data(&self, run: &str, trace: TraceId, span: &Span, parent: Option<u64>) -> SpanData {
        let mut attributes: Vec<KeyValue> =
            span.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), read(value))).collect();
        attributes.extend(span.error.iter().map(|error| KeyValue::new(ERROR_TYPE, error.clone())));
        let (id, sampled) = (span_id(run, span.id), TraceFlags::SAMPLED);
        SpanData {
            span_context: SpanContext::new(trace, id, sampled, false, TraceState::default()),
            parent_span_id: parent.map_or(SpanId::INVALID, |parent| span_id(run, parent)),
            parent_span_is_remote: false,
            span_kind: match span.kind {
                Kind::Internal => SpanKind::Internal,
                Kind::Client => SpanKind::Client,
            },
            name: span.name.clone().into(),
            start_time: moment(span.start),
            end_time: moment(span.end),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.error.as_ref().map_or(Status::Unset, |error| Status::error(error.clone())),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

impl Drop for Exporter {
    /// Sends what waits. Waits for it some seconds at most.
    fn drop(&mut self) {
        if let Err(fault) = self.processor.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%fault, "the last traces may not have been sent");
        }
    }
}

/// The exporter, with a word in the log when a collector goes away and when it is back.
#[derive(Debug)]
struct Watched {
    inner: opentelemetry_otlp::SpanExporter,
    endpoint: String,
    tally: Arc<Tally>,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let sent = self.inner.export(batch).await;
        let (count, fails) = if sent.is_ok() { (&self.tally.sent, false) } else { (&self.tally.failed, true) };
        count.fetch_add(spans, Ordering::Relaxed);
        let changed = self.tally.is_failing.swap(fails, Ordering::Relaxed) != fails;
        match &sent {
            Err(fault) if changed => tracing::warn!(
                %fault, endpoint = self.endpoint, spans,
                "traces cannot be sent and are kept here only; check tracing.otlp_endpoint and that the collector runs"
            ),
            Ok(()) if changed => tracing::info!(endpoint = self.endpoint, "traces can be sent again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Who carries the requests. It waits where it is asked, on the thread that sends, and can only be made outside of asynchronous code.
fn client(endpoint: &Url) -> Result<reqwest::blocking::Client, String> {
    let is_here = is_loopback(endpoint);
    let build = move || {
        // A key is not carried to another address.
        let client = reqwest::blocking::Client::builder().timeout(PATIENCE).redirect(Policy::none());
        // What runs here is not behind a proxy.
        if is_here { client.no_proxy() } else { client }.build().map_err(|fault| fault.to_string())
    };
    std::thread::spawn(build).join().unwrap_or_else(|_| Err("the client for traces could not be made".to_owned()))
}

/// The address for traces: of a collector's, or itself where it is one.
fn endpoint(address: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("`tracing.otlp_endpoint` {why}; it is an address such as http://127.0.0.1:4318");
    let mut url: Url = address.parse().map_err(|fault| wrong(&format!("is no address ({fault})")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not have a name or password in it (they belong into tracing.otlp_headers)"));
    }
    if url.query().is_some() {
        return Err(wrong("must not have a query (a key belongs into tracing.otlp_headers)"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(TRACES) {
        url.set_path(&format!("{path}/{TRACES}"));
    }
    Ok(url)
}

/// Headers as `name=value` with commas between them, values percent-encoded where they must be (as in `OTEL_EXPORTER_OTLP_HEADERS`).
fn headers(text: &str) -> Result<HashMap<String, String>, String> {
    let wrong = |n: usize| format!("`tracing.otlp_headers`: header {n} is not of the form name=value");
    let mut headers = HashMap::new();
    for (place, header) in text.split(',').map(str::trim).enumerate().filter(|(_, header)| !header.is_empty()) {
        let (name, value) = header.split_once('=').ok_or_else(|| wrong(place + 1))?;
        let (name, value) = (name.trim(), decoded(value.trim()).ok_or_else(|| wrong(place + 1))?);
        let is_name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !is_name || reqwest::header::HeaderValue::from_str(&value).is_err() {
            return Err(wrong(place + 1));
        }
        headers.insert(name.to_owned(), value);
    }
    Ok(headers)
}

/// Text without its percent-encoding; none when that is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let (high, low) = (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
            u8::try_from(16 * high + low).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

/// The run's id, which is a UUID and so has the length of a trace's.
fn trace_id(run: &str) -> TraceId {
    run.parse::<uuid::Uuid>()
        .map_or_else(|_| TraceId::from_bytes(digest(run, 0)), |id| TraceId::from_bytes(*id.as_bytes()))
}

/// An id that no other run's span has: some who read traces know a span by it alone.
fn span_id(run: &str, number: u64) -> SpanId {
    let [a, b, c, d, e, f, g, h, ..] = digest(run, number);
    SpanId::from_bytes([a, b, c, d, e, f, g, h])
}

fn digest(run: &str, number: u64) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update(run);
    digest.update(number.to_be_bytes());
    let whole: [u8; 32] = digest.finalize().into();
    let mut half = [0; 16];
    half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    half
}

fn moment(at: Timestamp) -> SystemTime {
    SystemTime::from(at)
}

fn read(attribute: &Attribute) -> Value {
    match attribute {
        Attribute::Flag(flag) => Value::Bool(*flag),
        Attribute::Count(count) => Value::I64(*count),
        Attribute::Number(number) => Value::F64(*number),
        Attribute::Text(text) => Value::String(text.clone().into()),
        Attribute::Texts(texts) => {
            Value::Array(Array::String(texts.iter().map(|text| StringValue::from(text.clone())).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_collector_or_of_its_traces() {
        let told = |address: &str| endpoint(address).map(|url| url.to_string());
        assert_eq!(told("http://127.0.0.1:4318").unwrap(), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(told("https://example.org/api/otel/").unwrap(), "https://example.org/api/otel/v1/traces");
        assert_eq!(told("https://example.org/v1/traces").unwrap(), "https://example.org/v1/traces");
        for (wrong, why) in [
            ("4318", "is no address"),
            ("ftp://x", "must begin"),
            ("https://me:pw@x", "must not have a name"),
            ("https://x/otel?key=pw", "must not have a query"),
        ] {
            let message = told(wrong).unwrap_err();
            assert!(message.contains(why) && !message.contains("pw"), "{message}");
        }
    }

    #[test]
    fn headers_are_read_as_their_standard_has_them_and_never_told() {
        let read = headers("authorization=Basic%20c2stcGxhbnRlZA==, x-langfuse-ingestion-version = 4,").unwrap();
        assert_eq!(read["authorization"], "Basic c2stcGxhbnRlZA==");
        assert_eq!((read["x-langfuse-ingestion-version"].as_str(), read.len()), ("4", 2));
        for wrong in ["a=1,sk-planted", "a b=sk-planted", "a=sk-planted%0A", "a=sk-planted%zz", "a=sk-planted%4"] {
            let message = headers(wrong).unwrap_err();
            assert!(message.contains("`tracing.otlp_headers`: header") && !message.contains("planted"), "{message}");
        }
    }

    #[test]
    fn spans_of_two_runs_have_ids_of_their_own_and_a_trace_the_id_of_its_run() {
        let (run, other) = ("019aa000-0000-7000-8000-000000000001", "019aa000-0000-7000-8000-000000000002");
        assert_eq!(trace_id(run).to_string(), run.replace('-', ""));
        let ids: HashSet<SpanId> =
            [run, other].into_iter().flat_map(|run| (1..100).map(move |n| span_id(run, n))).collect();
        assert_eq!(ids.len(), 198);
        assert_ne!(trace_id("no uuid"), TraceId::INVALID);
    }
}
