//! A sync of each kind from a local server that replays what Semantic Scholar and Crossref once answered.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::provider_server::{Answer, Asked, Provider};
use crate::support::{Home, root};

/// The recordings, when they are here.
pub fn recordings(of: &str) -> Option<PathBuf> {
    shared(&format!("api/{of}"))
}

/// A folder of the shared data, when it is here.
#[allow(clippy::disallowed_methods)] // A test may look where its data lie.
pub fn shared(of: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("LECTERN_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let folder = shared.join(of);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is not here; put it beside the checkout or set LECTERN_SHARED", folder.display());
    None
}

fn graph() -> Option<PathBuf> {
    recordings("semantic_scholar/danielnsilva+semanticscholar")
}

/// The recorded body of that name, with the status that ends the name, if one does.
pub fn recorded(folder: &Path, name: &str) -> Answer {
    let status = name.rsplit('.').nth(1).and_then(|status| status.parse().ok()).unwrap_or(200);
    (status, std::fs::read(folder.join(name)).unwrap())
}

/// Answers as recorded: by path, then by the value of a parameter.
fn replay(folder: PathBuf, script: &'static [(&str, &str, &str, &str)]) -> Provider {
    Provider::new(move |asked| {
        let said = |name: &str| asked.parameter(name).unwrap_or_default();
        let fits = |(path, name, value, _): &&(&str, &str, &str, &str)| asked.path() == *path && said(name) == *value;
        match script.iter().find(fits) {
            Some((.., name)) => recorded(&folder, name),
            None => (404, br#"{"error": "not recorded"}"#.to_vec()),
        }
    })
}

fn home(provider: &Provider) -> Home {
    Home::new()
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models")
        .set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", format!("{}/graph/v1", provider.address))
        .set("LECTERN__SOURCES__CROSSREF__BASE_URL", &provider.address)
}

/// Added, updated, unchanged and rejected.
pub fn sync(home: &Home, arguments: &[&str], code: i32) -> [u64; 4] {
    let ran = home.run(&[&["--json", "sync"], arguments].concat()).exited(code).json();
    ["added", "updated", "unchanged", "rejected"].map(|name| ran[name].as_u64().unwrap())
}

#[test]
fn a_recorded_search_is_walked_by_offset() {
    let Some(folder) = graph() else { return };
    let provider = replay(
        folder,
        &[
            ("/graph/v1/paper/search", "offset", "0", "test_search_paper_next_page.00.200.json"),
            ("/graph/v1/paper/search", "offset", "100", "test_search_paper_next_page.01.200.json"),
        ],
    );
    let home = home(&provider);
    let search = ["semantic-scholar", "--query", "turing", "--max", "200"];
    assert_eq!(sync(&home, &search, 0), [200, 0, 0, 0]);
    assert_eq!(sync(&home, &search, 0), [0, 0, 200, 0]);
    assert!(provider.asked().iter().all(|asked| asked.parameter("query").as_deref() == Some("turing")));
}

#[test]
fn a_recorded_bulk_search_is_walked_by_token_and_the_next_asks_for_what_is_new() {
    let Some(folder) = graph() else { return };
    let provider =
        Provider::new(move |asked| match (asked.parameter("token"), asked.parameter("publicationDateOrYear")) {
            (None, None) => recorded(&folder, "test_search_paper_bulk_retrieval.00.200.json"),
            (None, Some(_)) => (200, br#"{"total": 0, "token": null, "data": []}"#.to_vec()),
            (Some(_), _) => {
                let (status, body) = recorded(&folder, "test_search_paper_bulk_retrieval_next_page.01.200.json");
                let mut last: Value = serde_json::from_slice(&body).unwrap();
                last["token"] = Value::Null;
                (status, last.to_string().into_bytes())
            }
        });
    let home = home(&provider);
    let bulk = ["semantic-scholar", "--query", "kubernetes", "--bulk", "--max", "5000"];
    let [added, updated, unchanged, rejected] = sync(&home, &bulk, 0);
    assert_eq!((added + updated + unchanged, rejected), (2_000, 0));
    assert_eq!(sync(&home, &bulk, 0), [0, 0, 0, 0]);
    let asked = provider.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].parameter("publicationDateOrYear").unwrap().ends_with(':'), "{:?}", asked[2]);
}

#[test]
fn a_recorded_batch_names_what_is_not_known() {
    let Some(folder) = graph() else { return };
    let name = "test_get_papers_not_found_warning.00";
    let asked: Value =
        serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.request.json"))).unwrap()).unwrap();
    let ids: Vec<&str> = asked["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let provider =
        replay(folder, &[("/graph/v1/paper/batch", "", "", "test_get_papers_not_found_warning.00.200.json")]);
    let home = home(&provider);
    let ran = home.run(&["--json", "sync", "semantic-scholar", "--ids", &ids.join(",")]).exited(3).json();
    assert_eq!((&ran["added"], &ran["rejections"]), (&json!(3), &json!([{"record": ids[0], "reason": "not found"}])));
    let sent = provider.asked()[0].list("ids");
    assert_eq!((sent[2].as_str(), sent.len()), ("DOI:10.2139/ssrn.2250500", 4));
}

#[test]
fn recorded_references_are_walked_to_their_end() {
    let Some(folder) = graph() else { return };
    const PATH: &str = "/graph/v1/paper/DOI:10.2139/ssrn.2250500/references";
    let provider = replay(
        folder,
        &[
            (PATH, "offset", "0", "test_get_paper_references.00.200.json"),
            (PATH, "offset", "50", "test_get_paper_references.01.200.json"),
        ],
    );
    let home = home(&provider);
    let arguments = ["semantic-scholar", "--references-of", "10.2139/ssrn.2250500"];
    let [added, updated, unchanged, rejected] = sync(&home, &arguments, 0);
    assert_eq!((added + updated + unchanged, rejected, provider.asked().len()), (67, 0, 2));
}

#[test]
fn recorded_citations_are_walked_up_to_the_most() {
    let Some(folder) = graph() else { return };
    const PATH: &str = "/graph/v1/paper/CorpusId:14514057/citations";
    let provider = replay(
        folder,
        &[
            (PATH, "offset", "0", "test_get_paper_citations.00.200.json"),
            (PATH, "offset", "100", "test_get_paper_citations.01.200.json"),
            (PATH, "offset", "200", "test_get_paper_citations.02.200.json"),
        ],
    );
    let home = home(&provider);
    let arguments = ["semantic-scholar", "--citations-of", "CorpusId:14514057", "--max", "250"];
    let [added, updated, unchanged, rejected] = sync(&home, &arguments, 0);
    assert_eq!((added + updated + unchanged, rejected, provider.asked().len()), (250, 0, 3));
}

#[test]
fn recorded_recommendations_are_taken_in_for_one_paper_and_for_several() {
    let Some(folder) = graph() else { return };
    let provider = replay(
        folder,
        &[
            (
                "/recommendations/v1/papers/forpaper/DOI:10.2139/ssrn.2250500",
                "limit",
                "500",
                "test_get_recommended_papers.00.200.json",
            ),
            (
                "/recommendations/v1/papers/",
                "limit",
                "500",
                "test_get_recommended_papers_from_lists_positive_only.00.200.json",
            ),
        ],
    );
    let home = home(&provider);
    let one = sync(&home, &["semantic-scholar", "--recommended-for", "10.2139/ssrn.2250500"], 0);
    let several =
        sync(&home, &["semantic-scholar", "--recommended-for", "10.1145/3544585.3544600,10.1145/301250.301271"], 0);
    assert_eq!((one, several.iter().sum::<u64>()), ([100, 0, 0, 0], 100));
    let asked = provider.asked();
    assert_eq!((asked[0].method.as_str(), asked[1].method.as_str()), ("GET", "POST"));
    assert_eq!(asked[1].list("positivePaperIds"), ["DOI:10.1145/3544585.3544600", "DOI:10.1145/301250.301271"]);
}

/// Every recorded body below a folder that is a good answer.
fn bodies(folder: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bodies(&path));
        } else if path.to_string_lossy().ends_with(".200.json") {
            found.extend(serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()));
        }
    }
    found
}

/// What was recorded of papers with a DOI, by the DOI.
fn by_doi(records: impl Iterator<Item = Value>, doi: impl Fn(&Value) -> Option<&str>) -> HashMap<String, Value> {
    records.filter_map(|record| Some((doi(&record)?.to_lowercase(), record))).collect()
}

fn library_of(home: &Home, dois: &[String]) {
    let lines: Vec<String> =
        dois.iter().map(|doi| json!({"title": format!("Of {doi}"), "doi": doi}).to_string()).collect();
    let file = home.path().join("papers.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    home.run(&["import", file.to_str().unwrap()]).exited(0);
}

#[test]
fn papers_are_enriched_from_recorded_answers() {
    let Some(folder) = recordings("semantic_scholar/Future-House+paper-qa") else { return };
    let single = |body: Value| match &body["data"] {
        Value::Array(list) => list.first().cloned().unwrap_or_default(),
        _ => body,
    };
    let known = by_doi(bodies(&folder).into_iter().map(single), |paper| paper["externalIds"]["DOI"].as_str());
    let mut dois: Vec<String> = known.keys().filter(|doi| !doi.contains("arxiv")).cloned().collect();
    dois.sort();
    let count = dois.len() as u64;
    assert!(count >= 5, "{dois:?}");
    dois.push("10.1000/nobody-knows-it".to_owned());
    let answers = known.clone();
    let provider = Provider::new(move |asked| {
        let one = |id: &String| answers.get(&id.trim_start_matches("DOI:").to_lowercase()).cloned().unwrap_or_default();
        (200, asked.list("ids").iter().map(one).collect::<Value>().to_string().into_bytes())
    });
    let home = home(&provider);
    library_of(&home, &dois);
    let enrich = || home.run(&["--json", "sync", "semantic-scholar", "--enrich"]).exited(0).json();
    let report = enrich();
    let told = ["asked", "found", "unknown", "added", "updated"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(told, [count + 1, count, 1, 0, count]);
    assert_eq!((enrich()["asked"].as_u64(), provider.asked().len()), (Some(0), 1));
}

#[test]
fn papers_are_looked_up_in_recorded_answers_of_crossref() {
    let Some(folder) = recordings("crossref") else { return };
    let works = bodies(&folder).into_iter().filter(|body| body["message-type"] == "work");
    let known = by_doi(works.map(|body| body["message"].clone()), |work| work["DOI"].as_str());
    let mut dois: Vec<String> = known.keys().cloned().collect();
    dois.sort();
    let count = dois.len() as u64;
    assert!(count >= 5, "{dois:?}");
    dois.push("10.1371/notarealdoi".to_owned());
    let answers = known.clone();
    let provider = Provider::new(move |asked: &Asked| {
        let filter = asked.parameter("filter").unwrap_or_default();
        let items: Vec<&Value> =
            filter.split(',').filter_map(|doi| answers.get(&doi.trim_start_matches("doi:").to_lowercase())).collect();
        match filter.is_empty() {
            false => (
                200,
                json!({"status": "ok", "message-type": "work-list", "message": {"items": items}})
                    .to_string()
                    .into_bytes(),
            ),
            true => {
                let doi = asked.path().trim_start_matches("/works/").replace("%2F", "/").to_lowercase();
                match answers.get(&doi) {
                    Some(work) => {
                        (200, json!({"status": "ok", "message-type": "work", "message": work}).to_string().into_bytes())
                    }
                    None => (404, b"Resource not found.".to_vec()),
                }
            }
        }
    });
    let home = home(&provider);
    library_of(&home, &dois);
    let enrich = || home.run(&["--json", "sync", "crossref", "--enrich"]).exited(0).json();
    let report = enrich();
    let told = ["asked", "found", "unknown", "added", "updated"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(told, [count + 1, count, 1, 0, count], "{report}");
    let requests = provider.asked().len();
    assert_eq!((enrich()["asked"].as_u64(), provider.asked().len()), (Some(0), requests));
}
