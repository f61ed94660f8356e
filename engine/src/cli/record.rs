//! `fleetfn record`.

use super::client::Client;
use super::failure::Failure;
use super::{duration, output};
use crate::api::RecordView;
use fleetfn_protocol::{DeviceId, FunctionName};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("whose").required(true)))]
pub(super) struct Arguments {
    /// What this function did
    #[arg(long, value_name = "NAME")]
    function: FunctionName,
    /// For this device
    #[arg(long, value_name = "ID", group = "whose")]
    device: Option<DeviceId>,
    /// For this entity
    #[arg(long, value_name = "ENTITY", group = "whose")]
    entity: Option<String>,
    /// How long ago it begins
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration::parse)]
    since: Duration,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let function = arguments.function;
    let entity = arguments.device.map(|id| format!("devices/{id}")).or_else(|| arguments.entity.clone());
    let entity = entity.unwrap_or_default();
    let tried = format!("cannot record what {function} did for {entity}");
    let begin =
        SystemTime::now().checked_sub(arguments.since).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let from_ms = begin.unwrap_or_default().as_millis();
    let parameters = [("entity".to_owned(), entity), ("from_ms".to_owned(), from_ms.to_string())];
    let recorded: RecordView = Client::open(data)?
        .get_with(&tried, &format!("/functions/{function}/record"), &parameters)
        .map_err(|failure| failure.or_next("look further back with --since, or see: fleetfn fn ls"))?;
    for remark in &recorded.remarks {
        eprintln!("{remark}");
    }
    output::json(&recorded.case)
}
