//! A scenario for a function that has none: what its manifest wants to hear.

use crate::api::{ManifestView, TriggerView};
use fleetfn_protocol::filter_matches;
use serde_json::{Map, Value, json};

/// Devices when nobody says how many: enough to see that each has a state of its own.
const DEVICES: u16 = 3;

/// What stands for a level that a filter leaves open.
const LEVEL: &str = "1";

/// Levels of a schema that are followed: deeper ones are left out.
const SCHEMA_LEVELS_MAX: usize = 8;

/// An example of what a channel carries.
pub(super) struct Example {
    pub(super) channel: String,
    pub(super) payload: Value,
}

/// A scenario for what triggers a function; `examples` are payloads that its cases use.
pub(super) fn scenario(manifest: &ManifestView, examples: &[Example]) -> Value {
    let (mut messages, mut offline, mut reports, mut replies) =
        (Vec::new(), Vec::new(), Vec::new(), Map::new());
    for trigger in &manifest.triggers {
        if let Some(filter) = &trigger.telemetry {
            messages.push(message(filter, trigger, examples));
        }
        if let Some(for_s) = trigger.quiet.as_ref().and(trigger.for_s) {
            let away_s = u64::from(for_s) + 30;
            offline.push(json!({
                "after": "30s", "for": format!("{away_s}s"), "every": format!("{}s", 2 * away_s + 60), "abruptly": true,
            }));
        }
        if trigger.presence == Some(true) {
            offline.push(json!({"after": "20s", "for": "10s", "every": "1m"}));
        }
        if trigger.twin == Some(true) {
            reports.push(json!({"after": "1s", "every": "1m", "twin": {"firmware": "1.0.0"}}));
        }
        if let Some(filter) = &trigger.reply {
            let name = if filter.contains(['+', '{', '#']) { "+" } else { filter };
            replies.insert(name.into(), json!({"after": "500ms", "payload": {"ok": true}}));
        }
    }
    let mut group = Map::from_iter([("devices".to_owned(), DEVICES.into())]);
    let lists = [("messages", messages), ("offline", offline), ("reports", reports)];
    group.extend(
        lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name.into(), list.into())),
    );
    if !replies.is_empty() {
        group.insert("replies".into(), replies.into());
    }
    if manifest.twin {
        group.insert("adopts".into(), "2s".into());
    }
    json!({"groups": [group]})
}

fn message(filter: &str, trigger: &TriggerView, examples: &[Example]) -> Value {
    let example = examples.iter().find(|example| takes(filter, &example.channel));
    let channel = example.map_or_else(|| channel(filter), |example| example.channel.clone());
    let payload = match (example, &trigger.schema) {
        (Some(example), _) => varied(&example.payload),
        (None, Some(schema)) => of_schema(schema, SCHEMA_LEVELS_MAX),
        (None, None) => {
            let name = channel.rsplit('/').find(|level| *level != LEVEL).unwrap_or("value");
            json!({ name: {"$walk": {"from": 15, "to": 35, "step": 2}} })
        }
    };
    json!({"channel": channel, "every": "5s", "payload": payload})
}

/// Whether a filter, in which `{name}` takes a level, takes a channel.
fn takes(filter: &str, channel: &str) -> bool {
    let level = |level: &str| if level.starts_with('{') { "+".to_owned() } else { level.to_owned() };
    let filter = filter.split('/').map(level).collect::<Vec<_>>().join("/");
    filter_matches(&filter, channel)
}

/// A channel, or another name, that a filter takes.
pub(super) fn channel(filter: &str) -> String {
    let level = |level: &str| match level {
        "+" | "#" => LEVEL.to_owned(),
        name if name.starts_with('{') => LEVEL.to_owned(),
        name => name.to_owned(),
    };
    filter.split('/').map(level).collect::<Vec<_>>().join("/")
}

/// An example whose numbers walk around what they are.
fn varied(example: &Value) -> Value {
    match example {
        Value::Object(members) => {
            let vary = |(name, member): (&String, &Value)| (name.clone(), varied(member));
            Value::Object(members.iter().map(vary).collect())
        }
        Value::Number(number) => match number.as_f64() {
            Some(middle) if number.is_f64() => {
                let reach = (middle.abs() / 4.0).max(1.0);
                json!({"$walk": {"from": middle - reach, "to": middle + reach}})
            }
            _ => example.clone(),
        },
        other => other.clone(),
    }
}

/// Something that a schema is likely to take: its required members, by their types.
fn of_schema(schema: &Value, levels: usize) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(values) =
        schema.get("enum").filter(|values| values.as_array().is_some_and(|list| !list.is_empty()))
    {
        return json!({ "$choice": values });
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    let from = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|bound| bound + 1.0));
    let from = from.unwrap_or_else(|| bound("maximum").map_or(0.0, |to| to.min(0.0)));
    let to = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|bound| bound - 1.0));
    let to = to.unwrap_or(from + 40.0).max(from);
    match schema.get("type").and_then(Value::as_str) {
        Some("object") | None if schema.get("properties").is_some() && levels > 0 => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let required: Option<Vec<&str>> = schema
                .get("required")
                .and_then(Value::as_array)
                .map(|names| names.iter().filter_map(Value::as_str).collect());
            let wanted = |name: &str| required.as_ref().is_none_or(|required| required.contains(&name));
            let members = properties.into_iter().flatten().filter(|(name, _)| wanted(name));
            Value::Object(
                members.map(|(name, schema)| (name.clone(), of_schema(schema, levels - 1))).collect(),
            )
        }
        Some("number") => json!({"$walk": {"from": from, "to": to}}),
        Some("integer") => json!({"$walk": {"from": from, "to": to, "decimals": 0}}),
        Some("string") => "text".into(),
        Some("boolean") => json!({"$choice": [true, false]}),
        Some("array") => json!([]),
        Some("null") => Value::Null,
        Some(_) | None => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::devices::CASTING;
    use crate::scenario::parse;

    fn manifest(triggers: Value) -> ManifestView {
        serde_json::from_value(json!({"name": "f", "triggers": triggers})).expect("a manifest")
    }

    #[test]
    fn what_is_suggested_is_a_scenario() {
        let manifest = manifest(json!([
            {"telemetry": "room/{room}/climate"},
            {"telemetry": "battery", "schema": {"type": "object", "required": ["level", "state"], "properties": {
                "level": {"type": "integer", "minimum": 1, "maximum": 9}, "state": {"enum": ["ok", "low"]}, "x": {}}}},
            {"quiet": "#", "for_s": 60}, {"presence": true}, {"twin": true}, {"reply": "reboot"}, {"cron": "* * * * *"}
        ]));
        let scenario = scenario(&manifest, &[]);
        assert_eq!(parse(&scenario.to_string(), CASTING).expect("a scenario").devices.len(), 3);
        let group = &scenario["groups"][0];
        assert_eq!(group["messages"][0]["channel"], "room/1/climate");
        assert_eq!(
            group["messages"][0]["payload"],
            json!({"climate": {"$walk": {"from": 15, "to": 35, "step": 2}}})
        );
        let of_schema = json!({"level": {"$walk": {"from": 1.0, "to": 9.0, "decimals": 0}}, "state": {"$choice": ["ok", "low"]}});
        assert_eq!(group["messages"][1]["payload"], of_schema);
        assert_eq!(group["offline"].as_array().map(Vec::len), Some(2));
        assert!(group["replies"]["reboot"].is_object() && group["reports"].is_array());
    }

    #[test]
    fn payloads_of_cases_are_better_than_those_made_up() {
        let examples = [Example { channel: "room/attic".into(), payload: json!({"t": 20.5, "unit": "C"}) }];
        let scenario =
            scenario(&manifest(json!([{"telemetry": "room/+"}, {"telemetry": "other"}])), &examples);
        let messages = &scenario["groups"][0]["messages"];
        assert_eq!(messages[0]["channel"], "room/attic");
        assert_eq!(
            messages[0]["payload"],
            json!({"t": {"$walk": {"from": 15.375, "to": 25.625}}, "unit": "C"})
        );
        assert_eq!(messages[1]["channel"], "other");
        assert!(parse(&scenario.to_string(), CASTING).is_ok());
    }

    #[test]
    fn a_function_without_triggers_of_devices_gets_devices_all_the_same() {
        let scenario = scenario(&manifest(json!([{"cron": "* * * * *", "per": "device"}])), &[]);
        assert_eq!(scenario, json!({"groups": [{"devices": 3}]}));
    }
}
