//! The server that has the library, asked over its REST API on this machine. The only other client than those of the
//! providers, and it goes nowhere else.

use std::time::Duration;

use anyhow::Context;
use index::Filter;
use paper::SourceName;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Body, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Usage;
use super::ask::Asked;
use super::events::EventLines;
use super::meter::Meter;
use crate::api::health::Live;
use crate::api::origin::OPERATOR;
use crate::api::stats::Stats;
use crate::api::wire::{SearchRequest, SearchResponse};
use crate::app::{Holder, ReindexReport};
use crate::citation::Format;
use crate::config::SyncSpec;
use crate::experiment::Experiments;
use crate::library::IntakeReport;
use crate::store::Decided;

/// How long a server that is there may take to say so.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server that has the library.
#[derive(Clone)]
pub(crate) struct Remote {
    client: reqwest::Client,
    address: String,
    /// Its process, as far as it told.
    pub(crate) process: Option<u32>,
}

/// What a failed request is answered with.
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("{detail}")]
struct Problem {
    status: u16,
    detail: String,
}

impl Problem {
    /// Ends the command as it would end without a server.
    fn into_fault(self) -> anyhow::Error {
        match self.status {
            400 => Usage(self.detail).into(),
            _ => self.into(),
        }
    }
}

impl Remote {
    /// The server at this address, when it answers there and is the one that has the library.
    pub(crate) async fn find(holder: &Holder) -> Option<Self> {
        let server = holder.server.as_ref()?;
        let mut secret = HeaderValue::from_str(server.secret.told()).ok()?;
        secret.set_sensitive(true);
        let client = reqwest::Client::builder().no_proxy().connect_timeout(PATIENCE);
        // Not to be led to another place with the secret.
        let client = client.redirect(Policy::none());
        let client = client.default_headers([(OPERATOR, secret)].into_iter().collect()).build().ok()?;
        let address = format!("http://{}", server.from_here());
        let remote = Self { client, address, process: holder.process };
        let asked = remote.client.get(remote.url("/healthz")).timeout(PATIENCE);
        let live: Live = asked.send().await.ok()?.json().await.ok()?;
        (live.instance == server.instance).then_some(remote)
    }

    pub(crate) async fn search(&self, request: &SearchRequest) -> anyhow::Result<SearchResponse> {
        self.document(self.post("/v1/search", &serde_json::to_value(request)?)).await
    }

    /// Searches and reads the answer to its end, but does not look at it.
    pub(crate) async fn search_unread(&self, query: &str) -> anyhow::Result<()> {
        let answer = self.send(self.post("/v1/search", &json!({"q": query}))).await?;
        answer.bytes().await.map(drop).with_context(|| self.lost())
    }

    pub(crate) async fn ask(&self, Asked { question, papers, previous, user }: &Asked) -> anyhow::Result<Value> {
        let body = json!({"question": question.text(), "mode": question.mode, "filters": filters(&question.filter),
            "papers": papers, "aspects": question.aspects, "budget_usd": question.budget_usd(),
            "previous_answer_id": previous, "cache": question.cache, "user": user});
        self.told(self.post("/v1/answers", &body)).await
    }

    pub(crate) async fn cite(&self, ids: &[String], format: Format) -> anyhow::Result<String> {
        let body = json!({"ids": ids, "format": format.as_str()});
        let response = self.send(self.post("/v1/citations", &body)).await?;
        response.text().await.with_context(|| self.lost())
    }

    pub(crate) async fn stats(&self) -> anyhow::Result<Stats> {
        self.document(self.client.get(self.url("/v1/stats"))).await
    }

    pub(crate) async fn experiments(&self) -> anyhow::Result<Experiments> {
        self.document(self.client.get(self.url("/v1/experiments"))).await
    }

    pub(crate) async fn opinions(&self) -> anyhow::Result<Value> {
        self.document(self.client.get(self.url("/v1/feedback/suite"))).await
    }

    pub(crate) async fn sync(&self, spec: &SyncSpec, meter: &Meter) -> anyhow::Result<IntakeReport> {
        let body = serde_json::to_value(spec)?;
        self.follow(self.post("/v1/sync", &body), meter).await
    }

    pub(crate) async fn import(&self, lines: Body, max: usize, meter: &Meter) -> anyhow::Result<IntakeReport> {
        let request = self.client.post(self.url(&format!("/v1/imports?max={max}")));
        self.follow(request.header(CONTENT_TYPE, "application/jsonl").body(lines), meter).await
    }

    /// Hands on a saved answer of a source, which may take papers back.
    pub(crate) async fn take_saved(
        &self,
        source: SourceName,
        answer: Vec<u8>,
        max: usize,
        meter: &Meter,
    ) -> anyhow::Result<IntakeReport> {
        let request = self.client.post(self.url(&format!("/v1/imports?source={source}&max={max}")));
        self.follow(request.header(CONTENT_TYPE, "application/octet-stream").body(answer), meter).await
    }

    /// Has a new index built, and shows how far it is; it goes on when this command is stopped.
    pub(crate) async fn reindex(&self, model: Option<&str>, meter: &Meter) -> anyhow::Result<ReindexReport> {
        self.follow(self.post("/v1/reindex", &json!({"model": model})), meter).await
    }

    /// What there is at an address; a job that is not there was asked for wrongly.
    pub(crate) async fn look_up<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.told(self.client.get(self.url(path))).await
    }

    /// Has something done to a job: with a body by changing it, else by the address.
    pub(crate) async fn do_to<T: DeserializeOwned>(&self, path: &str, change: Option<Value>) -> anyhow::Result<T> {
        let request = match change {
            Some(change) => {
                self.client.put(self.url(path)).header(CONTENT_TYPE, "application/json").body(change.to_string())
            }
            None => self.client.post(self.url(path)),
        };
        self.told(request).await
    }

    /// Has papers joined or separated.
    pub(crate) async fn decide(&self, wanted: &Value) -> anyhow::Result<Decided> {
        self.asked_for(self.post("/v1/decisions", wanted)).await
    }

    /// Has a decision taken back.
    pub(crate) async fn undo(&self, decision: i64) -> anyhow::Result<Decided> {
        self.asked_for(self.client.delete(self.url(&format!("/v1/decisions/{decision}")))).await
    }

    /// What cannot be decided was asked for wrongly.
    async fn asked_for(&self, request: RequestBuilder) -> anyhow::Result<Decided> {
        self.told(request).await.map_err(|fault| match fault.downcast::<Problem>() {
            Ok(Problem { status: 409, detail }) => Usage(detail).into(),
            Ok(problem) => problem.into(),
            Err(fault) => fault,
        })
    }

    async fn told<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let told = self.document(request).await;
        told.map_err(|fault| match fault.downcast::<Problem>() {
            Ok(Problem { status: 400 | 404, detail }) => Usage(detail).into(),
            Ok(problem) => problem.into(),
            Err(fault) => fault,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn lost(&self) -> String {
        format!("the server at {} broke off; see its log, and run the command again", self.address)
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).header(CONTENT_TYPE, "application/json").body(body.to_string())
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.with_context(|| self.lost())?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Result<Problem, _> = response.json().await;
        Err(problem
            .map_or_else(|_| anyhow::anyhow!("the server at {} answered {status}", self.address), Problem::into_fault))
    }

    async fn document<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let text = self.send(request).await?.text().await.with_context(|| self.lost())?;
        serde_json::from_str(&text).with_context(|| {
            format!("the server at {} is another version of lectern; start it anew with this one", self.address)
        })
    }

    /// Shows the events of what takes long until its report.
    async fn follow<T: DeserializeOwned>(&self, request: RequestBuilder, meter: &Meter) -> anyhow::Result<T> {
        let mut response = self.send(request.header(ACCEPT, "text/event-stream")).await?;
        let mut events = EventLines::default();
        while let Some(piece) = response.chunk().await.with_context(|| self.lost())? {
            for (kind, data) in events.push(&piece) {
                match kind.as_str() {
                    "progress" => meter.tell(serde_json::from_str(&data)?),
                    "report" => return Ok(serde_json::from_str(&data)?),
                    "error" => return Err(serde_json::from_str::<Problem>(&data)?.into_fault()),
                    _ => {}
                }
            }
        }
        anyhow::bail!(self.lost())
    }
}

/// The filter as requests say it.
fn filters(filter: &Filter) -> serde_json::Map<String, Value> {
    let Filter { year_from, year_to, authors, venues, categories, sources } = filter;
    [
        ("year_from", json!(year_from)),
        ("year_to", json!(year_to)),
        ("author", json!(authors)),
        ("venue", json!(venues)),
        ("category", json!(categories)),
        ("source", json!(sources)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
