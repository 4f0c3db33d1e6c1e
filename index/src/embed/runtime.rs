use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use ort::environment::Environment;

use crate::IndexError;
use crate::error::SETUP;

/// The library that this process has loaded; there can only be one, and it stays.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// How many calls of the library are under way, and who waits for there being none.
static CALLS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A call of the library, or several one after the other, until it is dropped.
pub(super) struct Call(());

pub(super) fn call() -> Call {
    *CALLS.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    Call(())
}

impl Drop for Call {
    fn drop(&mut self) {
        *CALLS.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        CALLS.1.notify_all();
    }
}

/// Waits, so long at most, until no thread is within the ONNX Runtime, which may crash when the process ends under it.
/// Whether none is.
pub fn wait_for_models(most: Duration) -> bool {
    let calls = CALLS.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = CALLS.1.wait_timeout_while(calls, most, |calls| *calls > 0);
    let (calls, _) = waited.unwrap_or_else(PoisonError::into_inner);
    *calls == 0
}

/// Loads the ONNX Runtime library, once a process; later calls get the one that is loaded, whatever
/// path they name.
///
/// The file is looked at before it is loaded: without one `ort` panics, or takes what it finds on the
/// system's search path.
pub(super) fn environment(library: &Path) -> Result<Environment, IndexError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((path, environment)) = loaded.as_ref() {
        if path != library {
            tracing::warn!(loaded = %path.display(), wanted = %library.display(), "another ONNX Runtime is loaded already");
        }
        return Ok(environment.clone());
    }
    if !library.is_file() {
        return Err(IndexError::ModelMissing { path: library.to_owned(), remedy: SETUP });
    }
    let unusable = |reason: String| IndexError::ModelUnusable { path: library.to_owned(), reason, remedy: SETUP };
    // A relative path would be looked for beside the executable.
    let absolute = std::path::absolute(library).map_err(|error| unusable(error.to_string()))?;
    let builder = ort::init_from(absolute).map_err(|error| unusable(error.to_string()))?;
    let environment = builder.with_name("lectern").with_telemetry(false).build();
    let environment = environment.map_err(|error| unusable(error.to_string()))?;
    *loaded = Some((library.to_owned(), environment.clone()));
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_the_process_waits_for_calls_but_not_for_ever() {
        let call = call();
        assert!(!wait_for_models(Duration::from_millis(1)));
        let ending = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(call);
        });
        // Other tests of this process call models too, and end.
        assert!(wait_for_models(Duration::from_secs(120)));
        ending.join().unwrap();
    }
}
