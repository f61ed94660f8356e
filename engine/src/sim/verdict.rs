//! What a simulation comes to: the summary, and whether everything that was acknowledged arrived.

use super::Metered;
use super::counts::Counts;
use super::view::latency;
use crate::cli::Failure;
use std::fmt;

/// The summary.
pub(super) struct Verdict {
    rows: Vec<(&'static str, u64)>,
    latency: String,
    reproaches: Vec<String>,
    trouble: Option<String>,
    next: Option<&'static str>,
}

impl Verdict {
    /// Sums up; `metered` is what the engine counted before and after.
    pub(super) fn new(
        counts: &Counts,
        devices: usize,
        connects_per_s: u64,
        metered: Option<(Metered, Metered)>,
    ) -> Self {
        let devices = u64::try_from(devices).unwrap_or(u64::MAX);
        let acked = counts.acked.get();
        // An engine that was started again counts from 0 and says nothing about before.
        let same = metered.filter(|(before, after)| before.since == after.since);
        let admitted = same.and_then(|(before, after)| after.events.checked_sub(before.events));
        let mut rows = vec![
            ("devices", devices),
            ("connects", counts.connects()),
            ("connects/s at the begin", connects_per_s),
            ("reconnects", counts.lost_connections.get()),
            ("sent", counts.sent.get()),
            ("acked", acked),
            ("refused", counts.refused.get()),
            ("not acknowledged", counts.unacknowledged.get()),
            ("commands", counts.commands.get()),
            ("commands answered", counts.answered.get()),
        ];
        let optional = [
            ("sent with QoS 0", counts.sent_once.get()),
            ("not sent", counts.unsent.get()),
            ("left out, too late", counts.skipped.get()),
            ("updates confirmed", counts.confirmed.get()),
            ("updates rolled back", counts.rolled_back.get()),
            ("updates failed", counts.failed.get()),
            ("events of the engine", admitted.unwrap_or_default()),
        ];
        rows.extend(optional.into_iter().filter(|(_, count)| *count > 0));
        let mut reproaches = Vec::new();
        let mut say = |wrong: bool, text: String| {
            if wrong {
                reproaches.push(text);
            }
        };
        let (refused, unsent) = (counts.refused.get(), counts.unsent.get());
        let unacknowledged = counts.unacknowledged.get();
        say(refused > 0, format!("{refused} messages were refused"));
        say(unsent > 0, format!("{unsent} messages could not be sent"));
        say(unacknowledged > 0, format!("{unacknowledged} messages were not acknowledged"));
        if let Some(admitted) = admitted.filter(|admitted| *admitted < acked) {
            say(true, format!("the engine acknowledged {acked} messages and made {admitted} events durable"));
        }
        say(counts.connects() == 0 && devices > 0, "no device connected".into());
        let next = counts.next();
        Self { rows, latency: latency(counts.latency_us()), reproaches, trouble: counts.trouble(), next }
    }

    /// An error if something did not arrive.
    pub(super) fn judge(&self) -> Result<(), Failure> {
        if self.reproaches.is_empty() {
            return Ok(());
        }
        let first = self.trouble.as_ref().map(|trouble| format!(" (the first trouble: {trouble})"));
        let why = format!("{}{}", self.reproaches.join("; "), first.unwrap_or_default());
        let next = self.next.unwrap_or("see the engine's log, and fleetfn fn dead");
        Err(Failure::new("not everything that devices sent arrived", why).next(next))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.rows {
            writeln!(f, "{name:<24}{value:>12}")?;
        }
        write!(f, "{}", self.latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(after: Metered) -> Verdict {
        let counts = Counts::new();
        counts.acked.add(100);
        Verdict::new(&counts, 0, 0, Some((Metered { since: 1, events: 40 }, after)))
    }

    #[test]
    fn an_engine_that_was_started_again_is_not_reproached_for_what_it_made_durable_before() {
        assert!(verdict(Metered { since: 1, events: 139 }).judge().is_err());
        assert!(verdict(Metered { since: 1, events: 140 }).judge().is_ok());
        assert!(verdict(Metered { since: 2, events: 60 }).judge().is_ok());
    }
}
