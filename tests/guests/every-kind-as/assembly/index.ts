// The same as `../every-kind` in AssemblyScript, for the same cases.

import {
  Code, Event, commandAwait, config, gauge, http, log, publish, respond, send, state, timer, twin,
} from "fleetfn/assembly";

export { fleetfn_v1_buffer } from "fleetfn/assembly";

function tell(event: Event): void {
  const about = event.isDevice ? " dev " : " ent ";
  const parts = [event.entity, event.detail, event.payload, event.source];
  log.info((event.code as i32).toString() + " t" + event.trigger.toString() + about + parts.join(" | "));
}

function askForEverything(): void {
  timer.set("n", 5, "p");
  timer.cancel("m");
  send("site/b", "reading/x", "1", 3);
  gauge("g", 1.5);
  http("tag", "POST", "https://api.example.com/v1/x", "A: {{secret:api-token}}\n", "body", 10);
  commandAwait("reboot", "", 30);
  publish("alerts/x", "!");
  state.putExpiring("k", "v", 2);
}

function lookAgain(): void {
  log.info(state.get("k") === null ? "gone" : "here");
  const value = config("c");
  if (value !== null) log.info(value);
}

export function fleetfn_v1_on_event(length: i32): i32 {
  const event = Event.read(length);
  tell(event);
  const seen = twin.get();
  if (seen !== null) log.debug(seen);
  if (event.code == Code.Twin) twin.patch('{"x":2}');
  if (event.code == Code.Http) respond(201, "hi", "text/plain");
  if (event.code == Code.Timer) askForEverything();
  if (event.code == Code.Cron) lookAgain();
  return 0;
}

export function fleetfn_v1_migrate(from: i32): i32 {
  log.warn("from " + from.toString());
  state.put("new", "1");
  return 0;
}
