//! The Files API over real HTTP.

use serde_json::{Value, json};

use crate::support::{Answer, KEY, Request, Server, noise};

/// How a version is asked for, and its name.
const VERSIONS: [(&str, &str, &str); 7] = [
    ("", "", "2025-07-01"),
    ("Accept-Version", "2025-07-01", "2025-07-01"),
    ("ACCEPT_VERSION", "2025-07-01", "2025-07-01"),
    ("Accept-Version", "2025-01-01", "2025-01-01"),
    ("ACCEPT_VERSION", "2025-01-01", "2025-01-01"),
    ("Accept-Version", "latest", "2025-08-20"),
    ("ACCEPT_VERSION", "2025-08-20", "2025-08-20"),
];

fn ask(server: &Server, method: &str, path: &str) -> Request {
    server.api_request(method, path).bearer(KEY)
}

fn ask_in(server: &Server, method: &str, path: &str, version: (&str, &str, &str)) -> Request {
    let request = ask(server, method, path);
    if version.0.is_empty() { request } else { request.header(version.0, version.1) }
}

/// What an answer of a version holds, after its form was looked at.
fn data(answer: &Answer, version: &str) -> Value {
    let body = answer.json();
    if version == "2025-08-20" {
        assert!(body.get("meta").is_none(), "{body}");
        return body;
    }
    assert_eq!(body["meta"]["version"], version);
    assert_eq!(body["meta"]["request_id"], answer.header("x-request-id").unwrap());
    assert_eq!(body.get("error"), (version == "2025-07-01").then_some(&Value::Null));
    body["data"].clone()
}

fn put(server: &Server, path: &str, content: &[u8]) -> Value {
    let answer = server.send("PUT", &server.put_url(path), content);
    assert!(answer.status < 300);
    answer.file()
}

fn paths(list: &Value) -> Vec<String> {
    let path = |file: &Value| match file["folder"].as_str() {
        Some(folder) => format!("{folder}/{}", file["filename"].as_str().unwrap()),
        None => file["filename"].as_str().unwrap().to_owned(),
    };
    list.as_array().unwrap().iter().map(path).collect()
}

fn at(file: &Value) -> String {
    format!("/files/{}", file["id"].as_str().unwrap())
}

/// Status and kind of an error, in a version.
fn refused(answer: &Answer, version: &str) -> (u16, String) {
    let body = answer.json();
    let error = &body["error"];
    if version == "2025-08-20" {
        assert_eq!((&body["kind"], &body["message"]), (&error["kind"], &error["message"]));
    } else {
        assert_eq!((&body["meta"]["type"], &body["data"]), (&json!("error"), &Value::Null));
        assert_eq!(body["meta"]["version"], version);
    }
    (answer.status, error["kind"].as_str().unwrap().to_owned())
}

#[test]
fn lists_come_page_by_page_in_each_version() {
    let server = Server::start();
    let mut files: Vec<Value> =
        ["a", "u/7/b", "u/7/c", "u/70/d", "e"].map(|path| put(&server, path, b"x")).into();
    files.reverse();
    for version in VERSIONS {
        let get = |query: &str| ask_in(&server, "GET", &format!("/files{query}"), version).send();
        let all = get("");
        assert_eq!(data(&all, version.2), Value::Array(files.clone()));
        let second = get("?page=2&limit=2");
        assert_eq!(data(&second, version.2), Value::Array(files[2..4].to_vec()));
        let past = get("?page=4&limit=2");
        assert_eq!((past.status, data(&past, version.2)), (200, json!([])));
        let links = json!({
            "self": "/files?page=2&limit=2", "first": "/files?page=1&limit=2",
            "prev": "/files?page=1&limit=2", "next": "/files?page=3&limit=2",
            "last": "/files?page=3&limit=2",
        });
        if version.2 == "2025-08-20" {
            let written: Vec<String> = ["self", "first", "prev", "next", "last"]
                .iter()
                .map(|name| format!("<{}>; rel=\"{name}\"", links[*name].as_str().unwrap()))
                .collect();
            assert_eq!(second.header("link"), Some(&*written.join(", ")));
            assert_eq!(second.header("links"), second.header("link"));
        } else {
            let body = second.json();
            assert_eq!(body["links"], links);
            let meta = &body["meta"];
            let numbers = ["limit", "total", "page", "pages"].map(|name| meta[name].as_u64());
            assert_eq!(numbers, [2, 5, 2, 3].map(Some));
            assert_eq!(meta["type"], "list");
            assert_eq!(past.json()["links"]["next"], Value::Null);
            assert_eq!(past.json()["links"]["last"], "/files?page=3&limit=2");
        }
        for bad in ["?limit=0", "?limit=101", "?page=0", "?page=x", "?page=1&page=2", "?folder=%ff"]
        {
            let refused = refused(&get(bad), version.2);
            assert_eq!(refused, (400, "parameter_invalid".to_owned()), "{bad}");
        }
    }
    let empty = Server::start();
    let none = ask(&empty, "GET", "/files").send().json();
    assert_eq!((&none["data"], &none["meta"]["pages"]), (&json!([]), &json!(0)));
    assert_eq!(ask(&server, "HEAD", "/files").send().status, 200);
}

#[test]
fn lists_can_be_cut_down_to_a_folder_or_a_prefix() {
    let server = Server::start();
    let all = ["v", "u/7/c", "u/7/b", "u/70/d", "u/7/x y/e&f", "u/7/\u{e9}", "u/7"];
    for path in all {
        put(&server, path, b"x");
    }
    let list = |query: &str| {
        let answer = ask(&server, "GET", &format!("/files?{query}")).send().json();
        let found = paths(&answer["data"]);
        assert_eq!(answer["meta"]["total"], found.len());
        found
    };
    let in_folder = ["u/7/b", "u/7/c", "u/7/x y/e&f", "u/7/\u{e9}"];
    for query in ["folder=u/7", "folder=u%2F7%2F", "folder=/u/7/", "prefix=u/7/"] {
        assert_eq!(list(query), in_folder, "{query}");
    }
    let with_prefix = ["u/7", "u/7/b", "u/7/c", "u/7/x y/e&f", "u/7/\u{e9}", "u/70/d"];
    assert_eq!(list("prefix=u/7"), with_prefix);
    assert_eq!(list("folder=u&prefix=70"), ["u/70/d"]);
    assert_eq!(list("folder=u/7/x+y"), ["u/7/x y/e&f"]);
    assert_eq!(list("folder=u%2F7%2Fx%20y&prefix=e%26"), ["u/7/x y/e&f"]);
    assert_eq!(list("prefix=u/7/%C3%A9"), ["u/7/\u{e9}"]);
    for nothing in ["folder=U", "prefix=%25", "folder=u/7/b", "prefix=../", "folder=nothing"] {
        assert!(list(nothing).is_empty(), "{nothing}");
    }
    assert_eq!(list("folder=&prefix=").len(), 7);
    let page = ask(&server, "GET", "/files?limit=1&folder=u/7/x+y&prefix=").send().json();
    assert_eq!(page["links"]["self"], "/files?page=1&limit=1&folder=u%2F7%2Fx+y&prefix=");
}

#[test]
fn a_file_is_found_and_deleted_in_each_version() {
    let server = Server::start();
    for version in VERSIONS {
        let file = put(&server, "a/b c.txt", b"content");
        let path = at(&file);
        let send = |method: &str, path: &str| ask_in(&server, method, path, version).send();
        let found = send("GET", &path);
        assert_eq!((found.status, data(&found, version.2)), (200, file.clone()));
        if version.2 != "2025-08-20" {
            let links = json!({ "self": path, "parent": "/files" });
            assert_eq!(found.json()["links"], links);
        }
        let gone = send("DELETE", &path);
        let message = format!("{} deleted", file["id"].as_str().unwrap());
        assert_eq!((gone.status, data(&gone, version.2)), (200, json!({ "message": message })));
        for method in ["GET", "DELETE"] {
            let answer = send(method, &path);
            assert_eq!(refused(&answer, version.2), (404, "file_not_found".to_owned()));
        }
        let change = ask_in(&server, "PATCH", &path, version).json(&json!({ "label": "x" })).send();
        assert_eq!(refused(&change, version.2), (404, "file_not_found".to_owned()));
        assert_eq!(server.send("GET", "/a/b%20c.txt", b"").status, 404);
        for odd in ["/files/file_", "/files/%00", "/files/%ff", "/files/..", "/files/a%2Fb"] {
            let answer = send("GET", odd);
            assert_eq!(refused(&answer, version.2), (404, "file_not_found".to_owned()), "{odd}");
        }
    }
    let file = put(&server, "c", b"x");
    let stale = ask(&server, "DELETE", &at(&file)).header("If-Match", "\"stale\"").send();
    assert_eq!(stale.kind(), "precondition_failed");
    let etag = format!("\"{}\"", file["etag"].as_str().unwrap());
    let fresh = ask(&server, "DELETE", &at(&file)).header("If-Match", &etag).send();
    assert_eq!(fresh.status, 200);
}

#[test]
fn a_file_is_renamed_and_described_in_each_version() {
    let server = Server::start();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let content = noise(number as u64, 5_000);
        let old = put(&server, "up/first.bin", &content);
        let patch = |change: &Value| {
            let answer = ask_in(&server, "PATCH", &at(&old), version).json(change).send();
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            data(&answer, version.2)
        };
        let folder = format!("moved/{number}");
        let new = patch(&json!({ "folder": folder, "filename": "My second?.bin" }));
        assert_eq!((&new["folder"], &new["filename"]), (&json!(folder), &json!("My-second.bin")));
        let url = format!("http://{}/moved/{number}/My-second.bin", server.delivery);
        assert_eq!(new["url"], url);
        let same = ["id", "media_id", "etag", "filesize", "created", "crc64", "type"];
        assert!(same.iter().all(|name| new[*name] == old[*name]));
        assert_eq!(server.send("GET", "/up/first.bin", b"").status, 404);
        assert!(server.send("GET", &url, b"").body == content);

        let change = json!({ "ref": "r", "label": "l", "metadata": { "a": "1", "b": "2" } });
        let described = patch(&change);
        let facts = |file: &Value| json!([file["ref"], file["label"], file["metadata"]]);
        assert_eq!(facts(&described), json!(["r", "l", { "a": "1", "b": "2" }]));
        assert_eq!(described["url"], url);
        let change = json!({ "ref": null, "metadata": { "a": null, "c": "3" } });
        assert_eq!(facts(&patch(&change)), json!([null, "l", { "b": "2", "c": "3" }]));
        let bare = patch(&json!({ "label": null, "metadata": null, "folder": null }));
        assert_eq!(facts(&bare), json!([null, null, {}]));
        assert_eq!(bare["folder"], Value::Null);
        assert_eq!(patch(&json!({})), bare);
        let replaced = put(&server, "My-second.bin", b"new bytes");
        assert_eq!(replaced["id"], old["id"]);
        ask(&server, "DELETE", &at(&old)).send();
    }
}

#[test]
fn a_change_that_cannot_be_made_changes_nothing() {
    let server = Server::start();
    let file = put(&server, "u/a", b"x");
    put(&server, "u/taken", b"y");
    let patch = || ask(&server, "PATCH", &at(&file));
    let long = "x".repeat(1_025);
    let many: serde_json::Map<String, Value> =
        (0..33).map(|number| (format!("m{number}"), json!(""))).collect();
    for (body, status, kind, field) in [
        (json!({ "filename": "taken" }), 409, "file_exists", ""),
        (json!({ "filename": "taken", "label": "l" }), 409, "file_exists", ""),
        (json!({ "filename": "" }), 400, "path_invalid", "filename"),
        (json!({ "filename": null }), 400, "path_invalid", "filename"),
        (json!({ "filename": "???" }), 400, "path_invalid", "filename"),
        (json!({ "folder": "x/".repeat(600) }), 400, "path_invalid", "filename"),
        (json!({ "folder": ".well-known", "filename": "x" }), 200, "", ""),
        (json!({ "folder": "u", "filename": "a" }), 200, "", ""),
        (json!({ "filename": 7 }), 422, "body_invalid", "filename"),
        (json!({ "folder": ["a"] }), 422, "body_invalid", "folder"),
        (json!({ "label": { "a": 1 } }), 422, "body_invalid", "label"),
        (json!({ "label": long }), 422, "body_invalid", "label"),
        (json!({ "ref": "a\u{0}b" }), 422, "body_invalid", "ref"),
        (json!({ "metadata": "x" }), 422, "body_invalid", "metadata"),
        (json!({ "metadata": { "a": 1 } }), 422, "body_invalid", "metadata.a"),
        (json!({ "metadata": { "a b": "x" } }), 422, "body_invalid", "metadata"),
        (json!({ "metadata": { "a": long } }), 422, "body_invalid", "metadata.a"),
        (json!({ "metadata": many }), 422, "body_invalid", "metadata"),
        (json!({ "name": "x" }), 422, "body_invalid", "name"),
        (json!({ "id": "file_x" }), 422, "body_invalid", "id"),
        (json!({ "url": "http://x/" }), 422, "body_invalid", "url"),
        (json!([]), 422, "body_invalid", ""),
        (json!("x"), 422, "body_invalid", ""),
        (json!(null), 422, "body_invalid", ""),
    ] {
        let answer = patch().json(&body).send();
        assert_eq!(answer.status, status, "{body}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.kind(), kind, "{body}");
        let error = &answer.json()["error"];
        assert_eq!(error["field"].as_str().unwrap_or_default(), field, "{body}: {error}");
        if status != 200 {
            let now = ask(&server, "GET", &at(&file)).send().file();
            assert_eq!([&now["folder"], &now["filename"]], ["u", "a"], "{body}");
            assert_eq!((&now["label"], &now["metadata"]), (&Value::Null, &json!({})), "{body}");
        }
    }
    let typed = || patch().header("Content-Type", "application/json");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let huge = format!("{{\"label\":\"{}\"}}", "x".repeat(1 << 20));
    for (body, status, kind) in [
        ("", 400, "body_malformed"),
        ("{", 400, "body_malformed"),
        ("{\"label\":\"x\"} x", 400, "body_malformed"),
        ("{\"label\":\"\\ud800\"}", 400, "body_malformed"),
        ("{\"label\":1e400}", 400, "body_malformed"),
        ("{\"label\":\"x\",\"label\":\"y\"}", 422, "body_invalid"),
        (&*deep, 400, "body_malformed"),
        (&*huge, 413, "too_large"),
    ] {
        let answer = typed().body(body.as_bytes()).send();
        assert_eq!((answer.status, &*answer.kind()), (status, kind), "{body:.40}");
    }
    let not_utf8 = typed().body(b"{\"label\":\"\xff\"}").send();
    assert_eq!(not_utf8.kind(), "body_malformed");
    assert_eq!(patch().body(b"{}").send().kind(), "content_type_unsupported");
    let merge = patch().header("Content-Type", "application/merge-patch+json; charset=utf-8");
    assert_eq!(merge.body(b"{}").send().status, 200);
    let stale = patch().header("If-Match", "\"stale\"").json(&json!({ "label": "l" })).send();
    assert_eq!((stale.status, &*stale.kind()), (412, "precondition_failed"));
}

/// Of those who want one path one gets it; nobody's file is lost.
#[test]
fn files_that_move_to_one_path_at_once_do_not_overwrite_each_other() {
    let server = Server::start();
    let files: Vec<Value> =
        (0..12).map(|number| put(&server, &format!("f{number}"), &noise(number, 100))).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let movers: Vec<_> = files
            .iter()
            .map(|file| {
                let request = ask(&server, "PATCH", &at(file)).json(&json!({ "filename": "x" }));
                scope.spawn(|| request.send().status)
            })
            .collect();
        movers.into_iter().map(|mover| mover.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 11, "{statuses:?}");
    let all = ask(&server, "GET", "/files").send().json();
    assert_eq!(all["meta"]["total"], 12);
    for (number, file) in files.iter().enumerate() {
        let now = ask(&server, "GET", &at(file)).send().file();
        let read = server.send("GET", now["url"].as_str().unwrap(), b"");
        assert!(read.body == noise(number as u64, 100));
    }
}
