//! Lists of files.

use gatepass_core::ProjectId;
use gatepass_core::port::ListFiles;
use gatepass_core::project::{Project, SettingsChange};
use gatepass_core::publication::NewFile;

use super::{Subject, add_project, list, pages, publish, with_prefix};
use crate::builders::{new_file, project, time};

async fn publish_all(catalog: &Subject, paths: &[&str]) {
    for (second, at) in (1..).zip(paths) {
        publish(catalog, new_file(at, time(second))).await;
    }
}

/// Newest first; offset and limit cut a page out; the total counts all of the project's.
pub async fn files_come_newest_first_page_by_page(catalog: Subject) {
    add_project(&catalog).await;
    let other = Project { id: ProjectId::new("proj_other"), catch_all: false, ..project() };
    catalog.change_settings(vec![SettingsChange::PutProject(other)]).await.unwrap();
    let elsewhere = NewFile { project: ProjectId::new("proj_other"), ..new_file("x", time(1)) };
    publish(&catalog, elsewhere).await;
    publish_all(&catalog, &["d", "a", "e", "b", "c"]).await;

    let newest_first = ["c", "b", "e", "a", "d"].map(str::to_owned);
    for (offset, limit) in [(0, 5), (0, 2), (2, 2), (4, 2), (5, 2), (9, 9), (0, 0), (1, 100)] {
        let from = usize::try_from(offset).unwrap().min(5);
        let to = usize::try_from(offset + limit).unwrap().min(5);
        let wanted = (newest_first[from..to].to_vec(), 5);
        assert_eq!(list(&catalog, "", offset, limit).await, wanted, "{offset}, {limit}");
    }
}

/// The largest numbers are as good as any.
pub async fn a_page_may_be_of_any_size(catalog: Subject) {
    add_project(&catalog).await;
    publish_all(&catalog, &["a", "b"]).await;
    assert_eq!(list(&catalog, "", 0, u64::MAX).await.0.len(), 2);
    assert_eq!(list(&catalog, "", u64::MAX, u64::MAX).await, (Vec::new(), 2));
}

/// A prefix means itself: `%`, `_`, `*`, `[` are characters, and case counts.
pub async fn a_prefix_is_text_and_no_pattern(catalog: Subject) {
    add_project(&catalog).await;
    let paths = ["a%b", "a_b", "axb", "aXb", "a*b", "a[b", "a/b", "a", "b", "'a", "\"a"];
    publish_all(&catalog, &paths).await;
    for prefix in paths.into_iter().chain(["", "a%", "a_", "A", "%", "_", "a/", "zz", "'"]) {
        let wanted = paths.iter().filter(|path| path.starts_with(prefix));
        let wanted = wanted.map(|path| (*path).to_owned()).collect();
        assert_eq!(with_prefix(&catalog, prefix).await, wanted, "{prefix:?}");
    }
    let paths = ["a%b", "a*b"].map(str::to_owned).to_vec();
    assert_eq!(list(&catalog, "a", 1, 2).await, (paths, 8));
}

/// With a prefix, sorted by path, byte by byte; offset and limit cut a page out; the total counts
/// what has the prefix.
pub async fn files_with_a_prefix_come_by_path_page_by_page(catalog: Subject) {
    add_project(&catalog).await;
    publish_all(&catalog, &["p/b", "q", "p/\u{e9}", "p/B", "p/a", "p", "p0", "p/a/b"]).await;
    let sorted = ["p/B", "p/a", "p/a/b", "p/b", "p/\u{e9}"].map(str::to_owned);
    for (offset, limit) in [(0, 5), (0, 2), (2, 2), (4, 2), (5, 2), (9, 9), (0, 0), (1, 100)] {
        let from = usize::try_from(offset).unwrap().min(5);
        let to = usize::try_from(offset + limit).unwrap().min(5);
        let wanted = (sorted[from..to].to_vec(), 5);
        assert_eq!(list(&catalog, "p/", offset, limit).await, wanted, "{offset}, {limit}");
    }
    assert_eq!(list(&catalog, "p/", u64::MAX, u64::MAX).await, (Vec::new(), 5));
}

/// What somebody is confined to is a path and what lies below it, not all that starts so.
pub async fn a_list_can_be_confined(catalog: Subject) {
    add_project(&catalog).await;
    publish_all(&catalog, &["u/7/b", "u/7", "u/77", "u/7!", "u/7/a", "u", "v", "u/70/c"]).await;
    for (prefix, within, wanted) in [
        ("", "u/7", &["u/7", "u/7/a", "u/7/b"][..]),
        ("", "u/7/", &["u/7/a", "u/7/b"]),
        ("u/7", "u/7", &["u/7", "u/7/a", "u/7/b"]),
        ("u/7/b", "u/7", &["u/7/b"]),
        ("u/77", "u/7", &[]),
        ("v", "u/7", &[]),
        ("u", "v", &[]),
        ("", "v", &["v"]),
    ] {
        for (offset, limit) in [(0, 10), (1, 10), (0, 1), (1, 1), (2, 1), (3, 1)] {
            let (prefix, within) = (prefix.to_owned(), within.to_owned());
            let list = ListFiles { prefix, within, offset, limit };
            let (offset, limit) = [offset, limit].map(|n| usize::try_from(n).unwrap()).into();
            let page = wanted.iter().skip(offset).take(limit).map(|path| (*path).to_owned());
            let page: Vec<String> = page.collect();
            assert_eq!(pages(&catalog, &list).await, (page, wanted.len() as u64), "{list:?}");
        }
    }
}

/// Prefixes at the seams of Unicode: before the surrogates, at the very end.
pub async fn a_prefix_may_end_in_any_character(catalog: Subject) {
    add_project(&catalog).await;
    let endings = [
        "~",
        "\u{e9}",
        "e\u{301}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{ffff}",
        "\u{10000}",
        "\u{1f600}",
        "\u{10ffff}",
        "\u{10ffff}\u{10ffff}",
    ];
    let mut paths = vec!["p".to_owned(), "q".to_owned()];
    for ending in endings {
        paths.extend([
            format!("p{ending}"),
            format!("p{ending}x"),
            format!("p{ending}/\u{10ffff}"),
        ]);
    }
    publish_all(&catalog, &paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for prefix in &paths {
        let wanted = paths.iter().filter(|path| path.starts_with(prefix)).cloned().collect();
        assert_eq!(with_prefix(&catalog, prefix).await, wanted, "{prefix:?}");
    }
}
