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

/// What the report says of asking and of what was learnt.
fn report(ran: &Ran) -> Value {
    const TOLD: [&str; 8] = ["asked", "found", "unknown", "added", "updated", "unchanged", "rejected", "left"];
    let mut report = ran.json();
    report.as_object_mut().unwrap().retain(|name, _| TOLD.contains(&name.as_str()));
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
        let said = "nothing to ask: semantic-scholar has been asked about every paper not long ago\n\
                    0 added, 0 updated, 0 unchanged, 0 rejected in ";
        assert!(second.stdout.starts_with(said), "{}", second.stdout);
        assert_eq!(provider.asked().len(), 1);
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
        assert!(some.stdout.contains("1 paper is still to be asked about"), "{}", some.stdout);
        assert_eq!(report(&enrich(&home).exited(0))["asked"], 1);
        let looked = home.run(&["sync", "semantic-scholar", "--enrich", "--dry-run"]).exited(2);
        assert!(looked.stderr.contains("they have no --dry-run"), "{}", looked.stderr);
    }
}

mod crossref {
    use super::*;

    fn list(items: &Value) -> Answer {
        ok(&json!({"status": "ok", "message-type": "work-list", "message": {"items": items}}))
    }

    /// Knows two papers: one that was retracted, by its DOI, and one by its title.
    fn provider() -> Provider {
        Provider::new(|asked| match (asked.parameter("filter"), asked.parameter("query.bibliographic")) {
            (Some(_), _) => list(&json!([
                {"DOI": "10.1000/bad", "type": "journal-article", "title": ["RETRACTED: Vaccines and doubt"],
                    "updated-by": [{"type": "retraction", "DOI": "10.1000/notice", "source": "retraction-watch"}]},
                {"DOI": "10.1000/good", "type": "journal-article", "title": ["Vaccines and care"],
                    "updated-by": [{"type": "correction", "DOI": "10.1000/erratum"}]}])),
            (_, Some(_)) => list(&json!([{"DOI": "10.1000/found", "type": "journal-article",
                "title": ["Vaccines without DOI"], "author": [{"given": "Ada", "family": "Lovelace"}],
                "issued": {"date-parts": [[2021]]}}])),
            _ => (404, b"Resource not found.".to_vec()),
        })
    }

    fn library(provider: &Provider) -> Home {
        home(&[
            json!({"title": "Vaccines and doubt", "doi": "10.1000/bad", "year": 2020, "authors": ["Ada Lovelace"]}),
            json!({"title": "Vaccines and care", "doi": "10.1000/good", "year": 2020, "authors": ["Ada Lovelace"]}),
            json!({"title": "Vaccines without DOI", "arxiv_id": "2001.00001", "year": 2020, "authors": ["Ada Lovelace"]}),
        ])
        .set("LECTERN__SOURCES__CROSSREF__BASE_URL", &provider.address)
        .set("LECTERN__SOURCES__CONTACT", "mailto:someone@example.org")
    }

    #[test]
    fn a_retraction_is_learnt_and_shown_wherever_the_paper_is_and_a_missing_doi_is_found() {
        let provider = provider();
        let home = library(&provider);
        let ran = home.run(&["--json", "sync", "crossref", "--enrich"]).exited(0);
        let expected = json!({"asked": 3, "found": 3, "unknown": 0, "added": 0, "updated": 3, "unchanged": 0,
            "rejected": 0, "left": 0});
        assert_eq!(report(&ran), expected);
        let asked = provider.asked();
        assert_eq!((asked.len(), asked[0].path()), (2, "/works"));
        assert!(asked.iter().all(|asked| asked.parameter("mailto").as_deref() == Some("someone@example.org")));
        assert!(asked[0].headers["user-agent"].to_str().unwrap().contains("(mailto:someone@example.org)"));

        let hits = home.run(&["search", "vaccines", "--mode", "lexical"]).exited(0).stdout;
        assert_eq!(hits.matches("[retracted] Vaccines and doubt").count(), 1, "{hits}");
        assert_eq!(hits.matches("[retracted]").count(), 1, "{hits}");
        let found = home.run(&["--json", "search", "vaccines", "--mode", "lexical"]).exited(0).json();
        let paper = |title: &str| {
            let hits = found["hits"].as_array().unwrap();
            hits.iter().map(|hit| hit["paper"].clone()).find(|paper| paper["title"] == title).unwrap()
        };
        let bad = paper("Vaccines and doubt");
        let sources: Vec<&Value> = bad["sources"].as_array().unwrap().iter().map(|source| &source["name"]).collect();
        assert_eq!((&bad["retracted"], sources), (&json!(true), vec![&json!("crossref"), &json!("import")]));
        assert_eq!(paper("Vaccines and care")["retracted"], false);
        let ids = paper("Vaccines without DOI")["ids"].clone();
        assert_eq!((&ids["doi"], &ids["arxiv"]), (&json!("10.1000/found"), &json!("2001.00001")));

        for (format, said) in [("bibtex", "Retracted"), ("ris", "was retracted."), ("csl-json", "\"retracted\"")] {
            let told = |id: &str| home.run(&["cite", id, "--format", format]).exited(0).stdout.contains(said);
            assert_eq!((told("10.1000/bad"), told("10.1000/good")), (true, false), "{format}");
        }
        assert_eq!(home.run(&["--json", "sync", "crossref", "--enrich"]).exited(0).json()["asked"], 0);
        assert_eq!(provider.asked().len(), 2, "what was asked is not asked again");
    }

    #[test]
    fn works_are_taken_in_by_doi_and_from_a_file() {
        let work = json!({"status": "ok", "message-type": "work", "message": {"DOI": "10.1000/x", "title": ["X"]}});
        let body = work.to_string();
        let provider = Provider::new(move |_| (200, body.clone().into_bytes()));
        let home = home(&[]).set("LECTERN__SOURCES__CROSSREF__BASE_URL", &provider.address);
        let ran = home.run(&["--json", "sync", "crossref", "--ids", "https://doi.org/10.1000/x"]).exited(0);
        assert_eq!((&ran.json()["added"], provider.asked()[0].path()), (&json!(1), "/works/10.1000%2Fx"));
        let file = home.path().join("work.json");
        std::fs::write(&file, work.to_string()).unwrap();
        let again = home.run(&["--json", "sync", "crossref", "--from-file", file.to_str().unwrap()]).exited(0);
        assert_eq!(again.json()["unchanged"], 1);
        let wrong = home.run(&["sync", "crossref", "--ids", "no-doi"]).exited(2);
        assert!(wrong.stderr.contains("`no-doi` is not a DOI"), "{}", wrong.stderr);
        let nothing = home.run(&["sync", "crossref"]).exited(2);
        assert!(nothing.stderr.contains("say what to sync: --ids, --enrich or --from-file"), "{}", nothing.stderr);
    }

    #[test]
    fn crossref_that_cannot_be_reached_fails_alone_and_one_that_is_off_is_not_asked() {
        let provider = provider();
        let home = library(&provider).set("LECTERN__SOURCES__CROSSREF__BASE_URL", "http://127.0.0.1:9");
        let ran = home.run(&["sync", "crossref", "--enrich"]).exited(1);
        assert!(ran.stderr.contains("cannot reach http://127.0.0.1:9/works"), "{}", ran.stderr);
        assert!(ran.stderr.contains("check the network and the setting sources.crossref.base_url"), "{}", ran.stderr);
        home.run(&["search", "vaccines", "--mode", "lexical"]).exited(0);
        let off = home.set("LECTERN__SOURCES__CROSSREF__ENABLED", "false");
        for rest in [&["--enrich"][..], &["--ids", "10.1000/x"]] {
            let ran = off.run(&[&["sync", "crossref"], rest].concat()).exited(2);
            assert!(ran.stderr.contains("sources.crossref.enabled is false"), "{}", ran.stderr);
        }
    }
}
