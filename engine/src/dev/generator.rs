//! Payloads that are made up: JSON with places that are filled in for each message.
//!
//! An object whose only member begins with `$` is such a place: `$walk`, `$sine`, `$choice`, `$counter`, `$device`. What is
//! filled in follows from the seed, the device, the place of the message in the scenario and its number, so that every run
//! makes the same payloads.

use super::random::Random;
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
            "$device" => match argument {
                Value::Object(members) if members.is_empty() => Ok(Self::Device),
                _ => Err(format!("{path}: it takes nothing: {{\"$device\": {{}}}}")),
            },
            other => Err(format!(
                "{path}: there is no generator {other}: it is one of $walk, $sine, $choice, $counter, $device"
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

/// Makes the payloads of one device, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Generator {
    template: Arc<Template>,
    random: Random,
    device: String,
    made: u64,
    /// Where each walk is.
    walks: Vec<f64>,
}

impl Generator {
    pub(super) fn new(template: Arc<Template>, random: Random, device: &str) -> Self {
        Self { template, random, device: device.into(), made: 0, walks: Vec::new() }
    }

    /// The next payload; `at_ms` is when it is due, from the begin of the scenario.
    pub(super) fn make(&mut self, at_ms: u64) -> Value {
        let template = Arc::clone(&self.template);
        let value = self.fill(&template, at_ms);
        self.made += 1;
        value
    }

    fn fill(&mut self, template: &Template, at_ms: u64) -> Value {
        match template {
            Template::Fixed(value) => value.clone(),
            Template::Object(members) => {
                let fill = |(name, member): &(String, Template)| (name.clone(), self.fill(member, at_ms));
                Value::Object(members.iter().map(fill).collect())
            }
            Template::Array(items) => items.iter().map(|item| self.fill(item, at_ms)).collect(),
            Template::Walk(place, walk) => self.walk(*place, walk),
            Template::Sine(sine) => number(sine.at(at_ms), sine.decimals),
            Template::Choice(values) => {
                let place = self.random.below(values.len());
                values.get(place).cloned().unwrap_or_default()
            }
            Template::Counter(Counter { from, step }) => {
                let made = i64::try_from(self.made).unwrap_or(i64::MAX);
                from.saturating_add(step.saturating_mul(made)).into()
            }
            Template::Device => self.device.as_str().into(),
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
mod tests {
    use super::*;
    use serde_json::json;

    fn generator(template: Value, seed: u64, device: &str) -> Generator {
        let template = Template::parse(&template, "payload").expect("a payload");
        Generator::new(Arc::new(template), Random::new(seed, device, 0), device)
    }

    fn first(template: Value, count: u64) -> Vec<Value> {
        let mut generator = generator(template, 1, "d-1");
        (0..count).map(|number| generator.make(number * 1_000)).collect()
    }

    #[test]
    fn a_run_repeats_and_devices_differ() {
        let template = json!({"t": {"$walk": {"from": 0, "to": 100}}, "c": {"$choice": ["a", "b", "c"]}});
        let run = |seed, device| {
            let mut generator = generator(template.clone(), seed, device);
            (0..50).map(|at| generator.make(at)).collect::<Vec<_>>()
        };
        assert_eq!(run(1, "d-1"), run(1, "d-1"));
        assert_ne!(run(1, "d-1"), run(1, "d-2"));
        assert_ne!(run(1, "d-1"), run(2, "d-1"));
    }

    #[test]
    fn a_walk_stays_within_its_bounds_and_its_step() {
        let walk = json!({"$walk": {"from": -5, "to": 5, "step": 2, "start": 5, "decimals": 3}});
        let values: Vec<f64> =
            first(walk, 500).iter().map(|value| value.as_f64().expect("a number")).collect();
        assert_eq!(values[0], 5.0);
        for pair in values.windows(2) {
            assert!((-5.0..=5.0).contains(&pair[1]) && (pair[1] - pair[0]).abs() <= 2.001, "{pair:?}");
        }
        assert!(values.iter().any(|value| *value < 0.0), "it comes away from where it began");
    }

    #[test]
    fn a_sine_swings_once_in_its_period() {
        let values = first(json!({"$sine": {"from": 10, "to": 30, "period": "4s", "decimals": 0}}), 6);
        assert_eq!(values, [json!(20), json!(30), json!(20), json!(10), json!(20), json!(30)]);
    }

    #[test]
    fn counters_names_lists_and_constants_are_filled_in_where_they_stand() {
        let template = json!({"n": {"$counter": {"from": 7, "step": -2}}, "i": {"$counter": {}},
            "who": {"$device": {}}, "list": [1, {"$counter": {}}], "fixed": {"a": null}});
        assert_eq!(
            first(template, 2),
            [
                json!({"n": 7, "i": 0, "who": "d-1", "list": [1, 0], "fixed": {"a": null}}),
                json!({"n": 5, "i": 1, "who": "d-1", "list": [1, 1], "fixed": {"a": null}}),
            ]
        );
    }

    #[test]
    fn what_is_no_generator_is_refused_with_its_place() {
        let refused = |template: Value| Template::parse(&template, "payload").expect_err("is refused");
        assert!(refused(json!({"a": [{"$walk": {"from": 1, "to": 0}}]})).starts_with("payload.a[0].$walk: "));
        assert!(refused(json!({"$walk": {"from": 1, "to": 2, "stpe": 1}})).contains("unknown field `stpe`"));
        assert!(refused(json!({"$wobble": {}})).contains("there is no generator $wobble"));
        assert!(refused(json!({"$counter": {}, "b": 1})).contains("only member"));
        assert!(refused(json!({"$choice": []})).contains("at least one"));
        assert!(refused(json!({"$sine": {"from": 0, "to": 1, "period": "0s"}})).contains("period"));
        assert!(refused(json!({"$device": "d"})).contains("takes nothing"));
        assert!(refused(json!({"$walk": {"from": 0, "to": 1, "decimals": 99}})).contains("decimals"));
    }
}
