//! A connection that has just been made, on which no statement is prepared yet: what waits for one
//! must not fall out of its transaction.

use std::sync::Arc;
use std::time::Duration;

use gatepass_core::port::{Catalog, FinishError, FinishUpload, RecordParts};
use gatepass_core::publication::{NewFile, Refusal};
use gatepass_core::upload::NewUpload;
use gatepass_core::{ByteRange, Memo, Part};
use gatepass_postgres::{Options, PostgresCatalog};
use gatepass_testkit::builders::{new_file, time};
use gatepass_testkit::catalog::{add_project, find};
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
