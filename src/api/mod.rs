//! REST under `/v1`: every route in one list, and what holds for all of them.

mod answers;
mod citations;
pub mod error;
mod extract;
mod guard;
mod health;
mod papers;
mod search;
pub mod wire;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use error::ApiError;

/// What handlers share.
#[derive(Clone)]
pub struct ApiState {
    /// The application.
    pub app: App,
    /// Room for requests.
    room: Arc<Semaphore>,
    /// Answers that are being made.
    runs: answers::Runs,
}

/// Every route.
pub fn router(app: App) -> Router {
    let limits = &app.config.settings.server;
    let max_body = limits.max_body_bytes;
    let state = ApiState { room: Arc::new(Semaphore::new(limits.max_in_flight)), runs: answers::Runs::default(), app };
    Router::new()
        .route("/v1/search", get(search::get).post(search::post))
        .route("/v1/papers/{id}", get(papers::get))
        .route("/v1/papers/{id}/similar", get(papers::similar))
        .route("/v1/answers", post(answers::post))
        .route("/v1/answers/{id}", get(answers::get))
        .route("/v1/answers/{id}/events", get(answers::events))
        .route("/v1/answers/{id}/citations", get(citations::of_answer))
        .route("/v1/citations", get(citations::get).post(citations::post))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/", get(health::index))
        .fallback(|| async { ApiError::not_found("there is nothing at this address; / lists what there is") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(axum::extract::DefaultBodyLimit::max(max_body))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

/// Serves until `stop` resolves; then no new request is taken, those under way are finished within the
/// drain timeout, and the store is closed.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    app: App,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let drain = Duration::from_secs(app.config.settings.server.drain_timeout_s);
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let library = app.library.clone();
    let indexer = tokio::spawn(async move { library.follow_store().await });
    // Without it a small event waits for the one before it to be acknowledged, some 40 ms.
    let listener = listener.tap_io(|connection| {
        if let Err(fault) = connection.set_nodelay(true) {
            tracing::debug!(%fault, "cannot set TCP_NODELAY");
        }
    });
    let server = axum::serve(listener, router(app.clone())).with_graceful_shutdown(async move {
        stop.await;
        tracing::info!("stopping: requests under way are finished first");
        let _ = stopping.send(());
    });
    let overdue = async {
        let _ = stopped.await;
        tokio::time::sleep(drain).await;
    };
    let served = tokio::select! {
        served = server => served,
        () = overdue => {
            tracing::warn!("requests were still under way after {} s and were cut off", drain.as_secs());
            Ok(())
        }
    };
    indexer.abort();
    app.library.store.close().await;
    served
}
