//! Opening a database: making the schema, and what is not taken.

use futures_util::future::join_all;
use gatepass_postgres::{OpenError, Options, PostgresCatalog};
use gatepass_testkit::builders::{new_file, time};
use gatepass_testkit::catalog::{add_project, publish};
use gatepass_testkit::postgres::{PASSWORD, Server};
use gatepass_testkit::run;

use super::open_at;

async fn refusal(url: &str) -> OpenError {
    match PostgresCatalog::open(&Options::parse(url, 2).unwrap()).await {
        Ok(_) => panic!("it was taken"),
        Err(error) => error,
    }
}

#[test]
fn ten_nodes_start_at_once_with_an_empty_database() {
    let server = Server::shared();
    let url = server.url(&server.make_database());
    run(async move {
        let catalogs = join_all((0..10).map(|_| open_at(&url))).await;
        add_project(&catalogs[0]).await;
        for (number, catalog) in catalogs.iter().enumerate() {
            publish(catalog, new_file(&format!("f{number}"), time(1))).await;
        }
    });
}

#[test]
fn a_newer_schema_and_other_programs_tables_are_refused_and_left_alone() {
    let server = Server::shared();
    let (newer, foreign) = (server.make_database(), server.make_database());
    let latin = format!("{foreign}_latin");
    let make = format!("CREATE DATABASE {latin} ENCODING 'LATIN1' TEMPLATE template0");
    server.sql("postgres", &make);
    server.sql(&foreign, "CREATE TABLE files (theirs INTEGER)");
    run(async move {
        drop(open_at(&server.url(&newer)).await);
        server.sql(&newer, "UPDATE gatepass_schema SET version = 999");
        let error = refusal(&server.url(&newer)).await;
        assert!(matches!(error, OpenError::Newer { found: 999, .. }), "{error:?}");
        let error = refusal(&server.url(&foreign)).await;
        assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
        assert_eq!(
            server.sql(&foreign, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
            "1"
        );
        let error = refusal(&server.url(&latin)).await;
        assert!(matches!(error, OpenError::Encoding { .. }), "{error:?}");
        let error = refusal(&server.url("no_such_database")).await;
        assert!(matches!(error, OpenError::Failed { .. }), "{error:?}");
        assert!(!format!("{error:?} {error}").contains(PASSWORD));
    });
}

#[test]
fn what_durability_rests_on_is_in_force() {
    let server = Server::shared();
    let database = server.make_database();
    // Even where the database says otherwise.
    server.sql(&database, &format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    let options = Options::parse(&server.url(&database), 2).unwrap();
    run(async move {
        for (setting, value) in [
            ("synchronous_commit", "on"),
            ("idle_in_transaction_session_timeout", "1500ms"),
            ("lock_timeout", "2s"),
            ("statement_timeout", "5s"),
            ("transaction_isolation", "read committed"),
        ] {
            assert_eq!(options.show(setting).await.unwrap(), value, "{setting}");
        }
    });
}

#[test]
fn the_certificate_of_the_server_is_checked() {
    let server = Server::shared();
    let database = server.make_database();
    let plain = server.url(&database);
    let trusting = format!("sslmode=verify-full&sslrootcert={}", server.certificate());
    run(async move {
        let catalog = open_at(&plain.replace("sslmode=disable", &trusting)).await;
        catalog.check().await.unwrap();
        let look = format!(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE datname = '{database}' AND application_name = 'gatepass'"
        );
        assert_eq!(server.sql("postgres", &look), "t");
        for untrusting in ["sslmode=require", "sslmode=prefer"] {
            let error = refusal(&plain.replace("sslmode=disable", untrusting)).await;
            assert!(matches!(error, OpenError::Failed { .. }), "{untrusting}: {error:?}");
        }
    });
}
