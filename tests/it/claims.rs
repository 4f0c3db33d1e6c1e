//! How the checks of a claim do on claims that people wrote and judged: SciFact's, with the abstracts that support or
//! contradict them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use index::{ArmScores, Passage, PassageId, SearchHit, Section};
use lectern::agent::evidence::{Evidence, Vectors, embed, gather};
use lectern::agent::verify::{Verdict, Verifier};
use lectern::app::load_embedder;
use lectern::config::{Config, Environment};
use paper::{Paper, PaperId, SourceName};
use serde_json::Value;

use crate::replay_scholar::shared;

fn lines(file: &Path) -> impl Iterator<Item = Value> + use<> {
    let reader = BufReader::new(std::fs::File::open(file).unwrap());
    reader.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

/// The abstract of a document, as if a search had found it.
fn found(document: &Value) -> Vec<Evidence> {
    let (title, text) = (document["title"].as_str().unwrap(), document["text"].as_str().unwrap());
    let id = PaperId::derive(title);
    let mut paper = Paper::new(title, SourceName::Import, jiff::Timestamp::UNIX_EPOCH);
    paper.id = Some(id);
    paper.abstract_text = Some(text.to_owned());
    let section = Section::Abstract;
    let end = section.text_of(&paper).chars().count();
    let (passage_id, text) = (PassageId::derive(id, 0), section.text_of(&paper).to_owned());
    let passage = Passage { id: passage_id, paper: id, ordinal: 0, section, start: 0, end, text };
    let (scores, highlights) = (ArmScores::default(), Vec::new());
    gather(vec![(SearchHit { paper: id, passage, score: 1.0, scores, exact: false, highlights }, paper)], 1)
}

#[tokio::test]
async fn claims_that_an_abstract_contradicts_stand_far_less_often_than_those_that_it_supports() {
    let Some(folder) = shared("retrieval/scifact") else { return };
    let home = tempfile::tempdir().unwrap();
    let config = Config::load(Some(home.path()), None, &Environment::default(), &[]).unwrap();
    let vectors = Vectors::new(Some(load_embedder(&config).unwrap()));
    let corpus: HashMap<String, Value> =
        lines(&folder.join("corpus.jsonl")).map(|d| (d["_id"].as_str().unwrap().to_owned(), d)).collect();
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    for query in lines(&folder.join("queries.jsonl")) {
        for (document, judged) in query["metadata"].as_object().unwrap() {
            let label = match judged[0]["label"].as_str() {
                Some("SUPPORT") => "supported",
                Some("CONTRADICT") => "contradicted",
                _ => continue,
            };
            let Some(document) = corpus.get(document) else { continue };
            let mut evidence = found(document);
            embed(&mut evidence, &vectors).await.unwrap();
            let mut verifier = Verifier::new(&evidence, "");
            let claim = format!("{} [1]", query["text"].as_str().unwrap());
            let stands = matches!(verifier.check(&claim, &vectors).await.unwrap(), Verdict::Passed(_));
            let (all, standing) = counts.entry(label).or_default();
            *all += 1;
            *standing += usize::from(stands);
        }
    }
    let share = |label: &str| counts[label].1 as f64 / counts[label].0 as f64;
    eprintln!("stand: {counts:?}; supported {:.3}, contradicted {:.3}", share("supported"), share("contradicted"));
    assert!(share("supported") > 0.4 && share("contradicted") < 0.25);
}
