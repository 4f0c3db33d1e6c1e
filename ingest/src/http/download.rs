//! Files of any size, onto the disk.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::RANGE;
use reqwest::{Response, StatusCode};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::{FIRST_PAUSE, Failed, MAX_REDIRECTS, Outgoing, PoliteClient, failure, location, retry_after};
use crate::IngestError;
use std::time::Duration;

/// A download may take as long as it goes on; between two pieces of it the client's own time-out holds.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl PoliteClient {
    /// Downloads a file to `to`, through `to.part`, with which a download that broke off goes on: in the same run, or in
    /// a later one. Files lie in a store that is made for that, so no pause is kept, and the limit for answers does
    /// not hold.
    ///
    /// # Errors
    /// Whatever [`IngestError`] says, after the client's own repetitions.
    pub(crate) async fn download(&self, request: &Outgoing, to: &Path) -> Result<(), IngestError> {
        if to.exists() {
            return Ok(());
        }
        let part = to.with_extension("part");
        let attempt = || async { Ok(self.go_on(request, &part).await?) };
        let backoff = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(self.settings.max_wait)
            .with_max_times(self.settings.max_retries);
        attempt
            .retry(backoff)
            .when(|failed: &Failed| failed.again)
            .adjust(|failed, pause| self.pause_after(&failed.error, pause?))
            .await
            .map_err(|failed| failed.error)?;
        tokio::fs::rename(&part, to).await.map_err(|fault| unwritable(to, &fault))
    }

    /// The rest of the file, or the whole where the other side gives no parts.
    async fn go_on(&self, request: &Outgoing, part: &Path) -> Result<(), IngestError> {
        let mut file = File::options().append(true).create(true).open(part).await.map_err(|e| unwritable(part, &e))?;
        let have = file.metadata().await.map_err(|e| unwritable(part, &e))?.len();
        let mut request = Cow::Borrowed(request);
        let mut response = self.ask_from(&request, have).await?;
        for _ in 0..MAX_REDIRECTS {
            let Some(next) = request.sent_on(response.status().as_u16(), location(&response)) else { break };
            response = self.ask_from(&next, have).await?;
            request = Cow::Owned(next);
        }
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => file.set_len(0).await.map_err(|e| unwritable(part, &e))?,
            StatusCode::RANGE_NOT_SATISFIABLE => {
                file.set_len(0).await.map_err(|e| unwritable(part, &e))?;
                return Err(IngestError::Transient { what: format!("{} begins anew", request.address()) });
            }
            _ => return Err(self.refused(&request, &response)),
        }
        self.write(&request, response, &mut file, part).await
    }

    async fn ask_from(&self, request: &Outgoing, first_byte: u64) -> Result<Response, IngestError> {
        let mut asking = self.build(request)?.timeout(LONGEST);
        if first_byte > 0 {
            asking = asking.header(RANGE, format!("bytes={first_byte}-"));
        }
        let answer = tokio::time::timeout(self.settings.timeout, asking.send()).await;
        answer.map_err(|_| quiet(request))?.map_err(|error| failure(request, error))
    }

    async fn write(
        &self,
        request: &Outgoing,
        mut response: Response,
        file: &mut File,
        part: &Path,
    ) -> Result<(), IngestError> {
        loop {
            let piece = tokio::time::timeout(self.settings.timeout, response.chunk()).await;
            let piece = piece.map_err(|_| quiet(request))?;
            let Some(piece) = piece.map_err(|error| failure(request, error))? else { break };
            file.write_all(&piece).await.map_err(|e| unwritable(part, &e))?;
        }
        file.sync_all().await.map_err(|e| unwritable(part, &e))
    }

    fn refused(&self, request: &Outgoing, response: &Response) -> IngestError {
        let (status, address) = (response.status().as_u16(), request.address());
        match status {
            429 | 503 => IngestError::RateLimited { retry_after: retry_after(response.headers(), (self.clock)()) },
            408 | 500..=599 => IngestError::Transient { what: format!("{address} failed with HTTP {status}") },
            403 => IngestError::refused(format!(
                "{address} is not given out, or not any more: run the same command again, which asks for new addresses"
            ))
            .with_status(status),
            _ => IngestError::refused(format!("{address} cannot be had")).with_status(status),
        }
    }
}

fn quiet(request: &Outgoing) -> IngestError {
    IngestError::Transient { what: format!("{} stopped sending; ask again later", request.address()) }
}

fn unwritable(file: &Path, fault: &io::Error) -> IngestError {
    IngestError::refused(format!("cannot write {}: {fault}; make room, or make it writable", file.display()))
}
