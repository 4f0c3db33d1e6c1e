//! `papers` and `/v1/decisions`: what a paper was made of, and which records are one.

use serde_json::{Value, json};

use crate::support::Home;

/// A preprint and a chapter that share nothing but their subject.
fn home() -> Home {
    let home = Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let file = home.path().join("papers.jsonl");
    let lines = [
        json!({"title": "Attention Is All You Need", "arxiv_id": "1706.03762", "year": 2017, "abstract": "It translates."}),
        json!({"title": "Transformers", "doi": "10.1000/transformers", "year": 2018, "venue": "A Handbook"}),
    ];
    std::fs::write(&file, lines.map(|line| line.to_string()).join("\n")).unwrap();
    home.run(&["import", file.to_str().unwrap()]).exited(0);
    home
}

fn names(decided: &Value) -> Value {
    json!([
        decided["id"],
        decided["sides"],
        decided["papers"].as_array().unwrap().len(),
        decided["undone_at"].is_null()
    ])
}

const PREPRINT: &str = "import/arxiv:1706.03762";
const CHAPTER: &str = "import/doi:10.1000/transformers:transformers";

#[test]
fn papers_are_joined_and_parted_again_by_command_and_search_follows() {
    let home = home();
    let json = |arguments: &[&str]| home.run(&[&["--json"], arguments].concat()).exited(0).json();
    let hits = || json(&["search", "transformers translates", "--mode", "lexical"])["hits"].as_array().unwrap().len();
    assert_eq!(hits(), 2);
    let joined = json(&["papers", "join", "1706.03762", "10.1000/transformers"]);
    assert_eq!(names(&joined), json!([1, [[PREPRINT, CHAPTER]], 1, true]));
    assert_eq!(hits(), 1);

    let told = json(&["papers", "records", "10.1000/transformers"]);
    assert_eq!(told["paper"], joined["papers"][0]);
    let records: Vec<_> = told["records"].as_array().unwrap().iter().map(|r| (&r["name"], &r["joined_by"])).collect();
    assert_eq!(records, [(&json!(PREPRINT), &Value::Null), (&json!(CHAPTER), &json!("decision 1"))]);
    assert_eq!((&told["fields"]["venue"], &told["fields"]["abstract"]), (&json!([CHAPTER]), &json!([PREPRINT])));
    let shown = home.run(&["papers", "records", "1706.03762"]).exited(0).stdout;
    assert!(
        shown.contains("2 records\n") && shown.contains("venue: import/doi:10.1000/transformers:transformers"),
        "{shown}"
    );

    let undone = json(&["papers", "undo", "1"]);
    assert_eq!(names(&undone), json!([1, [[PREPRINT, CHAPTER]], 2, false]));
    assert_eq!(hits(), 2);
    let history = home.run(&["papers", "decisions"]).exited(0).stdout;
    let before = json(&["papers", "decisions", "--before", "2"]);
    assert_eq!((before["decisions"].as_array().unwrap().len(), &before["next"]), (1, &Value::Null));
    assert!(history.starts_with("1  ") && history.contains(", taken back "), "{history}");
    let again = home.run(&["papers", "undo", "1"]).exited(2);
    assert!(again.stderr.contains("there is no decision 1 that holds"), "{}", again.stderr);
    let unknown = home.run(&["papers", "join", "1706.03762", "1706.00001"]).exited(2);
    assert!(unknown.stderr.contains("no paper `1706.00001` in the library"), "{}", unknown.stderr);
}

#[test]
fn a_server_decides_for_its_clients_and_for_the_command_line() {
    let home = home();
    let server = home.serve();
    let decide = |wanted: &Value| server.post("/v1/decisions", wanted);
    let joined = decide(&json!({"join": ["1706.03762", "10.1000/transformers"]}));
    assert_eq!((joined.status, names(&joined.json())), (201, json!([1, [[PREPRINT, CHAPTER]], 1, true])));
    let paper = joined.json()["papers"][0].as_str().unwrap().to_owned();
    let told = server.get(&format!("/v1/papers/{paper}/records")).json();
    assert_eq!(told["records"][1]["says"]["venue"], "A Handbook");
    assert_eq!(told, home.run(&["--json", "papers", "records", "10.1000/transformers"]).exited(0).json());

    let parted = home.run(&["--json", "papers", "separate", &paper, CHAPTER]).exited(0).json();
    assert_eq!(names(&parted), json!([2, [[CHAPTER], [PREPRINT]], 2, true]));
    let history = server.get("/v1/decisions?limit=1").json();
    assert_eq!((&history["decisions"], &history["next"]), (&json!([parted]), &json!("2")));
    assert_eq!(home.run(&["--json", "papers", "decisions", "--before", "2"]).exited(0).json()["decisions"][0]["id"], 1);
    let rest = server.get("/v1/decisions?limit=1&cursor=2").json();
    assert_eq!((&rest["decisions"][0]["id"], &rest["next"]), (&json!(1), &Value::Null));
    let undone = server.send(|client| client.delete(server.url("/v1/decisions/2")));
    assert_eq!((undone.status, undone.json()["papers"].clone()), (200, json!([paper])));

    assert!(decide(&json!({"join": [paper, paper]})).problem(409).contains("these are one paper already"));
    let stranger = decide(&json!({"separate": {"paper": paper, "records": ["arxiv/arxiv:1"]}})).problem(409);
    assert!(stranger.contains("`arxiv/arxiv:1` is no record of"), "{stranger}");
    assert!(decide(&json!({"join": ["1706.03762"]})).problem(400).contains("from 2 to 100 papers"));
    assert!(decide(&json!({"join": ["1706.00001", "1706.03762"]})).problem(404).contains("no paper `1706.00001`"));
    assert!(
        decide(&json!({"separate": {"paper": paper, "records": ["arxiv"]}})).problem(400).contains("a record's name")
    );
    let gone = server.send(|client| client.delete(server.url("/v1/decisions/2")));
    assert!(gone.problem(404).contains("there is no decision 2 that holds"));
    assert!(server.get("/v1/decisions?limit=0").problem(400).contains("from 1 to 100"));
    let refused = home.run(&["papers", "separate", &paper, "arxiv/arxiv:1"]).exited(2);
    assert!(refused.stderr.contains("is no record of"), "{}", refused.stderr);
}
