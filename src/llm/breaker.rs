//! A provider that has failed again and again is left alone for a while: a circuit breaker, pure.
//!
//! It opens after a number of failed calls in a row that are the provider's fault
//! ([`LlmError::worth_another_provider`]), each of which the client has repeated already; at once when only the
//! operator can mend it (a refused key, an empty account), and when the provider asks for a pause longer than the
//! first one here. It stays open for a pause that doubles each time, or as long as the provider asks. After that one
//! call is let through; what becomes of it closes the breaker or opens it again. A request that is itself at fault
//! tells that the provider is there.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use super::LlmError;

/// The shortest pause.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest pause that a provider is granted when it asks for one.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 60 * 60);

/// A provider that is left alone for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Resting {
    /// When it may be asked again.
    pub until: Timestamp,
    /// What its last call failed with: an [`LlmError::kind`], and nothing that a provider said.
    pub why: &'static str,
}

/// How a call may be made; handed back with what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// As always.
    Free,
    /// As the one that finds out whether the provider is there again.
    Probe,
}

/// When a [`Breaker`] opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// The failed calls in a row that open it.
    pub failures: u32,
    /// The first pause; it doubles with each one.
    pub first_pause: Duration,
    /// The longest pause, unless the provider asks for a longer one.
    pub longest_pause: Duration,
}

impl Default for BreakerSettings {
    /// Three failed calls; half a minute, up to a quarter of an hour.
    fn default() -> Self {
        Self { failures: 3, first_pause: Duration::from_secs(30), longest_pause: Duration::from_secs(15 * 60) }
    }
}

/// What is known of one provider's failures, shared between the calls to it.
#[derive(Debug, Default)]
pub struct Breaker {
    settings: BreakerSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failed calls in a row.
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Timestamp,
    /// From when `until` was set up to `until`.
    wait: Duration,
    /// What doubles.
    pause: Duration,
    why: &'static str,
}

impl Breaker {
    /// One for a provider that works.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// Whether the provider is left alone. Asking this lets nobody through.
    #[must_use]
    pub fn resting(&self, now: Timestamp) -> Option<Resting> {
        self.state().resting(now)
    }

    /// Whether a call may be made now. After the pause the first one may, and the others wait for what becomes of
    /// it, at most as long as the pause was: a probe of which nothing is heard does not block them for ever.
    ///
    /// # Errors
    /// Until when the provider is left alone.
    pub fn admit(&self, now: Timestamp) -> Result<Admission, Resting> {
        let mut state = self.state();
        if let Some(resting) = state.resting(now) {
            return Err(resting);
        }
        let Some(open) = &mut state.open else { return Ok(Admission::Free) };
        open.wait = open.pause;
        open.until = later(now, open.wait);
        Ok(Admission::Probe)
    }

    /// A call has given an answer.
    pub fn succeeded(&self, by: Admission) {
        let mut state = self.state();
        // One that was under way when the breaker opened tells nothing about the pause that was asked for since.
        if by == Admission::Probe || state.open.is_none() {
            *state = State::default();
        }
    }

    /// A call has failed although it was repeated.
    pub fn failed(&self, by: Admission, error: &LlmError, now: Timestamp) {
        if !error.worth_another_provider() {
            return self.succeeded(by);
        }
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_ASKED);
        let at_once = matches!(error, LlmError::Unauthorized { .. } | LlmError::OutOfCredit { .. })
            || asked > self.settings.first_pause;
        let pause = match (&state.open, by) {
            // Made before the breaker opened.
            (Some(_), Admission::Free) => return,
            (Some(open), Admission::Probe) => open.pause.saturating_mul(2),
            (None, _) if !at_once && state.failures < self.settings.failures => return,
            (None, _) => self.settings.first_pause,
        };
        let pause = pause.min(self.settings.longest_pause).max(SHORTEST);
        let wait = pause.max(asked);
        state.open = Some(Open { until: later(now, wait), wait, pause, why: error.kind() });
    }

    /// A thread that panicked while it held the lock has left a whole state: each is set in one go.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn resting(&self, now: Timestamp) -> Option<Resting> {
        let Open { until, wait, why, .. } = self.open.as_ref()?;
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        // What lies further away than the whole wait was noted before the clock was set back.
        let holds = !left.is_zero() && left <= *wait;
        holds.then_some(Resting { until: *until, why })
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(now)
}
