//! Asking a running server, for health checks of containers that have no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use clap::Args;
use gatepass_client::Client;
use serde_json::json;

use crate::output;
use crate::settings::{CHECK_TIMEOUT, Flags, Settings};

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Ask whether the process answers, and not whether it can take uploads
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    flags: Flags<false>,
}

impl Health {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        let settings = Settings::resolve(&self.flags.gather()?)?;
        let check = if self.live { "livez" } else { "readyz" };
        let url = format!("http://{}/.well-known/gatepass/{check}", reachable(settings.listen));
        let client = Client::new()?;
        let (healthy, text) = match tokio::time::timeout(CHECK_TIMEOUT, client.status(&url)).await {
            Ok(Ok(200)) => (true, "healthy".to_owned()),
            Ok(Ok(status)) => (false, format!("{url} answers {status}")),
            Ok(Err(error)) => (false, format!("{url} does not answer: {error}")),
            Err(_) => (false, format!("{url} does not answer in time")),
        };
        if as_json {
            output::json(&json!({ "healthy": healthy, "message": text }));
        } else {
            output::line(&text);
        }
        Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// An address that is listened on, as one to connect to.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
