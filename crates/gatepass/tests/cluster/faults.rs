//! What goes wrong, one thing after the other.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gatepass_sign::Action;

use crate::client::{Client, sign};
use crate::random::Random;
use crate::rig::{NODES, Rig, StoreWeather};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9` of a node, which is started again.
    KillNode,
    /// SIGSTOP of a node, and SIGCONT.
    StopNode,
    /// A node of the object store is killed, and comes back.
    KillGarage,
    /// `pg_ctl restart -m immediate`.
    RestartPostgres,
    /// `pg_terminate_backend` of all connections, again and again.
    TerminateBackends,
    /// Connections to PostgreSQL are slow, cut anywhere, and behind commits.
    CutDatabase,
    /// Commits that never arrive, and answers of commits that never do, on open connections.
    HoldDatabase,
    /// 500, 503, errors in answers of success, lost answers of the object store.
    StoreAnswers,
    /// Connections to the object store are cut, late and half open.
    CutStore,
}

/// What a round has of each.
const ROUND: [Fault; 12] = [
    Fault::KillNode,
    Fault::KillNode,
    Fault::KillNode,
    Fault::StopNode,
    Fault::StopNode,
    Fault::KillGarage,
    Fault::RestartPostgres,
    Fault::TerminateBackends,
    Fault::CutDatabase,
    Fault::HoldDatabase,
    Fault::StoreAnswers,
    Fault::CutStore,
];

/// The faults of a round, in some order.
pub(crate) fn round(random: &mut Random) -> Vec<Fault> {
    let mut faults = ROUND.to_vec();
    for at in (1..faults.len()).rev() {
        faults.swap(at, usize::try_from(random.below(at as u64 + 1)).unwrap());
    }
    faults
}

impl Fault {
    /// Whether it is for others to go on with what a node of ours was at.
    pub(crate) fn is_of_a_node(self) -> bool {
        matches!(self, Self::KillNode | Self::StopNode)
    }

    /// Happens, and is over.
    pub(crate) fn strike(self, rig: &Rig, random: &mut Random) {
        let node = usize::try_from(random.below(NODES as u64)).unwrap();
        let a_while = Duration::from_millis(1_000 + random.below(3_000));
        let pass = || std::thread::sleep(a_while);
        match self {
            Self::KillNode => {
                rig.kill_node(node);
                pass();
                rig.start_node(node);
            }
            Self::StopNode => {
                rig.signal(node, "-STOP");
                // Often longer than clients wait.
                std::thread::sleep(2 * a_while);
                rig.signal(node, "-CONT");
            }
            Self::KillGarage => {
                rig.garage.kill(node);
                pass();
                rig.garage.resume(node);
            }
            Self::RestartPostgres => rig.postgres.lock().unwrap().crash(),
            Self::TerminateBackends => {
                for _ in 0..8 {
                    rig.sql(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                         WHERE application_name = 'gatepass'",
                    );
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            Self::CutDatabase => {
                rig.to_database.cut_every.store(31, Ordering::Relaxed);
                rig.to_database.cut_answer_every.store(7, Ordering::Relaxed);
                rig.to_database.delay.store(random.below(15), Ordering::Relaxed);
                pass();
            }
            Self::HoldDatabase => {
                rig.to_database.hold_answer_every.store(23, Ordering::Relaxed);
                rig.to_database.hold_commit_every.store(29, Ordering::Relaxed);
                pass();
            }
            Self::StoreAnswers => {
                rig.to_store.set(StoreWeather::ANSWERS);
                pass();
            }
            Self::CutStore => {
                rig.to_store.set(StoreWeather::CONNECTIONS);
                pass();
            }
        }
        rig.clear_weather();
    }
}

/// I6: how long it takes after the end of a fault until every node takes an upload.
pub(crate) fn time_to_recover(rig: &Rig, number: u64) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for node in 0..NODES {
            let address = rig.address(node).unwrap();
            scope.spawn(move || {
                let mut client = Client::new(address);
                let target = sign(Action::Put, &format!("probe/{number}-{node}"), 0);
                let mut answered = None;
                while !matches!(answered, Some(200 | 201)) {
                    assert!(
                        begun.elapsed() < Duration::from_mins(1),
                        "node {node} does not recover: the last answer was {answered:?}"
                    );
                    let reply = client.send("PUT", &target, "", b"probe");
                    answered = reply.map(|reply| reply.status);
                }
            });
        }
    });
    begun.elapsed()
}
