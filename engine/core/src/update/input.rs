//! What the function of a device's jobs is told: messages of rollouts and of manufacturers' functions, each with a name, a
//! sender and a strict JSON payload.

use super::JobError;
use crate::event::Origin;
use crate::rollout::{FUNCTION, OFFER, Offer, WATCH, WITHDRAW, Watch, Withdraw};
use alloc::string::{String, ToString};
use core::fmt;
use fleetfn_protocol::FunctionName;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Asks a manufacturer's functions whether a device may be offered a release.
pub const QUESTION: &str = "update/offer";
/// The answer of such a function.
pub const ANSWER: &str = "update/answer";
/// Tells a manufacturer's functions how far a device's job is.
pub const NEWS: &str = "update/report";

/// The answer of a manufacturer's function to the question whether a device may be offered a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferAnswer {
    /// The rollout that was asked about.
    pub rollout: String,
    /// Which of its offers.
    pub generation: u32,
    /// What it says.
    pub says: Says,
}

/// What a manufacturer's function says to an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, remote = "Self")]
pub enum Says {
    /// The device may have it: `"accept"`, or with a choice `{"accept": {"release": "fan@2.4.1-lite", "why": "..."}}`.
    Accept {
        /// Which of the releases that the question names, if the function chooses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<String>,
        /// Why that one, in words.
        #[serde(default)]
        why: String,
    },
    /// Not now.
    Defer {
        /// When to ask again, in milliseconds since 1970.
        until_ms: u64,
        /// Why, in words.
        #[serde(default)]
        why: String,
    },
    /// The device is not to have it.
    Refuse {
        /// Why, in words.
        #[serde(default)]
        why: String,
    },
}

impl Serialize for Says {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Says {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrMap)
    }
}

/// Reads [`Says`], of which one is a word alone if there is no more to say.
struct WordOrMap;

impl<'de> Visitor<'de> for WordOrMap {
    type Value = Says;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"accept\", or an object with accept, defer or refuse")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Says, E> {
        match word {
            "accept" => Ok(Says::Accept { release: None, why: String::new() }),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Says, A::Error> {
        Says::deserialize(MapAccessDeserializer::new(map))
    }
}

/// What the function is told by a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    Offer(Offer),
    Withdraw(Withdraw),
    Watch(Watch),
    Answer(FunctionName, OfferAnswer),
}

impl Input {
    pub(super) fn parse(name: &str, origin: &Origin<'_>, payload: &[u8]) -> Result<Self, JobError> {
        let sender = origin.function;
        let input = match name {
            OFFER => Self::Offer(read(name, payload)?),
            WITHDRAW => Self::Withdraw(read(name, payload)?),
            WATCH => Self::Watch(read(name, payload)?),
            ANSWER => Self::Answer(sender, read(name, payload)?),
            _ => return Err(JobError::Name(name.into())),
        };
        let is_of_rollout = match &input {
            Self::Offer(_) | Self::Withdraw(_) | Self::Watch(_) => sender.as_str() == FUNCTION,
            Self::Answer(..) => true,
        };
        if is_of_rollout {
            Ok(input)
        } else {
            Err(JobError::Sender { name: name.into(), sender: sender.to_string() })
        }
    }
}

fn read<T: DeserializeOwned>(name: &str, payload: &[u8]) -> Result<T, JobError> {
    serde_json::from_slice(payload)
        .map_err(|error| JobError::Payload { name: name.into(), wrong: error.to_string() })
}
