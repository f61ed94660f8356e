//! What an agent does for updates: it listens for offers and blocks, and carries what the machine says.

use super::{Agent, topic, topic::OWN_TOPIC_BYTES_MAX};
use crate::mqtt::{Error, Misuse, PacketId, Publish, Qos, State};
use fleetfn_protocol::limits::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, STATUS_BYTES_MAX};
use fleetfn_protocol::update::{Block, BlockBytes, BlockRequest, Status};

/// What surrounds a block in its packet, at most, besides its topic and header: the fixed header with its length, the
/// length of the topic, no properties, and room for a few that a server may send.
const PACKET_BYTES: usize = 5 + 2 + 1 + 32;

impl Agent<'_> {
    /// Listens for offers and blocks, from the next connection on: call it before the first.
    pub const fn want_updates(&mut self) {
        self.wants_updates = true;
    }

    /// The longest block that the receive buffer takes; `None` if it takes none.
    ///
    /// An offer has to fit, too: [`OFFER_BYTES_MAX`](fleetfn_protocol::limits::OFFER_BYTES_MAX) is its length at the most,
    /// one with one signature and short names takes about 300 bytes besides its topic.
    #[must_use]
    pub fn block_bytes(&mut self) -> Option<BlockBytes> {
        let topic_bytes = "devices//update/block".len().saturating_add(self.identity.device.as_str().len());
        let around = topic_bytes.saturating_add(Block::HEADER_BYTES).saturating_add(PACKET_BYTES);
        let room = self.client.receive_bytes().checked_sub(around)?;
        // Bounded: from 4096 down to 64 are seven halvings.
        let mut len = BLOCK_BYTES_MAX;
        while len >= BLOCK_BYTES_MIN {
            if usize::from(len) <= room {
                return BlockBytes::new(len).ok();
            }
            len >>= 1;
        }
        None
    }

    /// Asks for blocks, with QoS 0: what does not come is asked for again.
    ///
    /// # Errors
    /// [`Shortage`](crate::mqtt::Shortage) if the send buffer is full or there is no connection.
    pub fn request_blocks(&mut self, request: &BlockRequest) -> Result<(), Error> {
        let mut buffer = [0; BlockRequest::BYTES];
        let payload = request.write(&mut buffer).map_err(|_| Misuse::LongerThanBuffer)?;
        self.publish_update("/update/request", payload, Qos::AtMostOnce).map(drop)
    }

    /// Says how far an update is, with QoS 1.
    ///
    /// # Errors
    /// [`Misuse`] if it is none, [`Shortage`](crate::mqtt::Shortage) if the send buffer is full.
    pub fn report_update(&mut self, status: &Status<'_>) -> Result<Option<PacketId>, Error> {
        let mut buffer = [0; STATUS_BYTES_MAX];
        let payload = status.write(&mut buffer).map_err(|_| Misuse::Field)?;
        self.publish_update("/update/status", payload, Qos::AtLeastOnce)
    }

    /// Whether the server has accepted and the connection stands.
    pub(crate) const fn is_online(&self) -> bool {
        matches!(self.client.state(), State::Online)
    }

    fn publish_update(&mut self, part: &str, payload: &[u8], qos: Qos) -> Result<Option<PacketId>, Error> {
        let mut room = [0; OWN_TOPIC_BYTES_MAX];
        let topic = topic::write(&mut room, &self.identity.device, &[part]).ok_or(Misuse::TopicName)?;
        self.client.publish(&Publish::new(topic, payload).with_qos(qos))
    }
}
