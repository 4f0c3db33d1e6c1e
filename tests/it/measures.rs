//! What measures the program: how good its search is, and how fast.

use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE};
use crate::scripted::{Asks, body, home_of, model, number_of};
use crate::support::{Home, sample};

/// What a command measured of a folder in the BEIR layout.
fn measured(home: &Home, data: &str) -> Value {
    home.run(&["--json", "eval", "retrieval", "--data", data]).exited(0).json()
}

#[test]
fn eval_retrieval_reports_every_mode_of_a_beir_folder() {
    let home = Home::new();
    let data = home.path().join("tiny");
    std::fs::create_dir_all(data.join("qrels")).unwrap();
    let corpus = "{\"_id\": \"cat\", \"title\": \"Cats\", \"text\": \"Cats sleep most of the day.\"}\n\
                  {\"_id\": \"dog\", \"title\": \"Dogs\", \"text\": \"Dogs guard the house at night.\"}\n\
                  {\"_id\": \"sun\", \"title\": \"Stars\", \"text\": \"The sun fuses hydrogen into helium.\"}\n";
    std::fs::write(data.join("corpus.jsonl"), corpus).unwrap();
    std::fs::write(data.join("queries.jsonl"), "{\"_id\": \"1\", \"text\": \"how long do cats sleep\"}\n").unwrap();
    std::fs::write(data.join("qrels/test.tsv"), "query-id\tcorpus-id\tscore\n1\tcat\t1\n").unwrap();
    let report = measured(&home, data.to_str().unwrap());
    assert_eq!((&report["dataset"], &report["queries"], &report["documents"]), (&"tiny".into(), &1.into(), &3.into()));
    for mode in ["lexical", "dense", "hybrid"] {
        let measured = &report["modes"][mode];
        assert_eq!((measured["ndcg@10"].as_f64(), measured["map"].as_f64()), (Some(1.0), Some(1.0)), "{mode}");
        assert!(measured["p99_ms"].as_f64().unwrap() > 0.0);
        assert_eq!(measured["ndcg@10_ci"], json!([1.0, 1.0]));
    }
}

/// What was measured when this was written is 0.933, 0.871 and 0.968; other processors round the model's numbers
/// otherwise.
#[test]
fn on_the_small_set_both_arms_together_beat_either() {
    let report = measured(&Home::new(), &sample("retrieval"));
    assert_eq!((&report["queries"], &report["documents"]), (&json!(58), &json!(78)));
    let [lexical, dense, hybrid] =
        ["lexical", "dense", "hybrid"].map(|mode| report["modes"][mode]["ndcg@10"].as_f64().unwrap());
    assert!(lexical > 0.92 && dense > 0.86 && hybrid > 0.955, "{report}");
    assert!(hybrid > 1.02 * lexical.max(dense), "{report}");
}

#[test]
fn bench_measures_a_library_in_a_server_of_its_own_or_in_one_that_runs() {
    let home = Home::with_samples();
    let queries = home.path().join("queries.txt");
    std::fs::write(&queries, "machine translation\n\n  graph networks  \nsparse experts\n").unwrap();
    let bench = |more: &[&str]| {
        let arguments = [&["--json", "bench", "--clients", "3", "--seconds", "1"], more].concat();
        home.run(&arguments).exited(0).json()
    };
    let alone = bench(&["--queries", queries.to_str().unwrap()]);
    assert_eq!((&alone["papers"], &alone["queries"]), (&json!(78), &json!(3)));
    assert!(alone["start_ms"].as_f64().unwrap() > 0.0, "{alone}");
    assert_eq!((&alone["load"]["clients"], &alone["load"]["errors"]), (&json!(3), &json!(0)));
    assert!(alone["load"]["per_second"].as_f64().unwrap() > 0.0, "{alone}");
    let median = |of: &str| alone[of]["p50_ms"].as_f64().unwrap();
    let ratio = alone["times_the_embedding"].as_f64().unwrap();
    assert!((ratio - median("search") / median("embedding")).abs() < 1e-3, "{alone}");
    home.run(&["stats"]).exited(0);

    let _server = home.serve();
    let served = bench(&[]);
    assert_eq!((&served["papers"], &served["start_ms"]), (&json!(78), &Value::Null), "{served}");
    assert!(served["queries"].as_u64().unwrap() > 500, "made of the library's titles: {served}");
}

#[test]
fn bench_without_anything_to_ask_says_what_to_do() {
    let home = Home::new();
    let empty = home.run(&["bench", "--seconds", "1"]).exited(2);
    assert!(empty.stderr.contains("give some with --queries"), "{}", empty.stderr);
    let missing = home.run(&["bench", "--queries", "/nonexistent/queries.txt"]).exited(1);
    assert!(missing.stderr.contains("cannot read /nonexistent/queries.txt"), "{}", missing.stderr);
}

/// The suite that ships, asked of a home that has a library of its own, of which nothing is touched.
#[test]
fn eval_answers_asks_the_shipped_suite_in_a_library_of_its_own() {
    let home = Home::new();
    let page = home.path().join("report.html");
    let report = home.run(&["--json", "eval", "answers", "--html", page.to_str().unwrap()]).exited(0).json();
    assert_eq!((&report["suite"], &report["n"], &report["papers"]), (&json!("sample"), &json!(25), &json!(78)));
    assert_eq!((&report["quote_fidelity"], &report["cost_usd"]), (&json!(1.0), &json!(0.0)));
    let at_least = |measure: &str, least: f64| {
        let value = report[measure].as_f64().unwrap();
        assert!(value >= least, "{measure} is {value}");
        let interval = &report["intervals"][measure];
        assert!(interval[0].as_f64().unwrap() <= value && value <= interval[1].as_f64().unwrap(), "{interval}");
    };
    // What was measured when this was written is 1.0, 0.59, 0.42, 0.58 and 1.0.
    at_least("citation_precision", 0.95);
    at_least("citation_recall", 0.50);
    at_least("coverage", 0.35);
    at_least("abstention_precision", 0.50);
    at_least("abstention_recall", 0.85);
    let questions = report["questions"].as_array().unwrap();
    assert_eq!(questions.len(), 25);
    for question in questions.iter().filter(|question| question["kind"] == "unanswerable") {
        assert_eq!((&question["answerable"], &question["coverage"]), (&json!(false), &Value::Null));
    }
    assert!(std::fs::read_to_string(&page).unwrap().contains("<h1>Answers to sample</h1>"));
    let stats = home.run(&["--json", "stats"]).exited(0).json();
    assert_eq!(stats["library"]["papers"], json!(0), "the library of the home is as it was: {stats}");
}

#[test]
fn eval_answers_reads_a_suite_of_the_users_own_over_the_library_that_is_there() {
    let home = Home::with_samples();
    let file = home.path().join("mine.json");
    let suite = json!({"name": "mine", "questions": [
        {"id": "bleu", "question": "Which BLEU score does the Transformer reach on WMT 2014 English-German?",
         "answered_by": ["arxiv:1706.03762"], "points": [["28.4"]]},
        {"id": "mosquitoes", "question": "How do mosquitoes transmit malaria?", "answered_by": []},
    ]});
    std::fs::write(&file, suite.to_string()).unwrap();
    let report = home.run(&["--json", "eval", "answers", "--suite", file.to_str().unwrap()]).exited(0).json();
    for measure in ["citation_precision", "citation_recall", "coverage", "abstention_precision", "abstention_recall"] {
        assert_eq!(report[measure], json!(1.0), "{measure}: {report}");
    }
    assert_eq!(report["questions"][0]["cited"], json!(["arxiv:1706.03762"]));
    let told = home.run(&["eval", "answers", "--suite", file.to_str().unwrap(), "--limit", "1"]).exited(0).stdout;
    assert!(
        told.contains("mine: 1 questions over 78 papers") && told.contains("citation_precision      1.000"),
        "{told}"
    );

    std::fs::write(&file, suite.to_string().replace("1706.03762", "1706.99999")).unwrap();
    let missing = home.run(&["eval", "answers", "--suite", file.to_str().unwrap()]).exited(1);
    assert!(missing.stderr.contains("`arxiv:1706.99999`, which is not in the library"), "{}", missing.stderr);
    let none = home.run(&["eval", "answers", "--suite", "/nonexistent.json"]).exited(1);
    assert!(none.stderr.contains("cannot read /nonexistent.json"), "{}", none.stderr);
    home.run(&["eval", "answers", "--budget", "-1"]).exited(2);
}

/// Questions of the shared sets that these numbers were not chosen on would move them; a change of the chooser that makes it worse
/// does too. What was measured of all is in docs/ANSWERS.md.
#[test]
fn on_pubmedqa_quoting_cites_the_right_papers_and_abstains_where_it_should() {
    let Some(data) = crate::replay_scholar::shared("qa").map(|folder| folder.join("pubmedqa.json")) else { return };
    let report = Home::new().run(&["--json", "eval", "answers", "--suite", data.to_str().unwrap(), "--limit", "120"]);
    let report = report.exited(0).json();
    assert_eq!((&report["n"], &report["papers"], &report["quote_fidelity"]), (&json!(120), &json!(404), &json!(1.0)));
    for (measure, least) in [
        ("citation_precision", 0.94),
        ("citation_recall", 0.90),
        ("abstention_precision", 0.65),
        ("abstention_recall", 0.80),
    ] {
        let value = report[measure].as_f64().unwrap();
        assert!(value >= least, "{measure} is {value}");
    }
}

#[test]
fn a_judge_is_asked_about_each_answer_and_reported_beside_what_is_measured() {
    let provider = model(|step, asked| {
        let text = body(asked)["messages"][1]["content"].as_str().unwrap().to_owned();
        let said = match step {
            Asks::Draft => format!("{TRUE} [{}].", number_of(asked, "Attention Is All You Need")),
            Asks::Appraise if text.contains("28.4") && text.contains("1. so many BLEU") => {
                assert!(text.contains(&format!("Question: {QUESTION}")), "{text}");
                assert!(text.contains(&format!("1. {TRUE}. [1]\n   [1] \"")), "{text}");
                "{\"supported\": [true], \"made\": [true, false]}".to_owned()
            }
            // One word too few for its points.
            _ => "{\"supported\": [true], \"made\": []}".to_owned(),
        };
        (200, said)
    });
    let home = home_of(&provider);
    let suite = home.path().join("suite.json");
    let question = |id: &str, points: Value| json!({"id": id, "question": QUESTION, "kind": "fact", "answered_by": ["arXiv:1706.03762"], "points": points});
    let questions = [
        question("judged", json!([["so many BLEU"], ["28.4 BLEU"]])),
        question("not usable", json!([["trained on eight GPUs"]])),
    ];
    std::fs::write(&suite, json!({"name": "own", "questions": questions}).to_string()).unwrap();
    let run = |more: &[&str]| {
        let arguments = [&["--json", "eval", "answers", "--mode", "chat", "--suite", suite.to_str().unwrap()], more];
        home.run(&arguments.concat()).exited(0).json()
    };
    let report = run(&["--judge"]);
    let judged = &report["judged"];
    assert_eq!(
        (&judged["models"], &judged["n"], &judged["failed"]),
        (&json!(["deepseek-flash"]), &json!(1), &json!(1))
    );
    assert_eq!((&judged["support"], &judged["coverage"]), (&json!(1.0), &json!(0.5)));
    let of = |at: usize| report["questions"][at]["judged"].clone();
    assert_eq!((&of(0)["supported"], &of(0)["made"], &of(0)["points"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!((&of(1)["supported"], &of(1)["made"], &of(1)["points"]), (&Value::Null, &Value::Null, &json!(1)));
    // What is measured is what it is without a judge; its calls are in the ledger.
    let alone = run(&[]);
    assert_eq!(alone["judged"], Value::Null);
    for measure in ["citation_precision", "citation_recall", "quote_fidelity", "coverage"] {
        assert_eq!(alone[measure], report[measure], "{measure}");
    }
    let usage = home.run(&["--json", "stats"]).exited(0).json()["usage"].clone();
    assert!(usage.to_string().contains("\"step\":\"appraise\",\"calls\":2,\"failed\":0"), "{usage}");
    let of_both: f64 = [0, 1].iter().map(|at| of(*at)["cost_usd"].as_f64().unwrap()).sum();
    assert!(of_both > 0.0 && (judged["cost_usd"].as_f64().unwrap() - of_both).abs() < 1e-12, "{judged}");
}

#[test]
fn a_judge_needs_a_model() {
    let home = Home::with_samples();
    let ran = home.run(&["eval", "answers", "--judge"]).exited(2);
    assert!(ran.stderr.contains("--judge needs a language model"), "{}", ran.stderr);
    let ran = home.run(&["eval", "answers", "--judge=nobody:x"]).exited(2);
    assert!(ran.stderr.contains("--judge nobody:x: it must be deepseek:NAME or openai:NAME"), "{}", ran.stderr);
}
