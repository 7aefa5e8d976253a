//! What people and programs read: tables or JSON on standard output.

use std::io::Write as _;

use serde_json::Value;

/// Prints a line.
pub(crate) fn line(text: &str) {
    // A reader that has gone away, such as `head`, is no error.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a value as JSON, indented.
pub(crate) fn json(value: &Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints rows under headings, in columns.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings.get(column).map_or(0, |heading| heading.len())]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let show = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        line(padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    show(&headings.iter().map(|heading| heading.to_uppercase()).collect::<Vec<_>>());
    for row in rows {
        show(row);
    }
}

/// Prints names and values below each other.
pub(crate) fn facts(facts: &[(impl AsRef<str>, String)]) {
    let width = facts.iter().map(|(name, _)| name.as_ref().len()).max().unwrap_or(0);
    for (name, value) in facts {
        line(&format!("{:width$}  {value}", name.as_ref()));
    }
}
