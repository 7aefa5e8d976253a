use std::process::ExitCode;

use clap::Args;
use gatepass_client::Client;
use gatepass_engine::Engine;
use serde_json::{Value, json};

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
    result: Result<String, String>,
}

impl Doctor {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        let findings = self.look().await;
        let healthy = findings.iter().all(|finding| finding.result.is_ok());
        if as_json {
            let view = |finding: &Finding| {
                let (ok, text) = match &finding.result {
                    Ok(text) => (true, text),
                    Err(text) => (false, text),
                };
                json!({ "check": finding.name, "ok": ok, "message": text })
            };
            let checks: Vec<Value> = findings.iter().map(view).collect();
            output::json(&json!({ "healthy": healthy, "checks": checks }));
        } else {
            let row = |finding: &Finding| {
                let (mark, text) = match &finding.result {
                    Ok(text) => ("ok", text.clone()),
                    Err(text) => ("WRONG", text.clone()),
                };
                vec![mark.to_owned(), finding.name.to_owned(), text]
            };
            output::table(&["", "check", "result"], &findings.iter().map(row).collect::<Vec<_>>());
        }
        Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Each look needs the one before it.
    async fn look(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut record = |name, result: anyhow::Result<String>| {
            let result = result.map_err(|error| format!("{error:#}"));
            findings.push(Finding { name, result });
        };
        let settings = match self.flags.gather().and_then(|raw| Settings::resolve(&raw)) {
            Ok(settings) => settings,
            Err(error) => {
                record("settings", Err(error));
                return findings;
            }
        };
        record("settings", Ok("make sense".to_owned()));
        let node = match Node::open(&settings, false).await {
            Ok(node) => node,
            Err(error) => {
                record("data directory", Err(error));
                return findings;
            }
        };
        record("data directory", Ok(settings.data.display().to_string()));
        record("keys and store", check_engine(&settings, node).await);
        record("server", check_server(&settings).await);
        findings
    }
}

async fn check_engine(settings: &Settings, node: Node) -> anyhow::Result<String> {
    let ports = node.ports(settings)?;
    let limits = gatepass_core::limits::Limits::default();
    let keys = ports.catalog.load_settings().await?.keys.len();
    let engine = Engine::start(ports, limits, node.vault, "").await?;
    engine.check_ready().await?;
    let keys = if keys == 1 { "1 API key".to_owned() } else { format!("{keys} API keys") };
    Ok(format!("{keys} can be opened; uploads can be taken"))
}

/// A server that does not run is worth saying, but nothing wrong.
async fn check_server(settings: &Settings) -> anyhow::Result<String> {
    let url = settings.public_url_for(settings.listen);
    let asked = tokio::time::timeout(CHECK_TIMEOUT, Client::new()?.server_date(&url)).await;
    Ok(match asked {
        Ok(Ok(_)) => format!("answers at {url}"),
        _ => format!("does not answer at {url}: it may not be running"),
    })
}
