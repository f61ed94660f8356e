//! `fleetfn device command ID NAME [PAYLOAD]`.

use crate::api::Requested;
use crate::cli::client::Client;
use crate::cli::duration;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::Trial;
use fleetfn_protocol::DeviceId;
use std::path::Path;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The device
    id: DeviceId,
    /// Name of the command: letters, digits and . _ : -
    #[arg(value_parser = name)]
    name: String,
    /// What to send with it
    #[arg(default_value = "", hide_default_value = true)]
    payload: String,
    /// Time after which the command is pointless, as in 10m [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    ttl: Option<Duration>,
    #[command(flatten)]
    trial: Trial,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Names that need no escaping anywhere; MQTT alone would allow more.
fn name(text: &str) -> Result<String, String> {
    fleetfn_protocol::FunctionName::parse(text)
        .map(|name| name.to_string())
        .map_err(|error| error.to_string())
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { id, name, payload, ttl, trial, output } = arguments;
    let tried = format!("cannot send command {name} to device {id}");
    let mut parameters = Vec::new();
    if let Some(ttl) = ttl {
        // A part of a second counts as one: 0 would mean for ever.
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        if seconds == 0 || u32::try_from(seconds).is_err() {
            return Err(Failure::usage(tried, "--ttl is from 1s to 1193046h"));
        }
        parameters.push(("ttl_s".to_owned(), seconds.to_string()));
    }
    let requested: Requested = Client::open(data)?
        .post_bytes(
            &tried,
            &trial.at(&format!("/devices/{id}/commands/{name}")),
            &parameters,
            payload.as_bytes(),
        )
        .map_err(|failure| failure.or_next("fleetfn device ls"))?;
    match output {
        Format::Json => output::json(&requested),
        Format::Table => match requested.id {
            Some(id) => output::line(&id),
            None => {
                trial.tell(&format!("device {id} would be sent command {name}"));
                Ok(())
            }
        },
    }
}
