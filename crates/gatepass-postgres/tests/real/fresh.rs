//! A connection that has just been made, on which no statement is prepared yet: what waits for one
//! must not fall out of its transaction.

use std::sync::Arc;
use std::time::Duration;

use gatepass_core::condition::Conditions;
use gatepass_core::port::{
    Catalog, EndUpload, FinishError, FinishUpload, ListUploads, RecordParts,
};
use gatepass_core::publication::{NewFile, Refusal};
use gatepass_core::upload::NewUpload;
use gatepass_core::{ByteRange, Memo, Part, UploadStatus};
use gatepass_postgres::{Options, PostgresCatalog};
use gatepass_testkit::builders::{new_file, path, project_id, time};
use gatepass_testkit::catalog::{add_project, find, list};
use gatepass_testkit::postgres::Server;
use gatepass_testkit::{eventually, run};
use tokio_postgres::NoTls;

use super::faults::an_upload;
use super::open_at;

/// A catalog with one connection.
async fn open_fresh(url: &str) -> Arc<dyn Catalog> {
    Arc::new(PostgresCatalog::open(&Options::parse(url, 1).unwrap()).await.unwrap())
}

/// An upload that has all its bytes, and what finishes it.
async fn an_upload_to_finish(catalog: &Arc<dyn Catalog>, at: &str) -> FinishUpload {
    let first = an_upload(at);
    let (id, blob) = (first.id.clone(), first.blob.clone());
    let new =
        NewUpload { upload: first, joins_complete: false, open_max: 9, reserved_bytes_max: 1_000 };
    catalog.join_upload(new).await.unwrap();
    let keep = Duration::from_mins(1);
    let range = ByteRange::new(0, 30).unwrap();
    let parts = vec![Part { range, crc64: 1, memo: Memo::default() }];
    let record = RecordParts { id: id.clone(), parts, total: None, now: time(1), keep };
    catalog.record_parts(record).await.unwrap();
    FinishUpload { id, new: NewFile { blob, ..new_file(at, time(2)) }, remember: keep }
}

#[test]
fn an_upload_that_may_only_create_does_not_replace_what_came_while_it_waited() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let url = server.url(&database);
        let direct = open_at(&url).await;
        add_project(&direct).await;
        let mut finish = an_upload_to_finish(&direct, "a").await;
        finish.new.overwrite = false;
        let (holder, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let hold =
            format!("BEGIN; SELECT 1 FROM uploads WHERE id = '{}' FOR UPDATE", finish.id.as_str());
        holder.batch_execute(&hold).await.unwrap();
        let fresh = open_fresh(&url).await;
        let finishing = tokio::spawn(async move { fresh.finish_upload(finish).await });
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = '{database}' AND wait_event_type = 'Lock'"
        );
        eventually("it waits for the upload", async || server.sql("postgres", &waiting) == "1")
            .await;
        let published = direct.publish(new_file("a", time(3))).await.unwrap().file;
        holder.batch_execute("ROLLBACK").await.unwrap();
        let finished = finishing.await.unwrap();
        assert!(matches!(finished, Err(FinishError::Refused(Refusal::FileExists))), "{finished:?}");
        assert_eq!(find(&direct, "a").await, Some(published));
    });
}

/// What the server has executed outside of transactions of several statements, and how many of
/// those there were, by its log.
fn executed_outside<'a>(log: &'a str, database: &str) -> (Vec<&'a str>, usize) {
    let (mut outside, mut transactions, mut within) = (Vec::new(), 0, false);
    for line in log.lines().filter(|line| line.starts_with(&format!("{database}:"))) {
        if line.contains(" statement: BEGIN") {
            within = true;
        } else if line.contains(" statement: COMMIT") {
            transactions += usize::from(within);
            within = false;
        } else if !within && line.contains(" execute ") {
            outside.push(line);
        }
    }
    (outside, transactions)
}

#[test]
fn what_belongs_to_a_transaction_is_executed_in_it() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let url = server.url(&database);
        let direct = open_at(&url).await;
        add_project(&direct).await;
        for name in ["p/a", "p/b", "q"] {
            direct.publish(new_file(name, time(1))).await.unwrap();
        }
        let finish = an_upload_to_finish(&direct, "u").await;
        let id = an_upload_to_finish(&direct, "v").await.id;
        // In connections that are made from now on.
        server.sql("postgres", &format!("ALTER DATABASE {database} SET log_statement = 'all'"));
        let keep = Duration::from_mins(1);
        let record =
            RecordParts { id: id.clone(), parts: vec![], total: Some(30), now: time(2), keep };
        let status = UploadStatus::Aborted;
        let end = EndUpload { id, status, now: time(3), remember: keep };
        let (project, at, none) = (project_id(), path("q"), Conditions::default());
        for call in [
            "list",
            "list far",
            "list by path",
            "list uploads",
            "settings",
            "publish",
            "record",
            "finish",
            "end",
            "remove",
        ] {
            let fresh = open_fresh(&url).await;
            let before = server.log().len();
            match call {
                "list" => assert_eq!(list(&fresh, "", 0, 9).await.1, 3),
                "list far" => assert_eq!(list(&fresh, "", 20_000, 9).await.1, 3),
                "list by path" => assert_eq!(list(&fresh, "p/", 0, 9).await.0, ["p/a", "p/b"]),
                "list uploads" => {
                    let all = ListUploads { within: String::new(), offset: 0, limit: 9 };
                    assert_eq!(fresh.list_uploads(&project, &all).await.unwrap().total, 2);
                }
                "settings" => drop(fresh.load_settings().await.unwrap()),
                "publish" => drop(fresh.publish(new_file("q", time(2))).await.unwrap()),
                "record" => drop(fresh.record_parts(record.clone()).await.unwrap()),
                "finish" => drop(fresh.finish_upload(finish.clone()).await.unwrap()),
                "end" => drop(fresh.end_upload(end.clone()).await.unwrap()),
                _ => drop(fresh.remove_file(&project, &at, &none, time(4)).await.unwrap()),
            }
            let log = server.log();
            assert_eq!(executed_outside(&log[before..], &database), (vec![], 1), "{call}");
        }
    });
}
