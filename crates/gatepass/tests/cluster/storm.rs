//! Mixed load, and everything that can fail, one thing after the other.
//!
//!     GATEPASS_ROUNDS=50 cargo test -p gatepass --test cluster storm

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::client::Stop;
use crate::faults::{self, Fault, time_to_recover};
use crate::history::Slot;
use crate::ledger::check_table;
use crate::load::Load;
use crate::random::Random;
use crate::rig::Rig;

const CHANGERS: usize = 4;
const SLOTS_EACH: usize = 5;
const UPLOADERS: usize = 3;
/// Between two faults.
const CALM: Duration = Duration::from_millis(500);
/// What the issue wants is measured and printed; this is what a busy machine may take.
const TAKEOVER_MAX: Duration = Duration::from_secs(20);
const RECOVERY_MAX: Duration = Duration::from_secs(40);

/// The longest recovery from each kind of fault.
type Recoveries = BTreeMap<Fault, Duration>;

#[test]
fn nothing_is_lost_in_a_storm() {
    let (seed, rounds) = (Random::seed(), crate::setting("GATEPASS_ROUNDS", 2));
    let begun = Instant::now();
    let load = Load::new(Arc::new(Rig::start()));
    let mut random = Random::new(seed);
    let mut slots: Vec<Slot> =
        (0..CHANGERS * SLOTS_EACH).map(|number| Slot::new(format!("slot/{number}"))).collect();
    let mut recoveries = Recoveries::new();
    for round in 0..rounds {
        let gone = storm(&load, &mut slots, &mut random, &mut recoveries, round)
            .and_then(|()| check(&load, &mut slots, &mut random));
        if let Err(text) = gone {
            let command = format!("GATEPASS_SEED={seed} GATEPASS_ROUNDS={rounds}");
            panic!("{text}\nagain: {command} cargo test -p gatepass --test cluster storm");
        }
    }
    let mut takeovers = load.takeovers.lock().unwrap().clone();
    takeovers.sort_unstable();
    crate::report("storm", seed, rounds, begun, &figures(&load, &takeovers, &recoveries));
    assert!(load.rig.strikes() > 5 * rounds, "the networks were too fair");
    assert!(load.answered.load(Ordering::Relaxed) > 50 * rounds, "hardly any work was done");
    assert!(percentile(&takeovers, 99) < TAKEOVER_MAX, "taking over takes too long");
    assert!(recoveries.values().all(|time| *time < RECOVERY_MAX), "{recoveries:?}");
}

/// Clients work while one fault comes after the other.
fn storm(
    load: &Load,
    slots: &mut [Slot],
    random: &mut Random,
    recoveries: &mut Recoveries,
    round: u64,
) -> Result<(), String> {
    load.is_over.store(false, Ordering::SeqCst);
    for slot in slots.iter_mut() {
        slot.comes_late = true;
    }
    let paths: Vec<String> = slots.iter().map(|slot| slot.path.clone()).collect();
    std::thread::scope(|scope| {
        // Else they would go on for ever where something panics.
        let _over = Over(&load.is_over);
        let mut clients = Vec::new();
        for slots in slots.chunks_mut(SLOTS_EACH) {
            let seed = random.next();
            clients.push(scope.spawn(move || load.change(slots, seed)));
        }
        for uploader in 0..UPLOADERS {
            let (name, seed) = (format!("once/{round}/{uploader}"), random.next());
            clients.push(scope.spawn(move || load.upload(&name, seed)));
        }
        let (paths, seed) = (&paths, random.next());
        clients.push(scope.spawn(move || load.read(paths, seed)));
        let faults = faults::round(random);
        for (number, fault) in (round * 100..).zip(faults) {
            load.a_node_fails.store(fault.is_of_a_node(), Ordering::SeqCst);
            fault.strike(&load.rig, random);
            let time = time_to_recover(&load.rig, number);
            load.a_node_fails.store(false, Ordering::SeqCst);
            let longest = recoveries.entry(fault).or_default();
            *longest = time.max(*longest);
            std::thread::sleep(CALM);
            // Somebody has found something.
            if clients.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        load.is_over.store(true, Ordering::SeqCst);
        let ended = clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| Err("a client panicked".to_owned())));
        // All of them end before the first that found something is heard.
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Lets the clients end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// When nothing is on its way any more, everything that was acknowledged is there.
fn check(load: &Load, slots: &mut [Slot], random: &mut Random) -> Result<(), String> {
    load.rig.settle();
    let mut client = load.rig.client(random.next(), Duration::from_secs(30));
    for slot in slots {
        slot.comes_late = false;
        patiently(|| match client.check(slot) {
            Ok(()) => Ok(true),
            Err(Stop::Gone) => Ok(false),
            Err(Stop::Violation(text)) => Err(text),
        })?;
    }
    let entries = load.entries.lock().unwrap();
    for entry in entries.iter() {
        patiently(|| load.read_entry(&mut client, entry))?;
    }
    let table = load.rig.sql("SELECT path || ' ' || id FROM files WHERE path LIKE 'once/%'");
    check_table(&entries, &table)?;
    load.rig.check_logs()?;
    match load.internal_errors.load(Ordering::Relaxed) + client.internal_errors {
        0 => Ok(()),
        count => Err(format!("{count} answers were 500")),
    }
}

/// Asks again where no answer came.
fn patiently(mut ask: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let begun = Instant::now();
    while !ask()? {
        if begun.elapsed() > RECOVERY_MAX {
            return Err("no answer although nothing is wrong".to_owned());
        }
    }
    Ok(())
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

fn figures(load: &Load, takeovers: &[Duration], recoveries: &Recoveries) -> String {
    let count = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
    let mut text = format!(
        ",\"requests\":{},\"repeated\":{},\"uploads\":{},\"network_faults\":{}",
        count(&load.answered),
        count(&load.repeated),
        load.entries.lock().unwrap().len(),
        load.rig.strikes()
    );
    let seconds = |time: Duration| time.as_secs_f64();
    let _ = write!(
        text,
        ",\"takeovers\":{},\"takeover_p50\":{:.2},\"takeover_p99\":{:.2},\"takeover_max\":{:.2}",
        takeovers.len(),
        seconds(percentile(takeovers, 50)),
        seconds(percentile(takeovers, 99)),
        seconds(percentile(takeovers, 100)),
    );
    for (fault, time) in recoveries {
        let _ = write!(text, ",\"recovery_{fault:?}\":{:.2}", seconds(*time));
    }
    text
}
