//! What goes to stdout: lines, tables, JSON.

use super::failure::Failure;
use clap::ValueEnum;
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// How something is printed that is no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns with a header
    #[default]
    Table,
    /// One JSON document
    Json,
}

/// Writes bytes to stdout at once.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::closed(),
        _ => Failure::new("cannot write to stdout", error),
    })
}

/// Writes a line to stdout at once.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write(format!("{text}\n").as_bytes())
}

/// Writes one JSON document over several lines.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new("cannot print the result as JSON", error))?;
    line(&text)
}

/// Writes rows under a header, each column as wide as its widest cell. Control characters in cells become spaces:
/// what a device sent must not steer the terminal.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
    write(align(header, rows).as_bytes())
}

/// A text without control characters: what a device or a function made must not steer the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Rows under a header as text, each column as wide as its widest cell, without control characters.
pub(super) fn align<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let rows = rows.iter().map(|row| row.to_vec());
    align_rows(std::iter::once(header.map(String::from).to_vec()).chain(rows).collect())
}

/// The same for rows of which the first is the header.
pub(super) fn align_rows(mut rows: Vec<Vec<String>>) -> String {
    let mut widths = Vec::new();
    for row in &mut rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *cell = clean(cell);
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The first characters of a version, enough to tell versions apart.
pub(crate) fn short(version: &str) -> &str {
    version.get(..12).unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_hold_no_control_characters() {
        let rows = [["a".into(), "1".into()], ["bé\u{1b}".into(), "22".into()]];
        assert_eq!(align(["ID", "N"], &rows), "ID   N\na    1\nbé   22\n");
    }
}
