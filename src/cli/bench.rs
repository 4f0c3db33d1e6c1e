//! `bench`.

use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use index::{Embedder, FacetCounts};

use super::output::{Output, count};
use super::reach::{Reached, reach};
use super::remote::Remote;
use super::{Outcome, Usage};
use crate::api::wire::{Filters, MOST_HITS, SearchRequest};
use crate::app::{Holder, load_embedder};
use crate::config::Config;
use crate::eval::{Load, Memory, SpeedReport, Times, queries_of};

/// Embeddings and searches are measured in turns, so that both see the same machine.
const ROUNDS: usize = 10;
/// Of each, in a round.
const A_ROUND: usize = 50;
/// Asked before anything is measured: files are read, sessions loaded.
const WARMING_UP: usize = 50;
/// Years of which titles are taken.
const MOST_YEARS: usize = 20;
/// How long a server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// A server's process, which ends with this value.
struct Server(Child);

/// A server that this command has started.
struct Started {
    _server: Server,
    remote: Remote,
    start_ms: f64,
}

pub(crate) async fn bench(
    config: Config,
    file: Option<&Path>,
    queries: Option<&Path>,
    clients: usize,
    time: Duration,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let given = queries.map(read_queries).transpose()?;
    let (remote, started) = match reach(config.clone()).await? {
        Reached::There(remote) => (remote, None),
        Reached::Here(app) => {
            drop(app);
            let started = start(&config, file).await?;
            (started.remote.clone(), Some(started))
        }
    };
    let stats = remote.stats().await?;
    let queries = match given {
        Some(queries) => queries,
        None => queries_of(&titles(&remote).await?),
    };
    if queries.is_empty() {
        return Err(Usage(
            "the library has too few papers with a year to make queries of: give some with --queries".to_owned(),
        )
        .into());
    }
    let asked = Asked { queries: &queries, next: AtomicUsize::new(0) };
    let embedder = if stats.index.model.is_some() { Some(load_embedder(&config)?) } else { None };
    let (embedding, search) = in_turns(&remote, embedder, &asked).await?;
    let load = many(&remote, &asked, clients, time).await;
    let memory = remote.process.and_then(|process| std::fs::read_to_string(format!("/proc/{process}/status")).ok());
    let report = SpeedReport {
        papers: stats.index.papers,
        model: stats.index.model,
        queries: queries.len(),
        start_ms: started.as_ref().map(|started| started.start_ms),
        embedding,
        search,
        times_the_embedding: embedding.map(|embedding| round(search.p50_ms / embedding.p50_ms)),
        load,
        memory: memory.as_deref().and_then(Memory::read),
    };
    drop(started);
    output.print(&report, || table(&report))?;
    Ok(Outcome::Done)
}

/// The queries in their order, over and over.
struct Asked<'q> {
    queries: &'q [String],
    next: AtomicUsize,
}

impl Asked<'_> {
    fn next(&self) -> &str {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.queries.len().max(1);
        self.queries.get(at).map_or("", String::as_str)
    }
}

fn read_queries(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// The newest papers' titles, of up to twenty years.
async fn titles(remote: &Remote) -> anyhow::Result<Vec<String>> {
    let of_years = |from, to| SearchRequest {
        sort: Some("date".to_owned()),
        limit: Some(MOST_HITS),
        facets: from != to,
        filters: Filters { year_from: Some(from), year_to: Some(to), ..Filters::default() },
        ..SearchRequest::default()
    };
    let all = remote.search(&of_years(0, i16::MAX)).await?;
    let years = all.facets.map(|FacetCounts { year, .. }| year).unwrap_or_default();
    let mut titles = Vec::new();
    for year in years.iter().take(MOST_YEARS).filter_map(|counted| counted.value.parse().ok()) {
        let found = remote.search(&of_years(year, year)).await?;
        titles.extend(found.hits.into_iter().map(|hit| hit.paper.title));
    }
    Ok(titles)
}

/// Starts a server of this library and waits for its first hit.
async fn start(config: &Config, file: Option<&Path>) -> anyhow::Result<Started> {
    let began = Instant::now();
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--home").arg(&config.home);
    if let Some(file) = file {
        command.arg("--config").arg(file);
    }
    command.args(["serve", "--addr", "127.0.0.1:0"]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut server = Server(command.spawn().context("cannot start a server of this library")?);
    let remote = loop {
        let holder = Holder::of(&config.home).filter(|holder| holder.process == Some(server.0.id()));
        if let Some(holder) = holder
            && let Some(remote) = Remote::find(&holder).await
        {
            break remote;
        }
        if let Some(status) = server.0.try_wait()? {
            anyhow::bail!("a server of this library does not start ({status}); `lectern serve` says why");
        }
        if began.elapsed() > PATIENCE {
            anyhow::bail!("a server of this library does not answer after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    };
    remote.search_unread("a first search").await?;
    Ok(Started { _server: server, remote, start_ms: round(milliseconds(began)) })
}

impl Drop for Server {
    /// Stops it as an operator would, and waits for its end.
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let began = Instant::now();
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success) && began.elapsed() < PATIENCE {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        let _ = self.0.kill();
    }
}

/// Queries embedded here and searched for there, one after the other.
async fn in_turns(
    remote: &Remote,
    embedder: Option<Arc<dyn Embedder>>,
    asked: &Asked<'_>,
) -> anyhow::Result<(Option<Times>, Times)> {
    let embed = async |times: usize| -> anyhow::Result<Vec<f64>> {
        let Some(embedder) = embedder.clone() else { return Ok(Vec::new()) };
        let queries: Vec<String> = (0..times).map(|_| asked.next().to_owned()).collect();
        let took = tokio::task::spawn_blocking(move || {
            let one = |query: &String| {
                let began = Instant::now();
                embedder.embed_query(query).map(|_| milliseconds(began))
            };
            queries.iter().map(one).collect::<Result<Vec<f64>, _>>()
        });
        Ok(took.await??)
    };
    let search = async |times: usize| -> anyhow::Result<Vec<f64>> {
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            let began = Instant::now();
            remote.search_unread(asked.next()).await?;
            took.push(milliseconds(began));
        }
        Ok(took)
    };
    embed(WARMING_UP).await?;
    search(WARMING_UP).await?;
    let (mut embedded, mut searched) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        embedded.extend(embed(A_ROUND).await?);
        searched.extend(search(A_ROUND).await?);
    }
    let embedding = (!embedded.is_empty()).then(|| Times::of(embedded));
    Ok((embedding, Times::of(searched)))
}

/// Clients that ask all at once, each as soon as it has its answer.
async fn many(remote: &Remote, asked: &Asked<'_>, clients: usize, time: Duration) -> Load {
    let began = Instant::now();
    let client = async || {
        let (mut took, mut errors) = (Vec::new(), 0);
        while began.elapsed() < time {
            let began = Instant::now();
            match remote.search_unread(asked.next()).await {
                Ok(()) => took.push(milliseconds(began)),
                Err(fault) => {
                    tracing::warn!("{fault:#}");
                    errors += 1;
                }
            }
        }
        (took, errors)
    };
    let ended = futures::future::join_all((0..clients).map(|_| client())).await;
    let seconds = began.elapsed().as_secs_f64();
    let errors = ended.iter().map(|(_, errors)| errors).sum();
    let times = Times::of(ended.into_iter().flat_map(|(took, _)| took).collect());
    #[allow(clippy::cast_precision_loss)]
    let per_second = round(times.count as f64 / seconds);
    Load { clients, seconds: round(seconds), per_second, errors, times }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn table(report: &SpeedReport) -> String {
    let model = report.model.as_deref().unwrap_or("no model");
    let mut text = format!("{}, {model}, {} different queries\n\n", count(report.papers, "paper"), report.queries);
    if let Some(start) = report.start_ms {
        let _ = writeln!(text, "from start to first hit   {start:>8.0} ms");
    }
    let mut times = |what: &str, times: &Times, more: &str| {
        let _ = writeln!(text, "{what:<24}{:>8.2} ms p50 {:>8.2} ms p99{more}", times.p50_ms, times.p99_ms);
    };
    if let Some(embedding) = &report.embedding {
        times("embedding a query alone", embedding, "");
    }
    let ratio = report.times_the_embedding.map(|ratio| format!("   {ratio:.2} times the embedding"));
    times("a search over HTTP", &report.search, &ratio.unwrap_or_default());
    let Load { clients, seconds, per_second, errors, times: loaded } = &report.load;
    let more = format!("   {per_second:.1} a second, {} in {seconds:.0} s", count(*errors, "error"));
    times(&count(*clients, "client"), loaded, &more);
    if let Some(Memory { anonymous, files, peak }) = report.memory {
        let mib = |bytes: u64| bytes / (1024 * 1024);
        let _ = writeln!(
            text,
            "memory                  {:>8} MiB, {} of it files; {} at most",
            mib(anonymous + files),
            mib(files),
            mib(peak)
        );
    }
    text
}
