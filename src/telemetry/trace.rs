//! Traces: what was done within a run, span by span, while it was done.
//!
//! A [`Trace`] is begun by whoever begins a run, and everything that is done within it finds it by itself: the span that is open is
//! known to the task and not handed on as an argument. Outside of a trace nothing is noted, and costs nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// What a span says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Count(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
}

impl From<bool> for Attribute {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Attribute {
    fn from(count: u64) -> Self {
        Self::Count(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Attribute {
    fn from(count: usize) -> Self {
        Self::Count(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Attribute {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Whether a span is of this program or of what it asks (as OpenTelemetry has it).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Done here.
    #[default]
    Internal,
    /// Another service was asked.
    Client,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its number in the trace, from 1.
    pub id: u64,
    /// The span that it was done within.
    pub parent: Option<u64>,
    /// What was done.
    pub name: String,
    /// By whom.
    #[serde(default)]
    pub kind: Kind,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What there is to say of it, by name.
    #[serde(default)]
    pub attributes: BTreeMap<String, Attribute>,
    /// Why it failed; none when it did not.
    #[serde(default)]
    pub error: Option<String>,
}

/// The spans of one run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The moment that times are counted from: a clock that is set meanwhile changes no duration.
    began: (Timestamp, Instant),
    /// Whether questions, prompts and answers are noted.
    texts: bool,
    next: AtomicU64,
    ended: Mutex<Vec<Span>>,
}

#[derive(Debug, Clone)]
struct Current {
    trace: Trace,
    /// None at the root.
    open: Option<Arc<Mutex<Draft>>>,
}

/// A span that is open.
#[derive(Debug)]
struct Draft {
    id: u64,
    attributes: BTreeMap<String, Attribute>,
    error: Option<String>,
}

tokio::task_local! {
    static CURRENT: Current;
}

impl Trace {
    /// A trace whose spans are numbered from after `known` ones; `texts` says whether they may hold what was asked and said.
    #[must_use]
    pub fn new(clock: Clock, known: u64, texts: bool) -> Self {
        let began = (clock.now(), Instant::now());
        Self(Arc::new(Inner { began, texts, next: AtomicU64::new(known + 1), ended: Mutex::default() }))
    }

    /// The same, before anything is done in it, with or without what is asked and said.
    #[must_use]
    pub fn noting_texts(&self, texts: bool) -> Self {
        let next = AtomicU64::new(self.0.next.load(Ordering::Relaxed));
        Self(Arc::new(Inner { began: self.0.began, texts, next, ended: Mutex::default() }))
    }

    /// Does something as the trace's root.
    pub async fn root<F: Future>(&self, name: &str, work: F) -> F::Output {
        let current = Current { trace: self.clone(), open: None };
        CURRENT.scope(current, within(name, work)).await
    }

    /// The spans that have ended and are numbered from `place` on, in the order in which they ended.
    #[must_use]
    pub fn ended_from(&self, place: usize) -> Vec<Span> {
        self.ended().get(place..).unwrap_or_default().to_vec()
    }

    fn now(&self) -> Timestamp {
        let (at, began) = self.0.began;
        let since = SignedDuration::try_from(began.elapsed()).unwrap_or_default();
        at.checked_add(since).unwrap_or(at)
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, Vec<Span>> {
        self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does something as a span within the one that is open; as it is where there is no trace.
pub async fn within<F: Future>(name: &str, work: F) -> F::Output {
    let Ok(current) = CURRENT.try_with(Clone::clone) else { return work.await };
    let span = Open::new(&current, name, Kind::Internal);
    let inner = Current { trace: current.trace, open: Some(Arc::clone(&span.draft)) };
    let done = CURRENT.scope(inner, work).await;
    span.end();
    done
}

/// Where a task is in its trace, for work of it that is done on another thread; none where there is no trace.
#[derive(Debug, Clone)]
pub struct Here(Current);

/// Where this task is in its trace.
#[must_use]
pub fn here() -> Option<Here> {
    CURRENT.try_with(|current| Here(current.clone())).ok()
}

impl Here {
    /// Does something here.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self.0, work).await
    }
}

/// Begins a span within the one that is open, which ends when it is told to; none where there is no trace.
#[must_use]
pub fn begin(name: &str, kind: Kind) -> Option<Open> {
    CURRENT.try_with(|current| Open::new(current, name, kind)).ok()
}

/// Says something of the span that is open.
pub fn note(name: &str, value: impl Into<Attribute>) {
    let _ = CURRENT.try_with(|current| {
        if let Some(open) = &current.open {
            draft(open).attributes.insert(name.to_owned(), value.into());
        }
    });
}

/// Says of the span that is open what was asked or said, where that may be noted.
pub fn note_text(name: &str, text: impl FnOnce() -> String) {
    let _ = CURRENT.try_with(|current| {
        if let Some(open) = current.open.as_ref().filter(|_| current.trace.0.texts) {
            draft(open).attributes.insert(name.to_owned(), Attribute::Text(text()));
        }
    });
}

/// The span that is open has failed.
pub fn fail(why: &str) {
    let _ = CURRENT.try_with(|current| {
        if let Some(open) = &current.open {
            draft(open).error = Some(why.to_owned());
        }
    });
}

/// A span that is ended by hand. One that is dropped before was given up.
#[derive(Debug)]
pub struct Open {
    trace: Trace,
    draft: Arc<Mutex<Draft>>,
    parent: Option<u64>,
    name: String,
    kind: Kind,
    start: Timestamp,
    is_over: AtomicBool,
}

impl Open {
    fn new(current: &Current, name: &str, kind: Kind) -> Self {
        let trace = current.trace.clone();
        let id = trace.0.next.fetch_add(1, Ordering::Relaxed);
        let parent = current.open.as_ref().map(|open| draft(open).id);
        let draft = Arc::new(Mutex::new(Draft { id, attributes: BTreeMap::new(), error: None }));
        let start = trace.now();
        Self { trace, draft, parent, name: name.to_owned(), kind, start, is_over: AtomicBool::new(false) }
    }

    /// Says something of it.
    pub fn note(&self, name: &str, value: impl Into<Attribute>) {
        draft(&self.draft).attributes.insert(name.to_owned(), value.into());
    }

    /// Says what was asked or said, where that may be noted.
    pub fn note_text(&self, name: &str, text: impl FnOnce() -> String) {
        if self.trace.0.texts {
            self.note(name, text());
        }
    }

    /// It has failed.
    pub fn fail(&self, why: &str) {
        draft(&self.draft).error = Some(why.to_owned());
    }

    /// It is over.
    pub fn end(&self) {
        self.finish(None);
    }

    fn finish(&self, given_up: Option<&str>) {
        if self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        let (id, attributes, error) = {
            let mut draft = draft(&self.draft);
            (draft.id, std::mem::take(&mut draft.attributes), draft.error.take().or(given_up.map(str::to_owned)))
        };
        let span = Span {
            id,
            parent: self.parent,
            name: self.name.clone(),
            kind: self.kind,
            start: self.start,
            end: self.trace.now(),
            attributes,
            error,
        };
        self.trace.ended().push(span);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.finish(Some("given up"));
    }
}

fn draft(open: &Mutex<Draft>) -> std::sync::MutexGuard<'_, Draft> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(texts: bool) -> Trace {
        Trace::new(Clock::system(), 0, texts)
    }

    fn told(trace: &Trace) -> Vec<(u64, Option<u64>, String, Option<String>)> {
        trace.ended_from(0).into_iter().map(|span| (span.id, span.parent, span.name, span.error)).collect()
    }

    #[tokio::test]
    async fn what_is_done_at_once_is_within_what_it_was_begun_by() {
        let trace = trace(false);
        let one = |name: &'static str| {
            within(name, async move {
                tokio::task::yield_now().await;
                within("inner", async { note("of", name) }).await;
            })
        };
        trace.root("root", async { futures::join!(one("a"), one("b")) }).await;
        let spans = trace.ended_from(0);
        let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        assert_eq!((of("root").parent, of("a").parent, of("b").parent), (None, Some(1), Some(1)));
        for inner in spans.iter().filter(|span| span.name == "inner") {
            let Attribute::Text(outer) = &inner.attributes["of"] else { panic!("{inner:?}") };
            assert_eq!(inner.parent, Some(of(outer).id));
            assert!(of(outer).start <= inner.start && inner.end <= of(outer).end);
        }
        assert_eq!(spans.len(), 5);
    }

    #[tokio::test]
    async fn outside_of_a_trace_nothing_is_noted_and_texts_only_where_they_may_be() {
        assert!(within("alone", async { begin("x", Kind::Client).is_none() }).await);
        for texts in [false, true] {
            let trace = trace(texts);
            trace
                .root("root", async {
                    note("count", 3_usize);
                    note_text("question", || "Why?".to_owned());
                })
                .await;
            let names: Vec<String> = trace.ended_from(0)[0].attributes.keys().cloned().collect();
            assert_eq!(names.len(), if texts { 2 } else { 1 }, "{names:?}");
        }
    }

    #[tokio::test]
    async fn what_is_given_up_or_fails_says_so() {
        let trace = trace(false);
        trace
            .root("root", async {
                let open = begin("chat", Kind::Client).unwrap();
                open.note("model", "m");
                drop(begin("left", Kind::Client));
                open.fail("rate_limited");
                open.end();
                let never = within("never", std::future::pending::<()>());
                let _ = tokio::time::timeout(std::time::Duration::from_millis(5), never).await;
                fail("no");
            })
            .await;
        let given_up = Some("given up".to_owned());
        assert_eq!(
            told(&trace),
            [
                (3, Some(1), "left".to_owned(), given_up.clone()),
                (2, Some(1), "chat".to_owned(), Some("rate_limited".to_owned())),
                (4, Some(1), "never".to_owned(), given_up),
                (1, None, "root".to_owned(), Some("no".to_owned())),
            ]
        );
        let written = serde_json::to_string(&trace.ended_from(1)[0]).unwrap();
        assert_eq!(serde_json::from_str::<Span>(&written).unwrap(), trace.ended_from(1)[0]);
    }
}
