/* The agent of the fleetfn device SDK, for firmware in C. Made by `cargo xtask header`, do not edit.
 *
 * A device lives in memory of the caller's, with two buffers of the caller's. There is no allocator, no clock, no thread
 * and no socket: bytes, time and chance are arguments. Calls with one device must not overlap. Pointers are null or point to
 * what they say; null where something is needed is answered with FLEETFN_STATUS_NULL_POINTER. */

#ifndef FLEETFN_DEVICE_H
#define FLEETFN_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Words of 64 bits in a device.
#define FLEETFN_DEVICE_WORDS 120

// A time that does not come: the answer of `fleetfn_device_deadline` if nothing is due.
#define FLEETFN_DEVICE_NEVER_MS UINT64_MAX

// How a call went. Nothing is changed by one that fails, but for `SILENCE` and `VIOLATION`, which end the connection.
enum fleetfn_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It was done.
    FLEETFN_STATUS_OK = 0,
    // A pointer is null, or a length is beyond what there can be.
    FLEETFN_STATUS_NULL_POINTER = 1,
    // The state was never given to `fleetfn_device_init`, or was overwritten.
    FLEETFN_STATUS_NOT_INITIALISED = 2,
    // A text is not UTF-8.
    FLEETFN_STATUS_NOT_UTF8 = 3,
    // The device's name is none.
    FLEETFN_STATUS_DEVICE_NAME = 4,
    // A channel or command name is none.
    FLEETFN_STATUS_TOPIC_NAME = 5,
    // A buffer is too small for it, whenever it is tried again; or the server takes no packet of that length.
    FLEETFN_STATUS_TOO_LONG = 6,
    // The server does not offer it.
    FLEETFN_STATUS_NOT_OFFERED = 7,
    // There is a connection already.
    FLEETFN_STATUS_CONNECTED = 8,
    // Not now: there is no connection.
    FLEETFN_STATUS_OFFLINE = 9,
    // Not now: the send buffer is full until something is acknowledged.
    FLEETFN_STATUS_FULL = 10,
    // The server did not answer in time: close the transport.
    FLEETFN_STATUS_SILENCE = 11,
    // The server broke the standard: write what is left to be written, then close the transport.
    FLEETFN_STATUS_VIOLATION = 12,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fleetfn_status fleetfn_status;
#else
typedef uint32_t fleetfn_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What kind of a thing happened.
enum fleetfn_notice_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Nothing more, until bytes come or are written.
    FLEETFN_NOTICE_KIND_NOTHING = 0,
    // The server has accepted.
    FLEETFN_NOTICE_KIND_CONNECTED = 1,
    // Commands and twin are listened to.
    FLEETFN_NOTICE_KIND_LISTENING = 2,
    // The device is asked to do something: `name`, `payload`, `effect`, `expiry_s`.
    FLEETFN_NOTICE_KIND_COMMAND = 3,
    // What the device is to become: `payload`, its version and the whole desired part of its twin.
    FLEETFN_NOTICE_KIND_DESIRED = 4,
    // An effect that has arrived before, and there is nothing to do: `effect`.
    FLEETFN_NOTICE_KIND_REPEATED = 5,
    // A message that nothing here has a meaning for: `name` is its topic, `payload`.
    FLEETFN_NOTICE_KIND_OTHER = 6,
    // What was sent as `id` is durable with the engine, or was refused if `reason` is 128 or more.
    FLEETFN_NOTICE_KIND_DELIVERED = 7,
    // What was sent as `id` will not be sent again, and nothing is known of it.
    FLEETFN_NOTICE_KIND_LOST = 8,
    // The server refuses the connection or a subscription, or ends the connection: `reason`.
    FLEETFN_NOTICE_KIND_REFUSED = 9,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum fleetfn_notice_kind fleetfn_notice_kind;
#else
typedef uint32_t fleetfn_notice_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A device of the fleet, in memory of the caller's. What is in it is no one's business but this library's. It may not be
// moved once it is initialised.
typedef struct fleetfn_device {
    uint64_t words[FLEETFN_DEVICE_WORDS];
} fleetfn_device;

// Who the device is, how it keeps in touch, and its memory. Buffers and token must outlive the device; the name is copied.
typedef struct fleetfn_config {
    // What `fleetfn device add` was given.
    const char *name;
    // Length of the name.
    size_t name_bytes;
    // What `fleetfn device add` showed.
    const void *token;
    // Length of the token.
    size_t token_bytes;
    // Seconds between packets, at most; 60 is usual, 0 is never.
    uint16_t keep_alive_s;
    // Room for the longest packet that comes.
    void *receive;
    // Length of that room.
    size_t receive_bytes;
    // Room for what waits to be sent or acknowledged.
    void *send;
    // Length of that room.
    size_t send_bytes;
} fleetfn_config;

// Bytes that lie in the receive buffer until the next call with the same device.
typedef struct fleetfn_bytes {
    // Where they begin; null if there are none.
    const uint8_t *at;
    // How many there are.
    size_t count;
} fleetfn_bytes;

// Something that happened. Fields that its kind does not have are empty or 0.
typedef struct fleetfn_notice {
    // What happened.
    fleetfn_notice_kind kind;
    // Of what was sent.
    uint16_t id;
    // Code of MQTT 5, section 2.4.
    uint8_t reason;
    // Of a command, or a topic.
    struct fleetfn_bytes name;
    // Any bytes.
    struct fleetfn_bytes payload;
    // The effect that it is, in text form; none if the server sends none, and then it may come again.
    struct fleetfn_bytes effect;
    // Seconds after which it is pointless; 0 if it never is.
    uint32_t expiry_s;
} fleetfn_notice;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Makes a device that has never been connected; it wants to be at once.
//
// # Safety
// `device` and `config` are null or point to what they say; buffers and token stay where they are, and nobody else uses
// the buffers, for as long as the device is used.
fleetfn_status fleetfn_device_init(struct fleetfn_device *device,
                                   const struct fleetfn_config *config);

// Whether a transport is to be opened now: then try, and say how it went with `fleetfn_device_opened` or
// `fleetfn_device_closed`.
//
// # Safety
// `device` is null or points to one.
bool fleetfn_device_wants_transport(struct fleetfn_device *device, uint64_t now_ms);

// A fresh transport is open.
//
// # Safety
// `device` is null or points to one.
fleetfn_status fleetfn_device_opened(struct fleetfn_device *device, uint64_t now_ms);

// The transport is closed or could not be opened. The next one is wanted after a wait that doubles with each failure and
// that `random`, any number, spreads.
//
// # Safety
// `device` is null or points to one.
fleetfn_status fleetfn_device_closed(struct fleetfn_device *device,
                                     uint64_t now_ms,
                                     uint32_t random);

// Whether the transport is to be closed now; say so with `fleetfn_device_closed`.
//
// # Safety
// `device` is null or points to one.
bool fleetfn_device_is_closed(struct fleetfn_device *device);

// Where bytes that come are to be put; there is no room while CONNECT is not written, and while there are notices.
//
// # Safety
// `device`, `space` and `count` are null or point to what they say.
fleetfn_status fleetfn_device_receive_space(struct fleetfn_device *device,
                                            uint8_t **space,
                                            size_t *count);

// So many bytes were put into `fleetfn_device_receive_space`.
//
// # Safety
// `device` is null or points to one.
fleetfn_status fleetfn_device_received(struct fleetfn_device *device, size_t count, uint64_t now_ms);

// Bytes to be written to the transport; none if nothing is to be written now. Say how many were with
// `fleetfn_device_transmitted`, then ask again.
//
// # Safety
// `device`, `bytes` and `count` are null or point to what they say.
fleetfn_status fleetfn_device_transmit(struct fleetfn_device *device, const uint8_t **bytes, size_t *count);

// So many bytes of `fleetfn_device_transmit` were written.
//
// # Safety
// `device` is null or points to one.
fleetfn_status fleetfn_device_transmitted(struct fleetfn_device *device, size_t count, uint64_t now_ms);

// When to look again, if nothing changes before: `fleetfn_device_timeout` and `fleetfn_device_wants_transport`.
// `FLEETFN_DEVICE_NEVER_MS` if nothing is due.
//
// # Safety
// `device` is null or points to one.
uint64_t fleetfn_device_deadline(struct fleetfn_device *device);

// Does what is due; nothing if nothing is. `SILENCE` says to close the transport.
//
// # Safety
// `device` is null or points to one.
fleetfn_status fleetfn_device_timeout(struct fleetfn_device *device, uint64_t now_ms);

// The next thing that happened. Acknowledges the command or twin that it gave before. What it points to stays until the
// next call with this device.
//
// # Safety
// `device` and `notice` are null or point to what they say.
fleetfn_status fleetfn_device_next_notice(struct fleetfn_device *device,
                                          struct fleetfn_notice *notice);

// Sends a reading on a channel of one or more levels. It is kept until the engine has it on disk. `id`, if it is not null,
// gets the number by which `DELIVERED` names it.
//
// # Safety
// All pointers are null or point to what they say, `channel` and `payload` to so many bytes.
fleetfn_status fleetfn_device_send(struct fleetfn_device *device,
                                   const char *channel,
                                   size_t channel_bytes,
                                   const void *payload,
                                   size_t payload_bytes,
                                   uint16_t *id);

// Answers a command by its name. The name may lie in the notice that brought it.
//
// # Safety
// All pointers are null or point to what they say, `command` and `payload` to so many bytes.
fleetfn_status fleetfn_device_reply(struct fleetfn_device *device,
                                    const char *command,
                                    size_t command_bytes,
                                    const void *payload,
                                    size_t payload_bytes,
                                    uint16_t *id);

// Says what the device is: a JSON object that the engine merges into the reported part of its twin.
//
// # Safety
// All pointers are null or point to what they say, `reported` to so many bytes.
fleetfn_status fleetfn_device_report(struct fleetfn_device *device,
                                     const void *reported,
                                     size_t reported_bytes,
                                     uint16_t *id);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FLEETFN_DEVICE_H */
