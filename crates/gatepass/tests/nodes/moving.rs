//! From a data directory to PostgreSQL and a bucket, and back; backups between the engines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use gatepass_testkit::garage;
use gatepass_testkit::postgres::Server as Postgres;
use serde_json::Value;

use crate::support::{KEY, Server, Start, gatepass, noise};

/// Files that are there before the move, so that it takes a while.
const FILES: u64 = 400;

/// A database and a place in a bucket, both empty at first.
struct Shared {
    catalog: String,
    store: String,
    directory: tempfile::TempDir,
}

impl Shared {
    fn new() -> Self {
        static CLUSTER: OnceLock<garage::Cluster> = OnceLock::new();
        let endpoint = CLUSTER.get_or_init(garage::Cluster::start).endpoint(0);
        let postgres = Postgres::shared();
        let database = postgres.make_database();
        let (bucket, region) = (garage::BUCKET, garage::REGION);
        Self {
            catalog: postgres.url(&database),
            store: format!("s3://{bucket}/{database}?endpoint={endpoint}&region={region}"),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// The two URLs, the bucket's key and the master key: all that a node is given.
    fn give<'a>(&self, command: &'a mut Command, master_key: &Path) -> &'a mut Command {
        command
            .env("GATEPASS_CATALOG", &self.catalog)
            .env("GATEPASS_STORE", &self.store)
            .env("GATEPASS_MASTER_KEY_FILE", master_key)
    }

    /// A node that has nothing but these, and an empty directory of its own.
    fn node(&self, name: &str, master_key: &Path) -> Server {
        let start = Start::at(&self.directory.path().join(name)).without_key();
        let start = start.variable("GATEPASS_CATALOG", &self.catalog);
        let start = start.variable("GATEPASS_STORE", &self.store);
        with_bucket_key(start)
            .variable("GATEPASS_MASTER_KEY_FILE", master_key.to_str().unwrap())
            .run()
    }

    fn run(&self, master_key: &Path, arguments: &[&str]) -> Output {
        let mut command = bucket_command(arguments);
        self.give(&mut command, master_key).output().unwrap()
    }
}

fn with_bucket_key(start: Start) -> Start {
    start
        .variable("AWS_ACCESS_KEY_ID", garage::KEY_ID)
        .variable("AWS_SECRET_ACCESS_KEY", garage::KEY)
}

fn bucket_command(arguments: &[&str]) -> Command {
    let mut command = gatepass();
    command
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", garage::KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", garage::KEY)
        .stdin(Stdio::null());
    command
}

fn succeeded(output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}{printed}", String::from_utf8_lossy(&output.stderr));
    printed
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server of the embedded engines with many files, stopped, with an unfinished upload.
fn source() -> (PathBuf, BTreeMap<String, Vec<u8>>, String, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("source");
    let server = Start::at(&data).run();
    let mut files = BTreeMap::new();
    for number in 0..FILES {
        let size = if number % 3 == 0 { 66_000 } else { 300 };
        let content = noise(number, size);
        let path = format!("f/{number}");
        assert_eq!(server.send("PUT", &server.put_url(&path), &content).status, 201);
        files.insert(path, content);
    }
    let large = noise(9_999, 20 << 20);
    assert_eq!(server.send("PUT", &server.put_url("large"), &large).status, 201);
    files.insert("large".to_owned(), large);
    let url = server.put_url("unfinished");
    for (first, last) in [(0, 5_242_879), (5_242_880, 5_300_000)] {
        let content = noise(12, 10 << 20);
        let range = format!("bytes {first}-{last}/{}", content.len());
        let request = server.request("PUT", &url).header("Content-Range", &range);
        assert_eq!(request.body(&content[first..=last]).send().status, 202);
    }
    drop(server.terminate());
    (data, files, url, directory)
}

fn assert_serves(server: &Server, files: &BTreeMap<String, Vec<u8>>) {
    for (path, content) in files {
        let answer = server.send("GET", &format!("/{path}"), b"");
        assert!(answer.status == 200 && answer.body == *content, "{path}: {}", answer.status);
    }
}

fn finish_upload(server: &Server, url: &str) {
    let content = noise(12, 10 << 20);
    let first = 5_300_001;
    let range = format!("bytes {first}-{}/{}", content.len() - 1, content.len());
    let request = server.request("PUT", url).header("Content-Range", &range);
    assert_eq!(request.body(&content[first..]).send().status, 201);
    assert!(server.send("GET", "/unfinished", b"").body == content);
}

fn migrate(data: &Path, to: &Shared, more: &[&str]) -> Command {
    let to = ["--to-catalog", &to.catalog, "--to-store", &to.store];
    let mut command = bucket_command(&[&["migrate"], &to[..], more].concat());
    command.arg("--data").arg(data);
    command
}

/// Kills it once the target has some files, but not all.
fn kill_in_the_middle(mut command: Command, to: &Shared) {
    let database = to.catalog.rsplit('/').next().unwrap().split('?').next().unwrap();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'files'";
    let moved = || {
        let made = Postgres::shared().sql(database, there) == "1";
        made && Postgres::shared()
            .sql(database, "SELECT count(*) FROM settings WHERE importing IS NOT NULL")
            == "1"
    };
    while !moved() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    // On into its first files: far less than all of them take.
    std::thread::sleep(Duration::from_millis(30));
    child.kill().unwrap();
    child.wait().unwrap();
    let note = Postgres::shared().sql(database, "SELECT importing FROM settings");
    assert!(note.starts_with("a migration of"), "it was faster than the kill: {note}");
}

#[test]
fn a_data_directory_moves_to_postgres_and_a_bucket_and_survives_a_kill() {
    let (data, files, url, _directory) = source();
    let key = data.join("master.key");
    let to = Shared::new();
    kill_in_the_middle(migrate(&data, &to, &[]), &to);
    let refusal = refused(&to.run(&key, &["keys", "ls"]));
    assert!(refusal.contains("has begun and not ended"), "{refusal}");
    let report = succeeded(&migrate(&data, &to, &["--json"]).output().unwrap());
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["done"]["files"], FILES + 1, "{report}");
    assert_eq!(report["done"]["unfinished_uploads"], 1, "{report}");

    let fsck = succeeded(&to.run(&key, &["fsck", "--checksums"]));
    assert!(fsck.contains("clean"), "{fsck}");
    let node = to.node("a", &key);
    assert_serves(&node, &files);
    finish_upload(&node, &node_url(&node, &url));
    let metrics = node.api_request("GET", "/metrics").send();
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    for series in [
        "gatepass_catalog_seconds_bucket{engine=\"postgres\",call=\"finish_upload\"",
        "gatepass_store_seconds_count{engine=\"s3\",call=\"assemble\"} 1",
        "gatepass_store_breaker_open{engine=\"s3\"} 0",
        "gatepass_catalog_connection_wait_seconds_count{engine=\"postgres\"}",
        "gatepass_catalog_connections{engine=\"postgres\",state=\"waited_for\"}",
    ] {
        assert!(metrics.contains(series), "{series}: {metrics}");
    }
    // Another node needs the two URLs and the master key; removing one needs nothing.
    let other = to.node("b", &key);
    assert_eq!(other.request("PUT", "/b").bearer(KEY).body(b"by b").send().status, 201);
    drop(node.kill());
    assert_serves(&other, &files);
    assert_eq!(other.send("GET", "/b", b"").body, b"by b");

    // Back, while nobody serves; and what a bucket keeps of an unfinished upload cannot be read.
    let content = noise(3, 12 << 20);
    let range = format!("bytes 0-8388607/{}", content.len());
    let request = other.request("PUT", &other.put_url("stays")).header("Content-Range", &range);
    assert_eq!(request.body(&content[..8 << 20]).send().status, 202);
    drop(other.terminate());
    let back = data.with_file_name("back");
    let back_text = back.to_str().unwrap();
    let arguments =
        ["migrate", "--to-catalog", "sqlite:", "--to-store", "file:", "--to-data", back_text];
    let refusal = refused(&to.run(&key, &arguments));
    assert!(refusal.contains("--drop-unfinished"), "{refusal}");
    let dropping = [&arguments[..], &["--drop-unfinished", "--json"]].concat();
    let report: Value = serde_json::from_str(&succeeded(&to.run(&key, &dropping))).unwrap();
    assert_eq!(report["done"]["unfinished_uploads_left_behind"], 1, "{report}");
    std::fs::copy(&key, back.join("master.key")).unwrap();
    let server = Start::at(&back).run();
    assert_serves(&server, &files);
    assert_eq!(server.send("GET", "/b", b"").body, b"by b");
}

/// The same URL, at this node.
fn node_url(node: &Server, url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    let (_, target) = rest.split_once('/').unwrap();
    format!("http://{}/{target}", node.delivery)
}

/// A backup of one engine is restored into the other; small files find their place.
#[test]
fn a_backup_goes_into_either_engine() {
    let (data, files, _, directory) = source();
    let key = data.join("master.key");
    let backup = directory.path().join("one.backup");
    let backup_text = backup.to_str().unwrap();
    let mut command = bucket_command(&["backup", backup_text]);
    succeeded(&command.arg("--data").arg(&data).output().unwrap());

    // The catalog alone moves: large files stay where they are, and small ones go there, too.
    let to = Shared::new();
    let new = directory.path().join("new");
    std::fs::create_dir(&new).unwrap();
    std::fs::rename(data.join("blobs"), new.join("blobs")).unwrap();
    let on_disk = |arguments: &[&str]| {
        let mut command = bucket_command(arguments);
        command.env("GATEPASS_CATALOG", &to.catalog).env("GATEPASS_MASTER_KEY_FILE", &key);
        command.arg("--data").arg(&new).output().unwrap()
    };
    succeeded(&on_disk(&["restore", backup_text]));
    assert!(succeeded(&on_disk(&["fsck", "--checksums"])).contains("clean"));
    let server = Start::at(&new)
        .variable("GATEPASS_CATALOG", &to.catalog)
        .variable("GATEPASS_MASTER_KEY_FILE", key.to_str().unwrap())
        .run();
    assert_serves(&server, &files);
    let again = directory.path().join("two.backup");
    succeeded(&on_disk(&["backup", again.to_str().unwrap()]));
    drop(server.terminate());

    let embedded = directory.path().join("embedded");
    let mut command = bucket_command(&["restore", again.to_str().unwrap()]);
    succeeded(&command.arg("--data").arg(&embedded).output().unwrap());
    let _ = std::fs::remove_dir_all(embedded.join("blobs"));
    std::fs::rename(new.join("blobs"), embedded.join("blobs")).unwrap();
    std::fs::copy(&key, embedded.join("master.key")).unwrap();
    assert_serves(&Start::at(&embedded).run(), &files);
}
