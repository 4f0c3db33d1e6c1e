use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use crate::IndexError;
use crate::error::SETUP;

/// The library that this process has loaded; there can only be one, and it stays.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

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
