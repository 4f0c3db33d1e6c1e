//! `papers`: what a paper was made of, and what an operator decides about that.

use std::fmt::Write;

use paper::{PaperId, PaperRef};
use serde_json::json;

use super::output::{Output, count};
use super::reach::Reached;
use super::remote::Remote;
use super::{Outcome, Usage, args::PapersCommand};
use crate::api::decisions::{self, Decisions};
use crate::app::App;
use crate::store::{Decided, Provenance};

/// Decisions that are listed.
const DECISIONS: usize = 50;

/// What a command on papers gives.
enum Told {
    Records(Provenance),
    Decisions(Decisions),
    Decided(Decided),
}

pub(crate) async fn papers(reached: &Reached, command: PapersCommand, output: &mut Output) -> anyhow::Result<Outcome> {
    let told = match reached {
        Reached::Here(app) => perform(app, command).await?,
        Reached::There(server) => perform_there(server, command).await?,
    };
    match &told {
        Told::Records(provenance) => output.print(provenance, || records(provenance))?,
        Told::Decided(decided) => output.print(decided, || line(decided))?,
        Told::Decisions(page) => output.print(page, || listed(page))?,
    }
    Ok(Outcome::Done)
}

/// Does what was asked for; what is decided is in the index when this returns.
async fn perform(app: &App, command: PapersCommand) -> anyhow::Result<Told> {
    let (store, now) = (&app.library.store, app.clock.now());
    let decided = match command {
        PapersCommand::Records { id } => return provenance(app, &id).await.map(Told::Records),
        PapersCommand::Decisions { before } => {
            return Ok(Told::Decisions(decisions::page(store, before, DECISIONS).await?));
        }
        PapersCommand::Join { ids } => {
            let mut papers = Vec::with_capacity(ids.len());
            for id in &ids {
                papers.push(find(app, id).await?);
            }
            store.join(&papers, now).await
        }
        PapersCommand::Separate { id, records } => store.separate(find(app, &id).await?, &records, now).await,
        PapersCommand::Undo { decision } => store.undo(decision, now).await,
    };
    let decided = decided.map_err(|fault| match fault.is_of_request() {
        true => Usage(fault.to_string()).into(),
        false => anyhow::Error::from(fault),
    })?;
    app.library.index_pending(&|_, _| {}).await?;
    Ok(Told::Decided(decided))
}

/// Has the server do it.
async fn perform_there(server: &Remote, command: PapersCommand) -> anyhow::Result<Told> {
    let decided = match command {
        PapersCommand::Records { id } => {
            return Ok(Told::Records(server.look_up(&format!("/v1/papers/{}/records", in_path(&id)?)).await?));
        }
        PapersCommand::Decisions { before } => {
            let before = before.map_or_else(String::new, |before| format!("&cursor={before}"));
            return Ok(Told::Decisions(server.look_up(&format!("/v1/decisions?limit={DECISIONS}{before}")).await?));
        }
        PapersCommand::Join { ids } => server.decide(&json!({"join": ids})).await?,
        PapersCommand::Separate { id, records } => {
            server.decide(&json!({"separate": {"paper": id, "records": records}})).await?
        }
        PapersCommand::Undo { decision } => server.undo(decision).await?,
    };
    Ok(Told::Decided(decided))
}

async fn provenance(app: &App, id: &str) -> anyhow::Result<Provenance> {
    let told = app.library.store.provenance(find(app, id).await?).await?;
    told.ok_or_else(|| Usage(format!("no paper `{id}` in the library")).into())
}

/// The paper that a person named, which is there.
async fn find(app: &App, id: &str) -> anyhow::Result<PaperId> {
    let reference: PaperRef = id.parse().map_err(|fault: paper::ParseError| Usage(fault.to_string()))?;
    let found = app.library.store.paper(&reference).await?;
    found.and_then(|paper| paper.id).ok_or_else(|| Usage(format!("no paper `{id}` in the library")).into())
}

/// An id as a part of an address.
fn in_path(id: &str) -> anyhow::Result<String> {
    let mut address = reqwest::Url::parse("http://localhost/")?;
    address.path_segments_mut().map_err(|()| anyhow::anyhow!("`{id}` cannot be asked for"))?.push(id);
    Ok(address.path().trim_start_matches('/').to_owned())
}

fn records(told: &Provenance) -> String {
    let mut text = format!("{}, {}\n", told.paper, count(told.records.len(), "record"));
    for record in &told.records {
        let why = record.joined_by.as_ref().map_or_else(String::new, |why| format!(", joined by {why}"));
        let _ = writeln!(text, "{}  seen {:.0}{why}\n  {}", record.name, record.seen, record.says.title);
    }
    for (field, from) in &told.fields {
        let names: Vec<String> = from.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "{field}: {}", names.join(", "));
    }
    text
}

fn listed(page: &Decisions) -> String {
    let more = page.next.as_ref().map(|next| format!("there are more: lectern papers decisions --before {next}\n"));
    match page.decisions.as_slice() {
        [] => "no decisions; `lectern papers join` and `lectern papers separate` make them\n".to_owned(),
        decisions => decisions.iter().map(line).chain(more).collect(),
    }
}

fn line(decided: &Decided) -> String {
    let Decided { id, sides, decided_at, undone_at, papers } = decided;
    let side = |side: &Vec<paper::RecordName>| side.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
    let sides: Vec<String> = sides.iter().map(side).collect();
    let undone = undone_at.map_or_else(String::new, |at| format!(", taken back {at:.0}"));
    let papers: Vec<String> = papers.iter().map(ToString::to_string).collect();
    format!("{id}  {decided_at:.0}{undone}: {}\n  now {}\n", sides.join(" | "), papers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_slash_is_one_part_of_an_address() {
        assert_eq!(in_path("10.1145/1571941.1572114").unwrap(), "10.1145%2F1571941.1572114");
    }
}
