use super::*;
use crate::agent::answer::Route;
use crate::eval::suite::Kind;

/// A question that is answered by so many papers, of which so many are cited, with others beside them.
fn asked(id: &str, (right, of, others): (usize, usize, usize), status: Status) -> QuestionReport {
    QuestionReport {
        id: id.into(),
        kind: Some(if of == 0 { Kind::Unanswerable } else { Kind::Fact }),
        question: "Is <this> \"safe\" & sound?".into(),
        answerable: of > 0,
        status,
        route: Route::Quote,
        model: "quote".into(),
        answered_by: (0..of).map(|at| format!("pmid:{}", at + 1)).collect(),
        cited: (0..right + others).map(|at| at.to_string()).collect(),
        cited_right: right,
        quotes: right + others,
        true_quotes: right + others,
        coverage: (of > 0).then_some(if right > 0 { 0.5 } else { 0.0 }),
        missed: Vec::new(),
        claims: right + others,
        removed: 0,
        prompt_tokens: 0,
        completion_tokens: 0,
        cost_usd: Some(0.002),
        baseline_cost_usd: Some(0.01),
        latency_ms: 10.0,
        text: "It is <b>so</b>. [1]".into(),
        answer_id: id.into(),
        judged: None,
    }
}

fn report() -> AnswersReport {
    let (answered, abstained) = (Status::Answered, Status::Abstained);
    let questions = vec![
        asked("all of five", (3, 5, 0), answered),
        asked("half", (1, 2, 1), answered),
        asked("missed", (0, 1, 0), abstained),
        asked("rightly not", (0, 0, 0), abstained),
        asked("wrongly answered", (0, 0, 2), answered),
        asked("failed", (0, 0, 0), Status::Failed),
    ];
    AnswersReport::of("made up".into(), 9, questions)
}

#[test]
fn the_measures_are_those_reckoned_by_hand() {
    let report = report();
    let close = |value: Option<f64>, expected: f64| {
        assert!((value.unwrap() - expected).abs() < 1e-4, "{value:?} is not {expected}");
    };
    // Of the answered ones that have an answer: 3 of 3, and 1 of 2.
    close(report.citation_precision, 0.75);
    // 3 of the 3 that can be cited, 1 of 2, and none.
    close(report.citation_recall, 0.5);
    close(report.quote_fidelity, 1.0);
    close(report.coverage, (0.5 + 0.5 + 0.0) / 3.0);
    close(report.abstention_precision, 0.5);
    close(report.abstention_recall, 1.0 / 3.0);
    close(report.cost_usd, 0.012);
    close(report.baseline_cost_usd, 0.06);
    assert_eq!((report.n, report.papers, report.latency.p99_ms), (6, 9, 10.0));
    let [low, high] = report.intervals["citation_recall"];
    assert!(low < 0.5 && high > 0.5 && report.intervals["quote_fidelity"] == [1.0, 1.0], "{:?}", report.intervals);
    assert_eq!((report.kinds[&Kind::Fact].n, report.kinds[&Kind::Fact].answered), (3, 2));
    let right: Vec<&str> = report.questions.iter().filter(|q| q.is_right()).map(|q| q.id.as_str()).collect();
    assert_eq!(right, ["all of five", "rightly not"]);
}

#[test]
fn what_cannot_be_measured_is_none_and_a_price_that_is_not_known_makes_no_sum() {
    let unknown = QuestionReport { cost_usd: None, ..asked("a", (0, 0, 0), Status::Abstained) };
    let report = AnswersReport::of("one".into(), 0, vec![unknown, asked("b", (0, 0, 0), Status::Abstained)]);
    assert_eq!((report.citation_precision, report.citation_recall, report.quote_fidelity), (None, None, None));
    assert_eq!((report.coverage, report.cost_usd, report.abstention_precision), (None, None, Some(1.0)));
    assert!(!report.intervals.contains_key("coverage"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_shows_text_as_text() {
    let page = page(&report());
    assert!(page.starts_with("<!doctype html>") && page.contains("Is &lt;this&gt; &quot;safe&quot; &amp; sound?"));
    assert!(page.contains("It is &lt;b&gt;so&lt;/b&gt;. [1]") && !page.contains("<b>so"));
    assert!(!page.contains("http") && !page.contains("<script") && !page.contains("src="), "nothing is fetched");
    assert_eq!(page.matches("<details").count(), 6);
    assert!(
        page.matches("class=\"interval\"").count() == 6 && page.contains("0.750"),
        "six shares, each with its interval"
    );
}

#[test]
fn a_report_is_read_back_as_it_was_written() {
    let written = serde_json::to_string(&report()).unwrap();
    assert_eq!(serde_json::from_str::<AnswersReport>(&written).unwrap(), report());
}
