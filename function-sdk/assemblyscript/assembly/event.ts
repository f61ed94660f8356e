// The event as a handler reads it, and the buffer into which the host writes it.

const ABI_VERSION: u16 = 1;
const HEADER_BYTES: usize = 40;

/** Bytes of the buffer of `fleetfn_v1_buffer`: header, names, and a payload of 4 KiB. */
const BUFFER_BYTES: usize = 40 + 1024 + 4096;

let buffer: usize = 0;

/**
 * Makes `place` the buffer for events. An event that is larger becomes a dead letter without running the handler: a
 * function of larger payloads exports its own `fleetfn_v1_buffer` that returns `bufferAt(memory.data(N), N)`.
 */
export function bufferAt(place: usize, capacity: usize): i64 {
  buffer = place;
  return (capacity as i64) << 32 | (place as i64);
}

/** Export of every function: where the host writes the event. */
export function fleetfn_v1_buffer(): i64 {
  return bufferAt(memory.data(5160), BUFFER_BYTES);
}

/** The seed of the event that is handled; 0 before the first one. */
export function eventSeed(): u64 {
  return buffer == 0 ? 0 : load<u64>(buffer, 32);
}

/** What happened. */
export enum Code {
  /** A reading; the detail is the channel. */
  Telemetry = 1,
  /** A device came or went; the detail is `connected` or `disconnected`, the source the reason. */
  Presence = 2,
  /** A device said nothing for the time of the trigger. */
  Quiet = 3,
  /** A device reported its state; the payload is the report. */
  Twin = 4,
  /** A timer of the function is due; the detail is its name. */
  Timer = 5,
  /** The time of a `cron` trigger has come; the detail is its expression. */
  Cron = 6,
  /** A message that a function sent; the detail is its name, the source the sending entity. */
  Message = 7,
  /** A device answered a command, or did not; the source is `device` or `timeout`. */
  Reply = 8,
  /** An HTTP request; the detail is the path below the function, the source the method. */
  Http = 9,
  /** The response to an HTTP request; the detail is `response/TAG`, the source the status, or 0 and why there is none. */
  Response = 10,
  /** A device is about to be offered a release; the payload is JSON. */
  UpdateOffer = 11,
  /** The job of a device has come a step further; the payload is JSON. */
  UpdateReport = 12,
  /** A rollout asks whether to go on; the payload is JSON, the source the rollout's entity. */
  Gate = 13,
}

/** One event. Text is decoded when it is asked for. */
export class Event {
  private constructor(private readonly end: usize) {}

  /** The event that the host has just written, for `fleetfn_v1_on_event(length)`. */
  static read(length: i32): Event {
    assert(length >= (HEADER_BYTES as i32) && load<u16>(buffer) == ABI_VERSION, "an event of interface version 1");
    return new Event(buffer + (length as usize));
  }

  /** What happened. */
  get code(): Code {
    return load<u16>(buffer, 2) as Code;
  }

  /** Which of the manifest's triggers fired, from 0. */
  get trigger(): i32 {
    return load<u16>(buffer, 8);
  }

  /** Whether the entity is a device. */
  get isDevice(): bool {
    return load<u8>(buffer, 14) == 1;
  }

  /** Its place in the log. */
  get offset(): u64 {
    return load<u64>(buffer, 16);
  }

  /** When it was admitted, in milliseconds since 1970: the only clock. */
  get receivedAtMs(): u64 {
    return load<u64>(buffer, 24);
  }

  /** For randomness: the same whenever this event is handled by this function. */
  get seed(): u64 {
    return load<u64>(buffer, 32);
  }

  /** The device's id, or the entity's name. */
  get entity(): string {
    return text(buffer + HEADER_BYTES, this.entityLength);
  }

  /** The name in it: see `Code`. */
  get detail(): string {
    return text(buffer + HEADER_BYTES + this.entityLength, this.detailLength);
  }

  /** What was published or sent, as text. */
  get payload(): string {
    return text(this.payloadAt, this.payloadLength);
  }

  /** What was published or sent, as it is. */
  get payloadBytes(): Uint8Array {
    return bytes(this.payloadAt, this.payloadLength);
  }

  /** Where it comes from: see `Code`. */
  get source(): string {
    const at = this.payloadAt + this.payloadLength;
    return text(at, this.end - at);
  }

  private get entityLength(): usize {
    return load<u16>(buffer, 4);
  }

  private get detailLength(): usize {
    return load<u16>(buffer, 6);
  }

  private get payloadLength(): usize {
    return load<u32>(buffer, 10);
  }

  private get payloadAt(): usize {
    return buffer + HEADER_BYTES + this.entityLength + this.detailLength;
  }
}

function text(at: usize, length: usize): string {
  return String.UTF8.decodeUnsafe(at, length);
}

function bytes(at: usize, length: usize): Uint8Array {
  const copy = new Uint8Array(length as i32);
  memory.copy(copy.dataStart, at, length);
  return copy;
}
