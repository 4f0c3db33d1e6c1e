//! A run that writes itself down as it goes: what was asked, what was told, what each finished step came to.
//!
//! Free work is kept together with the next call that costs something, so that an answer without a model writes to the
//! disk once, and a run that is cut off does nothing anew that was paid for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::event::{Event, EventLog};
use super::{AgentError, Question};
use crate::clock::Clock;
use crate::store::{Ending, Exposure, RunNotes, Store, StoreError, StoredRun, When};
use crate::telemetry::trace::{Span, Trace};

/// A run under way.
pub struct Run {
    id: String,
    store: Store,
    clock: Clock,
    log: Arc<EventLog>,
    trace: Trace,
    taken_up: bool,
    /// Whether it was in the store before this process had it.
    was_stored: bool,
    /// Spans up to this number were sent when it ended before.
    sent: u64,
    /// Steps that were finished before the run was cut off.
    finished: BTreeMap<String, String>,
    state: Mutex<State>,
}

/// What is not written down yet.
#[derive(Debug, Default)]
struct State {
    /// Events up to this number are in the store.
    written: u64,
    steps: Vec<(String, String)>,
    /// So many of the spans that have ended are in the store.
    spans_written: usize,
    /// Steps that were finished in this process: each is finished once.
    begun: BTreeSet<String>,
    cache_key: Option<String>,
}

impl Run {
    /// Begins a run, which is in the store from now on.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn begin(
        id: String,
        store: Store,
        clock: Clock,
        question: &Question,
        when: When,
        log: Arc<EventLog>,
    ) -> Result<Self, StoreError> {
        let exposure = question.experiment.as_ref().map(|assigned| Exposure {
            experiment: &assigned.experiment,
            arm: &assigned.arm,
            unit: &assigned.unit,
        });
        store.begin_answer(&id, &json(question)?, exposure, when, clock.now()).await?;
        Ok(Self {
            id,
            store,
            clock,
            log,
            trace: Trace::new(clock, 0, false),
            taken_up: false,
            was_stored: false,
            sent: 0,
            finished: BTreeMap::new(),
            state: Mutex::default(),
        })
    }

    /// Takes up a run that was cut off, with what was asked in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn take_up(stored: StoredRun, store: Store, clock: Clock) -> Result<(Self, Question), StoreError> {
        let question = read("run", &stored.request)?;
        let told = store.answer_events(&stored.id, 0).await?;
        // One that was to wait, and of which nothing is written down, begins now.
        let taken_up = stored.not_before.is_none() || !told.is_empty() || !stored.steps.is_empty();
        let written = told.last().map_or(0, |(number, ..)| *number);
        let told = told.into_iter().map(|(id, kind, data)| Event { id, kind: kind.into(), data });
        // The last word of an earlier end is no end any more.
        let told = told.filter(|event| !event.is_last()).collect();
        let finished = stored.steps.into_iter().collect();
        // Where it goes on, numbers go on too. A span has a greater one than what it is within, so that none is taken which one
        // that was cut off had.
        let known = store.last_span(&stored.id).await?;
        let trace = Trace::new(clock, known, false);
        let state = Mutex::new(State { written, ..State::default() });
        let log = Arc::new(EventLog::going_on(told));
        let ended_before = stored.ended_at.is_some();
        let sent = if ended_before { known } else { 0 };
        let run = Self { id: stored.id, store, clock, log, trace, taken_up, was_stored: true, sent, finished, state };
        Ok((run, question))
    }

    /// Its id, which is its answer's too.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is told of it.
    #[must_use]
    pub fn log(&self) -> &Arc<EventLog> {
        &self.log
    }

    /// The same with questions, prompts and answers in its trace.
    #[must_use]
    pub fn noting_texts(self, texts: bool) -> Self {
        Self { trace: self.trace.noting_texts(texts), ..self }
    }

    /// The spans that have yet to be sent: what was done in this process, and before it, where the run had no end there.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn unsent_spans(&self) -> Result<Vec<Span>, StoreError> {
        if !self.was_stored {
            let mut spans = self.trace.ended_from(0);
            spans.sort_by_key(|span| span.id);
            return Ok(spans);
        }
        let read = |span: String| {
            let unreadable = |source| StoreError::Unreadable { what: "span", source };
            serde_json::from_str::<Span>(&span).map_err(unreadable)
        };
        let spans: Vec<Span> = self.store.spans(&self.id).await?.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(spans.into_iter().filter(|span| span.id > self.sent).collect())
    }

    /// What is done within it.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Whether it was cut off before and goes on.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.taken_up
    }

    /// Whether it was in the store before, so that somebody else may have begun it, or may begin it again.
    #[must_use]
    pub fn was_stored(&self) -> bool {
        self.was_stored
    }

    /// Writes down what there is to note.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note(&self) -> Result<(), StoreError> {
        let notes = self.notes();
        self.store.note_answer(&self.id, &notes).await?;
        self.noted(&notes);
        Ok(())
    }

    /// Where it is written down.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What a step came to before the run was cut off.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn outcome<T: DeserializeOwned>(&self, step: &str) -> Result<Option<T>, AgentError> {
        let outcome = self.finished.get(step).map(|outcome| read("step of a run", outcome));
        Ok(outcome.transpose()?)
    }

    /// A step is finished. It is written down with the next notes.
    ///
    /// # Errors
    /// When its outcome cannot be written as JSON, which no type of ours does.
    pub fn finish(&self, step: &str, outcome: &impl Serialize) -> Result<(), AgentError> {
        if self.finished.contains_key(step) || !self.state().begun.insert(step.to_owned()) {
            return Ok(());
        }
        let outcome = json(outcome)?;
        self.state().steps.push((step.to_owned(), outcome));
        Ok(())
    }

    /// What is to be written down now; [`Run::noted`] says that it was.
    #[must_use]
    pub fn notes(&self) -> RunNotes {
        let state = self.state();
        let events = self.log.after(state.written).into_iter();
        RunNotes {
            events: events.map(|event| (event.id, event.kind.into_owned(), event.data)).collect(),
            steps: state.steps.clone(),
            spans: self.trace.ended_from(state.spans_written).iter().filter_map(written).collect(),
        }
    }

    /// These notes are in the store.
    pub fn noted(&self, notes: &RunNotes) {
        let mut state = self.state();
        state.written = notes.events.last().map_or(state.written, |(number, ..)| *number);
        let kept = notes.steps.len().min(state.steps.len());
        state.steps.drain(..kept);
        state.spans_written += notes.spans.len();
    }

    /// The answer of this run can be given once more by this key.
    pub fn cache_as(&self, key: String) {
        self.state().cache_key = Some(key);
    }

    /// Ends the run: its document and its last event are kept, and then the event is told.
    ///
    /// # Errors
    /// When they cannot be kept; then the event is not told.
    pub async fn end(
        &self,
        document: &impl Serialize,
        (kind, data): (&'static str, &impl Serialize),
    ) -> Result<(), StoreError> {
        let document = json(document)?;
        // What failed is not to be given once more.
        let cache_key = self.state().cache_key.clone().filter(|_| kind == "answer");
        let mut notes = self.notes();
        notes.events.push((self.log.next(), kind.to_owned(), json(data)?));
        let ending = Ending { answer: &document, cache_key: cache_key.as_deref() };
        self.store.end_answer(&self.id, &notes, ending, self.clock.now()).await?;
        self.noted(&notes);
        self.log.add(kind, data);
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A span as it is kept; one that cannot be written, which none is, is left out.
fn written(span: &Span) -> Option<(u64, String)> {
    Some((span.id, serde_json::to_string(span).ok()?))
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Unreadable { what: "run", source })
}

fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Unreadable { what, source })
}
