//! Many connections: the bounds on them, and what is left when descriptors run out.

use std::process::Command;

use super::connection::{Connection, assert_well, eventually, metric};
use crate::support::{Server, Start};

const GET: &str = "GET /a HTTP/1.1\r\nHost: gatepass.test\r\n\r\n";

/// Connections that each have had an answer and are idle now.
fn idle(server: &Server, count: usize) -> Vec<Connection> {
    let one = |_| {
        let mut connection = Connection::open(server.delivery);
        connection.say(GET);
        assert_eq!(connection.answer().unwrap().status, 404);
        connection
    };
    (0..count).map(one).collect()
}

/// Whether a new connection gets an answer.
fn is_served(server: &Server) -> bool {
    let Ok(mut connection) = Connection::try_open(server.delivery) else { return false };
    let _ = connection.try_say(GET);
    connection.answer().is_some()
}

/// Status that curl gets from another loopback address; `None` if it gets none.
fn from_another_address(server: &Server) -> Option<String> {
    let url = format!("http://{}/a", server.delivery);
    let output = Command::new("curl")
        .args(["--silent", "--interface", "127.0.0.2", "-o", "/dev/null", "-w", "%{http_code}"])
        .arg(url)
        .output()
        .unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn one_address_has_a_bound_of_its_own() {
    let server = Start::fresh().flag("--max-connections-per-address", "3").run();
    let mut open = idle(&server, 3);
    assert!(!is_served(&server));
    assert_eq!(from_another_address(&server).as_deref(), Some("404"));
    let refused =
        metric(&server, "gatepass_connections_refused_total{reason=\"connections_per_address\"}");
    assert!((refused - 1.0).abs() < 0.5, "{refused}");
    open.pop();
    eventually("the place is given back", || is_served(&server));
    for connection in &mut open {
        connection.say(GET);
        assert_eq!(connection.answer().unwrap().status, 404);
    }
}

#[test]
fn all_together_have_a_bound() {
    let server = Start::fresh().flag("--max-connections", "3").run();
    let open = idle(&server, 3);
    assert!(!is_served(&server));
    assert_eq!(from_another_address(&server), None);
    drop(open);
    eventually("the places are given back", || is_served(&server));
    eventually("from everywhere", || from_another_address(&server).as_deref() == Some("404"));
}

#[test]
fn two_hundred_idle_connections_hold_nobody_up() {
    let server = Server::start();
    let mut open = idle(&server, 200);
    assert_well(&server);
    for connection in open.iter_mut().rev() {
        connection.say(GET);
        assert_eq!(connection.answer().unwrap().status, 404);
    }
    drop(open);
    let left = || metric(&server, "gatepass_connections{listener=\"delivery\"}");
    eventually("closed connections are forgotten", || left() < 0.5);
}

#[test]
fn running_out_of_descriptors_passes() {
    // The store keeps its 256 folders open.
    let server = Start::fresh().after("ulimit -n 400").run();
    assert!(server.log().contains("few files may be open"), "{}", server.log());
    assert_well(&server);
    let flood: Vec<_> = (0..500).map(|_| Connection::open(server.delivery)).collect();
    eventually("no descriptor is left", || server.log().contains("cannot accept connections"));
    drop(flood);
    eventually("it serves again", || is_served(&server));
    assert_well(&server);
    assert_eq!(server.terminate().0, Some(0));
}
