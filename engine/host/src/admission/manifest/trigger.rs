//! One trigger of the manifest: a field that says what triggers, and those that belong to it.

use super::super::Error;
use crate::limits::{CRON_BYTES_MAX, QUIET_S_MAX};
use crate::schema::Schema;
use croner::parser::{CronParser, Seconds, Year};
use fleetfn_core::deployment::{Per, Trigger};
use fleetfn_protocol::{FunctionName, validate_filter};
use serde::Deserialize;
use serde_json::Value;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TriggerJson {
    telemetry: Option<String>,
    schema: Option<Value>,
    quiet: Option<String>,
    for_s: Option<u32>,
    presence: Option<bool>,
    twin: Option<bool>,
    timer: Option<String>,
    cron: Option<String>,
    per: Option<PerJson>,
    message: Option<String>,
    reply: Option<String>,
    http: Option<String>,
    update: Option<UpdateJson>,
    gate: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PerJson {
    Device,
    Function,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UpdateJson {
    Offer,
    Report,
}

impl TriggerJson {
    pub(super) fn check(mut self) -> Result<Trigger, Error> {
        let trigger = self.take()?;
        if let Some(left) = self.left() {
            let reason = format!("\"{left}\" does not belong to it");
            return Err(Error::Trigger { filter: name(&trigger), reason });
        }
        Ok(trigger)
    }

    /// Takes the fields of the first trigger that there is.
    fn take(&mut self) -> Result<Trigger, Error> {
        if let Some(text) = self.telemetry.take() {
            let schema = self.schema.take().map(|schema| schema.to_string());
            if let Some(Err(reason)) = schema.as_deref().map(Schema::compile) {
                return Err(Error::Trigger { filter: text, reason: format!("its schema: {reason}") });
            }
            return Ok(Trigger::Telemetry { filter: filter(text)?, schema });
        }
        if let Some(text) = self.quiet.take() {
            let for_s = match self.for_s.take() {
                Some(for_s @ 1..=QUIET_S_MAX) => for_s,
                _ => {
                    let reason = format!("\"for_s\" must say for how long: 1 to {QUIET_S_MAX} seconds");
                    return Err(Error::Trigger { filter: text, reason });
                }
            };
            return Ok(Trigger::Quiet { filter: filter(text)?, for_s });
        }
        if let Some(text) = self.cron.take() {
            let per = match self.per.take() {
                Some(PerJson::Device) => Per::Device,
                Some(PerJson::Function) | None => Per::Function,
            };
            return Ok(Trigger::Cron { expression: cron(text)?, per });
        }
        if let Some(text) = self.timer.take() {
            return Ok(Trigger::Timer { filter: filter(text)? });
        }
        if let Some(text) = self.message.take() {
            return Ok(Trigger::Message { filter: filter(text)? });
        }
        if let Some(text) = self.reply.take() {
            return Ok(Trigger::Reply { filter: filter(text)? });
        }
        if let Some(text) = self.http.take() {
            return Ok(Trigger::Http { filter: filter(text)? });
        }
        if let Some(true) = self.presence.take() {
            return Ok(Trigger::Presence);
        }
        if let Some(true) = self.twin.take() {
            return Ok(Trigger::Twin);
        }
        match self.update.take() {
            Some(UpdateJson::Offer) => return Ok(Trigger::UpdateOffer),
            Some(UpdateJson::Report) => return Ok(Trigger::UpdateReport),
            None => {}
        }
        if let Some(true) = self.gate.take() {
            return Ok(Trigger::Gate);
        }
        let reason = "it has none of telemetry, quiet, presence, twin, timer, cron, message, reply, http, update, gate";
        Err(Error::Trigger { filter: String::new(), reason: reason.into() })
    }

    /// A field that was not taken.
    fn left(&self) -> Option<&'static str> {
        let Self {
            telemetry,
            schema,
            quiet,
            for_s,
            presence,
            twin,
            timer,
            cron,
            per,
            message,
            reply,
            http,
            update,
            gate,
        } = self;
        [
            ("telemetry", telemetry.is_some()),
            ("schema", schema.is_some()),
            ("quiet", quiet.is_some()),
            ("for_s", for_s.is_some()),
            ("presence", presence.is_some()),
            ("twin", twin.is_some()),
            ("timer", timer.is_some()),
            ("cron", cron.is_some()),
            ("per", per.is_some()),
            ("message", message.is_some()),
            ("reply", reply.is_some()),
            ("http", http.is_some()),
            ("update", update.is_some()),
            ("gate", gate.is_some()),
        ]
        .into_iter()
        .find_map(|(name, there)| there.then_some(name))
    }
}

/// How an error names a trigger.
fn name(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Telemetry { filter, .. }
        | Trigger::Quiet { filter, .. }
        | Trigger::Timer { filter }
        | Trigger::Message { filter }
        | Trigger::Reply { filter }
        | Trigger::Http { filter } => filter.clone(),
        Trigger::Cron { expression, .. } => expression.clone(),
        Trigger::Presence => "presence".into(),
        Trigger::Twin => "twin".into(),
        Trigger::UpdateOffer => "update = \"offer\"".into(),
        Trigger::UpdateReport => "update = \"report\"".into(),
        Trigger::Gate => "gate".into(),
    }
}

fn filter(filter: String) -> Result<String, Error> {
    match broken_rule(&filter) {
        Some(reason) => Err(Error::Trigger { filter, reason }),
        None => Ok(filter),
    }
}

/// The rule that a trigger's filter breaks: levels are literal, `+` or `{name}`, the last may be `#`.
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

/// Checks the five fields. Whether such a time ever comes is not asked: one that does not never triggers.
fn cron(expression: String) -> Result<String, Error> {
    let reason = if expression.len() > CRON_BYTES_MAX {
        format!("it has {} bytes, at most {CRON_BYTES_MAX} are allowed", expression.len())
    } else if expression.split(' ').count() != 5 || expression.contains(char::is_control) {
        "it has five fields, with one blank between them: minute, hour, day of month, month, day of week"
            .into()
    } else {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        match parser.parse(&expression) {
            Ok(_) => return Ok(expression),
            Err(error) => error.to_string(),
        }
    };
    Err(Error::Trigger { filter: expression.chars().take(CRON_BYTES_MAX).collect(), reason })
}
