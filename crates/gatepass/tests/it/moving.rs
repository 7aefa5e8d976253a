//! fsck, backup, restore and migrate on the embedded engines. `tests/nodes` has the shared ones.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::support::{Server, Start, gatepass, noise};

const DAY: Duration = Duration::from_hours(24);
/// Files that a catalog gets by SQL, so that bringing them in takes a while.
const MANY: u64 = 60_000;

/// A command on a data directory.
fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = gatepass();
    command.args(arguments).arg("--data").arg(data).stdin(Stdio::null());
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    command(data, arguments).output().unwrap()
}

fn succeed(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", printed(&output));
    printed(&output)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command says that has to fail.
fn refusal(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", printed(&output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The kinds of what fsck finds; its exit code agrees with them.
fn findings(data: &Path, arguments: &[&str]) -> Vec<String> {
    let output = run(data, &[&["fsck", "--json"], arguments].concat());
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let kinds = report["findings"].as_array().unwrap().iter();
    let mut kinds: Vec<_> = kinds.map(|one| one["kind"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    assert_eq!(report["clean"], output.status.success());
    kinds
}

/// A catalog with a small file, large ones, and an unfinished upload.
fn fill(server: &Server) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for (seed, (path, size)) in
        [("small", 900), ("empty", 0), ("one/large", 400_000), ("two/large", 300_001)]
            .into_iter()
            .enumerate()
    {
        let content = noise(seed as u64, size);
        assert_eq!(server.send("PUT", &server.put_url(path), &content).status, 201);
        files.insert(path.to_owned(), content);
    }
    let part = noise(9, 70_000);
    let request = server.request("PUT", &server.put_url("unfinished"));
    let answer = request.header("Content-Range", "bytes 0-69999/140000").body(&part).send();
    assert_eq!(answer.status, 202);
    files
}

fn assert_serves(server: &Server, files: &BTreeMap<String, Vec<u8>>) {
    for (path, content) in files {
        let answer = server.send("GET", &format!("/{path}"), b"");
        assert!(answer.status == 200 && answer.body == *content, "{path}: {}", answer.status);
    }
}

fn sql(data: &Path, statements: &str) {
    let catalog = rusqlite::Connection::open(data.join("gatepass.db")).unwrap();
    catalog.execute_batch(statements).unwrap();
}

fn ask(data: &Path, query: &str) -> rusqlite::Result<String> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let catalog = rusqlite::Connection::open_with_flags(data.join("gatepass.db"), flags)?;
    catalog.query_row(query, [], |row| row.get(0))
}

/// The file with a blob's bytes.
fn blob_of(data: &Path, path: &str) -> PathBuf {
    let query = |table| format!("SELECT blob FROM {table} WHERE path = '{path}'");
    let blob = ask(data, &query("files")).or_else(|_| ask(data, &query("uploads"))).unwrap();
    let folders = std::fs::read_dir(data.join("blobs")).unwrap();
    folders.map(|folder| folder.unwrap().path().join(&blob)).find(|file| file.exists()).unwrap()
}

fn age(file: &Path, by: Duration) {
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - by).unwrap();
}

#[test]
fn fsck_finds_what_is_wrong_and_nothing_else() {
    let server = Server::start();
    fill(&server);
    let data = server.data.clone();
    assert!(findings(&data, &["--checksums"]).is_empty(), "beside the server");
    let (_, _data) = server.terminate();
    assert!(findings(&data, &["--checksums"]).is_empty());

    // What nobody knows is wrong once it is old.
    let orphan = data.join("blobs/00").join("0".repeat(26));
    std::fs::write(&orphan, b"left behind").unwrap();
    assert!(findings(&data, &[]).is_empty(), "it may be on its way");
    age(&orphan, 2 * DAY);
    assert_eq!(findings(&data, &[]), ["orphan"]);
    assert!(findings(&data, &["--grace", "3d"]).is_empty());

    let large = blob_of(&data, "one/large");
    let whole = std::fs::read(&large).unwrap();
    let mut flipped = whole.clone();
    flipped[100_000] ^= 1;
    std::fs::write(&large, &flipped).unwrap();
    assert_eq!(findings(&data, &[]), ["orphan"], "the size is right");
    assert_eq!(findings(&data, &["--checksums"]), ["damaged", "orphan"]);
    std::fs::write(&large, &whole[1..]).unwrap();
    assert_eq!(findings(&data, &[]), ["orphan", "wrong_size"]);
    std::fs::remove_file(&large).unwrap();
    assert_eq!(findings(&data, &[]), ["missing", "orphan"]);
    let text = run(&data, &["fsck"]);
    assert_eq!(text.status.code(), Some(1));
    assert!(printed(&text).contains("MISSING   one/large (file_"), "{}", printed(&text));

    // Where blobs are missing nothing is removed: it may be another catalog's store.
    let refused = run(&data, &["fsck", "--repair"]);
    assert!(printed(&refused).contains("nothing is removed"), "{}", printed(&refused));
    assert!(orphan.exists());
    std::fs::write(&large, &whole).unwrap();
    assert!(printed(&run(&data, &["fsck", "--repair"])).contains("1 orphans removed"));
    assert!(!orphan.exists());
    assert!(findings(&data, &["--checksums"]).is_empty());

    std::fs::remove_file(blob_of(&data, "unfinished")).unwrap();
    assert_eq!(findings(&data, &[]), ["upload_missing"]);
    let place = ask(&data, "SELECT cast(place AS TEXT) FROM files WHERE path = 'small'").unwrap();
    let segment = data.join("journal/0000000001");
    let segment = std::fs::OpenOptions::new().write(true).open(segment).unwrap();
    segment.write_all_at(&[0; 900], place.parse().unwrap()).unwrap();
    assert_eq!(findings(&data, &[]), ["damaged", "upload_missing"]);
}

#[test]
fn a_store_of_another_catalog_is_not_emptied() {
    let server = Server::start();
    fill(&server);
    let (_, full) = server.terminate();
    let (_, empty) = Server::start().terminate();
    std::fs::remove_dir_all(empty.path.join("blobs")).unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(full.path.join("blobs")).arg(&empty.path);
    assert!(copy.status().unwrap().success());
    for path in ["one/large", "two/large", "unfinished"] {
        let blob = blob_of(&full.path, path);
        age(&empty.path.join(blob.strip_prefix(&full.path).unwrap()), 2 * DAY);
    }
    let output = run(&empty.path, &["fsck", "--repair"]);
    assert!(printed(&output).contains("store of another catalog"), "{}", printed(&output));
    assert_eq!(findings(&empty.path, &[]).len(), 3);
}

#[test]
fn fsck_beside_a_busy_server_raises_no_alarm() {
    let server = Server::start();
    fill(&server);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let path = format!("busy/{worker}/{}", round % 5);
                    let size = if round % 2 == 0 { 70_000 } else { 500 };
                    server.send("PUT", &server.put_url(&path), &noise(round, size));
                    if round % 3 == 0 {
                        let policy = gatepass_sign::Policy::new(
                            gatepass_sign::Action::Delete,
                            u32::MAX.into(),
                        );
                        server.send("DELETE", &server.signed(&path, &policy), b"");
                    }
                }
            });
        }
        let found: Vec<_> = (0..4).flat_map(|_| findings(&server.data, &["--checksums"])).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(found.is_empty(), "{found:?}");
    });
}

/// Uploads go on while it is made; what was acknowledged before it began is in it.
#[test]
fn a_backup_under_load_has_everything_that_was_acknowledged_before() {
    let server = Server::start();
    let mut before = fill(&server);
    let backup = server.data.with_extension("backup");
    let (stop, made) = (AtomicBool::new(false), Mutex::new(0));
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let (server, stop, made) = (&server, &stop, &made);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let path = format!("load/{worker}/{round}");
                    let size = if round % 4 == 0 { 70_000 } else { 700 };
                    let content = noise(round, size);
                    assert_eq!(server.send("PUT", &server.put_url(&path), &content).status, 201);
                    *made.lock().unwrap() += 1;
                }
            });
        }
        let enough = Instant::now() + Duration::from_mins(5);
        while *made.lock().unwrap() < 60 {
            assert!(Instant::now() < enough, "no load");
            std::thread::sleep(Duration::from_millis(5));
        }
        let last = noise(77, 123_456);
        assert_eq!(server.send("PUT", &server.put_url("last"), &last).status, 201);
        before.insert("last".to_owned(), last);
        succeed(&server.data, &["backup", backup.to_str().unwrap()]);
        stop.store(true, Ordering::Relaxed);
    });
    let (_, old) = server.terminate();
    assert!(refusal(&old.path, &["backup", backup.to_str().unwrap()]).contains("is not replaced"));
    let text = std::fs::read_to_string(&backup).unwrap();
    let master = std::fs::read_to_string(old.path.join("master.key")).unwrap();
    let secret = master.trim().split_once(':').unwrap().1;
    assert!(!text.contains(secret) && !text.contains(crate::support::KEY));

    let directory = tempfile::tempdir().unwrap();
    let new = directory.path().join("new");
    succeed(&new, &["restore", backup.to_str().unwrap()]);
    assert!(refusal(&new, &["restore", backup.to_str().unwrap()]).contains("not empty"));
    // The blobs and the master key are the operator's to bring.
    let said = Start::at(&new).refuse().1;
    assert!(said.contains("master key"), "{said}");
    std::fs::copy(old.path.join("master.key"), new.join("master.key")).unwrap();
    let _ = std::fs::remove_dir_all(new.join("blobs"));
    std::fs::rename(old.path.join("blobs"), new.join("blobs")).unwrap();
    // Uploads after the backup have blobs that nobody knows: young, and no finding.
    assert!(findings(&new, &["--checksums"]).is_empty());
    let server = Start::at(&new).run();
    assert_serves(&server, &before);
    let rest = noise(10, 70_000);
    let url = server.put_url("unfinished");
    let list = server.api_request("GET", "/uploads").bearer(crate::support::KEY).send();
    assert!(String::from_utf8_lossy(&list.body).contains("unfinished"), "{list:?}");
    let request = server.request("PUT", &url).header("Content-Range", "bytes 70000-139999/140000");
    assert!(request.body(&rest).send().status < 300);
}

#[test]
fn a_backup_that_is_not_whole_is_not_taken() {
    let server = Server::start();
    fill(&server);
    let backup = server.data.with_extension("backup");
    succeed(&server.data, &["backup", backup.to_str().unwrap()]);
    let (_, _data) = server.terminate();
    let whole = std::fs::read_to_string(&backup).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let cut = format!("{}\n", lines[..lines.len() - 1].join("\n"));
    let directory = tempfile::tempdir().unwrap();
    for (what, text, says) in [
        ("nothing", String::new(), "cut off"),
        ("another file", "hello\n".to_owned(), "no backup"),
        ("a lost end", cut.clone(), "cut off"),
        ("half a line", whole[..whole.len() - 7].to_owned(), "cut off"),
        ("more", format!("{whole}{}\n", lines[1]), "follows"),
        ("a lost line", [lines[0], &lines[2..].join("\n")].join("\n") + "\n", "does not match"),
        ("a changed path", whole.replacen("one/large", "two/target", 1), "does not match"),
        ("a newer form", whole.replacen("\"form\":1", "\"form\":2", 1), "newer"),
        ("an unknown record", whole.replacen("{\"file\":", "{\"flie\":", 1), "makes no sense"),
    ] {
        let file = directory.path().join("damaged");
        std::fs::write(&file, text).unwrap();
        let new = directory.path().join("new");
        let said = refusal(&new, &["restore", file.to_str().unwrap()]);
        assert!(said.contains(says), "{what}: {said}");
        assert!(!new.join("gatepass.db").exists(), "{what}: nothing is written");
    }
}

/// Adds files whose blobs nobody looks at.
fn add_many(data: &Path) {
    sql(
        data,
        &format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY}) \
             INSERT INTO files (id, media_id, project, path, blob, size, crc64, media, metadata, \
                 created, updated) \
             SELECT 'file_' || n, 'med_' || n, (SELECT id FROM projects), 'many/' || n, \
                 substr('00000000000000000000000000' || n, -26), 5, 5, \
                 '{{\"kind\":\"file\",\"content_type\":\"text/plain\"}}', '{{}}', n, n FROM n"
        ),
    );
}

#[test]
fn a_restore_that_was_killed_is_not_served_and_goes_on() {
    let server = Server::start();
    let files = fill(&server);
    let (_, old) = server.terminate();
    add_many(&old.path);
    let backup = old.path.with_extension("backup");
    succeed(&old.path, &["backup", backup.to_str().unwrap()]);
    let directory = tempfile::tempdir().unwrap();
    let new = directory.path().join("new");
    let arguments = ["restore", backup.to_str().unwrap()];
    kill_in_the_middle(&new, &mut command(&new, &arguments));
    std::fs::copy(old.path.join("master.key"), new.join("master.key")).unwrap();
    let said = Start::at(&new).refuse().1;
    assert!(said.contains("has begun and not ended"), "{said}");
    // Something else cannot be brought in on top.
    let other = old.path.with_extension("other");
    sql(&old.path, "DELETE FROM files WHERE path = 'many/7'");
    succeed(&old.path, &["backup", other.to_str().unwrap()]);
    assert!(refusal(&new, &["restore", other.to_str().unwrap()]).contains("something else"));

    succeed(&new, &arguments);
    let _ = std::fs::remove_dir_all(new.join("blobs"));
    std::fs::rename(old.path.join("blobs"), new.join("blobs")).unwrap();
    let server = Start::at(&new).run();
    assert_serves(&server, &files);
    let list = succeed(&new, &["files", "ls", "--json"]);
    let total: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(total["total"].as_u64().unwrap_or_default(), MANY + 4, "{total}");
}

/// Runs until records are there, and kills it then.
fn kill_in_the_middle(new: &Path, command: &mut Command) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let some = "SELECT CASE WHEN count(*) > 0 THEN 'some' ELSE 'none' END FROM files";
    while !matches!(ask(new, some).as_deref(), Ok("some")) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let note = ask(new, "SELECT coalesce(importing, 'none') FROM settings").unwrap();
    assert_ne!(note, "none", "it was faster than the kill");
}

#[test]
fn a_data_directory_moves_into_another_one() {
    let server = Server::start();
    let files = fill(&server);
    let to = server.data.with_extension("to");
    let to_text = to.to_str().unwrap().to_owned();
    let arguments =
        ["migrate", "--to-catalog", "sqlite:", "--to-store", "file:", "--to-data", &to_text];
    let said = refusal(&server.data, &arguments);
    assert!(said.contains("must not be served"), "{said}");
    // The blobs may go beside the server.
    succeed(&server.data, &[&arguments[..], &["--blobs-only"]].concat());
    let extra = noise(55, 390_000);
    assert_eq!(server.send("PUT", &server.put_url("extra"), &extra).status, 201);
    let (_, old) = server.terminate();
    for bad in [&["migrate"][..], &["migrate", "--to-store", "file:"], &["migrate", "--blobs-only"]]
    {
        refusal(&old.path, bad);
    }
    // A blob that was cut short on the way is found out, and copied again.
    let cut = to.join(blob_of(&old.path, "one/large").strip_prefix(&old.path).unwrap());
    let mut damaged = std::fs::read(&cut).unwrap();
    damaged[7] ^= 1;
    std::fs::write(&cut, damaged).unwrap();
    let report = succeed(&old.path, &[&arguments[..], &["--json"]].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["done"]["blobs_written"], 2, "the damaged one and the new one: {report}");
    assert_eq!(report["done"]["unfinished_uploads"], 1, "{report}");
    assert!(refusal(&old.path, &arguments).contains("not empty"));

    std::fs::copy(old.path.join("master.key"), to.join("master.key")).unwrap();
    assert!(findings(&to, &["--checksums"]).is_empty());
    let server = Start::at(&to).run();
    assert_serves(&server, &files);
    assert_serves(&server, &[("extra".to_owned(), extra)].into());
    let rest = noise(10, 70_000);
    let url = server.put_url("unfinished");
    let request = server.request("PUT", &url).header("Content-Range", "bytes 70000-139999/140000");
    assert!(request.body(&rest).send().status < 300);
}

#[test]
fn a_damaged_blob_does_not_move() {
    let server = Server::start();
    fill(&server);
    let (_, old) = server.terminate();
    let blob = blob_of(&old.path, "one/large");
    let mut damaged = std::fs::read(&blob).unwrap();
    damaged[7] ^= 1;
    std::fs::write(&blob, damaged).unwrap();
    let to = old.path.with_extension("to");
    let to = to.to_str().unwrap();
    let arguments = ["migrate", "--to-catalog", "sqlite:", "--to-store", "file:", "--to-data", to];
    let said = refusal(&old.path, &arguments);
    assert!(said.contains("one/large are damaged"), "{said}");
}

#[test]
fn health_tells_by_its_exit_code() {
    let server = Server::start();
    let health = |listen: &str| {
        gatepass().args(["health", "--listen", listen]).output().unwrap().status.code()
    };
    let port = server.delivery.port();
    assert_eq!(health(&server.delivery.to_string()), Some(0));
    assert_eq!(health(&format!("0.0.0.0:{port}")), Some(0));
    drop(server);
    assert_eq!(health(&format!("127.0.0.1:{port}")), Some(1));
}
