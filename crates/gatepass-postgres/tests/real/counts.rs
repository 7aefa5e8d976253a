//! Counts of files: lists that rest on them say what reading everything would, whatever happens at
//! the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use gatepass_core::condition::Conditions;
use gatepass_core::file_change::{Edit, FileChange};
use gatepass_core::port::{Catalog, ChangeFile};
use gatepass_testkit::builders::{new_file, path, project_id, time};
use gatepass_testkit::catalog::{add_project, list};
use gatepass_testkit::postgres::Server;
use gatepass_testkit::{eventually, run};

use super::open_at;

const FOLD: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT fold_file_changes(); COMMIT";
/// Files of two projects, in the order of their numbers.
fn fill(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO files (id, media_id, project, path, blob, size, crc64, media, metadata, created, updated)
         SELECT 'file_' || n, 'med', CASE n % 3 WHEN 0 THEN 'proj_other' ELSE 'proj_test' END,
             'p' || n % 7 || '/' || md5(n::text), lpad(n::text, 26, 'a'), n, n,
             '{{\"kind\":\"file\",\"content_type\":\"text/plain\"}}', '{{}}', n, n
         FROM generate_series({from}, {to}) AS n"
    )
}

/// Counts and changes beside what there is, of each project, of each run and of each age.
const DIFFERENCES: &str = "WITH span AS (
        SELECT project, first, lead(first) OVER (PARTITION BY project ORDER BY first) AS next, files
        FROM file_runs),
    wrong AS (
        SELECT project, sum(files) FROM (
            SELECT project, files FROM file_runs UNION ALL SELECT project, files FROM file_changes
            UNION ALL SELECT project, -1 FROM files) AS counted
        GROUP BY project HAVING sum(files) <> 0
        UNION ALL
        SELECT project || first, files FROM span
        WHERE files <> (SELECT count(*) FROM files AS one WHERE one.project = span.project
                AND path >= first AND (next IS NULL OR path < next))
            - (SELECT coalesce(sum(one.files), 0) FROM file_changes AS one
                WHERE one.project = span.project
                AND path >= first AND (next IS NULL OR path < next))
        UNION ALL
        SELECT project || bucket, sum(files) FROM (
            SELECT project, bucket, files FROM file_ages
            UNION ALL SELECT project, number >> 14, files FROM file_changes
            UNION ALL SELECT project, number >> 14, -1 FROM files) AS counted
        GROUP BY project, bucket HAVING sum(files) <> 0)
    SELECT count(*) FROM wrong";

/// The function that folds, which cuts runs of 64 files already.
fn cutting_often() -> String {
    let (_, function) = include_str!("../../src/migrations/0003_counts.sql")
        .split_once("CREATE FUNCTION fold_file_changes")
        .unwrap();
    let function = function.replace("32768", "64").replace("16384", "32");
    format!("CREATE OR REPLACE FUNCTION fold_file_changes{function}")
}

#[test]
fn pages_by_counts_are_those_of_the_files() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let catalog = open_at(&server.url(&database)).await;
        add_project(&catalog).await;
        let sql = |text: &str| server.sql(&database, text);
        sql(&fill(1, 80_000));
        sql(FOLD);
        assert_eq!(sql("SELECT count(*) > 3, max(files) < 32768 FROM file_runs"), "t|t");
        compare(&catalog, &sql).await;
        // What is not folded counts, too; paths before the first run's and behind the last's.
        sql(&fill(80_001, 81_000));
        sql("DELETE FROM files WHERE size BETWEEN 9000 AND 12000");
        sql("UPDATE files SET path = '0/' || path WHERE size % 97 = 0");
        sql("UPDATE files SET path = 'z/' || path WHERE size % 98 = 0");
        compare(&catalog, &sql).await;
        sql(FOLD);
        compare(&catalog, &sql).await;
        assert_eq!(sql("SELECT count(*) FROM file_changes"), "0");
        sql("DELETE FROM files");
        sql(FOLD);
        assert_eq!(list(&catalog, "", 20_000, 5).await, (vec![], 0));
        assert_eq!(sql("SELECT count(*) FROM file_runs"), "0");
        assert_eq!(sql("SELECT count(*) FROM file_ages"), "0");
    });
}

async fn compare(catalog: &Arc<dyn Catalog>, sql: &impl Fn(&str) -> String) {
    assert_eq!(sql(DIFFERENCES), "0");
    let newest_first =
        sql("SELECT path FROM files WHERE project = 'proj_test' ORDER BY number DESC");
    let newest_first: Vec<&str> = newest_first.lines().collect();
    let mut by_path = newest_first.clone();
    by_path.sort_unstable();
    for prefix in ["", "p", "p3/", "p3/f", "0/", "z", "none"] {
        let order = if prefix.is_empty() { &newest_first } else { &by_path };
        let there: Vec<&str> =
            order.iter().filter(|path| path.starts_with(prefix)).copied().collect();
        for offset in [0, 1, 700, 16_384, 16_385, 20_000, 33_000, 52_000, 60_000] {
            let wanted = there.iter().skip(offset).take(3).map(|path| (*path).to_owned());
            let wanted = (wanted.collect::<Vec<_>>(), there.len() as u64);
            let found = list(catalog, prefix, offset as u64, 3).await;
            assert_eq!(found, wanted, "{prefix:?}, {offset}");
        }
    }
}

#[test]
fn counts_stay_right_while_all_that_changes_files_goes_on() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let nodes = [open_at(&server.url(&database)).await, open_at(&server.url(&database)).await];
        add_project(&nodes[0]).await;
        server.sql(&database, &cutting_often());
        server.sql(&database, &fill(1, 2_000));
        let ended = Arc::new(AtomicBool::new(false));
        let folder = {
            let (ended, database) = (Arc::clone(&ended), database.clone());
            tokio::task::spawn_blocking(move || {
                while !ended.load(Ordering::Relaxed) {
                    server.sql(&database, FOLD);
                    assert_eq!(server.sql(&database, DIFFERENCES), "0");
                }
            })
        };
        let writers = (0..8).map(|writer| write(Arc::clone(&nodes[writer % 2]), writer));
        join_all(writers.map(tokio::spawn)).await.into_iter().for_each(Result::unwrap);
        ended.store(true, Ordering::Relaxed);
        folder.await.unwrap();
        assert_eq!(server.sql(&database, DIFFERENCES), "0");
        let runs = server.sql(&database, "SELECT count(*) > 30 FROM file_runs");
        assert_eq!(runs, "t", "they were cut");
        let files = server.sql(&database, "SELECT count(*) FROM files WHERE project = 'proj_test'");
        assert_eq!(list(&nodes[0], "", 0, 1).await.1.to_string(), files);
    });
}

/// New files; some are replaced, renamed, removed.
async fn write(catalog: Arc<dyn Catalog>, writer: usize) {
    for number in 0..100 {
        let at = format!("p{}/{writer}-{number}", number % 7);
        let made = catalog.publish(new_file(&at, time(number))).await.unwrap();
        match number % 4 {
            0 => {}
            1 => drop(catalog.publish(new_file(&at, time(number + 1))).await.unwrap()),
            2 => {
                let name = Edit::Set(format!("moved-{writer}-{number}"));
                let change = ChangeFile {
                    project: project_id(),
                    id: made.file.id,
                    within: String::new(),
                    change: FileChange { filename: name, ..FileChange::default() },
                    conditions: Conditions::default(),
                    now: time(number + 1),
                };
                catalog.change_file(change).await.unwrap();
            }
            _ => {
                let none = Conditions::default();
                let now = time(number + 1);
                catalog.remove_file(&project_id(), &path(&at), &none, now).await.unwrap();
            }
        }
    }
}

#[test]
fn a_node_folds_what_it_changes() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let catalog = open_at(&server.url(&database)).await;
        add_project(&catalog).await;
        let publish = async |writer: u64| {
            for number in 0..125 {
                let new = new_file(&format!("{writer}/{number}"), time(number));
                catalog.publish(new).await.unwrap();
            }
        };
        join_all((0..8).map(publish)).await;
        eventually("the counts have what was published", async || {
            server.sql(&database, "SELECT coalesce(sum(files), 0) > 900 FROM file_runs") == "t"
        })
        .await;
        assert_eq!(list(&catalog, "", 0, 1).await.1, 1_000);
    });
}
