//! What the router makes of questions whose routes are known.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use index::Embedder;
use serde::{Deserialize, Serialize};

use super::{bootstrap, percentile};
use router::{Route, Router};

/// The bins of the calibration.
const BINS: usize = 10;

/// What is asked for of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// This route.
    Exactly(Route),
    /// A model, whether it thinks or not.
    Model,
}

/// A question with what is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct RoutedQuestion {
    text: String,
    wanted: Wanted,
    source: String,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    #[serde(default)]
    route: Option<Route>,
    #[serde(default)]
    suggested: Option<String>,
    #[serde(default)]
    source: Option<String>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoutingReport {
    /// The questions.
    pub n: usize,
    /// The share that was routed as asked for.
    pub accuracy: f64,
    /// The 95% interval of the accuracy.
    pub accuracy_ci: [f64; 2],
    /// For each route that was asked for (`model` for chat or reason), how often each was given.
    pub confusion: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
    /// Half of the decisions took at most this many milliseconds, the embedding left out.
    pub p50_ms: f64,
    /// 99 of 100 took at most this.
    pub p99_ms: f64,
    /// Half of the embeddings took at most this.
    pub embedding_p50_ms: f64,
    /// The mean distance between how sure it was that a model is needed and how often that was so, weighted by bin.
    pub calibration_error: f64,
    /// By how sure it was, from 0 to 1 in ten bins.
    pub calibration: Vec<Bin>,
    /// By source, where questions have one.
    pub by_source: BTreeMap<String, SourceReport>,
}

/// The questions that were found about as likely to need a model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// How many.
    pub n: usize,
    /// How likely on average.
    pub predicted: f64,
    /// The share that does need one.
    pub observed: f64,
}

/// The questions of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceReport {
    /// How many.
    pub n: usize,
    /// The share that was routed as asked for.
    pub accuracy: f64,
    /// Its 95% interval.
    pub accuracy_ci: [f64; 2],
    /// The share of the more frequent kind: what always giving the same answer would reach.
    pub majority: f64,
}

/// Reads questions, a JSON object a line: `text` with `route`, or with `suggested`, where `lookup` asks for quote, and
/// `synthesis` for chat or reason. Other lines are left out.
///
/// # Errors
/// When the file cannot be read, or a line is no such object.
pub fn read_questions(file: &Path) -> anyhow::Result<Vec<RoutedQuestion>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut questions = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).with_context(|| format!("{}, line {number}", file.display()))?;
        let wanted = match (line.route, line.suggested.as_deref()) {
            (Some(route), _) => Wanted::Exactly(route),
            (None, Some("lookup")) => Wanted::Exactly(Route::Quote),
            (None, Some("synthesis")) => Wanted::Model,
            _ => continue,
        };
        questions.push(RoutedQuestion { text: line.text, wanted, source: line.source.unwrap_or_default() });
    }
    anyhow::ensure!(!questions.is_empty(), "{} has no question with a route", file.display());
    Ok(questions)
}

/// Routes each question.
///
/// # Errors
/// When the embedding model fails.
pub fn routing(
    questions: &[RoutedQuestion],
    router: &Router,
    embedder: &dyn Embedder,
) -> anyhow::Result<RoutingReport> {
    let mut confusion: BTreeMap<&'static str, BTreeMap<&'static str, usize>> = BTreeMap::new();
    let mut sources: BTreeMap<String, Vec<(f64, Wanted)>> = BTreeMap::new();
    let (mut right, mut took, mut embedding, mut sure) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for question in questions {
        let began = Instant::now();
        let reading = embedder.read_query(&question.text)?;
        embedding.push(began.elapsed().as_secs_f64() * 1000.0);
        let began = Instant::now();
        let decision = router.decide(&question.text, &reading);
        took.push(began.elapsed().as_secs_f64() * 1000.0);
        let is_right = f64::from(u8::from(question.wanted.is_met_by(decision.route)));
        right.push(is_right);
        sure.push((decision.probabilities.iter().skip(1).sum::<f64>(), !question.wanted.is_met_by(Route::Quote)));
        *confusion.entry(question.wanted.name()).or_default().entry(decision.route.as_str()).or_default() += 1;
        sources.entry(question.source.clone()).or_default().push((is_right, question.wanted));
    }
    took.sort_by(f64::total_cmp);
    embedding.sort_by(f64::total_cmp);
    let calibration = bins(&sure);
    let weighted = calibration.iter().map(|bin| bin.n as f64 * (bin.predicted - bin.observed).abs());
    let interval = bootstrap(&right);
    let by_source = sources.into_iter().filter(|(name, _)| !name.is_empty());
    Ok(RoutingReport {
        n: questions.len(),
        accuracy: mean(&right),
        accuracy_ci: [interval.low, interval.high],
        confusion,
        p50_ms: percentile(&took, 50.0),
        p99_ms: percentile(&took, 99.0),
        embedding_p50_ms: percentile(&embedding, 50.0),
        calibration_error: weighted.sum::<f64>() / questions.len().max(1) as f64,
        calibration,
        by_source: by_source.map(|(name, rated)| (name, of_source(&rated))).collect(),
    })
}

impl Wanted {
    fn is_met_by(self, route: Route) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == route,
            Self::Model => route != Route::Quote,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Exactly(route) => route.as_str(),
            Self::Model => "model",
        }
    }
}

fn of_source(rated: &[(f64, Wanted)]) -> SourceReport {
    let right: Vec<f64> = rated.iter().map(|(right, _)| *right).collect();
    let quoted = rated.iter().filter(|(_, wanted)| wanted.is_met_by(Route::Quote)).count();
    let interval = bootstrap(&right);
    SourceReport {
        n: rated.len(),
        accuracy: mean(&right),
        accuracy_ci: [interval.low, interval.high],
        majority: quoted.max(rated.len() - quoted) as f64 / rated.len().max(1) as f64,
    }
}

fn bins(sure: &[(f64, bool)]) -> Vec<Bin> {
    let bin_of = |likely: f64| ((likely * BINS as f64).floor().max(0.0) as usize).min(BINS - 1);
    (0..BINS)
        .map(|bin| {
            let within: Vec<&(f64, bool)> = sure.iter().filter(|(likely, _)| bin_of(*likely) == bin).collect();
            let n = within.len();
            let of = |value: &dyn Fn(&(f64, bool)) -> f64| {
                within.iter().map(|one| value(one)).sum::<f64>() / n.max(1) as f64
            };
            Bin { n, predicted: of(&|(likely, _)| *likely), observed: of(&|(_, is)| f64::from(u8::from(*is))) }
        })
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_route_are_left_out_and_others_ask_for_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("questions.jsonl");
        let lines = [
            r#"{"text": "a", "route": "reason"}"#,
            r#"{"text": "b", "suggested": "lookup", "source": "s"}"#,
            r#"{"text": "c", "suggested": "synthesis"}"#,
            r#"{"text": "d", "suggested": "other"}"#,
            r#"{"text": "e"}"#,
            "",
        ];
        std::fs::write(&file, lines.join("\n")).unwrap();
        let wanted: Vec<Wanted> = read_questions(&file).unwrap().iter().map(|question| question.wanted).collect();
        assert_eq!(wanted, [Wanted::Exactly(Route::Reason), Wanted::Exactly(Route::Quote), Wanted::Model]);
        std::fs::write(&file, r#"{"text": "a", "route": "nowhere"}"#).unwrap();
        let fault = format!("{:#}", read_questions(&file).unwrap_err());
        assert!(fault.contains("line 1") && fault.contains("nowhere"), "{fault}");
    }

    #[test]
    fn bins_tell_how_often_it_was_so_where_it_was_so_sure() {
        let told = bins(&[(0.05, false), (0.05, true), (1.0, true), (0.999, true)]);
        assert_eq!((told[0].n, told[9].n), (2, 2));
        assert!((told[0].predicted - 0.05).abs() < 1e-9 && (told[0].observed - 0.5).abs() < 1e-9);
        assert!((told[9].observed - 1.0).abs() < 1e-9);
    }
}
