//! `sync … --enrich`: what a source knows of the library's own papers.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::provider_server::{Answer, Asked, Provider};
use crate::support::{Home, Ran};

/// A home that searches by words only, with these lines in its library.
fn home(lines: &[Value]) -> Home {
    let home = Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let file = home.path().join("papers.jsonl");
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    home.run(&["import", file.to_str().unwrap()]).exited(0);
    home
}

fn ok(body: &Value) -> Answer {
    (200, body.to_string().into_bytes())
}

/// What the report says, without the times.
fn report(ran: &Ran) -> Value {
    let mut report = ran.json();
    let object = report.as_object_mut().unwrap();
    object.retain(|name, _| !name.ends_with("seconds") && name != "rejections");
    report
}

mod semantic_scholar {
    use super::*;

    fn enrich(home: &Home) -> Ran {
        home.run(&["--json", "sync", "semantic-scholar", "--enrich"])
    }

    #[test]
    fn papers_are_asked_about_once_a_period_and_what_is_learnt_is_added_to_them() {
        let known = |asked: &Asked| {
            let one = |id: &String| match id.as_str() {
                "ARXIV:1706.03762" => json!({"corpusId": 13756489, "title": "Attention is All you Need", "year": 2017,
                    "venue": "Neural Information Processing Systems", "citationCount": 100,
                    "externalIds": {"ArXiv": "1706.03762", "DBLP": "conf/nips/VaswaniSPUJGKP17"}}),
                _ => Value::Null,
            };
            ok(&asked.list("ids").iter().map(one).collect())
        };
        let provider = Provider::new(known);
        let home = home(&[
            json!({"title": "Attention Is All You Need", "arxiv_id": "1706.03762", "year": 2017}),
            json!({"title": "Unknown there", "doi": "10.1000/unknown"}),
            json!({"title": "Nobody could know it", "id": 7}),
        ])
        .set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", &provider.address);
        let first = enrich(&home).exited(0);
        let expected = json!({"asked": 2, "found": 1, "unknown": 1, "added": 0, "updated": 1, "unchanged": 0,
            "rejected": 0, "left": 0});
        assert_eq!(report(&first), expected);
        let mut ids = provider.asked()[0].list("ids");
        ids.sort();
        assert_eq!(ids, ["ARXIV:1706.03762", "DOI:10.1000/unknown"]);
        let found = home.run(&["--json", "search", "attention", "--mode", "lexical"]).exited(0).json();
        let paper = &found["hits"][0]["paper"];
        assert_eq!((&paper["citation_count"], &paper["ids"]["corpus_id"]), (&json!(100), &json!(13_756_489)));

        let second = home.run(&["sync", "semantic-scholar", "--enrich"]).exited(0);
        let said = "nothing to ask: semantic-scholar has been asked about every paper not long ago\n";
        assert_eq!((second.stdout.as_str(), provider.asked().len()), (said, 1));
    }

    #[test]
    fn what_was_asked_before_a_break_is_not_asked_again() {
        let count = AtomicUsize::new(0);
        let provider = Provider::new(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            1 => (403, br#"{"message": "Forbidden"}"#.to_vec()),
            _ => (400, br#"{"error": "No valid paper ids given"}"#.to_vec()),
        });
        let lines: Vec<Value> =
            (0..502).map(|n| json!({"title": format!("Paper {n}"), "doi": format!("10.1000/{n}")})).collect();
        let home = home(&lines).set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", &provider.address);
        let broken = enrich(&home).exited(1);
        assert!(broken.stderr.contains("is the key right?"), "{}", broken.stderr);
        let rest = enrich(&home).exited(0);
        assert_eq!((&report(&rest)["asked"], &report(&rest)["unknown"]), (&json!(2), &json!(2)));
        let portions: Vec<usize> = provider.asked().iter().map(|asked| asked.list("ids").len()).collect();
        assert_eq!(portions, [500, 2, 2]);
    }

    #[test]
    fn a_most_is_kept_and_the_rest_is_told() {
        let provider = Provider::new(|asked| ok(&asked.list("ids").iter().map(|_| Value::Null).collect()));
        let lines: Vec<Value> =
            (0..3).map(|n| json!({"title": format!("Paper {n}"), "doi": format!("10.1000/{n}")})).collect();
        let home = home(&lines).set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", &provider.address);
        let some = home.run(&["sync", "semantic-scholar", "--enrich", "--max", "2"]).exited(0);
        assert!(some.stdout.contains("2 asked about, 0 found, 2 unknown"), "{}", some.stdout);
        assert!(some.stdout.contains("1 papers are still to be asked about"), "{}", some.stdout);
        assert_eq!(report(&enrich(&home).exited(0))["asked"], 1);
        let looked = home.run(&["sync", "semantic-scholar", "--enrich", "--dry-run"]).exited(2);
        assert!(looked.stderr.contains("it has no --dry-run"), "{}", looked.stderr);
    }
}
