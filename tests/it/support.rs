//! A home folder of one's own, the command in it, and a server over it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A home folder that is gone when the test ends, and the variables that commands in it get.
pub struct Home {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The JSON document on standard output; fails the test when there is anything else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|fault| panic!("{fault} in {self:?}"))
    }

    /// Itself, when the command ended with this code.
    pub fn exited(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// With the sample library in it, read through both ingesters.
    pub fn with_samples() -> Self {
        let home = Self::new();
        home.run(&["--json", "sync", "arxiv", "--from-file", &sample("arxiv.xml")]).exited(0);
        home.run(&["--json", "sync", "semantic-scholar", "--from-file", &sample("semantic-scholar.json")]).exited(0);
        home
    }

    /// With a variable for every command from now on.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lectern"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("LECTERN_") || name.ends_with("_API_KEY") {
                command.env_remove(name);
            }
        }
        command.env("LECTERN_HOME", self.path()).args(arguments).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let watch = Watch::over(&child);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        watch.end();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Serves this home on a free port.
    pub fn serve(&self) -> Server {
        let mut child = self
            .command(&["serve", "--addr", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let watch = Watch::over(&child);
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the server ended: {seen}");
            seen.push_str(&line);
            if let Some((_, address)) = line.trim().split_once(" at http://") {
                break format!("http://{address}");
            }
        };
        watch.end();
        // What it logs later is read, so that it never waits for us.
        let log = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                written.lock().unwrap().push(line);
            }
        });
        Server { child, address, log }
    }
}

/// Kills a process that takes longer than anything should, so that the test which waits for it fails.
struct Watch(std::sync::mpsc::Sender<()>);

impl Watch {
    fn over(child: &Child) -> Self {
        let (end, ended) = std::sync::mpsc::channel();
        let id = child.id().to_string();
        std::thread::spawn(move || {
            if ended.recv_timeout(2 * PATIENCE).is_err_and(|fault| fault == RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        });
        Self(end)
    }

    fn end(self) {
        let _ = self.0.send(());
    }
}

/// A running server.
pub struct Server {
    child: Child,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
}

/// What a request was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub kind: String,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|fault| panic!("{fault} in {self:?}"))
    }

    /// Itself, when it is a problem of this status; its detail.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, self.kind.as_str()), (status, "application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Server {
    /// The lines that it has logged since it was ready.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send(|client| client.get(self.url(path)))
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(|client| {
            client.post(self.url(path)).header("content-type", "application/json").body(body.to_string())
        })
    }

    pub fn send(&self, request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder) -> Reply {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let response = request(&client()).send().await.unwrap();
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            let kind = headers.get("content-type").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
            Reply { status, kind, headers, body: response.text().await.unwrap() }
        })
    }

    /// Begins to read the events of an answer to be, of which a model writes the draft.
    pub fn ask(&self, question: &str, background: bool) -> Following {
        let body = serde_json::json!({"question": question, "mode": "chat", "stream": true, "background": background});
        let body = body.to_string();
        self.follow(|client| client.post(self.url("/v1/answers")).header("content-type", "application/json").body(body))
    }

    /// Begins to read events.
    pub fn follow(&self, request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder) -> Following {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let response = runtime.block_on(async { request(&client()).send().await }).unwrap();
        assert_eq!(response.status().as_u16(), 200);
        Following { runtime, response, began: Instant::now(), seen: String::new() }
    }

    /// Asks it to stop, and gives its exit code.
    pub fn stop(mut self) -> i32 {
        self.ask_to_stop();
        code_of(&mut self.child)
    }

    /// Asks it to stop, and returns when it takes no connections any more.
    pub fn begin_to_stop(&mut self) {
        self.ask_to_stop();
        let address = self.address.trim_start_matches("http://").to_owned();
        eventually(|| std::net::TcpStream::connect(&address).err());
    }

    /// Its exit code, when it has ended.
    pub fn ended(mut self) -> i32 {
        code_of(&mut self.child)
    }

    fn ask_to_stop(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Kills it where it stands.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of events that is being read.
pub struct Following {
    runtime: tokio::runtime::Runtime,
    response: reqwest::Response,
    began: Instant,
    seen: String,
}

impl Following {
    /// The events up to the first one of this kind.
    pub fn until(&mut self, kind: &str) -> Vec<(u64, String, Value)> {
        let whole = |seen: &str| seen.rsplit_once("\n\n").map(|(whole, _)| events(whole)).unwrap_or_default();
        while !whole(&self.seen).iter().any(|(_, found, _)| found == kind) {
            let chunk = self.chunk().unwrap_or_else(|| panic!("ended without {kind}: {}", self.seen));
            self.seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        whole(&self.seen)
    }

    /// What comes next, comments for one; none at the end.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let Self { runtime, response, began, seen } = self;
        // Comments come also when nothing else does.
        assert!(began.elapsed() < 2 * PATIENCE, "it does not end: {seen}");
        runtime.block_on(response.chunk()).unwrap().map(Vec::from)
    }

    /// All events, when the stream has ended.
    pub fn rest(mut self) -> Vec<(u64, String, Value)> {
        while let Some(chunk) = self.chunk() {
            self.seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        events(&self.seen)
    }
}

/// Longer than anything takes that is waited for, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().read_timeout(PATIENCE).build().unwrap()
}

/// Asks now and then until there is an answer. A test that waits for what never comes fails, and says where.
#[track_caller]
pub fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "it did not come within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The exit code of a process, when it has ended.
#[track_caller]
fn code_of(child: &mut Child) -> i32 {
    eventually(|| child.try_wait().unwrap()).code().unwrap_or(-1)
}

/// The events of a stream as `(id, kind, data)`.
pub fn events(body: &str) -> Vec<(u64, String, Value)> {
    let mut events = Vec::new();
    for block in body.split("\n\n").filter(|block| block.contains("data:")) {
        let field = |name: &str| {
            let line =
                block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {block}"));
            line.trim_start_matches(':').trim().to_owned()
        };
        events.push((field("id").parse().unwrap(), field("event"), serde_json::from_str(&field("data")).unwrap()));
    }
    events
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A file of the sample library.
pub fn sample(name: &str) -> String {
    root().join("samples").join(name).display().to_string()
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
