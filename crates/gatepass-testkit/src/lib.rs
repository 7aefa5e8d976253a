//! Conformance suites for the ports of [`gatepass_core::port`], and what tests are built from.
//!
//! A suite is a set of checks, one for each sentence of the port's contract. An adapter runs all
//! of them as tests of its own, each on a fresh store:
//!
//! ```ignore
//! fn open() -> (TempDir, Arc<dyn BlobStore>) { .. }
//!
//! gatepass_testkit::blob_store_suite!(super::open);
//! ```
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a check fails by a panic")]

pub mod blob_store;
pub mod builders;
pub mod catalog;
mod clock;
pub mod fuzz;
pub mod garage;
pub mod media;
mod ports;
pub mod postgres;

use std::time::Duration;

pub use clock::FixedClock;
pub use ports::free_port;

/// Far above what any check takes, on a disk that takes half a second to sync as well: only what
/// hangs reaches it.
const CHECK_TIME_MAX: Duration = Duration::from_mins(10);
/// How long something that happens in the background may take.
const EVENTUALLY: Duration = Duration::from_mins(1);

/// Runs a check on a runtime of its own; one that hangs fails.
pub fn run(check: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(CHECK_TIME_MAX, check).await });
    assert!(ended.is_ok(), "the check hangs");
}

/// Waits until something holds that comes about in the background.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(EVENTUALLY, wait).await.is_ok(), "never came about: {what}");
}

/// Makes one test of each check of the suite for [`BlobStore`](gatepass_core::port::BlobStore).
///
/// Takes the path of a function that opens an empty store: it returns a guard, which is dropped
/// after the check, and the store as `Arc<dyn BlobStore>`.
#[macro_export]
macro_rules! blob_store_suite {
    ($open:path) => {
        $crate::tests_of! { $open, blob_store::writing: [
            what_was_written_is_read
            an_empty_blob_is_a_blob
            empty_pieces_change_nothing
            many_small_pieces_stay_in_order
            digests_are_those_of_the_content
            fifty_uploads_at_once
            giving_up_harms_nothing_that_is_there
            a_discarded_blob_leaves_nothing
            a_dropped_blob_leaves_nothing
            a_cancelled_commit_leaves_all_or_nothing
        ] }
        $crate::tests_of! { $open, blob_store::reading: [
            every_range_is_exact
            a_range_past_the_end_is_an_error
            what_is_not_there_is_not_found
            an_open_reader_never_reads_other_bytes
            many_readers_read_one_blob
            the_size_of_a_blob_is_known
        ] }
        $crate::tests_of! { $open, blob_store::parts: [
            parts_in_any_order_become_one_blob
            a_part_has_its_own_size_and_digests
            a_committed_part_can_be_read
            a_part_of_a_part_can_be_compared
            a_part_that_was_given_up_can_be_written_again
            parts_can_be_of_any_size
            a_large_part_is_kept_whole
            nothing_is_left_behind_the_end
            an_empty_blob_needs_no_part
            what_is_missing_is_noticed
        ] }
        $crate::tests_of! { $open, blob_store::keeping: [
            a_new_store_is_empty_and_ready
            a_blob_can_be_deleted_twice
            the_list_has_everything_once
            the_list_goes_on_after_any_entry
            an_upload_in_flight_is_listed
        ] }
    };
}

/// The checks for a store that refuses a name that is taken, as `blob_store_suite` has them.
#[macro_export]
macro_rules! exclusive_blob_store_suite {
    ($open:path) => {
        $crate::tests_of! { $open, blob_store::exclusive: [
            a_name_is_written_once
            of_two_writers_of_one_name_at_most_one_commits
        ] }
    };
}

/// Makes one test of each check of the suite for [`Catalog`](gatepass_core::port::Catalog).
///
/// Takes the path of a function that opens an empty catalog: it returns a guard, which is dropped
/// after the check, and the catalog as `Arc<dyn Catalog>`.
#[macro_export]
macro_rules! catalog_suite {
    ($open:path) => {
        $crate::tests_of! { $open, catalog::publishing: [
            a_new_path_has_what_was_published
            a_replaced_file_keeps_its_identity
            a_refused_replacement_changes_nothing
            conditions_are_held_against_what_is_there
            one_path_is_one_spelling_in_one_project
            extreme_values_come_back
            a_cancelled_publication_is_whole_or_absent
        ] }
        $crate::tests_of! { $open, catalog::racing: [
            one_of_fifty_creators_wins
            fifty_replacements_lose_nothing
            one_of_fifty_holders_of_a_version_wins
            one_of_twenty_removers_wins
        ] }
        $crate::tests_of! { $open, catalog::removing: [
            a_removed_file_is_gone_and_its_blob_retired
            what_is_not_there_cannot_be_removed
            removal_obeys_conditions
        ] }
        $crate::tests_of! { $open, catalog::inline: [
            bytes_that_the_catalog_keeps_come_back
            bytes_go_with_their_version
            removal_takes_the_bytes_along
        ] }
        $crate::tests_of! { $open, catalog::listing: [
            files_come_newest_first_page_by_page
            a_page_may_be_of_any_size
            a_prefix_is_text_and_no_pattern
            a_prefix_may_end_in_any_character
            files_with_a_prefix_come_by_path_page_by_page
            a_list_can_be_confined
        ] }
        $crate::tests_of! { $open, catalog::changing: [
            a_file_is_found_by_its_id
            a_renamed_file_keeps_what_it_is
            a_file_is_described
            a_taken_path_is_refused
            changes_are_confined
            changes_by_id_obey_conditions
            a_file_is_removed_by_its_id
            one_of_twenty_movers_wins
            fifty_descriptions_lose_nothing
        ] }
        $crate::tests_of! { $open, catalog::uploads: [
            an_upload_is_found_again
            fifty_first_requests_begin_one_upload
            beginning_is_bounded
            parts_that_do_not_fit_are_refused
            parts_recorded_at_once_are_all_there
            thirty_two_finishers_publish_one_file
            a_refused_finish_changes_nothing
            an_upload_can_be_ended_once
            time_ends_and_forgets_uploads
            unfinished_uploads_are_listed
            unfinished_uploads_within_a_prefix_are_listed
        ] }
        $crate::tests_of! { $open, catalog::settings: [
            every_field_comes_back
            putting_again_replaces
            changes_are_made_all_or_none
            a_required_version_lets_one_of_many_win
            each_change_raises_the_version
            touching_keys_is_no_change
        ] }
        $crate::tests_of! { $open, catalog::blobs: [
            blobs_in_use_and_retired_ones_are_known
            any_number_of_blobs_can_be_asked_for
            retired_blobs_come_oldest_first
            forgotten_blobs_are_unknown
            a_new_catalog_is_empty_and_ready
        ] }
        $crate::tests_of! { $open, catalog::transfer: [
            what_is_brought_in_is_there
            bringing_in_again_changes_nothing
            an_export_is_of_one_moment
            an_export_that_nobody_takes_holds_nobody_up
            the_note_of_an_import_comes_back
        ] }
    };
}

/// Makes the tests of one module of checks. For the suites.
#[doc(hidden)]
#[macro_export]
macro_rules! tests_of {
    ($open:path, $port:ident :: $module:ident : [$($check:ident)*]) => {
        $(
            #[test]
            fn $check() {
                let (_guard, port) = $open();
                $crate::run($crate::$port::$module::$check(port));
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    /// A check that is written but not in its suite would never run.
    #[test]
    fn every_check_is_in_its_suite() {
        let suites = include_str!("lib.rs");
        for module in [
            include_str!("blob_store/writing.rs"),
            include_str!("blob_store/reading.rs"),
            include_str!("blob_store/keeping.rs"),
            include_str!("blob_store/parts.rs"),
            include_str!("blob_store/exclusive.rs"),
            include_str!("catalog/publishing.rs"),
            include_str!("catalog/racing.rs"),
            include_str!("catalog/removing.rs"),
            include_str!("catalog/inline.rs"),
            include_str!("catalog/listing.rs"),
            include_str!("catalog/changing.rs"),
            include_str!("catalog/settings.rs"),
            include_str!("catalog/blobs.rs"),
            include_str!("catalog/uploads.rs"),
            include_str!("catalog/transfer.rs"),
        ] {
            for check in module.split("\npub async fn ").skip(1) {
                let name = check.split('(').next().unwrap_or_default();
                assert!(suites.contains(&format!("            {name}\n")), "{name} never runs");
            }
        }
    }
}
