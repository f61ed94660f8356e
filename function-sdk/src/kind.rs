//! What happened, for handlers with more than one kind of trigger.

use fleetfn_abi::EventCode;

/// What happened. The payload is with [`crate::Context::payload`], and usually a parameter of the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A device published a reading.
    Telemetry {
        /// What follows `telemetry/` in the topic.
        channel: &'a str,
    },
    /// A device came or went.
    Presence {
        /// Whether it came.
        online: bool,
        /// Why it went, as the broker names it; empty when it came.
        reason: &'a str,
    },
    /// A device has sent no telemetry of the `quiet` trigger for its time.
    Quiet,
    /// A device reported what it is; the payload is the report, and already part of the twin.
    Twin,
    /// A timer is due.
    Timer {
        /// The name under which it was set.
        name: &'a str,
    },
    /// The time of a `cron` trigger has come.
    Cron {
        /// Its expression.
        expression: &'a str,
    },
    /// A function sent a message.
    Message {
        /// Its name.
        name: &'a str,
        /// The entity that it was sent for: `devices/ID`, or another name.
        from: &'a str,
    },
    /// What came of a command.
    Reply {
        /// The command's name.
        command: &'a str,
        /// Whether there was an answer.
        reply: Answer,
    },
    /// An HTTP request, to be answered with [`crate::Context::respond`].
    Http {
        /// `GET`, `POST`, ...
        method: &'a str,
        /// What follows the function's name in the path, without a slash before it.
        path: &'a str,
    },
    /// What came of an HTTP request of this function.
    Response {
        /// By which the request is known again.
        tag: &'a str,
        /// The status, or 0 if there is no response.
        status: u16,
        /// Why there is none.
        reason: &'a str,
    },
    /// A device is about to be offered a release: the payload is an [`update::Offer`](crate::update::Offer).
    UpdateOffer,
    /// The job of a device has come a step further: the payload is an [`update::Report`](crate::update::Report).
    UpdateReport,
    /// A rollout asks whether to go on: the payload is a [`gate::Question`](crate::gate::Question).
    Gate,
}

/// Whether a command was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The payload is the device's answer.
    Answered,
    /// No answer came in the time that [`crate::Context::command_awaiting`] gave.
    TimedOut,
}

impl<'a> Kind<'a> {
    /// `None` for a code that this version of the interface does not have.
    pub(crate) fn read(code: u16, detail: &'a str, source: &'a str) -> Option<Self> {
        let is = |known: EventCode| code == known as u16;
        if is(EventCode::Telemetry) {
            Some(Self::Telemetry { channel: detail })
        } else if is(EventCode::Presence) {
            Some(Self::Presence { online: detail == "connected", reason: source })
        } else if is(EventCode::Quiet) {
            Some(Self::Quiet)
        } else if is(EventCode::Twin) {
            Some(Self::Twin)
        } else if is(EventCode::Timer) {
            Some(Self::Timer { name: detail })
        } else if is(EventCode::Cron) {
            Some(Self::Cron { expression: detail })
        } else if is(EventCode::Message) {
            Some(Self::Message { name: detail, from: source })
        } else if is(EventCode::Reply) {
            let reply = if source == "timeout" { Answer::TimedOut } else { Answer::Answered };
            Some(Self::Reply { command: detail, reply })
        } else if is(EventCode::Http) {
            Some(Self::Http { method: source, path: detail })
        } else if is(EventCode::Response) {
            let (status, reason) = source.split_once(' ').unwrap_or((source, ""));
            let tag = detail.strip_prefix("response/").unwrap_or(detail);
            Some(Self::Response { tag, status: status.parse().unwrap_or(0), reason })
        } else if is(EventCode::UpdateOffer) {
            Some(Self::UpdateOffer)
        } else if is(EventCode::UpdateReport) {
            Some(Self::UpdateReport)
        } else if is(EventCode::Gate) {
            Some(Self::Gate)
        } else {
            None
        }
    }
}
