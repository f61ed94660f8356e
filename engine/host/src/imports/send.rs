//! Sends a message to an entity.

use super::{name, payload, shown, wish};
use crate::failure::Failure;
use crate::guest::{Guest, enter, part, split};
use crate::limits::CALL_FUEL;
use crate::wishes::Kind;
use fleetfn_core::deployment::Trigger;
use fleetfn_core::{Entity, rollout, update};
use fleetfn_protocol::filter_matches;
use wasmi::Caller;

#[expect(clippy::too_many_arguments, reason = "a row of the table of imports")]
pub(super) fn send(
    caller: &mut Caller<'_, Guest>,
    entity_ptr: u32,
    entity_len: u32,
    name_ptr: u32,
    name_len: u32,
    payload_ptr: u32,
    payload_len: u32,
    delay_s: u32,
) -> Result<i32, Failure> {
    enter(caller, CALL_FUEL, &[(entity_ptr, entity_len), (name_ptr, name_len), (payload_ptr, payload_len)])?;
    let (memory, guest) = split(caller)?;
    let bytes = part(memory, entity_ptr, entity_len)?;
    let name = name("message", memory, name_ptr, name_len)?;
    let payload = payload(memory, payload_ptr, payload_len)?;
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::Entity(shown(bytes)))?;
    let entity = Entity::parse(text).ok_or_else(|| Failure::Entity(shown(bytes)))?;
    let is_answer = guest.manifest.triggers.iter().any(|trigger| is_answer(trigger, name, &entity));
    if !is_answer && !guest.manifest.send.iter().any(|filter| filter_matches(filter, text)) {
        return Err(Failure::SendGrant(shown(bytes)));
    }
    wish(guest, Kind::Send { delay_s }, &[&entity.canonical(), name.as_bytes(), payload])
}

/// Whether a message is an answer that a trigger asks for: it needs no grant.
fn is_answer(trigger: &Trigger, name: &str, entity: &Entity<'_>) -> bool {
    match (trigger, entity) {
        (Trigger::UpdateOffer, Entity::Device(_)) => name == update::ANSWER,
        (Trigger::Gate, Entity::Named(entity)) => {
            name == rollout::VERDICT && rollout::rollout_of(entity).is_some()
        }
        _ => false,
    }
}
