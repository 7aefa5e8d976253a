//! Deleting a file.

use gatepass_core::condition::Conditions;
use gatepass_core::port::RemoveError;
use gatepass_core::{File, Grant, Operation};

use crate::engine::Engine;

/// Removes the file at the grant's path and returns what it was. Readers that have begun finish
/// with the old bytes; the sweeper deletes them later.
///
/// A grant for anything but removing finds no file.
pub async fn remove(
    engine: &Engine,
    grant: &Grant,
    conditions: &Conditions,
) -> Result<File, RemoveError> {
    if grant.operation() != Operation::Remove {
        return Err(RemoveError::NotFound);
    }
    let now = engine.now();
    engine.ports.catalog.remove_file(grant.project(), grant.path(), conditions, now).await
}
