//! `fleetfn device state ID`.

use crate::api::{Page, StateView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::timestamp::rfc3339;
use fleetfn_protocol::{DeviceId, FunctionName};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The device
    id: DeviceId,
    /// Only what this function keeps
    #[arg(long, value_name = "NAME")]
    function: Option<FunctionName>,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let id = arguments.id;
    let only = arguments.function.map(|function| format!("?function={function}")).unwrap_or_default();
    let page: Page<StateView> = Client::open(data)?
        .get(&format!("cannot show the state of device {id}"), &format!("/devices/{id}/state{only}"))?;
    show(&page.items, &format!("device {id}"), arguments.output)
}

/// Prints what functions keep of an entity.
pub(in crate::cli) fn show(rows: &[StateView], of: &str, format: ListFormat) -> Result<(), Failure> {
    if rows.is_empty() {
        eprintln!("nothing is kept of {of}");
    }
    let row = |row: &StateView| {
        let key = row.key.to_string();
        [
            row.function.clone(),
            if key.is_empty() { "(version of the state)".into() } else { key },
            row.value.to_string(),
            row.expires_at_ms.map_or_else(|| "-".into(), rfc3339),
        ]
    };
    list::print(format, rows, ["FUNCTION", "KEY", "VALUE", "EXPIRES"], row)
}
