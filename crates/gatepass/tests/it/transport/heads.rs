//! Heads that are too large or malformed, and the ids of answers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::connection::{Connection, assert_well, put_head};
use crate::support::{Answer, Server, Start};

fn ask(server: &Server, request: impl AsRef<[u8]>) -> Option<Answer> {
    let mut connection = Connection::open(server.delivery);
    let _ = connection.try_say(request);
    connection.answer()
}

fn get(headers: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: gatepass.test\r\n{headers}\r\n")
}

#[test]
fn a_target_that_is_too_long_is_refused() {
    let server = Server::start();
    for length in [65_600, 70_000, 200_000, 2_000_000] {
        for target in [format!("/{}", "a".repeat(length)), format!("/a?b={}", "a".repeat(length))] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: gatepass.test\r\n\r\n");
            let answer = ask(&server, request).unwrap();
            assert!(matches!(answer.status, 414 | 431), "{length}: {answer:?}");
        }
    }
    let answer = ask(&server, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(60_000)));
    assert_eq!(answer.unwrap().kind(), "path_invalid");
    assert_well(&server);
}

#[test]
fn headers_that_are_too_many_are_refused() {
    let server = Server::start();
    let many = |count: usize| "X-A: 1\r\n".repeat(count);
    assert_eq!(ask(&server, get(&many(99))).unwrap().status, 404);
    for count in [100, 101, 5_000, 50_000] {
        assert_eq!(ask(&server, get(&many(count))).unwrap().status, 431, "{count}");
    }
    assert_well(&server);
}

#[test]
fn headers_that_are_too_large_are_refused() {
    let server = Server::start();
    let large = |bytes: usize| get(&format!("X-Large: {}\r\n", "x".repeat(bytes)));
    assert_eq!(ask(&server, large(60_000)).unwrap().status, 404);
    for bytes in [66_000, 200_000, 2_000_000] {
        assert_eq!(ask(&server, large(bytes)).unwrap().status, 431, "{bytes}");
    }
    assert_well(&server);
}

/// One that turns out to be too large when its end comes is the end of the connection as well, and
/// not of all that watches over it.
#[test]
fn after_a_head_that_was_too_large_nothing_is_waited_for() {
    let server = Start::fresh().flag("--idle-timeout", "1s").run();
    let mut connection = Connection::open(server.delivery);
    let head = get(&format!("X-Large: {}\r\n", "x".repeat(66_000)));
    let (first, rest) = head.split_at(57_000);
    connection.say(first);
    std::thread::sleep(Duration::from_millis(200));
    connection.say(rest);
    let answer = connection.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (431, Some("close")));
    assert_eq!(connection.until_closed(), b"");
}

#[test]
fn a_head_without_end_is_cut() {
    let server = Server::start();
    for piece in ["x".repeat(10_000), "X-More: 1\r\n".repeat(900)] {
        let mut connection = Connection::open(server.delivery);
        connection.say("GET /a HTTP/1.1\r\nHost: gatepass.test\r\nX-Large: ");
        // What the sockets hold beside what the server reads is some megabytes.
        let taken = (0..10_000).take_while(|_| connection.try_say(&piece).is_ok()).count();
        assert!(taken < 5_000, "the server took {taken} pieces");
    }
    assert_well(&server);
}

#[test]
fn malformed_heads_are_refused() {
    let server = Server::start();
    for (name, headers) in [
        ("folded", "X-Folded: a\r\n b\r\n"),
        ("folded tab", "X-Folded: a\r\n\tb\r\n"),
        ("bare CR in a value", "X-Bare: a\rb\r\n"),
        ("bare CR before a header", "X-Bare: a\rX-Other: b\r\n"),
        ("NUL in a value", "X-Nul: a\0b\r\n"),
        ("control in a value", "X-Control: a\x01b\r\n"),
        ("DEL in a value", "X-Delete: a\x7fb\r\n"),
        ("NUL in a name", "X-\0: a\r\n"),
        ("blank in a name", "X Name: a\r\n"),
        ("blank before the colon", "X-Name : a\r\n"),
        ("no name", ": a\r\n"),
        ("no colon", "X-Name\r\n"),
        ("blank before the first header", " X-Name: a\r\n"),
    ] {
        let answer = ask(&server, get(headers)).unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
    }
    for request in [
        "GET /a\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/9.9\r\nHost: a\r\n\r\n",
        "G\x01T /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
    ] {
        let answer = ask(&server, request).unwrap_or_else(|| panic!("{request:?}: no answer"));
        assert_eq!(answer.status, 400, "{request:?}: {answer:?}");
    }
    assert_well(&server);
}

#[test]
fn odd_but_permitted_heads_are_read() {
    let server = Server::start();
    for (name, headers) in [
        ("bytes beyond ASCII", "X-Name: \u{fc}\r\n"),
        ("tab in a value", "X-Name: a\tb\r\n"),
        ("no value", "X-Name:\r\n"),
        ("bare newline", "X-Name: a\n"),
    ] {
        let answer = ask(&server, get(headers)).unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.kind(), "file_not_found", "{name}: {answer:?}");
    }
}

#[test]
fn trailers_change_nothing() {
    let server = Server::start();
    let upload = |name: &str, trailers: &str| {
        let head = put_head(&server.put_url(name), "Transfer-Encoding: chunked\r\n");
        ask(&server, format!("{head}5\r\nhello\r\n0\r\n{trailers}\r\n"))
    };
    let trailers = "Content-Length: 3\r\nHost: evil.test\r\nX-Request-Id: req_mine\r\n";
    let answer = upload("trailers", trailers).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(server.send("GET", "/trailers", b"").body, b"hello");
    for (name, trailers) in [
        ("endless", format!("X-Large: {}\r\n", "x".repeat(2_000_000))),
        ("many", "X-More: 1\r\n".repeat(10_000)),
    ] {
        let answer = upload(name, &trailers);
        assert!(answer.is_none_or(|answer| answer.status >= 400), "{name}");
        assert_eq!(server.send("GET", &format!("/{name}"), b"").status, 404, "{name}");
    }
    assert_well(&server);
}

#[test]
fn every_answer_has_an_id_of_its_own() {
    let server = Server::start();
    let put = server.put_url("ids");
    let answers = [
        server.send("PUT", &put, b"a"),
        server.send("PUT", &put, b"a"),
        server.send("GET", "/ids", b""),
        server.send("HEAD", "/ids", b""),
        server.send("HEAD", "/nothing", b""),
        server.send("OPTIONS", "/ids", b""),
        server.send("GET", "/nothing", b""),
        server.request("GET", "/ids").header("If-None-Match", "*").send(),
        server.request("GET", "/ids").header("X-Request-Id", "req_mine").send(),
        server.send("GET", "/.well-known/gatepass/livez", b""),
        server.api_request("GET", "/").send(),
        server.api_request("GET", "/metrics").send(),
        server.api_request("GET", "/nothing").send(),
    ];
    let mut ids = BTreeSet::new();
    for answer in &answers {
        let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{answer:?}"));
        let random = id.strip_prefix("req_").unwrap_or_else(|| panic!("{id}"));
        assert!(random.len() == 20 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        assert!(ids.insert(id), "{id} stands twice");
        if let Some(told) = answer.json()["meta"]["request_id"].as_str() {
            assert_eq!(told, id);
        }
    }
}
