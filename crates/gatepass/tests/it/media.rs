//! Media facts: found by the real binary in files that real programs made.

mod agreement;
mod answers;
mod hostile;

use serde_json::Value;

use crate::support::Server;

/// Uploads a file whole; the File object.
fn put(server: &Server, name: &str, bytes: &[u8]) -> Value {
    let answer = server.send("PUT", &server.put_url(name), bytes);
    assert_eq!(answer.status, 201, "{name}: {}", String::from_utf8_lossy(&answer.body));
    answer.file()
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
