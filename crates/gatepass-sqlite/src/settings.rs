//! Projects, domains and keys.

use gatepass_core::port::CatalogError;
use gatepass_core::project::{SettingsChange, SettingsRecords};
use rusqlite::{Connection, params};

use crate::connection::catalog_error;
use crate::rows;

pub(crate) fn version(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT version FROM settings WHERE one = 1")?
        .query_row([], |row| row.get(0))
}

/// Reads everything in one transaction, so that it fits together.
pub(crate) fn load(connection: &Connection) -> rusqlite::Result<SettingsRecords> {
    let transaction = connection.unchecked_transaction()?;
    records(&transaction)
}

/// Likewise, in the caller's transaction.
pub(crate) fn records(transaction: &Connection) -> rusqlite::Result<SettingsRecords> {
    let importing = "SELECT importing FROM settings WHERE one = 1";
    let keys = format!("SELECT {} FROM api_keys ORDER BY created, id", rows::KEY_COLUMNS);
    Ok(SettingsRecords {
        version: version(transaction)?,
        projects: all(transaction, "SELECT * FROM projects ORDER BY created, id", rows::project)?,
        domains: all(transaction, "SELECT * FROM domains ORDER BY created, host", rows::domain)?,
        keys: all(transaction, &keys, rows::key)?,
        importing: transaction.prepare_cached(importing)?.query_row([], |row| row.get(0))?,
    })
}

fn all<T>(
    connection: &Connection,
    query: &str,
    read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(query)?.query_map([], read)?.collect()
}

pub(crate) fn change(
    connection: &Connection,
    changes: &[SettingsChange],
) -> Result<(), CatalogError> {
    let version = version(connection).map_err(catalog_error)?;
    let outdated = |change: &SettingsChange| matches!(change, SettingsChange::RequireVersion(required) if *required != version);
    if changes.iter().any(outdated) {
        return Err(CatalogError::Outdated);
    }
    make(connection, changes).map_err(catalog_error)
}

pub(crate) fn make(connection: &Connection, changes: &[SettingsChange]) -> rusqlite::Result<()> {
    for change in changes {
        apply(connection, change)?;
    }
    let only_touches = changes.iter().all(|change| matches!(change, SettingsChange::TouchKeys(_)));
    if !only_touches {
        connection.execute("UPDATE settings SET version = version + 1", [])?;
    }
    Ok(())
}

fn apply(connection: &Connection, change: &SettingsChange) -> rusqlite::Result<()> {
    match change {
        SettingsChange::RequireVersion(_) => {}
        SettingsChange::PutProject(project) => {
            let rules = serde_json::to_string(&project.access_rules)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            connection.execute(
                "INSERT INTO projects (id, org, name, catch_all, legacy_urls, \
                     max_expiry_seconds, file_bytes_max, access_rules, created) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                 ON CONFLICT (id) DO UPDATE SET org = ?2, name = ?3, catch_all = ?4, \
                     legacy_urls = ?5, max_expiry_seconds = ?6, file_bytes_max = ?7, \
                     access_rules = ?8",
                params![
                    project.id.as_str(),
                    project.org,
                    project.name,
                    project.catch_all,
                    project.legacy_urls.as_str(),
                    project.max_expiry_seconds,
                    project.file_bytes_max,
                    rules,
                    project.created.unix_millis(),
                ],
            )?;
        }
        SettingsChange::PutDomain(domain) => {
            connection.execute(
                "INSERT INTO domains (host, project, public_url, created) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (host) DO UPDATE SET project = ?2, public_url = ?3",
                params![
                    domain.host,
                    domain.project.as_str(),
                    domain.public_url,
                    domain.created.unix_millis(),
                ],
            )?;
        }
        SettingsChange::RemoveDomain(host) => {
            connection.execute("DELETE FROM domains WHERE host = ?1", [host])?;
        }
        SettingsChange::PutKey(key) => put_key(connection, key)?,
        SettingsChange::SetImporting(what) => {
            connection.execute("UPDATE settings SET importing = ?1 WHERE one = 1", [what])?;
        }
        SettingsChange::TouchKeys(used) => {
            let mut statement = connection.prepare_cached(
                "UPDATE api_keys SET last_used = max(coalesce(last_used, 0), ?2) WHERE id = ?1",
            )?;
            for (key, at) in used {
                statement.execute(params![key.as_str(), at.unix_millis()])?;
            }
        }
    }
    Ok(())
}

fn put_key(
    connection: &Connection,
    key: &gatepass_core::project::SealedKey,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO api_keys (id, project, name, scopes, prefix, state, verify_until, created, \
             last_used, master_id, nonce, ciphertext) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (id) DO UPDATE SET project = ?2, name = ?3, scopes = ?4, prefix = ?5, \
             state = ?6, verify_until = ?7, last_used = ?9, master_id = ?10, nonce = ?11, \
             ciphertext = ?12",
        params![
            key.id.as_str(),
            key.project.as_str(),
            key.name,
            key.scopes.to_string(),
            key.prefix,
            key.state.as_str(),
            key.verify_until.map(gatepass_core::Timestamp::unix_millis),
            key.created.unix_millis(),
            key.last_used.map(gatepass_core::Timestamp::unix_millis),
            key.master_id,
            key.nonce,
            key.ciphertext,
        ],
    )?;
    Ok(())
}
