//! Who may read what: rules by prefix, through the command line and the API; and domains.

use std::path::Path;
use std::time::{Duration, Instant};

use gatepass_sign::{Action, Policy};
use serde_json::{Value, json};

use crate::support::{Answer, KEY, Server, Start, gatepass_at, now};

fn run(data: &Path, arguments: &[&str]) -> Result<Value, String> {
    let output =
        gatepass_at(data).args(arguments).args(["--json", "--data"]).arg(data).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

fn put_rule(server: &Server, prefix: &str, visibility: &str) -> Answer {
    let rule = json!({ "prefix": prefix, "visibility": visibility });
    server.api_request("PUT", "/rules").bearer(KEY).json(&rule).send()
}

/// As a client does that is told to come again, which may be when the disk stands still. Anything
/// else but success is a fault.
fn put_rule_until_taken(server: &Server, prefix: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let answer = put_rule(server, prefix, "private");
        assert!(matches!(answer.status, 200 | 503), "{}: {}", answer.status, answer.json());
        if answer.status == 200 {
            return;
        }
        assert!(Instant::now() < deadline, "{prefix} is never taken");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn list(server: &Server) -> Vec<(String, String)> {
    let answer = server.api_request("GET", "/rules").bearer(KEY).send();
    assert_eq!(answer.status, 200);
    let rule = |rule: &Value| {
        let text = |name: &str| rule[name].as_str().unwrap().to_owned();
        (text("prefix"), text("visibility"))
    };
    answer.json()["data"].as_array().unwrap().iter().map(rule).collect()
}

#[test]
fn the_longest_prefix_decides() {
    let server = Server::start();
    assert_eq!(list(&server), [("private/".into(), "private".into())]);
    let paths =
        ["a", "private/a", "private/press/a", "private/press/old/a", "team", "team/a", "teams"];
    for path in paths {
        assert_eq!(server.send("PUT", &server.put_url(path), b"x").status, 201);
    }
    for (prefix, visibility) in
        [("private/press/old/", "private"), ("private/press/", "public"), ("team", "private")]
    {
        let set = put_rule(&server, prefix, visibility);
        assert_eq!((set.status, &set.file()["prefix"]), (200, &json!(prefix)));
    }
    let read = |path: &str| server.send("GET", &format!("/{path}"), b"").status;
    // From the answer on, and whole segments only where the prefix has no slash at its end.
    assert_eq!(paths.map(read), [200, 401, 200, 401, 401, 401, 200]);

    // Everything private but one prefix.
    assert_eq!(put_rule(&server, "", "private").status, 200);
    assert_eq!(paths.map(read), [401, 401, 200, 401, 401, 401, 401]);
    let url = server.signed("a", &Policy::new(Action::Get, now() + 60));
    assert_eq!(server.send("GET", &url, b"").status, 200);
    let gone = server.api_request("DELETE", "/rules?prefix=").bearer(KEY).send();
    assert_eq!(gone.status, 200);
    assert_eq!(paths.map(read), [200, 401, 200, 401, 401, 401, 200]);
    assert_eq!(list(&server).len(), 4);

    // A change is durable.
    let data = server.kill();
    assert_eq!(list(&Start::at(&data.path).run()).len(), 4);
}

#[test]
fn bad_rules_change_nothing() {
    let server = Server::start();
    let before = list(&server);
    for bad in ["/private", "a//", "a/../b", "a?", "%61", "\n", &"a".repeat(2_000)] {
        let refused = put_rule(&server, bad, "private");
        assert_eq!((refused.status, &*refused.kind()), (422, "body_invalid"), "{bad}");
        assert_eq!(refused.json()["error"]["field"], "prefix");
    }
    assert_eq!(put_rule(&server, "a", "secret").kind(), "body_invalid");
    let delete = |query: &str| {
        server.api_request("DELETE", &format!("/rules{query}")).bearer(KEY).send().kind()
    };
    assert_eq!(delete("?prefix=none%2F"), "rule_not_found");
    assert_eq!(delete(""), "parameter_invalid");
    assert_eq!(delete("?prefix=private%2F&prefix=private%2F"), "parameter_invalid");
    assert_eq!(list(&server), before);
    for number in 0..99 {
        assert_eq!(put_rule(&server, &format!("n/{number}"), "private").status, 200);
    }
    assert_eq!(put_rule(&server, "one/more", "private").kind(), "body_invalid");
    assert_eq!(put_rule(&server, "n/5", "public").status, 200, "one that is there may change");
}

#[test]
fn only_administrators_without_a_prefix_change_rules() {
    let server = Server::start();
    let make = |scopes: &str, prefix: &str| {
        let arguments = ["keys", "create", "--scopes", scopes, "--prefix", prefix];
        let made = run(&server.data, &arguments).unwrap();
        made["key"].as_str().unwrap().to_owned()
    };
    let keys = [make("sign:put files:read files:write", ""), make("admin", "users/")];
    for key in keys {
        let deadline = Instant::now() + Duration::from_mins(2);
        let ask = || server.api_request("GET", "/rules").bearer(&key).send();
        // A running server notices new keys within seconds.
        while ask().status == 401 {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(ask().kind(), "scope_insufficient");
        let set = server.api_request("PUT", "/rules").bearer(&key);
        let set = set.json(&json!({ "prefix": "", "visibility": "public" })).send();
        assert_eq!(set.kind(), "scope_insufficient");
        let delete = server.api_request("DELETE", "/rules?prefix=private/").bearer(&key).send();
        assert_eq!(delete.kind(), "scope_insufficient");
    }
    assert_eq!(list(&server).len(), 1);
}

#[test]
fn rules_set_at_once_are_all_kept() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let server = &server;
            scope.spawn(move || put_rule_until_taken(server, &format!("p{number}/")));
        }
    });
    assert_eq!(list(&server).len(), 17);
}

#[test]
fn what_the_command_line_and_the_api_change_at_once_is_all_kept() {
    let server = Server::start();
    let barrier = std::sync::Barrier::new(12);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (server, barrier) = (&server, &barrier);
            scope.spawn(move || {
                barrier.wait();
                put_rule_until_taken(server, &format!("api/{number}/"));
            });
            scope.spawn(move || {
                barrier.wait();
                // Each of these changes the project, and some something else of it than its rules.
                let prefix = format!("cli/{number}/");
                let change = match number {
                    0..4 => ["rules", "set", &prefix, "private"].to_vec(),
                    4 => ["projects", "set", "default", "--max-file-size", "1GiB"].to_vec(),
                    _ => ["projects", "set", "default", "--max-expiry", "7d"].to_vec(),
                };
                // A database that others keep busy for long is a reason to come again.
                let deadline = Instant::now() + Duration::from_mins(2);
                while let Err(said) = run(&server.data, &change) {
                    assert!(Instant::now() < deadline, "{said}");
                }
            });
        }
    });
    assert_eq!(list(&server).len(), 11);
    let project = &run(&server.data, &["projects", "ls"]).unwrap()[0];
    assert_eq!(project["max_file_bytes"], 1 << 30);
    assert_eq!(project["max_expiry_seconds"], 7 * 24 * 3_600);
}

#[test]
fn the_command_line_sets_rules() {
    let data = Server::start().terminate().1;
    let rules = |arguments: &[&str]| run(&data.path, &[&["rules"], arguments].concat());
    let private = json!({ "prefix": "private/", "visibility": "private" });
    assert_eq!(rules(&["ls"]).unwrap(), json!([private]));
    let shown = rules(&["set", "private/press/", "public"]).unwrap();
    assert_eq!(shown, json!([{ "prefix": "private/press/", "visibility": "public" }, private]));
    assert_eq!(rules(&["rm", "private/press/"]).unwrap(), json!([private]));
    assert!(rules(&["rm", "private/press/"]).unwrap_err().contains("private/press/"));
    assert!(rules(&["set", "/private", "private"]).unwrap_err().contains("empty segment"));
    assert!(rules(&["set", "a", "secret"]).unwrap_err().contains("public or private"));
    let set = ["projects", "set", "default", "--private", "/x"];
    assert!(run(&data.path, &set).unwrap_err().contains("/x"));
}

#[test]
fn a_file_is_served_by_its_id_to_those_who_may_read_its_path() {
    let server = Server::start();
    let put = |path: &str, body: &[u8]| {
        let answer = server.send("PUT", &server.put_url(path), body);
        answer.file()["id"].as_str().unwrap().to_owned()
    };
    let (open, secret) = (put("a/open.txt", b"open"), put("private/b.txt", b"secret"));
    let read = |target: &str| server.send("GET", target, b"");
    let by_path = read("/a/open.txt");
    let got = read(&format!("/{open}"));
    assert_eq!((got.status, &got.body), (200, &by_path.body));
    for name in ["etag", "cache-control", "content-type", "content-disposition"] {
        assert_eq!(got.header(name), by_path.header(name), "{name}");
    }
    let head = server.send("HEAD", &format!("/{open}"), b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("4")));
    let part = server.request("GET", &format!("/{open}")).header("Range", "bytes=1-2").send();
    assert_eq!((part.status, &*part.body), (206, &b"pe"[..]));

    // A private one: nobody learns that it is there.
    let none = format!("/file_{}", "0".repeat(16));
    let refused = [read(&format!("/{secret}")), read(&none)];
    assert_eq!(refused.map(|answer| (answer.status, answer.kind())), {
        let missing = (404, "file_not_found".to_owned());
        [missing.clone(), missing]
    });
    let signed = server.signed(&secret, &Policy::new(Action::Get, now() + 60));
    let got = read(&signed);
    assert_eq!((got.status, &*got.body), (200, &b"secret"[..]));
    assert_eq!(got.header("cache-control"), Some("private, no-store"));
    assert_eq!(read(&format!("{signed}x")).kind(), "signature_invalid");
    let expired = server.signed(&secret, &Policy::new(Action::Get, now() - 60));
    assert_eq!(read(&expired).kind(), "url_expired");
    let with_key = server.request("GET", &format!("/{secret}")).bearer(KEY).send();
    assert_eq!((with_key.status, &*with_key.body), (200, &b"secret"[..]));

    // The rules of the path hold, whatever those of the top level are.
    assert_eq!(put_rule(&server, "", "private").status, 200);
    assert_eq!(put_rule(&server, "a/", "public").status, 200);
    assert_eq!(read(&format!("/{open}")).status, 200);
    assert_eq!(read(&format!("/{secret}")).status, 401);
    assert_eq!(read(&none).status, 401);
    let removed = server.api_request("DELETE", "/rules?prefix=").bearer(KEY).send();
    assert_eq!(removed.status, 200);

    // Nobody takes the place of a file by uploading under its id.
    put(&open, b"impostor");
    assert_eq!(read(&format!("/{open}")).body, b"open");
    // A name that only looks like an id is a name.
    put("file_2026112512000000", b"named so");
    assert_eq!(read("/file_2026112512000000").body, b"named so");
    // An id reads, and does nothing else.
    let delete = server.request("DELETE", &none).bearer(KEY).send();
    assert_eq!(delete.status, 404);
    let delete = server.request("DELETE", &format!("/{secret}")).bearer(KEY).send();
    assert_eq!(delete.status, 404);
}

#[test]
fn every_domain_links_by_itself() {
    let data = Server::start().terminate().1;
    for (host, link) in [
        ("files.example.net", "https://files.example.net"),
        ("cdn.example.net", "https://cdn.example.net"),
        ("cdn.example.net:8443", "https://cdn.example.net:8443"),
    ] {
        run(&data.path, &["domains", "add", host, "--link", link]).unwrap();
    }
    let other = ["projects", "create", "other"];
    run(&data.path, &other).unwrap();
    run(&data.path, &["domains", "add", "other.example.net", "--project", "other"]).unwrap();
    let server = Start::at(&data.path).run().keeping(data);
    let put = |host: &str| {
        let url = server.put_url("a b.txt");
        server.request("PUT", &url).host(host).body(host.as_bytes()).send()
    };
    for (host, link) in [
        ("cdn.example.net", "https://cdn.example.net"),
        ("CDN.example.net", "https://cdn.example.net"),
        ("cdn.example.net:8443", "https://cdn.example.net:8443"),
        ("cdn.example.net:9000", "https://cdn.example.net"),
        ("files.example.net", "https://files.example.net"),
        // The project catches all: its oldest domain links.
        ("anything.example.net", "https://files.example.net"),
    ] {
        let answer = put(host);
        assert_eq!(answer.file()["url"], format!("{link}/a%20b.txt"), "{host}");
        let read = server.request("GET", "/a%20b.txt").host(host).send();
        assert_eq!(read.body, host.as_bytes(), "all domains show the same files");
    }
    let signature = server.api_request("POST", "/signatures").bearer(KEY);
    let signature = signature.json(&json!({ "filename": "x" })).send().file();
    assert_eq!(signature["domain"], "files.example.net");
    // Another project's domain shows nothing of this one, and takes none of its signatures.
    let elsewhere = server.request("GET", "/a%20b.txt").host("other.example.net").send();
    assert_eq!(elsewhere.kind(), "file_not_found");
    assert_eq!(put("other.example.net").kind(), "signature_invalid");
}
