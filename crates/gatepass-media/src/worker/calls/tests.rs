//! Each deed is done by a process of its own: this test again, told what to do by its environment.

use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};

use super::*;

const TOLD: &str = "GATEPASS_TEST_DEED";
/// What ends a process that makes a call it does not have.
const SIGSYS: i32 = libc::SIGSYS;

/// What a process does once it is confined.
fn deed(name: &str) {
    match name {
        "compute" => {
            let map: std::collections::HashMap<usize, Vec<u8>> =
                (0..200).map(|number| (number, vec![7; number * number * 10])).collect();
            let sum: usize = map.values().flatten().map(|byte| usize::from(*byte)).sum();
            let caught = std::panic::catch_unwind(|| assert!(sum == 0, "not at all"));
            std::process::exit(i32::from(caught.is_ok()));
        }
        "open" => drop(std::fs::File::open("/dev/null")),
        "connect" => drop(TcpStream::connect("127.0.0.1:9")),
        "run" => drop(Command::new("/bin/true").status()),
        "thread" => drop(std::thread::Builder::new().spawn(|| {})),
        "signal" => {
            let _ = rustix::process::kill_current_process_group(rustix::process::Signal::WINCH);
        }
        "limits" => {
            let _ = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        }
        "stderr" => {
            let _ = rustix::io::write(std::io::stderr(), b"x");
        }
        // Whatever else is open: the server lets nothing through, and nothing could be read.
        "another descriptor" => {
            let _ = rustix::io::read(std::io::stderr(), &mut [0_u8; 1]);
        }
        other => panic!("{other}?"),
    }
}

#[test]
fn child() {
    let Ok(told) = std::env::var(TOLD) else { return };
    // As a worker does, for what a panic prints takes more calls.
    std::panic::set_hook(Box::new(|_| {}));
    keep_only_what_is_needed().unwrap();
    deed(&told);
    // So far only those get that were let do what they must not.
    std::process::exit(0);
}

fn run(told: &str) -> ExitStatus {
    let test = "worker::calls::tests::child";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(TOLD, told);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
}

#[test]
fn a_worker_that_only_computes_lives() {
    assert_eq!(run("compute").code(), Some(0));
}

#[test]
fn any_other_call_ends_it() {
    let deeds =
        ["open", "connect", "run", "thread", "signal", "limits", "stderr", "another descriptor"];
    for told in deeds {
        assert_eq!(run(told).signal(), Some(SIGSYS), "{told}");
    }
}
