//! Ports that count: how often each call is made, how long it takes, how often the engine behind it
//! fails. A refusal is no failure. Wrapped around the real ones where they meet.

mod catalog;
mod store;

pub use catalog::MeasuredCatalog;
pub use store::MeasuredStore;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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
    /// By call. Asking the recorder for one each time costs more than many a call.
    histograms: Arc<Mutex<HashMap<&'static str, Histogram>>>,
}

impl Meter {
    fn new(seconds: &'static str, failures: &'static str, engine: &'static str) -> Self {
        Self { seconds, failures, engine, histograms: Arc::default() }
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
        let mut histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || metrics::histogram!(self.seconds, "engine" => self.engine, "call" => call);
        histograms.entry(call).or_insert_with(new).record(seconds);
    }
}
