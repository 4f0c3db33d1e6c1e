use serde_json::Value;

use crate::support::{Home, sample};

#[test]
fn both_samples_become_one_library_and_a_second_sync_changes_nothing() {
    let home = Home::new();
    let arxiv = home.run(&["--json", "sync", "arxiv", "--from-file", &sample("arxiv.xml")]).exited(0).json();
    assert_eq!((&arxiv["added"], &arxiv["updated"], &arxiv["rejected"]), (&60.into(), &0.into(), &0.into()));
    let scholar = home.run(&["--json", "sync", "semantic-scholar", "--from-file", &sample("semantic-scholar.json")]);
    let scholar = scholar.exited(0).json();
    assert_eq!((&scholar["added"], &scholar["updated"], &scholar["rejected"]), (&18.into(), &16.into(), &0.into()));
    let again = home.run(&["--json", "sync", "arxiv", "--from-file", &sample("arxiv.xml")]).exited(0).json();
    assert_eq!((&again["added"], &again["updated"], &again["unchanged"]), (&0.into(), &0.into(), &60.into()));
    let stats = home.run(&["--json", "stats"]).exited(0).json();
    assert_eq!(stats["library"]["papers"], 78);
    assert_eq!(stats["index"]["papers"], 78);
    assert_eq!(stats["index"]["vectors"], 78);
    assert_eq!(stats["index"]["watermark"], stats["library"]["revision"]);
}

#[test]
fn search_finds_by_words_by_meaning_and_within_filters() {
    let home = Home::with_samples();
    let search = |arguments: &[&str]| -> Vec<String> {
        let ran = home.run(&[&["--json", "search"], arguments].concat()).exited(0).json();
        ran["hits"].as_array().unwrap().iter().map(|hit| hit["paper"]["title"].as_str().unwrap().to_owned()).collect()
    };
    for mode in ["hybrid", "lexical", "dense"] {
        let found = search(&["attention without recurrence for translation", "--mode", mode, "-k", "3"]);
        assert_eq!(found.len(), 3);
        assert!(found.contains(&"Attention Is All You Need".to_owned()), "{mode}: {found:?}");
    }
    assert!(search(&["attention", "--year-to", "2012"]).iter().all(|title| title != "Attention Is All You Need"));
    let by_author = search(&["neural networks", "--author", "hinton", "-k", "20"]);
    assert!(!by_author.is_empty());
    let ran = home.run(&["--json", "search", "neural networks", "--author", "Hinton", "-k", "20"]).json();
    for hit in ran["hits"].as_array().unwrap() {
        let authors = hit["paper"]["authors"].as_array().unwrap();
        assert!(authors.iter().any(|author| author["name"].as_str().unwrap().ends_with("Hinton")), "{hit}");
    }
    let only_scholar = home.run(&["--json", "search", "retrieval", "--source", "semantic-scholar", "-k", "50"]).json();
    for hit in only_scholar["hits"].as_array().unwrap() {
        let sources = hit["paper"]["sources"].as_array().unwrap();
        assert!(sources.iter().any(|source| source["name"] == "semantic-scholar"), "{hit}");
    }
    let in_category = home.run(&["--json", "search", "retrieval", "--category", "cs.IR", "-k", "50"]).json();
    assert!(
        in_category["hits"]
            .as_array()
            .unwrap()
            .iter()
            .all(|hit| { hit["paper"]["categories"].as_array().unwrap().contains(&Value::from("cs.IR")) })
    );
}

#[test]
fn cite_takes_ids_of_any_kind_and_writes_three_formats() {
    let home = Home::with_samples();
    let bibtex = home.run(&["cite", "arXiv:1706.03762"]).exited(0).stdout;
    assert!(bibtex.starts_with("@"), "{bibtex}");
    assert!(bibtex.contains("vaswani2017attention") && bibtex.contains("eprint"), "{bibtex}");
    let twice = home.run(&["cite", "1706.03762", "10.48550/arXiv.1706.03762"]).exited(0).stdout;
    assert_eq!(twice, bibtex, "two ids of one paper are one entry");
    let conference = home.run(&["cite", "1810.04805"]).exited(0).stdout;
    assert!(conference.contains("  year = {2019}") && !conference.contains("month"), "the venue's year: {conference}");
    let unknown = home.run(&["cite", "00000000-0000-0000-0000-000000000000"]).exited(1);
    assert!(unknown.stderr.contains("no paper `00000000-0000-0000-0000-000000000000` in"), "{}", unknown.stderr);
    let ris = home.run(&["cite", "10.1145/1571941.1572114", "--format", "ris"]).exited(0).stdout;
    assert!(ris.starts_with("TY  - ") && ris.trim_end().ends_with("ER  -"), "{ris}");
    let csl = home.run(&["cite", "1706.03762", "1810.04805v2", "--format", "csl-json"]).exited(0).json();
    let titles: Vec<&str> = csl.as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect();
    assert_eq!(titles[0], "Attention Is All You Need");
    assert!(titles[1].starts_with("BERT"), "{titles:?}");
    let missing = home.run(&["cite", "arXiv:0704.0001"]).exited(1);
    assert!(missing.stderr.contains("no paper `arxiv:0704.0001` in the library"), "{}", missing.stderr);
}

#[test]
fn import_reads_plain_and_gzip_and_tells_each_rejected_line() {
    let home = Home::new();
    let lines = "{\"title\": \"One\", \"abstract\": \"About cats.\", \"id\": \"a\", \"year\": 2001}\n\
                 not json\n\
                 {\"abstract\": \"no title\"}\n\
                 {\"title\": \"Two\", \"authors\": [\"Ada Lovelace\"], \"doi\": \"10.1000/two\"}\n";
    let plain = home.path().join("papers.jsonl");
    std::fs::write(&plain, lines).unwrap();
    let report = home.run(&["--json", "import", plain.to_str().unwrap()]).exited(3).json();
    assert_eq!((&report["added"], &report["rejected"]), (&2.into(), &2.into()));
    let rejected: Vec<&str> =
        report["rejections"].as_array().unwrap().iter().map(|r| r["record"].as_str().unwrap()).collect();
    assert_eq!(rejected, ["line 2", "line 3"]);

    let gzip = home.path().join("papers.jsonl.gz");
    let mut encoder = flate2::write::GzEncoder::new(std::fs::File::create(&gzip).unwrap(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, lines.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let again = home.run(&["--json", "import", gzip.to_str().unwrap()]).exited(3).json();
    assert_eq!((&again["added"], &again["unchanged"]), (&0.into(), &2.into()));
}

#[test]
fn a_dry_run_prints_what_it_read_and_stores_nothing() {
    let home = Home::new();
    let read =
        home.run(&["--json", "sync", "arxiv", "--from-file", &sample("arxiv.xml"), "--dry-run"]).exited(0).json();
    assert_eq!(read["papers"].as_array().unwrap().len(), 60);
    assert_eq!(read["rejected"], serde_json::json!([]));
    let few = home.run(&["--json", "sync", "arxiv", "--from-file", &sample("arxiv.xml"), "--dry-run", "--max", "2"]);
    assert_eq!(few.exited(0).json()["papers"].as_array().unwrap().len(), 2);
    assert_eq!(home.run(&["--json", "stats"]).exited(0).json()["library"]["papers"], 0);
}

#[test]
fn reindex_builds_the_same_index_without_any_network() {
    let home = Home::with_samples();
    let search = || {
        let found = home.run(&["--json", "search", "low-rank adaptation", "-k", "5"]).exited(0).json();
        found["hits"].as_array().unwrap().iter().map(|hit| hit["paper"]["id"].clone()).collect::<Vec<_>>()
    };
    let before = search();
    assert_eq!(home.run(&["--json", "reindex"]).exited(0).json()["papers"], 78);
    assert_eq!(search(), before);
}

#[test]
fn config_show_names_the_origin_of_every_value_and_no_secret() {
    let home = Home::new().set("DEEPSEEK_API_KEY", "sk-planted-key").set("LECTERN__LOG__LEVEL", "error");
    let shown = home.run(&["--json", "config", "show"]).exited(0);
    assert!(!shown.stdout.contains("planted") && !shown.stderr.contains("planted"));
    let settings = &shown.json()["settings"];
    assert_eq!(settings["log.level"], serde_json::json!({"value": "error", "from": "environment LECTERN__LOG__LEVEL"}));
    assert_eq!(settings["llm.deepseek.api_key"]["value"], "(set, not shown)");
    assert_eq!(settings["index.dense"], serde_json::json!({"value": "edge", "from": "default"}));
}

#[test]
fn doctor_finds_the_model_and_says_what_to_do_about_what_it_does_not_find() {
    let home = Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", "http://127.0.0.1:9")
        .set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", "http://127.0.0.1:9");
    let report = home.run(&["--json", "doctor"]).exited(0).json();
    let state = |what: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["what"] == what).unwrap()["state"].as_str().unwrap().to_owned()
    };
    let states: Vec<String> =
        ["embedding model", "disk", "library", "writer", "arxiv"].into_iter().map(state).collect();
    assert_eq!(states, ["good", "good", "good", "missing", "missing"]);

    let home = home.set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let failed = home.run(&["doctor"]).exited(1);
    assert!(
        failed.stdout.contains("FAIL  embedding model") && failed.stdout.contains("make setup"),
        "{}",
        failed.stdout
    );
}

#[test]
fn without_a_model_search_still_works_by_words_and_says_so() {
    let home = Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    home.run(&["sync", "arxiv", "--from-file", &sample("arxiv.xml")]).exited(0);
    let found = home.run(&["--json", "search", "attention is all you need"]).exited(0).json();
    assert_eq!(found["mode"], "lexical");
    assert!(found["notice"].as_str().is_some(), "{found}");
    assert_eq!(found["hits"][0]["paper"]["title"], "Attention Is All You Need");
    let answer = home.run(&["--json", "ask", "Which BLEU score did the large model reach on WMT 2014 English-German?"]);
    assert_eq!(answer.exited(0).json()["status"], "answered");
}

#[test]
fn an_older_backup_of_the_library_gets_an_index_of_its_own() {
    let home = Home::new();
    home.run(&["sync", "arxiv", "--from-file", &sample("arxiv.xml")]).exited(0);
    let files = || {
        let entries = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("library.db")).collect::<Vec<_>>()
    };
    let backup: Vec<_> = files().into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect();
    home.run(&["sync", "semantic-scholar", "--from-file", &sample("semantic-scholar.json")]).exited(0);
    files().iter().for_each(|path| std::fs::remove_file(path).unwrap());
    backup.iter().for_each(|(bytes, path)| std::fs::write(path, bytes).unwrap());
    home.run(&["search", "reciprocal rank fusion"]).exited(0);
    let stats = home.run(&["--json", "stats"]).exited(0).json();
    assert_eq!((&stats["library"]["papers"], &stats["index"]["papers"]), (&60.into(), &60.into()));
    assert_eq!(stats["index"]["watermark"], stats["library"]["revision"]);
}
