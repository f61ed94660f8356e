//! The manifest section: JSON, checked against the same rules that events and topics live under.

mod trigger;

use super::{Error, limit};
use crate::limits::{FILTERS_MAX, MANIFEST_BYTES_MAX};
use crate::outbound;
use fleetfn_abi::ABI_VERSION;
use fleetfn_core::deployment::Manifest;
use fleetfn_protocol::{FunctionName, validate_filter};
use serde::Deserialize;
use trigger::TriggerJson;

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
    #[serde(default)]
    send: Vec<String>,
    #[serde(default)]
    twin: bool,
    #[serde(default)]
    http: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    state_version: u32,
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
    let json: Json = serde_json::from_str(text).map_err(broken)?;
    let Json { name, triggers, publish, command, send, twin, http, secrets, state_version, .. } = json;
    let name = FunctionName::parse(&name).map_err(|source| Error::Name { name, source })?;
    if triggers.is_empty() {
        return Err(Error::Manifest("it has no trigger: the function would never run".into()));
    }
    limit("triggers in the manifest", triggers.len(), FILTERS_MAX)?;
    Ok(Manifest {
        name,
        triggers: triggers.into_iter().map(TriggerJson::check).collect::<Result<_, _>>()?,
        publish: each("publish", publish, topics)?,
        command,
        send: each("send", send, entities)?,
        twin,
        http: each("http", http, |prefix| outbound::grant(&prefix).map_err(Into::into))?,
        secrets: each("secrets", secrets, secret)?,
        state_version,
    })
}

/// Checks each value of a grant; the error of a check is the rule that is broken.
fn each(
    grant: &'static str,
    values: Vec<String>,
    check: fn(String) -> Result<String, String>,
) -> Result<Vec<String>, Error> {
    limit("values of one grant in the manifest", values.len(), FILTERS_MAX)?;
    let checked = |value: String| {
        let shown: String = value.chars().take(128).collect();
        check(value).map_err(|reason| Error::Grant { grant, value: shown, reason })
    };
    values.into_iter().map(checked).collect()
}

fn topics(filter: String) -> Result<String, String> {
    let filter = entities(filter)?;
    match filter.split('/').next() {
        Some("devices") => Err("devices are reached by commands and sends".into()),
        // A filter that begins with a wildcard does not match `$` either.
        _ => Ok(filter),
    }
}

fn entities(filter: String) -> Result<String, String> {
    validate_filter(&filter).map_err(|error| error.to_string())?;
    if filter.starts_with('$') {
        return Err("topics that start with '$' belong to the broker".into());
    }
    Ok(filter)
}

fn secret(name: String) -> Result<String, String> {
    // Under the same rule as other names.
    FunctionName::parse(&name).map(|_| name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use fleetfn_core::deployment::{Per, Trigger};

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
    fn a_manifest_may_ask_for_everything_that_there_is() {
        let json = r#"{
            "abi": 1, "name": "all", "command": true, "twin": true, "state_version": 2,
            "triggers": [
                {"telemetry": "climate", "schema": {"type": "object"}}, {"quiet": "climate", "for_s": 300},
                {"presence": true}, {"twin": true}, {"timer": "+"}, {"cron": "0 2 * * *", "per": "device"},
                {"cron": "*/5 8-18 1,15 JAN-JUN MON-FRI"}, {"message": "reading/{room}"}, {"reply": "reboot"},
                {"http": "hooks/#"}, {"update": "offer"}, {"update": "report"}, {"gate": true}
            ],
            "publish": ["alerts/#"], "send": ["site/+", "devices/+"], "http": ["HTTPS://api.example.com/v1/"],
            "secrets": ["api-token"]
        }"#;
        let manifest = parse(json.as_bytes()).expect("a manifest");
        let filter = String::from;
        let expected = [
            Trigger::Telemetry { filter: filter("climate"), schema: Some(r#"{"type":"object"}"#.into()) },
            Trigger::Quiet { filter: filter("climate"), for_s: 300 },
            Trigger::Presence,
            Trigger::Twin,
            Trigger::Timer { filter: filter("+") },
            Trigger::Cron { expression: filter("0 2 * * *"), per: Per::Device },
            Trigger::Cron { expression: filter("*/5 8-18 1,15 JAN-JUN MON-FRI"), per: Per::Function },
            Trigger::Message { filter: filter("reading/{room}") },
            Trigger::Reply { filter: filter("reboot") },
            Trigger::Http { filter: filter("hooks/#") },
            Trigger::UpdateOffer,
            Trigger::UpdateReport,
            Trigger::Gate,
        ];
        assert_eq!(manifest.triggers, expected);
        assert_eq!(manifest.http, ["https://api.example.com/v1/"]);
        assert_eq!(
            (manifest.send, manifest.secrets),
            (vec!["site/+".into(), "devices/+".into()], vec!["api-token".into()])
        );
        assert!(manifest.twin && manifest.state_version == 2);
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

    #[test]
    fn a_refused_trigger_or_grant_is_named_with_its_rule() {
        let trigger = |json: &str| refusal(&format!(r#"{{"abi":1,"name":"f","triggers":[{json}]}}"#));
        assert!(trigger("{}").contains("none of telemetry"));
        assert!(trigger(r#"{"presence":false}"#).contains("none of telemetry"));
        assert!(trigger(r#"{"telemetry":"a","for_s":7}"#).contains("\"for_s\" does not belong"));
        assert!(trigger(r#"{"telemetry":"a","timer":"b"}"#).contains("\"timer\" does not belong"));
        assert!(trigger(r#"{"update":"later"}"#).contains("offer"));
        assert!(trigger(r#"{"gate":true,"update":"offer"}"#).contains("\"gate\" does not belong"));
        assert!(trigger(r#"{"timer":"a","schema":{}}"#).contains("\"schema\" does not belong"));
        assert!(trigger(r#"{"quiet":"a"}"#).contains("for_s"));
        assert!(trigger(r#"{"quiet":"a","for_s":0}"#).contains("for_s"));
        assert!(trigger(r#"{"telemetry":"a","schema":{"type":"x"}}"#).contains("its schema"));
        assert!(trigger(r#"{"telemetry":"a","schema":{"$ref":"file:///etc/passwd"}}"#).contains("outside"));
        assert!(trigger(r#"{"cron":"0 2 * *"}"#).contains("five fields"));
        assert!(trigger(r#"{"cron":"0 0 2 * * *"}"#).contains("five fields"));
        assert!(trigger(r#"{"cron":"@daily"}"#).contains("five fields"));
        assert!(trigger(r#"{"cron":"61 2 * * *"}"#).contains("'61 2 * * *'"));
        assert!(trigger(r#"{"cron":"a b c d e"}"#).contains("'a b c d e'"));
        assert!(trigger(r#"{"cron":"0 2 * * *","per":"moon"}"#).contains("moon"));
        assert!(trigger(r#"{"http":"/hooks"}"#).contains("a level is empty"));
        assert!(refusal(&with(r#""send":["$SYS/x"]"#)).contains("broker"));
        assert!(refusal(&with(r#""send":["site/a+"]"#)).contains("wildcard"));
        assert!(refusal(&with(r#""http":["https://a"]"#)).contains("slash"));
        assert!(refusal(&with(r#""http":["ftp://a/"]"#)).contains("http nor https"));
        assert!(refusal(&with(r#""secrets":["a b"]"#)).contains("'a b'"));
        assert!(refusal(&with(r#""state_version":-1"#)).contains("-1"));
        let many = format!(r#""secrets":[{}"s"]"#, r#""s","#.repeat(32));
        assert!(refusal(&with(&many)).contains("33, at most 32"));
    }
}
