//! `eval answers`.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::agent::Agent;
use crate::agent::answer::AskMode;
use crate::agent::desk::{Desk, Seat};
use crate::app::App;
use crate::cli::output::Output;
use crate::cli::{Outcome, Usage, open};
use crate::clock::Clock;
use crate::config::Config;
use crate::eval::{AnswersReport, JudgedReport, QuestionReport, Suite, SuiteLibrary, answers, fill, page};
use crate::library::progress::{Course, Stage};
use crate::llm::Usage as Tokens;
use crate::store::month_of;

/// What a suite may cost when nothing was said, in US dollars.
const USUAL_BUDGET_USD: f64 = 1.0;
/// How many questions are shown that did not go as they should.
const MOST_SHOWN: usize = 20;

/// What `eval answers` is told.
#[derive(Debug, Args)]
pub struct AnswersArgs {
    #[command(flatten)]
    how: SuiteArgs,
    /// Have a model judge the answers besides: whether quotations bear out each sentence, and which points are made. As
    /// deepseek:NAME or openai:NAME; without a name, who plans and checks
    #[arg(long, value_name = "MODEL", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    judge: Option<String>,
    /// Write the report as a page with plots as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What is asked, and how.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// The suite: a file in the project's form, PubMedQA's or BioASQ's; without it, 25 questions over the sample library
    #[arg(long, value_name = "FILE")]
    suite: Option<PathBuf>,
    /// How questions are answered that do not say so themselves: auto, quote, chat, reason
    #[arg(long, default_value = "auto")]
    mode: AskMode,
    /// Ask only so many of the questions
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// What all answers together may cost at most, in US dollars; 1 where the models' prices are known
    #[arg(long = "budget", value_name = "USD")]
    budget_usd: Option<f64>,
}

pub(crate) async fn answers_command(config: Config, args: AnswersArgs, output: &mut Output) -> anyhow::Result<Outcome> {
    let report = asked(config, &suite_of(&args.how)?, &args.how, args.judge.as_deref(), output).await?;
    if let Some(file) = &args.html {
        std::fs::write(file, page(&report)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    output.print(&report, || table(&report))?;
    Ok(Outcome::Done)
}

/// The suite that is named, or the one that ships.
pub(super) fn suite_of(args: &SuiteArgs) -> anyhow::Result<Suite> {
    if args.budget_usd.is_some_and(|budget| !(budget.is_finite() && budget >= 0.0)) {
        return Err(Usage("--budget must be 0 or more".to_owned()).into());
    }
    let suite = match &args.suite {
        Some(file) => Suite::read(file, Clock::system().now())?,
        None => Suite::shipped()?,
    };
    Ok(suite.first(args.limit.unwrap_or(usize::MAX)))
}

/// Asks the questions in a library of the suite's own, which is gone afterwards, or in the one that there is.
pub(super) async fn asked(
    config: Config,
    suite: &Suite,
    args: &SuiteArgs,
    judge: Option<&str>,
    output: &Output,
) -> anyhow::Result<AnswersReport> {
    let folder = tempfile::tempdir()?;
    let config = if suite.library == SuiteLibrary::Home { config } else { config.elsewhere(folder.path()) };
    let mut app = open(config).await?;
    let mut judge = judge_of(&app, judge)?;
    limit_costs(&mut app, judge.as_mut(), args.budget_usd).await?;
    let meter = output.meter();
    let tell = |step| meter.tell(step);
    let course = Course::new(&tell);
    fill(&app, suite, &course.counts(Stage::Indexing)).await?;
    Ok(answers(&app, suite, args.mode, judge.as_ref(), &course.counts(Stage::Asking)).await?)
}

/// Who judges answers, where somebody is to: the model of this name, or whoever is configured.
fn judge_of(app: &App, name: Option<&str>) -> anyhow::Result<Option<Agent>> {
    match name.map(str::trim) {
        None => Ok(None),
        Some("") if app.agent.desk.models.is_empty() => Err(Usage(
            "--judge needs a language model, and none is configured: set DEEPSEEK_API_KEY or OPENAI_API_KEY".to_owned(),
        )
        .into()),
        Some("") => Ok(Some(app.agent.clone())),
        Some(name) => Ok(Some(app.agent_with(name).map_err(|why| Usage(format!("--judge {name}: {why}")))?)),
    }
}

/// From now on no more than so much is spent; a dollar where nothing was said and prices are known. Who answers and who judges have it
/// together.
async fn limit_costs(app: &mut App, judge: Option<&mut Agent>, budget_usd: Option<f64>) -> anyhow::Result<()> {
    let now = app.clock.now();
    let spent = app.library.store.spent_in(&month_of(now)).await?;
    let known = |desk: &Desk, seats: &[Seat]| {
        let is_known = |model: &str| desk.prices.cost_usd(model, &Tokens::default(), now).is_some();
        seats.iter().all(|seat| is_known(seat.model.model()))
    };
    let limited = |desk: &Desk, all_known: bool| match budget_usd.or(all_known.then_some(USUAL_BUDGET_USD)) {
        Some(budget) => Some(desk.monthly_usd.map_or(spent + budget, |cap| cap.min(spent + budget))),
        None => desk.monthly_usd,
    };
    let desk = &mut app.agent.desk;
    desk.monthly_usd = limited(desk, known(desk, &desk.models.strong));
    if let Some(judge) = judge {
        let desk = &mut judge.desk;
        let is_known = known(desk, &desk.models.cheap);
        desk.monthly_usd = limited(desk, is_known);
        if desk.monthly_usd.is_some() && !is_known {
            let why = "the price of the judge's model is not known, so that no budget (--budget, llm.monthly_usd) can hold for it; \
                       give its price (llm.prices), or take another judge";
            return Err(Usage(why.to_owned()).into());
        }
    }
    Ok(())
}

fn table(report: &AnswersReport) -> String {
    let mut text = format!("{}: {} questions over {} papers\n\n", report.suite, report.n, report.papers);
    let _ = writeln!(text, "measure                 value    95% interval");
    for (name, value) in report.measures() {
        let value = value.map_or("-".to_owned(), shown);
        let interval = report.intervals.get(name);
        let interval = interval.map_or(String::new(), |[low, high]| format!("{} - {}", shown(*low), shown(*high)));
        let _ = writeln!(text, "{name:<22}  {value:<7}  {interval}");
    }
    if let Some(judged) = &report.judged {
        text.push_str(&judgement(judged));
    }
    let _ = writeln!(text, "\nlatency p50 {:.0} ms, p99 {:.0} ms", report.latency.p50_ms, report.latency.p99_ms);
    if !report.kinds.is_empty() {
        let _ = writeln!(text, "\nkind           n   answered  precision  recall  coverage");
    }
    let or_none = |value: Option<f64>| value.map_or("-".to_owned(), shown);
    for (kind, of) in &report.kinds {
        let name = kind.as_str();
        let [precision, recall, coverage] = [of.citation_precision, of.citation_recall, of.coverage].map(or_none);
        let _ = writeln!(text, "{name:<13}  {:<3} {:<8}  {precision:<9}  {recall:<6}  {coverage}", of.n, of.answered);
    }
    let wrong: Vec<&QuestionReport> = report.questions.iter().filter(|question| !question.is_right()).collect();
    if !wrong.is_empty() {
        let _ = writeln!(text, "\nnot as the suite has it (--json and --html have all):");
    }
    for question in wrong.iter().take(MOST_SHOWN) {
        let _ = writeln!(text, "  {}: {}, {}", question.id, question.question, question.fault());
    }
    if let Some(more) = wrong.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more");
    }
    text
}

fn judgement(judged: &JudgedReport) -> String {
    let cost = judged.cost_usd.map_or("price not known".to_owned(), |cost| format!("${cost:.6}"));
    let mut text = format!("\njudged by {}: {} answers, {cost}", judged.models.join(", "), judged.n);
    if judged.failed > 0 {
        let _ = write!(text, "; {} could not be judged (the log says why)", judged.failed);
    }
    text.push('\n');
    let of =
        [("support", judged.support, judged.support_interval), ("coverage", judged.coverage, judged.coverage_interval)];
    for (name, value, interval) in of {
        let value = value.map_or("-".to_owned(), shown);
        let interval = interval.map_or(String::new(), |[low, high]| format!("{} - {}", shown(low), shown(high)));
        let _ = writeln!(text, "{name:<22}  {value:<7}  {interval}");
    }
    text
}

pub(super) fn shown(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 { format!("{value:.5}") } else { format!("{value:.3}") }
}
