//! Which paper cites which: kept when Semantic Scholar tells it, listed, and followed when an answer needs more than words find.

use serde_json::{Value, json};

use crate::support::{Home, Server, events};
use crate::sync::serve;

const BERT: &str = "204e3073870fae3d05bcbc2f6a8e263d9b72e776";

fn titles(list: &Value) -> Vec<&str> {
    list["papers"].as_array().unwrap().iter().map(|paper| paper["title"].as_str().unwrap()).collect()
}

fn linked(server: &Server, id: &str, kind: &str) -> Value {
    server.get(&format!("/v1/papers/{id}/{kind}")).json()
}

#[test]
fn references_and_citations_that_a_sync_was_told_of_are_listed_page_by_page() {
    let references = json!({"offset": 0, "data": [
        {"citedPaper": {"paperId": BERT, "corpusId": 7, "title": "Neural machine translation by aligning", "year": 2014}},
        {"citedPaper": {"paperId": null, "title": "Known by its title alone", "year": 2013}},
        {"citedPaper": {"corpusId": 9, "title": "Long short-term memory networks", "year": 1997}}
    ]});
    let citations = json!({"offset": 0, "data": [
        {"citingPaper": {"externalIds": {"ArXiv": "1810.04805"}, "corpusId": 11, "title": "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", "year": 2018}}
    ]});
    let (address, asked, _runtime) = serve(vec![(200, references.to_string()), (200, citations.to_string())]);
    let home = Home::with_samples().set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", address);
    let server = home.serve();
    assert_eq!(linked(&server, "1706.03762", "references"), json!({"papers": [], "total": 0, "next": null}));
    home.run(&["sync", "semantic-scholar", "--references-of", "arXiv:1706.03762"]).exited(0);
    home.run(&["sync", "semantic-scholar", "--citations-of", "arXiv:1706.03762"]).exited(0);
    assert_eq!(asked.lock().unwrap().len(), 2);
    let all = linked(&server, "arXiv:1706.03762", "references");
    assert_eq!(titles(&all), ["Neural machine translation by aligning", "Long short-term memory networks"]);
    assert_eq!((&all["total"], &all["next"]), (&2.into(), &Value::Null));
    let first = linked(&server, "1706.03762", "references?limit=1");
    let next = first["next"].as_str().unwrap().to_owned();
    let second = linked(&server, "1706.03762", &format!("references?limit=1&cursor={next}"));
    assert_eq!([titles(&first), titles(&second)].concat(), titles(&all));
    assert_eq!(second["next"], Value::Null);
    let citing = linked(&server, "1706.03762", "citations");
    assert_eq!(citing["papers"][0]["ids"]["arxiv"], "1810.04805", "{citing}");
    let back = linked(&server, "1810.04805", "references");
    assert_eq!(titles(&back), ["Attention Is All You Need"]);
    for (query, told) in
        [("limit=0", "from 1 to 1000"), ("cursor=x", "the cursor is not one"), ("page=2", "unknown parameter")]
    {
        let detail = server.get(&format!("/v1/papers/1706.03762/references?{query}")).problem(400);
        assert!(detail.contains(told), "{detail}");
    }
    server.get("/v1/papers/0704.0001/citations").problem(404);
}

#[test]
fn what_the_best_papers_cite_is_looked_at_where_words_find_too_little() {
    let question = "What limits zeolite membranes under humid industrial separation conditions?";
    let cited = json!({"offset": 0, "data": [{"citedPaper": {
        "paperId": BERT, "title": "Ageing of porous crystals", "year": 2011,
        "abstract": "Crystals of a zeolite lose a part of their pores when they are kept in steam. The loss grows with time and with heat, and most of it comes in the first week. It is smaller where the crystals are grown slowly, and where their surface is coated."
    }}]});
    let (address, _asked, _runtime) = serve(vec![(200, cited.to_string())]);
    let home = Home::new()
        .set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", address)
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let mut lines = vec![json!({"title": "Limits of zeolite membranes", "doi": "10.1000/limits", "year": 2020,
        "abstract": "Membranes are reviewed."})];
    lines.extend((1..=14).map(|n| {
        json!({"title": format!("Zeolite membranes, part {n}"), "year": 2015, "doi": format!("10.1000/part.{n}"),
            "abstract": format!("Part {n} of a course on zeolite membranes.")})
    }));
    let file = home.path().join("papers.jsonl");
    std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    home.run(&["import", &file.to_string_lossy()]).exited(0);
    let ask = || {
        let server = home.serve();
        events(&server.post("/v1/answers", &json!({"question": question, "mode": "quote", "stream": true})).body)
    };
    let shown = |seen: &[(u64, String, Value)]| {
        let (.., evidence) = seen.iter().find(|(_, kind, _)| kind == "evidence").unwrap();
        evidence.as_array().unwrap().iter().any(|passage| passage["title"] == "Ageing of porous crystals")
    };
    assert!(!shown(&ask()));
    home.run(&["sync", "semantic-scholar", "--references-of", "10.1000/limits"]).exited(0);
    let seen = ask();
    let led_on = seen.iter().find(|(_, kind, data)| kind == "search" && data["mode"] == "citations");
    let (.., led_on) = led_on.unwrap_or_else(|| panic!("nothing led on: {seen:?}"));
    assert_eq!(
        *led_on,
        json!({"query": "Limits of zeolite membranes", "mode": "citations", "hits": 1, "papers": ["Ageing of porous crystals"]})
    );
    assert!(shown(&seen));
}
