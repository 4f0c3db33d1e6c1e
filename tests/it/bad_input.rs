use crate::support::{Home, sample};

fn taken_in(home: &Home, source: &str, text: &str) -> crate::support::Ran {
    let file = home.path().join("input");
    std::fs::write(&file, text).unwrap();
    home.run(&["sync", source, "--from-file", file.to_str().unwrap()])
}

#[test]
fn a_file_that_is_no_feed_says_what_it_is() {
    let home = Home::new();
    let whole = std::fs::read_to_string(sample("arxiv.xml")).unwrap();
    let truncated: String = whole.chars().take(whole.chars().count() / 2).collect();
    for (source, text, said) in [
        ("arxiv", "just some words", "not readable as an answer of arxiv"),
        ("arxiv", "<!DOCTYPE html><html><body>Rate exceeded.</body></html>", "HTML"),
        ("arxiv", truncated.as_str(), "not readable as an answer of arxiv"),
        ("arxiv", "", "not readable"),
        ("semantic-scholar", "{\"data\": [", "not readable as an answer of semantic-scholar"),
        ("semantic-scholar", "<html></html>", "HTML"),
        ("semantic-scholar", "{\"message\": \"Too Many Requests\", \"code\": \"429\"}", "wait"),
        ("semantic-scholar", "[{\"authorId\": \"1\", \"name\": \"A\"}]", "not a list of papers"),
    ] {
        let ran = taken_in(&home, source, text).exited(1);
        assert!(ran.stderr.contains("cannot take in") && ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    assert_eq!(home.run(&["--json", "stats"]).exited(0).json()["library"]["papers"], 0);
}

#[test]
fn one_bad_entry_is_rejected_with_its_reason_and_the_rest_go_on() {
    let home = Home::new();
    let feed = "<feed xmlns=\"http://www.w3.org/2005/Atom\">\
        <entry><id>http://arxiv.org/abs/2104.12255v1</id><title>Good</title><summary>Fine.</summary></entry>\
        <entry><title>No id</title></entry>\
        <entry><id>http://arxiv.org/abs/2104.12256v1</id><title> </title></entry>\
        <entry><id>http://arxiv.org/abs/nonsense</id><title>Bad id</title></entry></feed>";
    let ran = taken_in(&home, "arxiv", feed).exited(3);
    assert!(ran.stdout.starts_with("1 added, 0 updated, 0 unchanged, 3 rejected"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("  rejected ").count(), 3, "{}", ran.stdout);
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    let home = Home::new();
    let long = "why ".repeat(25_000);
    let usage: [(&[&str], &str); 14] = [
        (&["search", "x", "--colour", "red"], "unexpected argument '--colour'"),
        (&["search", "x", "-k", "0"], "expected a whole number from 1 to 100"),
        (&["search", "x", "-k", "1000000"], "expected a whole number from 1 to 100"),
        (&["search", "  "], "the query is empty"),
        (&["search", "x", "--mode", "fuzzy"], "`fuzzy` is not a search mode"),
        (&["search", "x", "--source", "pubmed"], "`pubmed` is not a source"),
        (&["ask", ""], "the question is empty"),
        (&["ask", &long], "the question has 99999 characters"),
        (&["ask", "x", "--mode", "chat"], "DEEPSEEK_API_KEY"),
        (&["cite", "nonsense"], "`nonsense` is not the id of a paper"),
        (&["cite", "1706.03762", "--format", "word"], "bibtex, ris or csl-json"),
        (&["sync", "arxiv"], "say what to sync"),
        (&["sync", "arxiv", "--ids", "abc"], "`abc` is not an arXiv id"),
        (&["sync", "arxiv", "--query", "x", "--max", "0"], "expected a whole number from 1"),
    ];
    for (arguments, said) in usage {
        let ran = home.run(arguments).exited(2);
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    let unknown = Home::new().set("LECTERN__SERVER__ADRESS", "x").run(&["stats"]).exited(2);
    assert!(unknown.stderr.contains("did you mean `server.addr`?"), "{}", unknown.stderr);
    let missing = home.run(&["import", "/nonexistent/papers.jsonl"]).exited(1);
    assert!(missing.stderr.contains("cannot read /nonexistent/papers.jsonl"), "{}", missing.stderr);
}

#[test]
fn a_home_that_cannot_be_written_names_the_folder_and_the_flag() {
    let home = Home::new();
    let file = home.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let ran = home.run(&["--home", file.join("below").to_str().unwrap(), "stats"]).exited(2);
    assert!(ran.stderr.contains("cannot use the home folder") && ran.stderr.contains("--home"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("os error").count(), 1, "the cause is told once: {}", ran.stderr);
}

#[test]
fn what_needs_the_library_alone_is_told_who_has_it() {
    let home = Home::new();
    let server = home.serve();
    let ran = home.run(&["serve", "--addr", "127.0.0.1:0"]).exited(1);
    assert!(ran.stderr.contains("is in use by another lectern (process "), "{}", ran.stderr);
    drop(server);
    home.run(&["stats"]).exited(0);
}

#[test]
fn a_corrupt_index_is_said_to_be_and_reindex_repairs_it() {
    let home = Home::with_samples();
    let index = home.path().join("index");
    let mut broken = 0;
    for entry in walk(&index) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if name == "meta.json" || name == "index.json" {
            std::fs::write(&entry, "{ not what it was").unwrap();
            broken += 1;
        }
    }
    assert!(broken > 0);
    let ran = home.run(&["search", "attention"]).exited(1);
    assert!(ran.stderr.contains("reindex"), "{}", ran.stderr);
    home.run(&["reindex"]).exited(0);
    let found = home.run(&["--json", "search", "attention is all you need"]).exited(0).json();
    assert_eq!(found["hits"][0]["paper"]["title"], "Attention Is All You Need");
}

#[test]
fn a_database_that_is_none_is_said_to_be_none() {
    let home = Home::new();
    std::fs::write(home.path().join("library.db"), "not a database, but as long as the header of one is ".repeat(40))
        .unwrap();
    let ran = home.run(&["stats"]).exited(1);
    assert!(ran.stderr.contains("is not a usable library database"), "{}", ran.stderr);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn reindex_with_a_model_that_is_none_leaves_the_index_as_it_is() {
    let home = Home::with_samples();
    let ran = home.run(&["reindex", "--model", "all-MiniLM-L6-v2-fp23"]).exited(2);
    assert!(ran.stderr.contains("the index is left as it is"), "{}", ran.stderr);
    assert_eq!(home.run(&["--json", "stats"]).exited(0).json()["index"]["vectors"], 78);
}

#[test]
fn papers_that_cannot_be_indexed_yet_do_not_keep_the_others_from_being_found() {
    let home = Home::with_samples();
    let line = "{\"title\": \"A late paper\", \"id\": \"late\"}\n";
    std::fs::write(home.path().join("late.jsonl"), line).unwrap();
    let late = home.path().join("late.jsonl");
    let without_model = home.set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    without_model.run(&["import", late.to_str().unwrap()]).exited(1);
    let found = without_model.run(&["--json", "search", "attention is all you need"]).exited(0);
    assert_eq!(found.json()["hits"][0]["paper"]["title"], "Attention Is All You Need");
    assert!(found.stderr.contains("some papers cannot be found yet"), "{}", found.stderr);
}
