//! A source that has failed again and again is left alone for a while: a circuit breaker, pure.
//!
//! It opens after a number of failed requests in a row, each of which was repeated as far as is polite, and stays
//! open for a pause that doubles each time. After the pause one request is let through; what becomes of it closes the
//! breaker or opens it again. A refusal is the request's fault and tells that the source is there.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::IngestError;

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// A source that is left alone for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resting {
    /// Since when it has not been asked.
    pub since: Timestamp,
    /// When it is asked again.
    pub until: Timestamp,
    /// What its last request failed with.
    pub why: String,
}

impl From<Resting> for IngestError {
    fn from(Resting { since, until, why }: Resting) -> Self {
        Self::Resting { since, until, why }
    }
}

/// How a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// As always.
    Free,
    /// As the one that finds out whether the source is there again.
    Probe,
}

/// What is known of a source's failures; the default is a source that works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Breaker {
    /// Failed requests in a row.
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    since: Timestamp,
    until: Timestamp,
    pause_s: u64,
    why: String,
}

impl Breaker {
    /// Whether the source is left alone.
    pub(crate) fn resting(&self, now: Timestamp) -> Option<Resting> {
        let Open { since, until, pause_s, why } = self.open.as_ref()?;
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        // One further away than the pause was noted before the clock was set back.
        let holds = !left.is_zero() && left <= Duration::from_secs(*pause_s);
        holds.then(|| Resting { since: *since, until: *until, why: why.clone() })
    }

    /// Whether a request may be sent now. After the pause the first one may, and the others wait for what becomes of
    /// it, at most as long as the pause was.
    pub(crate) fn admit(&mut self, now: Timestamp) -> Result<Admission, Resting> {
        if let Some(resting) = self.resting(now) {
            return Err(resting);
        }
        let Some(open) = &mut self.open else { return Ok(Admission::Free) };
        open.until = later(now, open.pause_s);
        Ok(Admission::Probe)
    }

    /// A request has failed although it was repeated.
    pub(crate) fn failed(&mut self, by: Admission, limit: u32, first_pause: Duration, why: String, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let pause_s = match (&self.open, by) {
            // Sent before the breaker opened.
            (Some(_), Admission::Free) => return,
            (Some(open), Admission::Probe) => open.pause_s.saturating_mul(2),
            (None, _) if self.failures < limit.max(1) => return,
            (None, _) => first_pause.as_secs(),
        };
        let pause_s = pause_s.clamp(1, LONGEST.as_secs());
        let since = self.open.as_ref().map_or(now, |open| open.since);
        self.open = Some(Open { since, until: later(now, pause_s), pause_s, why });
    }

    /// Lets the next request find out whether the source is there.
    pub(crate) fn try_now(&mut self, now: Timestamp) {
        if let Some(open) = &mut self.open {
            open.until = now;
        }
    }
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    now.checked_add(Duration::from_secs(seconds)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MINUTES: Duration = Duration::from_secs(300);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    fn fail(breaker: &mut Breaker, by: Admission, minutes: i64) {
        breaker.failed(by, 3, FIVE_MINUTES, "HTTP 503".into(), at(minutes));
    }

    /// One that opened at minute 0.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            assert_eq!(breaker.admit(at(0)), Ok(Admission::Free));
            fail(&mut breaker, Admission::Free, 0);
        }
        breaker
    }

    fn resting(until: i64) -> Option<Resting> {
        Some(Resting { since: at(0), until: at(until), why: "HTTP 503".into() })
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_says_since_when_and_why() {
        let mut breaker = opened();
        assert_eq!(breaker.resting(at(0)), resting(5));
        assert_eq!(breaker.admit(at(4)).err(), resting(5));
        fail(&mut breaker, Admission::Free, 4);
        assert_eq!(breaker.resting(at(4)), resting(5), "one that was under way does not make it longer");
    }

    #[test]
    fn one_request_is_let_through_after_the_pause_which_doubles_up_to_six_hours() {
        let mut breaker = opened();
        let (mut now, mut pause) = (5, 5);
        for _ in 0..10 {
            assert_eq!(breaker.admit(at(now)), Ok(Admission::Probe));
            assert_eq!(breaker.admit(at(now)).err(), resting(now + pause), "the others wait");
            fail(&mut breaker, Admission::Probe, now);
            pause = (pause * 2).min(360);
            assert_eq!(breaker.resting(at(now)), resting(now + pause));
            now += pause;
        }
        assert_eq!(pause, 360);
    }

    #[test]
    fn one_may_be_let_through_sooner_and_a_clock_set_back_blocks_nobody() {
        let mut breaker = opened();
        breaker.try_now(at(1));
        assert_eq!(breaker.admit(at(1)), Ok(Admission::Probe));
        assert_eq!(opened().resting(at(-60)), None);
        let mut closed = Breaker::default();
        closed.try_now(at(1));
        assert_eq!(closed, Breaker::default());
    }

    #[test]
    fn it_is_the_same_after_it_was_written_and_read() {
        let breaker = opened();
        let text = serde_json::to_string(&breaker).unwrap();
        assert_eq!(serde_json::from_str::<Breaker>(&text).unwrap(), breaker);
        assert!(!text.contains('\n'), "it is one line of the pace file");
    }
}
