//! Fetching files from URLs: what is stored, what is refused, and where the server never goes.
//! The sources are real servers on loopback, which is allowed for them by a setting.

mod dns;
pub(crate) mod source;
mod tls;

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use gatepass_testkit::free_port;
use serde_json::{Value, json};

use crate::support::{Answer, KEY, Server, Start, gatepass_at, noise};
use dns::NameServer;
use source::{Source, file, redirect};

/// A server that may fetch from these addresses.
fn allowing(networks: &[String]) -> Start {
    Start::fresh()
        .flag("--ingest-allow", &networks.join(","))
        .flag("--ingest-connect-timeout", "2s")
        .flag("--ingest-idle-timeout", "2s")
}

fn allowing_source(source: &Source) -> Server {
    allowing(&[source.address.to_string()]).run()
}

fn post(server: &Server, body: &Value) -> Answer {
    server.api_request("POST", "/files").bearer(KEY).json(body).send()
}

fn ingest(server: &Server, url: &str) -> Answer {
    post(server, &json!({ "url": url }))
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[track_caller]
fn expect_file(answer: &Answer) -> Value {
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, text(answer));
    answer.file()
}

#[track_caller]
fn expect_kind(answer: &Answer, status: u16, kind: &str) {
    assert_eq!((answer.status, answer.kind().as_str()), (status, kind), "{}", text(answer));
}

/// Nothing is listed, nothing is left unfinished.
#[track_caller]
fn expect_nothing(server: &Server) {
    for path in ["/files", "/uploads"] {
        let list = server.api_request("GET", path).bearer(KEY).send();
        if list.status == 200 {
            assert_eq!(list.json()["meta"]["total"], 0, "{path}: {}", text(&list));
        }
    }
}

fn uploads(server: &Server) -> Vec<Value> {
    let list = server.api_request("GET", "/uploads").bearer(KEY).send();
    list.json()["data"].as_array().cloned().unwrap_or_default()
}

/// Waits until something is so.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_file_is_fetched_and_served() {
    let content = noise(7, 3_000_000);
    let source = Source::saying(file("video/mp4", &content));
    let server = allowing_source(&source);
    let body = json!({
        "url": source.url("/archive/My%20film.bin?token=secret#t"), "folder": "/films/../2025/",
        "ref": "order 7", "label": "The film", "metadata": { "user_id": "a b" },
    });
    let answer = post(&server, &body);
    assert_eq!(answer.status, 201, "{}", text(&answer));
    let made = answer.file();
    assert_eq!((&made["folder"], &made["filename"]), (&json!("films/2025"), &json!("My-film.bin")));
    assert_eq!((&made["ref"], &made["label"]), (&json!("order 7"), &json!("The film")));
    assert_eq!(made["metadata"], json!({ "user_id": "a b" }));
    assert_eq!((&made["filesize"], &made["status"]), (&json!(3_000_000), &json!("ready")));
    assert!(made["id"].as_str().unwrap().starts_with("file_"));
    assert_eq!(answer.header("location"), made["url"].as_str());
    assert!(answer.json()["meta"]["receipt"].is_null());
    assert!(server.send("GET", "/films/2025/My-film.bin", b"").body == content);
    let again = post(&server, &body);
    assert_eq!((again.status, &again.file()["id"]), (200, &made["id"]), "it was replaced");
    let only_new = server.api_request("POST", "/files").bearer(KEY).header("If-None-Match", "*");
    expect_kind(&only_new.json(&body).send(), 412, "precondition_failed");
    assert_eq!(source.requests().len(), 2, "what cannot be stored is not fetched");
    assert!(!server.log().contains("token=secret"));
    assert!(uploads(&server).is_empty());
}

#[test]
fn the_request_carries_nothing() {
    let source = Source::saying(file("text/plain", b"hello"));
    let server = allowing_source(&source);
    expect_file(&ingest(&server, &source.url("/a.txt?x=1")));
    let request = source.requests().remove(0).to_lowercase();
    let lines: Vec<&str> = request.lines().collect();
    assert_eq!(lines[0], "get /a.txt?x=1 http/1.1");
    let names = lines[1..].iter().map(|line| line.split_once(':').unwrap().0);
    let names: Vec<&str> = names.collect();
    assert_eq!(names, ["host", "user-agent", "accept", "accept-encoding", "connection"]);
    assert!(request.contains("accept-encoding: identity"));
}

#[test]
fn every_answer_version() {
    let source = Source::saying(file("text/plain", b"hello"));
    let server = allowing_source(&source);
    let body = json!({ "url": source.url("/a.txt") });
    for (version, enveloped) in [("2025-07-01", true), ("2025-01-01", true), ("latest", false)] {
        let request = server.api_request("POST", "/files").bearer(KEY);
        let answer = request.header("Accept-Version", version).json(&body).send();
        let made = answer.json();
        let object = if enveloped { &made["data"] } else { &made };
        assert_eq!(object["filename"], "a.txt", "{made}");
        assert_eq!(made.get("error").is_some(), version == "2025-07-01", "{made}");
        let request = server.api_request("POST", "/files").bearer(KEY);
        let refused = request.header("accept_version", version).json(&json!({ "url": "x" }));
        let refused = refused.send();
        assert_eq!((refused.status, &refused.json()["error"]["field"]), (422, &json!("url")));
    }
    let request = server.api_request("POST", "/files").bearer(KEY);
    expect_kind(
        &request.header("Accept-Version", "2020-01-01").json(&body).send(),
        400,
        "version_unknown",
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    let source = Source::saying(file("text/plain", b"hello"));
    let server = allowing_source(&source);
    let url = source.url("/a.txt");
    for (body, status, kind, field) in [
        (json!({ "url": url, "media_id": "med_1" }), 422, "body_invalid", "media_id"),
        (json!({ "url": url, "metadata": { "a b": "x" } }), 422, "body_invalid", "meta.a b"),
        (
            json!({ "url": url, "metadata": { "a": "x".repeat(2_000) } }),
            422,
            "body_invalid",
            "meta.a",
        ),
        (json!({ "url": url, "ref": "a\nb" }), 422, "body_invalid", "ref"),
        (json!({ "url": url, "label": "x".repeat(2_000) }), 422, "body_invalid", "label"),
        (json!({ "url": url, "filename": "..." }), 400, "path_invalid", "filename"),
        (json!({ "url": url, "folder": "a/".repeat(600) }), 400, "path_invalid", "filename"),
        (json!({ "url": source.url("/") }), 422, "body_invalid", "filename"),
        (json!({ "url": "" }), 422, "body_invalid", "url"),
        (json!({}), 422, "body_invalid", ""),
    ] {
        let answer = post(&server, &body);
        expect_kind(&answer, status, kind);
        if !field.is_empty() {
            assert_eq!(answer.json()["error"]["field"], field, "{body}");
        }
    }
    let anonymous = server.api_request("POST", "/files").json(&json!({ "url": url })).send();
    expect_kind(&anonymous, 401, "credentials_missing");
    assert_eq!(source.contacts(), 0);
    expect_nothing(&server);
}

#[test]
fn a_key_needs_the_scope_and_stays_within_its_prefix() {
    let source = Source::saying(file("text/plain", b"hello"));
    let (_, data) = Server::start().terminate();
    let make = |scopes: &str| {
        let mut command = gatepass_at(&data.path);
        command.args(["keys", "create", "--scopes", scopes, "--prefix", "users/7/", "--json"]);
        let output = command.arg("--data").arg(&data.path).output().unwrap();
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        made["key"].as_str().unwrap().to_owned()
    };
    let (able, unable) = (make("ingest"), make("files:write,files:read,sign:put"));
    let start = Start::at(&data.path).flag("--ingest-allow", &source.address.to_string());
    let server = start.run().keeping(data);
    let send = |key: &str, folder: &str| {
        let body = json!({ "url": source.url("/a.txt"), "folder": folder });
        server.api_request("POST", "/files").bearer(key).json(&body).send()
    };
    expect_kind(&send(&unable, "users/7"), 403, "scope_insufficient");
    for outside in ["users/70", "users", "", "users/7/../8/"] {
        // Dot segments are dropped, so that the last one is within: it is users/7/8.
        let within = outside == "users/7/../8/";
        let answer = send(&able, outside);
        assert_eq!(answer.status, if within { 201 } else { 403 }, "{outside}: {}", text(&answer));
    }
    assert_eq!(source.requests().len(), 1);
    assert_eq!(expect_file(&send(&able, "users/7"))["folder"], "users/7");
}

/// D8, D9, D12: whatever the spelling, nothing of the inside is connected to.
#[test]
fn the_inside_is_not_reached_by_any_spelling() {
    let inside = Source::saying(file("text/plain", b"secret"));
    let port = inside.address.port();
    // Its port is open to public addresses, so that only the address is in the way.
    let server = Start::fresh().flag("--ingest-ports", &format!("80,443,{port}")).run();
    let mut bodies = Vec::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
        "0",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
        "[::1]",
        "[::]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fd00::1]",
        "[fe80::1]",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let begun = Instant::now();
        let answer = ingest(&server, &format!("http://{host}:{port}/a.txt"));
        expect_kind(&answer, 422, "source_unreachable");
        assert!(begun.elapsed() < Duration::from_secs(10), "{host}: somebody was connected to");
        bodies.push(answer.json()["error"].clone());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(inside.contacts(), 0);
    for bad in [
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1:80/x".to_owned(),
        "ftp://127.0.0.1/x".to_owned(),
        format!("http://ok@127.0.0.1:{port}/a.txt"),
        format!("http://ok.example:x@127.0.0.1:{port}/a.txt"),
        format!("http://ok.example\\@127.0.0.1:{port}/a.txt"),
        "http://127.0.0.1:22/a.txt".to_owned(),
        "http://example.com:22/a.txt".to_owned(),
        "https://example.com:8443/a.txt".to_owned(),
        "http://[fe80::1%eth0]/a.txt".to_owned(),
        "http://[fe80::1%25eth0]/a.txt".to_owned(),
        format!("http://127.0.0.1:{port}/a b.txt"),
        format!("http://h/{}", "a".repeat(9_000)),
    ] {
        let answer = ingest(&server, &bad);
        expect_kind(&answer, 422, "body_invalid");
        assert_eq!(answer.json()["error"]["field"], "url", "{bad}");
    }
    assert_eq!(inside.contacts(), 0);
    expect_nothing(&server);
}

/// D11: what is allowed is an address and a port, not a text somewhere in the URL.
#[test]
fn allowed_is_an_address_with_its_port_and_nothing_else() {
    let allowed = Source::saying(file("text/plain", b"allowed"));
    let inside = Source::saying(file("text/plain", b"secret"));
    let server = allowing(&[allowed.address.to_string(), "127.9.0.0/16".to_owned()]).run();
    let ok = allowed.address.to_string();
    for url in [
        inside.url("/a.txt"),
        format!("http://127.0.0.1/?x=http://{ok}"),
        format!("http://127.0.0.1/{ok}/a.txt"),
        format!("http://127.0.0.1/a.txt#{ok}"),
        format!("http://127.0.0.2:{}/a.txt", allowed.address.port()),
    ] {
        let answer = post(&server, &json!({ "url": url, "filename": "a.txt" }));
        let blocked = answer.kind() == "source_unreachable" || answer.kind() == "body_invalid";
        assert!(answer.status == 422 && blocked, "{url}: {}", text(&answer));
    }
    assert_eq!(inside.contacts(), 0);
    expect_file(&ingest(&server, &allowed.url("/a.txt")));
    let spelled = format!("http://[::ffff:127.0.0.1]:{}/b.txt", allowed.address.port());
    expect_file(&ingest(&server, &spelled));
    // Nothing listens there, but it would have been connected to.
    expect_kind(&ingest(&server, "http://127.9.0.1/a.txt"), 422, "source_unreachable");
}

/// D7: a name is resolved once, every address is looked at, and one of these is connected to.
#[test]
fn a_name_that_changes_its_mind_leads_nowhere_else() {
    let port = free_port();
    let outside = Source::at(&format!("127.0.0.2:{port}"), |_, wire| {
        drop(wire.write_all(&file("text/plain", b"outside")));
    });
    let inside = Source::at(&format!("127.0.0.1:{port}"), |_, wire| {
        drop(wire.write_all(&file("text/plain", b"secret")));
    });
    let (good, bad) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::LOCALHOST);
    let url = format!("http://rebind.example:{port}/a.txt");
    let server = |names: &NameServer| {
        let start = allowing(&[outside.address.to_string()]);
        start.flag("--ingest-name-server", &names.address.to_string()).run()
    };

    let names = NameServer::start(vec![Some(vec![good]), Some(vec![bad])]);
    let rebound = server(&names);
    expect_file(&ingest(&rebound, &url));
    assert_eq!(names.asked(), 1, "it was resolved again");
    expect_kind(&ingest(&rebound, &url), 422, "source_unreachable");
    assert_eq!(rebound.send("GET", "/a.txt", b"").body, b"outside");

    let names = NameServer::start(vec![Some(vec![bad, good, bad])]);
    expect_file(&ingest(&server(&names), &url));
    let names = NameServer::start(vec![Some(vec![bad, Ipv4Addr::UNSPECIFIED])]);
    expect_kind(&ingest(&server(&names), &url), 422, "source_unreachable");
    assert_eq!(inside.contacts(), 0);
    assert_eq!(outside.requests().len(), 2);
    assert!(outside.requests()[0].contains(&format!("rebind.example:{port}")));
}

/// D10: each redirect is looked at as if there had been none before.
#[test]
fn redirects_do_not_lead_inside() {
    let inside = Source::saying(file("text/plain", b"secret"));
    let goal = Source::saying(file("text/plain", b"goal"));
    let (inner, goal_url) = (inside.address.port(), goal.url("/goal.txt"));
    let hops = Source::start(move |request, wire| {
        let path = request.split(' ').nth(1).unwrap();
        let to = match path {
            "/inside" => format!("http://127.0.0.1:{inner}/a"),
            "/odd" => format!("http://0x7f.1:{inner}/a"),
            "/six" => format!("http://[::1]:{inner}/a"),
            "/name" => format!("http://localhost:{inner}/a"),
            "/relative" => format!("//127.0.0.1:{inner}/a"),
            "/user" => format!("http://a:b@127.0.0.1:{inner}/a"),
            "/port" => "http://127.0.0.1:5432/".to_owned(),
            "/file" => "file:///etc/passwd".to_owned(),
            "/gopher" => "gopher://127.0.0.1:80/x".to_owned(),
            "/once" => goal_url.clone(),
            "/twice" => "/once".to_owned(),
            "/thrice" => "twice?x".replace("?x", ""),
            "/four" => "/thrice".to_owned(),
            "/late" => "/late2".to_owned(),
            "/late2" => "/inside".to_owned(),
            _ => path.to_owned(),
        };
        drop(wire.write_all(&redirect(&to)));
    });
    let networks = [hops.address.to_string(), goal.address.to_string()];
    // The port of the inside is open to public addresses: only the address is in the way.
    let server = allowing(&networks).flag("--ingest-ports", &format!("80,443,{inner}")).run();
    for (path, kind) in [
        ("/inside", "source_unreachable"),
        ("/odd", "source_unreachable"),
        ("/six", "source_unreachable"),
        ("/name", "source_unreachable"),
        ("/relative", "source_unreachable"),
        ("/late", "source_unreachable"),
        ("/user", "source_failed"),
        ("/port", "source_failed"),
        ("/file", "source_failed"),
        ("/gopher", "source_failed"),
        ("/four", "source_failed"),
        ("/loop", "source_failed"),
    ] {
        let answer = ingest(&server, &hops.url(path));
        assert_eq!((answer.status, answer.kind().as_str()), (422, kind), "{path}");
    }
    assert_eq!(inside.contacts(), 0);
    expect_nothing(&server);
    for path in ["/once", "/twice", "/thrice"] {
        let made = expect_file(&ingest(&server, &hops.url(path)));
        assert_eq!(made["filename"], path[1..], "the name is that of the URL that was given");
    }
    let asked = hops.requests().concat() + &goal.requests().concat();
    assert!(!asked.to_lowercase().contains("authorization") && !asked.contains("Referer"));
}

/// D13: what is not whole, or not what was declared, is not stored.
#[test]
fn lying_sources_are_never_stored() {
    let head = |head: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n");
    let sources = [
        ("shorter", head("Content-Length: 100") + "only this"),
        ("nothing", head("Content-Length: 10")),
        ("longer", head("Content-Length: 10") + &"x".repeat(3_000_000)),
        ("longer by one", head("Content-Length: 10") + "12345678901"),
        ("empty but not", head("Content-Length: 0") + "x"),
        ("huge", head("Content-Length: 10737418240") + "then it closes"),
        ("chunks cut off", head("Transfer-Encoding: chunked") + "5\r\nhello\r\n"),
        ("a chunk cut off", head("Transfer-Encoding: chunked") + "ffff\r\nhello"),
        ("bad chunk", head("Transfer-Encoding: chunked") + "zz\r\nhello\r\n0\r\n\r\n"),
        ("behind the chunks", head("Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\nmore"),
        ("until it closes", head("Content-Type: text/plain") + "hello"),
        ("old", "HTTP/1.0 200 OK\r\n\r\nhello".to_owned()),
        (
            "both",
            head("Content-Length: 5\r\nTransfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n",
        ),
        ("compressed", head("Content-Encoding: gzip\r\nContent-Length: 5") + "hello"),
        ("missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello".to_owned()),
        ("partial", "HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nh".to_owned()),
        ("empty", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        ("error", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("nowhere", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ];
    let started: Vec<_> =
        sources.into_iter().map(|(name, answer)| (name, Source::saying(answer))).collect();
    let networks: Vec<_> = started.iter().map(|(_, source)| source.address.to_string()).collect();
    let server = allowing(&networks).run();
    for (name, source) in &started {
        let answer = ingest(&server, &source.url("/a.txt"));
        assert_eq!(answer.kind(), "source_failed", "{name}: {}", text(&answer));
        assert_eq!(server.send("GET", "/a.txt", b"").status, 404, "{name}");
    }
    let (_, missing) = started.iter().find(|(name, _)| *name == "missing").unwrap();
    let answer = ingest(&server, &missing.url("/a.txt"));
    assert_eq!(answer.json()["error"]["status"], 404);
    expect_nothing(&server);
}

/// What is no HTTP, or too much of it, is as good as no answer.
#[test]
fn heads_that_make_no_sense() {
    let many = "X: y\r\n".repeat(1_000);
    let sources = [
        "garbage\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(1 << 20)),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(100),
        String::new(),
    ];
    let started: Vec<_> = sources.into_iter().map(Source::saying).collect();
    let networks: Vec<_> = started.iter().map(|source| source.address.to_string()).collect();
    let server = allowing(&networks).run();
    for source in &started {
        let answer = ingest(&server, &source.url("/a.txt"));
        assert_eq!(answer.status, 422, "{}", text(&answer));
    }
    expect_nothing(&server);
}

/// D13: the size is counted, not believed.
#[test]
fn the_size_is_bounded() {
    let declared = Source::saying("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n");
    let endless = Source::start(|_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"10000\r\n".as_slice(), &vec![0; 0x10000], b"\r\n"].concat();
        while wire.write_all(&chunk).is_ok() {}
    });
    let fits = Source::saying(file("text/plain", &vec![b'x'; 1 << 20]));
    let networks = [&declared, &endless, &fits].map(|source| source.address.to_string());
    let server = allowing(&networks).flag("--ingest-max-size", "1MiB").run();
    for source in [&declared, &endless] {
        let answer = ingest(&server, &source.url("/a.txt"));
        expect_kind(&answer, 413, "too_large");
        assert_eq!(answer.json()["error"]["max_bytes"], 1 << 20);
    }
    expect_nothing(&server);
    expect_file(&ingest(&server, &fits.url("/a.txt")));
}

/// D13: silence and slowness end.
#[test]
fn the_time_is_bounded() {
    let mute = Source::start(|_, _| std::thread::sleep(Duration::from_secs(30)));
    let stalls = Source::start(|_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx");
        std::thread::sleep(Duration::from_secs(30));
    });
    let trickles = Source::start(|_, wire| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while wire.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let networks = [&mute, &stalls, &trickles].map(|source| source.address.to_string());
    let server = allowing(&networks).flag("--ingest-timeout", "12s").run();
    expect_kind(&ingest(&server, &mute.url("/a.txt")), 422, "source_unreachable");
    for (source, reason) in [(&stalls, "nothing for too long"), (&trickles, "took too long")] {
        let answer = ingest(&server, &source.url("/a.txt"));
        expect_kind(&answer, 422, "source_failed");
        assert!(text(&answer).contains(reason), "{}", text(&answer));
    }
    assert_eq!(server.send("GET", "/a.txt", b"").status, 404);
    expect_nothing(&server);
}

/// D14: blocked, unknown, refused and timed out cannot be told apart.
#[test]
fn no_answer_maps_the_network() {
    let mute = Source::start(|_, _| std::thread::sleep(Duration::from_secs(30)));
    let refused = "127.0.0.1:1";
    let inside = Source::saying(file("text/plain", b"secret"));
    let names = NameServer::start(vec![Some(Vec::new()), None]);
    let networks = [mute.address.to_string(), refused.to_string()];
    let ports = format!("80,{}", inside.address.port());
    let start = allowing(&networks).flag("--ingest-ports", &ports);
    let server = start.flag("--ingest-name-server", &names.address.to_string()).run();
    let answers = [
        inside.url("/a.txt"),
        mute.url("/a.txt"),
        format!("http://{refused}/a.txt"),
        "http://unknown.example/a.txt".to_owned(),
        "http://silent.example/a.txt".to_owned(),
        format!("https://{}/a.txt", mute.address),
    ]
    .map(|url| ingest(&server, &url));
    for answer in &answers {
        let mut body = answer.json();
        body["meta"]["request_id"].take();
        let mut first = answers[0].json();
        first["meta"]["request_id"].take();
        assert_eq!((answer.status, body), (422, first));
        let names: Vec<_> = answer.headers.keys().collect();
        assert_eq!(names, answers[0].headers.keys().collect::<Vec<_>>());
    }
    let told = || server.log().contains("no address that may be connected to").then_some(());
    until("the operator is told", told);
    assert_eq!(inside.contacts(), 0);
}

/// A source that waits for a sign before it sends the rest.
fn in_two_parts(first: usize, rest: usize) -> (Source, std::sync::mpsc::Sender<()>) {
    let (go, wait) = std::sync::mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let source = Source::start(move |_, wire| {
        let total = first + rest;
        let _ = write!(wire, "HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n");
        let _ = wire.write_all(&vec![b'a'; first]);
        let _ = wire.flush();
        let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(20));
        let _ = wire.write_all(&vec![b'b'; rest]);
    });
    (source, go)
}

fn patient(source: &Source) -> Server {
    let start = Start::fresh().flag("--ingest-allow", &source.address.to_string());
    start.flag("--ingest-idle-timeout", "30s").run()
}

#[test]
fn progress_is_seen_as_an_upload() {
    let (source, go) = in_two_parts(100_000, 50_000);
    let server = patient(&source);
    let (answer, upload) = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ingest(&server, &source.url("/a.txt")));
        let seen = until("nothing is seen", || {
            uploads(&server).into_iter().find(|upload| upload["received"] == 100_000)
        });
        assert_eq!((&seen["status"], &seen["filesize"]), (&json!("receiving"), &json!(150_000)));
        assert_eq!(seen["filename"], "a.txt");
        assert_eq!(server.send("GET", "/a.txt", b"").status, 404, "nothing is half there");
        go.send(()).unwrap();
        (waiting.join().unwrap(), seen)
    });
    assert_eq!(expect_file(&answer)["filesize"], 150_000);
    let path = format!("/uploads/{}", upload["id"].as_str().unwrap());
    let ended = server.api_request("GET", &path).bearer(KEY).send();
    assert_eq!(ended.file()["status"], "complete", "{}", text(&ended));
}

#[test]
fn who_prefers_not_to_wait_gets_the_upload() {
    let (source, go) = in_two_parts(10, 10);
    let server = patient(&source);
    let request = server.api_request("POST", "/files").bearer(KEY);
    let body = json!({ "url": source.url("/a.txt"), "label": "later" });
    let answer = request.header("Prefer", "respond-async").json(&body).send();
    assert_eq!(answer.status, 202, "{}", text(&answer));
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    assert_eq!(answer.file()["object"], "upload");
    go.send(()).unwrap();
    let path = format!("/uploads/{}", answer.file()["id"].as_str().unwrap());
    until("it is not completed", || {
        let upload = server.api_request("GET", &path).bearer(KEY).send().file();
        (upload["status"] == "complete").then_some(())
    });
    assert_eq!(server.send("GET", "/a.txt", b"").body.len(), 20);
}

#[test]
fn a_client_that_goes_away_does_not_end_what_has_begun() {
    let (source, go) = in_two_parts(10, 10);
    let server = patient(&source);
    let body = json!({ "url": source.url("/a.txt") });
    let request = server.api_request("POST", "/files").bearer(KEY).json(&body);
    let mut stream = std::net::TcpStream::connect(server.api).unwrap();
    stream.write_all(request.head().as_bytes()).unwrap();
    stream.write_all(body.to_string().as_bytes()).unwrap();
    until("it does not begin", || uploads(&server).pop());
    drop(stream);
    std::thread::sleep(Duration::from_millis(300));
    go.send(()).unwrap();
    until("it is not completed", || {
        (server.send("GET", "/a.txt", b"").body.len() == 20).then_some(())
    });
}

#[test]
fn giving_the_upload_up_ends_the_fetch() {
    let (source, _go) = in_two_parts(10, 10);
    let server = patient(&source);
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ingest(&server, &source.url("/a.txt")));
        let upload = until("it does not begin", || uploads(&server).pop());
        let path = format!("/uploads/{}", upload["id"].as_str().unwrap());
        assert_eq!(server.api_request("DELETE", &path).bearer(KEY).send().status, 200);
        waiting.join().unwrap()
    });
    expect_kind(&answer, 404, "upload_not_found");
    assert_eq!(server.send("GET", "/a.txt", b"").status, 404);
    expect_nothing(&server);
}

#[test]
fn fetches_at_a_time_are_bounded() {
    let (source, go) = in_two_parts(10, 10);
    let start = Start::fresh().flag("--ingest-allow", &source.address.to_string());
    let server = start.flag("--max-ingests", "1").run();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ingest(&server, &source.url("/a.txt")));
        until("it does not begin", || uploads(&server).pop());
        expect_kind(&ingest(&server, &source.url("/b.txt")), 503, "too_many_uploads");
        go.send(()).unwrap();
        expect_file(&first.join().unwrap());
    });
    go.send(()).unwrap();
    expect_file(&ingest(&server, &source.url("/b.txt")));
}

#[test]
fn sizes_of_all_kinds_arrive() {
    // 20 MB: several slices. Nothing: a file without bytes.
    for (length, chunked) in
        [(0, false), (0, true), (1, true), (20_000_000, false), (20_000_000, true)]
    {
        let content = noise(length as u64, length);
        let body = content.clone();
        let source = Source::start(move |_, wire| {
            if !chunked {
                let _ = wire.write_all(&file("text/plain", &body));
                return;
            }
            let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for piece in body.chunks(100_001) {
                let _ = write!(wire, "{:x};x=y\r\n", piece.len());
                let _ = wire.write_all(piece);
                let _ = wire.write_all(b"\r\n");
            }
            let _ = wire.write_all(b"0\r\nTrailer: x\r\n\r\n");
        });
        let server = allowing_source(&source);
        let made = expect_file(&ingest(&server, &source.url("/a.bin")));
        assert_eq!(made["filesize"], length, "{chunked}");
        assert!(server.send("GET", "/a.bin", b"").body == content, "{length} {chunked}");
    }
}
