//! Why a device is where it is, in words and in JSON.

use super::text;
use super::words::{Instant, Length};
use alloc::string::String;
use core::fmt;
use fleetfn_protocol::update::{Phase, Reason};
use serde::{Deserialize, Serialize};

/// What went wrong in one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The device said so.
    Reported {
        /// How it ended.
        #[serde(with = "text")]
        phase: Phase,
        /// Why.
        #[serde(with = "text")]
        reason: Reason,
    },
    /// There was no progress.
    StoodStill {
        /// For so many seconds.
        for_s: u32,
        /// How far it was.
        #[serde(with = "text")]
        phase: Phase,
    },
    /// The job was not done in time.
    TookTooLong {
        /// Seconds that it had.
        limit_s: u32,
    },
}

/// Why a device is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No phase has taken it yet.
    Waits,
    /// A phase has taken it; rate and concurrency decide when.
    InTurn,
    /// Its window is closed.
    WindowClosed {
        /// When it opens.
        opens_ms: Option<u64>,
    },
    /// The device, a function of its manufacturer or another rollout goes first.
    Deferred {
        /// Until when.
        until_ms: u64,
        /// Who, and why.
        why: String,
    },
    /// It is to try again.
    TriesAgain {
        /// When.
        at_ms: u64,
        /// After what.
        after: Failure,
    },
    /// An operator wants it tried again.
    Retried,
    /// It has an offer.
    Offered {
        /// Until when it may take it.
        expires_ms: u64,
    },
    /// It was not there to take the offer; it gets another when it is heard.
    NotThere,
    /// It is at it.
    Works,
    /// Its application is busy.
    Busy,
    /// It runs the release.
    Confirmed,
    /// It runs the release, though it was not expected to any more.
    ConfirmedLate,
    /// It runs the release or a newer one without any doing of the rollout.
    RunsItAlready {
        /// The sequence that it runs.
        sequence: u32,
    },
    /// It runs the release, and is quiet.
    Silent {
        /// Since when.
        since_ms: u64,
        /// How long it may be.
        allowed_ms: u64,
    },
    /// It ran out of attempts.
    Failed(Failure),
    /// It will never take it.
    Hopeless {
        /// Why.
        #[serde(with = "text")]
        reason: Reason,
    },
    /// The device, or a function of its manufacturer, does not want it.
    Refused {
        /// Why.
        why: String,
    },
    /// It is one of another product.
    OtherProduct {
        /// Which.
        product: String,
    },
    /// It is other hardware.
    OtherClass {
        /// Which.
        class: String,
    },
    /// It was changed so that the selection does not mean it any more.
    NoMatch {
        /// What of the selection it does not meet.
        unmet: String,
    },
    /// It has failed too often in other rollouts.
    Penalty {
        /// How often.
        failures: u32,
    },
    /// It came too late.
    TooLate,
    /// The rollout was aborted before it got it.
    Aborted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported { phase, reason } => {
                let what = match phase {
                    Phase::RolledBack => "it rolled back",
                    _ => "it failed",
                };
                write!(f, "{what} ({reason}): {}", reason_words(*reason))
            }
            Self::StoodStill { for_s, phase } => {
                write!(f, "nothing was heard of it for {} while {phase}", Length(u64::from(*for_s) * 1_000))
            }
            Self::TookTooLong { limit_s } => {
                write!(f, "it was not done within {}", Length(u64::from(*limit_s) * 1_000))
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits => f.write_str("waits for a phase that takes it"),
            Self::InTurn => f.write_str("waits for its turn in the phase"),
            Self::WindowClosed { opens_ms: Some(opens_ms) } => {
                write!(f, "waits for its maintenance window, which opens at {}", Instant(*opens_ms))
            }
            Self::WindowClosed { opens_ms: None } => f.write_str("its maintenance window never opens"),
            Self::Deferred { until_ms, why } => write!(f, "deferred until {}: {why}", Instant(*until_ms)),
            Self::TriesAgain { at_ms, after } => write!(f, "tries again at {}: {after}", Instant(*at_ms)),
            Self::Retried => f.write_str("is tried again because an operator asked for it"),
            Self::Offered { expires_ms } => {
                write!(f, "has an offer that it may take until {}", Instant(*expires_ms))
            }
            Self::NotThere => {
                f.write_str("was not there to take the offer; it gets another when it is heard")
            }
            Self::Works => f.write_str("is at it"),
            Self::Busy => f.write_str("its application is busy"),
            Self::Confirmed => f.write_str("runs the release and has confirmed it"),
            Self::ConfirmedLate => {
                f.write_str("runs the release; it confirmed when it was not expected to any more")
            }
            Self::RunsItAlready { sequence } => write!(f, "runs sequence {sequence} already"),
            Self::Silent { since_ms, allowed_ms } => write!(
                f,
                "updated, then silent since {}; it may be quiet for {}",
                Instant(*since_ms),
                Length(*allowed_ms)
            ),
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::Hopeless { reason } => write!(f, "cannot take it ({reason}): {}", reason_words(*reason)),
            Self::Refused { why } => write!(f, "refused: {why}"),
            Self::OtherProduct { product } => write!(f, "left out: it is a '{product}'"),
            Self::OtherClass { class } => write!(f, "left out: its hardware is '{class}'"),
            Self::NoMatch { unmet } => write!(f, "no longer matches: {unmet}"),
            Self::Penalty { failures } => {
                write!(f, "left out: {failures} of its updates have failed before")
            }
            Self::TooLate => f.write_str("left out: it came later, and the policy ignores late devices"),
            Self::Aborted => f.write_str("the rollout was aborted before it got it"),
        }
    }
}

/// What the words of a device mean.
fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::None => "it did not say why",
        Reason::Format => "it does not know the format",
        Reason::UnknownKey => "too few signatures are by keys that it trusts",
        Reason::Signature => "a signature is wrong",
        Reason::Product => "it is for another product",
        Reason::Class => "it is for other hardware",
        Reason::Sequence => "it is not newer than what it has confirmed",
        Reason::Expired => "its time is over",
        Reason::Dependency => "a component that it needs is missing or too old",
        Reason::Size => "it does not fit",
        Reason::Base => "the patch is for another image than it runs",
        Reason::Digest => "what arrived is not what was signed",
        Reason::Patch => "the patch could not be applied",
        Reason::Flash => "its flash could not be written or read",
        Reason::Boot => "the boot loader did not start it",
        Reason::Unhealthy => "its condition of health was not met",
        Reason::Reset => "it was reset while on trial",
        Reason::Withdrawn => "the job was withdrawn",
        Reason::Refused => "its application refused",
        Reason::Busy => "its application is busy",
    }
}
