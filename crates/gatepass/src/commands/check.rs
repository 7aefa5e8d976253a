use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use gatepass_client::Client;
use gatepass_core::Timestamp;
use gatepass_core::port::Clock as _;
use gatepass_engine::Engine;
use gatepass_sign::{
    Door, Explanation, KeyRing, Method, ProjectId, VerifyError, VerifyingKey, explain,
};
use serde_json::{Value, json};

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
        let (door, keys_from) = self.door(origin).await?;
        let now = SystemClock.now().unix_seconds();
        let explanation = explain(&door, self.method(query), path, query, now);
        let skew = if self.offline { None } else { clock_difference(origin).await };
        let verdict = Verdict { explanation: &explanation, keys_from, now, skew };
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

    /// The keys to try: the environment's, else those of the data directory.
    async fn door(&self, origin: &str) -> anyhow::Result<(Door, &'static str)> {
        if let Some(secret) = environment_key()? {
            let ring = KeyRing::new(ProjectId::new("environment"))
                .with_key(VerifyingKey::unrestricted("environment", secret));
            return Ok((Door::new(ring), "the key of the environment"));
        }
        let settings = Settings::resolve(&self.flags.gather()?)?;
        let node = Node::open(&settings, false)
            .await
            .context("there is no key to check with: set GATEPASS_API_KEY, or use --data")?;
        let ports = node.ports(&settings)?;
        let limits = gatepass_core::limits::Limits::default();
        let engine = Engine::start(ports, limits, node.vault, "").await?;
        let directory = engine.directory();
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let access = directory.by_host(host);
        let access = access.with_context(|| format!("no project answers for the host {host}"))?;
        Ok((access.door.clone(), "the keys of the data directory"))
    }
}

fn split(url: &str) -> anyhow::Result<(&str, &str, &str)> {
    let after_scheme =
        url.find("://").map(|at| at + 3).context("a URL starts with http:// or https://")?;
    let slash = url[after_scheme..].find('/').context("the URL has no path")? + after_scheme;
    let (path, query) = url[slash + 1..].split_once('?').unwrap_or((&url[slash + 1..], ""));
    Ok((&url[..slash], path, query))
}

/// Seconds that the server is ahead of this machine.
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
    keys_from: &'static str,
    now: u64,
    skew: Option<i64>,
}

impl Verdict<'_> {
    fn reason(&self) -> Option<String> {
        let error = self.explanation.outcome.as_ref().err()?;
        Some(match (error, &self.explanation.broken_rule) {
            (VerifyError::SignatureInvalid, Some(rule)) => rule.clone(),
            (error, _) => error.to_string(),
        })
    }

    fn advice(&self) -> Option<String> {
        let error = self.explanation.outcome.as_ref().err()?;
        let broken = self.explanation.broken_rule.is_some();
        Some(match error {
            VerifyError::PathInvalid(_) => "choose another path; `?`, `#`, `\\`, dot segments and double escapes cannot be signed".to_owned(),
            VerifyError::SignatureInvalid if broken => "mend the query: our parameters only, each once, signature last".to_owned(),
            VerifyError::SignatureInvalid => format!("sign exactly the string below, with the right key; tried: {}", self.keys_from),
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
            "keys": self.keys_from,
            "server_clock_ahead_seconds": self.skew,
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
        facts.push(("keys", self.keys_from.to_owned()));
        facts.push((
            "clock",
            match self.skew {
                None => "the server was not asked".to_owned(),
                Some(0) => "the server's is the same as here".to_owned(),
                Some(ahead) if ahead > 0 => format!("the server's is {ahead} s ahead"),
                Some(behind) => format!("the server's is {} s behind", -behind),
            },
        ));
        output::facts(&facts);
    }
}
