//! Ports that count: how often each call is made, how long it takes, how often the engine behind it
//! fails. A refusal is no failure. Wrapped around the real ones where they meet.

mod catalog;
mod store;

pub use catalog::MeasuredCatalog;
pub use store::MeasuredStore;

use std::cell::RefCell;
use std::time::Instant;

use gatepass_core::port::{
    BlobError, CatalogError, ChangeError, FinishError, JoinError, PublishError, RemoveError,
    UploadError,
};
use metrics::Histogram;

/// Whether an error is the engine's fault, and not the caller's.
trait Fault {
    fn is_fault(&self) -> bool;
}

impl Fault for CatalogError {
    fn is_fault(&self) -> bool {
        !matches!(self, Self::Outdated)
    }
}

impl Fault for BlobError {
    fn is_fault(&self) -> bool {
        !matches!(self, Self::NotFound | Self::TooLarge { .. } | Self::NotReadable)
    }
}

macro_rules! faults {
    ($($error:ident),*) => {
        $(impl Fault for $error {
            fn is_fault(&self) -> bool {
                matches!(self, Self::Catalog(error) if error.is_fault())
            }
        })*
    };
}
faults!(ChangeError, FinishError, JoinError, PublishError, RemoveError, UploadError);

/// Which port, and what is behind it.
#[derive(Clone)]
struct Meter {
    seconds: &'static str,
    failures: &'static str,
    engine: &'static str,
}

/// What a histogram is found by: its name, the engine and the call.
type Labels = [&'static str; 3];

thread_local! {
    /// Asking the recorder for one each time costs more than many a call. Each thread keeps those
    /// that it has asked for: they are few, and no thread waits for another.
    static HISTOGRAMS: RefCell<Vec<(Labels, Histogram)>> = const { RefCell::new(Vec::new()) };
}

impl Meter {
    fn new(seconds: &'static str, failures: &'static str, engine: &'static str) -> Self {
        Self { seconds, failures, engine }
    }

    async fn time<T, E: Fault>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let result = work.await;
        self.record(call, begun.elapsed().as_secs_f64());
        if result.as_ref().is_err_and(Fault::is_fault) {
            metrics::counter!(self.failures, "engine" => self.engine, "call" => call).increment(1);
        }
        result
    }

    fn record(&self, call: &'static str, seconds: f64) {
        let labels = [self.seconds, self.engine, call];
        let new = || metrics::histogram!(self.seconds, "engine" => self.engine, "call" => call);
        HISTOGRAMS.with_borrow_mut(|known| {
            if let Some((_, histogram)) = known.iter().find(|(of, _)| are_same(of, &labels)) {
                return histogram.record(seconds);
            }
            let histogram = new();
            histogram.record(seconds);
            known.push((labels, histogram));
        });
    }
}

/// Labels are constants: where they lie tells them apart. One that lies in two places is known twice.
fn are_same(one: &Labels, other: &Labels) -> bool {
    one.iter().zip(other).all(|(one, other)| std::ptr::eq(*one, *other))
}
