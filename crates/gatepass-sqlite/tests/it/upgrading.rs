//! A database of an earlier version.

use bytes::Bytes;
use gatepass_core::BlobId;
use gatepass_testkit::builders::{new_file, path, project_id, time};
use gatepass_testkit::catalog::{add_project, find, list, publish, retired};
use gatepass_testkit::run;
use rusqlite::Connection;

use super::{database, open_at};

/// The last schema without a journal.
const EARLIER: [&str; 6] = [
    include_str!("../../src/migrations/0001_initial.sql"),
    include_str!("../../src/migrations/0002_uploads.sql"),
    include_str!("../../src/migrations/0003_inline.sql"),
    include_str!("../../src/migrations/0004_memos.sql"),
    include_str!("../../src/migrations/0005_counts.sql"),
    include_str!("../../src/migrations/0006_importing.sql"),
];

/// Files of odd numbers are kept in the database.
const FILES: &str = "
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
    INSERT INTO files (id, media_id, project, path, blob, size, crc64, media, metadata, created,
            updated, inline)
        SELECT printf('file_%016d', n), printf('med_%016d', n), 'proj_test', 'at/' || n,
            printf('%026d', n), 3, 0, '{\"kind\":\"file\",\"content_type\":\"text/plain\"}', '{}', n, n, n % 2
        FROM numbers;
    INSERT INTO contents SELECT number, cast('abc' AS BLOB) FROM files WHERE inline;";

fn make_earlier(connection: &Connection) {
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    for migration in EARLIER {
        connection.execute_batch(migration).unwrap();
    }
    connection
        .execute(
            "INSERT INTO projects VALUES ('proj_test', 'org', 'name', 0, 'off', NULL, NULL, '[]', 0)",
            [],
        )
        .unwrap();
    connection.execute_batch(FILES).unwrap();
    connection.pragma_update(None, "application_id", 0x4750_6173).unwrap();
    connection.pragma_update(None, "user_version", 6).unwrap();
}

#[test]
fn everything_of_an_earlier_version_is_there_and_goes_as_it_should() {
    let directory = tempfile::tempdir().unwrap();
    let earlier = Connection::open(database(directory.path())).unwrap();
    make_earlier(&earlier);
    run(async move {
        let catalog = open_at(&database(directory.path()));
        add_project(&catalog).await;
        assert_eq!(list(&catalog, "", 0, 1).await.1, 3_000);
        assert_eq!(list(&catalog, "at/1", 0, 1).await.1, 1_111);
        let read = async |at: &str| {
            let found = gatepass_testkit::catalog::read(&catalog, at).await;
            found.map(|(file, bytes)| (file.created.unix_millis(), bytes))
        };
        assert_eq!(read("at/2001").await, Some((2_001, Some(Bytes::from_static(b"abc")))));
        assert_eq!(read("at/2002").await, Some((2_002, None)));

        // One of each kind is replaced, one removed.
        let any = gatepass_core::condition::Conditions::default();
        for (number, kept) in [(11_u64, true), (12, false)] {
            let at = format!("at/{number}");
            let again = publish(&catalog, new_file(&at, time(1))).await;
            assert_eq!(again.retired.is_none(), kept);
            let removed = path(&format!("at/1{number}"));
            catalog.remove_file(&project_id(), &removed, &any, time(2)).await.unwrap();
            assert_eq!(find(&catalog, &at).await.unwrap().id, again.file.id);
        }
        let blob = |number: u64| BlobId::parse(&format!("{number:026}")).unwrap();
        assert_eq!(retired(&catalog).await, [blob(12), blob(112)]);
        let known = catalog.known_blobs(&[blob(12), blob(14), blob(7_000)]).await.unwrap();
        assert_eq!(known.len(), 2);
        assert_eq!(list(&catalog, "", 0, 1).await.1, 2_998);
        let contents: i64 =
            earlier.query_row("SELECT count(*) FROM contents", [], |row| row.get(0)).unwrap();
        assert_eq!(contents, 1_498);
        let whole: String =
            earlier.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
        let strays = earlier.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
        assert!(!strays, "a reference leads nowhere");
    });
}
