use std::collections::BTreeMap;

use gatepass_testkit::builders::{noise, project_id};
use tempfile::TempDir;

use super::*;
use crate::connection::open_writer;

/// Enough for runs to be cut and to get empty.
const PATHS: u64 = 9_000;

struct Many {
    connection: Connection,
    /// Path and number of what is there.
    model: BTreeMap<String, i64>,
    _directory: TempDir,
}

impl Many {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_writer(&directory.path().join("gatepass.db")).unwrap();
        connection
            .execute_batch(
                "PRAGMA synchronous = OFF; INSERT INTO projects VALUES \
                     ('proj_test', 'o', 'n', 1, 'put', NULL, NULL, '[]', 0), \
                     ('proj_other', 'o', 'n', 0, 'put', NULL, NULL, '[]', 0)",
            )
            .unwrap();
        Self { connection, model: BTreeMap::new(), _directory: directory }
    }

    fn insert(&mut self, path: &str, number: i64) {
        insert(&self.connection, "proj_test", path, number);
        self.model.insert(path.to_owned(), number);
    }

    fn remove(&mut self, path: &str) {
        self.connection
            .execute("DELETE FROM files WHERE project = 'proj_test' AND path = ?1", [path])
            .unwrap();
        self.model.remove(path);
    }

    fn rename(&mut self, from: &str, to: &str) {
        self.connection
            .execute(
                "UPDATE files SET path = ?2 WHERE project = 'proj_test' AND path = ?1",
                [from, to],
            )
            .unwrap();
        let number = self.model.remove(from).unwrap();
        self.model.insert(to.to_owned(), number);
    }

    /// The counts are what counting gives.
    fn check_counts(&self) {
        let count = |query: &str| -> i64 {
            self.connection.query_row(query, [], |row| row.get(0)).unwrap()
        };
        let wrong_runs = count(
            "SELECT count(*) FROM (SELECT project, first, files, \
                 lead(first) OVER (PARTITION BY project ORDER BY first) AS past FROM file_runs) AS r \
             WHERE files <> (SELECT count(*) FROM files WHERE project = r.project \
                 AND path >= first AND (past IS NULL OR path < past))",
        );
        assert_eq!(wrong_runs, 0);
        assert_eq!(count("SELECT count(*) FROM file_runs WHERE files >= 2048"), 0);
        let wrong_ages = count(
            "SELECT count(*) FROM file_ages AS a WHERE files = 0 OR files <> (SELECT count(*) \
             FROM files WHERE project = a.project AND number >> 11 = a.bucket)",
        );
        assert_eq!(wrong_ages, 0);
        let all = count("SELECT count(*) FROM files");
        assert_eq!(count("SELECT sum(files) FROM file_ages"), all);
        assert_eq!(count("SELECT sum(files) FROM file_runs"), all);
    }

    /// Pages are cut out of what the model has, in its order.
    fn check_pages(&self, seed: u64) {
        let mut newest: Vec<(&String, &i64)> = self.model.iter().collect();
        newest.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
        for step in 0..40 {
            let [a, b] = numbers(seed.wrapping_add(step));
            let prefix = match a % 6 {
                0 => String::new(),
                1 => format!("{}/", a % 10),
                2 => format!("{}/{}", a % 10, b % 10),
                3 => "nothing/".to_owned(),
                4 => format!("{}", a % 10),
                _ => "9/".to_owned(),
            };
            let wanted: Vec<&String> = if prefix.is_empty() {
                newest.iter().map(|(path, _)| *path).collect()
            } else {
                self.model.keys().filter(|path| path.starts_with(&prefix)).collect()
            };
            let offset = match b % 4 {
                0 => 0,
                1 => (wanted.len() as u64).saturating_sub(7),
                _ => b % (wanted.len() as u64 + 20),
            };
            let list = ListFiles { prefix, offset, limit: 1 + a % 50, ..ListFiles::default() };
            let page = super::list(&self.connection, &project_id(), &list).unwrap();
            assert_eq!(page.total, wanted.len() as u64, "{list:?}");
            let skipped = wanted.into_iter().skip(usize::try_from(offset).unwrap());
            let wanted: Vec<_> = skipped.take(usize::try_from(list.limit).unwrap()).collect();
            let got: Vec<_> = page.files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(got, wanted, "{list:?}");
        }
    }
}

fn insert(connection: &Connection, project: &str, path: &str, number: i64) {
    connection
        .prepare_cached(
            "INSERT INTO files (number, id, media_id, project, path, blob, size, crc64, media, \
                 metadata, created, updated) VALUES (?1, ?2 || ?1, 'med', ?2, ?3, \
                 substr('00000000000000000000000000' || ?1, -26), 1, 1, \
                 '{\"kind\":\"file\",\"content_type\":\"text/plain\"}', '{}', 0, 0)",
        )
        .unwrap()
        .execute(params![number, project, path])
        .unwrap();
}

fn numbers(seed: u64) -> [u64; 2] {
    let bytes = noise(seed, 16);
    [0, 8].map(|at| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()))
}

#[test]
fn pages_and_totals_are_exact_whatever_happens() {
    let mut many = Many::new();
    for number in 0..PATHS {
        let [place, _] = numbers(number);
        let number = i64::try_from(number).unwrap();
        many.insert(&format!("{}/{}-{number}", place % 10, place % 1_000), number * 3);
        if number % 10 == 0 {
            insert(&many.connection, "proj_other", &format!("x{number}"), number * 3 + 1);
        }
    }
    many.check_counts();
    many.check_pages(1_000_000);
    for step in 0..PATHS {
        let [which, how] = numbers(2_000_000 + step);
        let at = usize::try_from(which).unwrap() % many.model.len();
        let path = many.model.keys().nth(at).unwrap().clone();
        match how % 8 {
            0..=4 => many.remove(&path),
            5 => many.rename(&path, &format!("9/renamed-{step}")),
            // Everything that starts so goes: runs get empty.
            6 if step % 1_000 < 8 => {
                let all: Vec<String> = many.model.keys().cloned().collect();
                let start = &path[..1];
                all.iter().filter(|path| path.starts_with(start)).for_each(|p| many.remove(p));
            }
            _ => {
                let number = 4 * i64::try_from(PATHS + step).unwrap();
                many.insert(&format!("{}/new-{step}", which % 10), number);
            }
        }
    }
    many.check_counts();
    many.check_pages(3_000_000);
    many.connection.execute("DELETE FROM files WHERE project = 'proj_test'", []).unwrap();
    many.model.clear();
    many.check_counts();
    many.check_pages(4_000_000);
}

/// A database from before the counts gets them.
#[test]
fn what_was_there_before_is_counted() {
    let mut many = Many::new();
    for number in 0..3_000 {
        many.insert(&format!("{}/{number}", number % 7), number);
    }
    many.connection
        .execute_batch(
            "DROP TABLE file_ages; DROP TABLE file_runs; DROP TRIGGER files_counted_in; \
             DROP TRIGGER files_counted_out; DROP TRIGGER files_counted_anew",
        )
        .unwrap();
    many.connection.execute_batch(include_str!("../migrations/0005_counts.sql")).unwrap();
    many.check_counts();
    many.check_pages(5_000_000);
}
