//! Answers in other forms than prose: papers in a table, and a review in sections.

use serde_json::{Value, json};

use crate::scripted::{Asks, body, home_of, model, number_of, steps};
use crate::support::{Home, events};

const COMPARISON: &str = "How do layer normalization and batch normalization compare?";
const LAYER: &str = "Layer Normalization";
const BATCH: &str = "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift";

/// The characters `start..end`.
fn slice(text: &str, place: &Value) -> String {
    let (start, end) = (place["start"].as_u64().unwrap() as usize, place["end"].as_u64().unwrap() as usize);
    text.chars().skip(start).take(end - start).collect()
}

fn told(seen: &[(u64, String, Value)]) -> String {
    let tokens = seen.iter().filter(|(_, kind, _)| kind == "token");
    tokens.map(|(.., data)| data["text"].as_str().unwrap()).collect()
}

#[test]
fn papers_are_compared_in_a_table_of_which_each_cell_is_checked() {
    let provider = model(|asks, asked| match asks {
        Asks::Plan => {
            (200, json!({"queries": ["layer normalization"], "aspects": ["statistics", "limits"]}).to_string())
        }
        _ => {
            let (layer, batch) = (number_of(asked, LAYER), number_of(asked, BATCH));
            let rows = json!([
                {"n": layer, "cells": ["computes the mean and variance over all summed inputs to the neurons of one layer", "cures migraine in 1850"]},
                {"n": batch, "cells": ["normalised with mini-batch statistics | and [77] more", null]},
                {"n": 99, "cells": ["a paper that nobody offered"]},
            ]);
            (200, json!({"rows": rows}).to_string())
        }
    });
    let home = home_of(&provider);
    let server = home.serve();
    let ids = json!(["arxiv:1607.06450", "1502.03167"]);
    let asked = json!({"question": COMPARISON, "mode": "compare", "papers": ids, "stream": true});
    let seen = events(&server.post("/v1/answers", &asked).body);
    let answer = &seen.last().unwrap().2;
    assert_eq!((&answer["status"], &answer["model"]), (&"answered".into(), &"deepseek-flash".into()), "{answer}");
    let table = &answer["table"];
    assert_eq!(table["columns"], json!(["statistics", "limits"]));
    let rows = table["rows"].as_array().unwrap();
    let titles: Vec<&str> = rows.iter().map(|row| row["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), 2);
    assert!(titles.contains(&LAYER) && titles.contains(&BATCH), "{titles:?}");
    let text = answer["text"].as_str().unwrap();
    let row = |title: &str| rows.iter().find(|row| row["title"] == title).unwrap();
    let filled = &row(LAYER)["cells"][0];
    assert_eq!(slice(text, filled), filled["text"].as_str().unwrap());
    assert!(filled["text"].as_str().unwrap().starts_with("computes the mean and variance over all"), "{filled}");
    assert_eq!((&row(LAYER)["cells"][1], &row(BATCH)["cells"]), (&Value::Null, &json!([null, null])));
    assert_eq!(answer["removed"].as_array().unwrap().len(), 2, "{}", answer["removed"]);
    assert!(text.starts_with("| paper | statistics | limits |\n|---|---|---|\n| "), "{text}");
    assert_eq!(text.lines().count(), 4);
    assert!(text.lines().all(|line| line.matches('|').count() == 4), "{text}");
    assert_eq!(told(&seen), text);
    for citation in answer["citations"].as_array().unwrap() {
        let paper = server.get(&format!("/v1/papers/{}", citation["paper_id"].as_str().unwrap())).json();
        assert_eq!(slice(paper["abstract"].as_str().unwrap(), citation), citation["quote"].as_str().unwrap());
    }
    assert_eq!(steps(&provider), [Asks::Plan, Asks::Draft]);
}

#[test]
fn without_a_model_the_cells_are_the_papers_own_sentences() {
    let home = Home::with_samples();
    let arguments =
        ["--json", "ask", COMPARISON, "--mode", "compare", "--paper", "1607.06450", "--paper", "1502.03167"];
    let answer = home.run(&[&arguments[..], &["--aspect", "statistics"]].concat()).exited(0).json();
    assert_eq!((&answer["route"], &answer["usage"]["cost_usd"]), (&"quote".into(), &0.0.into()));
    let rows = answer["table"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let n = &row["cells"][0]["citations"][0];
        let citations = answer["citations"].as_array().unwrap();
        let citation = citations.iter().find(|citation| citation["n"] == *n).unwrap();
        assert_eq!(citation["paper_id"], row["paper_id"], "a row cites its own paper");
        assert!(row["cells"][0]["text"].as_str().unwrap().starts_with(citation["quote"].as_str().unwrap()));
    }
    let shown = home.run(&["ask", COMPARISON, "--mode", "compare", "--aspect", "statistics"]).exited(0).stdout;
    assert!(shown.starts_with("| paper | statistics |\n|---|---|\n| "), "{shown}");
    for (arguments, told) in [
        (vec!["--paper", "nobody-knows"], "nobody-knows"),
        (vec!["--aspect", " "], "aspects"),
        (vec!["--budget=-1"], "--budget"),
        (vec!["--after", "nobody"], "nobody"),
    ] {
        let ran = home.run(&[&["ask", COMPARISON][..], &arguments].concat()).exited(2);
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}

#[test]
fn a_review_has_sections_and_no_heading_without_a_sentence_that_holds() {
    let provider = model(|asks, asked| match asks {
        Asks::Plan => (200, json!({"queries": ["layer normalization", "batch normalization"]}).to_string()),
        Asks::Repair => (200, "{}".to_owned()),
        _ => {
            let (layer, batch) = (number_of(asked, LAYER), number_of(asked, BATCH));
            (
                200,
                format!(
                    "## Statistics of a batch\n\nBatch normalization keeps the mean and variance of layer inputs stable [{batch}].\n\n\
                ## Cures for 1850 ills\n\nAspirin cures migraine [{layer}].\n\n## One case at a time\nLayer normalization computes its \
                statistics from all units of a layer for one case [{layer}]."
                ),
            )
        }
    });
    let home = home_of(&provider);
    let asked = json!({"question": COMPARISON, "mode": "review", "stream": true});
    let seen = events(&home.serve().post("/v1/answers", &asked).body);
    let answer = &seen.last().unwrap().2;
    let text = answer["text"].as_str().unwrap();
    let sections = answer["sections"].as_array().unwrap();
    let titles: Vec<&str> = sections.iter().map(|section| section["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Statistics of a batch", "One case at a time"], "{text}");
    for section in sections {
        assert!(slice(text, section).starts_with(&format!("## {}\n\n", section["title"].as_str().unwrap())), "{text}");
    }
    assert_eq!(told(&seen), text);
    assert_eq!(answer["removed"].as_array().unwrap().len(), 1);
    let drafted = body(&provider.asked()[1])["messages"][0]["content"].as_str().unwrap().to_owned();
    assert!(drafted.starts_with("You write a short literature review"), "{drafted}");
}

#[test]
fn a_review_without_a_model_quotes_under_what_was_searched_for() {
    let home = Home::with_samples();
    let answer = home.run(&["--json", "ask", COMPARISON, "--mode", "review"]).exited(0).json();
    let titles: Vec<&str> =
        answer["sections"].as_array().unwrap().iter().map(|section| section["title"].as_str().unwrap()).collect();
    assert_eq!((&answer["route"], titles.is_empty()), (&"quote".into(), false), "{answer}");
}

#[test]
fn what_is_repaired_in_a_review_stands_under_its_own_heading() {
    let provider = model(|asks, asked| match asks {
        Asks::Plan => (200, json!({"queries": ["layer normalization", "batch normalization"]}).to_string()),
        Asks::Entailment => {
            let sentences = body(asked)["messages"][2]["content"].as_str().unwrap().lines().count() - 1;
            (200, json!({"follows": vec![true; sentences]}).to_string())
        }
        Asks::Repair => {
            let layer = number_of(asked, LAYER);
            let first = format!(
                "Layer normalization computes its statistics from all units of a layer for one case [{layer}]."
            );
            let second = format!(
                "Batch normalization keeps the mean and variance of layer inputs stable [{}].",
                number_of(asked, BATCH)
            );
            (200, json!({"sentences": [first, second]}).to_string())
        }
        _ => {
            let (layer, batch) = (number_of(asked, LAYER), number_of(asked, BATCH));
            (
                200,
                format!(
                    "Everything is normal in 1850 [{layer}].\n\n## Statistics of a batch\n\nBatches cure migraine [{batch}]. \
                     Batch normalization keeps the mean and variance of layer inputs stable [{batch}].\n\n\
                     ## One case\n\nLayer normalization computes its statistics from all units of a layer [{layer}]."
                ),
            )
        }
    });
    let home = home_of(&provider);
    let asked = json!({"question": COMPARISON, "mode": "review", "stream": true});
    let headings = |answer: &Value| -> Vec<String> {
        let sections = answer["sections"].as_array().unwrap().iter();
        sections.map(|section| section["title"].as_str().unwrap().to_owned()).collect()
    };
    let seen = events(&home.serve().post("/v1/answers", &asked).body);
    let answer = &seen.last().unwrap().2;
    assert_eq!(
        headings(answer),
        ["Statistics of a batch", "One case", "Further findings", "Statistics of a batch"],
        "{answer}"
    );
    assert_eq!(told(&seen), answer["text"].as_str().unwrap());
    // Where nothing was told before, each sentence stands where it was drafted.
    let home = home.set("LECTERN__AGENT__ENTAILMENT", "model").set("LECTERN__AGENT__CACHE", "false");
    let seen = events(&home.serve().post("/v1/answers", &asked).body);
    let answer = &seen.last().unwrap().2;
    assert_eq!(headings(answer), ["Statistics of a batch", "One case"], "{answer}");
    let text = answer["text"].as_str().unwrap();
    assert!(
        text.starts_with("Layer normalization computes its statistics from all units of a layer for one case"),
        "{text}"
    );
    assert_eq!(told(&seen), text);
}
