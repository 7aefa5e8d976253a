//! A real object store for tests: a Garage cluster of three nodes, each byte on all of them. Its
//! processes and files go when the process that started it ends, however.
//!
//! It syncs nothing unless it is asked to: the tests kill processes, never the machine, and so lose
//! nothing by it.

pub mod proxy;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::free_port;

/// Nodes of the cluster.
const NODES: usize = 3;
/// How long the cluster may take to get ready.
const PATIENCE: Duration = Duration::from_mins(3);
const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The id of the key that may do everything with the bucket.
pub const KEY_ID: &str = "GK0123456789abcdef01234567";
/// The key.
pub const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// The bucket.
pub const BUCKET: &str = "blobs";
/// The region that requests are signed for.
pub const REGION: &str = "garage";

/// Runs a program and tells its process id. With each line of its own input it kills it, and starts
/// it again; at the end of the input it kills it and removes its files: that is when whoever
/// started it has ended.
const GUARD: &str = r#"while :; do
  "$@" >>"$DIRECTORY/log" 2>&1 </dev/null & echo $!; read -r line; going=$?
  kill -9 $! 2>/dev/null; wait $! 2>/dev/null
  [ $going = 0 ] || break
done
rm -rf "$DIRECTORY""#;

/// A cluster, with one bucket and one key.
pub struct Cluster {
    nodes: Vec<Node>,
}

struct Node {
    process: Mutex<Process>,
    directory: PathBuf,
    s3: u16,
}

struct Process {
    guard: Child,
    answers: BufReader<ChildStdout>,
    pid: String,
}

impl Cluster {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If there is no `garage`; `scripts/test` builds it.
    pub fn start() -> Self {
        Self::start_with(false)
    }

    /// One that syncs every write, for measurements.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub fn start_synced() -> Self {
        Self::start_with(true)
    }

    fn start_with(syncs: bool) -> Self {
        let nodes: Vec<Node> = (0..NODES).map(|_| Node::start(syncs)).collect();
        let cluster = Self { nodes };
        cluster.set_up();
        cluster
    }

    /// Where a node speaks S3.
    pub fn endpoint(&self, node: usize) -> String {
        format!("http://127.0.0.1:{}", self.nodes[node].s3)
    }

    /// Kills a node as a crash would; it stays away until [`Self::resume`].
    pub fn kill(&self, node: usize) {
        let pid = &self.nodes[node].process().pid;
        let killed = Command::new("kill").args(["-9", pid]).status();
        assert!(killed.unwrap().success());
    }

    /// Starts a node again after [`Self::kill`], and waits until it answers.
    pub fn resume(&self, node: usize) {
        let node = &self.nodes[node];
        node.process().restart();
        wait_for(node.s3);
    }

    /// Gives the bucket another name.
    pub fn name_bucket(&self, name: &str) {
        eventually(&self.nodes[0], &["bucket", "alias", BUCKET, name]);
    }

    fn set_up(&self) {
        let ids: Vec<String> =
            self.nodes.iter().map(|node| eventually(node, &["node", "id", "-q"])).collect();
        let first = &self.nodes[0];
        for node in &self.nodes {
            wait_for(node.s3);
        }
        for id in &ids[1..] {
            eventually(first, &["node", "connect", id.trim()]);
        }
        for (id, zone) in ids.iter().zip(["a", "b", "c"]) {
            let id = id.split('@').next().unwrap();
            eventually(first, &["layout", "assign", "-z", zone, "-c", "10G", id]);
        }
        eventually(first, &["layout", "apply", "--version", "1"]);
        eventually(first, &["key", "import", "--yes", KEY_ID, KEY]);
        eventually(first, &["bucket", "create", BUCKET]);
        let allow = ["bucket", "allow", "--read", "--write", "--owner", BUCKET, "--key", KEY_ID];
        eventually(first, &allow);
    }
}

/// Runs a command of `garage` until it succeeds: nodes take a while to know each other.
fn eventually(node: &Node, arguments: &[&str]) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let config = node.directory.join("config.toml");
        let run = Command::new("garage").arg("-c").arg(config).args(arguments).output().unwrap();
        if run.status.success() {
            return String::from_utf8(run.stdout).unwrap();
        }
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(Instant::now() < deadline, "garage {arguments:?}: {said}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn wait_for(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "a node of the cluster does not get ready");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Node {
    fn start(syncs: bool) -> Self {
        let directory = tempfile::tempdir().unwrap().keep();
        let [s3, rpc, admin] = [(); 3].map(|()| free_port());
        write_config(&directory, syncs, s3, rpc, admin);
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "sh", "garage", "-c"])
            .arg(directory.join("config.toml"))
            .arg("server")
            .env("DIRECTORY", &directory)
            .env("RUST_LOG", "garage=warn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(guard.stdout.take().unwrap());
        let mut process = Process { guard, answers, pid: String::new() };
        process.read_pid();
        Self { process: Mutex::new(process), directory, s3 }
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    fn restart(&mut self) {
        writeln!(self.guard.stdin.as_mut().unwrap(), "again").unwrap();
        self.read_pid();
    }

    fn read_pid(&mut self) {
        self.pid.clear();
        self.answers.read_line(&mut self.pid).unwrap();
        self.pid.truncate(self.pid.trim_end().len());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn write_config(directory: &Path, syncs: bool, s3: u16, rpc: u16, admin: u16) {
    let at = directory.display();
    let mut config = std::fs::File::create(directory.join("config.toml")).unwrap();
    write!(
        config,
        r#"metadata_dir = "{at}/meta"
data_dir = "{at}/data"
db_engine = "lmdb"
metadata_fsync = {syncs}
data_fsync = {syncs}
replication_factor = {NODES}
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{SECRET}"

[s3_api]
s3_region = "{REGION}"
api_bind_addr = "127.0.0.1:{s3}"

[admin]
api_bind_addr = "127.0.0.1:{admin}"
"#
    )
    .unwrap();
}
