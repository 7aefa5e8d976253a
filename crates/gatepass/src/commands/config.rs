use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::output;
use crate::settings::{Flags, Raw, Settings, markdown, without_password};

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print every setting, its value, and where it comes from
    Print {
        #[command(flatten)]
        flags: Flags<false>,
    },
    /// Print the page of the documentation about settings
    #[command(hide = true)]
    Docs,
}

impl Config {
    pub(crate) fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let Self::Print { flags } = self else {
            output::line(markdown().trim_end());
            return Ok(());
        };
        let raw = flags.gather()?;
        Settings::resolve(&raw)?;
        if as_json {
            let entry = |raw: &Raw| {
                let value = json!({ "value": shown(raw), "source": raw.source.to_string() });
                (raw.setting.key(), value)
            };
            output::json(&Value::Object(raw.iter().map(entry).collect::<Map<_, _>>()));
        } else {
            let row = |raw: &Raw| {
                vec![raw.setting.key(), shown(raw).unwrap_or_default(), raw.source.to_string()]
            };
            output::table(&["setting", "value", "from"], &raw.iter().map(row).collect::<Vec<_>>());
        }
        Ok(())
    }
}

fn shown(raw: &Raw) -> Option<String> {
    let value = raw.value.as_ref()?;
    Some(if raw.setting.secret { "***".to_owned() } else { without_password(value) })
}
