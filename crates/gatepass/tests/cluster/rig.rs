//! The machines: nodes, the engines that they share, and the networks between.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatepass_testkit::garage::proxy::{Asked, Fault as StoreFault, Proxy};
use gatepass_testkit::garage::{self, Cluster};
use gatepass_testkit::postgres::proxy::{self, Weather};
use gatepass_testkit::postgres::{PASSWORD, Server as Postgres};

use crate::client::{Client, Route};
use crate::random::Random;
use crate::support::{KEY, Server, Start, master_key};

pub(crate) const NODES: usize = 3;
/// How long what has to come about may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything, running.
pub(crate) struct Rig {
    directory: tempfile::TempDir,
    pub(crate) postgres: Mutex<Postgres>,
    database: String,
    pub(crate) garage: Cluster,
    pub(crate) to_database: Arc<Weather>,
    pub(crate) to_store: Arc<StoreWeather>,
    store_proxy: Proxy,
    catalog_url: String,
    nodes: [Mutex<Option<Server>>; NODES],
    /// What nodes that are gone have logged.
    logs: Mutex<String>,
    _runtime: tokio::runtime::Runtime,
}

/// What the network to the store does.
#[derive(Debug, Default)]
pub(crate) struct StoreWeather(AtomicU64);

impl StoreWeather {
    pub(crate) const FAIR: u64 = 0;
    /// Wrong answers, and answers that are lost.
    pub(crate) const ANSWERS: u64 = 1;
    /// Connections that are cut, late or half open.
    pub(crate) const CONNECTIONS: u64 = 2;

    pub(crate) fn set(&self, kind: u64) {
        self.0.store(kind, Ordering::SeqCst);
    }

    fn strike(&self, (method, _): &Asked, number: u64) -> StoreFault {
        let changes = method == "PUT" || method == "POST";
        let dice = Random::new(number).below(100);
        match (self.0.load(Ordering::SeqCst), dice) {
            (Self::ANSWERS, 0..7) => StoreFault::Status(500),
            (Self::ANSWERS, 7..14) => StoreFault::Status(503),
            (Self::ANSWERS, 14..21) if changes => StoreFault::ErrorInSuccess,
            (Self::ANSWERS, 21..28) => StoreFault::LostReply,
            (Self::CONNECTIONS, 0..8) => StoreFault::Cut,
            (Self::CONNECTIONS, 8..16) => StoreFault::Late,
            (Self::CONNECTIONS, 16..20) => StoreFault::HalfOpen,
            _ => StoreFault::None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rig {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("master.key"), master_key()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (garage, postgres) = (Cluster::start(), Postgres::start());
        let database = postgres.make_database();
        let to_database = Arc::new(Weather::default());
        let way = proxy::start(postgres.port(), Arc::clone(&to_database));
        let catalog_url = postgres.url_by(runtime.block_on(way), &database);
        let to_store = Arc::new(StoreWeather::default());
        let weather = Arc::clone(&to_store);
        let endpoints: Vec<String> = (0..NODES).map(|node| garage.endpoint(node)).collect();
        let strike = move |asked: &Asked, number| weather.strike(asked, number);
        let store_proxy = runtime.block_on(Proxy::start(&endpoints, strike));
        let rig = Self {
            directory,
            postgres: Mutex::new(postgres),
            database,
            garage,
            to_database,
            to_store,
            store_proxy,
            catalog_url,
            nodes: Default::default(),
            logs: Mutex::default(),
            _runtime: runtime,
        };
        (0..NODES).for_each(|node| rig.start_node(node));
        rig
    }

    /// Starts a node; one that cannot start yet is started again.
    pub(crate) fn start_node(&self, node: usize) {
        let data = self.directory.path().join(node.to_string());
        let key = self.directory.path().join("master.key");
        let (bucket, region) = (garage::BUCKET, garage::REGION);
        let endpoint = &self.store_proxy.endpoint;
        let store = format!("s3://{bucket}/nodes?endpoint={endpoint}&region={region}");
        let begun = Instant::now();
        loop {
            let start = Start::at(&data)
                .flag("--store", &store)
                .variable("AWS_ACCESS_KEY_ID", garage::KEY_ID)
                .variable("AWS_SECRET_ACCESS_KEY", garage::KEY)
                .variable("GATEPASS_CATALOG", &self.catalog_url)
                .variable("GATEPASS_MASTER_KEY_FILE", key.to_str().unwrap())
                // As it is behind a load balancer: Files are the same, whoever answers.
                .variable("GATEPASS_PUBLIC_URL", "http://files.test")
                .variable("GATEPASS_LOG_LEVEL", "info");
            match start.try_run() {
                Ok(server) => {
                    *lock(&self.nodes[node]) = Some(server);
                    return;
                }
                Err(text) => assert!(begun.elapsed() < PATIENCE, "{text}"),
            }
        }
    }

    /// Kills a node as a crash would.
    pub(crate) fn kill_node(&self, node: usize) {
        // First it is nowhere to be found.
        let Some(server) = lock(&self.nodes[node]).take() else { return };
        lock(&self.logs).push_str(&server.log());
        drop(server.kill());
    }

    /// Sends a signal to a node.
    pub(crate) fn signal(&self, node: usize, signal: &str) {
        let pid = lock(&self.nodes[node]).as_ref().map(Server::pid);
        let Some(pid) = pid else { return };
        let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn address(&self, node: usize) -> Option<SocketAddr> {
        lock(&self.nodes[node]).as_ref().map(|server| server.delivery)
    }

    /// A client that takes another node for every request, as long as it is there at all.
    pub(crate) fn client(self: &Arc<Self>, seed: u64, patience: Duration) -> Client {
        let (rig, mut random) = (Arc::clone(self), Random::new(seed));
        let mut last = 0;
        let route: Route = Box::new(move || {
            let step = 1 + usize::try_from(random.below(NODES as u64 - 1)).unwrap();
            let mut others = (0..NODES).map(|more| (last + step + more) % NODES);
            let (node, address) = others.find_map(|node| Some((node, rig.address(node)?)))?;
            last = node;
            Some(address)
        });
        Client::routed(route, patience)
    }

    /// All networks are fair from now on.
    pub(crate) fn clear_weather(&self) {
        self.to_database.clear();
        self.to_store.set(StoreWeather::FAIR);
        self.store_proxy.heal();
    }

    /// Puts an end to everything that is on its way, and starts all nodes again: nothing that was
    /// sent before has an effect afterwards.
    pub(crate) fn settle(&self) {
        self.clear_weather();
        (0..NODES).for_each(|node| self.kill_node(node));
        let begun = Instant::now();
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gatepass'";
        while self.sql(sessions) != "0" {
            assert!(begun.elapsed() < PATIENCE, "a dead node's session does not end");
            std::thread::sleep(Duration::from_millis(100));
        }
        (0..NODES).for_each(|node| self.start_node(node));
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        lock(&self.postgres).sql(&self.database, statements)
    }

    /// How often the networks struck.
    pub(crate) fn strikes(&self) -> u64 {
        u64::from(self.to_database.faults.load(Ordering::Relaxed)) + self.store_proxy.faults()
    }

    /// I8: nobody panicked, and nobody told a secret.
    pub(crate) fn check_logs(&self) -> Result<(), String> {
        let mut logs = lock(&self.logs).clone();
        for node in &self.nodes {
            logs.push_str(&lock(node).as_ref().map(Server::log).unwrap_or_default());
        }
        let words = ["panicked", KEY, PASSWORD, garage::KEY];
        match logs.lines().find(|line| words.iter().any(|word| line.contains(word))) {
            Some(line) => Err(format!("a node has logged: {line}")),
            None => Ok(()),
        }
    }
}
