//! Bounds with their units and the reasons for their defaults.

use std::time::Duration;

/// Bounds of the engine. Those of connections and headers belong to the listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest file in bytes. 5 TiB: what the large object stores take.
    pub file_bytes_max: u64,
    /// Largest file in bytes that the catalog keeps itself, if it can. 256 KiB: below, syncs cost
    /// more than bytes.
    pub inline_bytes_max: usize,
    /// Most bytes of such files that wait in memory, all together. 64 MiB; what is more goes to
    /// the store.
    pub inline_waiting_bytes_max: usize,
    /// How long a blob stays after the last path stopped pointing to it, so that readers who have
    /// just looked the path up still find it.
    pub retired_blob_keep: Duration,
    /// How old a blob without a catalog entry must be before it counts as an orphan. Far above
    /// the longest silence that an upload is allowed, so that one in flight is never taken.
    pub orphan_age_min: Duration,
    /// How long an unfinished upload is kept after its last byte: a day, so that a client may
    /// come back on the next one.
    pub upload_keep: Duration,
    /// How long an upload that ended is remembered, for late repeats: a week.
    pub upload_remember: Duration,
    /// Most unfinished uploads of a project. Each takes a row, its parts and a file.
    pub uploads_open_max: u64,
    /// Most bytes that the unfinished uploads of a project may come to: those that were announced,
    /// else those that came. 10 TiB, twice the largest file.
    pub uploads_reserved_bytes_max: u64,
    /// Largest file in bytes that is fetched from a URL. 50 GiB: within the hour that a fetch may
    /// take, for a source of 15 MB/s.
    pub ingest_bytes_max: u64,
    /// Most fetches at a time. Each takes two descriptors and a share of the network.
    pub ingests_max: usize,
    /// How often the sweeper runs.
    pub sweep_interval: Duration,
    /// Bytes of the start of each file that are kept in memory for finding its type: 4 KiB, for
    /// an upload may be one of thousands that trickle in.
    pub sniff_bytes: usize,
    /// How long a store's own URL of a file is good: long enough to follow a redirect when clocks
    /// differ a little, short because it cannot be taken back. A transfer that began goes on.
    pub link_lifetime: Duration,
    /// How long a receipt is believed.
    pub receipt_lifetime: Duration,
    /// How long a change of settings made by another process may go unnoticed.
    pub settings_age_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes_max: 5 << 40,
            inline_bytes_max: 256 << 10,
            inline_waiting_bytes_max: 64 << 20,
            retired_blob_keep: Duration::from_mins(10),
            orphan_age_min: Duration::from_hours(1),
            upload_keep: Duration::from_hours(24),
            upload_remember: Duration::from_hours(7 * 24),
            uploads_open_max: 10_000,
            uploads_reserved_bytes_max: 10 << 40,
            ingest_bytes_max: 50 << 30,
            ingests_max: 100,
            sweep_interval: Duration::from_hours(1),
            sniff_bytes: 4 * 1024,
            link_lifetime: Duration::from_mins(1),
            receipt_lifetime: Duration::from_hours(1),
            settings_age_max: Duration::from_secs(2),
        }
    }
}
