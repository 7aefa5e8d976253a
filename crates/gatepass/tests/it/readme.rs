//! The documents say what is so.

use std::path::{Path, PathBuf};

use crate::support::gatepass;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// Every Markdown page of the repository.
fn pages() -> Vec<PathBuf> {
    let mut folders = ["", "docs", "vectors", "bench"].map(|folder| root().join(folder)).to_vec();
    let sdk = std::fs::read_dir(root().join("sdk")).unwrap();
    folders.extend(sdk.map(|entry| entry.unwrap().path()));
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The fenced block that follows a line of text.
fn block_after(page: &str, line: &str) -> String {
    let rest = page.split_once(&format!("\n{line}\n")).unwrap().1;
    let block = rest.split_once("```").unwrap().1.split_once('\n').unwrap().1;
    block.split_once("\n```").unwrap().0.to_owned()
}

#[test]
fn the_signers_have_ten_lines() {
    let page = read("README.md");
    for title in ["Node:", "Python:", "Shell:"] {
        let code = block_after(&page, title);
        assert!(code.lines().filter(|line| !line.is_empty()).count() <= 10, "{title} is too long");
    }
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0;
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: {target}", page.display());
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&file).unwrap();
                let anchors = text.lines().filter(|line| line.starts_with('#')).map(slug);
                assert!(anchors.into_iter().any(|found| found == anchor), "{target}");
            }
        }
    }
}

/// The anchor of a heading.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

/// Every command line of ours that a document shows exists, with every flag it names.
#[test]
fn commands_in_the_documents_exist() {
    let mut seen = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('|'));
        let shown = lines.flat_map(|line| line.split('`')).map(str::trim);
        for line in shown.filter(|code| code.starts_with("gatepass ")) {
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            let names =
                words.iter().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
            let names: Vec<&str> = names.copied().take(2).collect();
            let mut help = gatepass().args(&names).arg("--help").output().unwrap();
            if !help.status.success() {
                // The second word was an argument.
                help = gatepass().args(&names[..1]).arg("--help").output().unwrap();
            }
            let help = String::from_utf8_lossy(&help.stdout).into_owned();
            assert!(help.contains("Usage:"), "{}: {line}", page.display());
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let flag = flag.split('=').next().unwrap().trim_end_matches([',', '.', ')']);
                assert!(help.contains(flag), "{}: {line}: {flag}", page.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn documents_speak_of_no_machine() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for word in ["/root/", "/home/", "/tmp/", "TODO", "TBD"] {
            assert!(!text.contains(word), "{}: {word}", page.display());
        }
    }
}
