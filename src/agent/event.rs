//! What a client sees of a run as it happens.

use std::borrow::Cow;

use serde::Serialize;
use tokio::sync::watch;

/// One event: its number, from 1, its kind, and its data as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Grows by one; by more where a run goes on that was cut off.
    pub id: u64,
    /// `run`, `route`, `plan`, `search`, `evidence`, `token`, `claim`, `removed`, `usage`, `answer` or `error`.
    pub kind: Cow<'static, str>,
    /// JSON.
    pub data: String,
}

impl Event {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.kind.as_ref(), "answer" | "error")
    }
}

/// The events of a run; any number of readers follow it, each from where it wants. The last event closes it.
#[derive(Debug, Default)]
pub struct EventLog {
    events: watch::Sender<Vec<Event>>,
    /// No new event has a lower number.
    least: u64,
}

/// A run that goes on counts from the next multiple of this: events that were told before it was cut off, and could not be
/// kept any more, may have had the numbers before it.
const LEAP: u64 = 10_000;

impl EventLog {
    /// The log of a run that goes on after these events.
    #[must_use]
    pub fn going_on(told: Vec<Event>) -> Self {
        let last = told.last().map_or(0, |event| event.id);
        Self { events: watch::Sender::new(told), least: (last / LEAP + 1) * LEAP }
    }

    /// Adds an event. After the last one nothing is added any more.
    pub fn add(&self, kind: &'static str, data: &impl Serialize) {
        // Only types of our own come here, and each of them can be written as JSON.
        let data = serde_json::to_string(data).unwrap_or_else(|fault| format!("{{\"unreadable\":\"{fault}\"}}"));
        self.events.send_if_modified(|events| {
            let closed = events.last().is_some_and(Event::is_last);
            if !closed {
                let id = self.least.max(1 + events.last().map_or(0, |event| event.id));
                events.push(Event { id, kind: Cow::Borrowed(kind), data });
            }
            !closed
        });
    }

    /// The number of the next event.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.least.max(1 + self.events.borrow().last().map_or(0, |event| event.id))
    }

    /// The events after number `after`.
    #[must_use]
    pub fn after(&self, after: u64) -> Vec<Event> {
        self.events.borrow().iter().filter(|event| event.id > after).cloned().collect()
    }

    /// The events after number `after`, as soon as there is one; none when the run is over and there will be none.
    pub async fn wait_after(&self, after: u64) -> Vec<Event> {
        let there = |events: &Vec<Event>| events.last().is_some_and(|last| last.id > after || last.is_last());
        // The sender lives as long as `self`, so the wait ends with an event.
        let _ = self.events.subscribe().wait_for(there).await;
        self.after(after)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn readers_follow_from_where_they_want_and_wake_for_new_events() {
        let log = Arc::new(EventLog::default());
        log.add("run", &1);
        log.add("route", &2);
        assert_eq!(log.after(1), [Event { id: 2, kind: "route".into(), data: "2".into() }]);
        let follow = |after: u64| {
            let log = log.clone();
            tokio::spawn(async move { log.wait_after(after).await })
        };
        let (waiting, beyond) = (follow(2), follow(99));
        tokio::task::yield_now().await;
        log.add("answer", &"x");
        assert_eq!(waiting.await.unwrap(), [Event { id: 3, kind: "answer".into(), data: "\"x\"".into() }]);
        assert_eq!(beyond.await.unwrap(), [], "who waits for more than there will be is let go");
        assert_eq!(log.wait_after(3).await, [], "and so is who has seen the last event");
    }

    #[test]
    fn nothing_comes_after_the_last_event() {
        let log = EventLog::default();
        log.add("answer", &1);
        log.add("error", &2);
        assert_eq!(log.after(0), [Event { id: 1, kind: "answer".into(), data: "1".into() }]);
    }

    #[test]
    fn a_run_that_goes_on_takes_numbers_that_were_never_told() {
        let told = vec![Event { id: 7, kind: "search".into(), data: "{}".into() }];
        let log = EventLog::going_on(told);
        log.add("run", &1);
        log.add("route", &2);
        let numbers: Vec<u64> = log.after(0).iter().map(|event| event.id).collect();
        assert_eq!(numbers, [7, 10_000, 10_001]);
    }
}
