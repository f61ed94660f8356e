//! The way to whoever listens: live, at most once towards a listener that is too slow.

use crate::codec::property;
use crate::codec::publish::Qos;
use crate::handle::Live;
use crate::rumqttd::Router;
use bytes::Bytes;
use fleetfn_protocol::EffectId;
use std::sync::Arc;

/// Publishes to live listeners. Cheap to clone.
#[derive(Clone)]
pub struct Publisher(pub(crate) Arc<Router>);

impl Publisher {
    /// Whether anybody listens to a topic now.
    #[must_use]
    pub fn wanted(&self, topic: &str) -> bool {
        self.0.interest.wants(topic)
    }

    /// Publishes to whoever listens, and does nothing if nobody does. On MQTT 5 the effect's id goes along as user
    /// property. A listener that is too slow misses messages.
    pub fn publish(&self, topic: &str, payload: Bytes, effect: Option<EffectId>) {
        if !self.wanted(topic) {
            return;
        }
        let mut properties = Vec::new();
        if let Some(effect) = effect {
            property::put_user(&mut properties, EffectId::USER_PROPERTY, &effect.to_string());
        }
        self.0.publish(Live {
            topic: topic.to_owned(),
            number: 0,
            source: 0,
            qos: Qos::AtLeastOnce,
            properties: Bytes::from(properties),
            payload,
        });
    }
}
