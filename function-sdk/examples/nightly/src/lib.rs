//! Reports each device every night, in its own time zone.
//!
//! A device publishes what it has measured, like `{"kwh":1.5}`, on `devices/{id}/telemetry/energy`. At two in the
//! morning, where the device is, the sum of the day is published as `{"device":"meter-1","kwh":1.5,"readings":1}` on
//! `reports/energy`, and the next day begins. A device that has measured nothing gets the command `self-test`; one that
//! does not answer that within a minute is reported to `alerts/silent/{id}`.

use fleetfn_function::{Answer, Context, Error, FromPayload, Json, Kind, function, warn};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a self-test may take.
const SELF_TEST: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Reading {
    kwh: f64,
}

/// What a day has brought so far.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Day {
    kwh: f64,
    readings: u32,
}

#[derive(Serialize)]
struct Report<'a> {
    device: &'a str,
    kwh: f64,
    readings: u32,
}

/// Sums up by day, reports at night, and looks after devices that said nothing.
#[function(
    telemetry = "energy",
    cron(expression = "0 2 * * *", per = "device"),
    reply = "self-test",
    command,
    publish = "reports/energy",
    publish = "alerts/silent/+"
)]
fn nightly(payload: &[u8], context: &Context) -> Result<(), Error> {
    match context.kind() {
        Kind::Cron { .. } => report(context),
        Kind::Reply { reply: Answer::TimedOut, .. } => {
            warn!(device = context.device(); "no answer to the self-test");
            context.publish(&["alerts/silent/", context.device()].concat(), context.device())
        }
        Kind::Reply { reply: Answer::Answered, .. } => Ok(()),
        _ => {
            let Json(Reading { kwh }) = Json::from_payload(payload)?;
            let mut day: Day = context.state().get("day")?.unwrap_or_default();
            day.kwh += kwh;
            day.readings += 1;
            context.state().put("day", &day)
        }
    }
}

fn report(context: &Context) -> Result<(), Error> {
    let Some(Day { kwh, readings }) = context.state().get("day")? else {
        return context.command_awaiting("self-test", "", SELF_TEST);
    };
    context.state().delete("day");
    context.counter("days_reported", 1);
    context.publish("reports/energy", Json(Report { device: context.device(), kwh, readings }))
}

#[cfg(test)]
mod tests;
