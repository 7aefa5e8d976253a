//! Every kind of error is reached by a real request, with the status and the form that are
//! documented.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;

use gatepass_sign::{Action, Policy};
use serde_json::json;

use crate::ingest::source::Source;
use crate::support::{
    Answer, KEY, Server, Start, gatepass_at, lose_blob, now, on_postgres, on_s3, signed_raw, sql,
};
use crate::transport::connection::{Connection, eventually};

/// Kind and status, from the page of the documentation.
fn documented() -> BTreeMap<String, u16> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].parse().unwrap())
    })
    .collect()
}

/// What was seen so far.
struct Seen {
    documented: BTreeMap<String, u16>,
    kinds: BTreeSet<String>,
}

impl Seen {
    fn expect(&mut self, kind: &str, answer: &Answer) {
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.kind(), kind, "{text}");
        assert_eq!(Some(&answer.status), self.documented.get(kind), "{kind}");
        let body = answer.json();
        assert!(body["data"].is_null() && body["error"]["message"].is_string(), "{text}");
        assert_eq!(answer.header("x-request-id"), body["meta"]["request_id"].as_str());
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{kind}");
        assert_eq!(answer.header("retry-after").is_some(), matches!(answer.status, 503 | 507));
        assert!(!text.contains(KEY) && !text.contains("/blobs"), "{text}");
        self.kinds.insert(kind.to_owned());
    }
}

fn run(data: &Path, arguments: &[&str]) -> serde_json::Value {
    let mut command = gatepass_at(data);
    let output = command.args(arguments).args(["--json", "--data"]).arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A server that knows one host only, lets go early, and has little room; with a key that may do
/// little.
fn picky(source: &Source) -> (Server, String) {
    let (_, data) = Server::start().terminate();
    run(&data.path, &["domains", "add", "127.0.0.1", "--link", "http://127.0.0.1"]);
    run(&data.path, &["projects", "set", "default", "--catch-all", "false", "--max-expiry", "7d"]);
    let made = run(&data.path, &["keys", "create", "--scopes", "sign:put"]);
    let start = Start::at(&data.path)
        .variable("GATEPASS_INLINE_SIZE", "0")
        .flag("--stall-timeout", "3s")
        .flag("--ingest-allow", &source.address.to_string())
        .flag("--max-open-uploads", "3")
        .flag("--max-file-size", "1MiB");
    (start.run().keeping(data), made["key"].as_str().unwrap().to_owned())
}

#[test]
fn every_kind_is_reached() {
    let mut seen = Seen { documented: documented(), kinds: BTreeSet::new() };
    let source = Source::saying("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let (server, weak) = picky(&source);
    of_the_door(&mut seen, &server, &weak);
    of_the_request(&mut seen, &server);
    of_the_api(&mut seen, &server);
    of_sources(&mut seen, &server, &source);
    of_the_path(&mut seen, &server);
    of_uploads(&mut seen, &server);
    of_faults(&mut seen, server);
    let mut all: BTreeSet<String> = seen.documented.keys().cloned().collect();
    if on_s3() {
        // A bucket has no size that we could come near to.
        all.remove("storage_full");
    }
    assert_eq!(seen.kinds, all);
}

fn of_the_door(seen: &mut Seen, server: &Server, weak: &str) {
    let raw = |path: &str, query: &str| signed_raw(path, query);
    let soon = now() + 60;
    let put = |url: &str| server.send("PUT", url, b"x");
    seen.expect("signature_malformed", &put(&raw("a", &format!("expiry={soon}&max_size=1MB"))));
    seen.expect("signature_invalid", &put(&format!("{}x", server.put_url("a"))));
    seen.expect("url_expired", &put(&raw("a", "expiry=1&method=put")));
    seen.expect("expiry_too_far", &put(&raw("a", "expiry=4102444800&method=put")));
    seen.expect("policy_violation", &put(&raw("a", &format!("expiry={soon}&method=get"))));
    seen.expect("credentials_missing", &put("/a"));
    let bearer = |key: &str, path: &str| server.request("PUT", path).bearer(key).body(b"x").send();
    seen.expect("credentials_invalid", &bearer("wrong", "/a"));
    let delete = server.request("DELETE", "/a").bearer(weak).send();
    seen.expect("scope_insufficient", &delete);
    seen.expect("path_invalid", &put(&raw("a//b", &format!("expiry={soon}&method=put"))));
    let other = server.request("GET", "/a").host("other.example").send();
    seen.expect("host_unknown", &other);
    seen.expect("host_invalid", &server.request("GET", "/a").header("Host", "b").send());
}

fn of_the_request(seen: &mut Seen, server: &Server) {
    let put = || server.request("PUT", &server.put_url("a")).body(b"hello");
    seen.expect("version_unknown", &put().header("Accept-Version", "1").send());
    seen.expect("header_invalid", &put().header("Content-MD5", "x").send());
    seen.expect("content_range_invalid", &put().header("Content-Range", "bytes 0-9/10").send());
    let undeclared = server.request("PUT", &server.put_url("a")).undeclared();
    seen.expect("length_required", &undeclared.send());
    let broken = server.request("PUT", &server.put_url("a")).undeclared();
    let broken = broken.header("Transfer-Encoding", "chunked").body(b"zz\r\n");
    seen.expect("body_incomplete", &broken.send());
    seen.expect("digest_mismatch", &put().header("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==").send());
    let large = server.send("PUT", &server.put_url("a"), &vec![0; (1 << 20) + 1]);
    seen.expect("too_large", &large);
    seen.expect("method_not_allowed", &server.send("POST", &server.put_url("a"), b""));
    let slow = server.request("PUT", &server.put_url("a")).undeclared();
    let head = slow.header("Content-Length", "10").head();
    let mut stream = TcpStream::connect(server.delivery).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"hello").unwrap();
    seen.expect("client_timeout", &Answer::read(&mut stream, false).unwrap());
}

fn of_the_api(seen: &mut Seen, server: &Server) {
    let sign = || server.api_request("POST", "/signatures").bearer(KEY);
    let typed = || sign().header("Content-Type", "application/json");
    seen.expect("body_malformed", &typed().body(b"{").send());
    seen.expect("body_invalid", &sign().json(&json!({})).send());
    seen.expect("content_type_unsupported", &sign().body(b"{}").send());
    let page = server.api_request("GET", "/files?limit=0").bearer(KEY).send();
    seen.expect("parameter_invalid", &page);
    seen.expect("route_not_found", &server.api_request("GET", "/nothing").send());
    let rule = server.api_request("DELETE", "/rules?prefix=none/").bearer(KEY).send();
    seen.expect("rule_not_found", &rule);
}

fn of_sources(seen: &mut Seen, server: &Server, source: &Source) {
    let ingest = |url: &str| {
        server.api_request("POST", "/files").bearer(KEY).json(&json!({ "url": url })).send()
    };
    seen.expect("source_unreachable", &ingest("http://127.0.0.1/a.txt"));
    seen.expect("source_failed", &ingest(&source.url("/a.txt")));
}

fn of_the_path(seen: &mut Seen, server: &Server) {
    server.send("PUT", &server.put_url("there"), b"hello");
    let create = Policy { overwrite: false, ..Policy::new(Action::Put, now() + 60) };
    seen.expect("file_exists", &server.send("PUT", &server.signed("there", &create), b"x"));
    seen.expect("file_not_found", &server.send("GET", "/nothing", b""));
    let beyond = server.request("GET", "/there").header("Range", "bytes=9-").send();
    seen.expect("range_unsatisfiable", &beyond);
    let condition = server.request("GET", "/there").header("If-Match", "\"x\"").send();
    seen.expect("precondition_failed", &condition);
}

fn of_uploads(seen: &mut Seen, server: &Server) {
    let chunk = |url: &str, range: &str, body: &[u8]| {
        server.request("PUT", url).header("Content-Range", range).body(body).send()
    };
    seen.expect("upload_not_found", &server.send("DELETE", &server.put_url("none"), b""));
    let url = server.put_url("u");
    let begun = chunk(&url, "bytes 0-4/10", b"hello");
    assert_eq!(begun.status, 202);
    seen.expect("length_inconsistent", &chunk(&url, "bytes 5-9/11", b"world"));
    seen.expect("part_conflict", &chunk(&url, "bytes 0-4/10", b"other"));

    let head = server.request("PUT", &url).header("Content-Range", "bytes 5-9/10").undeclared();
    let mut older = Connection::open(server.delivery);
    older.say(head.header("Expect", "100-continue").header("Content-Length", "5").head());
    // Now it is certain that it runs, so that the next one is the newer.
    older.is_told_to_go_on();
    older.say("wor");
    assert_eq!(chunk(&url, "bytes 5-9/10", b"world").status, 201);
    let cut = older.answer().unwrap();
    seen.expect("upload_interrupted", &cut);
    seen.expect("upload_complete", &chunk(&url, "bytes 0-4/10", b"other"));

    let url = server.put_url("small");
    let begun = chunk(&url, "bytes 0-0/100000", b"x").file();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
         INSERT INTO parts (upload, first, past, crc64, memo) \
         SELECT (SELECT number FROM uploads WHERE id = '{id}'), 2 * i, 2 * i + 1, 0, '' FROM n; \
         UPDATE uploads SET received = 10000 WHERE id = '{id}'",
        id = begun["id"].as_str().unwrap()
    );
    sql(&server.data, &fill);
    seen.expect("part_size_invalid", &chunk(&url, "bytes 50000-50000/100000", b"x"));

    let own = begun["url"].as_str().unwrap();
    sql(&server.data, "UPDATE uploads SET expires = 0 WHERE status = 'receiving'");
    seen.expect("upload_expired", &chunk(own, "bytes 1-1/100000", b"x"));
    for number in 0..3 {
        chunk(&server.put_url(&format!("open{number}")), "bytes 0-0/2", b"x");
    }
    let more = chunk(&server.put_url("more"), "bytes 0-0/2", b"x");
    if more.status == 202 {
        // The expired one had not been counted any more.
        chunk(&server.put_url("more2"), "bytes 0-0/2", b"x");
    }
    seen.expect("too_many_uploads", &chunk(&server.put_url("most"), "bytes 0-0/2", b"x"));
}

fn of_faults(seen: &mut Seen, server: Server) {
    let file = server.send("GET", "/there", b"");
    lose_blob(&server.data, file.header("etag").unwrap().trim_matches('"'));
    seen.expect("blob_corrupt", &server.send("GET", "/there", b""));

    // One that was not read yet: the server notices only after a while what others change.
    server.send("PUT", &server.put_url("odd"), b"hello");
    sql(&server.data, "UPDATE files SET media = 'nonsense' WHERE path = 'odd'");
    seen.expect("internal", &server.send("GET", "/odd", b""));

    let delete = || server.request("DELETE", "/b").bearer(KEY).send();
    assert_eq!(server.send("PUT", &server.put_url("b"), b"x").status, 201);
    while_locked(&server.data, || seen.expect("catalog_unavailable", &delete()));
    assert_eq!(delete().status, 200, "it heals");

    if on_s3() {
        let (_, data) = server.terminate();
        let elsewhere =
            |url: &str| url.replace("endpoint=http://127.0.0.1:", "endpoint=http://127.0.0.2:");
        let astray =
            Start::at(&data.path).variable("GATEPASS_INLINE_SIZE", "0").with_store(elsewhere);
        let astray = astray.run().keeping(data);
        let put = astray.send("PUT", &astray.put_url("c"), b"x");
        return seen.expect("storage_unavailable", &put);
    }
    for folder in std::fs::read_dir(server.data.join("blobs")).unwrap() {
        std::fs::remove_dir_all(folder.unwrap().path()).unwrap();
    }
    seen.expect("storage_unavailable", &server.send("PUT", &server.put_url("c"), b"x"));
    let (_, data) = server.terminate();
    let full = Start::at(&data.path).flag("--keep-free", "1000000TiB").run();
    seen.expect("storage_full", &full.send("PUT", &full.put_url("c"), b"x"));
}

/// Does something while nobody may change files, for longer than a request waits.
fn while_locked(data: &Path, work: impl FnOnce()) {
    if !on_postgres() {
        let catalog = rusqlite::Connection::open(data.join("gatepass.db")).unwrap();
        catalog.execute_batch("BEGIN IMMEDIATE").unwrap();
        work();
        return catalog.execute_batch("COMMIT").unwrap();
    }
    std::thread::scope(|scope| {
        // Until it is told that the work is done, however long that takes.
        let hold = "BEGIN; LOCK TABLE files IN ACCESS EXCLUSIVE MODE; DO $$ BEGIN \
             FOR i IN 1..1200 LOOP \
             EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'work_is_done'); \
             PERFORM pg_sleep(0.1); END LOOP; END $$; COMMIT";
        scope.spawn(|| sql(data, hold));
        let wanted = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' \
             AND relation = 'files'::regclass";
        eventually("the table is locked", || sql(data, wanted) == "1");
        work();
        sql(data, "CREATE TABLE work_is_done ()");
    });
    sql(data, "DROP TABLE work_is_done");
}
