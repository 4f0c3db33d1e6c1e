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
