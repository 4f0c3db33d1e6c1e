//! Trying again, with growing pauses.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::time::Instant;

use super::{LlmError, ProviderSettings, Usage};

/// How often, and with what pauses, a call is made again.
#[derive(Debug, Clone)]
pub(crate) struct RetryPolicy {
    max_retries: usize,
    first_pause: Duration,
    longest_pause: Duration,
}

impl RetryPolicy {
    pub(crate) fn new(settings: &ProviderSettings) -> Self {
        Self {
            max_retries: settings.max_retries,
            first_pause: settings.retry_pause,
            longest_pause: settings.longest_pause,
        }
    }

    /// Makes attempts until one succeeds, the error is one that stays, the repetitions are used up, or the next pause
    /// would be too long. Gives the tokens of the failed attempts with the result: they are paid for too. When the last
    /// attempt was turned away but an earlier one had been begun, the error is the earlier one's, which tells what
    /// that took, or that it is not known.
    pub(crate) async fn run<T, F, A>(
        &self,
        provider: &str,
        deadline: Instant,
        attempt: A,
    ) -> Result<(T, Usage), LlmError>
    where
        A: FnMut() -> F,
        F: Future<Output = Result<T, LlmError>>,
    {
        let mut wasted = Usage::default();
        let mut begun: Option<(LlmError, Usage)> = None;
        let result = attempt
            .retry(self.backoff())
            .when(LlmError::is_retryable)
            .adjust(|error, pause| self.pause(error, pause?, deadline))
            .notify(|error, pause| {
                if !error.was_turned_away() {
                    begun = Some((error.clone(), wasted));
                }
                wasted += error.usage().unwrap_or_default();
                tracing::warn!(
                    provider,
                    kind = error.kind(),
                    pause_ms = pause.as_millis() as u64,
                    "model call is made again"
                );
            })
            .await;
        match result {
            Ok(value) => Ok((value, wasted)),
            Err(error) => match begun {
                Some((earlier, before)) if error.was_turned_away() => Err(earlier.with_wasted(before)),
                _ => Err(error.with_wasted(wasted)),
            },
        }
    }

    fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_max_times(self.max_retries)
            .with_jitter()
    }

    /// The pause that the provider asks for comes first, then ours with its random part, so that many who were told
    /// the same do not return at the same moment. `None`: the error is final.
    fn pause(&self, error: &LlmError, ours: Duration, deadline: Instant) -> Option<Duration> {
        let asked = error.retry_after().unwrap_or_default();
        let pause = asked.checked_add(ours)?;
        let in_time = Instant::now().checked_add(pause).is_some_and(|end| end < deadline);
        (asked <= self.longest_pause && in_time).then_some(pause)
    }
}
