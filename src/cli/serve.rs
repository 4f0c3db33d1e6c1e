//! `serve`.

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Outcome;
use crate::app::App;

pub(crate) async fn serve(app: App) -> anyhow::Result<Outcome> {
    let addr = app.config.settings.server.addr.clone();
    let listener = TcpListener::bind(&addr)
        .await
        .with_context(|| format!("cannot listen on {addr}; choose another with --addr"))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    eprintln!("lectern serves {} at http://{}", app.config.home.display(), listener.local_addr()?);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    crate::api::serve(app, listener, stop).await?;
    Ok(Outcome::Done)
}
