//! When a provider is left alone, and when it is asked again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::llm::{Admission, Breaker, BreakerSettings, LlmError, Resting};

const SETTINGS: BreakerSettings =
    BreakerSettings { failures: 3, first_pause: Duration::from_secs(60), longest_pause: Duration::from_secs(16 * 60) };
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
}

fn said() -> (String, String) {
    ("deepseek".to_owned(), "sorry, sk-0123456789".to_owned())
}

fn transient() -> LlmError {
    let (provider, message) = said();
    LlmError::Transient { provider, message }
}

fn limited(minutes: u64) -> LlmError {
    let (provider, message) = said();
    LlmError::RateLimited { provider, retry_after: Some(Duration::from_secs(60 * minutes)), message }
}

fn too_long() -> LlmError {
    let (provider, message) = said();
    LlmError::ContextTooLong { provider, message }
}

fn no_credit() -> LlmError {
    let (provider, message) = said();
    LlmError::OutOfCredit { provider, message }
}

fn no_key() -> LlmError {
    let (provider, message) = said();
    LlmError::Unauthorized { provider, setting: String::new(), message }
}

fn resting(until: i64, why: &'static str) -> Resting {
    Resting { until: at(until), why }
}

/// One that opened at minute 0, for a minute.
fn opened() -> Breaker {
    let breaker = Breaker::new(SETTINGS);
    for _ in 0..3 {
        assert_eq!(breaker.admit(at(0)), Ok(Admission::Free));
        breaker.failed(Admission::Free, &transient(), at(0));
    }
    breaker
}

#[test]
fn it_opens_after_so_many_failures_in_a_row_and_says_until_when_and_why() {
    let breaker = opened();
    assert_eq!(breaker.admit(at(0)), Err(resting(1, "transient")));
    assert_eq!(breaker.resting(at(0)), Some(resting(1, "transient")));
    breaker.failed(Admission::Free, &limited(9), at(0));
    assert_eq!(breaker.resting(at(0)), Some(resting(1, "transient")), "one that was under way changes nothing");
    breaker.succeeded(Admission::Free);
    assert_eq!(breaker.resting(at(0)), Some(resting(1, "transient")), "nor does one that went well");
}

#[test]
fn an_answer_or_a_request_that_is_itself_at_fault_ends_the_row() {
    let breaker = Breaker::new(SETTINGS);
    for _ in 0..4 {
        breaker.failed(Admission::Free, &transient(), at(0));
        breaker.failed(Admission::Free, &transient(), at(0));
        breaker.failed(Admission::Free, &too_long(), at(0));
        breaker.failed(Admission::Free, &transient(), at(0));
        breaker.succeeded(Admission::Free);
    }
    assert_eq!(breaker.admit(at(0)), Ok(Admission::Free));
}

#[test]
fn what_only_the_operator_can_mend_opens_it_at_once() {
    for (error, why) in [(no_credit(), "out_of_credit"), (no_key(), "unauthorized")] {
        let breaker = Breaker::new(SETTINGS);
        breaker.failed(Admission::Free, &error, at(0));
        assert_eq!(breaker.admit(at(0)), Err(resting(1, why)));
    }
}

#[test]
fn a_pause_that_is_asked_for_is_granted_up_to_a_day() {
    for (asked, granted) in [(5, 5), (60, 60), (24 * 60, 24 * 60), (u64::MAX / 60, 24 * 60)] {
        let breaker = Breaker::new(SETTINGS);
        breaker.failed(Admission::Free, &limited(asked), at(0));
        assert_eq!(breaker.admit(at(0)), Err(resting(granted, "rate_limited")), "{asked}");
        assert_eq!(breaker.admit(at(granted)), Ok(Admission::Probe));
        assert_eq!(breaker.admit(at(granted)), Err(resting(granted + 1, "rate_limited")), "the others wait less long");
        breaker.failed(Admission::Probe, &transient(), at(granted));
        assert_eq!(breaker.resting(at(granted)), Some(resting(granted + 2, "transient")));
    }
    let breaker = Breaker::new(SETTINGS);
    breaker.failed(Admission::Free, &limited(1), at(0));
    assert_eq!(breaker.admit(at(0)), Ok(Admission::Free), "a short one is waited for by the call itself");
}

#[test]
fn one_call_is_let_through_after_the_pause_which_doubles_up_to_its_limit() {
    let breaker = opened();
    let (mut now, mut pause) = (1, 1);
    for _ in 0..8 {
        assert_eq!(breaker.admit(at(now)), Ok(Admission::Probe));
        assert_eq!(breaker.admit(at(now)), Err(resting(now + pause, "transient")));
        breaker.failed(Admission::Probe, &transient(), at(now));
        pause = (pause * 2).min(16);
        assert_eq!(breaker.resting(at(now)), Some(resting(now + pause, "transient")));
        now += pause;
    }
    assert_eq!(pause, 16);
}

#[test]
fn a_probe_that_finds_the_provider_closes_it() {
    let of_itself: fn(&Breaker) = |breaker| breaker.succeeded(Admission::Probe);
    for found in [of_itself, |breaker| breaker.failed(Admission::Probe, &too_long(), at(1))] {
        let breaker = opened();
        assert_eq!(breaker.admit(at(1)), Ok(Admission::Probe));
        found(&breaker);
        breaker.failed(Admission::Free, &transient(), at(1));
        assert_eq!(breaker.admit(at(1)), Ok(Admission::Free), "and the row begins anew");
    }
}

#[test]
fn a_probe_of_which_nothing_is_heard_is_followed_by_another() {
    let breaker = opened();
    for now in 1..5 {
        assert_eq!(breaker.admit(at(now)), Ok(Admission::Probe));
    }
}

#[test]
fn a_clock_that_is_set_back_holds_nobody_off() {
    assert_eq!(opened().resting(at(-60)), None);
    assert_eq!(opened().admit(at(-60)), Ok(Admission::Probe));
}

#[test]
fn it_is_shared_between_threads() {
    let breaker = opened();
    let probes = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| breaker.admit(at(1)).is_ok())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).filter(|admitted| *admitted).count()
    });
    assert_eq!(probes, 1);
}

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Ask(Outcome),
}

#[derive(Debug, Clone)]
enum Outcome {
    Answer,
    /// Nothing is heard of the call.
    Lost,
    Failure(LlmError),
}

fn any_step() -> impl Strategy<Value = Step> {
    let failure = prop_oneof![
        Just(transient()),
        Just(too_long()),
        Just(no_credit()),
        Just(no_key()),
        (0_u64..5000).prop_map(limited)
    ];
    let outcome = prop_oneof![Just(Outcome::Answer), Just(Outcome::Lost), failure.prop_map(Outcome::Failure)];
    // Clocks are set back too.
    prop_oneof![(-200_i64..200).prop_map(Step::Wait), outcome.prop_map(Step::Ask)]
}

proptest! {
    #[test]
    fn nobody_waits_longer_than_is_told_and_a_working_provider_is_always_asked(
        steps in proptest::collection::vec(any_step(), 0..60)
    ) {
        let breaker = Breaker::new(SETTINGS);
        let mut now = 0_i64;
        let mut row = 0;
        for step in steps {
            let outcome = match step {
                Step::Wait(minutes) => { now += minutes; continue }
                Step::Ask(outcome) => outcome,
            };
            let before = breaker.resting(at(now));
            let admitted = breaker.admit(at(now));
            prop_assert_eq!(before, admitted.err());
            match admitted {
                Err(Resting { until, .. }) => {
                    prop_assert!(until > at(now) && until.duration_since(at(now)) <= DAY);
                    prop_assert!(row >= 3, "it is closed until something opens it");
                    prop_assert_eq!(breaker.resting(until), None);
                }
                Ok(by) => match outcome {
                    Outcome::Lost => {}
                    Outcome::Failure(error) if error.worth_another_provider() => {
                        breaker.failed(by, &error, at(now));
                        let opens = error.retry_after() > Some(SETTINGS.first_pause)
                            || matches!(error, LlmError::OutOfCredit { .. } | LlmError::Unauthorized { .. });
                        row = if opens { 3 } else { row + 1 };
                        prop_assert_eq!(breaker.resting(at(now)).is_some(), row >= 3);
                        let asked = error.retry_after().unwrap_or_default().min(Duration::from_secs(24 * 3600));
                        if let Some(resting) = breaker.resting(at(now)) {
                            prop_assert!(resting.until >= at(now) + asked);
                            prop_assert_eq!(resting.why, error.kind());
                        }
                    }
                    Outcome::Answer | Outcome::Failure(_) => {
                        if let Outcome::Failure(error) = &outcome {
                            breaker.failed(by, error, at(now));
                        } else {
                            breaker.succeeded(by);
                        }
                        row = 0;
                        prop_assert_eq!(breaker.admit(at(now)), Ok(Admission::Free));
                    }
                },
            }
        }
    }
}
