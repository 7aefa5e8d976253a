//! Round trips: what each call costs on a network, whatever the machine.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepass_core::condition::Conditions;
use gatepass_core::port::{FinishUpload, ListFiles, RecordParts};
use gatepass_core::publication::NewFile;
use gatepass_core::upload::{NewUpload, UploadKey};
use gatepass_core::{ByteRange, Memo, Part};
use gatepass_postgres::{Options, PostgresCatalog};
use gatepass_testkit::builders::{new_file, path, project_id, time};
use gatepass_testkit::catalog::add_project;
use gatepass_testkit::postgres::Server;
use gatepass_testkit::run;

use gatepass_core::port::Catalog;

use super::faults::an_upload;
use gatepass_testkit::postgres::proxy::{self, Weather};

#[test]
fn a_look_up_takes_one_round_trip_and_a_change_two() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let weather = Arc::new(Weather::default());
        let port = proxy::start(server.port(), Arc::clone(&weather)).await;
        let options = Options::parse(&server.url_by(port, &database), 1).unwrap();
        let catalog: Arc<dyn Catalog> = Arc::new(PostgresCatalog::open(&options).await.unwrap());
        add_project(&catalog).await;
        // The first round prepares the statements.
        assert_eq!(calls(&catalog, &weather, "first").await.len(), 11);
        // So that nothing is answered before all is sent.
        weather.delay.store(100, Ordering::Relaxed);
        let trips = calls(&catalog, &weather, "second").await;
        let wanted = [
            ("settings_version", 1),
            ("find_file", 1),
            ("publish", 2),
            ("publish again", 2),
            ("list_files", 1),
            ("remove_file", 2),
            ("join_upload", 2),
            ("find_upload", 1),
            ("record_parts", 2),
            ("finish_upload", 2),
            ("check", 1),
        ];
        assert_eq!(trips, wanted);
    });
}

async fn calls(
    catalog: &Arc<dyn Catalog>,
    weather: &Weather,
    name: &str,
) -> Vec<(&'static str, u32)> {
    let mut trips = Vec::new();
    let mut noted = |call| {
        trips.push((call, weather.turns.swap(0, Ordering::Relaxed)));
    };
    let (project, at, none) = (project_id(), path(name), Conditions::default());
    weather.turns.store(0, Ordering::Relaxed);
    catalog.settings_version().await.unwrap();
    noted("settings_version");
    catalog.find_file(&project, &at).await.unwrap();
    noted("find_file");
    for call in ["publish", "publish again"] {
        catalog.publish(new_file(name, time(1))).await.unwrap();
        noted(call);
    }
    let list = ListFiles { limit: 10, ..ListFiles::default() };
    catalog.list_files(&project, &list).await.unwrap();
    noted("list_files");
    catalog.remove_file(&project, &at, &none, time(2)).await.unwrap();
    noted("remove_file");
    let first = an_upload(name);
    let key = UploadKey::Origin(first.origin);
    let (id, blob) = (first.id.clone(), first.blob.clone());
    let new =
        NewUpload { upload: first, joins_complete: false, open_max: 9, reserved_bytes_max: 1_000 };
    catalog.join_upload(new).await.unwrap();
    noted("join_upload");
    catalog.find_upload(&project, &at, &key).await.unwrap();
    noted("find_upload");
    let keep = Duration::from_mins(1);
    let range = ByteRange::new(0, 30).unwrap();
    let parts = vec![Part { range, crc64: 1, memo: Memo::default() }];
    let record = RecordParts { id: id.clone(), parts, total: None, now: time(1), keep };
    catalog.record_parts(record).await.unwrap();
    noted("record_parts");
    let new = NewFile { blob, ..new_file(name, time(2)) };
    catalog.finish_upload(FinishUpload { id, new, remember: keep }).await.unwrap();
    noted("finish_upload");
    catalog.check().await.unwrap();
    noted("check");
    trips
}
