//! What long work says while it goes on: a line on a terminal, or JSON, on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const LOOK: Duration = Duration::from_millis(200);
const TELL: Duration = Duration::from_secs(1);

/// Tells until it is dropped.
pub(crate) struct Telling {
    task: Option<JoinHandle<()>>,
    bar: ProgressBar,
}

/// Begins to tell what `counts` counts: names and numbers, of which those that end in `bytes` are
/// sizes.
pub(crate) fn tell(as_json: bool, counts: Arc<dyn Fn() -> Value + Send + Sync>) -> Telling {
    let on_terminal = std::io::stderr().is_terminal();
    let bar =
        if on_terminal && !as_json { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let task = (as_json || on_terminal).then(|| {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(if as_json { TELL } else { LOOK });
            // The first tick comes at once.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if as_json {
                    let _ = writeln!(std::io::stderr(), "{}", json!({ "progress": counts() }));
                } else {
                    shown.set_message(line(&counts()));
                    shown.tick();
                }
            }
        })
    });
    Telling { task, bar }
}

/// `12 files  3.4 MiB`, without what is zero.
pub(crate) fn line(counts: &Value) -> String {
    let shown = counts.as_object().into_iter().flatten().filter_map(|(name, count)| {
        let count = count.as_u64().filter(|count| *count > 0)?;
        Some(match name.strip_suffix("bytes") {
            Some(_) => crate::units::show_size(count),
            None => format!("{count} {}", name.replace('_', " ")),
        })
    });
    shown.collect::<Vec<_>>().join(", ")
}

impl Telling {
    /// Prints a line above it.
    pub(crate) fn say(&self, text: &str) {
        self.bar.suspend(|| crate::output::line(text));
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.bar.finish_and_clear();
    }
}
