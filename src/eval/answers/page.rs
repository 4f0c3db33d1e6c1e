//! A report as a page of its own: one file, nothing from elsewhere, its plots in SVG.

use std::fmt::Write;

use super::{AnswersReport, QuestionReport};

const STYLE: &str = include_str!("page.css");
/// The plots' widths and heights, in pixels of their own.
const WIDTH: f64 = 640.0;
const ROW: f64 = 28.0;
const LABEL: f64 = 190.0;
const BINS: usize = 24;

/// The page.
#[must_use]
pub fn page(report: &AnswersReport) -> String {
    let title = format!("Answers to {}", escaped(&report.suite));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <p>{} questions over {} papers.</p>\n",
        report.n, report.papers
    );
    html.push_str("<h2>Measures</h2>\n<p>A bar is the mean; the line across its end is the 95% interval.</p>\n");
    html.push_str(&measures(report));
    if let Some(judged) = &report.judged {
        let or_none = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
        let _ = writeln!(
            html,
            "<h2>What a model thinks of it ({})</h2>\n<p>Of {} answers, {} more could not be judged: sentences that their quotations bear out {}, points made {}.</p>",
            escaped(&judged.models.join(", ")),
            judged.n,
            judged.failed,
            or_none(judged.support),
            or_none(judged.coverage)
        );
    }
    html.push_str("<h2>How long an answer took</h2>\n");
    html.push_str(&latencies(report));
    if !report.kinds.is_empty() {
        html.push_str("<h2>By kind of question</h2>\n");
        html.push_str(&kinds(report));
    }
    html.push_str("<h2>Questions</h2>\n");
    for question in &report.questions {
        html.push_str(&of_question(question));
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// Text as it stands in an element or an attribute in double quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

/// The measures that are shares, a bar each.
fn measures(report: &AnswersReport) -> String {
    let shares: Vec<_> =
        report.measures().into_iter().filter(|(name, _)| !matches!(*name, "cost_usd" | "latency_ms")).collect();
    let height = ROW * shares.len() as f64 + 24.0;
    let at = |value: f64| LABEL + value.clamp(0.0, 1.0) * (WIDTH - LABEL - 60.0);
    let mut svg = opened("The measures as bars from 0 to 1", height);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = at(tick);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{:.1}\"/>", height - 20.0);
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
            height - 5.0
        );
    }
    for (row, (name, value)) in (0..).zip(shares) {
        let y = f64::from(row) * ROW;
        let middle = y + ROW / 2.0;
        let label = name.replace('_', " ");
        let _ = write!(svg, "<text x=\"0\" y=\"{:.1}\">{label}</text>", middle + 4.0);
        let Some(value) = value else {
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">nothing to measure</text>",
                LABEL + 4.0,
                middle + 4.0
            );
            continue;
        };
        let (x, bar) = (at(0.0), at(value) - at(0.0));
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{:.1}\"/>",
            y + 5.0,
            ROW - 10.0
        );
        if let Some([low, high]) = report.intervals.get(name) {
            let (low, high) = (at(*low), at(*high));
            let _ = write!(
                svg,
                "<line class=\"interval\" x1=\"{low:.1}\" y1=\"{middle:.1}\" x2=\"{high:.1}\" y2=\"{middle:.1}\"/>"
            );
        }
        let _ = write!(
            svg,
            "<text class=\"value\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{value:.3}</text>",
            middle + 4.0
        );
    }
    svg + "</svg>\n"
}

/// How many answers took how long, as columns.
fn latencies(report: &AnswersReport) -> String {
    let most = report.questions.iter().map(|question| question.latency_ms).fold(1.0, f64::max);
    let mut counts = [0_u32; BINS];
    for question in &report.questions {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the bins")]
        let bin = ((question.latency_ms / most * BINS as f64) as usize).min(BINS - 1);
        counts.get_mut(bin).into_iter().for_each(|count| *count += 1);
    }
    let tallest = f64::from(counts.iter().copied().max().unwrap_or(1).max(1));
    let (height, width) = (140.0, WIDTH / BINS as f64);
    let mut svg = opened("How many answers took how long", height + 20.0);
    for (bin, count) in (0..).zip(counts) {
        let tall = f64::from(count) / tallest * height;
        let (x, y) = (f64::from(bin) * width, height - tall);
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"><title>{count}</title></rect>",
            x + 1.0,
            width - 2.0
        );
    }
    let _ = write!(svg, "<text class=\"tick\" x=\"0\" y=\"{:.1}\">0 ms</text>", height + 15.0);
    let _ = write!(
        svg,
        "<text class=\"tick\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{most:.0} ms</text>",
        height + 15.0
    );
    let times = report.latency;
    svg + &format!(
        "</svg>\n<p>Half of them took at most {:.0} ms, 99 of 100 at most {:.0} ms.</p>\n",
        times.p50_ms, times.p99_ms
    )
}

fn opened(told: &str, height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{told}\">")
}

fn kinds(report: &AnswersReport) -> String {
    let mut html = String::from(
        "<table>\n<tr><th>kind</th><th>n</th><th>answered</th><th>precision</th><th>recall</th><th>coverage</th></tr>\n",
    );
    let or_none = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    for (kind, of) in &report.kinds {
        let [precision, recall, coverage] = [of.citation_precision, of.citation_recall, of.coverage].map(or_none);
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{precision}</td><td>{recall}</td><td>{coverage}</td></tr>",
            kind.as_str(),
            of.n,
            of.answered
        );
    }
    html + "</table>\n"
}

fn of_question(question: &QuestionReport) -> String {
    let (class, fault) = if question.is_right() { ("right", String::new()) } else { ("wrong", question.fault()) };
    let mut html = format!("<details class=\"{class}\"><summary>{}", escaped(&question.question));
    if !fault.is_empty() {
        let _ = write!(html, " <em>{fault}</em>");
    }
    let _ = write!(html, "</summary>\n<pre>{}</pre>\n<dl>", escaped(&question.text));
    let listed = |all: &[String]| if all.is_empty() { "none".to_owned() } else { escaped(&all.join(", ")) };
    let cost = question.cost_usd.map_or("not known".to_owned(), |cost| format!("${cost:.6}"));
    let rows = [
        ("id", escaped(&question.id)),
        ("answered by", listed(&question.answered_by)),
        ("cited", listed(&question.cited)),
        ("not said", listed(&question.missed)),
        ("model", escaped(&question.model)),
        ("cost", cost),
        ("took", format!("{:.0} ms", question.latency_ms)),
    ];
    for (name, value) in rows {
        let _ = write!(html, "<dt>{name}</dt><dd>{value}</dd>");
    }
    html + "</dl></details>\n"
}
