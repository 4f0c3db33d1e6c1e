//! What a client sees of a run as it happens.

use serde::Serialize;
use tokio::sync::watch;

/// One event: its number, from 1, its kind, and its data as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Grows by one.
    pub id: u64,
    /// `run`, `route`, `plan`, `search`, `evidence`, `token`, `claim`, `removed`, `usage`, `answer` or `error`.
    pub kind: &'static str,
    /// JSON.
    pub data: String,
}

impl Event {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.kind, "answer" | "error")
    }
}

/// The events of a run; any number of readers follow it, each from where it wants. The last event closes it.
#[derive(Debug, Default)]
pub struct EventLog(watch::Sender<Vec<Event>>);

impl EventLog {
    /// Adds an event. After the last one nothing is added any more.
    pub fn add(&self, kind: &'static str, data: &impl Serialize) {
        // Only types of our own come here, and each of them can be written as JSON.
        let data = serde_json::to_string(data).unwrap_or_else(|fault| format!("{{\"unreadable\":\"{fault}\"}}"));
        self.0.send_if_modified(|events| {
            let closed = events.last().is_some_and(Event::is_last);
            if !closed {
                let id = u64::try_from(events.len()).unwrap_or(u64::MAX) + 1;
                events.push(Event { id, kind, data });
            }
            !closed
        });
    }

    /// The events after number `after`.
    #[must_use]
    pub fn after(&self, after: u64) -> Vec<Event> {
        self.0.borrow().iter().filter(|event| event.id > after).cloned().collect()
    }

    /// The events after number `after`, as soon as there is one; none when the run is over and there will be none.
    pub async fn wait_after(&self, after: u64) -> Vec<Event> {
        let there = |events: &Vec<Event>| events.last().is_some_and(|last| last.id > after || last.is_last());
        // The sender lives as long as `self`, so the wait ends with an event.
        let _ = self.0.subscribe().wait_for(there).await;
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
        assert_eq!(log.after(1), [Event { id: 2, kind: "route", data: "2".into() }]);
        let follow = |after: u64| {
            let log = log.clone();
            tokio::spawn(async move { log.wait_after(after).await })
        };
        let (waiting, beyond) = (follow(2), follow(99));
        tokio::task::yield_now().await;
        log.add("answer", &"x");
        assert_eq!(waiting.await.unwrap(), [Event { id: 3, kind: "answer", data: "\"x\"".into() }]);
        assert_eq!(beyond.await.unwrap(), [], "who waits for more than there will be is let go");
        assert_eq!(log.wait_after(3).await, [], "and so is who has seen the last event");
    }

    #[test]
    fn nothing_comes_after_the_last_event() {
        let log = EventLog::default();
        log.add("answer", &1);
        log.add("error", &2);
        assert_eq!(log.after(0), [Event { id: 1, kind: "answer", data: "1".into() }]);
    }
}
