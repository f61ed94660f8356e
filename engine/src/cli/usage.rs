//! `fleetfn usage`.

use super::client::Client;
use super::failure::Failure;
use super::list::{self, ListFormat};
use super::output;
use crate::api::{Page, UsageView};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The month (UTC), such as 2026-11 [default: the present one]
    #[arg(long, value_name = "YEAR-MONTH")]
    month: Option<String>,
    /// Whom to sum up for
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// How to print the sums
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum By {
    /// One line for each function
    #[default]
    Function,
    /// One line for each product
    Product,
    /// One line for each device, and other entity
    Device,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Form {
    /// Aligned columns with a header
    #[default]
    Table,
    /// Comma-separated values (RFC 4180)
    Csv,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
    /// The table with all columns
    Wide,
}

const COLUMNS: [&str; 10] = [
    "name",
    "invocations",
    "errors",
    "refused",
    "dark",
    "fuel",
    "guest_us",
    "bytes_in",
    "bytes_out",
    "stored_bytes",
];

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let by = match arguments.by {
        By::Function => "function",
        By::Product => "product",
        By::Device => "device",
    };
    let month = arguments.month.as_ref().map(|month| format!("&month={month}")).unwrap_or_default();
    let page: Page<UsageView> = Client::open(data)?
        .get("cannot read what was used", &format!("/usage?by={by}{month}"))
        .map_err(|failure| failure.or_next("fleetfn usage shows the present month"))?;
    let format = match arguments.output {
        Form::Json => ListFormat::Json,
        Form::Yaml => ListFormat::Yaml,
        Form::Table => ListFormat::Table,
        Form::Wide => ListFormat::Wide,
        Form::Csv => {
            let rows: Vec<_> = page.items.iter().map(row).collect();
            let lines = rows.iter().map(|row| row.each_ref().map(|cell| quoted(cell)).join(","));
            let text: Vec<String> = std::iter::once(COLUMNS.join(",")).chain(lines).collect();
            return output::line(&text.join("\r\n"));
        }
    };
    let columns = COLUMNS.map(str::to_uppercase);
    list::print(format, &page.items, columns.each_ref().map(String::as_str), row)
}

fn row(usage: &UsageView) -> [String; 10] {
    let name = if usage.name.is_empty() { "-".into() } else { usage.name.clone() };
    let stored = usage.stored_bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
    let numbers = [
        usage.invocations,
        usage.errors,
        usage.refused,
        usage.dark,
        usage.fuel,
        usage.guest_us,
        usage.bytes_in,
        usage.bytes_out,
    ];
    let [a, b, c, d, e, f, g, h] = numbers.map(|number| number.to_string());
    [name, a, b, c, d, e, f, g, h, stored]
}

/// A cell of a CSV file; one that holds a separator is quoted (RFC 4180, section 2).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.into()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_cell_with_a_separator_is_quoted() {
        assert_eq!([quoted("a"), quoted("a,b"), quoted("a\"b")], ["a", "\"a,b\"", "\"a\"\"b\""]);
    }
}
