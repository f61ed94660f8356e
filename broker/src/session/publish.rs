//! What a client publishes: checked, admitted, parked, and acknowledged in order.

use super::{End, Parked, Session};
use crate::codec::publish::{Publish, Qos, forwarded};
use crate::codec::reason::Reason;
use crate::codec::{Malformed, Version, put_puback};
use crate::config::TOPIC_ALIASES_MAX;
use crate::handle::Live;
use crate::ingress::{Message, MessageKind, Receipt};
use bytes::Bytes;
use fleetfn_protocol::Topic;
use fleetfn_protocol::limits::PAYLOAD_BYTES_MAX;
use std::mem;
use std::sync::Arc;

/// Room for parked messages that an idle session keeps.
const PARKED_KEPT: usize = 16;

const NOT_AUTHORIZED: Malformed =
    Malformed { reason: Reason::NotAuthorized, why: "a publish on a topic that is not the client's" };

impl Session {
    /// Takes a publish; `false` if there is no room for it now.
    pub(super) fn take_publish(&mut self, publish: &Publish<'_>) -> Result<bool, End> {
        if publish.retain && self.version == Version::V5 {
            return Err(Malformed { reason: Reason::RetainNotSupported, why: "a retained publish" }.into());
        }
        if publish.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(
                Malformed { reason: Reason::PacketTooLarge, why: "a payload over the maximum" }.into()
            );
        }
        if publish.alias.is_some() {
            return self.take_aliased(publish);
        }
        self.take_on(publish, publish.topic)
    }

    fn take_aliased(&mut self, publish: &Publish<'_>) -> Result<bool, End> {
        let alias = publish.alias.unwrap_or_default();
        let bad = Malformed { reason: Reason::BadTopicAlias, why: "a topic alias that does not stand" };
        if alias > TOPIC_ALIASES_MAX {
            return Err(bad.into());
        }
        if !publish.topic.is_empty() {
            self.aliases.insert(alias, publish.topic.to_owned());
            return self.take_on(publish, publish.topic);
        }
        // Lent for the time of the call.
        let topic = mem::take(self.aliases.get_mut(&alias).ok_or(bad)?);
        let taken = self.take_on(publish, &topic);
        self.aliases.insert(alias, topic);
        taken
    }

    fn take_on(&mut self, publish: &Publish<'_>, name: &str) -> Result<bool, End> {
        let topic = Topic::parse(name).ok().filter(|topic| self.principal.may_publish(topic));
        let Some(topic) = topic else {
            return self.refuse(publish);
        };
        if let (Topic::UpdateRequest { .. }, Some(device)) = (topic, self.principal.device()) {
            self.shared.reports.wanted(device, publish.payload);
            let live = self.live(publish, name);
            self.tokens -= 1.0;
            self.parked.push_back(Parked { packet_id: publish.id, answer: Some(Reason::Success), live });
            return Ok(true);
        }
        let message = Message {
            device: self.principal.device(),
            kind: MessageKind::Published(topic),
            message_id: publish.message_id,
            trace: publish.trace,
            expiry_s: publish.expiry_s.unwrap_or(0),
            payload: publish.payload,
        };
        let receipt: Arc<dyn Receipt> = Arc::clone(&self.handle) as _;
        if self.shared.ingress.admit(&message, receipt).is_err() {
            self.busy = true;
            return Ok(false);
        }
        self.tokens -= 1.0;
        let live = self.live(publish, name);
        self.parked.push_back(Parked { packet_id: publish.id, answer: None, live });
        Ok(true)
    }

    /// A copy for live listeners, if there are any.
    fn live(&self, publish: &Publish<'_>, name: &str) -> Option<Box<Live>> {
        self.shared.router.interest.wants(name).then(|| {
            Box::new(Live {
                topic: name.to_owned(),
                number: 0,
                source: self.handle.id,
                qos: publish.qos,
                properties: Bytes::from(forwarded(publish.properties)),
                payload: Bytes::copy_from_slice(publish.payload),
            })
        })
    }

    /// Refuses a publish: on MQTT 5 with a PUBACK in its turn, otherwise there is nothing but to end the session.
    fn refuse(&mut self, publish: &Publish<'_>) -> Result<bool, End> {
        if self.version == Version::V3 || publish.qos == Qos::AtMostOnce {
            return Err(NOT_AUTHORIZED.into());
        }
        if self.shared.counters.may_log() {
            tracing::info!(client = ?self.principal, topic = publish.topic, "refused: {NOT_AUTHORIZED}");
        }
        self.tokens -= 1.0;
        let answer = Some(Reason::NotAuthorized);
        self.parked.push_back(Parked { packet_id: publish.id, answer, live: None });
        Ok(true)
    }

    /// Lets go of what is durable, in order: to live listeners, then the PUBACK.
    pub(super) fn release(&mut self) -> Result<(), End> {
        if self.parked.is_empty() {
            return Ok(());
        }
        if self.handle.has_failed() {
            return Err(End::Unavailable);
        }
        let settled = self.handle.settled_count();
        while let Some(next) = self.parked.front() {
            if next.answer.is_none() {
                if self.released == settled {
                    return Ok(());
                }
                self.released += 1;
            }
            let Some(next) = self.parked.pop_front() else { return Ok(()) };
            if let Some(live) = next.live {
                self.shared.router.publish(*live);
            }
            if next.packet_id != 0 {
                let reason = next.answer.unwrap_or(Reason::Success);
                put_puback(&mut self.output, next.packet_id, reason, self.version);
            }
        }
        if self.parked.capacity() > PARKED_KEPT {
            self.parked.shrink_to(PARKED_KEPT);
        }
        Ok(())
    }
}
