//! The topic grammar: one enum for every topic that the engine gives a meaning to.
//!
//! ```text
//! devices/{id}/telemetry/{channel}        up     event; the channel may have several levels
//! devices/{id}/twin/reported              up     event
//! devices/{id}/twin/desired               down
//! devices/{id}/commands/{name}            down   QoS 1
//! devices/{id}/commands/{name}/reply      up     event
//! devices/{id}/update/manifest            down   offer of an update
//! devices/{id}/update/request             up     window of blocks wanted
//! devices/{id}/update/block               down   QoS 0
//! devices/{id}/update/status              up     event
//! anything else outside devices/ and $    services among themselves
//! ```

use crate::ids::{DeviceId, IdError};
use crate::limits::{TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX};
use core::fmt;

/// A topic name with its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic<'a> {
    /// A reading of a device; `channel` is all that follows `telemetry/`.
    Telemetry {
        /// The device that publishes.
        device: DeviceId,
        /// One or more levels, never empty.
        channel: &'a str,
    },
    /// What a device says that it is.
    TwinReported {
        /// The device that publishes.
        device: DeviceId,
    },
    /// What a device is asked to become.
    TwinDesired {
        /// The device that is addressed.
        device: DeviceId,
    },
    /// A command to a device.
    Command {
        /// The device that is addressed.
        device: DeviceId,
        /// One level, never empty.
        name: &'a str,
    },
    /// A device's answer to a command.
    CommandReply {
        /// The device that answers.
        device: DeviceId,
        /// The name of the command that is answered.
        name: &'a str,
    },
    /// The offer of an update.
    UpdateManifest {
        /// The device that is addressed.
        device: DeviceId,
    },
    /// The window of blocks that a device wants next.
    UpdateRequest {
        /// The device that asks.
        device: DeviceId,
    },
    /// One block of an update.
    UpdateBlock {
        /// The device that is addressed.
        device: DeviceId,
    },
    /// How far a device is with an update.
    UpdateStatus {
        /// The device that publishes.
        device: DeviceId,
    },
    /// A topic outside `devices/`: services publish and subscribe here, functions within their grants.
    Shared(&'a str),
}

/// Why a text is not a topic name or filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Empty names and filters are forbidden (MQTT 5, section 4.7.3).
    #[error("a topic must not be empty")]
    Empty,
    /// Longer than [`TOPIC_BYTES_MAX`].
    #[error("a topic has at most {TOPIC_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// More levels than [`TOPIC_LEVELS_MAX`].
    #[error("a topic has at most {TOPIC_LEVELS_MAX} levels")]
    TooDeep,
    /// `+` or `#` in a topic name, or in a filter at a place where it is not allowed.
    #[error("a wildcard stands where none is allowed")]
    Wildcard,
    /// A control character or U+0000 (MQTT 5, section 1.5.4).
    #[error("a topic must not hold control characters")]
    Control,
    /// Topics that start with `$` belong to the broker (MQTT 5, section 4.7.2).
    #[error("topics that start with '$' belong to the broker")]
    Reserved,
    /// The second level below `devices/` is not a device id.
    #[error("the level after 'devices/' is not a device id")]
    Device(#[source] IdError),
    /// Below `devices/{{id}}/` only the topics of the grammar exist.
    #[error("there is no such topic below 'devices/{{id}}/'")]
    Unknown,
}

fn validate_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > TOPIC_BYTES_MAX {
        return Err(TopicError::TooLong(text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(TopicError::Control);
    }
    if text.bytes().filter(|byte| *byte == b'/').count() >= TOPIC_LEVELS_MAX {
        return Err(TopicError::TooDeep);
    }
    Ok(())
}

/// Checks the form of a topic name (MQTT 5, section 4.7), whatever it means.
///
/// # Errors
/// [`TopicError`] names the rule that is broken.
pub fn validate_name(name: &str) -> Result<(), TopicError> {
    validate_text(name)?;
    if name.contains(['+', '#']) {
        return Err(TopicError::Wildcard);
    }
    Ok(())
}

/// Checks the form of a topic filter (MQTT 5, section 4.7.1). `$share/...` is not a filter but a
/// subscription: take it apart first.
///
/// # Errors
/// [`TopicError`] names the rule that is broken.
pub fn validate_filter(filter: &str) -> Result<(), TopicError> {
    validate_text(filter)?;
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let last = levels.peek().is_none();
        let wildcard = level.contains(['+', '#']);
        if wildcard && level != "+" && !(level == "#" && last) {
            return Err(TopicError::Wildcard);
        }
    }
    Ok(())
}

/// Whether a topic name falls under a filter (MQTT 5, section 4.7). Both must have been validated.
#[must_use]
pub fn filter_matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut name) = (filter.split('/'), name.split('/'));
    loop {
        match (filter.next(), name.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

impl<'a> Topic<'a> {
    /// Gives a topic name its meaning.
    ///
    /// # Errors
    /// [`TopicError`] names the rule that is broken.
    pub fn parse(name: &'a str) -> Result<Self, TopicError> {
        validate_name(name)?;
        if name.starts_with('$') {
            return Err(TopicError::Reserved);
        }
        let Some(rest) = name.strip_prefix("devices/") else {
            return if name == "devices" { Err(TopicError::Unknown) } else { Ok(Self::Shared(name)) };
        };
        let (device, rest) = rest.split_once('/').ok_or(TopicError::Unknown)?;
        let device = DeviceId::parse(device).map_err(TopicError::Device)?;
        let topic = match rest {
            "twin/reported" => Self::TwinReported { device },
            "twin/desired" => Self::TwinDesired { device },
            "update/manifest" => Self::UpdateManifest { device },
            "update/request" => Self::UpdateRequest { device },
            "update/block" => Self::UpdateBlock { device },
            "update/status" => Self::UpdateStatus { device },
            _ => match rest.split_once('/') {
                Some(("telemetry", channel)) if channel.split('/').all(|level| !level.is_empty()) => {
                    Self::Telemetry { device, channel }
                }
                Some(("commands", tail)) => match tail.split_once('/') {
                    None if !tail.is_empty() => Self::Command { device, name: tail },
                    Some((name, "reply")) if !name.is_empty() => Self::CommandReply { device, name },
                    _ => return Err(TopicError::Unknown),
                },
                _ => return Err(TopicError::Unknown),
            },
        };
        Ok(topic)
    }

    /// The device that the topic belongs to, if it belongs to one.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        match *self {
            Self::Telemetry { device, .. }
            | Self::TwinReported { device }
            | Self::TwinDesired { device }
            | Self::Command { device, .. }
            | Self::CommandReply { device, .. }
            | Self::UpdateManifest { device }
            | Self::UpdateRequest { device }
            | Self::UpdateBlock { device }
            | Self::UpdateStatus { device } => Some(device),
            Self::Shared(_) => None,
        }
    }

    /// Whether the device itself publishes here (up), rather than receives.
    #[must_use]
    pub fn is_from_device(&self) -> bool {
        match self {
            Self::Telemetry { .. }
            | Self::TwinReported { .. }
            | Self::CommandReply { .. }
            | Self::UpdateRequest { .. }
            | Self::UpdateStatus { .. } => true,
            Self::TwinDesired { .. }
            | Self::Command { .. }
            | Self::UpdateManifest { .. }
            | Self::UpdateBlock { .. }
            | Self::Shared(_) => false,
        }
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Telemetry { device, channel } => write!(f, "devices/{device}/telemetry/{channel}"),
            Self::TwinReported { device } => write!(f, "devices/{device}/twin/reported"),
            Self::TwinDesired { device } => write!(f, "devices/{device}/twin/desired"),
            Self::Command { device, name } => write!(f, "devices/{device}/commands/{name}"),
            Self::CommandReply { device, name } => write!(f, "devices/{device}/commands/{name}/reply"),
            Self::UpdateManifest { device } => write!(f, "devices/{device}/update/manifest"),
            Self::UpdateRequest { device } => write!(f, "devices/{device}/update/request"),
            Self::UpdateBlock { device } => write!(f, "devices/{device}/update/block"),
            Self::UpdateStatus { device } => write!(f, "devices/{device}/update/status"),
            Self::Shared(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
