//! The layer table of ARCHITECTURE.md, held against what the crates really depend on.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "this is a test")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Crate, and the crates of ours that it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("gatepass-sign", &[]),
    ("gatepass-core", &["gatepass-sign"]),
    ("gatepass-engine", &["gatepass-core", "gatepass-sign"]),
    ("gatepass-disk", &["gatepass-core"]),
    ("gatepass-s3", &["gatepass-core"]),
    ("gatepass-sqlite", &["gatepass-core"]),
    ("gatepass-postgres", &["gatepass-core"]),
    ("gatepass-media", &["gatepass-core"]),
    ("gatepass-fetch", &["gatepass-core"]),
    ("gatepass-http", &["gatepass-core", "gatepass-engine", "gatepass-sign"]),
    ("gatepass-client", &["gatepass-sign"]),
    ("gatepass-bench", &["gatepass-core", "gatepass-http", "gatepass-sign"]),
    ("gatepass-testkit", &["gatepass-core", "gatepass-sign"]),
    (
        "gatepass",
        &[
            "gatepass-client",
            "gatepass-core",
            "gatepass-disk",
            "gatepass-engine",
            "gatepass-fetch",
            "gatepass-http",
            "gatepass-media",
            "gatepass-postgres",
            "gatepass-s3",
            "gatepass-sign",
            "gatepass-sqlite",
        ],
    ),
    ("xtask", &["gatepass-http"]),
];

/// What the inner layers must not know.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("gatepass-sign", &["tokio", "hyper", "rusqlite", "tokio-postgres", "getrandom", "jiff"]),
    ("gatepass-core", &["tokio", "hyper", "rusqlite", "tokio-postgres", "getrandom", "rustix"]),
    ("gatepass-engine", &["hyper", "rusqlite", "tokio-postgres", "rustix"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let normal = |package: &cargo_metadata::Package| {
        package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.name.clone())
            .collect()
    };
    metadata.packages.iter().map(|p| (p.name.to_string(), normal(p))).collect()
}

#[test]
fn crates_depend_on_the_layers_below_them_only() {
    let found = dependencies();
    let names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known, "every crate has its row in the layer table");
    for (name, allowed) in LAYERS {
        let ours = found[*name].iter().filter(|dependency| known.contains(dependency.as_str()));
        let above: Vec<_> = ours.filter(|d| !allowed.contains(&d.as_str())).collect();
        assert!(above.is_empty(), "{name} must not depend on {above:?}");
    }
}

#[test]
fn inner_layers_do_no_input_or_output() {
    let found = dependencies();
    for (name, forbidden) in FORBIDDEN {
        let known: Vec<_> = forbidden.iter().filter(|f| found[*name].contains(**f)).collect();
        assert!(known.is_empty(), "{name} must not know {known:?}");
    }
}

#[test]
fn the_documents_show_the_same_table() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for (name, _) in LAYERS {
        assert!(page.contains(&format!("`{name}`")), "ARCHITECTURE.md does not name {name}");
    }
}
