//! Who may ask a server for what: pages elsewhere, names of others, files and addresses of this machine, and how much.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Home, Reply, Server};

/// A home that searches by words only: who may ask does not depend on it.
fn home() -> Home {
    Home::new().set("LECTERN__EMBEDDING__DIR", "/nonexistent/models")
}

fn with(server: &Server, method: &str, path: &str, headers: &[(&'static str, &str)]) -> Reply {
    let method: reqwest::Method = method.parse().unwrap();
    server.send(|client| {
        let request = client.request(method, server.url(path));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    })
}

#[test]
fn a_page_of_another_origin_changes_nothing_and_one_of_the_own_may() {
    let home = home();
    let server = home.serve();
    let job = json!({"schedule": "0 6 29 2 *", "source": "arxiv", "query": "x", "paused": true}).to_string();
    let address = server.url("/v1/jobs/daily");
    let put = server.send(|client| client.put(address).header("content-type", "application/json").body(job));
    assert_eq!(put.status, 201);
    let own = server.url("");
    let other_port = "http://127.0.0.1:1".to_owned();
    let paths =
        ["/v1/jobs/daily/run", "/v1/jobs/dead-letters/x/retry", "/v1/sync", "/v1/imports", "/v1/answers", "/nowhere"];
    for path in paths {
        for headers in [
            [("origin", "https://evil.example")],
            [("origin", "null")],
            [("origin", other_port.as_str())],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
        ] {
            let reply = with(&server, "POST", path, &headers);
            assert!(reply.problem(403).starts_with("only pages of this server's own origin"), "{path} {headers:?}");
            assert_eq!(reply.json()["type"], "foreign-origin");
        }
    }
    with(&server, "DELETE", "/v1/jobs/daily", &[("origin", "https://evil.example")]).problem(403);
    assert_eq!(server.get("/v1/jobs/daily/runs").json()["runs"], json!([]), "nothing has run");
    for headers in [[("origin", own.as_str())], [("sec-fetch-site", "same-origin")], [("sec-fetch-site", "none")]] {
        with(&server, "POST", "/v1/jobs/dead-letters/x/retry", &headers).problem(404);
    }
    let read = with(&server, "GET", "/v1/jobs/daily", &[("origin", "https://evil.example")]);
    assert_eq!((read.status, read.headers.get("access-control-allow-origin")), (200, None), "no page reads it");
    assert_eq!(with(&server, "DELETE", "/v1/jobs/daily", &[("origin", &own)]).status, 204);
}

#[test]
fn a_name_that_somebody_else_made_lead_here_is_refused_until_the_operator_says_it_is_the_servers() {
    let status = |server: &Server, host: &str| with(server, "GET", "/v1/stats", &[("host", host)]).status;
    let home = self::home();
    let server = home.serve();
    let port = server.url("").rsplit(':').next().unwrap().to_owned();
    for own in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "[::1]".to_owned()] {
        assert_eq!(status(&server, &own), 200, "{own}");
    }
    let refused = with(&server, "GET", "/healthz", &[("host", "rebound.example")]);
    assert_eq!(refused.problem(421), "this server is not `rebound.example`; if it is, say so in server.allowed_hosts");
    let named = self::home().set("LECTERN__SERVER__ALLOWED_HOSTS", "lectern.example");
    let server = named.serve();
    assert_eq!((status(&server, "Lectern.Example:8080"), status(&server, "rebound.example")), (200, 421));
}

fn sync(server: &Server, place: &str) -> Reply {
    server.post("/v1/sync", &json!({"source": "semantic-scholar", "diff": place}))
}

fn put_job(server: &Server, place: &str) -> Reply {
    let job = json!({"schedule": "0 6 29 2 *", "source": "semantic-scholar", "diff": place}).to_string();
    let address = server.url("/v1/jobs/diff");
    server.send(|client| client.put(address).header("content-type", "application/json").body(job))
}

fn release(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("papers-update.jsonl"), "{\"corpusid\": 1, \"title\": \"One\"}\n").unwrap();
}

#[test]
fn over_rest_a_diff_is_read_from_the_named_folder_and_the_api_only_and_by_the_operator_from_anywhere() {
    let home = home();
    let folder = home.path().join("elsewhere");
    release(&folder);
    let folder = folder.to_str().unwrap();
    let server = home.serve();
    for place in [folder, "/etc", "."] {
        let told = sync(&server, place).problem(400);
        assert!(told.starts_with("over REST no folder is read: set sources.semantic_scholar.diff_dir"), "{told}");
        assert_eq!(put_job(&server, place).problem(400), told);
    }
    for place in ["http://169.254.169.254/latest", "https://evil.example/list", "http://api.semanticscholar.org/x"] {
        let told = "over REST a `diff` is read from https://api.semanticscholar.org only";
        assert_eq!(
            (sync(&server, place).problem(400), put_job(&server, place).problem(400)),
            (told.into(), told.into())
        );
    }
    let wrong = sync_with(&server, folder, "not-the-secret");
    assert!(wrong.problem(400).contains("diff_dir"));
    let by_command = home.run(&["--json", "sync", "semantic-scholar", "--diff", folder]).exited(0).json();
    assert_eq!(by_command["added"], 0, "none of the library's papers is in it: {by_command}");
    assert_eq!(server.stop(), 0);

    let named = home.path().join("diffs");
    release(&named.join("2024"));
    let home = home.set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__DIFF_DIR", named.to_str().unwrap());
    let server = home.serve();
    assert_eq!(sync(&server, "2024").status, 200);
    assert!(sync(&server, folder).problem(400).contains("below that of sources.semantic_scholar.diff_dir"));
    assert!(sync(&server, "../elsewhere").problem(400).contains("below that of sources.semantic_scholar.diff_dir"));
    assert_eq!(put_job(&server, "2024").status, 201);
    let kept = server.get("/v1/jobs/diff").json()["spec"]["diff"].clone();
    assert_eq!(kept, json!(named.join("2024").canonicalize().unwrap()), "with nothing in it that leads elsewhere");
}

fn sync_with(server: &Server, place: &str, secret: &str) -> Reply {
    let body = json!({"source": "semantic-scholar", "diff": place}).to_string();
    server.send(|client| {
        let request = client.post(server.url("/v1/sync")).header("x-lectern-operator", secret);
        request.header("content-type", "application/json").body(body)
    })
}

#[test]
fn taking_papers_back_is_for_commands_on_this_machine() {
    let home = home();
    let server = home.serve();
    let saved = |headers: &[(&'static str, &str)]| with(&server, "POST", "/v1/imports?source=arxiv", headers);
    assert!(saved(&[("content-type", "application/octet-stream")]).problem(403).contains("commands on this machine"));
    let note = std::fs::read_to_string(home.path().join("lock")).unwrap();
    let secret = note.split_whitespace().last().unwrap();
    let kinds =
        ["application/jsonl", "text/plain"].map(|kind| [("x-lectern-operator", secret), ("content-type", kind)]);
    for headers in kinds {
        saved(&headers).problem(415);
    }
    let empty = saved(&[("x-lectern-operator", secret), ("content-type", "application/octet-stream")]);
    assert!(empty.problem(422).contains("not readable as an answer of arxiv"));
    assert!(!server.get("/healthz").body.contains(secret));
}

fn import(server: &Server, body: impl Into<reqwest::Body>) -> Reply {
    let body = body.into();
    server.send(|client| client.post(server.url("/v1/imports")).header("content-type", "application/jsonl").body(body))
}

#[test]
fn a_body_that_unpacks_to_more_than_may_be_is_refused_and_of_many_bad_lines_the_first_are_named() {
    let home = home().set("LECTERN__SERVER__MAX_IMPORT_UNPACKED_BYTES", "100000");
    let server = home.serve();
    let packed = |lines: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(lines.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for bomb in ["\n".repeat(1_000_000), format!("{{\"title\": \"{}\"}}", "x".repeat(1_000_000))] {
        let told = import(&server, packed(&bomb)).problem(413);
        let expected =
            "the body unpacks to more than 100000 bytes (server.max_import_unpacked_bytes); send it in parts";
        assert_eq!(told, expected);
    }
    let report = import(&server, packed(&"{}\n".repeat(1_500))).json();
    let named = report["rejections"].as_array().unwrap();
    assert_eq!((&report["rejected"], named.len(), &named[999]["record"]), (&json!(1_500), 1_000, &json!("line 1000")));
    let file = home.path().join("bad.jsonl");
    std::fs::write(&file, "{}\n".repeat(1_500)).unwrap();
    for told in [home.run(&["import", file.to_str().unwrap()]).exited(3).stdout, {
        assert_eq!(server.stop(), 0);
        home.run(&["import", file.to_str().unwrap()]).exited(3).stdout
    }] {
        assert!(told.ends_with("  … and 1480 more; --json lists the first thousand\n"), "{told}");
    }
}

/// A connection whose import has begun: it has its place, and its body is waited for.
fn begun(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.url("").trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let head = "POST /v1/imports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/jsonl\r\ncontent-length: 9000\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut told = *b"HTTP/1.1 100 Continue\r\n\r\n";
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[test]
fn a_body_that_trickles_is_given_up_and_imports_have_so_many_places() {
    let home = home().set("LECTERN__SERVER__MAX_IMPORTS", "1").set("LECTERN__SERVER__REQUEST_TIMEOUT_S", "4");
    let server = home.serve();
    let mut slow = begun(&server);
    let mut trickling = slow.try_clone().unwrap();
    // A byte now and then, each of them in time.
    let pieces = std::thread::spawn(move || {
        while trickling.write_all(b" ").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    });
    let full = import(&server, "{\"title\": \"One\"}\n");
    assert!(full.problem(503).contains("server.max_imports") && full.headers.contains_key("retry-after"));
    let mut answer = String::new();
    // The connection may be reset by then, since there is more to come.
    let _ = slow.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("the body came too slowly: it has 4 s (server.request_timeout_s)"), "{answer}");
    let free: Value = import(&server, "{\"title\": \"Two\"}\n").json();
    assert_eq!(free["added"], 1, "the place is free again");
    drop(slow);
    drop(server);
    pieces.join().unwrap();
}
