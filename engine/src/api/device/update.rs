//! `/devices/{id}/update`: the firmware of a device and the job to change it.

use super::parse_id;
use crate::api::Api;
use crate::api::problem::{Kind, Problem, artifact_kind};
use crate::api::request::{Document, Name};
use crate::api::write::{Nothing, Write};
use crate::update::{self, Sending, payload, release_of};
use axum::Json;
use axum::extract::State;
use fleetfn_core::update::{Job, Report, State as JobState, Step, Update};
use fleetfn_protocol::update::{Delivery, Phase, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a device's firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UpdateView {
    /// What the device last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reported: Option<ReportView>,
    /// Its newest job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<JobView>,
    /// Messages on its status topic that cannot be read.
    pub(crate) unreadable: u32,
    /// Reports that did not fit its job, and moved nothing.
    pub(crate) unfitting: u32,
}

/// What a device last said about its firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReportView {
    /// The version that runs.
    pub(crate) version: String,
    /// Its sequence.
    pub(crate) sequence: u32,
    /// The last job that the device knows of; 0 for none.
    pub(crate) job: u32,
    /// How far it says that this job is.
    pub(crate) phase: String,
    /// Why.
    pub(crate) reason: String,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// What a device was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct JobView {
    /// Its number: grows with each job of the device.
    pub(crate) number: u32,
    /// The release: SHA-256 of its manifest.
    pub(crate) release: String,
    /// The product that it is for.
    pub(crate) product: String,
    /// The version that is to run.
    pub(crate) version: String,
    /// Its sequence.
    pub(crate) sequence: u32,
    /// `queued`, `withdrawn`, `undeliverable`, or the phase that the device reports.
    pub(crate) state: String,
    /// Why, as a word; `none` if there is nothing to say.
    pub(crate) reason: String,
    /// Why, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// How the image comes: `whole` or `patch`.
    pub(crate) delivery: String,
    /// Bytes of it that the device has.
    pub(crate) have: u32,
    /// Bytes that there are.
    pub(crate) of: u32,
    /// Whether nothing more comes of it.
    pub(crate) done: bool,
    /// What happened, oldest first.
    pub(crate) steps: Vec<JobStepView>,
}

/// Something that changed about a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct JobStepView {
    /// What it became.
    pub(crate) state: String,
    /// Why, as a word.
    pub(crate) reason: String,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateOrder {
    /// `PRODUCT@VERSION`, or the beginning of the release's id.
    pub(crate) release: String,
    /// Whether the image is to be sent whole, even if there is a patch.
    #[serde(default)]
    pub(crate) whole: bool,
}

/// What a reason means for the person who reads it.
fn words(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::None => return None,
        Reason::Format => "the device does not know the format of the offer",
        Reason::UnknownKey => "too few of the signatures are by keys that the device trusts",
        Reason::Signature => "a signature by a key that the device trusts is wrong",
        Reason::Product => "it is for another product",
        Reason::Class => "it is for other hardware",
        Reason::Sequence => "it is not newer than what the device has confirmed",
        Reason::Expired => "its time is over",
        Reason::Dependency => "a component that it needs is missing or too old",
        Reason::Size => "it does not fit the device",
        Reason::Base => "the patch is for another image than the one that runs",
        Reason::Digest => "what the device has got is not what was signed",
        Reason::Patch => "the patch cannot be applied",
        Reason::Flash => "the device's flash could not be erased, written or read",
        Reason::Boot => "the boot loader did not start it",
        Reason::Unhealthy => "it ran, but was not healthy in time",
        Reason::Reset => {
            "the device was reset while it was on trial: by its watchdog, a fault, or a loss of power"
        }
        Reason::Withdrawn => "it was withdrawn",
        Reason::Refused => "the device's application refused it",
        Reason::Busy => "the device's application is busy",
    })
}

impl UpdateView {
    /// Absent if nothing is known.
    pub(crate) fn of(update: &Update) -> Option<Self> {
        (*update != Update::default()).then(|| Self::from(update))
    }
}

impl From<&Update> for UpdateView {
    fn from(update: &Update) -> Self {
        Self {
            reported: update.report.as_ref().map(ReportView::from),
            job: update.job.as_ref().map(JobView::from),
            unreadable: update.unreadable,
            unfitting: update.unfitting,
        }
    }
}

impl From<&Report> for ReportView {
    fn from(report: &Report) -> Self {
        Self {
            version: report.version.clone(),
            sequence: report.sequence,
            job: report.job,
            phase: report.phase.to_string(),
            reason: report.reason.to_string(),
            at_ms: report.at_ms,
        }
    }
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        let state = job.state();
        let manifest = job.manifest();
        let reason = match state {
            JobState::Withdrawn => Reason::Withdrawn,
            JobState::Undeliverable => Reason::Size,
            JobState::Queued | JobState::Device(_) => job.reason,
        };
        let detail = match state {
            JobState::Undeliverable => {
                Some("the offer is longer than the largest packet that the device takes")
            }
            JobState::Queued | JobState::Withdrawn | JobState::Device(_) => words(reason),
        };
        let delivery = match job.delivery() {
            Ok(Delivery::Patch { .. }) => "patch",
            Ok(Delivery::Whole) | Err(_) => "whole",
        };
        let of = payload(job).map_or(0, |(_, size)| size);
        let is_complete = matches!(
            state,
            JobState::Device(Phase::Verified | Phase::Armed | Phase::Trial | Phase::Confirmed)
        );
        Self {
            number: job.number,
            release: release_of(job).map(|release| release.id.to_string()).unwrap_or_default(),
            product: manifest.map(|manifest| manifest.product.to_string()).unwrap_or_default(),
            version: manifest.map(|manifest| manifest.version.to_owned()).unwrap_or_default(),
            sequence: manifest.map(|manifest| manifest.sequence).unwrap_or_default(),
            state: state.as_str().to_owned(),
            reason: reason.to_string(),
            detail: detail.map(str::to_owned),
            delivery: delivery.to_owned(),
            have: if is_complete { of } else { job.have.min(of) },
            of,
            done: state.is_end(),
            steps: job.steps.iter().map(JobStepView::from).collect(),
        }
    }
}

impl From<&Step> for JobStepView {
    fn from(step: &Step) -> Self {
        let Step { state, reason, at_ms } = *step;
        Self { state: state.as_str().to_owned(), reason: reason.to_string(), at_ms }
    }
}

impl From<update::Error> for Problem {
    fn from(error: update::Error) -> Self {
        let kind = match &error {
            update::Error::Registry(_) => match error {
                update::Error::Registry(error) => return error.into(),
                _ => Kind::Unavailable,
            },
            update::Error::Rollout(_) => match error {
                update::Error::Rollout(error) => return error.into(),
                _ => Kind::Unavailable,
            },
            update::Error::Artifact(error) => artifact_kind(error),
            update::Error::Refused(_) => Kind::Refused,
            update::Error::Overtaken => Kind::Conflict,
        };
        Self::of(kind, &error)
    }
}

/// `GET /devices/{id}/update`.
pub(in crate::api) async fn show(
    State(api): State<Api>,
    Name(id): Name,
) -> Result<Json<UpdateView>, Problem> {
    Ok(Json(UpdateView::from(&update::read(&api.engine, parse_id(&id)?)?)))
}

/// `POST /devices/{id}/update`: gives the device the job to install a release; in the place of the one that it has. A
/// device that has this very job keeps it. Durable in the answer.
pub(in crate::api) async fn order(
    State(api): State<Api>,
    Name(id): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(order): Document<UpdateOrder>,
) -> Result<Json<UpdateView>, Problem> {
    let sending = if order.whole { Sending::Whole } else { Sending::Shortest };
    let ordered = update::order(&api.engine, parse_id(&id)?, &order.release, sending, mode).await?;
    Ok(Json(UpdateView::from(&ordered)))
}

/// `DELETE /devices/{id}/update`: withdraws its open job. Durable in the answer.
pub(in crate::api) async fn withdraw(
    State(api): State<Api>,
    Name(id): Name,
    Write(mode, Nothing {}): Write<Nothing>,
) -> Result<Json<UpdateView>, Problem> {
    let withdrawn = update::withdraw(&api.engine, parse_id(&id)?, mode).await?;
    Ok(Json(UpdateView::from(&withdrawn)))
}
