//! Ports that count: how often each call is made, how long it takes, how often the engine behind it
//! fails. A refusal is no failure. Wrapped around the real ones where they meet.

mod catalog;
mod store;

pub use catalog::MeasuredCatalog;
pub use store::MeasuredStore;

use std::time::Instant;

use gatepass_core::port::{
    BlobError, CatalogError, ChangeError, FinishError, JoinError, PublishError, RemoveError,
    UploadError,
};

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
#[derive(Debug, Clone, Copy)]
struct Meter {
    seconds: &'static str,
    failures: &'static str,
    engine: &'static str,
}

impl Meter {
    async fn time<T, E: Fault>(
        self,
        call: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let result = work.await;
        let seconds = begun.elapsed().as_secs_f64();
        metrics::histogram!(self.seconds, "engine" => self.engine, "call" => call).record(seconds);
        if result.as_ref().is_err_and(Fault::is_fault) {
            metrics::counter!(self.failures, "engine" => self.engine, "call" => call).increment(1);
        }
        result
    }
}
