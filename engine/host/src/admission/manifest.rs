//! The manifest section: JSON, checked against the same rules that events and topics live under.

use super::{Error, limit};
use crate::limits::{FILTERS_MAX, MANIFEST_BYTES_MAX};
use fleetfn_abi::ABI_VERSION;
use fleetfn_core::deployment::{Manifest, Trigger};
use fleetfn_protocol::{FunctionName, validate_filter};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    #[expect(dead_code, reason = "compared by `Versioned`; here it is required")]
    abi: u64,
    name: String,
    triggers: Vec<TriggerJson>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    command: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum TriggerJson {
    Telemetry(String),
}

/// Read first, so that a manifest of another version is named as such whatever else it holds.
#[derive(Deserialize)]
struct Versioned {
    abi: Option<u64>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Manifest, Error> {
    limit("bytes of manifest", bytes.len(), MANIFEST_BYTES_MAX)?;
    let text = std::str::from_utf8(bytes).map_err(|error| Error::Manifest(error.to_string()))?;
    let broken = |error: serde_json::Error| Error::Manifest(error.to_string());
    let other = |abi: &u64| *abi != u64::from(ABI_VERSION);
    if let Some(abi) = serde_json::from_str::<Versioned>(text).map_err(broken)?.abi.filter(other) {
        return Err(Error::AbiVersion { name: format!("\"abi\": {abi}") });
    }
    let Json { name, triggers, publish, command, .. } = serde_json::from_str(text).map_err(broken)?;
    let name = FunctionName::parse(&name).map_err(|source| Error::Name { name, source })?;
    if triggers.is_empty() {
        return Err(Error::Manifest("it has no trigger: the function would never run".into()));
    }
    limit("triggers in the manifest", triggers.len(), FILTERS_MAX)?;
    limit("publish filters in the manifest", publish.len(), FILTERS_MAX)?;
    let triggers = triggers.into_iter().map(trigger).collect::<Result<_, _>>()?;
    let publish = publish.into_iter().map(grant).collect::<Result<_, _>>()?;
    Ok(Manifest { name, triggers, publish, command })
}

fn trigger(trigger: TriggerJson) -> Result<Trigger, Error> {
    let TriggerJson::Telemetry(filter) = trigger;
    match broken_rule(&filter) {
        Some(reason) => Err(Error::Trigger { filter, reason }),
        None => Ok(Trigger::Telemetry { filter }),
    }
}

/// The rule that a filter over channels breaks: levels are literal, `+` or `{name}`, the last may be `#`.
fn broken_rule(filter: &str) -> Option<String> {
    // Named parts are levels like any other here; the rest is MQTT's.
    if let Err(error) = validate_filter(filter) {
        return Some(error.to_string());
    }
    for level in filter.split('/') {
        if level.is_empty() {
            return Some("a level is empty".into());
        }
        let named = level.strip_prefix('{').and_then(|level| level.strip_suffix('}'));
        match named {
            Some(name) if FunctionName::parse(name).is_ok() => {}
            Some(_) => return Some(format!("'{level}' does not hold a name")),
            None if level.contains(['{', '}']) => {
                return Some(format!("'{level}' has a brace outside of a named part"));
            }
            None => {}
        }
    }
    None
}

fn grant(filter: String) -> Result<String, Error> {
    if let Err(source) = validate_filter(&filter) {
        return Err(Error::Publish { filter, source });
    }
    let first = filter.split('/').next().unwrap_or_default();
    if first == "devices" {
        return Err(Error::Grant { filter, reason: "devices are reached by commands" });
    }
    if first.starts_with('$') {
        return Err(Error::Grant { filter, reason: "topics that start with '$' belong to the broker" });
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn refusal(json: &str) -> String {
        let error = parse(json.as_bytes()).expect_err("refused");
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    }

    fn with(field: &str) -> String {
        format!(r#"{{"abi":1,"name":"f","triggers":[{{"telemetry":"a"}}],{field}}}"#)
    }

    fn triggered(filter: &str) -> String {
        format!(r#"{{"abi":1,"name":"f","triggers":[{{"telemetry":"{filter}"}}]}}"#)
    }

    #[test]
    fn a_manifest_says_name_triggers_and_grants() {
        let json = r#"{"abi":1,"name":"climate","triggers":[{"telemetry":"room/{room}/+/#"}],
            "publish":["alerts/#"],"command":true}"#;
        let manifest = parse(json.as_bytes()).expect("a manifest");
        assert_eq!(manifest.name.as_str(), "climate");
        assert_eq!(manifest.publish, ["alerts/#"]);
        assert!(manifest.command);
    }

    #[test]
    fn a_refusal_names_what_is_wrong() {
        assert!(refusal("{").contains("EOF"));
        assert!(refusal(r#"{"abi":2,"what":"ever"}"#).contains("\"abi\": 2"));
        assert!(refusal(r#"{"name":"f","triggers":[]}"#).contains("abi"));
        assert!(refusal(r#"{"abi":1,"name":"f","triggers":[]}"#).contains("no trigger"));
        assert!(refusal(r#"{"abi":1,"name":"a b","triggers":[{"telemetry":"a"}]}"#).contains("'a b'"));
        assert!(refusal(r#"{"abi":1,"name":"f","triggers":[{"moon":"a"}]}"#).contains("moon"));
        assert!(refusal(&with(r#""comand":true"#)).contains("comand"));
        assert!(refusal(&with(r#""publish":["devices/d/telemetry/x"]"#)).contains("commands"));
        assert!(refusal(&with(r#""publish":["$SYS/x"]"#)).contains("broker"));
        assert!(refusal(&with(r#""publish":["a/#/b"]"#)).contains("wildcard"));
        assert!(refusal(&triggered("")).contains("empty"));
        assert!(refusal(&triggered("a//b")).contains("a level is empty"));
        assert!(refusal(&triggered("a/#/b")).contains("wildcard"));
        assert!(refusal(&triggered("a/{}/b")).contains("'{}'"));
        assert!(refusal(&triggered("a/x{y}")).contains("'x{y}'"));
    }
}
