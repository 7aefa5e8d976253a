//! Several real nodes that share one real PostgreSQL. Each request of an upload may go to another.
//!
//! The blobs are in one directory, which the nodes reach through a link.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "../it/transport/connection.rs"]
mod connection;
mod moving;
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "../it/support.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use connection::Connection;
use gatepass_testkit::postgres::{PASSWORD, Server as Postgres};
use support::{KEY, Server, Start, gatepass, master_key, noise};

const CHUNK: usize = 300_000;

/// Nodes on one catalog.
struct Nodes {
    directory: tempfile::TempDir,
    url: String,
}

impl Nodes {
    fn new() -> Self {
        let postgres = Postgres::shared();
        Self::at(postgres.url(&postgres.make_database()))
    }

    fn at(url: String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("blobs")).unwrap();
        std::fs::write(directory.path().join("master.key"), master_key()).unwrap();
        Self { directory, url }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn start(&self, name: &str) -> Start {
        let data = self.path().join(name);
        std::fs::create_dir_all(&data).unwrap();
        let _ = std::os::unix::fs::symlink(self.path().join("blobs"), data.join("blobs"));
        let key = self.path().join("master.key");
        Start::at(&data)
            .variable("GATEPASS_CATALOG", &self.url)
            .variable("GATEPASS_MASTER_KEY_FILE", key.to_str().unwrap())
    }

    /// Statements to their database, on the server that all tests share.
    fn postgres(&self, statements: &str) -> String {
        let name = self.url.rsplit('/').next().unwrap().split('?').next().unwrap();
        Postgres::shared().sql(name, statements)
    }

    fn pair(&self) -> [Server; 2] {
        ["a", "b"].map(|name| self.start(name).run())
    }

    /// The command line, on a machine that serves nothing.
    fn command(&self, arguments: &[&str]) -> Output {
        let mut command: Command = gatepass();
        command
            .args(arguments)
            .env("GATEPASS_CATALOG", &self.url)
            .env("GATEPASS_MASTER_KEY_FILE", self.path().join("master.key"));
        command.output().unwrap()
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(2), "never came about: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends one chunk; returns the status.
fn send_chunk(node: &Server, url: &str, content: &[u8], number: usize) -> u16 {
    let first = number * CHUNK;
    let past = content.len().min(first + CHUNK);
    let range = format!("bytes {first}-{}/{}", past - 1, content.len());
    let request = node.request("PUT", url).header("Content-Range", &range);
    request.body(&content[first..past]).send().status
}

/// As a client does that is told to come again.
fn send_chunk_until_taken(node: &Server, url: &str, content: &[u8], number: usize) {
    wait_until("a chunk is taken", || {
        let status = send_chunk(node, url, content, number);
        assert!(status < 400 || status == 503, "{number}: {status}");
        status < 400
    });
}

#[test]
fn each_request_of_an_upload_may_go_to_another_node() {
    let nodes = Nodes::new();
    let [a, b] = nodes.pair();
    let whole = noise(1, 50_000);
    assert_eq!(a.send("PUT", &a.put_url("small"), &whole).status, 201);
    assert_eq!(b.send("GET", "/small", b"").body, whole);

    assert_eq!(a.send("PUT", &a.put_url("empty"), b"").status, 201);
    assert_eq!(b.send("GET", "/empty", b"").status, 200);

    let content = noise(2, 10 * CHUNK - 7);
    let url = a.put_url("large");
    for number in [3, 0, 9, 1, 7, 2, 8, 4, 6, 5] {
        let node = if number % 2 == 0 { &a } else { &b };
        let status = send_chunk(node, &url, &content, number);
        assert!(status < 300 || status == 308, "{number}: {status}");
        assert_eq!(send_chunk(&a, &url, &content, number) / 100, status / 100, "a repeat");
    }
    for node in [&a, &b] {
        assert_eq!(node.send("GET", "/large", b"").body, content);
    }
}

#[test]
fn every_chunk_to_both_nodes_at_once_makes_one_file() {
    let nodes = Nodes::new();
    let both = nodes.pair();
    let content = noise(3, 12 * CHUNK);
    let url = both[0].put_url("raced");
    let barrier = Barrier::new(24);
    std::thread::scope(|scope| {
        for number in 0..12 {
            for node in &both {
                let (url, content, barrier) = (&url, &content, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    // Whoever is outrun may be told to come again.
                    send_chunk_until_taken(node, url, content, number);
                });
            }
        }
    });
    for node in &both {
        assert_eq!(node.send("GET", "/raced", b"").body, content);
    }
    let list = nodes.command(&["files", "ls", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert!(list.to_string().matches("raced").count() >= 1, "{list}");
}

/// Its client has left, perhaps; or it was asked first and is slow.
#[test]
fn a_chunk_that_another_node_has_finished_with_is_not_refused_for_good() {
    let nodes = Nodes::new();
    let [a, b] = nodes.pair();
    let content = noise(5, 2 * CHUNK);
    let url = a.put_url("outrun");
    send_chunk_until_taken(&a, &url, &content, 0);
    let range = format!("bytes {CHUNK}-{}/{}", 2 * CHUNK - 1, 2 * CHUNK);
    let head = b.request("PUT", &url).undeclared().header("Content-Range", &range);
    let head = head.header("Expect", "100-continue").header("Content-Length", &CHUNK.to_string());
    let mut slow = Connection::open(b.delivery);
    slow.say(head.head());
    slow.is_told_to_go_on();
    slow.say(&content[CHUNK..CHUNK + 1_000]);
    send_chunk_until_taken(&a, &url, &content, 1);
    slow.say(&content[CHUNK + 1_000..]);
    assert_eq!(slow.answer().unwrap().kind(), "upload_interrupted");
    send_chunk_until_taken(&b, &url, &content, 1);
    assert_eq!(b.send("GET", "/outrun", b"").body, content);
}

#[test]
fn another_node_goes_on_with_what_a_killed_one_began() {
    let nodes = Nodes::new();
    let [a, b] = nodes.pair();
    let content = noise(4, 4 * CHUNK);
    let url = a.put_url("taken-over");
    for number in [0, 2] {
        send_chunk_until_taken(&a, &url, &content, number);
    }
    drop(a.kill());
    for number in [1, 3] {
        send_chunk_until_taken(&b, &url, &content, number);
    }
    assert_eq!(b.send("GET", "/taken-over", b"").body, content);
}

/// Orphans are looked for by one node for all; when it is gone, by another.
#[test]
fn nodes_take_turns_at_looking_for_orphans() {
    let nodes = Nodes::new();
    let first = nodes.start("a").run();
    assert_eq!(first.send("PUT", &first.put_url("x"), &noise(9, 70_000)).status, 201);
    let turn = || nodes.postgres("SELECT node FROM turns WHERE ends > now()");
    wait_until("the first node has the turn", || !turn().is_empty());
    let of_first = turn();
    wait_until("it has swept", || {
        let rest = "SELECT count(*) FROM turns WHERE ends > now() + interval '50 minutes'";
        nodes.postgres(rest) == "1"
    });
    let second = nodes.start("b").run();
    let lists = |node: &Server| {
        let metrics = node.api_request("GET", "/metrics").bearer(KEY).send();
        let metrics = String::from_utf8(metrics.body).unwrap();
        let of =
            |call: &str| metrics.lines().any(|line| line.contains(&format!("call=\"{call}\"")));
        (of("take_turn"), of("list"))
    };
    wait_until("the second node asks for the turn", || lists(&second).0);
    wait_until("the first one has looked", || lists(&first).1);
    assert!(!lists(&second).1, "it is not its turn");
    drop(first.kill());
    nodes.postgres("UPDATE turns SET ends = now() - interval '1 second'");
    let third = nodes.start("c").run();
    wait_until("the third node has looked", || lists(&third).1);
    assert_ne!(turn(), of_first);
}

#[test]
fn a_revoked_key_is_refused_everywhere_within_seconds() {
    let nodes = Nodes::new();
    let [a, b] = nodes.pair();
    for (round, node) in [(0, &a), (1, &b), (2, &a)] {
        let made = nodes.command(&["keys", "create", "--json"]);
        let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        let put = |node: &Server, number: u32| {
            let target = format!("/k{round}-{number}");
            node.request("PUT", &target).bearer(key).body(b"x").send().status
        };
        // Ten times as long for slow machines. That a node cannot tell, a 503, is neither.
        let wait = |node: &Server, wanted: &[u16]| {
            let begun = Instant::now();
            let mut number = 0;
            while !wanted.contains(&put(node, number)) {
                number += 1;
                assert!(begun.elapsed() < Duration::from_mins(1), "not in time: {wanted:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        let (taken, refused) = ([200, 201], [401, 403]);
        wait(&a, &taken);
        wait(&b, &taken);
        assert!(nodes.command(&["keys", "revoke", id]).status.success());
        wait(node, &refused);
        wait(if round == 1 { &a } else { &b }, &refused);
    }
}

#[test]
fn rules_set_through_two_nodes_at_once_are_all_kept() {
    let nodes = Nodes::new();
    let both = nodes.pair();
    let barrier = Barrier::new(17);
    // As a client does that is told to come again.
    let set = |node: &Server, number: usize| {
        let rule = serde_json::json!({ "prefix": format!("p{number}/"), "visibility": "private" });
        wait_until("a rule is taken", || {
            let answer = node.api_request("PUT", "/rules").bearer(KEY).json(&rule).send();
            assert!(matches!(answer.status, 200 | 503), "{}: {}", answer.json(), node.log());
            answer.status == 200
        });
    };
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (node, barrier) = (&both[number % 2], &barrier);
            scope.spawn(move || {
                barrier.wait();
                (0..4).for_each(|round| set(node, 4 * number + round));
            });
        }
        barrier.wait();
        // And a key, which the rules have nothing to do with.
        wait_until("a key is made", || nodes.command(&["keys", "create"]).status.success());
    });
    let list = both[0].api_request("GET", "/rules?limit=1").bearer(KEY).send();
    assert_eq!(list.json()["meta"]["total"], 65);
}

#[test]
fn nodes_that_start_at_once_set_one_project_up() {
    let nodes = Nodes::new();
    let barrier = Barrier::new(4);
    let started: Vec<Server> = std::thread::scope(|scope| {
        let starts = ["a", "b", "c", "d"].map(|name| {
            let (nodes, barrier) = (&nodes, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let node = nodes.start(name).run();
                assert_eq!(node.send("PUT", &node.put_url(name), b"x").status, 201);
                node
            })
        });
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let greeted = || started.iter().filter(|node| node.printed().contains("is set up")).count();
    wait_until("somebody tells of it", || greeted() > 0);
    assert_eq!(greeted(), 1);
    let projects = nodes.command(&["projects", "ls", "--json"]);
    let projects: serde_json::Value = serde_json::from_slice(&projects.stdout).unwrap();
    assert_eq!(projects.as_array().unwrap().len(), 1, "{projects}");
}

#[test]
fn a_shared_catalog_needs_the_master_key_that_it_was_begun_with() {
    let nodes = Nodes::new();
    drop(nodes.start("a").run());
    let (code, text) = nodes.start("a").variable("GATEPASS_MASTER_KEY_FILE", "").refuse();
    assert!(code == Some(1) && text.contains("--master-key-file"), "{code:?} {text}");
    std::fs::write(nodes.path().join("master.key"), master_key()).unwrap();
    let (code, text) = nodes.start("a").refuse();
    assert!(code == Some(1) && text.contains("master key"), "{code:?} {text}");
}

#[test]
fn the_password_is_printed_nowhere() {
    let nodes = Nodes::new();
    let node = nodes.start("a").variable("GATEPASS_LOG_LEVEL", "trace").run();
    node.send("PUT", &node.put_url("x"), b"x");
    let mut texts = vec![node.log(), node.printed()];
    for arguments in [&["config", "print"][..], &["config", "print", "--json"], &["doctor"]] {
        let output = nodes.command(arguments);
        texts.push(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
    }
    assert!(texts.iter().any(|text| text.contains(":***@127.0.0.1")), "it is shown without");
    let dead = "127.0.0.1:1";
    for url in [
        format!("postgres://u:{PASSWORD}@{dead}/d"),
        format!("postgres://u:{PASSWORD}@{dead}/d?what=ever"),
        format!("postgre://u:{PASSWORD}@{dead}/d"),
        format!("postgres://u:{PASSWORD}@/d"),
        format!("postgres://{dead}/d?password={PASSWORD}"),
    ] {
        let (code, text) = nodes.start("b").variable("GATEPASS_CATALOG", &url).refuse();
        assert_eq!(code, Some(1), "{text}");
        texts.push(text);
    }
    let leak = texts.iter().find(|text| text.contains(PASSWORD));
    assert_eq!(leak, None);
}

#[test]
fn without_its_catalog_a_node_says_come_again_and_recovers_by_itself() {
    let mut postgres = Postgres::start();
    let nodes = Nodes::at(postgres.url(&postgres.make_database()));
    let node = nodes.start("a").run();
    assert_eq!(node.send("PUT", &node.put_url("before"), b"x").status, 201);
    postgres.stop();
    let refused = node.send("PUT", &node.put_url("meanwhile"), b"x");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(node.send("GET", "/before", b"").status, 503);
    assert_eq!(node.api_request("GET", "/readyz").send().status, 503);
    postgres.resume();
    wait_until("it is ready again", || node.api_request("GET", "/readyz").send().status == 200);
    assert_eq!(node.send("GET", "/before", b"").body, b"x");
    assert_eq!(node.request("PUT", "/after").bearer(KEY).body(b"x").send().status, 201);
}
