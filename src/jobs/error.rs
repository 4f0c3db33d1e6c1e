use crate::store::StoreError;

/// Why something cannot be done with a job.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// There is none of that name.
    #[error("there is no job `{0}`; `lectern jobs list` and GET /v1/jobs list them")]
    NotFound(String),
    /// There is no dead letter of that id.
    #[error("there is no dead letter `{0}`; `lectern jobs dead` and GET /v1/jobs/dead-letters list them")]
    NoLetter(String),
    /// What was written is no job.
    #[error("{0}")]
    Bad(String),
    /// It is the configuration file's.
    #[error(
        "the job `{0}` stands in the configuration file, and can be changed and deleted only there; here it can be paused and run"
    )]
    OfFile(String),
    /// It is running.
    #[error("the job `{job}` is running (run {run}); ask again when that has ended")]
    Running {
        /// The job.
        job: String,
        /// The run.
        run: String,
    },
    /// The server is stopping.
    #[error("the server is stopping and begins no runs; try again shortly")]
    Stopping,
    /// What is stored of it cannot be read, by this version at least.
    #[error("the stored job `{name}` cannot be read ({reason}); delete it or define it anew")]
    Unreadable {
        /// The job.
        name: String,
        /// Why.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
