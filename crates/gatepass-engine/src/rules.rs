//! Who may read what: the access rules of a project, changed while it is served.

use gatepass_core::port::CatalogError;
use gatepass_core::{AccessRule, AccessRules, KeyGrant};

use tokio::time::timeout;

use crate::admin::{Admin, AdminError, CHANGE_MAX};
use crate::engine::Engine;

/// The rules, as the catalog has them.
pub async fn list(engine: &Engine, key: &KeyGrant) -> Result<AccessRules, CatalogError> {
    let projects = engine.ports.catalog.load_settings().await?.projects;
    let project = projects.into_iter().find(|project| project.id == *key.project());
    Ok(project.map(|project| project.access_rules).unwrap_or_default())
}

/// Sets a rule. From the answer on this server judges by it.
pub async fn put(engine: &Engine, key: &KeyGrant, rule: AccessRule) -> Result<(), AdminError> {
    change(engine, async |admin| admin.put_rule(key.project(), rule).await.map(drop)).await
}

/// Removes the rule with this very prefix. From the answer on this server judges without it.
pub async fn remove(engine: &Engine, key: &KeyGrant, prefix: &str) -> Result<(), AdminError> {
    change(engine, async |admin| admin.remove_rule(key.project(), prefix).await.map(drop)).await
}

/// One change at a time: changes that cross here would only be decided again. Nobody waits without
/// end behind others while the catalog hangs.
async fn change(
    engine: &Engine,
    change: impl AsyncFnOnce(Admin) -> Result<(), AdminError>,
) -> Result<(), AdminError> {
    let turn = timeout(CHANGE_MAX, engine.settings_turn.lock()).await;
    let _turn = turn.map_err(|late| CatalogError::Unavailable(late.into()))?;
    change(engine.admin()).await?;
    if let Err(error) = engine.reload_settings().await {
        tracing::warn!(%error, "changed settings could not be read; tried again in seconds");
    }
    Ok(())
}
