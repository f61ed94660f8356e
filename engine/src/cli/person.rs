//! Who acts at the command line, why, for the audit, and whether they mean it.
//!
//! Whoever has the operator's token may say any name: it tells colleagues apart, and proves nothing.

use super::release::escape;
use crate::api::Reason;

/// Environment variable that says who acts, for machines that act for somebody.
const VARIABLE: &str = "FLEETFN_USER";

/// Longest name that the engine takes, in bytes.
const BYTES_MAX: usize = fleetfn_core::rollout::WHO_BYTES_MAX;

/// Whether a write is only tried.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Trial {
    /// Only say what would be done, or refused, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Trial {
    /// It is one.
    pub(super) const DRY_RUN: Self = Self { dry_run: true };

    /// Whether it is one.
    pub(super) fn is_dry_run(self) -> bool {
        self.dry_run
    }

    /// A path whose write is tried, if this is a trial.
    pub(super) fn at(self, path: &str) -> String {
        let join = if path.contains('?') { '&' } else { '?' };
        if self.dry_run { format!("{path}{join}dry_run=1") } else { path.to_owned() }
    }

    /// Says what was done, or that it was not.
    pub(super) fn tell(self, done: &str) {
        eprintln!("{}", self.words(done));
    }

    fn words(self, done: &str) -> String {
        if self.dry_run { format!("A dry run, nothing has changed. Else: {done}") } else { done.to_owned() }
    }
}

/// Why something is done, and whether it is.
#[derive(Debug, clap::Args)]
pub(super) struct Remark {
    /// Why, for those who read `fleetfn audit`
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    pub(super) trial: Trial,
}

impl Remark {
    /// With who acts.
    pub(super) fn reason(&self) -> Reason {
        Reason { by: Some(who()), why: self.why.clone() }
    }

    /// The same as parameters of a request.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        let why = self.why.clone().map(|why| ("why".to_owned(), why));
        std::iter::once(("by".to_owned(), who())).chain(why).collect()
    }

    /// The same behind a path, with whether it is only tried.
    pub(super) fn at(&self, path: &str) -> String {
        let pair = |(name, value): (String, String)| format!("{name}={}", escape(&value));
        let pairs: Vec<_> = self.parameters().into_iter().map(pair).collect();
        self.trial.at(&format!("{path}?{}", pairs.join("&")))
    }

    /// Says what was done, or that it was not.
    pub(super) fn tell(&self, done: &str) {
        self.trial.tell(done);
    }
}

/// Who acts: `FLEETFN_USER`, or the user and the host.
pub(super) fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let who = variable(VARIABLE).unwrap_or_else(|| {
        let user = variable("USER").or_else(|| variable("LOGNAME"));
        let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
        // A system that does not tell its name so has none here.
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        format!("{user}@{}", host.trim())
    });
    let who = super::output::clean(&who);
    let end = (0..=BYTES_MAX).rev().find(|end| who.is_char_boundary(*end)).unwrap_or_default();
    who.get(..end.min(who.len())).unwrap_or_default().trim_end_matches('@').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, Remark, Trial, who};

    #[test]
    fn whoever_acts_has_a_name_that_the_engine_takes() {
        let who = who();
        assert!(!who.is_empty() && who.len() <= BYTES_MAX && !who.chars().any(char::is_control), "{who:?}");
    }

    #[test]
    fn a_reason_is_escaped_in_a_path() {
        let trial = |dry_run| Trial { dry_run };
        let remark = |dry_run| Remark { why: Some("a & b=c".into()), trial: trial(dry_run) };
        let done = remark(false).at("/devices/fan-1");
        assert!(done.starts_with("/devices/fan-1?by=") && done.ends_with("&why=a%20%26%20b%3Dc"), "{done}");
        assert!(remark(true).at("/devices/fan-1").ends_with("&dry_run=1"));
        assert_eq!(trial(true).at("/devices"), "/devices?dry_run=1");
        assert_eq!(trial(true).words("removed"), "A dry run, nothing has changed. Else: removed");
    }
}
