use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use gatepass_core::MediaFacts;
use gatepass_core::port::{Content, Probe};

use crate::worker::Pool;
use crate::{content_type, format};

/// How long an upload waits for the facts of its file, its turn included.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most workers, whatever the number of processors: each may take 256 MiB.
const WORKERS_MAX: usize = 4;

/// The engine's [`Probe`]: types are found at once, facts by processes of their own.
#[derive(Debug)]
pub struct MediaProbe {
    pool: Pool,
}

impl MediaProbe {
    /// Starts workers, when it needs them, by this command, which has to call
    /// [`worker::serve`](crate::worker::serve) with its standard streams.
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { pool: Pool::new(program, arguments, processors.min(WORKERS_MAX)) }
    }
}

#[async_trait]
impl Probe for MediaProbe {
    fn content_type(&self, head: &[u8], declared: Option<&str>) -> String {
        content_type(head, declared).to_owned()
    }

    fn has_facts(&self, content_type: &str) -> bool {
        format::is_known(content_type)
    }

    async fn facts(&self, content_type: &str, content: &dyn Content) -> MediaFacts {
        let mut facts = MediaFacts::default();
        if !self.has_facts(content_type) || content.size() == 0 {
            return facts;
        }
        let asked = self.pool.ask(content_type, content, &mut facts);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, content_type, "media facts are missing"),
            Err(_) => tracing::warn!(content_type, "media facts are missing: it took too long"),
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use gatepass_core::ByteRange;
    use gatepass_core::port::BlobError;

    use super::*;

    struct Zeros(u64);

    #[async_trait]
    impl Content for Zeros {
        fn size(&self) -> u64 {
            self.0
        }

        async fn read(&self, range: ByteRange) -> Result<Bytes, BlobError> {
            Ok(vec![0; usize::try_from(range.length()).unwrap()].into())
        }
    }

    struct Unread;

    #[async_trait]
    impl Content for Unread {
        fn size(&self) -> u64 {
            1_000_000
        }

        async fn read(&self, _: ByteRange) -> Result<Bytes, BlobError> {
            panic!("nothing is to be read")
        }
    }

    fn probe(script: &str) -> MediaProbe {
        MediaProbe::new("/bin/sh".into(), vec!["-c".into(), script.into()])
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn types_without_facts_are_neither_read_nor_asked_about() {
        // It would want the first byte.
        let probe = probe(r"printf '\001\000\000\000\000\000\000\000\000\000\000\000\001'; cat");
        run(async {
            for content_type in ["application/octet-stream", "text/plain", "application/zip"] {
                assert_eq!(probe.facts(content_type, &Unread).await, MediaFacts::default());
            }
        });
    }

    /// Whatever a worker is or does: the upload goes on, soon, and the worker is gone.
    #[test]
    fn a_worker_cannot_stall_or_mislead() {
        run(async {
            for script in [
                "while :; do :; done",
                "sleep 1000",
                "exit 1",
                "kill -9 $$",
                // Tells more and more.
                "yes",
                // Facts of 4 GiB.
                r"printf '\002\377\377\377\377'; cat /dev/zero",
                // Wants what is not there.
                r"printf '\001\377\377\377\377\377\377\377\377\000\000\000\001'; sleep 1000",
                // Wants too much at once.
                r"printf '\001\000\000\000\000\000\000\000\000\000\020\000\000'; sleep 1000",
                // Wants without an end, and never takes it.
                r"while :; do printf '\001\000\000\000\000\000\000\000\000\000\001\000\000'; done",
                r#"printf '\002\000\000\000\022{"width":4294967296}'; sleep 1000"#,
                "exec 1>&-; sleep 1000",
            ] {
                let began = Instant::now();
                let probe = probe(script);
                assert_eq!(probe.facts("image/png", &Zeros(1 << 20)).await, MediaFacts::default());
                assert!(began.elapsed() < PATIENCE * 5, "{script}");
            }
            let missing = MediaProbe::new("/nowhere".into(), Vec::new());
            assert_eq!(missing.facts("image/png", &Zeros(1)).await, MediaFacts::default());
        });
    }

    #[test]
    fn what_was_found_before_a_worker_hangs_is_kept() {
        let facts = r#"{"width":4,"height":3,"codec":"<script>"}"#;
        let script = format!(r"printf '\002\000\000\000\051'; printf '{facts}'; sleep 1000");
        let found = run(async { probe(&script).facts("image/png", &Zeros(1)).await });
        let expected = MediaFacts { width: Some(4), height: Some(3), ..MediaFacts::default() };
        assert_eq!(found, expected);
    }
}
