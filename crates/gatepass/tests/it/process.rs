//! Starting, refusing to start, stopping, and what the disk does to it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::support::{KEY, Server, Start, blobs, gatepass, noise};
use crate::transport::connection::eventually;

/// Says that a part was left out; in CI that is a failure.
pub(crate) fn not_run(what: &str) {
    let line = format!("!! not run: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "not run: {what}");
}

#[test]
fn the_first_start_prints_an_upload_that_works_as_it_stands() {
    let server = Start::fresh().without_key().run();
    eventually("all is printed", || server.printed().contains("export GATEPASS_API_KEY=gp_live_"));
    let printed = server.printed();
    let commands: Vec<&str> =
        printed.lines().map(str::trim).filter(|line| line.contains("curl ")).collect();
    assert_eq!(commands.len(), 2, "{printed}");
    let run = |command: &str| {
        let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(commands[0]).contains("\"status\":\"ready\""), "{printed}");
    assert_eq!(run(commands[1]), "hello\n");
    assert!(printed.contains("gp_live_"), "the key is shown once");
    let (_, data) = server.terminate();
    let again = Start::at(&data.path).without_key().run();
    assert!(!again.printed().contains("gp_live_"), "and not again");
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(data.path.join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("master.key"), mode("gatepass.db"), mode("blobs")), (0o600, 0o600, 0o700));
}

#[test]
fn a_second_process_on_one_directory_is_refused() {
    let server = Server::start();
    let (code, text) = Start::at(&server.data).refuse();
    assert_eq!(code, Some(1));
    assert!(text.contains("in use") || text.contains("another"), "{text}");
    assert_eq!(server.send("GET", "/a", b"").status, 404, "the first goes on");
}

#[test]
fn what_stands_in_the_way_is_said_in_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let fresh = || Start::at(&directory.path().join("data"));
    for (start, expected) in [
        (fresh().replace("--listen", &port), port.as_str()),
        (fresh().replace("--api-listen", &port), &port),
        (fresh().replace("--listen", "nonsense"), "listen"),
        (fresh().replace("--listen", "127.0.0.1:99999"), "listen"),
        (Start::at(&file), "file"),
        (Start::at(&file.join("below")), "below"),
        (Start::at(Path::new("/proc/gatepass")), "/proc/gatepass"),
        (fresh().variable("GATEPASS_MAX_FILE_SIZE", "many"), "max"),
        (fresh().flag("--config", "/nonexistent.toml"), "/nonexistent.toml"),
        (fresh().variable("GATEPASS_CATALOG", "postgres://x"), "catalog"),
        (fresh().variable("GATEPASS_STORE", "ftp://x"), "store"),
        (fresh().flag("--master-key-file", "/nonexistent"), "/nonexistent"),
    ] {
        let (code, text) = start.refuse();
        assert_eq!(code, Some(1), "{expected}: {text}");
        assert!(text.contains(expected), "{expected}: {text}");
        let last = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(last <= 2, "more than a sentence: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn a_directory_that_does_not_fit_together_is_refused_and_not_touched() {
    let (_, data) = {
        let server = Server::start();
        server.send("PUT", &server.put_url("a"), b"x");
        server.terminate()
    };
    let master = data.path.join("master.key");
    let database = data.path.join("gatepass.db");
    let (key, content) = (std::fs::read(&master).unwrap(), std::fs::read(&database).unwrap());

    let other = tempfile::tempdir().unwrap();
    let stranger = Start::at(other.path()).run();
    let other_key = std::fs::read(stranger.data.join("master.key")).unwrap();
    drop(stranger);
    let expect = |word: &str| {
        let (code, text) = Start::at(&data.path).refuse();
        assert_eq!(code, Some(1), "{word}: {text}");
        assert!(text.to_lowercase().contains(word), "{word}: {text}");
        assert!(!text.contains("panicked") && text.lines().count() <= 3, "{text}");
    };
    std::fs::write(&master, &other_key).unwrap();
    expect("master key");
    std::fs::write(&master, "nonsense").unwrap();
    expect("master");
    std::fs::remove_file(&master).unwrap();
    expect("master");
    assert!(!master.exists(), "no new key where there are sealed ones");
    std::fs::write(&master, &key).unwrap();

    for damaged in [b"this is no database".repeat(300), content[..content.len() / 2].to_vec()] {
        std::fs::write(&database, &damaged).unwrap();
        expect("gatepass.db");
        assert!(std::fs::read(&database).unwrap() == damaged, "it was written to");
    }
    std::fs::write(&database, &content).unwrap();
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    expect("newer");
    std::fs::write(&database, &content).unwrap();
    let healed = Start::at(&data.path).run();
    assert_eq!(healed.send("GET", "/a", b"").body, b"x");
}

#[test]
fn settings_count_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatepass.toml");
    std::fs::write(&file, "log_level = \"warn\"\nmax_file_size = \"1KiB\"\n").unwrap();
    let print = |extra: &[&str], variable: Option<&str>| {
        let mut command = gatepass();
        command.args(["config", "print", "--json", "--config"]).arg(&file).args(extra);
        if let Some(value) = variable {
            command.env("GATEPASS_MAX_FILE_SIZE", value);
        }
        let output = command.env("GATEPASS_API_KEY", KEY).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(KEY), "a secret is printed");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    assert_eq!(print(&[], None)["max_file_size"]["value"], "1KiB");
    assert_eq!(print(&[], Some("2KiB"))["max_file_size"]["value"], "2KiB");
    let flag = print(&["--max-file-size", "3KiB"], Some("2KiB"));
    assert_eq!(flag["max_file_size"]["value"], "3KiB");
    assert_eq!(flag["log_level"]["value"], "warn");
    std::fs::write(&file, "log_levle = \"warn\"\n").unwrap();
    let (code, text) = Start::fresh().flag("--config", file.to_str().unwrap()).refuse();
    assert_eq!(code, Some(1));
    assert!(text.contains("log_levle"), "{text}");
}

#[test]
fn health_metrics_and_logs_are_for_machines() {
    let server = Start::fresh().flag("--log-format", "json").run();
    for check in ["/livez", "/readyz"] {
        assert_eq!(server.api_request("GET", check).send().status, 200);
        let public = server.send("GET", &format!("/.well-known/gatepass{check}"), b"");
        assert_eq!(public.status, 200);
    }
    server.send("PUT", &server.put_url("a"), b"x");
    let metrics = server.api_request("GET", "/metrics").send();
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("gatepass_requests_total{"), "{text}");
    assert_eq!(server.send("GET", "/metrics", b"").status, 404, "not for the public");
    // The log is read beside this test.
    let deadline = Instant::now() + Duration::from_mins(2);
    while !server.log().contains("\"status\":201") {
        assert!(Instant::now() < deadline, "{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    for line in server.log().lines().filter(|line| line.starts_with('{')) {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn no_secret_is_ever_written_down() {
    let server = Server::start();
    let mut seen = String::new();
    let mut url = server.put_url("private/a");
    for _ in 0..2 {
        for method in ["PUT", "GET", "HEAD", "DELETE", "PATCH", "POST", "OPTIONS"] {
            for bearer in [None, Some(KEY), Some("gp_live_wrong")] {
                let request = bearer.map_or_else(
                    || server.request(method, &url),
                    |key| server.request(method, &url).bearer(key),
                );
                let answer = request.body(b"x").send();
                if answer.status >= 400 {
                    seen.push_str(&String::from_utf8_lossy(&answer.body));
                }
            }
        }
        url.push('A');
    }
    let receipt = server
        .send("PUT", &server.put_url("b"), b"x")
        .header("gatepass-receipt")
        .map(str::to_owned);
    seen.push_str(&server.log());
    let metrics = server.api_request("GET", "/metrics").send();
    seen.push_str(&String::from_utf8_lossy(&metrics.body));
    let signature = url.split_once("signature=").unwrap().1.trim_end_matches('A');
    for secret in [KEY, signature, &receipt.unwrap()] {
        assert!(!seen.contains(secret), "found {}...", &secret[..8]);
    }
    assert!(seen.contains("signature_hash"), "requests are logged");
}

/// Set in the process that has a mount name space of its own.
const INSIDE: &str = "GATEPASS_TEST_SMALL_DISK";

#[test]
fn a_full_disk_is_507_and_heals() {
    if std::env::var_os(INSIDE).is_some() {
        return on_a_small_disk();
    }
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|s| s.success()) {
        return not_run("a full disk: needs root and unshare");
    }
    let output = Command::new("unshare")
        .arg("-m")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "process::a_full_disk_is_507_and_heals", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

fn on_a_small_disk() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"])
        .arg(directory.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return not_run("a full disk: tmpfs cannot be mounted");
    }
    let server = Start::at(&directory.path().join("data")).flag("--keep-free", "2MiB").run();
    let content = noise(1, 8 << 20);
    assert_eq!(server.send("PUT", &server.put_url("kept"), &content).status, 201);
    let refused = server.send("PUT", &server.put_url("large"), &noise(2, 40 << 20));
    assert_eq!((refused.status, refused.kind()), (507, "storage_full".into()));
    assert_eq!(refused.header("retry-after"), Some("60"));
    // Below the reserve uploads are refused at once; reading and deleting go on.
    let mut number = 0;
    let full = loop {
        let put = server.send("PUT", &server.put_url(&format!("f{number}")), &noise(3, 3 << 20));
        if put.status != 201 {
            break put;
        }
        number += 1;
        assert!(number < 20, "the disk never fills");
    };
    assert_eq!(full.kind(), "storage_full");
    assert!(server.send("GET", "/kept", b"").body == content);
    let delete =
        gatepass_sign::Policy::new(gatepass_sign::Action::Delete, crate::support::now() + 60);
    for number in 0..number {
        let url = server.signed(&format!("f{number}"), &delete);
        assert_eq!(server.send("DELETE", &url, b"").status, 200, "deleting goes on");
    }
    // The bytes go when readers have had their time: with a restart and no time at all.
    std::fs::write(directory.path().join("data/blobs/ballast"), "").unwrap();
    let (_, data) = server.terminate();
    age_retired(&data.path);
    let server = Start::at(&data.path).flag("--keep-free", "2MiB").run();
    let deadline = Instant::now() + Duration::from_mins(2);
    while server.send("PUT", &server.put_url("again"), &noise(4, 8 << 20)).status >= 300 {
        assert!(Instant::now() < deadline, "it does not heal");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(server.send("GET", "/kept", b"").body == content);
    drop(server);
    let _ = Command::new("umount").arg("-l").arg(directory.path()).status();
}

/// Makes retired blobs look as old as the sweeper wants them.
fn age_retired(data: &Path) {
    let connection = rusqlite::Connection::open(data.join("gatepass.db")).unwrap();
    connection.execute("UPDATE retired_blobs SET retired = 0", []).unwrap();
}

#[test]
fn orphans_are_swept_and_young_ones_are_not() {
    let (_, data) = {
        let server = Start::fresh().variable("GATEPASS_INLINE_SIZE", "0").run();
        server.send("PUT", &server.put_url("a"), b"kept");
        server.send("PUT", &server.put_url("b"), b"replaced");
        server.send("PUT", &server.put_url("b"), b"kept, too");
        server.terminate()
    };
    assert_eq!(blobs(&data.path), 3);
    let folder = data.path.join("blobs/00");
    std::fs::create_dir_all(&folder).unwrap();
    let (old, young) = (folder.join("0".repeat(26)), folder.join("1".repeat(26)));
    for orphan in [&old, &young] {
        std::fs::write(orphan, "orphan").unwrap();
    }
    let aged = Command::new("touch").args(["-d", "2 hours ago"]).arg(&old).status().unwrap();
    assert!(aged.success());
    age_retired(&data.path);
    let server = Start::at(&data.path).run();
    let deadline = Instant::now() + Duration::from_mins(2);
    while old.exists() || server.blobs() > 3 {
        assert!(Instant::now() < deadline, "orphans stay");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(young.exists(), "it may be an upload in flight");
    assert_eq!(server.send("GET", "/b", b"").body, b"kept, too");
}

/// What is in the place of the blob that is swept first cannot be deleted: a folder.
#[test]
fn one_blob_that_cannot_be_deleted_keeps_no_other() {
    let (_, data) = {
        let server = Start::fresh().variable("GATEPASS_INLINE_SIZE", "0").run();
        for name in ["a", "b"] {
            let url = server.put_url(name);
            server.send("PUT", &url, b"first");
            server.send("PUT", &url, b"second");
        }
        server.terminate()
    };
    age_retired(&data.path);
    let connection = rusqlite::Connection::open(data.path.join("gatepass.db")).unwrap();
    let oldest = "SELECT blob FROM retired_blobs ORDER BY retired LIMIT 1";
    let stuck: String = connection.query_row(oldest, [], |row| row.get(0)).unwrap();
    drop(connection);
    let mut find = Command::new("find");
    find.arg(data.path.join("blobs")).args(["-name", &stuck]);
    let found = String::from_utf8(find.output().unwrap().stdout).unwrap();
    std::fs::remove_file(found.trim()).unwrap();
    std::fs::create_dir(found.trim()).unwrap();
    // An orphan, which is swept after them.
    let folder = data.path.join("blobs/00");
    std::fs::create_dir_all(&folder).unwrap();
    let orphan = folder.join("0".repeat(26));
    std::fs::write(&orphan, "orphan").unwrap();
    let aged = Command::new("touch").args(["-d", "2 hours ago"]).arg(&orphan).status().unwrap();
    assert!(aged.success());
    let swept = gatepass().args(["gc", "--data"]).arg(&data.path).output().unwrap();
    assert!(!swept.status.success(), "it tells of the one that stays: {swept:?}");
    assert!(!orphan.exists(), "the orphan stays: {swept:?}");
    let connection = rusqlite::Connection::open(data.path.join("gatepass.db")).unwrap();
    let rest = "SELECT group_concat(blob) FROM retired_blobs";
    let rest: String = connection.query_row(rest, [], |row| row.get(0)).unwrap();
    assert_eq!(rest, stuck, "the other one goes, and the catalog knows");
    assert_eq!(blobs(&data.path), 3, "two files, and the folder");
}

#[test]
fn a_file_of_3_gib_takes_no_memory() {
    const SIZE: u64 = 3 << 30;
    if std::env::var("GATEPASS_TEST_TIER").as_deref() == Ok("quick") {
        return;
    }
    let server = Server::start();
    let piece = noise(1, 1 << 20);
    let url = server.put_url("huge.bin");
    let head = server.request("PUT", &url).undeclared().header("Content-Length", &SIZE.to_string());
    let mut stream = std::net::TcpStream::connect(server.delivery).unwrap();
    stream.write_all(head.head().as_bytes()).unwrap();
    let mut sent = Sha256::new();
    for number in 0..SIZE >> 20 {
        let number = number.to_le_bytes();
        let (first, rest) = (&number[..], &piece[8..]);
        stream.write_all(first).unwrap();
        stream.write_all(rest).unwrap();
        sent.update(first);
        sent.update(rest);
    }
    let put = crate::support::Answer::read(&mut stream, false).unwrap();
    assert_eq!((put.status, put.file()["filesize"].as_u64()), (201, Some(SIZE)));

    let mut stream = std::net::TcpStream::connect(server.delivery).unwrap();
    stream.write_all(b"GET /huge.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut reader = std::io::BufReader::with_capacity(1 << 20, stream);
    crate::support::read_head(&mut reader).unwrap();
    let mut found = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let count = reader.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        length += count as u64;
        found.update(&buffer[..count]);
    }
    assert_eq!(length, SIZE);
    assert!(found.finalize() == sent.finalize(), "it came back different");
    let memory = server.peak_memory();
    assert!(memory < 64 << 20, "{} MiB", memory >> 20);
}

/// The system's answer to that would end the process, with all uploads.
#[test]
fn a_limit_of_the_size_of_files_costs_the_upload_alone() {
    let server = Server::start();
    let pid = server.pid().to_string();
    let limit = ["--pid", &pid, "--fsize=8388608"];
    assert!(Command::new("prlimit").args(limit).status().unwrap().success());
    let refused = server.send("PUT", &server.put_url("large"), &noise(7, 20 << 20));
    assert_eq!((refused.status, refused.kind()), (507, "storage_full".into()));
    assert_eq!(server.send("PUT", &server.put_url("small"), b"hello").status, 201);
    assert_eq!(server.send("GET", "/small", b"").body, b"hello");
}
