//! Starting the service, signing, and speaking HTTP without a library's opinions.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatepass_core::Timestamp;
use gatepass_s3::{S3Credentials, S3Location, S3Options, S3Store};
use gatepass_sign::{Action, ObjectPath, Policy, Secret, sign_url};
use gatepass_testkit::garage;
use serde_json::Value;

/// The key that servers under test are set up with.
pub(crate) const KEY: &str = "gp_test_key_do_not_use_000000000000_sentinel_Qx7";

/// How long a server may take to start, and to stop: far above what either takes where the disk is
/// slow, so that only what hangs reaches it.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long the next bytes of an answer may take.
const ANSWER_PATIENCE: Duration = Duration::from_mins(1);

/// A running server. It is stopped when dropped.
pub(crate) struct Server {
    pub(crate) data: PathBuf,
    pub(crate) delivery: SocketAddr,
    pub(crate) api: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
    printed: Arc<Mutex<String>>,
    directory: Option<tempfile::TempDir>,
}

/// How to start one.
pub(crate) struct Start {
    command: Command,
    data: PathBuf,
    directory: Option<tempfile::TempDir>,
}

/// Whether the tests are to run on a real PostgreSQL instead of the embedded catalog.
pub(crate) fn on_postgres() -> bool {
    std::env::var("GATEPASS_TEST_CATALOG").as_deref() == Ok("postgres")
}

/// The binary under test, to work beside the server of a data directory: on the same engines.
pub(crate) fn gatepass_at(data: &Path) -> Command {
    let mut command = gatepass();
    if on_postgres() {
        share_catalog(&mut command, data);
    }
    if on_s3() {
        command.env("GATEPASS_STORE", s3_location(data));
    }
    command
}

/// Statements straight to a server's catalog, in what SQLite and PostgreSQL both understand. What
/// they print, PostgreSQL alone tells.
pub(crate) fn sql(data: &Path, statements: &str) -> String {
    if on_postgres() {
        let url = std::fs::read_to_string(data.with_extension("catalog.url")).unwrap();
        let (_, database) = url.split('?').next().unwrap().rsplit_once('/').unwrap();
        gatepass_testkit::postgres::Server::shared().sql(database, statements)
    } else {
        settle(data);
        let catalog = rusqlite::Connection::open(data.join("gatepass.db")).unwrap();
        catalog.execute_batch(statements).unwrap();
        String::new()
    }
}

/// A PostgreSQL database for a data directory: a new one, or the one that it had before.
fn share_catalog(command: &mut Command, data: &Path) {
    let [url, key] = ["catalog.url", "master.key"].map(|name| data.with_extension(name));
    if !url.exists() {
        let server = gatepass_testkit::postgres::Server::shared();
        std::fs::write(&url, server.url(&server.make_database())).unwrap();
        std::fs::write(&key, master_key()).unwrap();
    }
    command.env("GATEPASS_CATALOG", std::fs::read_to_string(&url).unwrap());
    command.env("GATEPASS_MASTER_KEY_FILE", key);
}

/// A new master key.
pub(crate) fn master_key() -> Vec<u8> {
    gatepass().args(["keys", "master"]).output().unwrap().stdout
}

/// The binary under test.
pub(crate) fn gatepass() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepass"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("GATEPASS_") || name.starts_with("ITTYBIT_") {
            command.env_remove(name);
        }
    }
    if on_s3() {
        command.env("AWS_ACCESS_KEY_ID", garage::KEY_ID).env("AWS_SECRET_ACCESS_KEY", garage::KEY);
    }
    command
}

/// Whether the tests are to run on a real S3 store instead of the disk.
pub(crate) fn on_s3() -> bool {
    std::env::var("GATEPASS_TEST_STORE").as_deref() == Ok("s3")
}

/// The bucket of this run's cluster, with a prefix for each data directory.
fn s3_location(data: &Path) -> String {
    static CLUSTER: OnceLock<garage::Cluster> = OnceLock::new();
    let endpoint = CLUSTER.get_or_init(garage::Cluster::start).endpoint(0);
    let prefix = data.display().to_string().replace('/', "-");
    let (bucket, region) = (garage::BUCKET, garage::REGION);
    format!("s3://{bucket}/{prefix}?endpoint={endpoint}&region={region}")
}

/// The store of a data directory's bucket.
fn s3_store(data: &Path) -> gatepass_testkit::blob_store::Store {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let location = S3Location::parse(&s3_location(data), None).unwrap();
    let (key_id, secret) = (garage::KEY_ID.to_owned(), Secret::new(garage::KEY));
    let credentials = S3Credentials { key_id, secret, session_token: None };
    let clock = Arc::new(gatepass_testkit::FixedClock::at(Timestamp::from_unix_seconds(0)));
    let store = S3Store::open(location, &credentials, clock, S3Options::default()).unwrap();
    Arc::new(store)
}

/// Deletes a blob behind the server's back.
pub(crate) fn lose_blob(data: &Path, blob: &str) {
    if on_s3() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let blob = gatepass_core::BlobId::parse(blob).unwrap();
        let delete = async { s3_store(data).delete(&blob).await };
        runtime.block_on(delete).unwrap();
        return;
    }
    let mut find = Command::new("find");
    find.arg(data.join("blobs")).args(["-name", blob, "-delete"]);
    assert!(find.status().unwrap().success());
}

/// How many blobs are in the bucket, finished or not.
fn blobs_on_s3(data: &Path) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let list = async { gatepass_testkit::blob_store::list_all(&s3_store(data)).await };
    let list = runtime.block_on(list);
    list.into_iter().map(|entry| entry.blob).collect::<HashSet<_>>().len()
}

impl Start {
    /// In a new data directory, set up with [`KEY`].
    pub(crate) fn fresh() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let start = Self::at(&data);
        Self { directory: Some(directory), ..start }
    }

    /// In this data directory.
    pub(crate) fn at(data: &Path) -> Self {
        let mut command = gatepass();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .env("GATEPASS_API_KEY", KEY)
            .env("GATEPASS_LOG_LEVEL", "debug");
        if on_postgres() {
            share_catalog(&mut command, data);
        }
        if on_s3() {
            command.arg("--store").arg(s3_location(data));
        }
        Self { command, data: data.to_owned(), directory: None }
    }

    /// With one more flag.
    pub(crate) fn flag(mut self, flag: &str, value: &str) -> Self {
        self.command.arg(flag).arg(value);
        self
    }

    /// With one more variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With another value for a flag that is there already.
    pub(crate) fn replace(mut self, flag: &str, value: &str) -> Self {
        let mut command = gatepass();
        let mut arguments = self.command.get_args();
        while let Some(argument) = arguments.next() {
            command.arg(argument);
            if argument == flag {
                arguments.next();
                command.arg(value);
            }
        }
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command = command;
        self
    }

    /// With its store's URL changed.
    pub(crate) fn with_store(self, change: impl Fn(&str) -> String) -> Self {
        let mut arguments = self.command.get_args().skip_while(|flag| *flag != "--store").skip(1);
        let store = change(arguments.next().unwrap().to_str().unwrap());
        self.replace("--store", &store)
    }

    /// So that small versions are kept by the catalog, and larger ones by the store.
    pub(crate) fn for_proof(self) -> Self {
        self.variable("GATEPASS_LOG_LEVEL", "info").keeping("4KiB")
    }

    /// The catalog keeps files up to this size.
    pub(crate) fn keeping(self, size: &str) -> Self {
        self.variable("GATEPASS_INLINE_SIZE", size)
    }

    /// Without an API key to import.
    pub(crate) fn without_key(mut self) -> Self {
        self.command.env_remove("GATEPASS_API_KEY");
        self
    }

    /// By a shell that sets something up before it becomes the server.
    pub(crate) fn after(self, setup: &str) -> Self {
        self.under(&["sh", "-c", &format!("{setup} && exec \"$@\""), "sh"])
    }

    /// Killed so long after its start, ready or not.
    pub(crate) fn killed_after(self, time: Duration) -> Self {
        self.after(&format!("{{ (sleep {} && kill -9 $$) & }}", time.as_secs_f64()))
    }

    /// As the last arguments of another command, such as a tracer.
    pub(crate) fn under(mut self, wrapper: &[&str]) -> Self {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(self.command.get_program());
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command = command;
        self
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn run(self) -> Server {
        self.try_run().unwrap_or_else(|text| panic!("{text}"))
    }

    /// The same, where it may not get ready.
    pub(crate) fn try_run(mut self) -> Result<Server, String> {
        let command = self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = collect(child.stderr.take().unwrap());
        let printed = collect(child.stdout.take().unwrap());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = log.lock().unwrap().clone();
            if let Some(line) =
                text.lines().find(|line| line.contains("ready") && line.contains("delivery"))
            {
                let (delivery, api) = (address(line, "delivery"), address(line, "api"));
                let (data, directory) = (self.data, self.directory);
                return Ok(Server { data, delivery, api, child, log, printed, directory });
            }
            if child.try_wait().unwrap().is_some() {
                return Err(format!("the server ended: {text}"));
            }
            if Instant::now() >= deadline {
                let _ = child.kill();
                return Err(format!("the server does not get ready: {text}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts it where it must refuse; returns its exit code and what it says.
    pub(crate) fn refuse(mut self) -> (Option<i32>, String) {
        let mut child = self.command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() >= deadline {
                let _ = child.kill();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut text = String::new();
        let _ = child.stderr.take().unwrap().read_to_string(&mut text);
        (status, text)
    }
}

/// What comes out of a pipe, as it comes.
fn collect(pipe: impl std::io::Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut text = written.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}

/// The address behind `name=` (text) or `"name":"` (JSON) in the line that says ready.
fn address(line: &str, name: &str) -> SocketAddr {
    let plain = line.replace(['"', '{', '}'], "").replace(':', "=").replace(['\u{1b}'], "");
    let marker = format!("{name}=");
    let at = plain.rfind(&marker).unwrap() + marker.len();
    let text: String =
        plain[at..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '=')).collect();
    text.replace('=', ":").parse().unwrap()
}

impl Server {
    /// One with nothing special.
    pub(crate) fn start() -> Self {
        Start::fresh().run()
    }

    /// The same server, which owns its data directory from now on.
    pub(crate) fn keeping(mut self, data: Data) -> Self {
        self.directory = data.directory;
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it has ever taken, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it takes now, without what it maps of files, in bytes.
    pub(crate) fn own_memory(&self) -> u64 {
        self.memory("RssAnon:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    /// Whether the process has not ended. One that was just killed may take a moment.
    pub(crate) fn lives(&mut self) -> bool {
        std::thread::sleep(Duration::from_millis(5));
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) {
        let _ = self.child.wait();
    }

    /// Everything it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Everything it has printed for people so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// Kills it as a crash would, and hands over its data directory.
    pub(crate) fn kill(mut self) -> Data {
        let _ = self.child.kill();
        let _ = self.child.wait();
        Data { path: self.data.clone(), directory: self.directory.take() }
    }

    /// Asks it to stop; returns its exit code.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Data) {
        self.signal_stop();
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < deadline, "the server does not stop");
            std::thread::sleep(Duration::from_millis(10));
        };
        (code, Data { path: self.data.clone(), directory: self.directory.take() })
    }

    /// Sends SIGTERM without waiting.
    pub(crate) fn signal_stop(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// A URL for uploading.
    pub(crate) fn put_url(&self, path: &str) -> String {
        self.signed(path, &Policy::new(Action::Put, now() + 600))
    }

    /// A signed URL.
    pub(crate) fn signed(&self, path: &str, policy: &Policy) -> String {
        let path = ObjectPath::from_decoded(path).unwrap();
        sign_url(&Secret::new(KEY), &format!("http://{}", self.delivery), &path, policy)
    }

    /// How many blobs are there, in the store and in the catalog.
    pub(crate) fn blobs(&self) -> usize {
        blobs(&self.data)
    }

    /// A request to the delivery listener; `url` is one of [`Self::signed`] or a raw target.
    pub(crate) fn send(&self, method: &str, url: &str, body: &[u8]) -> Answer {
        self.request(method, url).body(body).send()
    }

    /// A request to build on. The target is sent as it is.
    pub(crate) fn request(&self, method: &str, url: &str) -> Request {
        Request::new(self.delivery, method, url)
    }

    /// A request to the management listener.
    pub(crate) fn api_request(&self, method: &str, path: &str) -> Request {
        Request::new(self.api, method, path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A data directory without a server.
pub(crate) struct Data {
    pub(crate) path: PathBuf,
    directory: Option<tempfile::TempDir>,
}

/// The signature over what stands there: the scheme in four lines.
pub(crate) fn sign_raw(key: &str, path: &str, query: &str) -> String {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{path}?{query}").as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// A target with this query, signed as it stands, sensible or not.
pub(crate) fn signed_raw(raw_path: &str, query: &str) -> String {
    format!("/{raw_path}?{query}&signature={}", sign_raw(KEY, raw_path, query))
}

/// Waits until the database has what was published, whoever publishes: a command does.
pub(crate) fn settle(data: &Path) {
    let output = gatepass().args(["files", "ls", "--data"]).arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Blobs of a data directory: files below `blobs`, or what its bucket lists, and what the embedded
/// catalog keeps itself.
pub(crate) fn blobs(data: &Path) -> usize {
    let stored = if on_s3() { blobs_on_s3(data) } else { blobs_on_disk(data) };
    if !data.join("gatepass.db").exists() {
        return stored;
    }
    settle(data);
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let catalog = rusqlite::Connection::open_with_flags(data.join("gatepass.db"), flags).unwrap();
    let count = |row: &rusqlite::Row<'_>| row.get::<_, usize>(0);
    stored + catalog.query_row("SELECT count(*) FROM files WHERE inline", [], count).unwrap()
}

fn blobs_on_disk(data: &Path) -> usize {
    let folders = std::fs::read_dir(data.join("blobs")).unwrap();
    folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

/// Says that a part was left out for want of a program; in CI that is a failure.
pub(crate) fn left_out(program: &str, what: &str) -> bool {
    let there = std::process::Command::new(program).arg("-V").output().is_ok();
    if there {
        return false;
    }
    let line = format!("!! not run: {what}: needs {program}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "not run: {what}");
    true
}

/// Bytes that look random and are the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    gatepass_testkit::builders::noise(seed, length).to_vec()
}

/// Sends bytes and reads until the server closes.
pub(crate) fn raw(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Now, in Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A request, written byte by byte as the test wants it.
pub(crate) struct Request {
    to: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    declare_length: bool,
}

impl Request {
    /// The target is that of the URL, as it stands.
    pub(crate) fn new(to: SocketAddr, method: &str, url: &str) -> Self {
        let target = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("/".into(), |(_, t)| format!("/{t}")),
            None => url.to_owned(),
        };
        let headers = vec![("Host".to_owned(), to.to_string())];
        let method = method.to_owned();
        Self { to, method, target, headers, body: Vec::new(), declare_length: true }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an API key.
    pub(crate) fn bearer(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    /// With another `Host`.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.headers.retain(|(name, _)| name != "Host");
        self.header("Host", host)
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub(crate) fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json").body(value.to_string().as_bytes())
    }

    /// Without `Content-Length`.
    pub(crate) fn undeclared(mut self) -> Self {
        self.declare_length = false;
        self
    }

    /// The head as it goes out.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let bodiless = self.body.is_empty() && matches!(&*self.method, "GET" | "HEAD" | "OPTIONS");
        if self.declare_length && !bodiless {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head + "Connection: close\r\n\r\n"
    }

    /// Sends it over a connection of its own and reads the answer.
    pub(crate) fn send(self) -> Answer {
        let mut stream = TcpStream::connect(self.to).unwrap();
        stream.set_read_timeout(Some(ANSWER_PATIENCE)).unwrap();
        stream.write_all(self.head().as_bytes()).unwrap();
        // The server may answer before it has read everything.
        let _ = stream.write_all(&self.body);
        Answer::read(&mut stream, self.method == "HEAD").expect("an answer")
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads one answer; `None` if the connection ends before its head does.
    pub(crate) fn read(stream: &mut TcpStream, head_only: bool) -> Option<Self> {
        Self::read_from(&mut BufReader::new(stream), head_only)
    }

    /// Likewise, where more may follow on the connection.
    pub(crate) fn read_from(reader: &mut impl std::io::BufRead, head_only: bool) -> Option<Self> {
        loop {
            let (status, headers) = read_head(reader)?;
            // An interim answer is followed by the real one.
            if status / 100 == 1 {
                continue;
            }
            let mut body = Vec::new();
            let length = headers.get("content-length").and_then(|text| text.parse().ok());
            match length {
                _ if head_only || status == 204 || status == 304 => {}
                Some(length) => {
                    body = vec![0; length];
                    reader.read_exact(&mut body).ok()?;
                }
                None => drop(reader.read_to_end(&mut body)),
            }
            return Some(Self { status, headers, body });
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The kind of an error.
    pub(crate) fn kind(&self) -> String {
        self.json()["error"]["kind"].as_str().unwrap_or_default().to_owned()
    }

    /// The File object in the envelope.
    pub(crate) fn file(&self) -> Value {
        self.json()["data"].clone()
    }
}

pub(crate) fn read_head(
    reader: &mut impl std::io::BufRead,
) -> Option<(u16, BTreeMap<String, String>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let status = line.split(' ').nth(1)?.trim().parse().ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Some((status, headers));
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}
