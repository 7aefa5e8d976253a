//! What breaks between a node and PostgreSQL: nothing acknowledged is lost, nothing is made twice,
//! and what is in doubt is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gatepass_core::condition::Conditions;
use gatepass_core::port::{Catalog, CatalogError, PublishError, RemoveError};
use gatepass_core::port::{EndUpload, FinishUpload, RecordParts, UploadError};
use gatepass_core::publication::NewFile;
use gatepass_core::upload::{NewUpload, Origin, UploadRefusal};
use gatepass_core::{BlobId, KeyId, Memo, PartMap, Upload, UploadId, UploadStatus};
use gatepass_core::{ByteRange, Part};
use gatepass_testkit::builders::{blob_id, new_file, path, project_id, time};
use gatepass_testkit::catalog::{add_project, find, is_known};
use gatepass_testkit::postgres::Server;
use gatepass_testkit::{eventually, run};

use super::open_at;
use gatepass_testkit::postgres::proxy::{self, Weather};

/// A catalog that reaches the server through a proxy, and what makes the weather there.
async fn open_in_weather(server: &Server, database: &str) -> (Arc<Weather>, Arc<dyn Catalog>) {
    let weather = Arc::new(Weather::default());
    let port = proxy::start(server.port(), Arc::clone(&weather)).await;
    (weather, open_at(&server.url_by(port, database)).await)
}

const PATHS: usize = 4;
const WORKERS: usize = 12;

/// What clients were told.
#[derive(Default)]
pub(super) struct History {
    pub(super) published: Vec<BlobId>,
    /// Paths that were new, as often as somebody was told so.
    created: BTreeMap<String, u32>,
    removed: BTreeMap<BlobId, u32>,
    removals: BTreeMap<String, u32>,
    pub(super) unknown: BTreeSet<BlobId>,
    unknown_removals: u32,
}

impl History {
    fn merge(&mut self, other: Self) {
        self.published.extend(other.published);
        self.unknown.extend(other.unknown);
        self.unknown_removals += other.unknown_removals;
        for (path, count) in other.created {
            *self.created.entry(path).or_default() += count;
        }
        for (path, count) in other.removals {
            *self.removals.entry(path).or_default() += count;
        }
        for (blob, count) in other.removed {
            *self.removed.entry(blob).or_default() += count;
        }
    }

    pub(super) fn count(&self) -> usize {
        self.published.len() + self.removed.len()
    }
}

/// Publishes and removes at a few paths until told to stop.
async fn work(catalog: Arc<dyn Catalog>, worker: usize, stop: Arc<AtomicBool>) -> History {
    let mut history = History::default();
    let mut round = worker;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let at = format!("p{}", round % PATHS);
        if round.is_multiple_of(5) {
            let none = Conditions::default();
            match catalog.remove_file(&project_id(), &path(&at), &none, time(2)).await {
                Ok(file) => {
                    *history.removed.entry(file.blob).or_default() += 1;
                    *history.removals.entry(at).or_default() += 1;
                }
                Err(RemoveError::NotFound) => {}
                Err(RemoveError::Catalog(CatalogError::Unavailable(_))) => {
                    history.unknown_removals += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
            continue;
        }
        let new = new_file(&at, time(1));
        let blob = new.blob.clone();
        match catalog.publish(new).await {
            Ok(publication) => {
                assert_eq!(publication.file.blob, blob);
                if publication.created {
                    *history.created.entry(at).or_default() += 1;
                }
                history.published.push(blob);
            }
            Err(PublishError::Catalog(CatalogError::Unavailable(_))) => {
                history.unknown.insert(blob);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    history
}

/// Works for a while through `through`, with something going wrong meanwhile.
pub(super) async fn storm(
    through: &Arc<dyn Catalog>,
    trouble: impl Future<Output = ()>,
) -> History {
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(work(Arc::clone(through), worker, Arc::clone(&stop))))
        .collect();
    trouble.await;
    stop.store(true, Ordering::Relaxed);
    let mut history = History::default();
    for worker in join_all(workers).await {
        history.merge(worker.unwrap());
    }
    history
}

/// Holds what clients were told against what is there.
pub(super) async fn check(catalog: &Arc<dyn Catalog>, history: &History) {
    for blob in &history.published {
        assert!(is_known(catalog, blob).await, "an acknowledged publication is lost");
    }
    for (blob, count) in &history.removed {
        assert_eq!(*count, 1, "one file was removed twice");
        assert!(is_known(catalog, blob).await, "its blob is retired");
    }
    let told: BTreeSet<_> = history.published.iter().chain(&history.unknown).collect();
    for number in 0..PATHS {
        let at = format!("p{number}");
        let found = find(catalog, &at).await;
        if let Some(file) = &found {
            assert!(told.contains(&file.blob), "nobody published this");
            assert!(!history.removed.contains_key(&file.blob), "a removed file is back");
        }
        if history.unknown.is_empty() && history.unknown_removals == 0 {
            let created = history.created.get(&at).copied().unwrap_or_default();
            let removed = history.removals.get(&at).copied().unwrap_or_default();
            assert_eq!(created, removed + u32::from(found.is_some()), "{at} was new twice");
        }
    }
}

#[test]
fn an_answer_that_is_lost_is_settled() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let direct = open_at(&server.url(&database)).await;
        add_project(&direct).await;
        for fault in ["cut", "hold", "never", "pieces"] {
            let weather = Arc::new(Weather::default());
            let port = proxy::start(server.port(), Arc::clone(&weather)).await;
            let through = open_at(&server.url_by(port, &database)).await;
            match fault {
                "cut" => weather.cut_answer_every.store(5, Ordering::Relaxed),
                "hold" => weather.hold_answer_every.store(40, Ordering::Relaxed),
                "never" => weather.hold_commit_every.store(40, Ordering::Relaxed),
                _ => weather.cut_every.store(17, Ordering::Relaxed),
            }
            // Other nodes are well, and work at the same paths.
            let trouble = || async {
                tokio::time::sleep(Duration::from_secs(6)).await;
                while weather.faults.load(Ordering::Relaxed) < 3 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let other = storm(&direct, trouble());
            let mine = storm(&through, trouble());
            let (mut history, other) = futures_util::future::join(mine, other).await;
            history.merge(other);
            let faults = weather.faults.load(Ordering::Relaxed);
            println!(
                "{fault}: {faults} faults, {} changes, {} unknown",
                history.count(),
                history.unknown.len()
            );
            assert!(faults >= 3, "{fault}: {faults}");
            assert!(history.count() > 100, "{fault}: {}", history.count());
            check(&direct, &history).await;
            for number in 0..PATHS {
                let none = Conditions::default();
                let _ = direct
                    .remove_file(&project_id(), &path(&format!("p{number}")), &none, time(3))
                    .await;
            }
        }
    });
}

#[test]
fn one_lost_answer_is_never_told() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let (weather, through) = open_in_weather(server, &database).await;
        add_project(&through).await;
        for fault in
            [&weather.cut_answer_every, &weather.hold_answer_every, &weather.hold_commit_every]
        {
            // Each first commit is hit, the one that settles it is not.
            fault.store(2, Ordering::Relaxed);
            for number in 0..3 {
                let at = format!("f{number}");
                let made = through.publish(new_file(&at, time(1))).await.unwrap();
                assert_eq!(find(&through, &at).await, Some(made.file));
                let replaced = through.publish(new_file(&at, time(2))).await.unwrap();
                assert!(!replaced.created);
                upload_through(&through, &format!("u{number}")).await;
                let none = Conditions::default();
                for name in [&at, &format!("u{number}")] {
                    through.remove_file(&project_id(), &path(name), &none, time(3)).await.unwrap();
                    assert_eq!(find(&through, name).await, None);
                }
            }
            fault.store(0, Ordering::Relaxed);
        }
        assert!(weather.faults.load(Ordering::Relaxed) >= 20);
    });
}

/// An unfinished upload of 30 bytes.
pub(crate) fn an_upload(at: &str) -> Upload {
    let blob = blob_id();
    let mut random = [0; 26];
    random.copy_from_slice(&gatepass_testkit::builders::noise(
        u64::from_le_bytes(blob.as_str().as_bytes()[..8].try_into().unwrap()),
        26,
    ));
    Upload {
        id: UploadId::from_random(random),
        project: project_id(),
        path: path(at),
        origin: Origin::from_bytes([7; 32]),
        key: KeyId::new("key_test"),
        policy: None,
        declared_type: None,
        blob,
        memo: Memo::new("blob memo"),
        total: Some(30),
        status: UploadStatus::Receiving,
        parts: PartMap::default(),
        created: time(0),
        updated: time(0),
        expires: time(600),
        finished: None,
    }
}

/// An upload of three parts, each step of which may lose its answer.
async fn upload_through(catalog: &Arc<dyn Catalog>, at: &str) {
    let first = an_upload(at);
    let blob = first.blob.clone();
    let new = NewUpload {
        upload: first.clone(),
        joins_complete: false,
        open_max: 9,
        reserved_bytes_max: 1_000,
    };
    let joined = catalog.join_upload(new).await.unwrap();
    assert_eq!(joined.id, first.id, "our own first request is ours");
    for start in [0, 20, 10] {
        let range = ByteRange::new(start, start + 10).unwrap();
        let parts = vec![Part { range, crc64: start, memo: Memo::new(format!("part {start}")) }];
        let keep = Duration::from_mins(1);
        let record = RecordParts { id: first.id.clone(), parts, total: None, now: time(1), keep };
        catalog.record_parts(record).await.unwrap();
    }
    let found = catalog.find_upload_by_id(&project_id(), &first.id).await.unwrap().unwrap();
    assert!(found.has_all_bytes());
    assert_eq!(found.parts.parts()[1].memo.as_str(), "part 10");
    assert_eq!(found.memo.as_str(), "blob memo");
    let new = NewFile { blob, ..new_file(at, time(2)) };
    let finish = FinishUpload { id: first.id, new, remember: Duration::from_mins(1) };
    let finished = catalog.finish_upload(finish).await.unwrap();
    assert!(finished.created);
}

#[test]
fn a_total_in_doubt_is_there_once_it_is_acknowledged() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let (weather, through) = open_in_weather(server, &database).await;
        let direct = open_at(&server.url(&database)).await;
        add_project(&direct).await;
        for (number, fault) in (1..).zip([&weather.hold_commit_every, &weather.hold_answer_every]) {
            let id = begin_without_total(&direct, &format!("u{number}")).await;
            fault.store(1, Ordering::Relaxed);
            let recording = say_total(&through, &id);
            eventually("the commit is hit", async || {
                weather.faults.load(Ordering::Relaxed) == number
            })
            .await;
            fault.store(0, Ordering::Relaxed);
            let told = recording.await.unwrap().unwrap();
            assert_eq!(told.total, Some(30));
            let found = direct.find_upload_by_id(&project_id(), &id).await.unwrap().unwrap();
            assert_eq!(found.total, Some(30), "it is acknowledged");
        }
    });
}

#[test]
fn a_record_in_doubt_is_refused_when_the_upload_was_given_up_since() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let (weather, through) = open_in_weather(server, &database).await;
        let direct = open_at(&server.url(&database)).await;
        add_project(&direct).await;
        let id = begin_without_total(&direct, "u").await;
        weather.hold_answer_every.store(1, Ordering::Relaxed);
        let recording = say_total(&through, &id);
        eventually("it is recorded", async || {
            let found = direct.find_upload_by_id(&project_id(), &id).await.unwrap();
            found.is_some_and(|found| found.total == Some(30))
        })
        .await;
        weather.hold_answer_every.store(0, Ordering::Relaxed);
        let remember = Duration::from_mins(1);
        let status = UploadStatus::Aborted;
        direct.end_upload(EndUpload { id, status, now: time(2), remember }).await.unwrap();
        let told = recording.await.unwrap();
        assert!(matches!(told, Err(UploadError::Refused(UploadRefusal::Aborted))), "{told:?}");
    });
}

async fn begin_without_total(catalog: &Arc<dyn Catalog>, at: &str) -> UploadId {
    let first = Upload { total: None, ..an_upload(at) };
    let id = first.id.clone();
    let new =
        NewUpload { upload: first, joins_complete: false, open_max: 9, reserved_bytes_max: 1_000 };
    catalog.join_upload(new).await.unwrap();
    id
}

/// Records no part of an upload, only how long it is.
fn say_total(
    catalog: &Arc<dyn Catalog>,
    id: &UploadId,
) -> tokio::task::JoinHandle<Result<Upload, UploadError>> {
    let (catalog, id) = (Arc::clone(catalog), id.clone());
    let keep = Duration::from_mins(1);
    let record = RecordParts { id, parts: vec![], total: Some(30), now: time(1), keep };
    tokio::spawn(async move { catalog.record_parts(record).await })
}

#[test]
fn a_crash_of_postgresql_loses_nothing_and_is_over_soon() {
    let mut server = Server::start();
    let database = server.make_database();
    let url = server.url(&database);
    run(async move {
        let catalog = open_at(&url).await;
        add_project(&catalog).await;
        let crashes = async {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                tokio::task::block_in_place(|| server.crash());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let history = storm(&catalog, crashes).await;
        println!("crashes: {} changes, {} unknown", history.count(), history.unknown.len());
        let begun = Instant::now();
        catalog.publish(new_file("after", time(1))).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert!(history.count() > 100);
        check(&catalog, &history).await;
    });
}

#[test]
fn connections_that_are_terminated_lose_nothing() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let catalog = open_at(&server.url(&database)).await;
        add_project(&catalog).await;
        let kill = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = '{database}' AND application_name = 'gatepass'"
        );
        let terminations = async {
            for _ in 0..25 {
                tokio::time::sleep(Duration::from_millis(150)).await;
                tokio::task::block_in_place(|| server.sql("postgres", &kill));
            }
        };
        let history = storm(&catalog, terminations).await;
        println!("terminations: {} changes, {} unknown", history.count(), history.unknown.len());
        assert!(history.count() > 100);
        // Where nothing is settled, each of the terminations leaves several. A few may run out of
        // their time on a machine that stands still for seconds.
        let unknown = history.unknown.len() + history.unknown_removals as usize;
        assert!(unknown <= 3, "{unknown} are not settled");
        check(&catalog, &history).await;
    });
}

#[test]
fn nobody_waits_for_long() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let (weather, through) = open_in_weather(server, &database).await;
        add_project(&through).await;
        weather.delay.store(60_000, Ordering::Relaxed);
        let begun = Instant::now();
        let calls = (0..30).map(|number| {
            let through = Arc::clone(&through);
            tokio::spawn(async move {
                let made = through.publish(new_file(&format!("f{number}"), time(1))).await;
                assert!(matches!(made, Err(PublishError::Catalog(CatalogError::Unavailable(_)))));
                assert!(through.check().await.is_err(), "it is not ready");
            })
        });
        for call in join_all(calls).await {
            call.unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        weather.delay.store(0, Ordering::Relaxed);
        through.publish(new_file("after", time(1))).await.unwrap();
    });
}

/// A firewall forgets connections: none of them ends, and nothing comes through any more.
#[test]
fn dead_connections_are_not_tried_one_after_the_other() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let (weather, through) = open_in_weather(server, &database).await;
        add_project(&through).await;
        let names: Vec<String> = (0..30).map(|number| format!("f{number}")).collect();
        let all = names.iter().map(|name| through.publish(new_file(name, time(1))));
        for made in join_all(all).await {
            made.unwrap();
        }
        weather.silence();
        through.publish(new_file("after", time(1))).await.unwrap();
        assert_eq!(weather.faults.load(Ordering::Relaxed), 1, "one is tried, and no other");
    });
}

/// A node that stops in the middle of a change: the transaction is there, nothing more comes.
#[test]
fn a_node_that_stopped_holds_nobody_up() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        let (weather, stopped) = open_in_weather(server, &database).await;
        let other = open_at(&server.url(&database)).await;
        add_project(&other).await;
        weather.hold_commit_every.store(1, Ordering::Relaxed);
        let hangs = tokio::spawn(async move { stopped.publish(new_file("a", time(1))).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let begun = Instant::now();
        other.publish(new_file("a", time(2))).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        hangs.abort();
    });
}
