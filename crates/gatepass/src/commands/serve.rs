//! Starting the service.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use gatepass_core::port::Clock as _;
use gatepass_engine::Engine;
use gatepass_engine::admin::MadeKey;
use gatepass_http::transport::{Listening, serve};
use gatepass_http::{App, Endpoint, Listener};
use gatepass_sign::{Action, KeyText, ObjectPath, Policy, sign_url};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::files;
use crate::logging;
use crate::node::{Node, SystemClock};
use crate::settings::{Flags, Settings};

/// How long the upload in the first greeting can be tried.
const GREETING_LIFETIME: Duration = Duration::from_hours(1);

/// Seconds; the last ones for large files and slow clients.
const LATENCY_BUCKETS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0];
/// Changes of the catalog that shared one transaction.
const GROUP_SIZE_BUCKETS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// With fewer open files there is room for no more than some hundred clients.
const DESCRIPTORS_MIN: u64 = 1_024;
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    flags: Flags<false>,
}

impl Serve {
    /// The steps of a start:
    ///
    /// 1. settings;
    /// 2. the data directory, for this process alone;
    /// 3. the listeners, so that a port in use is noticed before anything is set up;
    /// 4. the first start, if it is one;
    /// 5. the engine;
    /// 6. serving, until told to stop.
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let settings = Settings::resolve(&self.flags.gather()?)?;
        logging::start(&settings);
        raise_descriptor_limit();
        let _listens = survive_file_size_limit()?;
        files::make_data_directory(&settings.data)?;
        let _lock = files::lock_data_directory(&settings.data)?;
        let (delivery, api) = listen(&settings)?;
        let (delivery_at, api_at) = (delivery.address()?, api.address()?);
        let public_url = settings.public_url_for(delivery_at);

        let node = Node::open(&settings, true).await?;
        let made = first_start(&settings, &node).await?;
        let app = app(&settings, &node, &public_url).await?;
        if let Some(made) = &made {
            greet(made, settings.api_key.is_some(), &public_url, api_at, as_json);
        }
        warn_of_unknown_key(&settings, &app.engine);
        let signals = StopSignals::listen().context("signals to stop cannot be received")?;
        tracing::info!(delivery = %delivery_at, api = %api_at, "ready");
        serve_until_told(&settings, &app, (delivery, api), signals).await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Shells give programs 1,024 open files, for the sake of programs that use `select`. Connections
/// need more, and the hard limit says how many the operator allows.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays at {:?}", limit.current);
    }
    if let Some(limit) = limit.maximum.filter(|limit| *limit < DESCRIPTORS_MIN) {
        tracing::warn!(
            limit,
            "few files may be open: the server itself needs up to 300, each connection one or two \
             more; raise the hard limit (ulimit -Hn, LimitNOFILE)"
        );
    }
}

/// A file that grows beyond the limit that `ulimit -f` sets ends the process, unless somebody listens
/// to the signal: then the write fails, and its upload with it. Rust's runtime does likewise with
/// SIGPIPE.
fn survive_file_size_limit() -> anyhow::Result<Signal> {
    Ok(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?)
}

/// Observations wait in memory until somebody folds them into their buckets.
fn keep_metrics_small(recorder: PrometheusHandle) {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(METRICS_UPKEEP);
        loop {
            ticks.tick().await;
            recorder.run_upkeep();
        }
    });
}

/// Both addresses are tried, so that whoever has to choose others does so once.
fn listen(settings: &Settings) -> anyhow::Result<(Listening, Listening)> {
    let (delivery, api) = (settings.listen, settings.api_listen);
    match (Listening::bind(delivery), Listening::bind(api)) {
        (Ok(delivery), Ok(api)) => Ok((delivery, api)),
        (Err(error), Err(_)) => Err(error).with_context(|| {
            format!("cannot listen on {delivery} and {api}: choose other addresses with --listen and --api-listen")
        }),
        (Err(error), _) => Err(error).with_context(|| cannot_listen(delivery, "listen")),
        (_, Err(error)) => Err(error).with_context(|| cannot_listen(api, "api-listen")),
    }
}

fn cannot_listen(address: SocketAddr, name: &str) -> String {
    format!("cannot listen on {address}: choose another address with --{name}")
}

async fn first_start(settings: &Settings, node: &Node) -> anyhow::Result<Option<MadeKey>> {
    let import = match &settings.api_key {
        None => None,
        Some(key) => {
            let imported = KeyText::import(key.expose(), settings.allow_weak_key);
            Some(
                imported
                    .context("cannot take the key of GATEPASS_API_KEY (see --allow-weak-key)")?,
            )
        }
    };
    Ok(node.admin().bootstrap(import).await?)
}

/// What is said of a key that nobody can sign with.
pub(super) const KEY_UNKNOWN: &str = "GATEPASS_API_KEY is no active key of this data directory, and is not used: what is signed with \
     it is refused; `gatepass keys create --import-file FILE` takes it in";

/// A key counts at the first start alone: later it may be another service's, or an old one.
fn warn_of_unknown_key(settings: &Settings, engine: &Engine) {
    let key = settings.api_key.as_ref();
    if key.is_some_and(|key| engine.directory().by_key(Some(key.expose())).is_err()) {
        tracing::warn!("{KEY_UNKNOWN}");
    }
}

async fn app(settings: &Settings, node: &Node, public_url: &str) -> anyhow::Result<Arc<App>> {
    // Before anything is counted.
    let group_size = Matcher::Full("gatepass_catalog_group_size".to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets(&LATENCY_BUCKETS)?
        .set_buckets_for_metric(group_size, &GROUP_SIZE_BUCKETS)?
        .install_recorder()?;
    keep_metrics_small(recorder.clone());
    let ports = node.ports(settings)?;
    let engine = Engine::start(ports, settings.limits, Arc::clone(&node.vault), public_url).await?;
    engine.spawn_background();
    Ok(Arc::new(App {
        engine,
        api_host: settings.api_host.clone(),
        public_url: public_url.to_owned(),
        redirects: settings.redirects,
        metrics: Box::new(move || recorder.render()),
    }))
}

async fn serve_until_told(
    settings: &Settings,
    app: &Arc<App>,
    (delivery, api): (Listening, Listening),
    mut signals: StopSignals,
) {
    let (stop, stopped) = watch::channel(false);
    let endpoint = |listener| Arc::new(Endpoint { app: Arc::clone(app), listener });
    let limits = settings.transport;
    let delivery =
        serve("delivery", delivery, limits, endpoint(Listener::Delivery), stopped.clone());
    let api = serve("api", api, limits, endpoint(Listener::Api), stopped);
    let told = async {
        signals.told().await;
        tracing::info!("stopping: running requests may finish");
        // Both listeners hold a receiver; if they are gone, there is nothing to stop.
        let _ = stop.send(true);
    };
    tokio::join!(delivery, api, told);
}

/// What tells a process to stop. They are listened to from here on.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a person sees at the first start: everything that is needed for a first upload.
fn greet(made: &MadeKey, imported: bool, public_url: &str, api: SocketAddr, as_json: bool) {
    let path = "hello.txt";
    let Ok(object) = ObjectPath::from_decoded(path) else { return };
    let expiry = SystemClock.now().plus(GREETING_LIFETIME).unix_seconds();
    let url = sign_url(&made.text, public_url, &object, &Policy::new(Action::Put, expiry));
    let key = if imported { "(the one of GATEPASS_API_KEY)" } else { made.text.expose() };
    let export = if imported {
        String::new()
    } else {
        format!("To sign more of them from a shell:\n\n  export GATEPASS_API_KEY={key}\n\n")
    };
    let text = if as_json {
        let greeting = serde_json::json!({
            "api_key": if imported { None } else { Some(made.text.expose()) },
            "public_url": public_url,
            "console": format!("http://{api}/"),
            "signed_url": url,
        });
        format!("{greeting}\n")
    } else {
        format!(
            "\nGatepass is set up.\n\n  \
             API key   {key}\n  \
             console   http://{api}/\n  \
             files     {public_url}/\n\n\
             The key is shown this once. Try an upload, and see the file:\n\n  \
             echo hello | curl -T - '{url}'\n  \
             curl {public_url}/{path}\n\n{export}"
        )
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
}
