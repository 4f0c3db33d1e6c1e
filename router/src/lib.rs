//! How much a question asks for: a fact that a sentence answers, an explanation, or several sources weighed against each other.
//!
//! A multinomial logistic regression over the question's own vector and the skeleton of its words, and a vote of the nearest of its
//! training questions, with half of the say each; made once from `questions.jsonl` and kept beside the embedding model that it goes with. No network, no cost; `docs/ROUTING.md` has the rule that
//! the questions are labelled by, and what the classifier is right about.

mod features;
mod neighbours;
mod train;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use features::Features;
use index::{Embedder, IndexError, QueryReading};
use neighbours::Neighbours;
use serde::{Deserialize, Serialize};

/// The questions that it is trained on, a JSON object with `text` and `route` a line.
const QUESTIONS: &str = include_str!("questions.jsonl");
/// With at least this much for chat and reason together a question is not quoted.
const LEAST_TO_GO_UP: f64 = 0.5;
/// Changes when another way of training gives another classifier.
const WAY: u32 = 2;

/// How a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// By quoting.
    Quote,
    /// By a model.
    Chat,
    /// By a model that thinks first.
    Reason,
}

impl Route {
    /// Every route, by how much it costs.
    pub const ALL: [Self; 3] = [Self::Quote, Self::Chat, Self::Reason];

    /// The name as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Chat => "chat",
            Self::Reason => "reason",
        }
    }
}

/// Why there is no classifier.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The questions could not be embedded.
    #[error(transparent)]
    Embedding(#[from] IndexError),
    /// A question of the training set cannot be read.
    #[error("line {line} of the routing questions cannot be read: {source}")]
    Questions {
        /// The line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// It could not be trained.
    #[error("the router could not be trained: {0}")]
    Training(String),
}

/// What the classifier makes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decision {
    /// How the question is to be answered.
    pub route: Route,
    /// How likely it is to be each of [`Route::ALL`], in their order.
    pub probabilities: [f64; 3],
}

/// The classifier. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Router(Arc<Trained>);

/// What training gives, as it is kept.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Trained {
    /// Of what it was made: see [`key`].
    key: String,
    features: Features,
    /// For each feature, how much it speaks for each of [`Route::ALL`].
    weights: Vec<[f32; 3]>,
    intercept: [f64; 3],
    neighbours: Neighbours,
}

/// A question of the training set.
#[derive(Debug, Deserialize)]
struct Labelled {
    text: String,
    route: Route,
}

impl Router {
    /// The classifier that goes with an embedding model: read from one of the folders, else trained, which takes some seconds, and
    /// kept in the first of them that can be written.
    ///
    /// # Errors
    /// When it has to be trained and cannot be.
    pub fn open(folders: &[PathBuf], embedder: &dyn Embedder) -> Result<Self, RouterError> {
        let key = key(embedder);
        let files: Vec<PathBuf> = folders.iter().map(|folder| folder.join(format!("router-{key}.json"))).collect();
        let read = |file: &PathBuf| serde_json::from_slice::<Trained>(&std::fs::read(file).ok()?).ok();
        let kept = files.iter().filter_map(read).find(|trained| trained.key == key && trained.is_sound());
        if let Some(trained) = kept {
            return Ok(Self(Arc::new(trained)));
        }
        tracing::info!("training the router, once; it takes some seconds");
        let trained = train::train(key, QUESTIONS, embedder)?;
        let kept = files.iter().any(|file| match keep(file, &trained) {
            Ok(()) => true,
            Err(fault) => {
                tracing::debug!(%fault, file = %file.display(), "the router cannot be kept here");
                false
            }
        });
        if !kept {
            tracing::warn!("the router cannot be kept anywhere and is trained again next time");
        }
        Ok(Self(Arc::new(trained)))
    }

    /// How a question, as the embedding model reads it, is to be answered. When it is unsure it goes up: to chat unless it is likely that a sentence
    /// answers, and to reason where that is as likely as chat.
    #[must_use]
    pub fn decide(&self, text: &str, reading: &QueryReading) -> Decision {
        let probabilities = self.0.probabilities(text, &asking(reading));
        let [_, chat, reason] = probabilities;
        let route = if chat + reason < LEAST_TO_GO_UP {
            Route::Quote
        } else if chat > reason {
            Route::Chat
        } else {
            Route::Reason
        };
        Decision { route, probabilities }
    }
}

impl Trained {
    /// Whether its parts fit together, which a file from elsewhere need not do.
    fn is_sound(&self) -> bool {
        self.weights.len() == self.features.width() && self.neighbours.is_sound()
    }

    fn probabilities(&self, text: &str, vector: &[f32]) -> [f64; 3] {
        let mut scores = self.intercept;
        for (column, value) in self.features.of(text, vector) {
            let weights = self.weights.get(column).copied().unwrap_or_default();
            scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += value * f64::from(weight));
        }
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares = scores.map(|score| (score - most).exp());
        let sum: f64 = shares.iter().sum();
        let mut joined = self.neighbours.vote(vector);
        joined.iter_mut().zip(shares).for_each(|(vote, share)| *vote = (*vote * share / sum).sqrt());
        let sum: f64 = joined.iter().sum();
        joined.map(|share| share / sum)
    }
}

/// What a question is about and what it asks, as one vector of length 1: its own, and that of its first word, which nearly always
/// is the word that asks.
fn asking(reading: &QueryReading) -> Vec<f32> {
    let mut vector: Vec<f32> = reading.vector.iter().zip(&reading.first).map(|(whole, first)| whole + first).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

/// What a classifier is made of, as a short name: the questions, the way, the embedding model.
fn key(embedder: &dyn Embedder) -> String {
    let model = embedder.model();
    let all = format!("{WAY} {} {} {QUESTIONS}", model.name, model.dimension);
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, all.as_bytes());
    id.simple().to_string().chars().take(12).collect()
}

/// Writes it whole or not at all: several processes may do so at once.
fn keep(file: &Path, trained: &Trained) -> std::io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    let mut new = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer(std::io::BufWriter::new(&mut new), trained)?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use index::HashEmbedder;

    use super::*;

    /// Questions that their words alone tell apart, since the vectors of this embedder say little.
    fn router(dir: &Path) -> Router {
        Router::open(&[dir.join("file").join("x"), dir.to_owned()], &HashEmbedder::new(16)).unwrap()
    }

    #[test]
    fn it_is_trained_once_and_then_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "in the way of the first folder").unwrap();
        let trained = router(folder.path());
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        let files: Vec<_> = files.filter(|file| file.extension().is_some()).collect();
        assert_eq!(files.len(), 1);
        let before = std::fs::metadata(&files[0]).unwrap().modified().unwrap();
        let same = |other: &Router| {
            let question = "Which gene is mutated in cystic fibrosis?";
            let reading = HashEmbedder::new(16).read_query(question).unwrap();
            let (one, two) = (trained.decide(question, &reading), other.decide(question, &reading));
            one.route == two.route && one.probabilities.iter().zip(two.probabilities).all(|(x, y)| (x - y).abs() < 1e-9)
        };
        assert!(same(&router(folder.path())));
        assert_eq!(std::fs::metadata(&files[0]).unwrap().modified().unwrap(), before, "it was read");
        std::fs::write(&files[0], "{}").unwrap();
        assert!(same(&router(folder.path())), "a file that is none is made anew");
        assert!(std::fs::metadata(&files[0]).unwrap().len() > 1000);

        let embedder = HashEmbedder::new(16);
        for (question, route) in [
            ("Which gene is mutated in cystic fibrosis?", Route::Quote),
            ("How many moons does Mars have?", Route::Quote),
            ("Is aspirin associated with bleeding?", Route::Quote),
            ("What is a transformer?", Route::Chat),
            ("Explain how photosynthesis works.", Route::Chat),
            ("Compare the advantages and disadvantages of LoRA and full fine-tuning.", Route::Reason),
        ] {
            let decision = trained.decide(question, &embedder.read_query(question).unwrap());
            assert_eq!(decision.route, route, "{question}: {decision:?}");
            assert!((decision.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn every_question_is_one_of_a_kind_and_there_are_enough() {
        let mut seen = std::collections::HashSet::new();
        let mut by_route = std::collections::BTreeMap::new();
        for line in QUESTIONS.lines() {
            let Labelled { text, route } = serde_json::from_str(line).unwrap();
            assert!(text.trim() == text && !text.is_empty() && seen.insert(text.to_lowercase()), "{text}");
            *by_route.entry(route).or_insert(0) += 1;
        }
        assert!(seen.len() >= 600 && by_route.values().all(|count| *count >= 100), "{by_route:?}");
    }
}
