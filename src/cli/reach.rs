//! Where a command does its work: in this process, or in the server that has the library.

use std::time::{Duration, Instant};

use super::open;
use super::remote::Remote;
use crate::app::{App, AppError};
use crate::config::Config;

/// Who has the library.
pub(crate) enum Reached {
    /// This process.
    Here(Box<App>),
    /// A server on this machine.
    There(Remote),
}

/// How long another command is waited for that has the library, or a server that has just begun.
const PATIENCE: Duration = Duration::from_secs(3);
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Opens the library, or finds the server that has it: it is never opened twice, and a source's pace, the index and
/// the syncs under way are known in one place.
pub(crate) async fn reach(config: Config) -> Result<Reached, AppError> {
    let began = Instant::now();
    loop {
        let fault = match open(config.clone()).await {
            Ok(app) => return Ok(Reached::Here(Box::new(app))),
            Err(fault) => fault,
        };
        let AppError::InUse { holder, .. } = &fault else { return Err(fault) };
        if let Some(server) = &holder.server
            && let Some(remote) = Remote::find(server).await
        {
            return Ok(Reached::There(remote));
        }
        if began.elapsed() >= PATIENCE {
            return Err(fault);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}
