//! What a client sees of a run as it happens.

use std::sync::{Mutex, PoisonError};

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

/// The events of a run that is under way; any number of readers follow it, each from where it wants.
#[derive(Debug)]
pub struct EventLog {
    events: Mutex<Vec<Event>>,
    count: watch::Sender<usize>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { events: Mutex::default(), count: watch::Sender::new(0) }
    }
}

impl EventLog {
    /// Adds an event.
    pub fn add(&self, kind: &'static str, data: &impl Serialize) {
        // Only types of our own come here, and each of them can be written as JSON.
        let data = serde_json::to_string(data).unwrap_or_else(|fault| format!("{{\"unreadable\":\"{fault}\"}}"));
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let id = u64::try_from(events.len()).unwrap_or(u64::MAX) + 1;
        events.push(Event { id, kind, data });
        self.count.send_replace(events.len());
    }

    /// The events after number `after`.
    #[must_use]
    pub fn after(&self, after: u64) -> Vec<Event> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|event| event.id > after).cloned().collect()
    }

    /// Waits until there is an event after number `after`.
    pub async fn wait_after(&self, after: u64) {
        let mut count = self.count.subscribe();
        let seen = usize::try_from(after).unwrap_or(usize::MAX);
        // The sender lives as long as `self`, so the wait ends with an event.
        let _ = count.wait_for(|count| *count > seen).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readers_follow_from_where_they_want_and_wake_for_new_events() {
        let log = std::sync::Arc::new(EventLog::default());
        log.add("run", &1);
        log.add("route", &2);
        let kinds: Vec<_> = log.after(1).into_iter().map(|e| (e.id, e.kind, e.data)).collect();
        assert_eq!(kinds, [(2, "route", "2".to_owned())]);
        let waiting = tokio::spawn({
            let log = log.clone();
            async move {
                log.wait_after(2).await;
                log.after(2)
            }
        });
        tokio::task::yield_now().await;
        log.add("answer", &"x");
        let last = waiting.await.unwrap();
        assert!(last[0].is_last());
        assert_eq!(last[0].data, "\"x\"");
    }
}
