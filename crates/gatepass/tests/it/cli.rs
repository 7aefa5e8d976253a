//! The command line, as people and scripts use it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{KEY, Server, Start, gatepass, gatepass_at, noise, now, signed_raw};
use crate::transport::connection::eventually;

/// A command that knows the server's key and address.
fn client(server: &Server) -> Command {
    let mut command = gatepass();
    command.env("GATEPASS_API_KEY", KEY);
    command.env("GATEPASS_PUBLIC_URL", format!("http://{}", server.delivery));
    command.env("XDG_STATE_HOME", server.data.join("state"));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it prints if it succeeds.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What it says if it fails.
fn fail(command: &mut Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success(), "{command:?}: {}", text(&output.stdout));
    (output.status.code(), text(&output.stderr))
}

fn json(command: &mut Command) -> Value {
    let printed = run(command.arg("--json"));
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[test]
fn it_signs_as_everybody_else_does() {
    let sign = |arguments: &[&str]| {
        let mut command = gatepass();
        command.env("GATEPASS_API_KEY", "ittybit_test_key");
        run(command.arg("sign").args(arguments).args(["--public-url", "https://h.example"]))
    };
    for (arguments, query) in [
        (
            &["put", "image.png", "--expires", "1765432100"][..],
            "/image.png?expiry=1765432100&method=put&signature=yE1U0o_JlwyxRC3KJ5cNdny-cC_ovK3WlD_c1PWQSoc",
        ),
        (
            &["get", "private/image.png", "--expires", "1735689600"],
            "/private/image.png?expiry=1735689600&method=get&signature=zyXLn7Dz9dK0xtEPyKH3VLig3mBTUva8bYiac3pcGb8",
        ),
    ] {
        assert_eq!(sign(arguments).trim(), format!("https://h.example{query}"));
    }
    let full = sign(&[
        "put",
        "a b.png",
        "--expires",
        "1765432100",
        "--max-size",
        "10MB",
        "--type",
        "image/*,text/plain",
        "--create-only",
        "--ref",
        "r 1",
        "--meta",
        "k=v",
    ]);
    assert!(
        full.starts_with(
            "https://h.example/a%20b.png?expiry=1765432100&method=put&max_size=10000000&meta.k=v\
         &overwrite=false&ref=r%201&type=image/*,text/plain&signature="
        ),
        "{full}"
    );
    let mut command = gatepass();
    command.env("GATEPASS_API_KEY", KEY).args(["sign", "put"]);
    let (code, said) = fail(command.arg("a//b"));
    assert!(code == Some(1) && said.contains("cannot be signed"), "{said}");
    let (_, said) = fail(gatepass().args(["sign", "put", "a"]));
    assert!(said.contains("GATEPASS_API_KEY"), "{said}");
    // Seconds, as other signers take them, would be a URL that ended in 1970.
    let mut command = gatepass();
    command.env("GATEPASS_API_KEY", KEY).args(["sign", "put", "a", "--expires", "600"]);
    assert!(fail(&mut command).1.contains("600s"));
    // Each takes what has a meaning for it.
    for [action, option] in
        [["get", "--size=1"], ["delete", "--create-only"], ["put", "--download"]]
    {
        let (code, said) = fail(gatepass().args(["sign", action, "a", option]));
        assert!(code == Some(2) && said.contains("unexpected argument"), "{said}");
    }
}

#[test]
fn files_go_up_and_come_down() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let jpeg = [&b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"[..], &noise(1, 30_000)]
        .concat();
    let pdf = [&b"%PDF-1.7\n"[..], &noise(2, 30_000)].concat();
    for (name, content, kind) in [
        ("photo.jpg", jpeg, "image/jpeg"),
        ("paper.pdf", pdf, "application/pdf"),
        ("empty", Vec::new(), ""),
        ("20mb.bin", noise(3, 20_000_000), "application/octet-stream"),
    ] {
        std::fs::write(at(name), &content).unwrap();
        let put = json(client(&server).arg("put").arg(at(name)).arg(format!("up/{name}")));
        assert_eq!(put["file"]["filesize"], content.len(), "{name}");
        assert!(put["receipt"].is_string());
        if !kind.is_empty() {
            assert_eq!(put["file"]["type"], kind);
        }
        let down = at("down");
        run(client(&server).arg("get").arg(format!("up/{name}")).arg("-o").arg(&down));
        assert!(std::fs::read(&down).unwrap() == content, "{name} came back different");
        let url = run(client(&server).args(["sign", "get", &format!("up/{name}")]));
        let mut shown = client(&server);
        let shown = shown.args(["get", url.trim(), "-o", "-"]).output().unwrap();
        assert!(shown.stdout == content && shown.status.success(), "{}", text(&shown.stderr));
    }
    let mut from_stdin = client(&server);
    let from_stdin = from_stdin.args(["put", "-", "stdin.txt"]).stdin(Stdio::piped());
    let mut child = from_stdin.stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"hello").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(server.send("GET", "/stdin.txt", b"").body, b"hello");

    let (code, said) = fail(client(&server).args(["put", "/nonexistent", "a"]));
    let missing = "gatepass: not uploaded: /nonexistent: No such file or directory (os error 2)\n";
    assert_eq!((code, said.as_str()), (Some(1), missing));
    let url = format!("http://{}{}", server.delivery, signed_raw("a", "expiry=1&method=put"));
    let (_, said) = fail(client(&server).arg("put").arg(at("empty")).arg(&url));
    assert!(said.contains("url_expired") && !said.contains("signature="), "{said}");
    let (_, said) = fail(client(&server).args(["get", "nothing", "-o", "-"]));
    assert!(said.contains("file_not_found"), "{said}");
    let (_, said) = fail(client(&server).args(["get", "nothing", "-o", "-", "--json"]));
    let error: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(error["error"]["kind"], "file_not_found");
    assert_eq!(error["error"]["status"], 404);
    assert!(error["error"]["request_id"].as_str().unwrap().starts_with("req_"));
    let (_, said) = fail(client(&server).args(["get", "http://127.0.0.1:1/a", "-o", "-"]));
    assert!(said.contains("cannot reach 127.0.0.1:1:"), "{said}");

    // In a folder a file keeps its name, and nothing here is replaced by accident.
    let put = json(client(&server).arg("put").arg(at("paper.pdf")).arg("folder/"));
    assert_eq!(
        (&put["file"]["folder"], &put["file"]["filename"]),
        (&"folder".into(), &"paper.pdf".into())
    );
    let get = |arguments: &[&str]| {
        let mut command = client(&server);
        command.current_dir(directory.path()).args(["get", "stdin.txt"]).args(arguments);
        command
    };
    std::fs::write(at("stdin.txt"), b"mine").unwrap();
    let (_, said) = fail(&mut get(&[]));
    assert!(said.contains("stdin.txt is there already"), "{said}");
    assert_eq!(std::fs::read(at("stdin.txt")).unwrap(), b"mine");
    run(&mut get(&["--output", "stdin.txt"]));
    assert_eq!(std::fs::read(at("stdin.txt")).unwrap(), b"hello");
}

#[test]
fn a_large_file_goes_up_in_chunks_and_goes_on_after_an_interruption() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large.bin");
    let content = noise(4, 120_000_000);
    std::fs::write(&file, &content).unwrap();
    let mut command = client(&server);
    command.arg("put").arg(&file).args(["large.bin", "--chunk-size", "1MiB", "--connections", "2"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let received = || {
        let uploads = server.api_request("GET", "/uploads").bearer(KEY).send().json();
        uploads["data"][0]["received"].as_u64().unwrap_or(0)
    };
    let deadline = Instant::now() + Duration::from_secs(90);
    while received() < 10 << 20 {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output: Output = child.wait_with_output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("To go on") && said.contains("?upload=upl_"), "{said}");
    let before = received();
    assert!((10 << 20..120_000_000).contains(&before));

    // Another one dies without a word; the same command goes on, from the note it left.
    let mut killed = client(&server);
    killed.arg("put").arg(&file).args(["large.bin", "--chunk-size", "1MiB"]);
    let mut child = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while received() < before + (5 << 20) && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = json(client(&server).arg("put").arg(&file).arg("large.bin"));
    assert_eq!(done["file"]["filesize"], 120_000_000);
    assert!(server.send("GET", "/large.bin", b"").body == content);
    assert_eq!(server.blobs(), 1, "it was one upload all the time");
    assert_eq!(std::fs::read_dir(server.data.join("state/gatepass")).unwrap().count(), 0);
}

/// The server names uploads by its public address, which need not be reachable from everywhere.
#[test]
fn an_upload_goes_on_at_the_address_it_began_at() {
    let server = Start::fresh().flag("--public-url", "https://files.invalid").run();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large.bin");
    std::fs::write(&file, noise(5, 120_000_000)).unwrap();
    let put = || {
        let mut command = client(&server);
        command.arg("put").arg(&file).args(["large.bin", "--chunk-size", "1MiB"]);
        command
    };
    let mut child = put().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let notes = server.data.join("state/gatepass");
    let is_noted = || std::fs::read_dir(&notes).is_ok_and(|entries| entries.count() > 0);
    eventually("the upload is noted", is_noted);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_noted(), "it was over before it could be killed");
    assert_eq!(json(&mut put())["file"]["filesize"], 120_000_000);
    assert_eq!(server.blobs(), 1, "it was one upload all the time");
}

#[test]
fn unfinished_uploads_are_listed_and_given_up() {
    let server = Server::start();
    let chunk = server.request("PUT", &server.put_url("u")).header("Content-Range", "bytes 0-4/10");
    assert_eq!(chunk.body(b"hello").send().status, 202);
    let uploads = |arguments: &[&str]| {
        let mut command = gatepass_at(&server.data);
        command.arg("uploads").args(arguments).arg("--data").arg(&server.data);
        command
    };
    assert!(run(&mut uploads(&["ls"])).contains("1 of 1"));
    let listed = json(&mut uploads(&["ls"]));
    let id = listed["uploads"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(json(&mut uploads(&["rm", &id]))["status"], "aborted");
    assert_eq!(json(&mut uploads(&["ls"]))["total"], 0);
    let (code, said) = fail(&mut uploads(&["rm", "upl_x"]));
    assert!(code == Some(1) && said.contains("26 characters"), "{said}");
}

#[test]
fn check_tells_which_rule_refuses() {
    let server = Server::start();
    let url = |target: String| format!("http://{}{target}", server.delivery);
    let check = |url: &str| {
        let mut command = client(&server);
        let output = command.args(["check", url, "--json"]).output().unwrap();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let soon = now() + 600;
    let good = url(signed_raw("a", &format!("expiry={soon}&method=put")));
    let (code, verdict) = check(&good);
    assert_eq!((code, &verdict["accepted"]), (Some(0), &Value::Bool(true)));
    assert_eq!(verdict["strings_to_sign"][0], format!("a?expiry={soon}&method=put"));
    let skew = verdict["server_clock_ahead_seconds"].as_i64().unwrap();
    assert!(skew.abs() <= 2, "{skew}");
    for (url, word) in [
        (url(signed_raw("a", "expiry=1&method=put")), "expired"),
        (format!("{good}x"), "32 bytes"),
        (good.replace("/a?", "/b?"), "signature"),
        (good.replace("method=put", "method=get"), "signature"),
        (url(signed_raw("a", &format!("expiry={soon}&x=1"))), "none of ours"),
        (url(signed_raw("a", &format!("expiry={soon}&expiry={soon}"))), "twice"),
        (url(signed_raw("a", &format!("expiry={soon}&max_size=1MB"))), "max_size"),
        (url(signed_raw("a//b", &format!("expiry={soon}"))), "segment"),
    ] {
        let (code, verdict) = check(&url);
        assert_eq!(code, Some(1), "{url}");
        let reason = verdict["reason"].as_str().unwrap().to_lowercase();
        assert!(reason.contains(word), "{url}: {reason}");
        assert!(verdict["advice"].is_string());
    }
    let shown = gatepass().env("GATEPASS_API_KEY", KEY).args(["check", &good]).output().unwrap();
    assert!(text(&shown.stdout).contains("accepted"), "{}", text(&shown.stdout));
}

/// What the server goes by counts, where it is at hand; and whoever has signed is named.
#[test]
fn check_goes_by_the_keys_that_the_server_has() {
    let server = Server::start();
    let of_data = |arguments: &[&str]| {
        let mut command = gatepass_at(&server.data);
        command.args(arguments).arg("--data").arg(&server.data);
        command
    };
    let make = |more: &[&str]| json(of_data(&["keys", "create"]).args(more));
    let (app, folder) = (make(&["--name", "app"]), make(&["--prefix", "a/"]));
    let sign = |key: &str, path: &str| {
        let mut command = client(&server);
        run(command.env("GATEPASS_API_KEY", key).args(["sign", "put", path]))
    };
    let key = |made: &Value| made["key"].as_str().unwrap().to_owned();
    let check = |url: &str| {
        let mut command = of_data(&["check", url.trim(), "--json"]);
        let output = command.env("GATEPASS_API_KEY", KEY).output().unwrap();
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        let accepted = server.send("PUT", url.trim(), b"x").status < 300;
        (verdict["accepted"].as_bool().unwrap(), accepted, verdict["reason"].to_string())
    };
    let url = sign(&key(&app), "a/b");
    eventually("the keys are noticed", || server.send("PUT", url.trim(), b"x").status < 300);
    let (said, is_so, why) = check(&url);
    assert!(said && is_so, "{why}");
    let (said, is_so, why) = check(&sign(&key(&folder), "b"));
    assert!(!said && !is_so && why.contains("permission"), "{why}");
    let unknown = "gp_live_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    let (said, is_so, why) = check(&sign(unknown, "a"));
    assert!(!said && !is_so && why.contains("signature"), "{why}");

    let url = sign(&key(&app), "a/c");
    let id = app["id"].as_str().unwrap();
    run(&mut of_data(&["keys", "revoke", id]));
    eventually("the key is refused", || server.send("PUT", url.trim(), b"x").status == 403);
    let (said, is_so, why) = check(&url);
    assert!(!said && !is_so && why.contains(id) && why.contains("revoked"), "{why}");
    let (_, said) = fail(&mut of_data(&["keys", "pause", "app"]));
    assert!(said.contains("gatepass keys ls"), "{said}");
}

#[test]
fn a_key_that_the_data_directory_does_not_have_is_noticed() {
    let other = "gp_live_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    let (_, data) = Server::start().terminate();
    let doctor = |key: &str| {
        let mut command = gatepass_at(&data.path);
        command.args(["doctor", "--json", "--data"]).arg(&data.path);
        let output = command.env("GATEPASS_API_KEY", key).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let state = |report: &Value, check: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|it| it["check"] == check).unwrap()["state"].clone()
    };
    let report = doctor(KEY);
    assert_eq!(
        (&report["healthy"], state(&report, "key of the environment")),
        (&true.into(), "ok".into())
    );
    assert_eq!(state(&report, "server"), "note");
    let report = doctor(other);
    assert_eq!(
        (&report["healthy"], state(&report, "key of the environment")),
        (&false.into(), "wrong".into())
    );
    let server = Start::at(&data.path).variable("GATEPASS_API_KEY", other).run();
    eventually("it says so", || server.log().contains("keys create --import-file"));
}

#[test]
fn an_installation_is_looked_after() {
    let server = Server::start();
    server.send("PUT", &server.put_url("a/b"), b"x");
    server.send("PUT", &server.put_url("c"), b"x");
    let of_data = |arguments: &[&str]| {
        let mut command = gatepass_at(&server.data);
        command.args(arguments).arg("--data").arg(&server.data);
        command
    };
    let files = json(&mut of_data(&["files", "ls", "a/"]));
    assert_eq!((files["total"].as_u64(), &files["files"][0]["path"]), (Some(1), &"a/b".into()));
    assert!(run(&mut of_data(&["files", "ls"])).contains("2 of 2"));
    let projects = json(&mut of_data(&["projects", "ls"]));
    assert_eq!(projects.as_array().unwrap().len(), 1);
    json(&mut of_data(&["projects", "create", "Shop"]));
    json(&mut of_data(&["domains", "add", "shop.example", "--project", "Shop"]));
    assert!(run(&mut of_data(&["domains", "ls"])).contains("shop.example"));
    json(&mut of_data(&["domains", "rm", "shop.example"]));
    let made = json(&mut of_data(&["keys", "create", "--name", "backend", "--project", "Shop"]));
    assert!(made["key"].as_str().unwrap().starts_with("gp_live_"));
    let keys = run(&mut of_data(&["keys", "ls", "--project", "Shop"]));
    assert!(keys.contains("backend") && !keys.contains(made["key"].as_str().unwrap()), "{keys}");
    assert_eq!(json(&mut of_data(&["doctor"]))["healthy"], true);
    let (code, said) = fail(gatepass().args(["files", "ls", "--data", "/nonexistent"]));
    assert!(code == Some(1) && said.contains("gatepass serve"), "{said}");
    assert_eq!(fail(gatepass().args(["files", "lss"])).0, Some(2));
    assert_eq!(fail(gatepass().args(["put", "--nonsense"])).0, Some(2));
}

#[test]
fn files_are_looked_after() {
    let server = Server::start();
    let photo = [&b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"[..], &noise(1, 3_000)];
    for path in ["a/b", "a/c d", "e"] {
        server.send("PUT", &server.put_url(path), &photo.concat());
    }
    let files = |arguments: &[&str]| {
        let mut command = gatepass_at(&server.data);
        command.arg("files").args(arguments).arg("--data").arg(&server.data);
        command
    };
    let shown = run(&mut files(&["info", "a/c d"]));
    for part in ["a/c d", "image/jpeg", "3020 bytes", "etag", "/a/c%20d"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let info = json(&mut files(&["info", "a/b"]));
    let id = info["id"].as_str().unwrap().to_owned();
    assert_eq!(json(&mut files(&["info", &id]))["path"], "a/b");
    assert_eq!(run(&mut files(&["mv", "a/b", "x/"])), "a/b -> x/b\n");
    assert_eq!(json(&mut files(&["mv", &id, "y/My photo?.jpg"]))["path"], "y/My-photo.jpg");
    let page = run(&mut files(&["ls", "--limit", "2"]));
    assert!(page.contains("2 of 3") && page.contains("--page 2"), "{page}");
    assert!(run(&mut files(&["ls", "--limit", "2", "--page", "2"])).contains("1 of 3"));
    let (code, said) = fail(&mut files(&["mv", "e", "y/My-photo.jpg"]));
    assert!(code == Some(1) && said.contains("is at \"y/My-photo.jpg\" already"), "{said}");
    let (_, said) = fail(&mut files(&["mv", "e", "???"]));
    assert!(said.contains("nothing is left of the filename"), "{said}");
    let nothing = "`gatepass files ls` shows";
    for command in [["info", "b"], ["rm", "b"], ["info", "file_0"]] {
        let (code, said) = fail(&mut files(&command));
        assert!(code == Some(1) && said.contains(nothing), "{said}");
    }
    // All are looked for before any is deleted.
    fail(&mut files(&["rm", "e", "b"]));
    assert_eq!(json(&mut files(&["ls"]))["total"], 3);
    let gone = json(&mut files(&["rm", "e", "e", &id]));
    assert_eq!(gone["deleted"].as_array().unwrap().len(), 2);
    assert_eq!(run(&mut files(&["rm", "a/c d"])), "deleted a/c d\n");
    assert_eq!(json(&mut files(&["ls"]))["total"], 0);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("up");
    std::fs::write(&file, b"hello").unwrap();
    run(client(&server).args(["files", "put"]).arg(&file).arg("up"));
    let down = run(client(&server).args(["files", "get", "up", "-o", "-"]));
    assert_eq!(down, "hello");
}

#[test]
fn what_was_deleted_is_swept_by_hand() {
    let server = Server::start();
    let content = noise(5, 400_000);
    for path in ["kept", "deleted"] {
        server.send("PUT", &server.put_url(path), &content);
    }
    run(gatepass_at(&server.data).args(["files", "rm", "deleted", "--data"]).arg(&server.data));
    let gc = |keep: &str| {
        let mut command = gatepass_at(&server.data);
        command.env("GATEPASS_KEEP_DELETED", keep).args(["gc", "--data"]).arg(&server.data);
        json(&mut command)
    };
    assert_eq!(gc("10m")["retired_blobs"], 0);
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(gc("1ms")["retired_blobs"], 1);
    assert_eq!(
        gc("1ms"),
        serde_json::json!({
            "expired_uploads": 0, "retired_blobs": 0, "orphans": 0, "orphan_bytes": 0,
        })
    );
    assert_eq!(server.send("GET", "/kept", b"").body, content);
}

#[test]
fn every_command_has_help_and_shells_complete_it() {
    let commands = help_of(&[]);
    assert!(commands.len() >= 12, "{commands:?}");
    for command in &commands {
        for sub in help_of(&[command]) {
            help_of(&[command, &sub]);
        }
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(run(gatepass().args(["completions", shell])).contains("gatepass"), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("completion");
    std::fs::write(&script, run(gatepass().args(["completions", "bash"]))).unwrap();
    let sourced = Command::new("bash").arg("-c").arg("source \"$0\"").arg(&script).status();
    assert!(sourced.unwrap().success());
}

/// The subcommands that the help names.
fn help_of(command: &[&str]) -> Vec<String> {
    let printed = run(gatepass().args(command).arg("--help"));
    assert!(printed.contains("Usage: gatepass"), "{printed}");
    let Some((_, commands)) = printed.split_once("Commands:\n") else { return Vec::new() };
    let lines = commands.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn settings_are_shown_with_their_sources() {
    let mut print = gatepass();
    let printed = json(
        print
            .args(["config", "print", "--listen", "127.0.0.1:1"])
            .env("GATEPASS_LOG_LEVEL", "warn"),
    );
    assert_eq!(printed["listen"]["value"], "127.0.0.1:1");
    assert!(printed["listen"]["source"].as_str().unwrap().contains("flag"));
    assert!(printed["log_level"]["source"].as_str().unwrap().contains("GATEPASS_LOG_LEVEL"));
    assert!(printed["data"]["source"].as_str().unwrap().contains("default"));
    let page = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md"),
    );
    for name in printed.as_object().unwrap().keys() {
        assert!(page.as_ref().unwrap().contains(&format!("| `{name}` |")), "{name}");
    }
}
