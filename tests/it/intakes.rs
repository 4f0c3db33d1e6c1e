//! `POST /v1/sync` and `POST /v1/imports`.

use serde_json::{Value, json};

use crate::support::{Home, Reply, Server, events, eventually, sample};
use crate::sync::{feed, serve};

/// A home that searches by words only: what is taken in is the same, sooner.
fn home() -> Home {
    Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models")
}

fn import(server: &Server, query: &str, kind: &str, body: impl Into<reqwest::Body>) -> Reply {
    let body = body.into();
    server
        .send(|client| client.post(server.url(&format!("/v1/imports{query}"))).header("content-type", kind).body(body))
}

fn stream(server: &Server, spec: &Value) -> Vec<(u64, String, Value)> {
    let reply = server.send(|client| {
        let request = client.post(server.url("/v1/sync")).header("accept", "text/event-stream");
        request.header("content-type", "application/json").body(spec.to_string())
    });
    assert_eq!((reply.status, reply.kind.as_str()), (200, "text/event-stream"));
    events(&reply.body)
}

#[test]
fn a_sync_is_told_as_it_goes_and_ends_with_its_report_or_an_error() {
    let answers = vec![(200, feed(2, 0, &["2104.00001v1", "2104.00002v1"])), (403, "forbidden".to_owned())];
    let (address, _asked, _runtime) = serve(answers);
    let home = home().set("LECTERN__SOURCES__ARXIV__BASE_URL", address);
    let server = home.serve();
    let spec = json!({"source": "arxiv", "ids": ["2104.00001", "2104.00002"], "max": 10});
    let told = stream(&server, &spec);
    let numbers: Vec<u64> = told.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=told.len() as u64).collect::<Vec<_>>());
    let (last, progress) = told.split_last().unwrap();
    assert_eq!((last.1.as_str(), &last.2["added"], &last.2["index_writes"]), ("report", &json!(2), &json!(2)));
    assert!(progress.iter().all(|(_, kind, _)| kind == "progress"));
    let at = |stage: &str| progress.iter().rfind(|(.., step)| step["stage"] == stage).unwrap().2.clone();
    for stage in ["reading", "storing", "indexing"] {
        assert_eq!((&at(stage)["done"], &at(stage)["total"]), (&json!(2), &json!(2)), "{stage}");
    }
    let failed = stream(&server, &spec).pop().unwrap();
    assert_eq!(
        (failed.1.as_str(), &failed.2["status"], &failed.2["type"]),
        ("error", &json!(502), &json!("source-failed"))
    );
    assert!(failed.2["detail"].as_str().unwrap().contains("403"), "{failed:?}");
}

#[test]
fn a_sync_that_asks_for_nothing_or_comes_from_a_page_elsewhere_is_refused() {
    let home = home();
    let server = home.serve();
    let refused = |spec: Value| server.post("/v1/sync", &spec).problem(400);
    assert_eq!(refused(json!({"source": "arxiv", "enrich": true})), "arxiv takes no `enrich`");
    assert!(refused(json!({"source": "arxiv"})).starts_with("say what to ask of arxiv: "));
    assert!(refused(json!({"source": "pubmed", "query": "x"})).contains("pubmed"));
    assert!(refused(json!({"source": "arxiv", "querry": "x"})).contains("unknown field `querry`"));
    assert!(refused(json!({"source": "arxiv", "ids": ["nonsense"]})).contains("nonsense"));
    // What a browser sends for another origin without asking first.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let body = "{\"source\": \"arxiv\", \"ids\": [\"2104.00001\"]}";
        let sync = server.send(|client| client.post(server.url("/v1/sync")).header("content-type", kind).body(body));
        assert!(sync.problem(415).contains("application/json"));
        assert!(import(&server, "", kind, "{\"title\": \"One\"}").problem(415).contains("application/jsonl"));
    }
    assert_eq!(server.get("/v1/stats").json()["library"]["papers"], 0);
}

#[test]
fn an_import_takes_lines_plain_and_packed_and_tells_what_it_left_out() {
    let home = home();
    let server = home.serve();
    let report = import(&server, "", "application/jsonl", "{\"title\": \"One\"}\n{}\n{\"title\": \"Two\"}\n").json();
    let expected = [json!(2), json!(1), json!([{"record": "line 2", "reason": "no title"}]), json!(2)];
    assert_eq!(["added", "rejected", "rejections", "index_writes"].map(|name| report[name].clone()), expected);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, b"{\"title\": \"One\"}\n{\"title\": \"Three\"}\n").unwrap();
    let packed = encoder.finish().unwrap();
    let first = import(&server, "?max=1", "application/gzip", packed.clone()).json();
    assert_eq!((&first["added"], &first["unchanged"], &first["index_writes"]), (&json!(0), &json!(1), &json!(0)));
    assert_eq!(import(&server, "", "application/x-ndjson; charset=utf-8", packed.clone()).json()["added"], 1);

    assert!(import(&server, "?max=0", "application/jsonl", "").problem(400).contains("`max`"));
    assert!(import(&server, "?most=1", "application/jsonl", "").problem(400).contains("unknown parameter `most`"));
    let xml = std::fs::read(sample("arxiv.xml")).unwrap();
    assert!(import(&server, "", "application/jsonl", xml).problem(422).contains("`lectern sync arxiv --from-file`"));
    let broken = packed[..packed.len() - 6].to_vec();
    assert!(import(&server, "", "application/gzip", broken).problem(422).starts_with("cannot read the body: "));
    assert_eq!(std::fs::read_dir(home.path().join("incoming")).unwrap().count(), 0, "no body is kept");
}

#[test]
fn an_import_has_a_limit_of_its_own() {
    let home = home().set("LECTERN__SERVER__MAX_BODY_BYTES", "100").set("LECTERN__SERVER__MAX_IMPORT_BYTES", "4000");
    std::fs::create_dir_all(home.path().join("incoming")).unwrap();
    std::fs::write(home.path().join("incoming/left-by-a-kill"), "x").unwrap();
    let server = home.serve();
    let lines =
        |count: usize| (0..count).map(|n| format!("{{\"title\": \"Paper number {n:04}\"}}\n")).collect::<String>();
    assert_eq!(import(&server, "", "application/jsonl", lines(100)).json()["added"], 100);
    assert!(import(&server, "", "application/jsonl", lines(200)).problem(413).contains("server.max_import_bytes"));
    let pieces =
        lines(200).into_bytes().chunks(500).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>();
    let unannounced = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    assert!(import(&server, "", "application/jsonl", unannounced).problem(413).contains("4000 bytes"));
    assert_eq!(std::fs::read_dir(home.path().join("incoming")).unwrap().count(), 0, "not even by a server before");
}

#[test]
fn a_sync_that_a_stop_cuts_off_ends_with_an_error_as_its_last_event() {
    // It takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let home = home().set("LECTERN__SOURCES__ARXIV__BASE_URL", address).set("LECTERN__SERVER__DRAIN_TIMEOUT_S", "1");
    let mut server = home.serve();
    let spec = json!({"source": "arxiv", "query": "all:x"});
    let mut following = server.follow(|client| {
        let request = client.post(server.url("/v1/sync")).header("accept", "text/event-stream");
        request.header("content-type", "application/json").body(spec.to_string())
    });
    following.until("progress");
    server.begin_to_stop();
    let (_, kind, problem) = following.rest().pop().unwrap();
    assert_eq!((kind.as_str(), &problem["status"]), ("error", &json!(503)));
    assert!(problem["detail"].as_str().unwrap().starts_with("the server was stopped before the end"), "{problem}");
    assert_eq!(server.ended(), 0);
}

#[test]
fn a_client_that_leaves_stops_the_sync_at_a_page_and_the_next_goes_on_there() {
    let ids: Vec<String> = (0..1_000).map(|n| format!("2104.{n:05}v1")).collect();
    let of = |from: usize, to: usize| feed(1_001, from, &ids[from..to].iter().map(String::as_str).collect::<Vec<_>>());
    let answers = vec![(200, of(0, 500)), (200, of(500, 1_000)), (200, feed(1_001, 1_000, &["2105.00001v1"]))];
    let (address, asked, _runtime) = serve(answers);
    let home = home().set("LECTERN__SOURCES__ARXIV__BASE_URL", address);
    let server = home.serve();
    let spec = json!({"source": "arxiv", "query": "all:x"});
    let mut leaving = server.follow(|client| {
        let request = client.post(server.url("/v1/sync")).header("accept", "text/event-stream");
        request.header("content-type", "application/json").body(spec.to_string())
    });
    leaving.until("progress");
    assert!(server.post("/v1/sync", &spec).problem(409).contains("is being synced already"));
    drop(leaving);
    let report = eventually(|| Some(server.post("/v1/sync", &spec)).filter(|reply| reply.status != 409)).json();
    assert_eq!((&report["resumed"], &report["stopped"]), (&json!(true), &json!(false)), "{report}");
    assert_eq!(server.get("/v1/stats").json()["library"]["papers"], 1_001);
    let starts: Vec<String> = asked.lock().unwrap().iter().map(|query| query["start"].clone()).collect();
    assert_eq!(starts, ["0", "500", "1000"], "no page twice");
}
