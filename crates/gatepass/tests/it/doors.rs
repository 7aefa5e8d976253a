//! Who is let in: the rows A1 to A22 of the catalogue of threats, through real requests.

use gatepass_sign::{Action, Policy};

use crate::support::{KEY, Server, Start, gatepass_at, now, sign_raw, signed_raw};

const FAR: &str = "4102444800";

/// A refused request changes nothing: no blob, no file.
fn refuse(server: &Server, method: &str, url: &str, status: u16, kind: &str) {
    let blobs = server.blobs();
    let answer = server.send(method, url, b"attack");
    assert_eq!((answer.status, &*answer.kind()), (status, kind), "{method} {url}");
    assert_eq!(server.blobs(), blobs, "{method} {url} left something");
}

#[test]
fn a1_a2_a3_names_cannot_smuggle_in_a_query() {
    let server = Server::start();
    // A naive signer signed a name that carries its own query.
    let name = "secret.pdf?expiry=9999999999&method=put&x=";
    let signature = sign_raw(KEY, name, &format!("expiry={FAR}&method=get"));
    let url = format!("/{name}?expiry={FAR}&method=get&signature={signature}");
    refuse(&server, "PUT", &url, 403, "signature_invalid");
    refuse(&server, "GET", &url, 403, "signature_invalid");
    let hidden = signed_raw("secret.pdf%3Fexpiry=9999999999&method=put", "expiry=1&method=get");
    refuse(&server, "PUT", &hidden, 400, "path_invalid");
    let fragment = signed_raw("a%23b.png", &format!("expiry={FAR}&method=put"));
    refuse(&server, "PUT", &fragment, 400, "path_invalid");
}

#[test]
fn a4_a_blank_has_two_spellings_and_one_object() {
    let server = Server::start();
    let query = format!("expiry={FAR}&method=put");
    for signed_as in ["a b.png", "a%20b.png"] {
        let signature = sign_raw(KEY, signed_as, &query);
        let url = format!("/a%20b.png?{query}&signature={signature}");
        let put = server.send("PUT", &url, b"x");
        assert!(put.status < 300, "signed as {signed_as}");
        assert_eq!(put.file()["filename"], "a b.png");
    }
    refuse(&server, "PUT", &signed_raw("a%2520b.png", &query), 400, "path_invalid");
}

#[test]
fn a5_paths_that_could_be_read_in_two_ways_are_refused() {
    let server = Server::start();
    for path in [
        "x/../y",
        "%2e%2e/y",
        "a//b",
        "a%2Fb",
        "a%2fb",
        "a%5Cb",
        "a\\b",
        "a%00b",
        "a%zz",
        "a%",
        "a/.",
        "a/%2e/b",
        "a%0ab",
        "a%ff",
        "a/",
        ".well-known/x",
        "",
    ] {
        let url = signed_raw(path, &format!("expiry={FAR}&method=put"));
        refuse(&server, "PUT", &url, 400, "path_invalid");
    }
    let long = "a".repeat(256);
    let url = signed_raw(&long, &format!("expiry={FAR}&method=put"));
    refuse(&server, "PUT", &url, 400, "path_invalid");
}

#[test]
fn a6_unicode_forms_are_different_objects() {
    let server = Server::start();
    for (path, content) in [("%C3%A9.png", b"one"), ("e%CC%81.png", b"two")] {
        let url = signed_raw(path, &format!("expiry={FAR}&method=put"));
        assert_eq!(server.send("PUT", &url, content).status, 201);
    }
    assert_eq!(server.send("GET", "/%C3%A9.png", b"").body, b"one");
    assert_eq!(server.send("GET", "/e%CC%81.png", b"").body, b"two");
}

#[test]
fn a7_a12_queries_follow_a_strict_grammar() {
    let server = Server::start();
    for query in [
        "expiry=1&expiry=4102444800&method=put",
        "expiry=4102444800&Method=put",
        "expiry[]=4102444800&method=put",
        "expiry=4102444800;method=put",
        "method=put",
        "expiry=0&method=put",
        "expiry=-1&method=put",
        "expiry=+1&method=put",
        "expiry=1e12&method=put",
        "expiry=0x7f&method=put",
        "expiry=1765432100000&method=put",
        "expiry=9223372036854775808&method=put",
        "expiry=4102444800.5&method=put",
        "expiry=%204102444800&method=put",
        "expiry=%EF%BC%91&method=put",
        "expiry=4102444800&method=put&x=1",
        "expiry=4102444800&method=put&",
    ] {
        refuse(&server, "PUT", &signed_raw("a", query), 403, "signature_invalid");
    }
    for query in ["expiry=4102444800&method=PUT", "expiry=4102444800&method=put&max_size=1MB"] {
        refuse(&server, "PUT", &signed_raw("a", query), 400, "signature_malformed");
    }
    let good = signed_raw("a", &format!("expiry={FAR}&method=put"));
    refuse(&server, "PUT", &format!("{good}&expiry=9999999999"), 403, "signature_invalid");
    assert_eq!(server.send("PUT", &format!("{good}&partNumber=1"), b"x").status, 201);
}

#[test]
fn a8_a9_a_signature_has_one_spelling() {
    let server = Server::start();
    let good = signed_raw("a", &format!("expiry={FAR}&method=put"));
    let (front, signature) = good.split_at(good.len() - 43);
    let last = signature.chars().last().unwrap();
    for other in ('A'..='Z').chain('a'..='z').chain('0'..='9').filter(|c| *c != last) {
        let url = format!("{front}{}{other}", &signature[..42]);
        refuse(&server, "PUT", &url, 403, "signature_invalid");
    }
    for wrong in [
        "",
        "A",
        &signature[..42],
        &signature.to_lowercase(),
        &format!("{signature}=="),
        &format!("{signature}A"),
        &"A".repeat(10_000),
    ] {
        refuse(&server, "PUT", &format!("{front}{wrong}"), 403, "signature_invalid");
    }
    assert_eq!(server.send("PUT", &format!("{good}="), b"x").status, 201);
    assert_eq!(server.send("PUT", &format!("{good}%3D"), b"x").status, 200);
}

/// As a form does it, or somebody who asks the wrong one of two addresses.
#[test]
fn whoever_posts_a_file_is_told_what_to_do() {
    let server = Server::start();
    let posted = server.request("POST", "/signatures").bearer(KEY).json(&serde_json::json!({}));
    for answer in [posted.send(), server.send("POST", &server.put_url("a"), b"x")] {
        let error = answer.json()["error"].clone();
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("PUT")), "{error}");
    }
}

#[test]
fn why_a_signature_does_not_match_is_not_told_but_what_to_look_at_is() {
    let server = Server::start();
    let good = signed_raw("a", &format!("expiry={FAR}&method=put"));
    let unknown_key = signed_raw("a", &format!("expiry={FAR}&kid=key_unknown&method=put"));
    let unknown_parameter = signed_raw("a", &format!("expiry={FAR}&method=put&x=1"));
    let errors = [good.replace("/a?", "/b?"), format!("{good}x"), unknown_key, unknown_parameter]
        .map(|url| server.send("PUT", &url, b"x").json()["error"].clone());
    assert!(errors[0]["hint"].as_str().unwrap().contains("gatepass check"), "{}", errors[0]);
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
}

#[test]
fn a11_a15_a16_a17_every_method_is_allowed_what_was_signed() {
    let server = Server::start();
    server.send("PUT", &server.put_url("private/a"), b"mine");
    let url = |action: &str| {
        let method = if action.is_empty() { String::new() } else { format!("&method={action}") };
        signed_raw("private/a", &format!("expiry={FAR}{method}"))
    };
    // Refused by the rule, by the route, or about an upload that is not there.
    let rule = "policy_violation";
    let (allow, gone) = ("method_not_allowed", "upload_not_found");
    for (action, method, status, kind) in [
        ("get", "GET", 200, ""),
        ("get", "PUT", 403, rule),
        ("get", "POST", 403, rule),
        ("get", "PATCH", 403, rule),
        ("get", "DELETE", 403, rule),
        ("put", "GET", 403, rule),
        ("put", "POST", 405, allow),
        ("put", "PATCH", 405, allow),
        ("put", "DELETE", 404, gone),
        ("", "GET", 403, rule),
        ("", "POST", 405, allow),
        ("", "DELETE", 404, gone),
        ("delete", "GET", 403, rule),
        ("delete", "PUT", 403, rule),
        ("delete", "POST", 403, rule),
        ("get", "TRACE", 405, allow),
        ("put", "CONNECTED", 405, allow),
    ] {
        let answer = server.send(method, &url(action), b"");
        assert_eq!((answer.status, &*answer.kind()), (status, kind), "{action} {method}");
    }
    // What an early draft of the method decides cannot be changed afterwards.
    let post = server.request("POST", &url("get")).header("X-HTTP-Method-Override", "DELETE");
    assert_eq!(post.send().kind(), rule);
    assert_eq!(server.send("HEAD", &url("get"), b"").status, 200);
    assert_eq!(server.send("HEAD", &url("put"), b"").status, 404);
    let got = server.send("GET", &url("get"), b"");
    assert_eq!(got.body, b"mine", "nothing of this changed the file");
    for bad in ["", "Bearer", "Bearer wrong", "Basic eDp5"] {
        let answer = server.request("GET", "/private/a").header("Authorization", bad).send();
        assert_eq!(answer.status, 401, "{bad}");
    }
    // A good key does not make up for a bad signature.
    let both = server.request("GET", &format!("{}x", url("get"))).bearer(KEY).send();
    assert_eq!(both.kind(), "signature_invalid");
}

#[test]
fn a13_a14_time_has_a_leeway_on_the_past_side_only() {
    let server = Server::start();
    let url = |expiry: u64| server.signed("a", &Policy::new(Action::Put, expiry));
    // A machine that stands still for seconds lets it pass meanwhile: then it is signed anew.
    let mut late = (0..5).map(|_| server.send("PUT", &url(now() - 25), b"x"));
    let late = late.find(|answer| answer.kind() != "url_expired");
    assert_eq!(late.map(|answer| answer.status), Some(201));
    refuse(&server, "PUT", &url(now() - 31), 403, "url_expired");
    refuse(&server, "PUT", &url(1), 403, "url_expired");
    // That it has expired is said only of what was signed.
    let forged = url(1).replace("expiry=1&", "expiry=2&");
    refuse(&server, "PUT", &forged, 403, "signature_invalid");

    let set = gatepass_at(&server.data)
        .args(["projects", "set", "default", "--max-expiry", "7d", "--data"])
        .arg(&server.data)
        .output()
        .unwrap();
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let day = 24 * 3_600;
    let too_far = || server.send("PUT", &url(now() + 7 * day + 60), b"x").kind();
    eventually("the new setting counts", || too_far() == "expiry_too_far");
    assert_eq!(server.send("PUT", &url(now() + 7 * day - 60), b"x").status, 200);
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(2);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a18_headers_never_change_what_a_url_means() {
    let server = Server::start();
    server.send("PUT", &server.put_url("other"), b"other");
    let put = server
        .request("PUT", &server.put_url("a"))
        .body(b"mine")
        .header("x-amz-copy-source", "/other")
        .header("Upload-Metadata", "filename Li4vLi4veA==")
        .header("Location", "/other")
        .header("X-Original-URL", "/other")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-HTTP-Method-Override", "DELETE")
        .send();
    assert_eq!((put.status, &put.file()["filename"]), (201, &serde_json::json!("a")));
    assert!(!put.file()["url"].as_str().unwrap().contains("evil"));
    assert_eq!(server.send("GET", "/a", b"").body, b"mine");
    assert_eq!(server.send("GET", "/other", b"").body, b"other");
}

#[test]
fn a19_a20_the_host_decides_the_project() {
    let server = Start::fresh().run();
    let run = |arguments: &[&str]| {
        let output = gatepass_at(&server.data)
            .args(arguments)
            .arg("--data")
            .arg(&server.data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["projects", "create", "Other"]);
    run(&["domains", "add", "other.example", "--project", "Other"]);
    let url = server.put_url("a");
    let send = |host: &str| server.request("PUT", &url).host(host).body(b"x").send();
    eventually("the domain is known", || send("other.example").status == 403);
    assert_eq!(send("other.example").kind(), "signature_invalid");
    assert_eq!(send("OTHER.example:8080").kind(), "signature_invalid");
    assert!(send("unknown.example").status < 300, "the first project catches all");

    run(&["projects", "set", "default", "--catch-all", "false"]);
    eventually("nothing catches all", || send("unknown.example").status == 421);
    assert_eq!(send("unknown.example").kind(), "host_unknown");

    let raw = |head: &str| crate::support::raw(server.delivery, head.as_bytes());
    for head in [
        "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        "GET http://b/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n",
    ] {
        let answer = raw(head);
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
}

#[test]
fn a_key_does_what_it_is_for_and_no_more() {
    let server = Server::start();
    let run = |arguments: &[&str]| {
        let mut command = gatepass_at(&server.data);
        command.args(arguments).arg("--json").arg("--data").arg(&server.data);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let made = run(&["keys", "create", "--scopes", "sign:put", "--prefix", "users/7"]);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let url = |path: &str, method: &str| {
        let query = format!("expiry={FAR}&method={method}");
        format!("/{path}?{query}&signature={}", sign_raw(key, path, &query))
    };
    let put = || server.send("PUT", &url("users/7/a", "put"), b"x");
    eventually("the key counts", || put().status < 300);
    for (path, method, verb) in [
        ("users/8/a", "put", "PUT"),
        ("users/7/a", "get", "GET"),
        ("users/7/a", "delete", "DELETE"),
    ] {
        refuse(&server, verb, &url(path, method), 403, "scope_insufficient");
    }
    let bearer = server.request("DELETE", "/users/7/a").bearer(key).send();
    assert_eq!(bearer.kind(), "scope_insufficient");
    let sign = server
        .api_request("POST", "/signatures")
        .bearer(key)
        .json(&serde_json::json!({ "filename": "x", "folder": "users/8", "method": "put" }));
    assert_eq!(sign.send().kind(), "scope_insufficient");

    run(&["keys", "pause", id]);
    eventually("a paused key is refused", || put().kind() == "signature_invalid");
    run(&["keys", "resume", id]);
    eventually("a resumed key counts", || put().status < 300);
    let rotated = run(&["keys", "rotate", id]);
    let new = rotated["key"].as_str().unwrap();
    let as_bearer =
        |key: &str| server.request("PUT", "/users/7/b").bearer(key).body(b"x").send().status;
    eventually("the new key counts", || as_bearer(new) < 300);
    assert_eq!(as_bearer(key), 401, "the old one is no bearer any more");
    assert!(put().status < 300, "but its URLs live on");
    run(&["keys", "revoke", id]);
    eventually("a revoked key is refused", || put().kind() == "signature_invalid");
    assert_eq!(server.send("GET", "/users/7/a", b"").status, 200, "files stay");
}

#[test]
fn a22_weak_keys_need_a_word() {
    let (code, text) = Start::fresh().variable("GATEPASS_API_KEY", "secret").refuse();
    assert_eq!(code, Some(1));
    assert!(text.contains("allow-weak-key"), "{text}");
    let weak = Start::fresh().variable("GATEPASS_API_KEY", "secret");
    weak.variable("GATEPASS_ALLOW_WEAK_KEY", "true").run();
}
