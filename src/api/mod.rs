//! REST under `/v1`: every route in one list, and what holds for all of them.

mod again;
mod answers;
mod citations;
pub mod cursor;
pub mod decisions;
pub mod error;
mod experiments;
mod extract;
mod feedback;
mod guard;
pub mod health;
mod imports;
mod intake;
mod jobs;
mod metrics;
pub(crate) mod origin;
mod papers;
mod reindex;
mod runs;
mod search;
pub mod stats;
mod syncs;
mod trace;
pub mod usage;
pub mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::jobs::Jobs;
use error::ApiError;

/// What handlers share.
#[derive(Clone)]
pub struct ApiState {
    /// The application.
    pub app: App,
    /// By which names it is asked.
    hosts: Arc<origin::Hosts>,
    /// Room for requests.
    room: Arc<Semaphore>,
    /// Room for imports.
    imports: Arc<Semaphore>,
    /// Answers that are being made.
    runs: runs::Runs,
    /// What is synced by itself.
    jobs: Jobs,
    /// Syncs and imports that were asked for.
    intakes: intake::Intakes,
    /// What was counted last for whoever watches.
    counted: metrics::Counted,
}

impl ApiState {
    fn new(app: App, jobs: Jobs, address: SocketAddr) -> Self {
        let server = &app.config.settings.server;
        let hosts = Arc::new(origin::Hosts::new(&server.allowed_hosts, address.ip().is_loopback()));
        let room = Arc::new(Semaphore::new(server.max_in_flight));
        let imports = Arc::new(Semaphore::new(server.max_imports));
        let (runs, intakes) = (runs::Runs::default(), intake::Intakes::default());
        Self { app, hosts, room, imports, runs, jobs, intakes, counted: metrics::Counted::default() }
    }
}

/// Every route.
fn router(state: ApiState) -> Router {
    let max_body = state.app.config.settings.server.max_body_bytes;
    Router::new()
        .route("/v1/search", get(search::get).post(search::post))
        .route("/v1/papers/{id}", get(papers::get))
        .route("/v1/papers/{id}/records", get(papers::records))
        .route("/v1/papers/{id}/similar", get(papers::similar))
        .route("/v1/papers/{id}/references", get(papers::references))
        .route("/v1/papers/{id}/citations", get(papers::citations))
        .route("/v1/decisions", get(decisions::list).post(decisions::post))
        .route("/v1/decisions/{id}", delete(decisions::undo))
        .route("/v1/answers", post(answers::post))
        .route("/v1/answers/{id}", get(answers::get))
        .route("/v1/answers/{id}/events", get(answers::events))
        .route("/v1/answers/{id}/resume", post(again::resume))
        .route("/v1/answers/{id}/replay", post(again::replay))
        .route("/v1/answers/{id}/feedback", get(feedback::get).post(feedback::post))
        .route("/v1/answers/{id}/citations", get(citations::of_answer))
        .route("/v1/citations", get(citations::get).post(citations::post))
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/dead-letters", get(jobs::dead_letters))
        .route("/v1/jobs/dead-letters/{id}", delete(jobs::forget))
        .route("/v1/jobs/dead-letters/{id}/retry", post(jobs::retry))
        .route("/v1/jobs/{name}", get(jobs::get).put(jobs::put).delete(jobs::delete))
        .route("/v1/jobs/{name}/run", post(jobs::run))
        .route("/v1/jobs/{name}/runs", get(jobs::runs))
        .route("/v1/job-runs", get(jobs::all_runs))
        .route("/v1/sync", post(syncs::post))
        .route("/v1/imports", post(imports::post))
        .route("/v1/reindex", post(reindex::post))
        .route("/v1/stats", get(stats::get))
        .route("/v1/usage", get(usage::get))
        .route("/v1/feedback/suite", get(feedback::suite))
        .route("/v1/experiments", get(experiments::get))
        .route("/v1/runs/{id}/trace", get(trace::get))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::get))
        .route("/", get(health::index))
        .fallback(|| async { ApiError::not_found("there is nothing at this address; / lists what there is") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(axum::extract::DefaultBodyLimit::max(max_body))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

/// How long connections have for the last events of runs that were cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until `stop` resolves; then no new request is taken, and requests and runs under way, also those whose
/// client has left, are finished within the drain timeout; syncs stop at their next page. A run that is not finished
/// is cut off and ends as failed. Then the store is closed. Meanwhile jobs run as they fall due; at the stop, those under
/// way end before their next page.
///
/// # Errors
/// When the listener fails, or the jobs cannot be read.
pub async fn serve(
    app: App,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let drain = Duration::from_secs(app.config.settings.server.drain_timeout_s);
    let jobs = Jobs::of(&app).await.map_err(std::io::Error::other)?;
    jobs.align().await.map_err(std::io::Error::other)?;
    let address = listener.local_addr()?;
    let state = ApiState::new(app.clone(), jobs.clone(), address);
    let (runs, intakes) = (state.runs.clone(), state.intakes.clone());
    app.served_at(address);
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    app.reindexing.go_on().await;
    let library = app.library.clone();
    let indexer = tokio::spawn(async move { library.follow_store().await });
    let following = jobs.clone();
    let scheduler = tokio::spawn(async move { following.follow_schedule().await });
    let waiting = tokio::spawn(again::follow_waiting(state.clone()));
    // Without it a small event waits for the one before it to be acknowledged, some 40 ms.
    let listener = listener.tap_io(|connection| {
        if let Err(fault) = connection.set_nodelay(true) {
            tracing::debug!(%fault, "cannot set TCP_NODELAY");
        }
    });
    let (closing, closing_intakes, closing_jobs) = (runs.clone(), intakes.clone(), jobs.clone());
    let server = axum::serve(listener, router(state)).with_graceful_shutdown(async move {
        stop.await;
        tracing::info!("stopping: requests and answers under way are finished first");
        closing.close();
        closing_jobs.stop();
        closing_intakes.close();
        let _ = stopping.send(());
    });
    let mut finished = pin!(async {
        let served = server.await;
        runs.ended().await;
        jobs.ended().await;
        intakes.ended().await;
        served
    });
    let overdue = async {
        let _ = stopped.await;
        tokio::time::sleep(drain).await;
    };
    let served = tokio::select! {
        served = &mut finished => served,
        () = overdue => {
            let (answers, intakes) = (runs.cut_off(), intakes.cut_off());
            tracing::warn!(answers, intakes, "requests, answers or intakes were still under way after {} s and are cut off", drain.as_secs());
            tokio::time::timeout(LAST_WORDS, finished).await.unwrap_or(Ok(()))
        }
    };
    scheduler.abort();
    waiting.abort();
    indexer.abort();
    app.reindexing.stop().await;
    app.library.store.close().await;
    served
}
