// The guest interface of fleetfn for functions in AssemblyScript. A function exports `fleetfn_v1_buffer` from here and
// a `fleetfn_v1_on_event(length: i32): i32` of its own that handles `Event.read(length)`: 0 commits what it asked for,
// anything else drops it and makes the event a dead letter.

import * as host from "./host";
import { eventSeed } from "./event";

export { Code, Event, bufferAt, fleetfn_v1_buffer } from "./event";
export { JsonObject } from "./json";

/** What a handler returns for a payload that it does not understand. Codes of its own are 1 and above. */
export const BAD_PAYLOAD: i32 = -1;

/** State of the event's entity, kept for this function alone. */
export namespace state {
  /** The text under a key; `null` if there is none. */
  export function get(key: string): string | null {
    const value = getBytes(key);
    return value === null ? null : String.UTF8.decodeUnsafe(value.dataStart, value.length);
  }

  /** The bytes under a key; `null` if there are none. */
  export function getBytes(key: string): Uint8Array | null {
    const name = String.UTF8.encode(key);
    let value = new Uint8Array(256);
    const length = host.state_get(start(name), name.byteLength, value.dataStart, value.length);
    if (length == host.MISSING) return null;
    if (length > value.length) {
      value = new Uint8Array(length);
      host.state_get(start(name), name.byteLength, value.dataStart, length);
      return value;
    }
    return value.subarray(0, length);
  }

  /** Keeps text under a key. */
  export function put(key: string, value: string): void {
    const bytes = String.UTF8.encode(value);
    const name = String.UTF8.encode(key);
    host.state_put(start(name), name.byteLength, start(bytes), bytes.byteLength);
  }

  /** Keeps bytes under a key. */
  export function putBytes(key: string, value: Uint8Array): void {
    const name = String.UTF8.encode(key);
    host.state_put(start(name), name.byteLength, value.dataStart, value.length);
  }

  /** Keeps text for a time, at least one second. */
  export function putExpiring(key: string, value: string, ttlSeconds: u32): void {
    const bytes = String.UTF8.encode(value);
    const name = String.UTF8.encode(key);
    host.state_put_expiring(start(name), name.byteLength, start(bytes), bytes.byteLength, ttlSeconds);
  }

  /** Forgets a key; forgetting what is not there is no error. */
  export function remove(key: string): void {
    const name = String.UTF8.encode(key);
    host.state_delete(start(name), name.byteLength);
  }

  /** The keys that begin with a prefix, ascending, with their values as text; at most `pageBytes` of them at once. */
  export function scan(prefix: string, after: string = "", pageBytes: i32 = 4096): Map<string, string> {
    const entries = new Map<string, string>();
    const first = String.UTF8.encode(prefix);
    const above = String.UTF8.encode(after);
    const page = new Uint8Array(pageBytes);
    const length = host.state_scan(
      start(first), first.byteLength, start(above), above.byteLength, page.dataStart, pageBytes);
    assert(length <= pageBytes, "a page holds at least one entry");
    for (let at = page.dataStart, end = at + length; at < end;) {
      const keyLength = load<u16>(at);
      const valueLength = load<u32>(at, 2);
      const key = String.UTF8.decodeUnsafe(at + 6, keyLength);
      entries.set(key, String.UTF8.decodeUnsafe(at + 6 + keyLength, valueLength));
      at += 6 + (keyLength as usize) + (valueLength as usize);
    }
    return entries;
  }
}

/** Sends a command to the event's device; pointless after `ttlSeconds`, 0 for never. Manifest: `command`. */
export function command(name: string, payload: string, ttlSeconds: u32 = 0): void {
  const n = String.UTF8.encode(name);
  const p = String.UTF8.encode(payload);
  host.command(start(n), n.byteLength, start(p), p.byteLength, ttlSeconds);
}

/** Like `command`, and a reply event with the source `timeout` if none has come in time. */
export function commandAwait(name: string, payload: string, timeoutSeconds: u32, ttlSeconds: u32 = 0): void {
  const n = String.UTF8.encode(name);
  const p = String.UTF8.encode(payload);
  host.command_await(start(n), n.byteLength, start(p), p.byteLength, ttlSeconds, timeoutSeconds);
}

/** Publishes on a shared topic under a `publish` filter of the manifest. */
export function publish(topic: string, payload: string): void {
  const t = String.UTF8.encode(topic);
  const p = String.UTF8.encode(payload);
  host.publish(start(t), t.byteLength, start(p), p.byteLength);
}

/** Sends a message to an entity under a `send` filter of the manifest, exactly once. */
export function send(entity: string, name: string, payload: string, delaySeconds: u32 = 0): void {
  const e = String.UTF8.encode(entity);
  const n = String.UTF8.encode(name);
  const p = String.UTF8.encode(payload);
  host.send(start(e), e.byteLength, start(n), n.byteLength, start(p), p.byteLength, delaySeconds);
}

/** Timers of the event's entity. */
export namespace timer {
  /** Sets or replaces the timer of a name: an event after `delaySeconds`, at least 1. */
  export function set(name: string, delaySeconds: u32, payload: string = ""): void {
    const n = String.UTF8.encode(name);
    const p = String.UTF8.encode(payload);
    host.timer_set(start(n), n.byteLength, start(p), p.byteLength, delaySeconds);
  }

  /** Cancels the timer of a name. */
  export function cancel(name: string): void {
    const n = String.UTF8.encode(name);
    host.timer_cancel(start(n), n.byteLength);
  }
}

/** The twin of the event's device. */
export namespace twin {
  /** `{"version":7,"desired":{},"reported":{},"delta":{}}`; `null` if the event is not about a device. */
  export function get(): string | null {
    let out = new Uint8Array(1024);
    let length = host.twin_get(out.dataStart, out.length);
    if (length == host.MISSING) return null;
    if (length > out.length) {
      out = new Uint8Array(length);
      host.twin_get(out.dataStart, length);
    }
    return String.UTF8.decodeUnsafe(out.dataStart, length);
  }

  /** Merges a JSON object into the desired part (RFC 7396). Manifest: `twin`. */
  export function patch(json: string): void {
    const p = String.UTF8.encode(json);
    host.twin_patch(start(p), p.byteLength);
  }
}

/** Makes an HTTP request; the response comes as a message `response/TAG`. Headers are `Name: value` lines. */
export function http(
  tag: string, method: string, url: string, headers: string = "", body: string = "", timeoutSeconds: u32 = 10): void {
  const t = String.UTF8.encode(tag);
  const m = String.UTF8.encode(method);
  const u = String.UTF8.encode(url);
  const h = String.UTF8.encode(headers);
  const b = String.UTF8.encode(body);
  host.http(
    start(t), t.byteLength, start(m), m.byteLength, start(u), u.byteLength, start(h), h.byteLength, start(b),
    b.byteLength, timeoutSeconds);
}

/** Answers the HTTP request that the event is. */
export function respond(status: i32, body: string, type: string = "application/json"): void {
  const t = String.UTF8.encode(type);
  const b = String.UTF8.encode(body);
  host.respond(status, start(t), t.byteLength, start(b), b.byteLength);
}

/** A value of the function's configuration; `null` if there is none. */
export function config(key: string): string | null {
  const name = String.UTF8.encode(key);
  let out = new Uint8Array(256);
  let length = host.config_get(start(name), name.byteLength, out.dataStart, out.length);
  if (length == host.MISSING) return null;
  if (length > out.length) {
    out = new Uint8Array(length);
    host.config_get(start(name), name.byteLength, out.dataStart, length);
  }
  return String.UTF8.decodeUnsafe(out.dataStart, length);
}

/** Adds to a counter of the function. */
export function count(name: string, by: f64 = 1): void {
  measured(0, name, by);
}

/** Sets a gauge of the function. */
export function gauge(name: string, value: f64): void {
  measured(1, name, value);
}

function measured(kind: i32, name: string, value: f64): void {
  const n = String.UTF8.encode(name);
  const place = memory.data(8);
  store<f64>(place, value);
  host.metric(kind, start(n), n.byteLength, place);
}

/** Log lines. */
export namespace log {
  export function debug(text: string): void {
    line(0, text);
  }

  export function info(text: string): void {
    line(1, text);
  }

  export function warn(text: string): void {
    line(2, text);
  }

  export function error(text: string): void {
    line(3, text);
  }
}

function line(level: i32, text: string): void {
  const bytes = String.UTF8.encode(text);
  host.log(level, start(bytes), bytes.byteLength);
}

function start(buffer: ArrayBuffer): usize {
  return changetype<usize>(buffer);
}

/** In place of the runtime's `abort`: says why and where, and ends the invocation. */
export function fleetfnAbort(message: string | null, file: string | null, lineNumber: u32, column: u32): void {
  const why = message === null ? "aborted" : message;
  const where = file === null ? "" : " (" + file + ":" + lineNumber.toString() + ":" + column.toString() + ")";
  line(3, why + where);
  unreachable();
}

/** In place of the runtime's `seed`: `Math.random` gives the same numbers whenever the event is handled. */
export function fleetfnSeed(): f64 {
  return reinterpret<f64>(eventSeed() >> 2 | 1);
}
