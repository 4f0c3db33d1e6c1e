//! What is tried out on answers, and what readers think of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE};
use crate::scripted::{Asks, body, home_of, model, number_of};
use crate::support::{Home, Server};

const TWO_ARMS: &str = "[experiments.tone]\nunits_per_arm = 10\narms.control = {}\n\
                        arms.physicians = { set = { agent.instructions = \"Write for physicians.\" } }\n";

fn ask(server: &Server, question: &str, user: &str) -> Value {
    server.post("/v1/answers", &json!({"question": question, "user": user})).json()
}

#[test]
fn whoever_asks_keeps_the_arm_whose_settings_make_the_answer_and_what_comes_of_it_is_reported() {
    let provider = model(|asks, asked| match asks {
        Asks::Draft => (200, format!("{TRUE} [{}].", number_of(asked, "Attention Is All You Need"))),
        _ => (200, "{}".to_owned()),
    });
    let home = home_of(&provider);
    std::fs::write(home.path().join("lectern.toml"), TWO_ARMS).unwrap();
    let server = home.serve();
    let mut arms: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for user in 0..12 {
        let user = format!("reader {user}");
        let before = provider.asked().len();
        let answer = ask(&server, QUESTION, &user);
        let arm = answer["experiment"].as_str().unwrap().to_owned();
        assert_eq!(ask(&server, "What is attention?", &user)["experiment"], arm.as_str(), "kept");
        // One that is given once more asks nobody.
        if let Some(asked) = provider.asked().get(before) {
            let told = body(asked)["messages"][1]["content"] == "Write for physicians.";
            assert_eq!(told, arm == "tone/physicians", "{arm}");
        }
        arms.entry(arm).or_default().push((user, answer["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(arms.keys().collect::<Vec<_>>(), ["tone/control", "tone/physicians"]);
    for (arm, asked) in &arms {
        for (user, id) in asked {
            let rating = if arm == "tone/physicians" { "up" } else { "down" };
            let said = json!({"rating": rating, "user": user});
            assert_eq!(server.post(&format!("/v1/answers/{id}/feedback"), &said).status, 201);
        }
    }
    let report = server.get("/v1/experiments").json();
    let of = &report["experiments"][0];
    assert_eq!((&of["name"], &of["metric"], &of["units_per_arm"]), (&json!("tone"), &json!("helpful"), &json!(10)));
    for (place, arm) in ["tone/control", "tone/physicians"].iter().enumerate() {
        let users = arms[*arm].len();
        assert_eq!((&of["arms"][place]["units"], &of["arms"][place]["answers"]), (&json!(users), &json!(2 * users)));
    }
    let first = &of["comparisons"][0];
    assert_eq!(
        (&first["arm"], &first["metric"], &first["effect"]),
        (&json!("physicians"), &json!("helpful"), &json!(1.0))
    );
    let answered = of["comparisons"].as_array().unwrap().iter().find(|c| c["metric"] == "answered").unwrap();
    assert_eq!(answered["control"]["observations"], json!(2 * arms["tone/control"].len()));
    let text = home.run(&["experiments", "report"]).exited(0).stdout;
    assert!(text.contains("tone: decided by helpful, 10 units an arm") && text.contains("1.0000"), "{text}");
    drop(server);
    assert_eq!(home.run(&["experiments", "report", "tone"]).exited(0).stdout, text, "the same without a server");
    let none = home.run(&["experiments", "report", "other"]).exited(2);
    assert!(none.stderr.contains("there is no experiment `other`"), "{}", none.stderr);
}

#[test]
fn an_answer_given_by_a_command_is_in_an_arm_too_and_without_experiments_in_none() {
    let home = Home::with_samples();
    let plain = home.run(&["--json", "ask", QUESTION]).exited(0).json();
    assert_eq!(plain["experiment"], Value::Null);
    std::fs::write(home.path().join("lectern.toml"), TWO_ARMS).unwrap();
    let arm = home.run(&["--json", "ask", QUESTION, "--user", "ann"]).exited(0).json()["experiment"].clone();
    assert!(arm.as_str().unwrap().starts_with("tone/"), "{arm}");
    assert_eq!(home.run(&["--json", "ask", "What is LoRA?", "--user", "ann"]).json()["experiment"], arm);
    let shown = home.run(&["config", "show"]).exited(0).stdout;
    assert!(shown.contains("experiments.tone.arms.physicians.set.agent.instructions"), "{shown}");
}

#[test]
fn a_thousand_simulated_experiments_call_what_is_there_and_hardly_ever_what_is_not() {
    let home = Home::new();
    let called = |control: &str, treated: &str| {
        let run = home.run(&["--json", "experiments", "simulate", "--control", control, "--treated", treated]);
        run.exited(0).json()["called"].as_u64().unwrap()
    };
    assert!(called("0.7", "0.7") <= 50 && called("0.5", "0.5") <= 50);
    assert!(called("0.7", "0.8") >= 800 && called("0.5", "0.6") >= 800);
    home.run(&["experiments", "simulate", "--control", "1.5"]).exited(2);
    home.run(&["experiments", "simulate", "--units", "1"]).exited(2);
}

#[test]
fn what_readers_think_is_kept_with_the_answer_and_becomes_a_suite() {
    let home = Home::with_samples();
    let server = home.serve();
    let answered = ask(&server, QUESTION, "");
    let abstained = ask(&server, "How do mosquitoes transmit malaria?", "");
    let id = answered["id"].as_str().unwrap();
    let place = format!("/v1/answers/{id}/feedback");
    assert_eq!(server.get(&place).json(), json!({"feedback": []}));
    let down = server.post(&place, &json!({"rating": "down", "user": "ann", "comment": " not yet "}));
    assert_eq!((down.status, &down.json()["comment"]), (201, &json!("not yet")));
    assert_eq!(server.post(&place, &json!({"rating": "up", "user": "ann"})).status, 201);
    assert_eq!(server.post(&place, &json!({"rating": "up", "claim": 0})).status, 201);
    let kept = server.get(&place).json();
    let seen: Vec<(&Value, &Value, &Value, &Value)> = kept["feedback"]
        .as_array()
        .unwrap()
        .iter()
        .map(|said| (&said["claim"], &said["user"], &said["helpful"], &said["comment"]))
        .collect();
    let (null, yes) = (Value::Null, json!(true));
    assert_eq!(seen, [(&null, &json!("ann"), &yes, &null), (&json!(0), &json!(""), &yes, &null)], "replaced");
    for (wrong, told) in [
        (json!({"rating": "sideways"}), "sideways"),
        (json!({"rating": "up", "claim": 99}), "`claim` is 99"),
        (json!({"rating": "up", "comment": "x".repeat(2_001)}), "2000 characters at most"),
        (json!({"rating": "up", "user": "x".repeat(201)}), "200 characters at most"),
        (json!({"rating": "up", "more": 1}), "more"),
    ] {
        let refused = server.post(&place, &wrong);
        assert!(refused.status == 400 && refused.body.contains(told), "{refused:?}");
    }
    assert_eq!(server.post("/v1/answers/nowhere/feedback", &json!({"rating": "up"})).status, 404);
    let other = format!("/v1/answers/{}/feedback", abstained["id"].as_str().unwrap());
    assert_eq!(server.post(&other, &json!({"rating": "up"})).status, 201);

    let suite = home.run(&["feedback", "export"]).exited(0).stdout;
    let exported: Value = serde_json::from_str(&suite).unwrap();
    let questions = exported["questions"].as_array().unwrap();
    assert_eq!((&questions[0]["question"], &questions[1]["kind"]), (&json!(QUESTION), &json!("unanswerable")));
    assert_eq!(questions[0]["answered_by"][0], answered["citations"][0]["paper_id"]);
    drop(server);
    let file = home.path().join("feedback.json");
    std::fs::write(&file, &suite).unwrap();
    let report = home.run(&["--json", "eval", "answers", "--suite", file.to_str().unwrap()]).exited(0).json();
    for measure in ["citation_precision", "citation_recall", "coverage", "abstention_precision", "abstention_recall"] {
        assert_eq!(report[measure], json!(1.0), "{measure}: {report}");
    }
    assert_eq!(home.run(&["feedback", "export"]).exited(0).stdout, suite, "the same without a server");
}

#[test]
fn two_reports_or_two_arms_are_compared_question_by_question() {
    let home = Home::with_samples();
    std::fs::write(
        home.path().join("lectern.toml"),
        TWO_ARMS.replace("agent.instructions = \"Write for physicians.\"", "agent.rounds = 1"),
    )
    .unwrap();
    let arms =
        home.run(&["--json", "eval", "compare", "tone/control", "tone/physicians", "--limit", "6"]).exited(0).json();
    assert_eq!((&arms["n"], &arms["a"], &arms["left_out"]), (&json!(6), &json!("tone/control"), &json!(0)));
    let of = |compared: &Value, name: &str| {
        compared["measures"].as_array().unwrap().iter().find(|measure| measure["name"] == name).unwrap().clone()
    };
    assert_eq!(of(&arms, "quote_fidelity")["difference"], json!(0.0));

    let report = home.run(&["--json", "eval", "answers", "--limit", "12"]).exited(0).stdout;
    let (good, bad) = (home.path().join("good.json"), home.path().join("bad.json"));
    std::fs::write(&good, &report).unwrap();
    let mut worse: Value = serde_json::from_str(&report).unwrap();
    for question in worse["questions"].as_array_mut().unwrap() {
        (question["status"], question["cited_right"], question["coverage"]) =
            (json!("abstained"), json!(0), json!(0.0));
        question["cited"] = json!([]);
    }
    std::fs::write(&bad, worse.to_string()).unwrap();
    let told = |a: &std::path::Path, b: &std::path::Path| {
        home.run(&["--json", "eval", "compare", a.to_str().unwrap(), b.to_str().unwrap()]).exited(0).json()
    };
    let (worse, same) = (of(&told(&good, &bad), "citation_recall"), of(&told(&good, &good), "citation_recall"));
    assert_eq!((&worse["b"], &worse["differs"]), (&json!(0.0), &json!(true)));
    assert!(worse["interval"][1].as_f64().unwrap() < 0.0, "{worse}");
    assert_eq!(
        (&same["difference"], &same["differs"], &same["interval"]),
        (&json!(0.0), &json!(false), &json!([0.0, 0.0]))
    );
    let text = home.run(&["eval", "compare", good.to_str().unwrap(), bad.to_str().unwrap()]).exited(0).stdout;
    assert!(text.contains("citation_recall") && text.contains("differs"), "{text}");
    let neither = home.run(&["eval", "compare", good.to_str().unwrap(), "tone/nobody"]).exited(2);
    assert!(neither.stderr.contains("`tone/nobody` is neither a report"), "{}", neither.stderr);
}
