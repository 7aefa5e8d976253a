//! Media facts: found by the real binary in files that real programs made.

mod agreement;
mod answers;
mod hostile;

use std::time::Duration;

use serde_json::Value;

use crate::support::Server;

/// Uploads a file whole; the File object.
fn put_once(server: &Server, name: &str, bytes: &[u8]) -> Value {
    let answer = server.send("PUT", &server.put_url(name), bytes);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(matches!(answer.status, 200 | 201), "{name}: {} {text}", answer.status);
    answer.file()
}

/// The same of one whose facts are wanted.
fn put(server: &Server, name: &str, bytes: &[u8]) -> Value {
    with_facts(server, || put_once(server, name, bytes))
}

/// An upload waits two seconds for its facts, which is not enough on a machine that stands still as
/// long: if that is why they are missing, it is done again, a few times.
fn with_facts(server: &Server, mut upload: impl FnMut() -> Value) -> Value {
    let late = || server.log().matches("media facts are missing: it took too long").count();
    for _ in 0..4 {
        let before = late();
        let file = upload();
        if file.get("width").is_none() && file.get("codec").is_none() {
            // The log comes through a pipe.
            std::thread::sleep(Duration::from_millis(100));
        }
        if late() == before {
            return file;
        }
    }
    upload()
}

/// Its worker processes.
fn workers(server: &Server) -> Vec<u32> {
    let children = format!("/proc/{0}/task", server.pid());
    let tasks = std::fs::read_dir(children).unwrap().filter_map(Result::ok);
    let lists = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect()
}
