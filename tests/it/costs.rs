//! What changes of a paper costs no more than it must.

use serde_json::{Value, json};

use crate::support::Home;

fn import(home: &Home, lines: &[Value]) -> Value {
    let file = home.path().join("papers.jsonl");
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let report = home.run(&["--json", "import", file.to_str().unwrap()]).exited(0).json();
    json!(["added", "updated", "unchanged", "embeddings", "index_writes"].map(|name| report[name].clone()))
}

#[test]
fn only_a_new_text_is_embedded_and_only_what_is_searched_by_is_written() {
    let home = Home::new();
    let attention = json!({"id": 1, "title": "Attention Is All You Need", "abstract": "Attention alone translates."});
    let with = |changes: Value| {
        let mut line = attention.clone();
        line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        [line]
    };
    assert_eq!(import(&home, &with(json!({}))), json!([1, 0, 0, 1, 1]));
    assert_eq!(import(&home, &with(json!({"citation_count": 7}))), json!([0, 1, 0, 0, 1]));
    assert_eq!(import(&home, &with(json!({"citation_count": 8, "venue": "NeurIPS"}))), json!([0, 1, 0, 0, 1]));
    let found = |query: &[&str]| {
        let ran = home.run(&[&["--json", "search", "what translates", "-k", "1"], query].concat()).exited(0).json();
        ran["hits"][0]["paper"]["citation_count"].clone()
    };
    assert_eq!(found(&["--mode", "dense", "--venue", "NeurIPS"]), 8, "its vector is kept, with the venue");
    assert_eq!(found(&["--mode", "lexical", "--venue", "NeurIPS"]), 8);
    let new_text = with(json!({"citation_count": 8, "venue": "NeurIPS", "abstract": "Recurrence is not needed."}));
    assert_eq!(import(&home, &new_text), json!([0, 1, 0, 1, 1]));
    assert_eq!(import(&home, &new_text), json!([0, 0, 1, 0, 0]));
}
