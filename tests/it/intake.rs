//! `import` of files of the user's own, and what `sync` and `import` say when something is not as it should be.

use serde_json::json;

use crate::support::{Home, Ran, sample};

/// A home that searches by words only: what is read in is the same, sooner.
fn home() -> Home {
    Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models")
}

fn import(home: &Home, name: &str, bytes: impl AsRef<[u8]>) -> Ran {
    let file = home.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    home.run(&["--json", "import", file.to_str().unwrap()])
}

#[test]
fn two_files_that_number_their_lines_alike_are_kept_whole_and_a_shared_number_is_asked_about() {
    let home = home();
    let cats = "{\"id\": 1, \"title\": \"Cats\"}\n{\"id\": 2, \"title\": \"Dogs\"}\n";
    let stars = "{\"id\": 1, \"title\": \"Stars\"}\n{\"id\": 2, \"title\": \"Planets\"}\n";
    assert_eq!(import(&home, "cats.jsonl", cats).exited(0).json()["added"], 2);
    assert_eq!(import(&home, "stars.jsonl", stars).exited(0).json()["added"], 2);
    assert_eq!(import(&home, "cats.jsonl", cats).exited(0).json()["unchanged"], 2);
    assert_eq!(home.run(&["--json", "stats"]).exited(0).json()["library"]["papers"], 4);

    let ids: Vec<String> = ["Cats", "Stars"]
        .map(|title| home.run(&["--json", "search", title, "--mode", "lexical"]).exited(0).json())
        .map(|found| found["hits"][0]["paper"]["id"].as_str().unwrap().to_owned())
        .into();
    let choice =
        format!("2 papers have the id `local:1`; name one by its own id: {} (“Cats”), {} (“Stars”)", ids[0], ids[1]);
    let ran = home.run(&["cite", "local:1"]).exited(1);
    assert_eq!((ran.stdout.as_str(), ran.stderr.lines().last().unwrap()), ("", format!("error: {choice}").as_str()));
    assert!(home.run(&["cite", &ids[1]]).exited(0).stdout.contains("Stars"));

    let server = home.serve();
    let reply = server.get("/v1/papers/local:1");
    assert_eq!(reply.problem(409), choice);
    assert_eq!(reply.json()["type"], "ambiguous-id");
    assert_eq!(server.post("/v1/citations", &json!({"ids": ["local:1"]})).problem(409), choice);
    assert_eq!(server.get(&format!("/v1/papers/{}", ids[0])).json()["title"], "Cats");
}

#[test]
fn a_line_that_is_too_long_is_rejected_by_its_number_and_the_next_is_read() {
    let home = home();
    let mut file = b"{\"title\": \"One\"}\n\n".to_vec();
    file.extend(std::iter::repeat_n(b'x', 16 * 1024 * 1024 + 5));
    file.extend_from_slice(b"\n{\"title\": \"Two\"}\n\xff\n");
    let report = import(&home, "long.jsonl", file).exited(3).json();
    let rejections = json!([
        {"record": "line 3", "reason": "longer than 16777216 bytes"},
        {"record": "line 5", "reason": "not UTF-8"},
    ]);
    assert_eq!((&report["added"], &report["rejections"]), (&json!(2), &rejections));
}

#[test]
fn what_comes_through_a_pipe_is_read_from_its_first_line() {
    let lines: String = (0..3_000).map(|n| format!("{{\"title\": \"Paper number {n:04}\"}}\n")).collect();
    let piped = |home: &Home| {
        let mut command = home.command(&["--json", "import", "/dev/stdin"]);
        let command = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), report["added"].clone(), report["rejected"].clone())
    };
    let (alone, served) = (home(), home());
    let server = served.serve();
    for home in [&alone, &served] {
        assert_eq!(piped(home), (0, json!(3_000), json!(0)));
    }
    assert_eq!(server.stop(), 0);
}

#[test]
fn one_is_told_as_one() {
    let home = home();
    let file = home.path().join("one.jsonl");
    std::fs::write(&file, "{\"title\": \"Attention\"}\n").unwrap();
    let told = home.run(&["import", file.to_str().unwrap()]).exited(0).stdout;
    assert!(told.ends_with("\n1 paper written to the index, 0 passages embedded\n"), "{told}");
    let stats = home.run(&["stats"]).exited(0).stdout;
    assert!(stats.starts_with("1 paper, 0 with an abstract\n") && stats.contains("\nindex: 1 passage,"), "{stats}");
    let found = home.run(&["search", "attention", "--mode", "lexical"]).exited(0).stdout;
    assert!(found.lines().last().unwrap().starts_with("1 of 1 paper, "), "{found}");
}

#[test]
fn the_doctor_looks_for_every_source_that_may_be_asked() {
    let looked_for = |home: Home| {
        let told = home.run(&["--json", "doctor"]).json();
        let checks = told["checks"].as_array().unwrap().iter().map(|check| check["what"].as_str().unwrap().to_owned());
        checks.filter(|what| !what.contains(' ')).collect::<Vec<_>>()
    };
    let local = |home: Home| {
        let address = "http://127.0.0.1:9";
        let home = home.set("LECTERN__SOURCES__ARXIV__BASE_URL", address);
        home.set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", address)
            .set("LECTERN__SOURCES__CROSSREF__BASE_URL", address)
    };
    let all = ["disk", "writer", "arxiv", "semantic-scholar", "crossref", "library"];
    assert_eq!(looked_for(local(home())), all);
    let without = looked_for(local(home()).set("LECTERN__SOURCES__CROSSREF__ENABLED", "false"));
    assert_eq!(without, all.into_iter().filter(|what| *what != "crossref").collect::<Vec<_>>());
}

#[test]
fn a_packed_file_that_breaks_off_is_named() {
    let home = home();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, "{\"title\": \"One\"}\n".repeat(100).as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let ran = import(&home, "broken.jsonl.gz", &packed[..packed.len() - 6]).exited(1);
    let file = home.path().join("broken.jsonl.gz");
    assert!(ran.stderr.contains(&format!("cannot read {}: ", file.display())), "{}", ran.stderr);
}

#[test]
fn a_file_of_the_other_source_is_told_where_it_belongs() {
    let home = home();
    for (source, file, said) in [
        ("semantic-scholar", "arxiv.xml", "use `lectern sync arxiv --from-file`"),
        ("arxiv", "semantic-scholar.json", "use `lectern sync semantic-scholar --from-file`"),
    ] {
        let ran = home.run(&["sync", source, "--from-file", &sample(file)]).exited(1);
        assert!(ran.stderr.contains(&format!("cannot take in {}: ", sample(file))), "{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn a_file_of_more_papers_than_were_asked_for_is_said_to_hold_more() {
    let home = home();
    let ran = home.run(&["--json", "sync", "arxiv", "--from-file", &sample("arxiv.xml"), "--max", "59"]).exited(0);
    assert_eq!(ran.json()["added"], 59);
    assert!(ran.stderr.contains("stopped at 59 papers; the source has more"), "{}", ran.stderr);
    let all = home.run(&["sync", "arxiv", "--from-file", &sample("arxiv.xml"), "--max", "60"]).exited(0);
    assert!(!all.stderr.contains("stopped"), "{}", all.stderr);
}

#[test]
fn ids_beside_a_query_are_refused_where_they_would_not_count() {
    let ran = home().run(&["sync", "semantic-scholar", "--query", "x", "--ids", "CorpusId:1"]).exited(2);
    assert!(ran.stderr.contains("--query") && ran.stderr.contains("--ids"), "{}", ran.stderr);
}

#[test]
fn a_sync_in_a_home_that_cannot_be_written_names_the_folder_and_the_flag() {
    let home = home();
    std::fs::write(home.path().join("a-file"), "").unwrap();
    let below_a_file = home.path().join("a-file/below");
    let taken = home.path().join("taken");
    std::fs::create_dir_all(taken.join("arxiv.pace")).unwrap();
    for folder in [below_a_file, taken] {
        for rest in [&["--ids", "2104.12255"][..], &["--ids", "2104.12255", "--dry-run"]] {
            let folder = folder.to_str().unwrap();
            let ran = home.run(&[&["--home", folder, "sync", "arxiv"], rest].concat()).exited(2);
            assert!(ran.stderr.contains(&format!("cannot use the home folder {folder}: ")), "{}", ran.stderr);
            assert!(ran.stderr.contains("choose another with --home"), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_database_address_with_options_is_refused_and_an_absolute_one_is_used() {
    let refused = home().set("LECTERN__STORE__URL", "sqlite:x.db?mode=memory").run(&["stats"]).exited(2);
    assert!(refused.stderr.contains("`store.url` is `sqlite:x.db?mode=memory`"), "{}", refused.stderr);
    let home = home();
    let file = home.path().join("elsewhere.db");
    let home = home.set("LECTERN__STORE__URL", format!("sqlite:///{}", file.display()));
    import(&home, "one.jsonl", "{\"title\": \"One\"}\n").exited(0);
    assert!(file.exists() && !home.path().join("library.db").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_no_one_from_taking_the_lock() {
    let home = home();
    std::os::unix::fs::symlink("/dev/full", home.path().join("lock")).unwrap();
    home.run(&["stats"]).exited(0);
}

#[test]
fn fields_that_cannot_be_read_are_told_and_the_papers_are_taken_in() {
    let home = home();
    let lines = "{\"title\": \"One\", \"year\": \"soon\"}\n{\"title\": \"Two\", \"year\": \"later\", \"doi\": 7}\n";
    let report = import(&home, "odd.jsonl", lines).exited(0).json();
    assert_eq!((&report["added"], &report["left_out"]), (&json!(2), &json!({"doi": 1, "year": 2})));
    let again = home.run(&["import", home.path().join("odd.jsonl").to_str().unwrap()]).exited(0).stdout;
    let told =
        "  doi of 1 line could not be read and is left out\n  year of 2 lines could not be read and is left out\n";
    assert!(again.ends_with(told), "{again}");
}

#[test]
fn a_saved_answer_is_not_taken_for_lines() {
    let home = home();
    for (file, said) in [
        (
            "arxiv.xml",
            "is XML, not JSON lines; an Atom feed or an OAI-PMH answer of arXiv is taken in with `lectern sync arxiv --from-file`",
        ),
        ("semantic-scholar.json", "is taken in with `lectern sync semantic-scholar --from-file`"),
    ] {
        let ran = home.run(&["import", &sample(file)]).exited(1);
        assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("error: {} ", sample(file))) && ran.stderr.contains(said), "{ran:?}");
    }
}
