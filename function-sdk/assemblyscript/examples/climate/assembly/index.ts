// Turns the fan of a room on while it is too warm: JSON readings in, a command whenever the fan changes.

import { BAD_PAYLOAD, Event, JsonObject, command, log, state } from "fleetfn/assembly";

export { fleetfn_v1_buffer } from "fleetfn/assembly";

/** Degrees above which the fan goes on, and below which it goes off. */
const ON_ABOVE: f64 = 30;
const OFF_BELOW: f64 = 27;

function climate(event: Event): i32 {
  const temperature = new JsonObject(event.payload).number("temperature");
  if (isNaN(temperature)) {
    log.warn("the payload has no number `temperature`");
    return BAD_PAYLOAD;
  }
  const kept = state.get("on");
  const on = kept !== null && kept == "1";
  const next = temperature > ON_ABOVE || (on && temperature >= OFF_BELOW);
  if (next == on) return 0;
  state.put("on", next ? "1" : "0");
  command("fan", next ? '{"on":true}' : '{"on":false}');
  log.info("fan " + (next ? "on" : "off") + ": " + temperature.toString() + " degrees");
  return 0;
}

export function fleetfn_v1_on_event(length: i32): i32 {
  return climate(Event.read(length));
}
