//! Which index belongs to which library, and with which model and server.

use serde_json::json;

use crate::support::{Home, copy};

const OTHER_MODEL: &str = "all-MiniLM-L6-v2-fp32";

fn imported(home: &Home, title: &str) {
    let file = home.path().join("papers.jsonl");
    std::fs::write(&file, json!({"title": title, "year": 2020, "authors": ["A. Author"]}).to_string()).unwrap();
    home.run(&["import", file.to_str().unwrap()]).exited(0);
}

fn titles(home: &Home, query: &str) -> Vec<String> {
    let found = home.run(&["--json", "search", query]).exited(0).json();
    found["hits"].as_array().unwrap().iter().map(|hit| hit["paper"]["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_index_of_another_library_of_the_same_revision_is_built_anew() {
    let (mine, other) = (Home::new(), Home::new());
    imported(&mine, "Glaciers of Patagonia");
    imported(&other, "Orchids of Borneo");
    std::fs::remove_dir_all(mine.path().join("index")).unwrap();
    copy(&other.path().join("index"), &mine.path().join("index"));
    assert_eq!(titles(&mine, "glaciers"), ["Glaciers of Patagonia"]);
    let stats = mine.run(&["--json", "stats"]).exited(0).json();
    assert_eq!((&stats["index"]["papers"], &stats["index"]["vectors"]), (&json!(1), &json!(1)));
}

#[test]
fn a_library_put_back_from_an_older_copy_is_indexed_from_the_start() {
    let home = Home::new();
    imported(&home, "Glaciers of Patagonia");
    let copied = home.path().join("copy.db");
    std::fs::copy(home.path().join("library.db"), &copied).unwrap();
    imported(&home, "Orchids of Borneo");
    imported(&home, "Lichens of Iceland");
    for left in ["library.db-wal", "library.db-shm"] {
        let _ = std::fs::remove_file(home.path().join(left));
    }
    std::fs::copy(&copied, home.path().join("library.db")).unwrap();
    // Past the revision that the index has reached, before anything looks at it.
    let lines: Vec<String> = (0..4).map(|n| json!({"title": format!("Basalt columns {n}")}).to_string()).collect();
    let file = home.path().join("more.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    home.run(&["import", file.to_str().unwrap()]).exited(0);
    let mut found = titles(&home, "basalt columns");
    found.sort();
    assert_eq!(found.get(..4).unwrap(), [0, 1, 2, 3].map(|n| format!("Basalt columns {n}")));
    assert!(!titles(&home, "lichens").contains(&"Lichens of Iceland".to_owned()));
    assert_eq!(home.run(&["--json", "stats"]).exited(0).json()["index"]["papers"], 5);
}

#[test]
fn the_model_of_a_reindex_holds_until_a_setting_names_another() {
    let home = Home::new();
    imported(&home, "Glaciers of Patagonia");
    home.run(&["reindex", "--model", OTHER_MODEL]).exited(0);
    let found = home.run(&["--json", "search", "ice"]).exited(0).json();
    assert_eq!((&found["mode"], &found["notice"]), (&json!("hybrid"), &json!(null)));
    assert_eq!(home.run(&["--json", "stats"]).exited(0).json()["index"]["model"], OTHER_MODEL);
    let shown = home.run(&["--json", "config", "show"]).exited(0).json();
    let from = format!("index {}", home.path().join("index").display());
    assert_eq!(shown["settings"]["embedding.model"], json!({"value": OTHER_MODEL, "from": from}));
    home.run(&["reindex"]).exited(0);
    assert_eq!(home.run(&["--json", "stats"]).exited(0).json()["index"]["model"], OTHER_MODEL);

    let home = home.set("LECTERN__EMBEDDING__MODEL", "all-MiniLM-L6-v2");
    let changed = home.run(&["search", "ice"]).exited(1);
    assert!(changed.stderr.contains("run `lectern reindex`"), "{}", changed.stderr);
    let overruled = home.run(&["reindex", "--model", OTHER_MODEL]).exited(2);
    assert!(overruled.stderr.contains("environment LECTERN__EMBEDDING__MODEL"), "{}", overruled.stderr);
    home.run(&["reindex"]).exited(0);
    assert_eq!(titles(&home, "ice"), ["Glaciers of Patagonia"]);
}

#[test]
fn a_qdrant_server_that_is_down_leaves_words_to_search_and_papers_to_cite() {
    let home =
        Home::with_samples().set("LECTERN__INDEX__DENSE", "qdrant").set("LECTERN__QDRANT__URL", "http://127.0.0.1:1");
    home.run(&["cite", "1706.03762", "--format", "bibtex"]).exited(0);
    let found = home.run(&["--json", "search", "attention"]).exited(0).json();
    assert_eq!(found["mode"], "lexical");
    assert!(found["notice"].as_str().unwrap().contains("words"), "{found}");
    let papers = home.run(&["--json", "stats"]).exited(1);
    assert!(papers.stderr.contains("the Qdrant server at http://127.0.0.1:1 does not answer"), "{}", papers.stderr);
    let reindex = home.run(&["reindex"]).exited(1);
    assert!(reindex.stderr.contains("Qdrant"), "{}", reindex.stderr);
    let again = home.set("LECTERN__INDEX__DENSE", "edge");
    assert!(titles(&again, "attention").contains(&"Attention Is All You Need".to_owned()), "the index is still there");
}

#[test]
fn an_index_of_words_alone_stays_of_use_when_a_model_comes_and_gets_vectors_by_reindex() {
    let home = Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    imported(&home, "Glaciers of Patagonia");
    let home = home.set("LECTERN__EMBEDDING__DIR", "");
    imported(&home, "Orchids of Borneo");
    let found = home.run(&["--json", "search", "orchids"]).exited(0).json();
    assert_eq!((&found["mode"], &found["hits"][0]["paper"]["title"]), (&json!("lexical"), &json!("Orchids of Borneo")));
    let notice = "The index was made without a model, so only words were searched; `lectern reindex` adds the vectors.";
    assert_eq!(found["notice"], notice);
    home.run(&["reindex"]).exited(0);
    let found = home.run(&["--json", "search", "mountain ice"]).exited(0).json();
    assert_eq!(
        (&found["mode"], &found["hits"][0]["paper"]["title"]),
        (&json!("hybrid"), &json!("Glaciers of Patagonia"))
    );
}
