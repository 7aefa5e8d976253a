use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// What is left to say of something that is gone.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Message {
    message: String,
}

/// That something is deleted.
pub(crate) fn deleted(what: impl std::fmt::Display) -> Value {
    json!(Message { message: format!("{what} deleted") })
}

/// What a health check says.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Health {
    status: &'static str,
}

/// All is well.
pub(crate) fn healthy() -> Value {
    json!(Health { status: "ok" })
}
