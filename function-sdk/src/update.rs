//! A say in the updates of devices: asked before one is offered, told of each step.

use crate::{Context, Error, FromPayload, Json};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// Name of the message that answers an offer.
const ANSWER: &str = "update/answer";

/// A device is about to be offered a release: what the trigger `update = "offer"` runs for, with the device as its entity.
///
/// To be answered with [`Offer::accept`], [`Offer::choose`], [`Offer::defer`] or [`Offer::refuse`]. An offer that is not answered by
/// [`Offer::answer_by_ms`] is put off, and the rollout says which function was silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Offer<'a> {
    /// The device.
    #[serde(borrow)]
    pub device: Cow<'a, str>,
    /// The rollout.
    #[serde(borrow)]
    pub rollout: Cow<'a, str>,
    /// Which of its offers to this device.
    pub generation: u32,
    /// What people call the release.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// Its sequence.
    pub sequence: u32,
    /// What may be chosen instead, with [`Offer::choose`]; empty unless the rollout names variants.
    #[serde(borrow, default)]
    pub variants: Vec<Variant<'a>>,
    /// What people call the firmware that runs, if the device has said.
    #[serde(borrow, default)]
    pub running_version: Option<Cow<'a, str>>,
    /// Its sequence.
    #[serde(default)]
    pub running_sequence: Option<u32>,
    /// When the offer is void, in milliseconds since 1970.
    pub expires_ms: u64,
    /// Until when there must be an answer, in milliseconds since 1970.
    pub answer_by_ms: u64,
}

/// A release that may be chosen instead of the one that a rollout brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Variant<'a> {
    /// Its name for [`Offer::choose`]: `fan@2.4.1-lite`.
    #[serde(borrow)]
    pub release: Cow<'a, str>,
    /// Its sequence.
    pub sequence: u32,
}

/// The job of a device has come a step further: what the trigger `update = "report"` runs for, with the device as its
/// entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report<'a> {
    /// The device.
    #[serde(borrow)]
    pub device: Cow<'a, str>,
    /// Number of the job.
    pub job: u32,
    /// The rollout that gave it, unless an operator did.
    #[serde(borrow, default)]
    pub rollout: Option<Cow<'a, str>>,
    /// How it stands: `queued`, `idle`, `downloading`, `verified`, `armed`, `trial`, `confirmed`, `rolled_back`, `failed`,
    /// `paused`, `withdrawn` or `undeliverable`.
    #[serde(borrow)]
    pub state: Cow<'a, str>,
    /// Why, in a word; `none` if there is nothing to say.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// What the job brings.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// Its sequence.
    pub sequence: u32,
    /// What people call the firmware that runs, if the device has said.
    #[serde(borrow, default)]
    pub running_version: Option<Cow<'a, str>>,
    /// Its sequence.
    #[serde(default)]
    pub running_sequence: Option<u32>,
}

#[derive(Serialize)]
struct Answer<'a> {
    rollout: &'a str,
    generation: u32,
    says: Says<'a>,
}

/// The answer `accept` is a word alone if nothing is chosen.
#[derive(Serialize)]
#[serde(untagged)]
enum Says<'a> {
    Plainly(&'a str),
    With(Verb<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Verb<'a> {
    Accept { release: &'a str, why: &'a str },
    Defer { until_ms: u64, why: &'a str },
    Refuse { why: &'a str },
}

impl Offer<'_> {
    /// The device may have it. If several functions are asked, all must say so.
    ///
    /// # Errors
    /// [`Error`], as for [`Context::send`].
    pub fn accept(&self, context: &Context) -> Result<(), Error> {
        self.answer(context, Says::Plainly("accept"))
    }

    /// The device may have another release of the same product: one of [`Offer::variants`], or the one that is offered.
    /// `why` is what the rollout shows of the device. One that the rollout does not name counts as refused, and so do two
    /// functions that choose different ones.
    ///
    /// # Errors
    /// [`Error`], as for [`Context::send`].
    pub fn choose(&self, context: &Context, release: &str, why: &str) -> Result<(), Error> {
        self.answer(context, Says::With(Verb::Accept { release, why }))
    }

    /// Not now: the rollout offers it again after this time.
    ///
    /// # Errors
    /// [`Error`], as for [`Context::send`].
    pub fn defer(&self, context: &Context, time: Duration, why: &str) -> Result<(), Error> {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until_ms = context.received_at_ms().saturating_add(ms);
        self.answer(context, Says::With(Verb::Defer { until_ms, why }))
    }

    /// The device is not to have it: the rollout counts it as REJECTED.
    ///
    /// # Errors
    /// [`Error`], as for [`Context::send`].
    pub fn refuse(&self, context: &Context, why: &str) -> Result<(), Error> {
        self.answer(context, Says::With(Verb::Refuse { why }))
    }

    fn answer(&self, context: &Context, says: Says<'_>) -> Result<(), Error> {
        let answer = Answer { rollout: &self.rollout, generation: self.generation, says };
        context.send(&context.entity(), ANSWER, Json(answer))
    }
}

impl<'a> FromPayload<'a> for Offer<'a> {
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error> {
        Json::from_payload(payload).map(|Json(offer)| offer)
    }
}

impl<'a> FromPayload<'a> for Report<'a> {
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error> {
        Json::from_payload(payload).map(|Json(report)| report)
    }
}
