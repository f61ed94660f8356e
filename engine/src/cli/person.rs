//! Who acts at the command line, and why, for the audit.
//!
//! Whoever has the operator's token may say any name: it tells colleagues apart, and proves nothing.

use super::release::escape;
use crate::api::Reason;

/// Environment variable that says who acts, for machines that act for somebody.
const VARIABLE: &str = "FLEETFN_USER";

/// Longest name that the engine takes, in bytes.
const BYTES_MAX: usize = fleetfn_core::rollout::WHO_BYTES_MAX;

/// Why something is done.
#[derive(Debug, clap::Args)]
pub(super) struct Remark {
    /// Why, for those who read `fleetfn audit`
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    why: Option<String>,
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

    /// The same behind a path.
    pub(super) fn query(&self) -> String {
        let pair = |(name, value): (String, String)| format!("{name}={}", escape(&value));
        self.parameters().into_iter().map(pair).collect::<Vec<_>>().join("&")
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
    use super::{BYTES_MAX, Remark, who};

    #[test]
    fn whoever_acts_has_a_name_that_the_engine_takes() {
        let who = who();
        assert!(!who.is_empty() && who.len() <= BYTES_MAX && !who.chars().any(char::is_control), "{who:?}");
    }

    #[test]
    fn a_reason_is_escaped_in_a_path() {
        let remark = Remark { why: Some("a & b=c".into()) };
        assert!(remark.query().ends_with("&why=a%20%26%20b%3Dc"), "{}", remark.query());
    }
}
