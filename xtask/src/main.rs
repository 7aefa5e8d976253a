//! Project chores.
//!
//! `cargo xtask docs` writes the pages of `docs/` that are made from tables in the code;
//! `cargo xtask docs --check` only compares.
#![expect(clippy::disallowed_methods, reason = "chores work on the files of the project")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["docs"] => docs(false),
        ["docs", "--check"] => docs(true),
        _ => bail!("usage: cargo xtask docs [--check]"),
    }
}

fn docs(only_check: bool) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    page(&root.join("docs/errors.md"), &gatepass_http::problem::code::markdown(), only_check)?;
    page(&root.join("docs/configuration.md"), &configuration(root)?, only_check)
}

/// The binary owns the table of settings: `GATEPASS_BIN`, or what is built now.
fn configuration(root: &Path) -> anyhow::Result<String> {
    let mut gatepass = if let Some(built) = std::env::var_os("GATEPASS_BIN") {
        Command::new(built)
    } else {
        let mut run = Command::new(env!("CARGO"));
        run.args(["run", "--quiet", "--package", "gatepass", "--"]);
        run
    };
    let output = gatepass.args(["config", "docs"]).current_dir(root).output()?;
    if !output.status.success() {
        bail!("gatepass config docs: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn page(path: &Path, text: &str, only_check: bool) -> anyhow::Result<()> {
    let current = std::fs::read_to_string(path).unwrap_or_default();
    if current == text {
        return Ok(());
    }
    if only_check {
        bail!("{} is not up to date: run `cargo xtask docs`", path.display());
    }
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
