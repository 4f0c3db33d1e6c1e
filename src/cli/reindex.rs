//! `reindex`.

use super::output::{Output, count};
use super::reach::{Reached, reach_by};
use super::{Outcome, Usage};
use crate::app::{Reindex, ReindexError, check_model_is_free};
use crate::clock::Clock;
use crate::config::Config;
use crate::library::progress::Course;

pub(crate) async fn reindex(config: Config, model: Option<String>, output: &mut Output) -> anyhow::Result<Outcome> {
    if let Some(model) = &model {
        check_model_is_free(&config, model).map_err(as_usage)?;
    }
    // The server may have been started with other settings than this command.
    let set = config.model_set()?.map(|(set, _)| set);
    let meter = output.meter();
    let report = match reach_by(async || Reindex::open(config.clone(), Clock::system()).await).await? {
        Reached::Here(reindex) => {
            let tell = |step| meter.tell(step);
            reindex.run(model.as_deref(), &Course::new(&tell)).await.map_err(as_usage)?
        }
        Reached::There(server) => {
            output.say("the server builds the new index; it goes on when this command is stopped");
            server.reindex(model.or(set).as_deref(), &meter).await?
        }
    };
    drop(meter);
    output.print(&report, || {
        let resumed = if report.resumed { "; the rest was there from an earlier, interrupted run" } else { "" };
        let (papers, passages) = (count(report.papers, "paper"), count(report.embeddings, "passage"));
        let times = format!("{:.1} s ({:.1} s of it embedding)", report.seconds, report.embedding_seconds);
        format!("{papers} indexed with {}, {passages} embedded, in {times}{resumed}", report.model)
    })?;
    Ok(Outcome::Done)
}

/// What can be put right in the command or the configuration.
fn as_usage(fault: ReindexError) -> anyhow::Error {
    match fault {
        fault @ (ReindexError::Model(_) | ReindexError::Set { .. }) => Usage(fault.to_string()).into(),
        ReindexError::Config(fault) => fault.into(),
        ReindexError::App(fault) => fault.into(),
        fault @ ReindexError::Library(_) => fault.into(),
    }
}
