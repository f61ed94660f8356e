//! Payloads that are made up: JSON with places that are filled in for each message.
//!
//! An object whose only member begins with `$` is such a place: `$walk`, `$sine`, `$choice`, `$counter`, `$device`, `$time`.
//! What is filled in follows from the seed, the device, the place of the message in the scenario and its number, so that every
//! run makes the same payloads, but for the time, which is that of the run.

use fleetfn_device::simulation::Random;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use std::sync::Arc;

/// Places in one payload: as many readings as a device has.
const PLACES_MAX: usize = 256;

/// Digits behind the point when nothing is said: what a cheap sensor gives.
const DECIMALS_DEFAULT: u8 = 2;

/// Most digits behind the point: all that a double has.
const DECIMALS_MAX: u8 = 15;

/// A payload with places.
#[derive(Debug, Clone)]
pub(super) enum Template {
    Fixed(Value),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
    /// The number is that of the place among the walks.
    Walk(usize, Walk),
    Sine(Sine),
    Choice(Vec<Value>),
    Counter(Counter),
    /// The name of the device.
    Device,
    /// What the clock of the device shows, in milliseconds since 1970.
    Time,
}

/// A number that goes up and down at random.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Walk {
    from: f64,
    to: f64,
    /// How far it goes at most in one message; a twentieth of the way between the bounds if nothing is said.
    step: Option<f64>,
    /// Where it begins; anywhere if nothing is said.
    start: Option<f64>,
    decimals: Option<u8>,
}

/// A number that swings between its bounds, from the middle upwards.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sine {
    from: f64,
    to: f64,
    /// How long one swing takes.
    period: super::span::Span,
    decimals: Option<u8>,
}

/// A number that grows with each message.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Counter {
    from: i64,
    step: i64,
}

impl Default for Counter {
    fn default() -> Self {
        Self { from: 0, step: 1 }
    }
}

impl Template {
    /// Reads a payload; `path` names it in what is said about it.
    pub(super) fn parse(value: &Value, path: &str) -> Result<Self, String> {
        let mut walks = 0;
        Self::read(value, path, &mut walks)
    }

    fn read(value: &Value, path: &str, walks: &mut usize) -> Result<Self, String> {
        match value {
            Value::Object(members) => {
                if let Some((name, argument)) = place(members) {
                    return Self::place(name, argument, &format!("{path}.{name}"), walks);
                }
                if let Some(name) = members.keys().find(|name| name.starts_with('$')) {
                    return Err(format!("{path}: \"{name}\" must be the only member of its object"));
                }
                let read = |(name, value): (&String, &Value)| {
                    Ok((name.clone(), Self::read(value, &format!("{path}.{name}"), walks)?))
                };
                Ok(Self::Object(members.iter().map(read).collect::<Result<_, String>>()?))
            }
            Value::Array(items) => {
                let mut read = Vec::with_capacity(items.len());
                for (number, item) in items.iter().enumerate() {
                    read.push(Self::read(item, &format!("{path}[{number}]"), walks)?);
                }
                Ok(Self::Array(read))
            }
            plain => Ok(Self::Fixed(plain.clone())),
        }
    }

    fn place(name: &str, argument: &Value, path: &str, walks: &mut usize) -> Result<Self, String> {
        match name {
            "$walk" => {
                let walk: Walk = read(argument, path)?;
                bounds(walk.from, walk.to, walk.decimals, path)?;
                if walk.step.is_some_and(|step| step < 0.0) {
                    return Err(format!("{path}.step: it must not be negative"));
                }
                *walks += 1;
                if *walks > PLACES_MAX {
                    return Err(format!("{path}: a payload has at most {PLACES_MAX} walks"));
                }
                Ok(Self::Walk(*walks - 1, walk))
            }
            "$sine" => {
                let sine: Sine = read(argument, path)?;
                bounds(sine.from, sine.to, sine.decimals, path)?;
                if sine.period.ms() == 0 {
                    return Err(format!("{path}.period: it must be more than 0"));
                }
                Ok(Self::Sine(sine))
            }
            "$choice" => match argument {
                Value::Array(items) if !items.is_empty() => Ok(Self::Choice(items.clone())),
                _ => Err(format!("{path}: it is a list of at least one value")),
            },
            "$counter" => Ok(Self::Counter(read(argument, path)?)),
            "$device" | "$time" => match argument {
                Value::Object(members) if members.is_empty() && name == "$time" => Ok(Self::Time),
                Value::Object(members) if members.is_empty() => Ok(Self::Device),
                _ => Err(format!("{path}: it takes nothing: {{\"{name}\": {{}}}}")),
            },
            other => Err(format!(
                "{path}: there is no generator {other}: it is one of $walk, $sine, $choice, $counter, $device, $time"
            )),
        }
    }
}

/// The generator that an object stands for.
fn place(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = members.iter().next().filter(|_| members.len() == 1)?;
    name.starts_with('$').then_some((name.as_str(), argument))
}

fn read<T: DeserializeOwned>(argument: &Value, path: &str) -> Result<T, String> {
    T::deserialize(argument).map_err(|error| format!("{path}: {error}"))
}

fn bounds(from: f64, to: f64, decimals: Option<u8>, path: &str) -> Result<(), String> {
    if from > to {
        return Err(format!("{path}: \"from\" is {from}, which is more than \"to\", {to}"));
    }
    if decimals.is_some_and(|decimals| decimals > DECIMALS_MAX) {
        return Err(format!("{path}.decimals: at most {DECIMALS_MAX}"));
    }
    Ok(())
}

/// When a payload is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// From the begin of the scenario.
    pub(super) due_ms: u64,
    /// What the clock of the device shows.
    pub(super) device_clock_ms: u64,
}

/// Makes the payloads of one device, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Generator {
    template: Arc<Template>,
    random: Random,
    device: Arc<str>,
    made: u64,
    /// Where each walk is.
    walks: Vec<f64>,
}

impl Generator {
    pub(super) fn new(template: Arc<Template>, random: Random, device: Arc<str>) -> Self {
        Self { template, random, device, made: 0, walks: Vec::new() }
    }

    /// The next payload.
    pub(super) fn make(&mut self, at: Moment) -> Value {
        let template = Arc::clone(&self.template);
        let value = self.fill(&template, at);
        self.made += 1;
        value
    }

    fn fill(&mut self, template: &Template, at: Moment) -> Value {
        match template {
            Template::Fixed(value) => value.clone(),
            Template::Object(members) => {
                let fill = |(name, member): &(String, Template)| (name.clone(), self.fill(member, at));
                Value::Object(members.iter().map(fill).collect())
            }
            Template::Array(items) => items.iter().map(|item| self.fill(item, at)).collect(),
            Template::Walk(place, walk) => self.walk(*place, walk),
            Template::Sine(sine) => number(sine.at(at.due_ms), sine.decimals),
            Template::Choice(values) => {
                let place = self.random.below(u64::try_from(values.len()).unwrap_or(u64::MAX));
                let place = usize::try_from(place).unwrap_or_default();
                values.get(place).cloned().unwrap_or_default()
            }
            Template::Counter(Counter { from, step }) => {
                let made = i64::try_from(self.made).unwrap_or(i64::MAX);
                from.saturating_add(step.saturating_mul(made)).into()
            }
            Template::Device => (*self.device).into(),
            Template::Time => at.device_clock_ms.into(),
        }
    }

    fn walk(&mut self, place: usize, walk: &Walk) -> Value {
        let (share, way) = (self.random.share(), walk.to - walk.from);
        let next = match self.walks.get(place) {
            // Walks are numbered in the order in which they are filled in.
            None => {
                let start = walk.start.unwrap_or(walk.from + way * share).clamp(walk.from, walk.to);
                self.walks.push(start);
                start
            }
            Some(last) => {
                let step = walk.step.unwrap_or(way / 20.0);
                (last + step * (2.0 * share - 1.0)).clamp(walk.from, walk.to)
            }
        };
        if let Some(at) = self.walks.get_mut(place) {
            *at = next;
        }
        number(next, walk.decimals)
    }
}

impl Sine {
    fn at(&self, at_ms: u64) -> f64 {
        let period_ms = self.period.ms().max(1);
        // Both are far below 2^52.
        let turn = lossy(at_ms % period_ms) / lossy(period_ms);
        let middle = self.from.midpoint(self.to);
        middle + (self.to - middle) * (turn * std::f64::consts::TAU).sin()
    }
}

/// A count as a double; exact below 2^53.
fn lossy(count: u64) -> f64 {
    let (high, low) = (count >> 32, count & u64::from(u32::MAX));
    let part = |part: u64| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    part(high) * 4_294_967_296.0 + part(low)
}

/// A number with so many digits behind the point; without any it is whole.
fn number(value: f64, decimals: Option<u8>) -> Value {
    let decimals = decimals.unwrap_or(DECIMALS_DEFAULT);
    let text = format!("{value:.*}", usize::from(decimals));
    if decimals == 0
        && let Ok(whole) = text.parse::<i64>()
    {
        return whole.into();
    }
    text.parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests;
