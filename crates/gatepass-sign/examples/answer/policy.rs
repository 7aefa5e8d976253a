//! A policy of the vectors, as a value.

use gatepass_sign::{Action, Policy, parse_sha256};
use serde_json::Value;

/// A policy of the vectors, if the types can hold it.
pub(crate) fn policy(value: &Value) -> Option<Policy> {
    let number = |name: &str| match &value[name] {
        Value::Null => Some(None),
        number => number.as_u64().map(Some),
    };
    let method = value["method"].as_str().map(|text| Action::parse(text).ok_or(()));
    let digest = value["sha256"].as_str().map(|hex| parse_sha256(hex).ok_or(()));
    let owned = |name: &str| value[name].as_str().map(str::to_owned);
    let types = owned("type").map(|list| list.split(',').map(str::to_owned).collect());
    let meta = value["meta"].as_object().cloned().unwrap_or_default();
    Some(Policy {
        expiry: number("expiry")??,
        action: method.transpose().ok()?,
        max_size: number("max_size")?,
        size: number("size")?,
        types: types.unwrap_or_default(),
        sha256: digest.transpose().ok()?,
        overwrite: value["overwrite"].as_bool().unwrap_or(true),
        reference: owned("ref"),
        metadata: meta
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().into()))
            .collect(),
        download: owned("download"),
        key_id: owned("kid"),
    })
}
