//! What a client wants to hear: a device of itself, a service of everything that its role grants.

use super::input::LinkWanted;
use super::{End, Listening, Session};
use crate::acl::Principal;
use crate::codec::Malformed;
use crate::codec::reason::Reason;
use crate::codec::subscribe::{Granted, Subscription, put_suback, put_unsuback};
use crate::config::FILTERS_MAX;
use std::collections::VecDeque;

const TOO_MUCH: Malformed =
    Malformed { reason: Reason::QuotaExceeded, why: "more subscriptions than the router can follow" };

impl Session {
    pub(super) fn subscribe(
        &mut self,
        packet_id: u16,
        subscriptions: &[Subscription<'_>],
    ) -> Result<(), End> {
        let Principal::Device(device) = self.principal else {
            return self.subscribe_service(packet_id, subscriptions);
        };
        let mut begins = false;
        let grant = |subscription: &Subscription<'_>| -> Granted {
            self.check(subscription)?;
            let added = self.handle.add_filter(subscription.filter, subscription.qos, FILTERS_MAX);
            begins |= added.ok_or(Reason::QuotaExceeded)?;
            Ok(subscription.qos)
        };
        let granted: Vec<Granted> = subscriptions.iter().map(grant).collect();
        put_suback(&mut self.output, packet_id, &granted, self.version);
        if begins {
            self.shared.reports.listening(device);
        }
        Ok(())
    }

    fn check(&self, subscription: &Subscription<'_>) -> Result<(), Reason> {
        match subscription.refused {
            Some(reason) => Err(reason),
            None if self.principal.may_subscribe(subscription.filter) => Ok(()),
            None => Err(Reason::NotAuthorized),
        }
    }

    fn subscribe_service(&mut self, packet_id: u16, subscriptions: &[Subscription<'_>]) -> Result<(), End> {
        let mut room = FILTERS_MAX - self.listening.as_ref().map_or(0, |listening| listening.filters.len());
        let mut granted = Vec::new();
        let mut filters = Vec::new();
        for subscription in subscriptions {
            let answer = self.check(subscription).and_then(|()| match room.checked_sub(1) {
                Some(left) => {
                    room = left;
                    Ok(subscription.qos)
                }
                None => Err(Reason::QuotaExceeded),
            });
            if answer.is_ok() {
                filters.retain(|(filter, _, _): &(String, _, _)| filter != subscription.filter);
                filters.push((subscription.filter.to_owned(), subscription.qos, subscription.no_local));
            }
            granted.push(answer);
        }
        if filters.is_empty() {
            put_suback(&mut self.output, packet_id, &granted, self.version);
            return Ok(());
        }
        let names = filters.iter().map(|(filter, _, _)| filter.clone()).collect();
        let interest = &self.shared.router.interest;
        match &mut self.listening {
            Some(listening) => {
                for (filter, qos, no_local) in filters {
                    match listening.filters.iter_mut().find(|(known, _, _)| *known == filter) {
                        Some(known) => *known = (filter, qos, no_local),
                        None => {
                            interest.add(&filter);
                            listening.filters.push((filter, qos, no_local));
                        }
                    }
                }
                listening.pending.push((packet_id, granted));
                if listening.link.subscribe(packet_id, names) { Ok(()) } else { Err(TOO_MUCH.into()) }
            }
            None => {
                self.link_wanted = Some(Box::new(LinkWanted { packet_id, granted, filters }));
                Ok(())
            }
        }
    }

    /// Takes a link into the router for the first subscription of a service.
    pub(super) async fn take_link(&mut self, wanted: LinkWanted) -> Result<(), End> {
        let link = match self.shared.router.link(&self.handle).await {
            Ok(link) => link,
            Err(error) => {
                tracing::error!(%error, "a service cannot listen");
                return Err(End::Unavailable);
            }
        };
        let names: Vec<String> = wanted.filters.iter().map(|(filter, _, _)| filter.clone()).collect();
        names.iter().for_each(|filter| self.shared.router.interest.add(filter));
        let asked = link.subscribe(wanted.packet_id, names);
        let pending = vec![(wanted.packet_id, wanted.granted)];
        self.listening =
            Some(Box::new(Listening { link, filters: wanted.filters, pending, seen: VecDeque::new() }));
        if asked { Ok(()) } else { Err(TOO_MUCH.into()) }
    }

    /// The router has the filters of a SUBSCRIBE: now it is answered.
    pub(super) fn subscribed(&mut self, packet_id: u16) {
        let Some(listening) = &mut self.listening else { return };
        if let Some(at) = listening.pending.iter().position(|(id, _)| *id == packet_id) {
            let (_, granted) = listening.pending.remove(at);
            put_suback(&mut self.output, packet_id, &granted, self.version);
        }
    }

    pub(super) fn unsubscribe(&mut self, packet_id: u16, filters: &[&str]) -> Result<(), End> {
        let mut reasons = Vec::new();
        let mut gone = Vec::new();
        for filter in filters {
            let known = match &mut self.listening {
                Some(listening) => {
                    let before = listening.filters.len();
                    listening.filters.retain(|(known, _, _)| known != filter);
                    let known = listening.filters.len() < before;
                    if known {
                        self.shared.router.interest.remove(filter);
                        gone.push((*filter).to_owned());
                    }
                    known
                }
                None => self.handle.remove_filter(filter),
            };
            reasons.push(if known { Reason::Success } else { Reason::NoSubscription });
        }
        put_unsuback(&mut self.output, packet_id, &reasons, self.version);
        match &self.listening {
            Some(listening) if !gone.is_empty() && !listening.link.unsubscribe(gone) => Err(TOO_MUCH.into()),
            _ => Ok(()),
        }
    }

    /// Gives the link back.
    pub(super) fn stop_listening(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.filters.iter().for_each(|(filter, _, _)| self.shared.router.interest.remove(filter));
        }
    }
}
