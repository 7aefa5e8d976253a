use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use gatepass_client::Client;
use gatepass_core::Timestamp;
use gatepass_core::port::Clock as _;
use gatepass_engine::Engine;
use gatepass_sign::{
    Door, Explanation, KeyRing, Method, ProjectId, Proof, VerifyError, VerifyingKey, explain,
};
use serde_json::{Value, json};

use super::keys::state;
use crate::client::environment_key;
use crate::node::{Node, SystemClock};
use crate::output;
use crate::settings::{CHECK_TIMEOUT, Flags, Settings};
use crate::units::show_seconds;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The signed URL
    url: String,
    /// The method it is to be used with; what it was signed for if not given
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    /// Do not ask the server for its time
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    flags: Flags<true>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodArg {
    Get,
    Head,
    Put,
    Post,
    Patch,
    Delete,
}

impl Check {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        let (origin, path, query) = split(&self.url)?;
        let keys = self.keys(origin).await?;
        let now = SystemClock.now().unix_seconds();
        let method = self.method(query);
        let explanation = explain(&keys.door, method, path, query, now);
        let signer = match explanation.outcome {
            Err(VerifyError::SignatureInvalid) => keys.signer(method, path, query),
            _ => None,
        };
        let clock = if self.offline { Clock::NotAsked } else { Clock::of_server(origin).await };
        let verdict = Verdict { explanation: &explanation, signer, keys: &keys, now, clock };
        if as_json {
            output::json(&verdict.json());
        } else {
            verdict.show();
        }
        Ok(if explanation.outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn method(&self, query: &str) -> Method {
        match self.method {
            Some(MethodArg::Get) => Method::Get,
            Some(MethodArg::Head) => Method::Head,
            Some(MethodArg::Post) => Method::Post,
            Some(MethodArg::Patch) => Method::Patch,
            Some(MethodArg::Delete) => Method::Delete,
            None if query.split('&').any(|pair| pair == "method=get") => Method::Get,
            None if query.split('&').any(|pair| pair == "method=delete") => Method::Delete,
            Some(MethodArg::Put) | None => Method::Put,
        }
    }

    /// What the server goes by, if its data directory is here; else the key of the environment.
    async fn keys(&self, origin: &str) -> anyhow::Result<Keys> {
        let environment = environment_key()?.map(|secret| {
            let ring = KeyRing::new(ProjectId::new("environment"));
            Door::new(ring.with_key(VerifyingKey::unrestricted("environment", secret)))
        });
        let settings = Settings::resolve(&self.flags.gather()?)?;
        match (Node::open(&settings, false).await, environment) {
            (Ok(node), environment) => keys_of(&settings, node, origin, environment).await,
            (Err(_), Some(door)) => Ok(Keys { door, from: OF_ENVIRONMENT, others: Vec::new() }),
            (Err(error), None) => Err(error)
                .context("there is no key to check with: set GATEPASS_API_KEY, or use --data"),
        }
    }
}

const OF_ENVIRONMENT: &str =
    "the key of the environment; whether the server has it, and what it may do, was not looked at";
const OF_DATA: &str = "the keys of the data directory";

/// What a URL is held against.
struct Keys {
    door: Door,
    from: &'static str,
    /// Doors that do not count: whoever has signed something for them is to be told why.
    others: Vec<Other>,
}

struct Other {
    door: Door,
    /// What is told of the key, by its id.
    tell: Box<dyn Fn(&str) -> String>,
}

async fn keys_of(
    settings: &Settings,
    node: Node,
    origin: &str,
    environment: Option<Door>,
) -> anyhow::Result<Keys> {
    let (admin, ports) = (node.admin(), node.ports(settings)?);
    let limits = gatepass_core::limits::Limits::default();
    let engine = Engine::start(ports, limits, node.vault, "").await?;
    let directory = engine.directory();
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let access = directory.by_host(host);
    let access = access.with_context(|| format!("no project answers for the host {host}"))?;
    let every = Door::new(admin.every_key(&access.project.id).await?);
    let keys = admin.settings().await?.keys;
    let state = move |id: &str| {
        let key = keys.iter().find(|key| key.id.as_str() == id);
        let state = key.map_or("gone", |key| state(key));
        format!("signed by the key {id}, which is {state}")
    };
    let unknown = |_: &str| {
        "signed by the key of the environment, which the data directory does not have".to_owned()
    };
    let mut others = vec![Other { door: every, tell: Box::new(state) }];
    others.extend(environment.map(|door| Other { door, tell: Box::new(unknown) }));
    Ok(Keys { door: access.door.clone(), from: OF_DATA, others })
}

impl Keys {
    /// Who has signed what the door does not take.
    fn signer(&self, method: Method, path: &str, query: &str) -> Option<String> {
        self.others.iter().find_map(|other| {
            // Whether it has expired does not matter here.
            let grant = explain(&other.door, method, path, query, 0).outcome.ok()?;
            let Proof::SignedUrl { key, .. } = grant.proof() else { return None };
            Some((other.tell)(key.as_str()))
        })
    }
}

fn split(url: &str) -> anyhow::Result<(&str, &str, &str)> {
    let after_scheme =
        url.find("://").map(|at| at + 3).context("a URL starts with http:// or https://")?;
    let slash = url[after_scheme..].find('/').context("the URL has no path")? + after_scheme;
    let (path, query) = url[slash + 1..].split_once('?').unwrap_or((&url[slash + 1..], ""));
    Ok((&url[..slash], path, query))
}

/// What is known of the server's clock.
#[derive(Clone, Copy)]
enum Clock {
    NotAsked,
    NoAnswer,
    /// Seconds that it is ahead of this machine's.
    Ahead(i64),
}

impl Clock {
    async fn of_server(origin: &str) -> Self {
        clock_difference(origin).await.map_or(Self::NoAnswer, Self::Ahead)
    }

    fn ahead(self) -> Option<i64> {
        if let Self::Ahead(seconds) = self { Some(seconds) } else { None }
    }

    fn show(self) -> String {
        match self {
            Self::NotAsked => "the server was not asked".to_owned(),
            Self::NoAnswer => "the server does not answer".to_owned(),
            Self::Ahead(0) => "the server's is the same as here".to_owned(),
            Self::Ahead(ahead) if ahead > 0 => format!("the server's is {ahead} s ahead"),
            Self::Ahead(behind) => format!("the server's is {} s behind", -behind),
        }
    }
}

async fn clock_difference(origin: &str) -> Option<i64> {
    let client = Client::new().ok()?;
    let date =
        tokio::time::timeout(CHECK_TIMEOUT, client.server_date(origin)).await.ok()?.ok()??;
    let server = httpdate::parse_http_date(&date).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let here = SystemClock.now().unix_seconds();
    Some(i64::try_from(server.as_secs()).ok()? - i64::try_from(here).ok()?)
}

struct Verdict<'a> {
    explanation: &'a Explanation,
    /// Who has signed it, where that does not count.
    signer: Option<String>,
    keys: &'a Keys,
    now: u64,
    clock: Clock,
}

impl Verdict<'_> {
    fn reason(&self) -> Option<String> {
        let error = self.explanation.outcome.as_ref().err()?;
        Some(match (error, &self.explanation.broken_rule) {
            (VerifyError::SignatureInvalid, Some(rule)) => rule.clone(),
            (error, _) => self.signer.clone().unwrap_or_else(|| error.to_string()),
        })
    }

    fn advice(&self) -> Option<String> {
        let error = self.explanation.outcome.as_ref().err()?;
        let broken = self.explanation.broken_rule.is_some();
        Some(match error {
            VerifyError::PathInvalid(_) => "choose another path; `?`, `#`, `\\`, dot segments and double escapes cannot be signed".to_owned(),
            VerifyError::SignatureInvalid if broken => "mend the query: our parameters only, each once, signature last".to_owned(),
            VerifyError::SignatureInvalid if self.signer.is_some() => "sign with a key that `gatepass keys ls` shows as active; `gatepass keys create --import-file` takes one in".to_owned(),
            VerifyError::SignatureInvalid => format!("sign exactly the string below, with the right key; tried: {}", self.keys.from),
            VerifyError::Expired { .. } => "sign a new URL; if it should be valid still, compare the clocks".to_owned(),
            VerifyError::MethodNotPermitted => "use the method that the URL was signed for, or sign another".to_owned(),
            VerifyError::PolicyMalformed { .. } => "mend the parameter in the signer".to_owned(),
            VerifyError::ScopeInsufficient => "sign with a key whose scopes and prefix cover this".to_owned(),
            _ => "sign a new URL".to_owned(),
        })
    }

    fn expiry(&self) -> Option<String> {
        let expiry = self.explanation.expiry?;
        let at = Timestamp::from_unix_seconds(expiry);
        Some(if expiry >= self.now {
            format!("{at} (in {})", show_seconds(expiry - self.now))
        } else {
            format!("{at} ({} ago)", show_seconds(self.now - expiry))
        })
    }

    fn json(&self) -> Value {
        json!({
            "accepted": self.explanation.outcome.is_ok(),
            "reason": self.reason(),
            "advice": self.advice(),
            "strings_to_sign": self.explanation.strings_to_sign,
            "expiry": self.explanation.expiry,
            "keys": self.keys.from,
            "server_clock_ahead_seconds": self.clock.ahead(),
        })
    }

    fn show(&self) {
        let mut facts = Vec::new();
        if let Ok(grant) = &self.explanation.outcome {
            facts.push(("accepted", format!("{:?} of {}", grant.operation(), grant.path())));
        }
        facts.extend(self.reason().map(|reason| ("refused", reason)));
        facts.extend(self.advice().map(|advice| ("to do", advice)));
        for string in &self.explanation.strings_to_sign {
            facts.push(("to sign", string.clone()));
        }
        facts.extend(self.expiry().map(|expiry| ("expires", expiry)));
        facts.push(("keys", self.keys.from.to_owned()));
        facts.push(("clock", self.clock.show()));
        output::facts(&facts);
    }
}
