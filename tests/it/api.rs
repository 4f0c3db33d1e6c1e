use serde_json::json;

use crate::support::Home;

#[test]
fn search_pages_through_all_hits_once() {
    let home = Home::with_samples();
    let server = home.serve();
    let whole = server.get("/v1/search?q=language%20model&limit=30").json();
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["hits"].as_array().unwrap().iter().map(|hit| hit["paper"]["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut paged = Vec::new();
    let mut address = "/v1/search?q=language%20model&limit=10".to_owned();
    while paged.len() < 30 {
        let page = server.get(&address).json();
        paged.extend(ids(&page));
        address = format!("/v1/search?q=language%20model&limit=10&cursor={}", page["next"].as_str().unwrap());
    }
    assert_eq!(paged, ids(&whole));
    let posted = server.post("/v1/search", &json!({"q": "language model", "limit": 30})).json();
    assert_eq!(ids(&posted), ids(&whole));
    let hit = &whole["hits"][0];
    for field in ["text", "section", "start", "end"] {
        assert!(!hit["passage"][field].is_null(), "{field} in {hit}");
    }
    assert!(hit["scores"]["dense"].is_number() && whole["took_ms"].is_number() && whole["total"].is_number());
    let other = server.get(&format!("/v1/search?q=other&cursor={}", whole["next"].as_str().unwrap()));
    assert!(other.problem(400).contains("`cursor` is not one that this search has given"));
}

#[test]
fn a_paper_is_found_by_any_of_its_ids_and_has_its_likes() {
    let home = Home::with_samples();
    let server = home.serve();
    let paper = server.get("/v1/papers/arXiv:1706.03762").json();
    assert_eq!(paper["title"], "Attention Is All You Need");
    assert_eq!(paper["ids"]["arxiv"], "1706.03762");
    assert_eq!(paper["published"], "2017-06-12");
    assert_eq!(paper["year"], 2017);
    assert_eq!(paper["authors"][0]["name"], "Ashish Vaswani");
    let names: Vec<_> =
        paper["sources"].as_array().unwrap().iter().map(|source| source["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["arxiv", "semantic-scholar"]);
    let id = paper["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/papers/{id}")).json(), paper);
    let by_doi = server.get("/v1/papers/10.1145%2F1571941.1572114").json();
    assert!(by_doi["title"].as_str().unwrap().starts_with("Reciprocal Rank Fusion"), "{by_doi}");

    let likes = server.get("/v1/papers/1706.03762/similar?limit=5").json();
    let likes: Vec<&str> =
        likes["hits"].as_array().unwrap().iter().map(|hit| hit["paper"]["id"].as_str().unwrap()).collect();
    assert_eq!(likes.len(), 5);
    assert!(!likes.contains(&id), "a paper is not like itself");
    assert!(server.get("/v1/papers/1706.03762/similar?limit=0").problem(400).contains("from 1 to 100"));
}

#[test]
fn citations_come_in_the_media_type_of_their_format() {
    let home = Home::with_samples();
    let server = home.serve();
    for (format, kind) in [
        ("bibtex", "application/x-bibtex"),
        ("ris", "application/x-research-info-systems"),
        ("csl-json", "application/vnd.citationstyles.csl+json"),
    ] {
        let got = server.get(&format!("/v1/citations?ids=1706.03762,1810.04805&format={format}"));
        assert_eq!((got.status, got.kind.as_str()), (200, format!("{kind}; charset=utf-8").as_str()));
        let posted = server.post("/v1/citations", &json!({"ids": ["1706.03762", "1810.04805"], "format": format}));
        assert_eq!(posted.body, got.body);
    }
    assert!(server.get("/v1/citations?ids=1706.03762&format=word").problem(400).contains("bibtex, ris or csl-json"));
    assert!(server.get("/v1/citations").problem(400).contains("`ids`"));
    assert!(server.get("/v1/citations?ids=0704.0001").problem(404).contains("no paper `0704.0001`"));
}

#[test]
fn what_is_wrong_with_a_request_is_a_problem_document() {
    let home = Home::new().set("LECTERN__SERVER__MAX_BODY_BYTES", "2000");
    let server = home.serve();
    assert!(server.get("/v1/nowhere").problem(404).contains("nothing at this address"));
    server.send(|client| client.delete(server.url("/v1/search"))).problem(405);
    assert!(server.get("/v1/papers/nonsense").problem(400).contains("`nonsense` is not the id of a paper"));
    assert!(server.get("/v1/papers/0704.0001").problem(404).contains("no paper"));
    assert!(server.get("/v1/answers/nothing").problem(404).contains("no answer"));
    assert!(server.get("/v1/search").problem(400).contains("the query is empty"));
    assert!(server.get("/v1/search?q=x&limit=0").problem(400).contains("`limit` is 0"));
    assert!(server.get("/v1/search?q=x&limit=1000000").problem(400).contains("from 1 to 100"));
    assert!(server.post("/v1/answers", &json!(["x"])).problem(400).contains("must be a JSON object"));
    assert!(server.post("/v1/answers", &json!({"question": "  "})).problem(400).contains("the question is empty"));
    assert!(
        server
            .post("/v1/answers", &json!({"question": "x", "mood": "good"}))
            .problem(400)
            .contains("unknown field `mood`")
    );
    assert!(
        server.post("/v1/answers", &json!({"question": "x", "mode": "chat"})).problem(400).contains("DEEPSEEK_API_KEY")
    );
    assert!(
        server.post("/v1/answers", &json!({"question": "x", "budget_usd": -1})).problem(400).contains("`budget_usd`")
    );
    assert!(
        server.post("/v1/search", &json!({"q": "x", "colour": "red"})).problem(400).contains("unknown field `colour`")
    );
    assert!(server.post("/v1/answers", &json!({"question": "x".repeat(3000)})).problem(413).contains("2000 bytes"));
    let raw = |kind: &'static str, body: &'static str| {
        server.send(|client| client.post(server.url("/v1/answers")).header("content-type", kind).body(body))
    };
    assert!(raw("application/json", "{\"question\": ").problem(400).contains("the body is not usable"));
    assert!(raw("text/plain", "{}").problem(415).contains("application/json"));
    let resumed = server.send(|client| client.get(server.url("/v1/answers/x/events")).header("last-event-id", "soon"));
    assert!(resumed.problem(400).contains("`Last-Event-ID`"));
}

#[test]
fn a_very_long_question_is_refused_in_words() {
    let home = Home::new();
    let server = home.serve();
    let detail = server.post("/v1/answers", &json!({"question": "why ".repeat(25_000)})).problem(400);
    assert_eq!(detail, "the question has 99999 characters; the most is 4000");
    assert!(server.get(&format!("/v1/search?q={}", "x".repeat(5_000))).problem(400).contains("the most is 4000"));
}

#[test]
fn health_tells_how_far_the_index_is_and_every_response_has_an_id() {
    let home = Home::with_samples();
    let server = home.serve();
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    let ready = server.get("/readyz").json();
    assert_eq!(ready, json!({"status": "ok", "revision": ready["revision"], "indexed": ready["revision"]}));
    assert!(ready["revision"].as_u64().unwrap() >= 78);
    let reply = server.send(|client| client.get(server.url("/healthz")).header("x-request-id", "from-the-proxy"));
    assert_eq!(reply.headers["x-request-id"], "from-the-proxy");
    assert_eq!(server.get("/v1/nowhere").headers["x-request-id"].len(), 36);
    assert!(server.get("/").body.contains("Lectern is running"));
}

#[test]
fn a_server_at_its_limit_says_when_to_come_back() {
    let home = Home::with_samples().set("LECTERN__SERVER__MAX_IN_FLIGHT", "1");
    let server = home.serve();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let statuses: Vec<(u16, bool)> = runtime.block_on(async {
        let client = crate::support::client();
        let requests = (0..40).map(|n| client.get(server.url(&format!("/v1/search?q=model%20{n}"))).send());
        let replies = futures::future::join_all(requests).await;
        replies
            .into_iter()
            .map(|r| r.unwrap())
            .map(|r| (r.status().as_u16(), r.headers().contains_key("retry-after")))
            .collect()
    });
    assert!(
        statuses.iter().all(|(status, retry)| (*status == 200 && !retry) || (*status == 503 && *retry)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&(200, false)) && statuses.contains(&(503, true)), "{statuses:?}");
    assert_eq!(server.get("/v1/search?q=model").status, 200, "it recovers");
}

#[test]
fn a_stop_lets_requests_finish_and_exits_with_zero() {
    let home = Home::with_samples();
    let server = home.serve();
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.stop(), 0);
    assert_eq!(home.serve().stop(), 0, "and the home is free again");
}

#[test]
fn a_killed_server_loses_nothing_and_the_next_command_goes_on() {
    let home = Home::with_samples();
    home.serve().kill();
    let stats = home.run(&["--json", "stats"]).exited(0).json();
    assert_eq!(stats["library"]["papers"], 78);
    assert_eq!(stats["index"]["vectors"], 78);
}
