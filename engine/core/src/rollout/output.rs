//! What a rollout says: messages of the function `rollout` to devices' entities, to gates, and to a rollout that repairs.
//!
//! | message | to | what it says |
//! |---|---|---|
//! | `rollout/offer` | `devices/ID` | offer it the release |
//! | `rollout/withdraw` | `devices/ID` | take the offer back |
//! | `rollout/watch` | `devices/ID` | say when it is quiet for longer than it may be |
//! | `rollout/gate/FUNCTION` | the gate's entity | may the next phase begin? |
//! | `rollout/act` | `rollout/NAME-repair` | start |
//!
//! The function of a device answers an offer with `rollout/report` and the like, with the offer's generation; it keeps
//! which job of the device that is. Of two offers of different rollouts it takes the one with the higher weight, and
//! defers the other. An offer with a generation that it has seen changes nothing.

use super::policy::Release;
use super::tally::Counts;
use crate::effect::Effect;
use crate::event::Entity;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::DeviceId;
use serde::{Deserialize, Serialize};

/// Offer a device the release.
pub const OFFER: &str = "rollout/offer";
/// Take an offer back.
pub const WITHDRAW: &str = "rollout/withdraw";
/// Watch a device.
pub const WATCH: &str = "rollout/watch";
/// Ask a gate: its name follows.
pub const GATE_PREFIX: &str = "rollout/gate/";

/// Offer a device the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Name of the rollout.
    pub rollout: String,
    /// Grows with each offer of this rollout to this device, from 1.
    pub generation: u32,
    /// What to install.
    pub release: Release,
    /// What functions of the manufacturer may choose for the device instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Release>,
    /// Of two rollouts the one with the higher weight goes first.
    pub weight: u16,
    /// Whether it must be the whole image, because a patch has failed.
    pub whole: bool,
    /// When the offer is void unless the device has begun, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// Take an offer back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// Name of the rollout.
    pub rollout: String,
    /// Which offer, and all before it.
    pub generation: u32,
    /// Whether to say when the device is heard next, with `rollout/here`.
    pub await_device: bool,
    /// Why, in words.
    pub why: String,
}

/// Watch a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Name of the rollout.
    pub rollout: String,
    /// Milliseconds that it may be quiet; then `rollout/silent` is due, and `rollout/heard` when it is heard again.
    pub quiet_ms: u64,
    /// Seconds for which to watch.
    pub for_s: u32,
}

/// May the next phase begin?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Name of the rollout: the answer goes to the entity `rollout/NAME`, as `rollout/verdict`.
    pub rollout: String,
    /// Number of the question, to be given back.
    pub question: u32,
    /// Name of the phase that has ended.
    pub phase: String,
    /// When it began, in milliseconds since 1970.
    pub begun_ms: u64,
    /// Until when there must be an answer.
    pub answer_by_ms: u64,
    /// What was installed.
    pub release: Release,
    /// How the devices of the phase fared.
    pub phase_counts: Counts,
    /// How all devices fared.
    pub counts: Counts,
}

/// A message to an entity.
pub(crate) fn send<T: Serialize>(entity: Entity<'_>, name: &str, payload: &T) -> Effect {
    Effect::Send {
        entity: Bytes::from(entity.canonical()),
        name: Bytes::copy_from_slice(name.as_bytes()),
        payload: Bytes::from(super::book::json(payload)),
        delay_s: 0,
    }
}

/// A message to a device's entity.
pub(super) fn to_device<T: Serialize>(device: DeviceId, name: &str, payload: &T) -> Effect {
    send(Entity::Device(device), name, payload)
}
