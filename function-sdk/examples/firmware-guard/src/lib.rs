//! Stops a rollout whose devices run hotter than those that do not have the new firmware yet.
//!
//! A device publishes `{"temperature":55.0}` on `devices/{id}/telemetry/climate`, and the trigger `update = "report"` tells
//! which firmware it runs. Once a minute (or as often as `tell_ms` in its configuration says) its mean goes to the entity `guard/firmware`, where the same function keeps
//! the sum of each firmware over all devices: so much for a fleet of any size. When a rollout asks, with
//!
//! ```json
//! {"gates": [{"function": "firmware-guard", "entity": "guard/firmware"}]}
//! ```
//!
//! in a phase of its policy, it gets GO, HOLD or ABORT with a text like `updated 71.2 °C against 55.0 °C of the others`.

use fleetfn_function::gate::{Question, Verdict};
use fleetfn_function::update::Report;
use fleetfn_function::{Context, Error, FromPayload, Json, Kind, Postcard, function};
use serde::{Deserialize, Serialize};

/// Where all readings meet.
const GUARD: &str = "guard/firmware";
/// How often a device tells its mean, if the configuration does not say.
const TELL_MS: u64 = 60_000;
/// Updated devices that must have told theirs before anything is concluded.
const DEVICES_MIN: u32 = 3;
/// Degrees by which the updated may not be hotter without a look...
const HOLD_ABOVE: f64 = 3.0;
/// ...and by which they may not be at all.
const ABORT_ABOVE: f64 = 10.0;
/// What sensors can say: one that says nonsense is not to spoil a sum for good.
const DEGREES_MAX: f64 = 1_000.0;

#[derive(Deserialize)]
struct Reading {
    temperature: f64,
}

/// Readings of one device, or devices of one firmware: their sum in degrees, and how many they are.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Sum {
    degrees: f64,
    count: u32,
}

/// What a device tells: the sequence of its firmware, 0 if it is not known, and its mean in degrees.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Told {
    sequence: u32,
    degrees: f64,
}

impl Sum {
    fn one(degrees: f64) -> Self {
        Self { degrees: degrees.clamp(-DEGREES_MAX, DEGREES_MAX), count: 1 }
    }

    /// What its readings are on average; 0 of none.
    fn mean(self) -> f64 {
        self.degrees / f64::from(self.count.max(1))
    }

    fn add(self, other: Self) -> Self {
        Self { degrees: self.degrees + other.degrees, count: self.count.saturating_add(other.count) }
    }
}

/// Runs for devices and, where all readings meet, for the guard.
#[function(telemetry = "climate", update = "report", message = "mean", gate, send = "guard/+")]
fn firmware_guard(payload: &[u8], context: &Context) -> Result<(), Error> {
    match context.kind() {
        Kind::Telemetry { .. } => {
            let Json(reading) = Json::<Reading>::from_payload(payload)?;
            measured(reading.temperature, context)
        }
        Kind::UpdateReport => match Report::from_payload(payload)?.running_sequence {
            Some(sequence) => runs(sequence, context),
            None => Ok(()),
        },
        Kind::Message { from, .. } => {
            let Postcard(told) = Postcard::from_payload(payload)?;
            add_up(from, told, context)
        }
        Kind::Gate => judge(&Question::from_payload(payload)?, context),
        _ => Ok(()),
    }
}

/// A device runs a firmware: what it measured under another one does not count any more.
fn runs(sequence: u32, context: &Context) -> Result<(), Error> {
    let state = context.state();
    if state.get("sequence")? == Some(sequence) {
        return Ok(());
    }
    state.put("sequence", &sequence)?;
    state.put("sum", &Sum::default())
}

/// A device has measured: it tells its mean if that is due.
fn measured(temperature: f64, context: &Context) -> Result<(), Error> {
    let state = context.state();
    let sum = state.get::<Sum>("sum")?.unwrap_or_default().add(Sum::one(temperature));
    let told_ms: u64 = state.get("told_ms")?.unwrap_or(0);
    let tell_ms = context.config("tell_ms")?.unwrap_or(TELL_MS);
    if context.received_at_ms() < told_ms.saturating_add(tell_ms) {
        return state.put("sum", &sum);
    }
    state.put("told_ms", &context.received_at_ms())?;
    state.put("sum", &Sum::default())?;
    let told = Told { sequence: state.get("sequence")?.unwrap_or(0), degrees: sum.mean() };
    context.send(GUARD, "mean", Postcard(told))
}

/// A device has told its mean: it stands for what the device told before.
fn add_up(device: &str, told: Told, context: &Context) -> Result<(), Error> {
    let state = context.state();
    let row = ["device/", device].concat();
    let key = |sequence: u32| format!("sum/{sequence}");
    if let Some(before) = state.get::<Told>(&row)? {
        let sum = state.get::<Sum>(&key(before.sequence))?.unwrap_or_default();
        let degrees = sum.degrees - before.degrees;
        match sum.count.saturating_sub(1) {
            0 => state.delete(&key(before.sequence)),
            count => state.put(&key(before.sequence), &Sum { degrees, count })?,
        }
    }
    let sum = state.get::<Sum>(&key(told.sequence))?.unwrap_or_default().add(Sum::one(told.degrees));
    state.put(&key(told.sequence), &sum)?;
    state.put(&row, &told)
}

/// A rollout asks whether to go on.
fn judge(question: &Question<'_>, context: &Context) -> Result<(), Error> {
    let own = format!("sum/{}", question.release.sequence);
    let (mut updated, mut others) = (Sum::default(), Sum::default());
    for entry in context.state().scan::<Sum>("sum/") {
        let (key, sum) = entry?;
        let cohort = if key == own { &mut updated } else { &mut others };
        *cohort = cohort.add(sum);
    }
    if updated.count < DEVICES_MIN || others.count == 0 {
        let text =
            format!("too early: {} updated devices and {} others have told", updated.count, others.count);
        return question.answer(context, Verdict::Hold, &text);
    }
    let (updated, others) = (updated.mean(), others.mean());
    let verdict = match updated - others {
        hotter if hotter >= ABORT_ABOVE => Verdict::Abort,
        hotter if hotter >= HOLD_ABOVE => Verdict::Hold,
        _ => Verdict::Go,
    };
    question.answer(
        context,
        verdict,
        &format!("updated {updated:.1} °C against {others:.1} °C of the others"),
    )
}

#[cfg(test)]
mod tests;
