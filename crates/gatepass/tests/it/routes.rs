//! Every route of the management API against every kind of credentials, made from the table of
//! routes: a new route does not compile without its row here.

use std::collections::BTreeSet;
use std::path::Path;

use gatepass_http::{Call, KeyedCall, ROUTES, Route};
use gatepass_sign::Scope;
use serde_json::{Value, json};

use crate::ingest::source::{Source, file};
use crate::support::{Answer, KEY, Request, Server, Start, gatepass_at, noise};

const SCOPES: [(Scope, &str); 6] = [
    (Scope::SignPut, "sign:put"),
    (Scope::SignGet, "sign:get"),
    (Scope::FilesRead, "files:read"),
    (Scope::FilesWrite, "files:write"),
    (Scope::FilesDelete, "files:delete"),
    (Scope::Ingest, "ingest"),
];

/// What has to be known of a call to try it.
struct Row {
    /// What its `{id}` is the id of.
    subject: Subject,
    query: &'static str,
    body: Option<Value>,
    /// What a key of another project gets.
    other_project: Outcome,
    /// What a key gets that is confined to another prefix than the subject's.
    outside: Outcome,
}

#[derive(Clone, Copy)]
enum Subject {
    Nothing,
    File,
    Upload,
    /// The file that a source has.
    Source,
}

#[derive(Clone, Copy)]
enum Outcome {
    /// 404 with this kind: for who may not see it, it is not there.
    Absent(&'static str),
    /// A list without anything of this project.
    Without,
    /// 403 with this kind.
    Refused(&'static str),
    /// What is made is good for the own project only.
    Own,
    /// It is done in the own project, and nothing here.
    Elsewhere,
}

fn row(call: KeyedCall) -> Row {
    let absent = Outcome::Absent("file_not_found");
    let of_file = |body| Row {
        subject: Subject::File,
        query: "",
        body,
        other_project: absent,
        outside: absent,
    };
    let upload = Outcome::Absent("upload_not_found");
    let of_upload = || Row {
        subject: Subject::Upload,
        query: "",
        body: None,
        other_project: upload,
        outside: upload,
    };
    let refused = Outcome::Refused("scope_insufficient");
    let of_rules = |query, body, other_project| Row {
        subject: Subject::Nothing,
        query,
        body,
        other_project,
        outside: refused,
    };
    match call {
        KeyedCall::CreateSignature => Row {
            subject: Subject::Nothing,
            query: "",
            body: Some(json!({ "filename": "x", "folder": "in", "method": "put" })),
            other_project: Outcome::Own,
            outside: refused,
        },
        KeyedCall::ListRules => of_rules("", None, Outcome::Without),
        KeyedCall::PutRule => {
            let rule = json!({ "prefix": "in/", "visibility": "private" });
            of_rules("", Some(rule), Outcome::Elsewhere)
        }
        KeyedCall::DeleteRule => {
            of_rules("?prefix=private/", None, Outcome::Absent("rule_not_found"))
        }
        KeyedCall::ListFiles | KeyedCall::ListUploads => Row {
            subject: Subject::Nothing,
            query: "",
            body: None,
            other_project: Outcome::Without,
            outside: Outcome::Without,
        },
        KeyedCall::FindFile | KeyedCall::DeleteFile => of_file(None),
        KeyedCall::ChangeFile => of_file(Some(json!({ "label": "changed" }))),
        KeyedCall::IngestFile => Row {
            subject: Subject::Source,
            query: "",
            body: Some(json!({ "folder": "in", "filename": "fetched" })),
            other_project: Outcome::Elsewhere,
            outside: refused,
        },
        KeyedCall::FindUpload | KeyedCall::DeleteUpload => of_upload(),
    }
}

/// A server and keys of every kind.
struct World {
    server: Server,
    /// What files are fetched from.
    source: Source,
    file: String,
    upload: String,
    other_project: String,
    outside: String,
    /// Keys that were good once: paused, revoked, rotated.
    ended: Vec<String>,
    lacking: Vec<(Option<Scope>, String)>,
}

fn keyed() -> impl Iterator<Item = (&'static Route, Option<Scope>, KeyedCall)> {
    ROUTES.iter().filter_map(|route| match route.call {
        Call::Keyed(scope, call) => Some((route, scope, call)),
        Call::Open(_) => None,
    })
}

/// Everything but this scope; for calls whose scope depends on the body, one that never counts.
fn all_but(scope: Option<Scope>) -> String {
    let Some(scope) = scope else { return "ingest".to_owned() };
    let others = SCOPES.iter().filter(|(other, _)| *other != scope);
    others.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

impl World {
    fn new() -> Self {
        let (_, data) = Server::start().terminate();
        let run = |arguments: &[&str]| run(&data.path, arguments);
        let key = |arguments: &[&str]| {
            let made = run(&[&["keys", "create"], arguments].concat());
            ["id", "key"].map(|name| made[name].as_str().unwrap().to_owned())
        };
        run(&["projects", "create", "Other"]);
        let [_, other_project] = key(&["--project", "Other"]);
        let ended = ["pause", "revoke", "rotate"].map(|end| {
            let [id, key] = key(&["--project", "Other"]);
            run(&["keys", end, &id]);
            key
        });
        let [_, outside] = key(&["--prefix", "out"]);
        let mut scopes: Vec<Option<Scope>> = Vec::new();
        for (_, scope, _) in keyed() {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let lacking =
            scopes.into_iter().map(|scope| (scope, key(&["--scopes", &all_but(scope)])[1].clone()));
        let lacking = lacking.collect();
        let source = Source::saying(file("text/plain", b"x"));
        let server = Start::at(&data.path)
            .flag("--api-host", "api.test")
            .flag("--ingest-allow", &source.address.to_string())
            .run()
            .keeping(data);
        let mut world = Self {
            server,
            source,
            file: String::new(),
            upload: String::new(),
            other_project,
            outside,
            ended: ended.to_vec(),
            lacking,
        };
        world.make_subjects();
        world
    }

    fn make_subjects(&mut self) {
        let put = self.server.send("PUT", &self.server.put_url("in/file"), b"content");
        self.file = id_of(&put);
        let url = self.server.put_url("in/large");
        let chunk = self.server.request("PUT", &url).header("Content-Range", "bytes 0-9/100");
        let chunk = chunk.body(&noise(1, 10)).send();
        self.upload = id_of(&chunk);
        let rule = json!({ "prefix": "private/", "visibility": "private" });
        let put = self.server.api_request("PUT", "/rules").bearer(KEY).json(&rule).send();
        assert_eq!(put.status, 200);
    }

    /// A request to a route by one of the two doors to the API.
    fn request(&self, door: Door, method: &str, route: &Route, row: &Row) -> Request {
        let id = match row.subject {
            Subject::Nothing | Subject::Source => "none",
            Subject::File => &self.file,
            Subject::Upload => &self.upload,
        };
        let path = route.path.replace("{id}", id) + row.query;
        let request = door.request(&self.server, method, &path);
        let mut body = row.body.clone();
        if let (Subject::Source, Some(body)) = (row.subject, &mut body) {
            body["url"] = self.source.url("/x").into();
        }
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    /// What is there, as a key sees it that may see all.
    fn state(&self) -> [Value; 3] {
        ["/files", "/uploads", "/rules"].map(|path| {
            let answer = self.server.api_request("GET", path).bearer(KEY).send();
            assert_eq!(answer.status, 200);
            answer.json()["data"].clone()
        })
    }
}

fn is_done(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 201)
}

fn id_of(answer: &Answer) -> String {
    answer.file()["id"].as_str().unwrap().to_owned()
}

fn run(data: &Path, arguments: &[&str]) -> Value {
    let output =
        gatepass_at(data).args(arguments).arg("--json").arg("--data").arg(data).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The API's own listener, and the public one under the API's host.
#[derive(Debug, Clone, Copy)]
enum Door {
    Api,
    Public,
}

impl Door {
    const BOTH: [Self; 2] = [Self::Api, Self::Public];

    fn request(self, server: &Server, method: &str, path: &str) -> Request {
        match self {
            Self::Api => server.api_request(method, path),
            Self::Public => server.request(method, path).host("api.test"),
        }
    }
}

fn expect(answer: &Answer, status: u16, kind: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", String::from_utf8_lossy(&answer.body));
    if !answer.body.is_empty() {
        assert_eq!(answer.kind(), kind, "{what}");
    }
}

/// `HEAD` is no side door.
fn methods(route: &Route) -> Vec<&str> {
    if route.method == "GET" { vec!["GET", "HEAD"] } else { vec![route.method.as_str()] }
}

#[test]
fn every_route_refuses_every_kind_of_wrong_credentials() {
    let world = World::new();
    let before = world.state();
    let mut wrong: Vec<(String, &str)> = vec![
        ("Bearer ".to_owned(), "credentials_invalid"),
        ("Bearer".to_owned(), "credentials_invalid"),
        ("Bearer gp_live_wrong".to_owned(), "credentials_invalid"),
        (format!("Bearer {KEY}x"), "credentials_invalid"),
        (format!("Bearer {}", &KEY[1..]), "credentials_invalid"),
        (format!("Bearer {KEY} {KEY}"), "credentials_invalid"),
        (format!("Basic {KEY}"), "credentials_invalid"),
        (KEY.to_owned(), "credentials_invalid"),
    ];
    wrong.extend(world.ended.iter().map(|key| (format!("Bearer {key}"), "credentials_invalid")));
    for door in Door::BOTH {
        for (route, scope, call) in keyed() {
            let row = row(call);
            for method in methods(route) {
                let what = |how: &str| format!("{door:?} {method} {}: {how}", route.path);
                let ask = || world.request(door, method, route, &row);
                expect(&ask().send(), 401, "credentials_missing", &what("none"));
                for (header, kind) in &wrong {
                    let answer = ask().header("Authorization", header).send();
                    expect(&answer, 401, kind, &what(header));
                    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
                }
                let twice = ask().bearer(KEY).bearer(KEY).send();
                expect(&twice, 400, "header_invalid", &what("twice"));
                let lacking = world.lacking.iter().find(|(lacked, _)| *lacked == scope);
                let answer = ask().bearer(&lacking.unwrap().1).send();
                expect(&answer, 403, "scope_insufficient", &what("scope"));
                let unknown = ask().bearer(KEY).header("Accept-Version", "2024-01-01").send();
                expect(&unknown, 400, "version_unknown", &what("version"));
            }
        }
    }
    assert_eq!(world.state(), before, "something was changed");
}

/// Not even the existence of what is not the key's shows.
#[test]
fn every_route_keeps_to_the_project_and_the_prefix_of_its_key() {
    let world = World::new();
    let before = world.state();
    for door in Door::BOTH {
        for (route, _, call) in keyed() {
            let row = row(call);
            let ask = || world.request(door, route.method.as_str(), route, &row);
            let other = (&world.other_project, row.other_project);
            for (key, outcome) in [other, (&world.outside, row.outside)] {
                let answer = ask().bearer(key).send();
                let what = format!("{door:?} {} {}", route.method, route.path);
                match outcome {
                    Outcome::Absent(kind) => expect(&answer, 404, kind, &what),
                    Outcome::Refused(kind) => expect(&answer, 403, kind, &what),
                    Outcome::Without => {
                        let found = answer.json()["data"].as_array().unwrap().clone();
                        let ours = before.iter().filter_map(Value::as_array).flatten();
                        assert!(!ours.clone().any(|ours| found.contains(ours)), "{what}");
                        assert_eq!(answer.json()["meta"]["total"], found.len(), "{what}");
                    }
                    Outcome::Elsewhere => assert!(is_done(&answer), "{what}"),
                    Outcome::Own => {
                        assert_eq!(answer.status, 200, "{what}");
                        let url = answer.file()["url"].as_str().unwrap().to_owned();
                        let used = world.server.send("PUT", &url, b"x");
                        expect(&used, 403, "signature_invalid", &what);
                    }
                }
            }
        }
    }
    assert_eq!(world.state(), before, "something was changed");
}

/// Else the refusals above would prove nothing.
#[test]
fn every_route_lets_the_right_key_in() {
    let mut world = World::new();
    for door in Door::BOTH {
        for (route, scope, call) in keyed() {
            let row = row(call);
            for key in [KEY.to_owned(), world.outside.clone()] {
                if key != KEY && !matches!(row.outside, Outcome::Without) {
                    continue;
                }
                let answer =
                    world.request(door, route.method.as_str(), route, &row).bearer(&key).send();
                let what = format!("{door:?} {} {} ({scope:?})", route.method, route.path);
                assert!(is_done(&answer), "{what}: {}", String::from_utf8_lossy(&answer.body));
            }
            world.make_subjects();
        }
    }
}

#[test]
fn a_path_tells_its_methods_and_other_paths_are_not_there() {
    let world = World::new();
    let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    for path in paths {
        let here = ROUTES.iter().filter(|route| route.path == path);
        let allowed: Vec<&str> = here.map(|route| route.method.as_str()).collect();
        let target = path.replace("{id}", "x");
        let other = ["PUT", "PATCH"].into_iter().find(|method| !allowed.contains(method));
        let answer = world.server.api_request(other.unwrap(), &target).body(b"").send();
        expect(&answer, 405, "method_not_allowed", path);
        assert_eq!(answer.header("allow"), Some(&*allowed.join(", ")), "{path}");
        for beside in [format!("{target}/"), format!("{target}/x/y"), format!("/x{target}")] {
            let known = ROUTES.iter().any(|route| route.path == beside);
            let answer = world.server.api_request("GET", &beside).bearer(KEY).send();
            assert!(known || answer.status == 404, "{beside}: {}", answer.status);
        }
    }
    let metrics = Door::Public.request(&world.server, "GET", "/metrics").bearer(KEY).send();
    expect(&metrics, 404, "route_not_found", "metrics are not for the public");
}
