//! Gates: functions that rollouts ask whether to go on.

use crate::{Context, Error, FromPayload, Json};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Name of the message that answers a question.
const VERDICT: &str = "rollout/verdict";

/// A rollout asks whether its next phase may begin: what the trigger `gate` runs for. Its entity is the one that the
/// rollout's policy names, where the function has gathered what it needs to know; the rollout itself if it names none.
///
/// To be answered with [`Question::answer`], now or with a later event. No answer by [`Question::answer_by_ms`] is HOLD, and
/// the rollout asks again later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question<'a> {
    /// The rollout.
    #[serde(borrow)]
    pub rollout: Cow<'a, str>,
    /// Number of the question.
    pub question: u32,
    /// Name of the phase that has ended.
    #[serde(borrow)]
    pub phase: Cow<'a, str>,
    /// When it began, in milliseconds since 1970.
    pub begun_ms: u64,
    /// Until when there must be an answer, in milliseconds since 1970.
    pub answer_by_ms: u64,
    /// What was installed.
    #[serde(borrow)]
    pub release: Release<'a>,
    /// How the devices of the phase fared.
    pub phase_counts: Counts,
    /// How all devices fared.
    pub counts: Counts,
}

/// What a rollout installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Release<'a> {
    /// The product that it is built for.
    #[serde(borrow)]
    pub product: Cow<'a, str>,
    /// The hardware that it runs on.
    #[serde(borrow)]
    pub class: Cow<'a, str>,
    /// What people call it.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// Grows with each release of a product and class.
    pub sequence: u32,
}

/// How devices fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counts {
    /// Devices in all.
    pub devices: u32,
    /// Those that run the release and are heard.
    pub succeeded: u32,
    /// Those that run the release and are silent.
    pub silent: u32,
    /// Those that ran out of attempts.
    pub failed: u32,
    /// Those that took too long.
    pub timed_out: u32,
    /// Those that cannot or do not want to take it.
    pub rejected: u32,
    /// Those that were not there.
    pub absent: u32,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// The next phase may begin.
    Go,
    /// Not now: the rollout asks again.
    Hold,
    /// The rollout stops for good.
    Abort,
}

#[derive(Serialize)]
struct Answer<'a> {
    question: u32,
    verdict: Verdict,
    text: &'a str,
}

impl Question<'_> {
    /// Answers it; the text is what operators read.
    ///
    /// # Errors
    /// [`Error`], as for [`Context::send`].
    pub fn answer(&self, context: &Context, verdict: Verdict, text: &str) -> Result<(), Error> {
        let answer = Answer { question: self.question, verdict, text };
        context.send(&["rollout/", &self.rollout].concat(), VERDICT, Json(answer))
    }
}

impl<'a> FromPayload<'a> for Question<'a> {
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error> {
        Json::from_payload(payload).map(|Json(question)| question)
    }
}
