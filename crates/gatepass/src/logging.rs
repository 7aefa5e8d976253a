//! Logs: to standard error, as text or JSON.

use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

pub(crate) fn start(settings: &Settings) {
    // Libraries are of interest when something is wrong only.
    let filter = format!(
        "warn,gatepass={0},gatepass_http={0},gatepass_engine={0},gatepass_disk={0},gatepass_sqlite={0}",
        settings.log_level
    );
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr);
    let done = if settings.json_logs {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
    };
    // A second start within one process keeps the first's.
    drop(done);
}
