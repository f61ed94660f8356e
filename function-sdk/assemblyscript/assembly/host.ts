// What the host offers, as it stands in the guest interface, version 1: pointers and lengths. `index.ts` wraps it in
// strings and arrays; a pointer outside of memory, a missing grant or a passed limit ends the invocation.

/** Result of a host call: there is nothing under that key. */
export const MISSING: i32 = -1;

@external("fleetfn_v1", "state_get")
export declare function state_get(key: usize, keyLength: i32, out: usize, outCapacity: i32): i32;

@external("fleetfn_v1", "state_put")
export declare function state_put(key: usize, keyLength: i32, value: usize, valueLength: i32): i32;

@external("fleetfn_v1", "state_put_expiring")
export declare function state_put_expiring(
  key: usize, keyLength: i32, value: usize, valueLength: i32, ttlSeconds: i32): i32;

@external("fleetfn_v1", "state_delete")
export declare function state_delete(key: usize, keyLength: i32): i32;

@external("fleetfn_v1", "state_scan")
export declare function state_scan(
  prefix: usize, prefixLength: i32, after: usize, afterLength: i32, out: usize, outCapacity: i32): i32;

@external("fleetfn_v1", "publish")
export declare function publish(topic: usize, topicLength: i32, payload: usize, payloadLength: i32): i32;

@external("fleetfn_v1", "command")
export declare function command(
  name: usize, nameLength: i32, payload: usize, payloadLength: i32, ttlSeconds: i32): i32;

@external("fleetfn_v1", "command_await")
export declare function command_await(
  name: usize, nameLength: i32, payload: usize, payloadLength: i32, ttlSeconds: i32, timeoutSeconds: i32): i32;

@external("fleetfn_v1", "send")
export declare function send(
  entity: usize, entityLength: i32, name: usize, nameLength: i32, payload: usize, payloadLength: i32,
  delaySeconds: i32): i32;

@external("fleetfn_v1", "timer_set")
export declare function timer_set(
  name: usize, nameLength: i32, payload: usize, payloadLength: i32, delaySeconds: i32): i32;

@external("fleetfn_v1", "timer_cancel")
export declare function timer_cancel(name: usize, nameLength: i32): i32;

@external("fleetfn_v1", "twin_get")
export declare function twin_get(out: usize, outCapacity: i32): i32;

@external("fleetfn_v1", "twin_patch")
export declare function twin_patch(patch: usize, patchLength: i32): i32;

@external("fleetfn_v1", "http")
export declare function http(
  tag: usize, tagLength: i32, method: usize, methodLength: i32, url: usize, urlLength: i32, headers: usize,
  headersLength: i32, body: usize, bodyLength: i32, timeoutSeconds: i32): i32;

@external("fleetfn_v1", "respond")
export declare function respond(status: i32, type: usize, typeLength: i32, body: usize, bodyLength: i32): i32;

@external("fleetfn_v1", "config_get")
export declare function config_get(key: usize, keyLength: i32, out: usize, outCapacity: i32): i32;

@external("fleetfn_v1", "metric")
export declare function metric(kind: i32, name: usize, nameLength: i32, value: usize): i32;

@external("fleetfn_v1", "log")
export declare function log(level: i32, text: usize, textLength: i32): i32;
