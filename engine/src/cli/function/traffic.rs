//! Which version gets which traffic, in words.

use crate::api::{GuardView, TrafficView};
use crate::cli::output::short;

/// `live 3f2a… 90%, canary 8b1c… 10%, dark 77ab…`.
pub(super) fn words(traffic: &TrafficView) -> String {
    let mut words = Vec::new();
    let canary = traffic.canary.as_ref();
    if let Some(live) = &traffic.live {
        let rest = canary.map(|canary| format!(" {}%", 100_u8.saturating_sub(canary.percent)));
        words.push(format!("live {}{}", short(&live.version), rest.unwrap_or_default()));
    }
    if let Some(canary) = canary {
        words.push(format!("canary {} {}%", short(&canary.version.version), canary.percent));
    }
    if let Some(dark) = &traffic.dark {
        words.push(format!("dark {}", short(&dark.version)));
    }
    words.join(", ")
}

/// What was and what is, or will be, in two lines and notes.
pub(super) fn change(name: &str, before: Option<&TrafficView>, after: Option<&TrafficView>) -> String {
    let all = |traffic: Option<&TrafficView>| match traffic.map(words) {
        Some(words) if !words.is_empty() => words,
        Some(_) | None => "nothing".into(),
    };
    let mut text = format!("{name}\n  now   {}\n  then  {}", all(before), all(after));
    let mut note = |words: String| {
        text.push_str("\n  ");
        text.push_str(&words);
    };
    let Some(after) = after else {
        return text;
    };
    if let Some(guard) = &after.guard {
        note(format!("guard: {} at {}", guarded(after), guard.summary()));
    }
    match (before.and_then(|before| before.paused.as_ref()), &after.paused) {
        (_, Some(why)) => note(format!("its events wait ({why}) until: fleetfn fn resume {name}")),
        (Some(_), None) => note("what has waited is handled now, in order".into()),
        (None, None) => {}
    }
    if let Some(backfill) = &after.backfill {
        note(format!("first handles the events from offset {} on; its own wait meanwhile", backfill.from));
    }
    let state_version = |traffic: Option<&TrafficView>| Some(traffic?.live.as_ref()?.manifest.state_version);
    if let (Some(old), Some(new)) = (state_version(before), state_version(Some(after)))
        && old != new
    {
        note(format!("state goes from version {old} to {new}, each entity with its next event"));
    }
    text
}

fn guarded(traffic: &TrafficView) -> &'static str {
    match (&traffic.canary, &traffic.previous) {
        (Some(_), _) => "the canary is dropped",
        (None, Some(_)) => "the version before comes back",
        (None, None) => "its events wait",
    }
}

/// Whether something watches, in a word for a table.
pub(super) fn guard(guard: Option<&GuardView>) -> String {
    guard.map_or_else(|| "-".into(), |guard| format!("<={}% errors", guard.errors_percent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn version(letter: &str, state_version: u32) -> Value {
        let manifest = json!({ "name": "climate", "triggers": [], "state_version": state_version });
        json!({ "version": letter.repeat(64), "deployed_at_ms": 0, "manifest": manifest })
    }

    fn traffic(parts: Value) -> TrafficView {
        let mut all = json!({ "live": null, "reason": "", "at_ms": 0 });
        for (name, part) in parts.as_object().into_iter().flatten() {
            all[name] = part.clone();
        }
        serde_json::from_value(all).expect("is traffic")
    }

    #[test]
    fn a_change_says_who_gets_what_before_and_after() {
        let live = traffic(json!({ "live": version("a", 0) }));
        assert_eq!(
            change("climate", None, Some(&live)),
            "climate\n  now   nothing\n  then  live aaaaaaaaaaaa"
        );
        let mut canary = version("b", 0);
        canary["percent"] = 10.into();
        let guard = json!({ "errors_percent": 5, "fuel_percent": 200, "invocations_min": 100 });
        let split = traffic(json!({
            "live": version("a", 0), "canary": canary, "dark": version("c", 0), "guard": guard, "paused": "a repair"
        }));
        assert_eq!(
            change("climate", Some(&live), Some(&split)),
            "climate\n  now   live aaaaaaaaaaaa\n  then  live aaaaaaaaaaaa 90%, canary bbbbbbbbbbbb 10%, dark \
             cccccccccccc\n  guard: the canary is dropped at more than 5% errors or more than 200% of the fuel after \
             100 invocations\n  its events wait (a repair) until: fleetfn fn resume climate"
        );
        let migrated = traffic(json!({ "live": version("d", 3), "previous": version("a", 0) }));
        assert!(
            change("climate", Some(&live), Some(&migrated))
                .ends_with("from version 0 to 3, each entity with its next event")
        );
    }
}
