use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use gatepass_client::Client;
use gatepass_engine::Engine;
use gatepass_engine::admin::Admin;
use gatepass_sign::Secret;
use serde_json::{Value, json};

use super::serve::KEY_UNKNOWN;
use crate::node::Node;
use crate::output;
use crate::settings::{CHECK_TIMEOUT, Flags, Settings};

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    flags: Flags<false>,
}

/// One thing that was looked at.
struct Finding {
    name: &'static str,
    result: Looked,
}

/// What was found.
enum Looked {
    Ok(String),
    /// Worth saying, and nothing wrong by itself.
    Note(String),
    Wrong(String),
}

impl Looked {
    fn of(result: anyhow::Result<String>) -> Self {
        result.map_or_else(|error| Self::Wrong(format!("{error:#}")), Self::Ok)
    }

    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Ok(text) => ("ok", text),
            Self::Note(text) => ("note", text),
            Self::Wrong(text) => ("WRONG", text),
        }
    }
}

impl Doctor {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        let findings = self.look().await;
        let healthy = !findings.iter().any(|it| matches!(it.result, Looked::Wrong(_)));
        if as_json {
            let view = |finding: &Finding| {
                let ((state, message), result) = (finding.result.parts(), &finding.result);
                json!({
                    "check": finding.name,
                    "state": state.to_lowercase(),
                    "ok": matches!(result, Looked::Ok(_)),
                    "message": message,
                })
            };
            let checks: Vec<Value> = findings.iter().map(view).collect();
            output::json(&json!({ "healthy": healthy, "checks": checks }));
        } else {
            let row = |finding: &Finding| {
                let (mark, text) = finding.result.parts();
                [mark, finding.name, text].map(str::to_owned).to_vec()
            };
            output::table(&["", "check", "result"], &findings.iter().map(row).collect::<Vec<_>>());
        }
        Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Each look needs the one before it.
    async fn look(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut record = |name, result: Looked| findings.push(Finding { name, result });
        let settings = match self.flags.gather().and_then(|raw| Settings::resolve(&raw)) {
            Ok(settings) => settings,
            Err(error) => {
                record("settings", Looked::of(Err(error)));
                return findings;
            }
        };
        record("settings", Looked::Ok("make sense".to_owned()));
        let node = match Node::open(&settings, false).await {
            Ok(node) => node,
            Err(error) => {
                record("data directory", Looked::of(Err(error)));
                return findings;
            }
        };
        record("data directory", Looked::Ok(settings.data.display().to_string()));
        let admin = node.admin();
        match start(&settings, node).await {
            Ok(engine) => {
                record("keys and store", Looked::of(check_engine(&engine, &admin).await));
                if let Some(key) = &settings.api_key {
                    record("key of the environment", check_key(&engine, key));
                }
            }
            Err(error) => record("keys and store", Looked::of(Err(error))),
        }
        record("server", check_server(&settings).await);
        findings
    }
}

async fn start(settings: &Settings, node: Node) -> anyhow::Result<Arc<Engine>> {
    let limits = gatepass_core::limits::Limits::default();
    Ok(Engine::start(node.ports(settings)?, limits, node.vault, "").await?)
}

async fn check_engine(engine: &Engine, admin: &Admin) -> anyhow::Result<String> {
    let keys = admin.settings().await?.keys.len();
    engine.check_ready().await?;
    let keys = if keys == 1 { "1 API key".to_owned() } else { format!("{keys} API keys") };
    Ok(format!("{keys} can be opened; uploads can be taken"))
}

fn check_key(engine: &Engine, key: &Secret) -> Looked {
    match engine.directory().by_key(Some(key.expose())) {
        Ok(_) => Looked::Ok("is one of them".to_owned()),
        Err(_) => Looked::Wrong(KEY_UNKNOWN.to_owned()),
    }
}

/// A server that does not run is nothing wrong.
async fn check_server(settings: &Settings) -> Looked {
    let url = settings.public_url_for(settings.listen);
    let date = async { Client::new()?.server_date(&url).await };
    match tokio::time::timeout(CHECK_TIMEOUT, date).await {
        Ok(Ok(_)) => Looked::Ok(format!("answers at {url}")),
        _ => Looked::Note(format!("does not answer at {url}: it may not be running")),
    }
}
