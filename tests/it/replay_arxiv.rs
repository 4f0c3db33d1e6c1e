//! A sync of each kind from a local server that replays what arXiv once answered. Of its daily announcements there is no
//! recording; `live_arxiv_daily` of the crate `ingest` has answers in their shape.

use std::path::{Path, PathBuf};

use crate::provider_server::{Asked, Provider};
use crate::replay_scholar::{recorded, recordings, sync};
use crate::support::Home;

fn home(provider: &Provider) -> Home {
    Home::new()
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models")
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", &provider.address)
        .set("LECTERN__SOURCES__ARXIV__OAI_URL", format!("{}/oai", provider.address))
}

/// The recording whose name begins so.
fn named(folder: &Path, beginning: &str) -> String {
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.into_iter().find(|name| name.starts_with(beginning)).unwrap()
}

fn replay(folder: PathBuf, beginning: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Provider {
    Provider::new(move |asked| recorded(&folder, &named(&folder, &beginning(asked))))
}

#[test]
fn a_recorded_query_is_taken_in_and_then_what_changed_since_is_asked_for() {
    let Some(folder) = recordings("arxiv/lukasschwab+arxiv.py") else { return };
    let provider = replay(folder, |_| "q_testing_s0_m100_".to_owned());
    let home = home(&provider);
    let query = ["arxiv", "--query", "testing", "--max", "100"];
    assert_eq!(sync(&home, &query, 0), [100, 0, 0, 0]);
    assert_eq!(sync(&home, &query, 0), [0, 0, 100, 0]);
    let orders: Vec<_> = provider.asked().iter().filter_map(|asked| asked.parameter("sortBy")).collect();
    assert_eq!(orders, ["submittedDate", "lastUpdatedDate"], "nothing recorded is newer than the first sync");
}

#[test]
fn recorded_answers_about_ids_are_taken_in_and_what_arxiv_does_not_have_is_named() {
    let Some(folder) = recordings("arxiv/lukasschwab+arxiv.py") else { return };
    let provider = replay(folder, |asked| {
        let ids = asked.parameter("id_list").unwrap();
        format!("id_{}_s0_m100_", if ids == "2104.99999" { "0000.0000".to_owned() } else { ids.replace('/', "_") })
    });
    let home = home(&provider);
    for (ids, counts) in [
        ("1707.08567", [1, 0, 0, 0]),
        ("2104.12255v1", [1, 0, 0, 0]),
        ("astro-ph/0601001", [1, 0, 0, 0]),
        ("1707.08567", [0, 0, 1, 0]),
    ] {
        assert_eq!(sync(&home, &["arxiv", "--ids", ids], 0), counts, "{ids}");
    }
    let ran = home.run(&["--json", "sync", "arxiv", "--ids", "2104.99999"]);
    let told = ran.json()["rejections"].to_string();
    assert!(told.contains("2104.99999") && told.contains("not found: arXiv has no such paper"), "{told}");
}

#[test]
fn a_recorded_harvest_is_taken_in_once() {
    let Some(folder) = recordings("arxiv_oai") else { return };
    let provider = replay(folder, |_| "arxiv-physics-hep-th.xml".to_owned());
    let home = home(&provider);
    let harvest = ["arxiv", "--harvest", "physics:hep-th", "--from", "2017-12-14", "--until", "2017-12-14"];
    assert_eq!(sync(&home, &harvest, 0), [3, 0, 0, 0]);
    assert_eq!(sync(&home, &harvest, 0)[..2], [0, 0]);
    let asked = provider.asked();
    let parameters = ["verb", "metadataPrefix", "set", "from", "until"].map(|name| asked[0].parameter(name).unwrap());
    assert_eq!(parameters, ["ListRecords", "arXiv", "physics:hep-th", "2017-12-14", "2017-12-14"]);
}
