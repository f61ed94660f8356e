//! Lists, as every command prints them: `-o table|json|yaml|wide`.

mod yaml;

use super::failure::Failure;
use super::output;
use clap::ValueEnum;
use serde::Serialize;

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ListFormat {
    /// Aligned columns with a header
    #[default]
    Table,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
    /// The table with all columns
    Wide,
}

/// What a column that only the wide table has begins with.
const WIDE: char = '+';

/// Prints a list. The name of a column that is shown with `-o wide` only begins with `+`.
pub(super) fn print<T: Serialize, const N: usize>(
    format: ListFormat,
    items: &[T],
    columns: [&str; N],
    row: impl Fn(&T) -> [String; N],
) -> Result<(), Failure> {
    match format {
        ListFormat::Json => output::json(&items),
        ListFormat::Yaml => output::write(yaml::document(&items)?.as_bytes()),
        ListFormat::Table => {
            output::write(table(columns, items.iter().map(row), |name| !is_wide(name)).as_bytes())
        }
        ListFormat::Wide => output::write(table(columns, items.iter().map(row), |_| true).as_bytes()),
    }
}

/// Prints one thing in the formats of lists: `text` is what both tables have.
pub(super) fn one<T: Serialize>(format: ListFormat, item: &T, text: &str) -> Result<(), Failure> {
    match format {
        ListFormat::Json => output::json(item),
        ListFormat::Yaml => output::write(yaml::document(item)?.as_bytes()),
        ListFormat::Table | ListFormat::Wide => output::write(text.as_bytes()),
    }
}

fn is_wide(name: &str) -> bool {
    name.starts_with(WIDE)
}

/// Rows under a header, of the columns that are shown.
fn table<const N: usize>(
    columns: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    is_shown: impl Fn(&str) -> bool,
) -> String {
    let shown = columns.map(&is_shown);
    let pick = |cells: [String; N]| -> Vec<String> {
        let cells = cells.into_iter().zip(shown);
        cells.filter_map(|(cell, is_shown)| is_shown.then_some(cell)).collect()
    };
    let header = pick(columns.map(|name| name.trim_start_matches(WIDE).to_owned()));
    output::align_rows(std::iter::once(header).chain(rows.map(pick)).collect())
}

#[cfg(test)]
mod tests {
    use super::{is_wide, table};

    #[test]
    fn the_wide_table_has_the_columns_that_others_have_not() {
        let rows =
            || [["fan-1", "m3", "online"], ["pump-2", "m0", "offline"]].map(|row| row.map(String::from));
        let columns = ["ID", "+CLASS", "STATE"];
        let narrow = table(columns, rows().into_iter(), |name| !is_wide(name));
        assert_eq!(narrow, "ID      STATE\nfan-1   online\npump-2  offline\n");
        let wide = table(columns, rows().into_iter(), |_| true);
        assert_eq!(wide, "ID      CLASS  STATE\nfan-1   m3     online\npump-2  m0     offline\n");
    }
}
