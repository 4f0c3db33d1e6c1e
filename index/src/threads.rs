//! Where work runs that would hold up the tasks of the runtime.

use std::sync::atomic::{AtomicBool, Ordering};

use thread_priority::{ThreadPriority, set_current_thread_priority};

use crate::IndexError;

/// Runs work that takes the processor or the disk for long.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(IndexError::internal(error)))
}

/// Runs a search from its beginning to its end on one thread: handing each of its steps to another takes as long as
/// the step.
pub(crate) async fn on_one_thread<T: Send + 'static, F: Future<Output = Result<T, IndexError>>>(
    search: impl FnOnce() -> F + Send + 'static,
) -> Result<T, IndexError> {
    let runtime = tokio::runtime::Handle::current();
    blocking(move || runtime.block_on(search())).await
}

/// Whether this process searches. One that only writes has no search to stand behind, and other programs are no reason to
/// let an import wait.
static SEARCHES: AtomicBool = AtomicBool::new(false);

/// To be told of every search.
pub(crate) fn searches() {
    SEARCHES.store(true, Ordering::Relaxed);
}

/// Runs what no search waits for on a thread of its own. In a process that searches, it and every thread that it starts get
/// the processor when searches leave it.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    let (done, result) = tokio::sync::oneshot::channel();
    let run = move || {
        let lowered = SEARCHES.load(Ordering::Relaxed).then(|| set_current_thread_priority(ThreadPriority::Min));
        if let Some(Err(error)) = lowered {
            tracing::debug!(?error, "indexing has the same priority as searches");
        }
        // Whoever waited may have given up.
        let _ = done.send(work());
    };
    std::thread::Builder::new().name("indexing".to_owned()).spawn(run).map_err(IndexError::internal)?;
    result.await.unwrap_or_else(|_| Err(IndexError::internal("a thread panicked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field 19 of a thread's `stat` (proc_pid_stat(5)); the 17th after the name, which may hold spaces.
    #[cfg(target_os = "linux")]
    fn niceness() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_ascii_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn what_runs_in_the_background_stands_behind_with_all_that_it_starts() {
        let before = niceness();
        // No other test of this crate depends on whether something was searched before.
        searches();
        let lower = in_background(|| Ok((niceness(), std::thread::spawn(niceness).join().unwrap()))).await.unwrap();
        assert_eq!(lower, (19, 19));
        assert_eq!((niceness(), blocking(|| Ok(niceness())).await.unwrap()), (before, before));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_no_more() {
        assert!(in_background::<()>(|| panic!("on purpose")).await.is_err());
        assert!(blocking::<()>(|| panic!("on purpose")).await.is_err());
        assert!(on_one_thread::<(), _>(async || panic!("on purpose")).await.is_err());
        assert_eq!(on_one_thread(async || Ok(7)).await.unwrap(), 7);
    }
}
