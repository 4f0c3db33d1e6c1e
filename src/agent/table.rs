//! Papers compared in a table: a row for each paper, a column for each aspect, each cell checked and cited like any sentence.

use std::collections::HashSet;

use paper::PaperId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::AgentError;
use super::answer::{Claim, RemovalReason, Removed, Route, Row, Table};
use super::desk::Step;
use super::draft;
use super::evidence::{Evidence, cosine};
use super::notice::{Shortfall, Unasked, joined, stood_in};
use super::repair::is_one;
use super::verify::{Verdict, Verifier, one_cell, set_apart};
use super::whole::{Whole, object_request};
use super::words::{content_stems, coverage};
use super::write::{Writer, Written};
use crate::llm::{ChatRequest, Message};

const INSTRUCTION: &str = include_str!("prompts/table.md");
/// The most papers that are compared.
const MOST_ROWS: usize = 8;
/// The longest table, in tokens.
const LONGEST: u32 = 2_000;
/// The least cosine of an aspect of the question with a sentence that fills its cell without a model.
const LEAST_ALIKE: f32 = 0.30;
/// What is compared when nobody has said what.
const USUAL_ASPECTS: [&str; 3] = ["method", "data", "result"];
/// The name of this step in a run.
const STEP: &str = "table";

/// What came of asking for the cells.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Filled {
    rows: Vec<WireRow>,
    model: Option<String>,
    notice: Option<String>,
    shortfall: Option<Shortfall>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct WireRow {
    n: usize,
    cells: Vec<Option<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    rows: Vec<WireRow>,
}

/// Evidence by its number, and where in its section words begin and end.
type Spot = (usize, usize, usize);

/// The passages of one paper, the most relevant first.
struct Compared<'e> {
    paper: PaperId,
    passages: Vec<&'e Evidence>,
}

impl<'e> Writer<'_, 'e> {
    /// A table of the papers that were found: a model's cells as far as they hold, the papers' own sentences where no model is asked.
    pub async fn tabulated(&self, with_model: bool) -> Result<Written<'e>, AgentError> {
        let aspects: Vec<String> = match self.plan.aspects.as_slice() {
            [] => USUAL_ASPECTS.iter().map(|aspect| (*aspect).to_owned()).collect(),
            aspects => aspects.to_vec(),
        };
        let papers = compared(&self.retrieved.evidence);
        let filled = match (with_model, self.run.outcome::<Filled>(STEP)?) {
            (false, _) => None,
            (true, Some(filled)) => Some(filled),
            (true, None) => {
                let filled = self.filled(&papers, &aspects).await?;
                self.run.finish(STEP, &filled)?;
                self.run.note().await?;
                Some(filled)
            }
        };
        let from_model = filled.as_ref().is_some_and(|filled| filled.shortfall.is_none());
        let said = filled.as_ref().filter(|_| from_model).map(|filled| Self::sentences(&papers, filled, aspects.len()));
        let (doubted, unchecked) = self.doubted(said.as_deref().unwrap_or_default()).await?;
        let mut verifier = Verifier::new(&self.retrieved.evidence, "");
        let head: Vec<String> = aspects.iter().map(|aspect| one_cell(&set_apart(aspect))).collect();
        let mut table = Table { columns: aspects.clone(), rows: Vec::new() };
        let mut pending = format!("| paper | {} |\n|{}", head.join(" | "), "---|".repeat(aspects.len() + 1));
        for (row, compared) in papers.iter().enumerate() {
            let Some(best) = compared.passages.first() else { continue };
            let paper = &best.paper;
            let year = paper.year.map(|year| format!(" ({year})")).unwrap_or_default();
            pending.push_str(&format!("\n| {}{year} |", one_cell(&set_apart(&paper.title))));
            let mut cells = Vec::with_capacity(aspects.len());
            let quoted = if from_model { Vec::new() } else { self.closest_places(compared, &aspects).await? };
            for at in 0..aspects.len() {
                verifier.say(&format!("{pending} "));
                pending.clear();
                let claim = match &said {
                    Some(said) => {
                        let cell = said.get(row).and_then(|row| row.get(at)).and_then(Option::as_ref);
                        self.checked_cell(&mut verifier, cell, &doubted).await?
                    }
                    None => {
                        quoted.get(at).copied().flatten().and_then(|(n, start, end)| verifier.quote(n, start, end, &[]))
                    }
                };
                if let Some(claim) = &claim {
                    self.log().add("token", &json!({"text": verifier.newest_text()}));
                    self.log().add("claim", claim);
                }
                cells.push(claim);
                pending.push_str(" |");
            }
            let row = Row { paper_id: compared.paper, title: paper.title.clone(), year: paper.year, cells };
            table.rows.push(row);
        }
        verifier.say(&pending);
        verifier.tabulate(table);
        Ok(self.told(verifier, filled, unchecked))
    }

    fn told(&self, verifier: Verifier<'e>, filled: Option<Filled>, unchecked: Option<String>) -> Written<'e> {
        let mut found = joined([self.retrieved.notice.clone(), unchecked]);
        let (model, route) = match filled {
            Some(Filled { shortfall: Some(shortfall), .. }) => {
                found = joined([found, Some(shortfall.quoted(self.purse.is_uncounted()))]);
                ("quote".to_owned(), Route::Quote)
            }
            Some(Filled { model, notice, .. }) => {
                found = joined([found, notice]);
                (model.unwrap_or_default(), Route::Reason)
            }
            None => ("quote".to_owned(), Route::Quote),
        };
        Written { verifier, model, route, notice: found }
    }

    /// A model's cells, each as a sentence that cites all passages of its row's paper; those that cannot be one are left out.
    fn sentences(papers: &[Compared<'e>], filled: &Filled, aspects: usize) -> Vec<Vec<Option<String>>> {
        let of_paper = |compared: &Compared<'e>| {
            let numbers: Vec<usize> = compared.passages.iter().map(|evidence| evidence.n).collect();
            let marks: Vec<String> = numbers.iter().map(usize::to_string).collect();
            let row = filled.rows.iter().find(|row| numbers.contains(&row.n));
            let cell = |at: usize| {
                let said = row.and_then(|row| row.cells.get(at)).and_then(Option::as_deref).unwrap_or_default();
                // Marks of its own would let it cite another paper's row.
                let said = one_cell(&set_apart(said));
                is_one(&said).then(|| format!("{said} [{}]", marks.join(", ")))
            };
            (0..aspects).map(cell).collect()
        };
        papers.iter().map(of_paper).collect()
    }

    /// The cells that a model was shown and found not to follow, and what the reader is to know when it could not be asked.
    async fn doubted(&self, cells: &[Vec<Option<String>>]) -> Result<(HashSet<String>, Option<String>), AgentError> {
        if !self.settings.model_checks {
            return Ok((HashSet::new(), None));
        }
        let mut stand = Vec::new();
        for cell in cells.iter().flatten().flatten() {
            let mut verifier = Verifier::new(&self.retrieved.evidence, "");
            if matches!(verifier.check(cell, self.vectors()).await?, Verdict::Passed(_)) {
                stand.push(cell.as_str());
            }
        }
        let (follow, notice) = self.which_follow("entailment", &stand).await?;
        let doubted = stand.into_iter().zip(follow).filter(|(_, follows)| !follows);
        Ok((doubted.map(|(cell, _)| cell.to_owned()).collect(), notice))
    }

    /// A model's cell, when what it says stands in the paper's passages and nobody doubts it.
    async fn checked_cell(
        &self,
        verifier: &mut Verifier<'e>,
        cell: Option<&String>,
        doubted: &HashSet<String>,
    ) -> Result<Option<Claim>, AgentError> {
        let Some(cell) = cell else { return Ok(None) };
        let verdict = if doubted.contains(cell) {
            Verdict::Failed(Removed { text: cell.clone(), reason: RemovalReason::Unsupported })
        } else {
            verifier.check(cell, self.vectors()).await?
        };
        match verdict {
            Verdict::Passed(claim) => Ok(Some(claim)),
            Verdict::Failed(removed) => {
                self.log().add("removed", &removed);
                verifier.remove(removed);
                Ok(None)
            }
        }
    }

    /// For each aspect the place in a paper's passages that comes closest to it; one sentence fills one cell.
    async fn closest_places(
        &self,
        compared: &Compared<'e>,
        aspects: &[String],
    ) -> Result<Vec<Option<Spot>>, AgentError> {
        let mut rated: Vec<(f32, usize, Spot)> = Vec::new();
        for (at, aspect) in aspects.iter().enumerate() {
            let asked = format!("{aspect}: {}", self.plan.question);
            let (wanted, stems) = (self.vectors().of_query(&asked).await?, content_stems(&asked));
            for evidence in &compared.passages {
                for sentence in evidence.sentences.iter().filter(|sentence| !sentence.is_order) {
                    let alike = match (&wanted, &sentence.vector) {
                        (Some(wanted), Some(vector)) => cosine(wanted, vector),
                        _ => coverage(&stems, &sentence.stems),
                    };
                    rated.push((alike, at, (evidence.n, sentence.start, sentence.end)));
                }
            }
        }
        Ok(assigned(rated, aspects.len()))
    }

    async fn filled(&self, papers: &[Compared<'e>], aspects: &[String]) -> Result<Filled, AgentError> {
        let (mut place, mut share, mut passed_over) = (0, 1, Vec::new());
        let most = papers.iter().map(|paper| paper.passages.len()).max().unwrap_or_default();
        loop {
            let request = self.table_request(papers, aspects, share);
            let mut call = match self.purse.ask(Step::Draft, &request, place).await? {
                Ok(call) => call,
                Err(nobody) => {
                    let too_long = nobody.passed_over.last().is_some_and(|(_, why)| why.is("context_too_long"));
                    passed_over.extend(nobody.passed_over);
                    if too_long && most > share {
                        share *= 2;
                        passed_over.pop();
                        continue;
                    }
                    let shortfall = Some(Shortfall::Nobody(passed_over));
                    return Ok(Filled { shortfall, ..Filled::default() });
                }
            };
            let whole = Whole::of(&mut call).await;
            self.purse.settle(&call.receipt, whole.usage, whole.fault.as_ref()).await?;
            let model = call.receipt.seat.model.model().to_owned();
            passed_over.append(&mut call.passed_over);
            let notice = stood_in(&model, &passed_over);
            let wire = whole.object();
            match (whole.fault, wire) {
                (None, Some(Wire { rows })) => {
                    return Ok(Filled { rows, model: Some(model), notice, shortfall: None });
                }
                (fault, _) => {
                    let kind = fault.as_ref().map_or("unusable", |fault| fault.kind()).to_owned();
                    // Half an object, as one that reached its limit, may be a whole one elsewhere.
                    let elsewhere = fault.is_none_or(|fault| fault.worth_another_provider());
                    if !elsewhere || call.place + 1 >= self.purse.seats(Step::Draft) {
                        return Ok(Filled { shortfall: Some(Shortfall::Failed(kind)), ..Filled::default() });
                    }
                    passed_over.push((self.purse.provider(Step::Draft, call.place), Unasked::Failed { kind }));
                    place = call.place + 1;
                }
            }
        }
    }

    /// The request for the cells over the best passages of each paper, so many of them; all for a share of 1.
    fn table_request(&self, papers: &[Compared<'e>], aspects: &[String], share: usize) -> ChatRequest {
        let best = |paper: &Compared<'e>| paper.passages.len().div_ceil(share);
        let mut evidence: Vec<&Evidence> =
            papers.iter().flat_map(|paper| paper.passages.iter().copied().take(best(paper))).collect();
        evidence.sort_by_key(|evidence| evidence.n);
        let longest = LONGEST.min(self.settings.max_output_tokens);
        let mut messages = draft::request(&self.plan.question, &evidence, false, longest).messages;
        if let Some(first) = messages.first_mut() {
            *first = Message::system(INSTRUCTION);
        }
        let rows: Vec<String> =
            papers.iter().filter_map(|paper| paper.passages.first()).map(|best| best.n.to_string()).collect();
        messages.push(Message::user(format!("Rows: {}\nAspects: {}", rows.join(", "), aspects.join("; "))));
        object_request(messages, longest)
    }
}

/// The pairs of an aspect and a place that come closest, each aspect and each place once.
fn assigned(mut rated: Vec<(f32, usize, Spot)>, aspects: usize) -> Vec<Option<Spot>> {
    rated.retain(|(alike, ..)| *alike >= LEAST_ALIKE);
    rated.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut places = vec![None; aspects];
    for (_, at, spot) in rated {
        if !places.contains(&Some(spot))
            && let Some(place) = places.get_mut(at).filter(|place| place.is_none())
        {
            *place = Some(spot);
        }
    }
    places
}

/// The papers of the evidence, the most relevant first.
fn compared(evidence: &[Evidence]) -> Vec<Compared<'_>> {
    let mut sorted: Vec<&Evidence> = evidence.iter().collect();
    sorted.sort_by(|a, b| b.relevance.total_cmp(&a.relevance).then(a.n.cmp(&b.n)));
    let mut papers: Vec<Compared<'_>> = Vec::new();
    for evidence in sorted {
        match papers.iter_mut().find(|known| known.paper == evidence.hit.paper) {
            Some(known) => known.passages.push(evidence),
            None => papers.push(Compared { paper: evidence.hit.paper, passages: vec![evidence] }),
        }
    }
    papers.truncate(MOST_ROWS);
    papers
}
