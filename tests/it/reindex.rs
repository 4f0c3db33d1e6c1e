//! `reindex`: a new index beside the one that is searched, in a process of its own and in the server.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{Home, Ran, Server, copy, eventually};

const MODEL: &str = "all-MiniLM-L6-v2";
const OTHER: &str = "all-MiniLM-L6-v2-fp32";
/// Some batches of 256.
pub const PAPERS: usize = 800;

fn lines(home: &Home, numbers: std::ops::Range<usize>) -> String {
    let file = home.path().join("papers.jsonl");
    let line = |n: usize| json!({"id": n.to_string(), "title": format!("Note {n}")}).to_string();
    std::fs::write(&file, numbers.map(line).collect::<Vec<_>>().join("\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A home with so many papers in it.
pub fn home_of(papers: usize) -> Home {
    let home = Home::new();
    home.run(&["import", &lines(&home, 0..papers)]).exited(0);
    home
}

pub fn stats(home: &Home) -> Value {
    home.run(&["--json", "stats"]).exited(0).json()
}

/// Papers, vectors and model of the index.
pub fn index_of(stats: &Value) -> (u64, u64, &str) {
    let index = &stats["index"];
    (index["papers"].as_u64().unwrap(), index["vectors"].as_u64().unwrap(), index["model"].as_str().unwrap())
}

pub fn current(home: &Home) -> Value {
    serde_json::from_slice(&std::fs::read(home.path().join("index/current.json")).unwrap()).unwrap()
}

/// The generations that have a folder.
pub fn folders(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.path().join("index")).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until a generation has committed a batch.
fn until_some_is_done(home: &Home, generation: &str, working: &mut Child) {
    let meta: PathBuf = home.path().join("index").join(generation).join("lexical/meta.json");
    eventually(|| {
        assert!(working.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::fs::read_to_string(&meta).unwrap_or_default().contains("\"payload\": \"").then_some(())
    });
}

/// How far the main thread of a process stands behind others, and one that indexes: field 19 of `stat` (proc_pid_stat(5)).
/// None when there is none that indexes at the moment.
fn nicenesses(process: u32) -> Option<[i32; 2]> {
    let stat = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("stat")).ok();
    let mut stats = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().filter_map(stat);
    let niceness = |stat: &str| stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(16)?.parse().ok();
    let main = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    Some([niceness(&main)?, niceness(&stats.find(|stat| stat.contains("(indexing)"))?)?])
}

/// Begins to build an index with another model, and kills the process in the middle of it.
fn interrupted(home: &Home, generation: &str, model: &str) {
    let mut reindex = home.command(&["reindex", "--model", model]);
    let mut reindex = reindex.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_some_is_done(home, generation, &mut reindex);
    if cfg!(target_os = "linux") {
        let [main, indexing] = eventually(|| nicenesses(reindex.id()));
        assert_eq!(indexing, main, "no search is there to stand behind");
    }
    reindex.kill().unwrap();
    reindex.wait().unwrap();
}

fn is_found(ran: &Ran, title: &str) -> bool {
    let found = ran.json();
    assert_eq!((&found["mode"], &found["notice"]), (&json!("hybrid"), &Value::Null), "{found}");
    found["hits"].as_array().unwrap().iter().any(|hit| hit["paper"]["title"] == title)
}

/// The secret by which commands show that they are the operator's.
fn secret(home: &Home) -> String {
    eventually(|| {
        // It is told a moment after the server listens.
        let note = std::fs::read_to_string(home.path().join("lock")).unwrap();
        note.split_ascii_whitespace().nth(3).map(str::to_owned)
    })
}

pub fn ask(home: &Home, server: &Server, body: &Value) -> crate::support::Reply {
    server.send(|client| {
        let request = client.post(server.url("/v1/reindex")).header("x-lectern-operator", secret(home));
        request.header("content-type", "application/json").body(body.to_string())
    })
}

pub fn follow(home: &Home, server: &Server, model: &str) -> crate::support::Following {
    server.follow(|client| {
        let request = client.post(server.url("/v1/reindex")).header("x-lectern-operator", secret(home));
        let request = request.header("accept", "text/event-stream").header("content-type", "application/json");
        request.body(json!({"model": model}).to_string())
    })
}

/// Waits until the server has built what it is building.
fn until_built(server: &Server) -> Value {
    eventually(|| Some(server.get("/v1/stats").json()).filter(|stats| stats["reindex"].is_null()))
}

/// Waits until only these generations have a folder.
pub fn until_left(home: &Home, generations: &[&str]) {
    eventually(|| (folders(home) == generations && current(home)["dropped"] == json!([])).then_some(()));
}

#[test]
fn a_reindex_that_is_killed_goes_on_where_it_was_and_the_old_index_is_searched_until_then() {
    let home = home_of(PAPERS);
    interrupted(&home, "2", OTHER);
    let between = stats(&home);
    assert_eq!(index_of(&between), (PAPERS as u64, PAPERS as u64, MODEL));
    let (done, state) = (between["reindex"]["done"].as_u64().unwrap(), &between["reindex"]["state"]);
    assert!(done >= 256 && done < PAPERS as u64, "{between}");
    assert_eq!(
        (&between["reindex"]["model"], &between["reindex"]["total"], state),
        (&json!(OTHER), &json!(PAPERS), &json!("interrupted"))
    );
    assert!(
        home.run(&["stats"])
            .stdout
            .contains(&format!("a new index with model {OTHER} has {done} of {PAPERS} papers and was interrupted"))
    );
    assert!(home.run(&["doctor"]).stdout.contains("run `lectern reindex` to go on with it"));
    home.run(&["import", &lines(&home, PAPERS..PAPERS + 1)]).exited(0);
    let title = format!("Note {PAPERS}");
    assert!(is_found(&home.run(&["--json", "search", &title]), &title), "the old one is written on");
    // Without a name it is the one that is being built.
    let report = home.run(&["--json", "reindex"]).exited(0).json();
    let rest = PAPERS as u64 + 1 - done;
    assert_eq!(
        ["model", "papers", "embeddings", "resumed"].map(|name| report[name].clone()),
        [json!(OTHER), json!(rest), json!(rest), json!(true)]
    );
    let after = stats(&home);
    assert_eq!(index_of(&after), (PAPERS as u64 + 1, PAPERS as u64 + 1, OTHER));
    assert_eq!((&after["reindex"], folders(&home)), (&Value::Null, vec!["2".to_owned()]));
    assert!(is_found(&home.run(&["--json", "search", &title]), &title));
}

#[test]
fn another_model_begins_anew_and_what_a_crash_has_left_is_deleted() {
    let home = home_of(PAPERS);
    interrupted(&home, "2", OTHER);
    // As a crash between the switch and the deletion leaves it.
    copy(&home.path().join("index/2"), &home.path().join("index/7"));
    home.run(&["search", "note"]).exited(0);
    assert_eq!(folders(&home), ["1", "2"]);
    let report = home.run(&["--json", "reindex", "--model", MODEL]).exited(0).json();
    assert_eq!((&report["papers"], &report["resumed"]), (&json!(PAPERS), &json!(false)));
    assert_eq!(
        (index_of(&stats(&home)), folders(&home)),
        ((PAPERS as u64, PAPERS as u64, MODEL), vec!["2".to_owned()])
    );
    assert_eq!(current(&home), json!({"searched": 2, "building": null, "dropped": []}));
}

#[test]
fn a_build_of_a_library_that_was_put_back_from_a_copy_is_begun_anew() {
    let home = home_of(100);
    // What a process has left in the log beside it belongs to the database.
    let database = ["library.db", "library.db-wal", "library.db-shm"];
    let copied = tempfile::tempdir().unwrap();
    for file in database {
        let _ = std::fs::copy(home.path().join(file), copied.path().join(file));
    }
    home.run(&["import", &lines(&home, 100..PAPERS)]).exited(0);
    interrupted(&home, "2", OTHER);
    for file in database {
        let _ = std::fs::remove_file(home.path().join(file));
        let _ = std::fs::copy(copied.path().join(file), home.path().join(file));
    }
    // Past what the build had reached, before anybody goes on with it.
    let other: Vec<String> = (0..PAPERS).map(|n| json!({"title": format!("Basalt {n}")}).to_string()).collect();
    let file = home.path().join("other.jsonl");
    std::fs::write(&file, other.join("\n")).unwrap();
    home.run(&["import", file.to_str().unwrap()]).exited(0);
    assert_eq!(stats(&home)["reindex"], Value::Null);
    home.run(&["reindex", "--model", OTHER]).exited(0);
    assert_eq!(index_of(&stats(&home)), (PAPERS as u64 + 100, PAPERS as u64 + 100, OTHER));
    assert!(is_found(&home.run(&["--json", "search", "Basalt 3"]), "Basalt 3"));
}

#[test]
fn the_server_builds_a_new_index_while_it_is_searched_and_written_and_switches_at_once() {
    let home = home_of(PAPERS);
    let server = home.serve();
    let mut told = follow(&home, &server, OTHER);
    told.until("progress");
    let search = |title: &str| {
        let found = server.get(&format!("/v1/search?q={}&limit=50", title.replace(' ', "%20"))).json();
        assert_eq!((&found["mode"], &found["notice"]), (&json!("hybrid"), &Value::Null));
        found["hits"].as_array().unwrap().iter().any(|hit| hit["paper"]["title"] == title)
    };
    let title = format!("Note {}", PAPERS + 5);
    home.run(&["import", &lines(&home, PAPERS..PAPERS + 10)]).exited(0);
    let during = server.get("/v1/stats").json();
    assert_eq!(index_of(&during), (PAPERS as u64 + 10, PAPERS as u64 + 10, MODEL));
    assert_eq!((&during["reindex"]["model"], &during["reindex"]["state"]), (&json!(OTHER), &json!("building")));
    assert_eq!(server.get("/readyz").json()["reindex"]["model"], OTHER);
    assert!(search(&title) && search("Note 17"), "found while the new index is built");
    // The command joins what is under way.
    let joined = home.run(&["--json", "reindex", "--model", OTHER]).exited(0);
    assert!(joined.stderr.contains("the server builds the new index"), "{}", joined.stderr);
    let events = told.rest();
    let (last, steps) = events.split_last().unwrap();
    assert_eq!((last.1.as_str(), &last.2), ("report", &joined.json()));
    assert_eq!((&last.2["papers"], &last.2["model"]), (&json!(PAPERS + 10), &json!(OTHER)));
    assert!(steps.iter().all(|(_, kind, step)| kind == "progress" && step["stage"] == "indexing"), "{steps:?}");
    assert_eq!(server.get("/readyz").json().get("reindex"), None);
    assert_eq!(index_of(&server.get("/v1/stats").json()), (PAPERS as u64 + 10, PAPERS as u64 + 10, OTHER));
    assert!(search(&title) && search("Note 17"));
    home.run(&["import", &lines(&home, PAPERS + 10..PAPERS + 11)]).exited(0);
    assert!(search(&format!("Note {}", PAPERS + 10)), "the new one is written from now on");
    until_left(&home, &["2"]);
    assert_eq!(server.stop(), 0);
    assert_eq!(index_of(&stats(&home)), (PAPERS as u64 + 11, PAPERS as u64 + 11, OTHER));
}

#[test]
fn a_server_that_is_killed_or_stopped_in_the_middle_goes_on_with_the_build_by_itself() {
    let home = home_of(PAPERS);
    let server = home.serve();
    let mut told = follow(&home, &server, OTHER);
    let done = |server: &Server| server.get("/v1/stats").json()["reindex"]["done"].as_u64().unwrap();
    told.until("progress");
    let some_done = |server: &Server| eventually(|| Some(done(server)).filter(|done| *done > 0));
    some_done(&server);
    server.kill();
    let server = home.serve();
    let first = some_done(&server);
    assert!(first >= 256 && first < PAPERS as u64, "{first}");
    // Whoever leaves does not stop it, and a stop of the server does not wait for it.
    drop(follow(&home, &server, OTHER));
    assert_eq!(server.stop(), 0);
    assert_eq!(stats(&home)["index"]["model"], MODEL);
    let server = home.serve();
    assert_eq!(index_of(&until_built(&server)), (PAPERS as u64, PAPERS as u64, OTHER));
    until_left(&home, &["2"]);
    assert_eq!(server.stop(), 0);
}

#[test]
fn papers_that_became_one_are_counted_once() {
    let home = home_of(3);
    home.run(&["papers", "join", "local:0", "local:1"]).exited(0);
    assert_eq!(home.run(&["--json", "reindex"]).exited(0).json()["papers"], 2);
    assert_eq!(index_of(&stats(&home)), (2, 2, MODEL));
}

#[test]
fn a_model_that_cannot_be_had_is_told_and_nothing_is_begun() {
    let home = home_of(3);
    let unchanged = |home: &Home| {
        assert_eq!((current(home)["searched"].clone(), current(home)["building"].clone()), (json!(1), Value::Null));
        assert_eq!(folders(home), ["1"]);
    };
    let unknown = home.run(&["reindex", "--model", "word2vec"]).exited(2).stderr;
    assert!(
        unknown.contains("there is no embedding model `word2vec`") && unknown.contains("; the index is left as it is"),
        "{unknown}"
    );
    let home = home.set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let missing = home.run(&["reindex", "--model", OTHER]).exited(2).stderr;
    assert!(
        missing.contains("/nonexistent/models") && missing.contains("run `make setup`; the index is left"),
        "{missing}"
    );
    unchanged(&home);
    let home = home.set("LECTERN__EMBEDDING__DIR", "");
    let server = home.serve();
    let served = home.run(&["reindex", "--model", "word2vec"]).exited(2).stderr;
    assert!(served.contains("there is no embedding model `word2vec`"), "{served}");
    let refused = server.post("/v1/reindex", &json!({"model": OTHER})).problem(403);
    assert_eq!(refused, "a new index is for commands on this machine: `lectern reindex`");
    assert!(ask(&home, &server, &json!({"modell": OTHER})).problem(400).contains("modell"));
    unchanged(&home);
}

#[test]
fn a_setting_that_would_hold_again_at_the_next_start_is_not_overruled_in_the_server_either() {
    let home = home_of(3);
    let file = home.path().join("lectern.toml");
    std::fs::write(&file, format!("[embedding]\nmodel = \"{MODEL}\"\n")).unwrap();
    let server = home.serve();
    let set = ask(&home, &server, &json!({"model": OTHER})).problem(400);
    assert!(set.starts_with(&format!("embedding.model is `{MODEL}` (file ")), "{set}");
    // Changed in the file, it holds at the next start, and may be built before.
    std::fs::write(&file, format!("[embedding]\nmodel = \"{OTHER}\"\n")).unwrap();
    let report = home.run(&["--json", "reindex"]).exited(0).json();
    assert_eq!((&report["model"], &report["papers"]), (&json!(OTHER), &json!(3)));
    assert_eq!(server.stop(), 0);
    assert_eq!(index_of(&stats(&home)), (3, 3, OTHER));
}

#[test]
fn an_index_of_an_earlier_version_is_searched_until_the_switch_and_then_gone() {
    let home = home_of(3);
    let index = home.path().join("index");
    for name in ["lexical", "dense", "index.json"] {
        std::fs::rename(index.join("1").join(name), index.join(name)).unwrap();
    }
    std::fs::remove_dir(index.join("1")).unwrap();
    std::fs::remove_file(index.join("current.json")).unwrap();
    assert!(is_found(&home.run(&["--json", "search", "Note 2"]), "Note 2"));
    // Of a format that cannot be read it says so, until it is built anew.
    let manifest = std::fs::read_to_string(index.join("index.json")).unwrap();
    std::fs::write(index.join("index.json"), manifest.replace("\"schema_version\": ", "\"schema_version\": 9"))
        .unwrap();
    std::fs::write(index.join("dense/edge_config.json"), "{").unwrap();
    let told = home.run(&["search", "note"]).exited(1).stderr;
    assert!(told.contains("format 9") && !told.contains("damaged"), "{told}");
    assert!(told.contains("run `lectern reindex`, which builds it anew from the library"), "{told}");
    home.run(&["reindex"]).exited(0);
    assert!(is_found(&home.run(&["--json", "search", "Note 2"]), "Note 2"));
    let mut left: Vec<_> = std::fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["1", "current.json"]);
}

#[test]
fn a_damaged_index_is_told_and_built_anew_from_the_library() {
    let home = home_of(3);
    for damaged in ["current.json", "lexical/meta.json"] {
        let index = home.path().join("index");
        let place = match damaged {
            "current.json" => index.clone(),
            _ => index.join(current(&home)["searched"].to_string()),
        };
        std::fs::write(place.join(damaged), "{").unwrap();
        let told = home.run(&["search", "note"]).exited(1).stderr;
        assert!(told.contains("is damaged") && told.contains("run `lectern reindex`"), "{told}");
        home.run(&["reindex"]).exited(0);
        assert_eq!((index_of(&stats(&home)), folders(&home).len()), ((3, 3, MODEL), 1));
    }
}
