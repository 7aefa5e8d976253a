//! Gathering what was typed: flag before environment before file before default. It knows no
//! setting by name, so that it never grows.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::table::{SETTINGS, Setting};
use crate::files;

/// Flags for every setting; with `DATA_ONLY`, for those of the data directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags<const DATA_ONLY: bool>(BTreeMap<&'static str, String>, Option<PathBuf>);

/// A value as it was typed, and where.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) setting: &'static Setting,
    pub(crate) value: Option<String>,
    pub(crate) source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Environment(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => write!(f, "{name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

impl<const DATA_ONLY: bool> Flags<DATA_ONLY> {
    /// Every setting with its value.
    pub(crate) fn gather(&self) -> anyhow::Result<Vec<Raw>> {
        let variable = || std::env::var_os("GATEPASS_CONFIG").map(PathBuf::from);
        let path = self.1.clone().or_else(variable);
        let file = path.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let one = |setting: &'static Setting| -> anyhow::Result<Raw> {
            let name = setting.name;
            let raw = |value, source| Ok(Raw { setting, value: Some(value), source });
            if let Some(value) = self.0.get(name) {
                return raw(value.clone(), Source::Flag);
            }
            if let Some((value, variable)) = from_environment(setting)? {
                return raw(value, Source::Environment(variable));
            }
            if let (Some(value), Some(path)) = (file.get(&setting.key()), &path) {
                return raw(value.clone(), Source::File(path.clone()));
            }
            let value = setting.default.map(str::to_owned);
            Ok(Raw { setting, value, source: Source::Default })
        };
        SETTINGS.iter().map(one).collect()
    }
}

fn from_environment(setting: &Setting) -> anyhow::Result<Option<(String, String)>> {
    let variable = setting.variable();
    if let Ok(value) = std::env::var(&variable)
        && !value.is_empty()
    {
        return Ok(Some((value, variable)));
    }
    let twin = format!("{variable}_FILE");
    match std::env::var_os(&twin) {
        Some(path) if setting.secret => {
            let value = files::read_secret(path.as_ref()).with_context(|| twin.clone())?;
            Ok(Some((value, twin)))
        }
        _ => Ok(None),
    }
}

fn read_file(path: &std::path::Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = files::read_text(path)?;
    let table: toml::Table =
        text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    let known: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
    if let Some(unknown) = table.keys().find(|key| !known.contains(key)) {
        bail!("{}: unknown setting {unknown:?}; known are {}", path.display(), known.join(", "));
    }
    let text_of = |value: toml::Value| match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(table.into_iter().map(|(key, value)| (key, text_of(value))).collect())
}

impl<const DATA_ONLY: bool> Args for Flags<DATA_ONLY> {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config").long("config").value_name("FILE");
        let config = config.help("Configuration file in TOML [env: GATEPASS_CONFIG]");
        let shown = SETTINGS.iter().filter(|s| !s.secret && (s.of_data || !DATA_ONLY));
        command.arg(config).args(shown.map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let default = setting.default.map(|text| format!(" [default: {text}]")).unwrap_or_default();
    let flag = Arg::new(setting.name).long(setting.name).value_name(setting.value).help(format!(
        "{} [env: {}]{default}",
        setting.help,
        setting.variable()
    ));
    if setting.value == "BOOL" {
        flag.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        flag
    }
}

impl<const DATA_ONLY: bool> FromArgMatches for Flags<DATA_ONLY> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |setting: &'static Setting| {
            let value = matches.try_get_one::<String>(setting.name).ok().flatten()?;
            Some((setting.name, value.clone()))
        };
        let config = matches.try_get_one::<String>("config").ok().flatten().map(PathBuf::from);
        Ok(Self(SETTINGS.iter().filter_map(typed).collect(), config))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
