//! Runs the examples of a page of `docs/` as they stand.
//!
//! All `sh` blocks of a page run in one shell, in their order, in an empty directory. A `text` block
//! that follows one is what it prints; `...` stands for anything.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{KEY, Server};

/// Divides what one block prints from the next one's.
const END: &str = "-- end of a block --";

#[derive(Debug, PartialEq, Eq)]
struct Example {
    code: String,
    printed: Option<String>,
}

/// Blocks between fences, with what stands behind the opening one.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (language, text) in blocks(page) {
        match (language.as_str(), examples.last_mut()) {
            ("sh", _) => examples.push(Example { code: text, printed: None }),
            ("text", Some(last)) if last.printed.is_none() => last.printed = Some(text),
            _ => {}
        }
    }
    examples
}

/// Whether a line is like the one that is shown.
fn is_like(line: &str, shown: &str) -> bool {
    let mut parts = shown.split("...");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

/// Runs a page against a server of its own.
pub(crate) fn run(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let examples = examples(&std::fs::read_to_string(root.join("docs").join(name)).unwrap());
    assert!(!examples.is_empty(), "{name} has no example");
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let codes = examples.iter().map(|example| format!("{}\necho '{END}'\n", example.code));
    let script = format!("set -euo pipefail\n{}", codes.collect::<String>());
    let binary = Path::new(env!("CARGO_BIN_EXE_gatepass")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(directory.path())
        .env("PATH", path)
        .env("API", format!("http://{}", server.api))
        .env("GATEPASS_PUBLIC_URL", format!("http://{}", server.delivery))
        .env("GATEPASS_API_KEY", KEY)
        .env("GATEPASS_DATA", &server.data)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {printed}\n{errors}");
    let end = format!("{END}\n");
    let mut outputs = printed.split(end.as_str());
    for example in &examples {
        let printed = outputs.next().unwrap_or_default();
        let Some(shown) = &example.printed else { continue };
        let same = printed.lines().count() == shown.lines().count()
            && printed.lines().zip(shown.lines()).all(|(line, shown)| is_like(line, shown));
        assert!(same, "{name}: {}\nprints\n{printed}and not\n{shown}", example.code);
    }
}

#[test]
fn examples_of_the_files_page() {
    run("files.md");
}

#[test]
fn three_dots_stand_for_anything() {
    assert!(is_like("a b c", "a ... c") && is_like("abc", "...") && is_like("", "..."));
    assert!(is_like("id file_1 of 3", "id file_... of ...") && is_like("a", "a"));
    for (line, shown) in [("ab", "a"), ("a", "ab"), ("a c", "b...c"), ("abd", "a...c"), ("", "a")] {
        assert!(!is_like(line, shown), "{line} {shown}");
    }
}

#[test]
fn a_block_of_text_is_what_the_one_before_prints() {
    let page = "x\n```sh\necho a\n```\n\n```text\na\n```\n```json\n{}\n```\n```sh\nb\n```\n";
    let [one, two] = &examples(page)[..] else { panic!("two examples") };
    assert_eq!((&*one.code, one.printed.as_deref()), ("echo a\n", Some("a\n")));
    assert_eq!((&*two.code, two.printed.as_deref()), ("b\n", None));
}
