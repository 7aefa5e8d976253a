//! Mounts that nobody else sees and that go with the process.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Set in the process that has a mount name space of its own.
const INSIDE: &str = "GATEPASS_TEST_MOUNTS";

/// Runs a test, of which this is the name, again where a small disk is mounted at its directory.
pub(crate) fn on_a_disk(test: &str, size: &str, check: impl FnOnce(&Path)) {
    if std::env::var_os(INSIDE).is_some() {
        return mounted(size, check);
    }
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|s| s.success()) {
        return not_run(test, "needs root and unshare");
    }
    let output = Command::new("unshare")
        .arg("-m")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("!! not run") {
        return not_run(test, "tmpfs cannot be mounted");
    }
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}{errors}");
}

/// Says it past the harness, which shows nothing of tests that pass; in CI it is a failure.
fn not_run(test: &str, reason: &str) {
    let line = format!("!! not run: {test}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "not run: {test}: {reason}");
}

fn mounted(size: &str, check: impl FnOnce(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    let options = format!("size={size}");
    if !mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], directory.path()) {
        return not_run("inside", "tmpfs cannot be mounted");
    }
    check(directory.path());
    let unmounted = Command::new("umount").arg(directory.path()).status().unwrap();
    assert!(unmounted.success(), "a file is still open");
}

/// From now on nothing on the disk can be changed.
pub(crate) fn make_read_only(directory: &Path) {
    assert!(mount(&["-o", "remount,ro"], directory));
}

fn mount(arguments: &[&str], directory: &Path) -> bool {
    let status = Command::new("mount").args(arguments).arg(directory).status();
    status.is_ok_and(|status| status.success())
}
