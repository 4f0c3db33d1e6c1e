//! What an answer takes beside its model and the embedding: `cargo bench --bench answer`.
//!
//! A model that writes at once, in the words of the first passages, answers questions over the sample library, each asked
//! twice and never given once more. The first time the sentences of what was found are embedded, the second time they are
//! remembered, so that of the embedding only that of the question and of its queries is left. The time runs from before the run is
//! in the store until its answer is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::stream;
use index::Filter;
use lectern::agent::Agent;
use lectern::agent::answer::{AskMode, Question};
use lectern::agent::desk::{Models, Seat};
use lectern::app::{App, load_embedder};
use lectern::clock::Clock;
use lectern::config::{Config, Environment};
use lectern::llm::{Breaker, ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, LlmError, Usage};
use lectern::store::When;

const ROUNDS: usize = 5;
const QUESTIONS: [&str; 12] = [
    "Which BLEU score did the Transformer reach on WMT 2014 English-German?",
    "How does RAG combine parametric and non-parametric memory?",
    "What does reciprocal rank fusion do?",
    "Why does batch normalization speed up training?",
    "How does layer normalization differ from batch normalization?",
    "Why does LoRA add no inference latency?",
    "How does HyDE search without relevance labels?",
    "How does DPO differ from RLHF with PPO?",
    "How is BERT pre-trained?",
    "What is dropout good for?",
    "How does Adam adapt its learning rates?",
    "Which retrieval method is the best?",
];

/// Writes a sentence of each of the first passages, with its number.
struct AtOnce;

#[async_trait]
impl ChatModel for AtOnce {
    fn provider(&self) -> &str {
        "deepseek"
    }

    fn model(&self) -> &str {
        "deepseek-flash"
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, LlmError> {
        let blocks = request.messages[1].content.split("\n\n[").skip(1).take(4);
        let said = blocks.filter_map(|block| {
            let (n, rest) = block.split_once("] ")?;
            let (sentence, _) = rest.split_once('\n')?.1.split_once(". ")?;
            Some(format!("{sentence} [{n}]. "))
        });
        let pieces: Vec<String> =
            said.flat_map(|text| text.split_inclusive(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
        let end = ChatEvent::Finish { reason: FinishReason::Stop, usage: Some(Usage::default()) };
        let events = pieces.into_iter().map(ChatEvent::Text).chain([end]).map(Ok);
        Ok(Box::pin(stream::iter(events.collect::<Vec<_>>())))
    }
}

/// One answer: until the first event, until the evidence, and in all.
async fn answer(app: &App, agent: &Agent, text: &str, mode: AskMode) -> [Duration; 3] {
    let mut question = Question::new(text, mode, Filter::default()).unwrap();
    question.cache = false;
    let began = Instant::now();
    let run = app.begin(app.clock.new_id().to_string(), &question, When::Followed).await.unwrap();
    let log = Arc::clone(run.log());
    let seen = tokio::spawn(async move {
        let (mut first, mut after) = (None, 0);
        loop {
            let events = log.wait_after(after).await;
            let first = *first.get_or_insert_with(|| began.elapsed());
            match events.last() {
                Some(last) if !events.iter().any(|event| event.kind == "evidence") => after = last.id,
                _ => return [first, began.elapsed()],
            }
        }
    });
    let answer = agent.answer(&run, &question).await.unwrap();
    app.keep(&run, &answer).await.unwrap();
    let whole = began.elapsed();
    assert!(!answer.claims().is_empty() || mode != AskMode::Chat, "{text}: {}", answer.text());
    let [first, evidence] = seen.await.unwrap();
    [first, evidence, whole]
}

fn shown(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!("{name:<42} p50 {:7.2} ms   p95 {:7.2} ms", at(50), at(95));
}

fn samples(home: &Path) {
    for (source, file) in [("arxiv", "samples/arxiv.xml"), ("semantic-scholar", "samples/semantic-scholar.json")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lectern"));
        let ran = command.arg("--home").arg(home).args(["sync", source, "--from-file", file]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}

fn main() {
    let home = tempfile::tempdir().unwrap();
    samples(home.path());
    let config = Config::load(Some(home.path()), None, &Environment::default(), &[]).unwrap();
    let embedder = load_embedder(&config).unwrap();
    let queries = QUESTIONS.iter().cycle().take(QUESTIONS.len() * ROUNDS);
    let embedded = queries.map(|question| {
        let began = Instant::now();
        embedder.embed_query(question).unwrap();
        began.elapsed()
    });
    shown("a question, embedded once", embedded.collect());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seat = Seat { model: Arc::new(AtOnce), breaker: Arc::new(Breaker::default()) };
    let models = Models { cheap: vec![seat.clone()], strong: vec![seat] };
    runtime.block_on(async {
        let app = App::open(config, Clock::system()).await.unwrap();
        // The router is trained, and files are read, before anything counts.
        let warm = app.agent.with_models(models.clone());
        answer(&app, &warm, "What is known?", AskMode::Auto).await;
        for (mode, name) in [(AskMode::Quote, "quote"), (AskMode::Chat, "chat"), (AskMode::Auto, "auto")] {
            let (mut anew, mut again) = (vec![Vec::new(); 3], vec![Vec::new(); 3]);
            for _ in 0..ROUNDS {
                for question in QUESTIONS {
                    // One that remembers nothing.
                    let agent = Agent { memory: Default::default(), ..app.agent.with_models(models.clone()) };
                    for times in [&mut anew, &mut again] {
                        let measured = answer(&app, &agent, question, mode).await;
                        times.iter_mut().zip(measured).for_each(|(all, one)| all.push(one));
                    }
                }
            }
            for (times, how) in [(anew, "sentences embedded"), (again, "sentences remembered")] {
                for (times, what) in times.into_iter().zip(["first event", "evidence", "whole"]) {
                    shown(&format!("{name}, {how}: {what}"), times);
                }
            }
        }
    });
}
