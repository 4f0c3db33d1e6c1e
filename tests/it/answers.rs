//! Quoting answers over the sample library.

use serde_json::Value;

use crate::support::{Home, events};

/// Questions, and the arXiv id or DOI whose sentence answers them.
const QUESTIONS: [(&str, &str); 8] = [
    ("Which BLEU score did the Transformer reach on WMT 2014 English-German?", "1706.03762"),
    ("How does RAG combine parametric and non-parametric memory?", "2005.11401"),
    ("What does reciprocal rank fusion do?", "10.1145/1571941.1572114"),
    ("Why does batch normalization speed up training?", "1502.03167"),
    ("How does layer normalization differ from batch normalization?", "1607.06450"),
    ("Why does LoRA add no inference latency?", "2106.09685"),
    ("How does HyDE search without relevance labels?", "2212.10496"),
    ("How does DPO differ from RLHF with PPO?", "2305.18290"),
];

const NOT_ANSWERED: [&str; 7] = [
    // Other models and other languages are in the library.
    "What accuracy does ResNet reach on CIFAR-100?",
    "What BLEU score did the Transformer reach on WMT 2014 English-Russian?",
    "What is the best recipe for sourdough bread?",
    "Who won the football world cup in 2018?",
    "How do I change the oil of a diesel engine?",
    "What is the capital of Mongolia?",
    "Which vaccine schedule is recommended for newborn infants?",
];

/// The characters `start..end`, as a client in any language would take them.
fn slice(text: &str, start: &Value, end: &Value) -> String {
    let (start, end) = (start.as_u64().unwrap() as usize, end.as_u64().unwrap() as usize);
    text.chars().skip(start).take(end - start).collect()
}

#[test]
fn questions_are_answered_in_the_papers_own_words_and_every_citation_is_true() {
    let home = Home::with_samples();
    let server = home.serve();
    for (question, source) in QUESTIONS {
        let answer = server.post("/v1/answers", &serde_json::json!({"question": question})).json();
        assert_eq!(
            (&answer["status"], &answer["route"]),
            (&"answered".into(), &"quote".into()),
            "{question}: {answer}"
        );
        let text = answer["text"].as_str().unwrap();
        assert!(text.starts_with("No language model wrote this"), "{text}");
        let cited: Vec<Value> = answer["citations"].as_array().unwrap().clone();
        for citation in &cited {
            let paper = server.get(&format!("/v1/papers/{}", citation["paper_id"].as_str().unwrap())).json();
            let stored = paper[citation["section"].as_str().unwrap()].as_str().unwrap();
            assert_eq!(slice(stored, &citation["start"], &citation["end"]), citation["quote"].as_str().unwrap());
            assert_eq!(citation["reference"]["title"], paper["title"]);
        }
        for claim in answer["claims"].as_array().unwrap() {
            assert_eq!(slice(text, &claim["start"], &claim["end"]), claim["text"].as_str().unwrap());
        }
        let first = server.get(&format!("/v1/papers/{}", cited[0]["paper_id"].as_str().unwrap())).json();
        let known: Vec<&str> = ["arxiv", "doi"].iter().filter_map(|kind| first["ids"][kind].as_str()).collect();
        assert!(known.contains(&source), "{question}: {known:?}");
        assert_eq!(answer["usage"]["cost_usd"], 0.0);
    }
}

#[test]
fn what_the_library_does_not_answer_is_said_not_to_be() {
    let home = Home::with_samples();
    for question in NOT_ANSWERED {
        let answer = home.run(&["--json", "ask", question]).exited(4).json();
        assert_eq!(answer["status"], "abstained", "{question}: {answer}");
        assert_eq!((&answer["claims"], &answer["citations"]), (&serde_json::json!([]), &serde_json::json!([])));
        let text = answer["text"].as_str().unwrap();
        assert!(text.starts_with("The library does not answer this.") && text.contains(question), "{text}");
    }
    let empty = Home::new();
    let answer = empty.run(&["--json", "ask", "What is attention?"]).exited(4).json();
    assert!(answer["text"].as_str().unwrap().ends_with("Nothing came close."), "{answer}");
}

#[test]
fn filters_say_which_papers_may_answer() {
    let home = Home::with_samples();
    let asked = home.run(&["--json", "ask", QUESTIONS[0].0, "--year-to", "2010"]);
    for citation in asked.json()["citations"].as_array().unwrap() {
        let year = citation["reference"]["issued"]["date-parts"][0][0].as_i64().unwrap();
        assert!(year <= 2010, "{citation}");
    }
}

#[test]
fn an_answer_streams_its_steps_and_can_be_read_again_from_any_event() {
    let home = Home::with_samples();
    let server = home.serve();
    let body = serde_json::json!({"question": QUESTIONS[0].0, "stream": true});
    let streamed = server.post("/v1/answers", &body);
    assert!(streamed.kind.starts_with("text/event-stream"), "{streamed:?}");
    let seen = events(&streamed.body);
    let ids: Vec<u64> = seen.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids, (1..=seen.len() as u64).collect::<Vec<_>>());
    let kinds: Vec<&str> = seen.iter().map(|(_, kind, _)| kind.as_str()).collect();
    assert_eq!(kinds[..5], ["run", "route", "plan", "search", "evidence"]);
    assert_eq!(kinds[kinds.len() - 2..], ["usage", "answer"]);
    assert!(kinds.contains(&"token") && kinds.contains(&"claim"));

    let answer = &seen.last().unwrap().2;
    let id = answer["id"].as_str().unwrap();
    assert_eq!(&server.get(&format!("/v1/answers/{id}")).json(), answer);
    let again =
        server.send(|client| client.get(server.url(&format!("/v1/answers/{id}/events"))).header("last-event-id", "4"));
    assert_eq!(events(&again.body), seen[4..]);
    let accepted = server.send(|client| {
        let body = serde_json::json!({"question": QUESTIONS[0].0}).to_string();
        let request = client.post(server.url("/v1/answers")).header("content-type", "application/json").body(body);
        request.header("accept", "text/event-stream")
    });
    assert_eq!(events(&accepted.body).last().unwrap().1, "answer");
    let bibliography = server.get(&format!("/v1/answers/{id}/citations?format=csl-json"));
    assert_eq!(bibliography.kind, "application/vnd.citationstyles.csl+json; charset=utf-8");
    assert_eq!(bibliography.json()[0]["title"], "Attention Is All You Need");
}

/// What is asked of papers (who wrote them, when) is no word that a sentence has to have.
#[test]
fn a_question_that_asks_for_certain_papers_is_answered_from_them() {
    let home = Home::with_samples();
    let answer = home
        .run(&[
            "--json",
            "ask",
            "How do papers by Ashish Vaswani published before 2019 replace recurrence with attention?",
        ])
        .exited(0)
        .json();
    let cited = &answer["citations"][0];
    assert_eq!(cited["reference"]["title"], "Attention Is All You Need", "{answer}");
}

/// Neither paper speaks of both systems.
#[test]
fn a_comparison_quotes_a_paper_of_each_side() {
    let home = Home::with_samples();
    let question = "Compare how InstructGPT and DPO turn human preferences into a better policy.";
    let answer = home.run(&["--json", "ask", question]).exited(0).json();
    let cited: Vec<&str> = answer["citations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|citation| citation["reference"]["title"].as_str().unwrap())
        .collect();
    let has = |title: &str| cited.iter().any(|cited| cited.starts_with(title));
    assert!(has("Direct Preference Optimization") && has("Training language models to follow"), "{cited:?}");
}
