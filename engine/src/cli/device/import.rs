//! `fleetfn device import FILE`.

use crate::api::{AddedDevices, BATCH_DEVICES_MAX, NewDevice, NewDevices};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::person::Remark;
use fleetfn_protocol::DeviceId;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A device on each line: its id, or {"id": …, "product": …, "class": …, "tags": […], "time_zone": …}; - is stdin
    file: PathBuf,
    #[command(flatten)]
    remark: Remark,
}

/// Adds the devices of the file in batches, and prints `ID TOKEN` for each as soon as its batch is durable.
pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let client = Client::open(data)?;
    let name = arguments.file.display();
    let opened = if arguments.file == Path::new("-") {
        Ok(Box::new(std::io::stdin().lock()) as Box<dyn BufRead>)
    } else {
        File::open(&arguments.file).map(|file| Box::new(BufReader::new(file)) as Box<dyn BufRead>)
    };
    let file = opened.map_err(|error| Failure::new(format!("cannot read {name}"), error))?;
    let (mut batch, mut first, mut added) = (Vec::new(), 1_u64, 0);
    for (line, number) in file.lines().zip(1_u64..) {
        let line =
            line.map_err(|error| Failure::new(format!("cannot read line {number} of {name}"), error))?;
        let device = parse(&line).map_err(|why| {
            Failure::new(format!("cannot add the device in line {number} of {name}"), why).next(kept(added))
        })?;
        batch.extend(device);
        if batch.len() == BATCH_DEVICES_MAX {
            added += send(&client, std::mem::take(&mut batch), arguments, first..=number, added)?;
            first = number + 1;
        }
    }
    if !batch.is_empty() {
        let last = first.saturating_add(batch.len() as u64).saturating_sub(1);
        added += send(&client, batch, arguments, first..=last, added)?;
    }
    if arguments.remark.trial.is_dry_run() {
        eprintln!("A dry run: {added} devices can be added, nothing has changed.");
    } else {
        eprintln!(
            "{added} devices were added. A token is the MQTT password of its device; it is not shown again."
        );
    }
    Ok(())
}

/// Sends one batch; how many devices it had.
fn send(
    client: &Client,
    devices: Vec<NewDevice>,
    arguments: &Arguments,
    lines: std::ops::RangeInclusive<u64>,
    before: usize,
) -> Result<usize, Failure> {
    let count = devices.len();
    let tried = format!("cannot add the devices of lines {} to {}", lines.start(), lines.end());
    let (batch, path) = (NewDevices { devices }, arguments.remark.at("/device-batches"));
    let added: AddedDevices =
        client.post(&tried, &path, &batch).map_err(|failure| failure.or_next(kept(before)))?;
    let tokens: String = added
        .devices
        .iter()
        .filter_map(|device| Some(format!("{} {}\n", device.id, device.token.as_ref()?)))
        .collect();
    output::write(tokens.as_bytes())?;
    Ok(count)
}

/// What became of the batches before one that failed.
fn kept(added: usize) -> String {
    match added {
        0 => "put the file right and import it again: nothing was added".into(),
        added => {
            format!("put the rest of the file right and import that: the {added} devices before are added")
        }
    }
}

/// The device of a line; `None` for an empty line.
fn parse(line: &str) -> Result<Option<NewDevice>, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    if line.starts_with('{') {
        return serde_json::from_str(line).map(Some).map_err(|error| error.to_string());
    }
    let id = DeviceId::parse(line).map_err(|error| error.to_string())?;
    Ok(Some(NewDevice { id: id.to_string(), product: None, class: None, tags: Vec::new(), time_zone: None }))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_line_is_an_id_or_an_object_and_says_what_is_wrong_with_it() {
        let device = parse(" lamp-1 ").expect("an id").expect("a device");
        assert_eq!((device.id.as_str(), device.product), ("lamp-1", None));
        let device =
            parse(r#"{"id":"lamp-2","product":"lamp","tags":["eu"]}"#).expect("an object").expect("a device");
        assert_eq!((device.id.as_str(), device.tags), ("lamp-2", vec!["eu".to_owned()]));
        assert!(parse("  ").expect("nothing").is_none());
        assert!(parse("a b").is_err());
        assert!(parse(r#"{"id":"a","prodct":"lamp"}"#).is_err_and(|why| why.contains("prodct")));
    }
}
