//! Where a command does its work: in this process, or in the server that has the library.

use std::time::{Duration, Instant};

use super::open;
use super::remote::Remote;
use crate::app::{App, AppError};
use crate::config::Config;

/// Who has the library.
pub(crate) enum Reached<T = Box<App>> {
    /// This process.
    Here(T),
    /// A server on this machine.
    There(Remote),
}

/// How long another command is waited for that has the library, or a server that has just begun.
const PATIENCE: Duration = Duration::from_secs(3);
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Opens the library, or finds the server that has it: it is never opened twice, and a source's pace, the index and
/// the syncs under way are known in one place.
pub(crate) async fn reach(config: Config) -> Result<Reached, AppError> {
    reach_by(async || Ok(Box::new(open(config.clone()).await?))).await
}

/// The same for what is opened in another way.
pub(crate) async fn reach_by<T>(open: impl AsyncFn() -> Result<T, AppError>) -> Result<Reached<T>, AppError> {
    let began = Instant::now();
    loop {
        let fault = match open().await {
            Ok(opened) => return Ok(Reached::Here(opened)),
            Err(fault) => fault,
        };
        let AppError::InUse { holder, .. } = &fault else { return Err(fault) };
        if let Some(remote) = Remote::find(holder).await {
            return Ok(Reached::There(remote));
        }
        if began.elapsed() >= PATIENCE {
            return Err(fault);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}
