//! The events that a test can let happen.
//!
//! Each panics if no trigger of the function takes it, or if its payload cannot be encoded or is too large for the
//! function's buffer: that is a mistake of the test or of the attribute.

use super::device::{Device, Event};
use super::reply::Reply;
use super::rules::matches;
use super::timers::Purpose;
use crate::{ToPayload, Trigger};
use fleetfn_abi::EventCode;

impl Device {
    /// Publishes a reading on `devices/{id}/telemetry/{channel}` and lets the function handle it.
    ///
    /// State changes last if it succeeds, and are dropped if not. A panic of the handler goes on into the test.
    ///
    /// # Panics
    /// If no trigger takes the channel, or the payload cannot be encoded or is too large.
    #[track_caller]
    pub fn telemetry(&mut self, channel: &str, payload: impl ToPayload) -> Reply {
        let trigger = self.taking(channel, |trigger| match trigger {
            Trigger::Telemetry(filter) => matches(filter, channel),
            _ => false,
        });
        self.heard(channel);
        self.with(EventCode::Telemetry, trigger, channel, payload, "")
    }

    /// Publishes a reading that only a `quiet` trigger listens to: its time begins again.
    pub fn heard(&mut self, channel: &str) {
        self.timers.heard(&self.function, channel, self.now_ms);
    }

    /// Comes online.
    ///
    /// # Panics
    /// If there is no trigger `presence`.
    #[track_caller]
    pub fn connect(&mut self) -> Reply {
        let trigger = self.taking("presence", |trigger| *trigger == Trigger::Presence);
        self.with(EventCode::Presence, trigger, "connected", "", "")
    }

    /// Goes offline.
    ///
    /// # Panics
    /// If there is no trigger `presence`.
    #[track_caller]
    pub fn disconnect(&mut self, reason: &str) -> Reply {
        let trigger = self.taking("presence", |trigger| *trigger == Trigger::Presence);
        self.with(EventCode::Presence, trigger, "disconnected", "", reason)
    }

    /// Reports what it is: a JSON object, merged into the twin before the function sees it.
    ///
    /// # Panics
    /// If there is no trigger `twin`, or it is no JSON object.
    #[track_caller]
    pub fn report(&mut self, report: impl ToPayload) -> Reply {
        let trigger = self.taking("twin", |trigger| *trigger == Trigger::Twin);
        let merged = report.with_payload(|report| self.twin.report(report));
        assert!(matches!(merged, Ok(Ok(()))), "the report cannot be merged: {merged:?}");
        self.with(EventCode::Twin, trigger, "", report, "")
    }

    /// Lets an operator change what is desired; no event.
    ///
    /// # Panics
    /// If it is no JSON object.
    #[track_caller]
    pub fn desire(&mut self, change: impl ToPayload) {
        let merged = change.with_payload(|change| self.twin.desire(change));
        assert!(matches!(merged, Ok(Ok(()))), "the change cannot be merged: {merged:?}");
    }

    /// Lets the time of a `cron` trigger come.
    ///
    /// # Panics
    /// If there is no trigger of this expression.
    #[track_caller]
    pub fn cron(&mut self, expression: &str) -> Reply {
        let trigger = self.taking(expression, |trigger| match trigger {
            Trigger::Cron { expression: other, .. } => *other == expression,
            _ => false,
        });
        self.with(EventCode::Cron, trigger, expression, "", "")
    }

    /// Gets a message that a function sent for the entity `from`: `devices/ID`, or another name.
    ///
    /// # Panics
    /// If no trigger takes the name, or the payload cannot be encoded or is too large.
    #[track_caller]
    pub fn message(&mut self, from: &str, name: &str, payload: impl ToPayload) -> Reply {
        let trigger = self.taking(name, |trigger| match trigger {
            Trigger::Message(filter) => matches(filter, name),
            _ => false,
        });
        self.with(EventCode::Message, trigger, name, payload, from)
    }

    /// Answers a command.
    ///
    /// # Panics
    /// If no trigger takes the command, or the payload cannot be encoded or is too large.
    #[track_caller]
    pub fn reply(&mut self, command: &str, payload: impl ToPayload) -> Reply {
        let trigger = self.reply_trigger(command);
        self.timers.cancel(&Purpose::Reply(command.into()));
        self.with(EventCode::Reply, trigger, command, payload, "device")
    }

    /// Gets an HTTP request.
    ///
    /// # Panics
    /// If no trigger takes the path, or the body cannot be encoded or is too large.
    #[track_caller]
    pub fn http(&mut self, method: &str, path: &str, body: impl ToPayload) -> Reply {
        let trigger = self.taking(path, |trigger| match trigger {
            Trigger::Http(filter) => matches(filter, path),
            _ => false,
        });
        self.with(EventCode::Http, trigger, path, body, method)
    }

    /// Gets the response to the request of a tag.
    ///
    /// # Panics
    /// If no trigger takes `response/TAG`, or the body cannot be encoded or is too large.
    #[track_caller]
    pub fn response(&mut self, tag: &str, status: u16, body: impl ToPayload) -> Reply {
        self.respond(tag, &status.to_string(), body)
    }

    /// Gets to know that there is no response to the request of a tag.
    ///
    /// # Panics
    /// If no trigger takes `response/TAG`.
    #[track_caller]
    pub fn no_response(&mut self, tag: &str, reason: &str) -> Reply {
        self.respond(tag, &format!("0 {reason}"), "")
    }

    /// Is about to be offered a release: the payload is what the trigger gets, JSON or an [`update::Offer`](crate::update::Offer)
    /// in [`Json`](crate::Json).
    ///
    /// # Panics
    /// If there is no trigger `update = "offer"`, or the payload cannot be encoded or is too large.
    #[track_caller]
    pub fn update_offer(&mut self, offer: impl ToPayload) -> Reply {
        let trigger = self.taking("update = \"offer\"", |trigger| *trigger == Trigger::UpdateOffer);
        let from = format!("devices/{}", self.name);
        self.with(EventCode::UpdateOffer, trigger, "update/offer", offer, &from)
    }

    /// Comes a step further with its job: the payload is what the trigger gets, JSON or an
    /// [`update::Report`](crate::update::Report) in [`Json`](crate::Json).
    ///
    /// # Panics
    /// If there is no trigger `update = "report"`, or the payload cannot be encoded or is too large.
    #[track_caller]
    pub fn update_report(&mut self, report: impl ToPayload) -> Reply {
        let trigger = self.taking("update = \"report\"", |trigger| *trigger == Trigger::UpdateReport);
        let from = format!("devices/{}", self.name);
        self.with(EventCode::UpdateReport, trigger, "update/report", report, &from)
    }

    /// Is asked by a rollout whether to go on: the payload is what the trigger gets, JSON or a
    /// [`gate::Question`](crate::gate::Question) in [`Json`](crate::Json).
    ///
    /// # Panics
    /// If there is no trigger `gate`, or the payload cannot be encoded or is too large.
    #[track_caller]
    pub fn gate(&mut self, rollout: &str, question: impl ToPayload) -> Reply {
        let trigger = self.taking("gate", |trigger| *trigger == Trigger::Gate);
        let (name, from) = (format!("rollout/gate/{}", self.function.name), format!("rollout/{rollout}"));
        self.with(EventCode::Gate, trigger, &name, question, &from)
    }

    #[track_caller]
    fn respond(&mut self, tag: &str, source: &str, body: impl ToPayload) -> Reply {
        let name = format!("response/{tag}");
        let trigger = self.taking(&name, |trigger| match trigger {
            Trigger::Message(filter) => matches(filter, &name),
            _ => false,
        });
        self.with(EventCode::Response, trigger, &name, body, source)
    }

    #[track_caller]
    pub(super) fn fire_timer(&mut self, name: &str, payload: &[u8]) -> Reply {
        let trigger = self.taking(name, |trigger| match trigger {
            Trigger::Timer(filter) => matches(filter, name),
            _ => false,
        });
        self.with(EventCode::Timer, trigger, name, payload, "")
    }

    #[track_caller]
    pub(super) fn time_out(&mut self, command: &str) -> Reply {
        let trigger = self.reply_trigger(command);
        self.with(EventCode::Reply, trigger, command, "", "timeout")
    }

    #[track_caller]
    pub(super) fn fire_quiet(&mut self, trigger: usize) -> Reply {
        self.with(EventCode::Quiet, trigger, "quiet", "", "")
    }

    #[track_caller]
    fn reply_trigger(&self, command: &str) -> usize {
        self.taking(command, |trigger| match trigger {
            Trigger::Reply(filter) => matches(filter, command),
            _ => false,
        })
    }

    /// The first trigger that takes an event.
    #[track_caller]
    fn taking(&self, what: &str, takes: impl Fn(&Trigger) -> bool) -> usize {
        let trigger = self.function.triggers.iter().position(takes);
        assert!(
            trigger.is_some(),
            "'{}' is triggered by {:?}, none takes '{what}'",
            self.function.name,
            self.function.triggers
        );
        trigger.unwrap_or(0)
    }

    #[track_caller]
    fn with(
        &mut self,
        code: EventCode,
        trigger: usize,
        detail: &str,
        payload: impl ToPayload,
        source: &str,
    ) -> Reply {
        let payload = payload.with_payload(<[u8]>::to_vec);
        assert!(payload.is_ok(), "the payload cannot be encoded: {payload:?}");
        let payload = payload.unwrap_or_default();
        self.handle(&Event { code, trigger, detail, payload: &payload, source })
    }
}
