use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::jobs::{optional_time, readable, time, unreadable};
use super::{Store, StoreError};

/// Runs of a job that the history keeps, and of all together that are no more.
const KEPT: i64 = 1_000;

/// Why a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// It was due.
    Schedule,
    /// It makes up for one or more that were due while no server ran, or for one that was interrupted.
    Missed,
    /// Somebody asked for it.
    Manual,
    /// The run before it failed.
    Retry,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Under way.
    Running,
    /// All was read that was to be read.
    Succeeded,
    /// It could not go on.
    Failed,
    /// The process ended or was stopped; what it had not read is read by a run that makes up for it.
    Interrupted,
    /// The source is left alone for a while, and the job waits for it.
    PutOff,
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// Grows with time.
    pub id: String,
    /// Whose run.
    pub job: String,
    /// Why it began.
    pub trigger: Trigger,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// What it did, as JSON text.
    pub outcome: Option<String>,
    /// Why it could not go on.
    pub error: Option<String>,
}

impl Trigger {
    const ALL: [Self; 4] = [Self::Schedule, Self::Missed, Self::Manual, Self::Retry];

    /// Its name, as it is stored and told.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Missed => "missed",
            Self::Manual => "manual",
            Self::Retry => "retry",
        }
    }

    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|trigger| trigger.as_str() == text);
        found.ok_or_else(|| unreadable("job", &format!("nothing begins by `{text}`")))
    }
}

impl RunStatus {
    const ALL: [Self; 5] = [Self::Running, Self::Succeeded, Self::Failed, Self::Interrupted, Self::PutOff];

    /// Its name, as it is stored and told.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::PutOff => "put-off",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| unreadable("run of a job", &format!("no run is `{text}`")))
    }
}

impl Store {
    /// Runs of one job or of all, the newest first, `limit` of those before the run `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_runs(
        &self,
        job: Option<&str>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<JobRun>, StoreError> {
        let sql =
            "SELECT * FROM job_runs WHERE (? IS NULL OR job = ?) AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?";
        let rows = sqlx::query(sql)
            .bind(job)
            .bind(job)
            .bind(before)
            .bind(before)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        Ok(readable(&rows, run))
    }

    /// The runs that are under way, or were when the process died that ran them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn runs_under_way(&self) -> Result<Vec<JobRun>, StoreError> {
        let rows = sqlx::query("SELECT * FROM job_runs WHERE status = ? ORDER BY id")
            .bind(RunStatus::Running.as_str())
            .fetch_all(&self.pool)
            .await?;
        Ok(readable(&rows, run))
    }
}

/// Closes the runs of the job that have no end.
pub(super) async fn close_running(connection: &mut SqliteConnection, next: &JobRun) -> Result<(), StoreError> {
    let sql = "UPDATE job_runs SET status = ?, finished_at = ?, error = ? WHERE job = ? AND status = ?";
    sqlx::query(sql)
        .bind(RunStatus::Interrupted.as_str())
        .bind(next.started.to_string())
        .bind("how it ended could not be kept")
        .bind(&next.job)
        .bind(RunStatus::Running.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Of the runs of jobs that are no more, keeps the newest [`KEPT`]: names come and go, and nobody counts them.
pub(super) async fn forget_old(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let sql = "DELETE FROM job_runs WHERE job NOT IN (SELECT name FROM jobs WHERE origin <> 'gone') AND id <= \
               (SELECT id FROM job_runs WHERE job NOT IN (SELECT name FROM jobs WHERE origin <> 'gone') \
               ORDER BY id DESC LIMIT 1 OFFSET ?)";
    sqlx::query(sql).bind(KEPT).execute(connection).await?;
    Ok(())
}

pub(super) async fn insert_run(connection: &mut SqliteConnection, run: &JobRun) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO job_runs (id, job, run_as, status, started_at, finished_at, outcome, error) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&run.id)
    .bind(&run.job)
    .bind(run.trigger.as_str())
    .bind(run.status.as_str())
    .bind(run.started.to_string())
    .bind(run.finished.map(|time| time.to_string()))
    .bind(&run.outcome)
    .bind(&run.error)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps how a run ended, and of the runs of its job the newest [`KEPT`].
pub(super) async fn update_run(connection: &mut SqliteConnection, run: &JobRun) -> Result<(), StoreError> {
    sqlx::query("UPDATE job_runs SET status = ?, finished_at = ?, outcome = ?, error = ? WHERE id = ?")
        .bind(run.status.as_str())
        .bind(run.finished.map(|time| time.to_string()))
        .bind(&run.outcome)
        .bind(&run.error)
        .bind(&run.id)
        .execute(&mut *connection)
        .await?;
    let sql = "DELETE FROM job_runs WHERE job = ? AND id <= \
               (SELECT id FROM job_runs WHERE job = ? ORDER BY id DESC LIMIT 1 OFFSET ?)";
    sqlx::query(sql).bind(&run.job).bind(&run.job).bind(KEPT).execute(connection).await?;
    Ok(())
}

fn run(row: &SqliteRow) -> Result<JobRun, StoreError> {
    Ok(JobRun {
        id: row.get("id"),
        job: row.get("job"),
        trigger: Trigger::read(&row.get::<String, _>("run_as"))?,
        status: RunStatus::read(&row.get::<String, _>("status"))?,
        started: time(row, "started_at")?,
        finished: optional_time(row, "finished_at")?,
        outcome: row.get("outcome"),
        error: row.get("error"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, store};
    use super::super::{JobOrigin, JobState, Letter};
    use super::*;

    fn run(n: i64) -> JobRun {
        JobRun {
            id: format!("{n:04}"),
            job: "often".to_owned(),
            trigger: Trigger::Missed,
            status: RunStatus::Running,
            started: at(n),
            finished: None,
            outcome: None,
            error: None,
        }
    }

    fn job() -> JobState {
        JobState {
            name: "often".to_owned(),
            origin: JobOrigin::File,
            definition: "{}".to_owned(),
            paused: Some(false),
            considered: at(7),
            again: Some((at(8), Trigger::Retry)),
            failures: 2,
            first_failed: Some(at(3)),
        }
    }

    #[tokio::test]
    async fn what_is_kept_of_a_job_is_read_back_as_it_was() {
        let (_folder, store) = store().await;
        store.begin_run(&job(), &run(1)).await.unwrap();
        assert_eq!((store.jobs().await.unwrap(), store.runs_under_way().await.unwrap()), (vec![job()], vec![run(1)]));
        let letter = super::super::DeadLetter {
            id: "d".to_owned(),
            job: "often".to_owned(),
            definition: "{}".to_owned(),
            place: None,
            error: "refused".to_owned(),
            attempts: 5,
            first_failed: at(1),
            last_failed: at(2),
        };
        let ended = JobRun {
            status: RunStatus::PutOff,
            finished: Some(at(9)),
            outcome: Some("{}".to_owned()),
            error: Some("later".to_owned()),
            ..run(1)
        };
        store.end_run(Some(&job()), &ended, &Letter::Write(letter.clone())).await.unwrap();
        assert_eq!(store.job_runs(Some("often"), None, 9).await.unwrap(), [ended]);
        assert_eq!(store.dead_letters().await.unwrap(), [letter]);
        store.save_job(&job(), &Letter::Keep).await.unwrap();
        assert_eq!(store.dead_letters().await.unwrap().len(), 1);
        store.remove_job("often").await.unwrap();
        assert_eq!((store.job("often").await.unwrap(), store.dead_letters().await.unwrap()), (None, vec![]));
        assert_eq!(store.job_runs(None, None, 9).await.unwrap().len(), 1, "the history stays");
    }

    #[tokio::test]
    async fn what_cannot_be_read_of_one_keeps_no_other_from_being_read() {
        let (_folder, store) = store().await;
        for (n, name) in [(1, "bad"), (2, "good")] {
            let run = JobRun { job: name.to_owned(), ..run(n) };
            store.begin_run(&JobState { name: name.to_owned(), ..job() }, &run).await.unwrap();
        }
        for damage in [
            "UPDATE jobs SET considered = 'soon' WHERE name = 'bad'",
            "UPDATE job_runs SET status = 'lost' WHERE job = 'bad'",
            "INSERT INTO dead_letters VALUES ('d', 'bad', '{}', NULL, 'x', 1, 'soon', 'later')",
        ] {
            sqlx::query(damage).execute(&store.pool).await.unwrap();
        }
        let names: Vec<String> = store.jobs().await.unwrap().into_iter().map(|job| job.name).collect();
        assert_eq!((names, store.dead_letters().await.unwrap()), (vec!["good".to_owned()], vec![]));
        let good = JobRun { job: "good".to_owned(), ..run(2) };
        assert_eq!(store.job_runs(None, None, 9).await.unwrap(), [good]);
        assert!(matches!(store.job("bad").await, Err(StoreError::Unreadable { .. })));
    }

    #[tokio::test]
    async fn a_run_whose_end_could_not_be_kept_is_closed_when_the_next_one_begins() {
        let (_folder, store) = store().await;
        let other = JobRun { job: "other".to_owned(), ..run(2) };
        store.begin_run(&job(), &run(1)).await.unwrap();
        store.begin_run(&JobState { name: "other".to_owned(), ..job() }, &other).await.unwrap();
        store.begin_run(&job(), &run(3)).await.unwrap();
        let error = Some("how it ended could not be kept".to_owned());
        let closed = JobRun { status: RunStatus::Interrupted, finished: Some(at(3)), error, ..run(1) };
        assert_eq!(store.job_runs(None, None, 9).await.unwrap(), [run(3), other, closed]);
    }

    #[tokio::test]
    async fn of_jobs_that_are_no_more_a_thousand_runs_are_kept_together() {
        let (_folder, store) = store().await;
        let put = async |n: i64, name: String| {
            let mut transaction = store.pool.begin().await.unwrap();
            insert_run(&mut transaction, &JobRun { job: name, ..run(n) }).await.unwrap();
            transaction.commit().await.unwrap();
        };
        store.save_job(&job(), &Letter::Keep).await.unwrap();
        put(1, "often".to_owned()).await;
        for n in 2..1_005 {
            put(n, format!("job-{n}")).await;
        }
        store.remove_job("job-1004").await.unwrap();
        let kept: Vec<String> =
            store.job_runs(None, None, 9_999).await.unwrap().into_iter().map(|run| run.id).collect();
        let expected = (5..1_005).rev().chain([1]).map(|n| format!("{n:04}"));
        assert_eq!(kept, expected.collect::<Vec<_>>(), "and what is left of a job that is there");
        store.end_run(None, &JobRun { job: "job-5".to_owned(), ..run(5) }, &Letter::Keep).await.unwrap();
        assert_eq!(store.job_runs(None, None, 9_999).await.unwrap().len(), 1_001);
        store.save_job(&JobState { origin: JobOrigin::Gone, ..job() }, &Letter::Keep).await.unwrap();
        assert_eq!(store.job_runs(None, None, 9_999).await.unwrap().len(), 1_000, "nor one that the file has no more");
    }

    #[tokio::test]
    async fn the_history_keeps_the_newest_thousand_runs_of_a_job_and_pages_through_them() {
        let (_folder, store) = store().await;
        for n in 0..1_002 {
            let mut transaction = store.pool.begin().await.unwrap();
            insert_run(&mut transaction, &run(n)).await.unwrap();
            transaction.commit().await.unwrap();
        }
        store.end_run(None, &run(1_001), &Letter::Keep).await.unwrap();
        let page = async |before: Option<&str>| store.job_runs(Some("often"), before, 600).await.unwrap();
        let first = page(None).await;
        let second = page(Some(&first[599].id)).await;
        let ids: Vec<i64> = first.iter().chain(&second).map(|run| run.id.parse().unwrap()).collect();
        assert_eq!(ids, (2..1_002).rev().collect::<Vec<_>>());
        assert_eq!(store.job_runs(Some("another"), None, 600).await.unwrap(), []);
    }
}
