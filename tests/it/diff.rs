//! `sync semantic-scholar --diff`: the differences of data sets, for the papers that the library has.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::Home;

fn put(folder: &Path, name: &str, lines: &[Value]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

fn paper(home: &Home, words: &str) -> Value {
    let found = home.run(&["--json", "search", words, "--mode", "lexical"]).exited(0).json();
    found["hits"][0]["paper"].clone()
}

#[test]
fn the_papers_of_the_library_follow_a_release_and_others_stay_out() {
    let home = Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let graph = json!({"data": [
        {"paperId": "204e3073870fae3d05bcbc2f6a8e263d9b72e776", "corpusId": 1, "title": "Attention", "year": 2017,
            "abstract": "Old words.", "citationCount": 5, "openAccessPdf": {"url": "https://x.org/a.pdf"}},
        {"corpusId": 2, "title": "Memory", "citationCount": 6}]});
    let file = home.path().join("graph.json");
    std::fs::write(&file, graph.to_string()).unwrap();
    home.run(&["sync", "semantic-scholar", "--from-file", file.to_str().unwrap()]).exited(0);
    let others: Vec<Value> = (0..20).map(|n| json!({"title": format!("Another paper, number {n}")})).collect();
    put(home.path(), "others.jsonl", &others);
    home.run(&["import", home.path().join("others.jsonl").to_str().unwrap()]).exited(0);
    let folder = home.path().join("diff");
    let step = "2024-10-08-to-2024-10-15";
    put(
        &folder,
        &format!("updates/{step}/papers/1.jsonl"),
        &[
            json!({"corpusid": 1, "title": "Attention", "year": 2017, "citationcount": 50, "venue": "NIPS"}),
            json!({"corpusid": 3, "title": "Not ours", "citationcount": 9}),
            json!({"corpusid": 2, "title": "Memory", "citationcount": 6}),
        ],
    );
    put(
        &folder,
        &format!("updates/{step}/abstracts/1.jsonl"),
        &[json!({"corpusid": 2, "abstract": "New words."}), json!({"corpusid": 3, "abstract": "Not ours."})],
    );
    let folder = folder.to_str().unwrap();
    let sync = || home.run(&["--json", "sync", "semantic-scholar", "--diff", folder]).exited(0).json();
    let first = sync();
    let counts = |report: &Value| ["added", "updated", "unchanged"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts(&first), [0, 2, 1], "{first}");
    let attention = paper(&home, "attention");
    assert_eq!((&attention["citation_count"], &attention["venue"]), (&json!(50), &json!("NIPS")));
    assert_eq!((&attention["abstract"], &attention["pdf_url"]), (&json!("Old words."), &json!("https://x.org/a.pdf")));
    assert_eq!(attention["ids"]["semantic_scholar"], "204e3073870fae3d05bcbc2f6a8e263d9b72e776");
    assert_eq!(paper(&home, "memory")["abstract"], "New words.");
    assert_eq!(counts(&sync()), [0, 0, 3], "the same again changes nothing");
    assert_eq!(home.run(&["--json", "stats"]).json()["library"]["papers"], 22);
}

#[test]
fn a_folder_without_such_files_is_told() {
    let home = Home::new();
    let ran = home.run(&["sync", "semantic-scholar", "--diff", "/nonexistent/diff"]).exited(1);
    assert!(ran.stderr.contains("cannot read the folder /nonexistent/diff of a difference"), "{}", ran.stderr);
    let ran = home.run(&["sync", "semantic-scholar", "--diff", "x", "--enrich"]).exited(2);
    assert!(ran.stderr.contains("`diff` and `enrich` do not go together"), "{}", ran.stderr);
}
