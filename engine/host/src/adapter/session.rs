//! What the host holds of one invocation for a guest that was built for another host.

use super::extism::Blocks;
use crate::event::{self, Told};
use crate::failure::Failure;
use crate::host::Call;
use bytes::Bytes;
use fleetfn_abi::EventCode;

/// One invocation. Before the first event everything is empty, and time and seed are 0.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// What is known of the event besides its payload: names and texts.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) payload: Bytes,
    pub(super) received_at_ms: u64,
    /// Where the stream of random numbers is.
    pub(super) random: u64,
    /// How much of the payload was read from standard input.
    pub(super) read: usize,
    /// What was written to standard output and standard error, and has no end of line yet.
    pub(super) lines: [Vec<u8>; 2],
    /// What a plug-in passes to and fro.
    pub(super) blocks: Blocks,
}

impl Session {
    /// Forgets the invocation before, and takes the event.
    pub(crate) fn begin(&mut self, call: &Call<'_>) -> Result<(), Failure> {
        let firing = call.event.firing();
        let Told { code, detail, source, payload } = event::tell(call.event, firing.as_ref())?;
        let seed = event::seed(call.offset, call.function);
        // Both end a text for programs.
        let text = |text: &str| text.replace('\0', "");
        *self = Self {
            facts: vec![
                ("kind", word(code).into()),
                ("entity", text(&call.event.entity().to_string())),
                ("detail", text(detail)),
                ("source", text(source)),
                ("trigger", call.trigger.to_string()),
                ("offset", call.offset.to_string()),
                ("received_at_ms", call.event.received_at_ms().to_string()),
                ("seed", seed.to_string()),
            ],
            payload,
            received_at_ms: call.event.received_at_ms(),
            random: seed,
            ..Self::default()
        };
        Ok(())
    }
}

/// What happened, in the words of the manifest's triggers.
fn word(code: EventCode) -> &'static str {
    match code {
        EventCode::Telemetry => "telemetry",
        EventCode::Presence => "presence",
        EventCode::Quiet => "quiet",
        EventCode::Twin => "twin",
        EventCode::Timer => "timer",
        EventCode::Cron => "cron",
        EventCode::Message => "message",
        EventCode::Reply => "reply",
        EventCode::Http => "http",
        EventCode::Response => "response",
        EventCode::UpdateOffer => "update-offer",
        EventCode::UpdateReport => "update-report",
        EventCode::Gate => "gate",
    }
}
