//! The only place that reads the clock and makes random ids; everything else gets it passed in, so
//! that a test can say what time it is.

use jiff::Timestamp;
use uuid::Uuid;

/// Where the time and new ids come from.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: fn() -> Timestamp,
    new_id: fn() -> Uuid,
}

impl Clock {
    /// The machine's clock and its randomness.
    #[must_use]
    #[allow(clippy::disallowed_methods)]
    pub fn system() -> Self {
        Self { now: Timestamp::now, new_id: Uuid::now_v7 }
    }

    /// A clock that a test sets.
    #[must_use]
    pub fn fixed(now: fn() -> Timestamp, new_id: fn() -> Uuid) -> Self {
        Self { now, new_id }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The function behind [`Clock::now`], for parts that take just that.
    #[must_use]
    pub fn now_fn(&self) -> fn() -> Timestamp {
        self.now
    }

    /// A text that nobody can guess: 122 random bits.
    #[must_use]
    #[allow(clippy::disallowed_methods)]
    pub fn new_secret() -> String {
        Uuid::new_v4().simple().to_string()
    }

    /// A new id, ordered by time.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        (self.new_id)()
    }
}
