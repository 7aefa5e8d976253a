//! A real PostgreSQL for tests: one server for each test program, on a port of its own, run as an
//! unprivileged user in a temporary directory, and one database for each test.
//!
//! A shell keeps the server. It waits for the end of its input, which comes when the test program
//! ends, however it ends; then it stops the server and removes the directory.

pub mod proxy;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::free_port;

/// `fsync` is off: the tests end processes, never the machine, and so lose nothing by it.
const SETTINGS: &str = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
     -c max_connections=300 -c shared_buffers=128MB -c max_wal_size=2GB -c log_line_prefix=%d: \
     -c autovacuum_naptime=10min";

const KEEPER: &str = r#"
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
cd /
dir=$(as mktemp -d /tmp/gatepass-postgres-XXXXXX) || exit 1
if [ -n "$PRIMARY" ]; then
  as "$BIN/pg_basebackup" -h 127.0.0.1 -p "$PRIMARY" -U postgres -D "$dir/data" -R -c fast --no-sync \
    || exit 1
else
  as "$BIN/initdb" -D "$dir/data" -A trust -U postgres --no-sync -E UTF8 --locale=C >/dev/null || exit 1
fi
as openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test \
  -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
  -out "$dir/tls.crt" -keyout "$dir/tls.key" 2>/dev/null || exit 1
SETTINGS="$SETTINGS -c ssl=on -c ssl_cert_file=$dir/tls.crt -c ssl_key_file=$dir/tls.key"
as "$BIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w -o "-p $PORT $SETTINGS" start >/dev/null 2>&1 </dev/null \
  || { cat "$dir/log" >&2; rm -rf "$dir"; exit 1; }
echo "$dir"
while read -r command; do
  mode="-m immediate"; case $command in start | promote) mode= ;; esac
  as "$BIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w $mode -o "-p $PORT $SETTINGS" $command >/dev/null 2>&1 </dev/null
  echo done
done
as "$BIN/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
rm -rf "$dir"
"#;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A running server.
pub struct Server {
    keeper: Child,
    answers: BufReader<std::process::ChildStdout>,
    programs: String,
    directory: String,
    port: u16,
}

impl Server {
    /// The server of this test program, started by whoever asks first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of its own, for a test that restarts it.
    pub fn start() -> Self {
        Self::start_with("", None)
    }

    /// One that syncs what it commits, for measurements.
    pub fn start_synced() -> Self {
        Self::start_with(" -c fsync=on", None)
    }

    /// A standby of this one, which it reaches at this port; without it, this one acknowledges
    /// nothing from now on.
    pub fn start_synchronous_standby(&self, port: u16) -> Self {
        let standby = Self::start_with("", Some(port));
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let state = "SELECT sync_state FROM pg_stat_replication";
        while self.sql("postgres", state) != "sync" {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        standby
    }

    fn start_with(more: &str, primary: Option<u16>) -> Self {
        let programs = programs();
        let port = free_port();
        let mut keeper = Command::new("bash")
            .args(["-c", KEEPER])
            .env("BIN", &programs)
            .env("PORT", port.to_string())
            .env("SETTINGS", format!("{SETTINGS}{more}"))
            .env("PRIMARY", primary.map(|port| port.to_string()).unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(keeper.stdout.take().unwrap());
        let mut directory = String::new();
        answers.read_line(&mut directory).unwrap();
        assert!(!directory.is_empty(), "PostgreSQL does not start");
        Self { keeper, answers, programs, directory: directory.trim().to_owned(), port }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database and returns its name.
    pub fn make_database(&self) -> String {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// The URL of a database, with a password that must never be printed.
    pub fn url(&self, database: &str) -> String {
        self.url_by(self.port, database)
    }

    /// The same through a proxy.
    pub fn url_by(&self, port: u16, database: &str) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// The file with the certificate that it shows to who asks for TLS.
    pub fn certificate(&self) -> String {
        format!("{}/tls.crt", self.directory)
    }

    /// Runs statements, and returns what they print.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = Command::new(format!("{}/psql", self.programs))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
            .args(["-U", "postgres", "-d", database, "-c", statements, "-p"])
            .arg(self.port.to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Crashes it and starts it again.
    pub fn crash(&mut self) {
        self.tell("restart");
    }

    /// Stops it as a crash does, until [`Self::resume`].
    pub fn stop(&mut self) {
        self.tell("stop");
    }

    /// Starts it after [`Self::stop`].
    pub fn resume(&mut self) {
        self.tell("start");
    }

    /// Makes a standby the one that takes changes.
    pub fn promote(&mut self) {
        self.tell("promote");
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let output = Command::new("cat").arg(format!("{}/log", self.directory)).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.keeper.stdin.as_mut().unwrap(), "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The password in every URL of [`Server::url`].
pub const PASSWORD: &str = "pw_sentinel_Zk4";

/// Where the newest PostgreSQL's programs are; Debian has them off the path.
fn programs() -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map_or_else(
        || panic!("PostgreSQL is not installed: package postgresql"),
        |version| format!("/usr/lib/postgresql/{version}/bin"),
    )
}
