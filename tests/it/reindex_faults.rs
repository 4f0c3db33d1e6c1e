//! What keeps a new index from being built: the old one is searched all the same, and the next try goes on.

use serde_json::{Value, json};

use crate::crash::{lines, on_a_small_disk};
use crate::reindex::{PAPERS, ask, current, folders, follow, home_of, index_of, stats, until_left};
use crate::support::Home;

const OTHER: &str = "all-MiniLM-L6-v2-fp32";

#[test]
fn a_disk_without_room_for_two_is_told_before_anything_is_begun_and_the_old_index_stays() {
    const LINES: usize = 30;
    let home = Home::new();
    let file = lines(LINES);
    let reindex = format!("lectern --json reindex --model {OTHER}");
    let script = format!(
        "lectern --json import '{}' > /dev/null; fallocate -l 30M \"$LECTERN_HOME/index/1/lexical/words\"; \
         fallocate -l 100M \"$LECTERN_HOME/filler\"; {reindex} && exit 7; \
         cat \"$LECTERN_HOME/index/current.json\"; lectern --json search 'Note 7'; rm \"$LECTERN_HOME/filler\"; \
         {reindex}; lectern --json stats",
        file.path().display()
    );
    let Some(ran) = on_a_small_disk(&home, &script) else { return };
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{told}");
    let error = told.lines().find(|line| line.starts_with("error: ")).unwrap();
    for part in [
        "the new one needs about ",
        " MiB beside the old one, and ",
        " MiB are free; free some disk space and try again; the old index is searched as before",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let documents = String::from_utf8(ran.stdout).unwrap();
    let documents: Vec<Value> =
        serde_json::Deserializer::from_str(&documents).into_iter().collect::<Result<_, _>>().unwrap();
    let [list, found, report, stats] = documents.as_slice() else { panic!("{documents:?}") };
    assert_eq!(*list, json!({"searched": 1, "building": null, "dropped": []}));
    assert_eq!((&found["mode"], &found["notice"]), (&json!("hybrid"), &Value::Null));
    assert_eq!(report["papers"], LINES);
    assert_eq!(index_of(stats), (LINES as u64, LINES as u64, OTHER));
}

#[test]
fn a_qdrant_server_that_is_away_is_told_and_waited_for_and_the_old_index_stays() {
    let home = Home::with_samples();
    let before = stats(&home);
    let home = home.set("LECTERN__INDEX__DENSE", "qdrant").set("LECTERN__QDRANT__URL", "http://127.0.0.1:1");
    let alone = home.run(&["reindex", "--model", OTHER]).exited(1).stderr;
    for part in ["the Qdrant server at http://127.0.0.1:1 does not answer", "the old index is searched as before"] {
        assert!(alone.contains(part), "{alone}");
    }
    let server = home.serve();
    let served = home.run(&["reindex", "--model", OTHER]).exited(1).stderr;
    for part in ["the Qdrant server at http://127.0.0.1:1 does not answer", "; the server tries again by itself"] {
        assert!(served.contains(part), "{served}");
    }
    let problem = ask(&home, &server, &json!({})).problem(503);
    assert!(problem.contains("Qdrant"), "{problem}");
    let ready = server.get("/readyz").json();
    assert_eq!((&ready["reindex"]["model"], &ready["reindex"]["state"]), (&json!(OTHER), &json!("waiting")));
    assert!(!ready.to_string().contains("Qdrant"), "anybody may ask: {ready}");
    assert_eq!(server.get("/v1/search?q=attention").json()["mode"], "lexical");
    assert_eq!(server.stop(), 0);
    // Vectors that are kept in another place are begun anew.
    let home = home.set("LECTERN__INDEX__DENSE", "edge");
    assert_eq!(index_of(&stats(&home)), index_of(&before));
    let report = home.run(&["--json", "reindex"]).exited(0).json();
    assert_eq!((&report["model"], &report["resumed"]), (&json!(OTHER), &json!(false)));
    assert_eq!((folders(&home), current(&home)["building"].clone()), (vec!["2".to_owned()], Value::Null));
}

#[test]
fn a_build_whose_model_a_setting_overrules_by_now_is_given_up() {
    let home = Home::with_samples();
    let index = home.path().join("index/current.json");
    let building = json!({"number": 2, "model": OTHER, "vectors": "edge"});
    std::fs::write(&index, json!({"searched": 1, "building": building, "dropped": []}).to_string()).unwrap();
    std::fs::write(home.path().join("lectern.toml"), "[embedding]\nmodel = \"all-MiniLM-L6-v2\"\n").unwrap();
    let server = home.serve();
    assert_eq!(server.get("/v1/stats").json()["reindex"], Value::Null);
    assert_eq!(server.stop(), 0);
    assert_eq!(current(&home)["building"], Value::Null);
    assert_eq!(stats(&home)["index"]["model"], "all-MiniLM-L6-v2");
}

#[test]
fn a_build_that_cannot_be_read_is_given_up_and_begun_anew() {
    let home = Home::with_samples();
    let papers = stats(&home)["library"]["papers"].clone();
    let index = home.path().join("index");
    let building = json!({"number": 2, "model": OTHER, "vectors": "edge"});
    std::fs::write(index.join("current.json"), json!({"searched": 1, "building": building}).to_string()).unwrap();
    std::fs::create_dir_all(index.join("2/lexical")).unwrap();
    std::fs::write(index.join("2/lexical/meta.json"), "{").unwrap();
    let report = home.run(&["--json", "reindex"]).exited(0).json();
    assert_eq!((&report["model"], &report["papers"], &report["resumed"]), (&json!(OTHER), &papers, &json!(false)));
    assert_eq!(folders(&home), ["2"]);
}

#[test]
fn of_two_models_that_a_server_is_asked_for_the_later_one_is_built() {
    let home = home_of(PAPERS);
    let server = home.serve();
    let mut first = follow(&home, &server, OTHER);
    first.until("progress");
    let report = home.run(&["--json", "reindex", "--model", "all-MiniLM-L6-v2"]).exited(0).json();
    assert_eq!((&report["papers"], &report["resumed"]), (&json!(PAPERS), &json!(false)));
    let (_, kind, problem) = first.rest().pop().unwrap();
    assert_eq!((kind.as_str(), &problem["status"]), ("error", &json!(503)));
    assert!(problem["detail"].as_str().unwrap().contains("given up for another one"), "{problem}");
    until_left(&home, &["2"]);
    assert_eq!(index_of(&server.get("/v1/stats").json()), (PAPERS as u64, PAPERS as u64, "all-MiniLM-L6-v2"));
    assert_eq!(server.stop(), 0);
}
