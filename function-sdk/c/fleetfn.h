/* The guest interface of fleetfn, version 1, for functions in C (clang, target wasm32, no C library).
 *
 * A function is one handler, made known by FLEETFN_FUNCTION:
 *
 *     static int32_t handle(const struct fleetfn_event *event) {
 *         return fleetfn_command("beep", 4, event->payload.at, event->payload.len, 0);
 *     }
 *     FLEETFN_FUNCTION(handle, 4096)
 *
 * Its manifest is `fleetfn.json` beside the source; `fleetfn fn build` compiles and puts the two together. To be
 * included by one source file of a function. Everything here is bounded and allocates nothing. */
#ifndef FLEETFN_H
#define FLEETFN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLEETFN_ABI_VERSION 1

/* Result of a host call: there is nothing under that key. */
#define FLEETFN_MISSING (-1)

/* Longest state key, longest name of a timer, message or metric, and longest state value, in bytes. */
#define FLEETFN_KEY_BYTES_MAX 256
#define FLEETFN_NAME_BYTES_MAX 128
#define FLEETFN_VALUE_BYTES_MAX 65536

/* What a handler returns for a payload that it does not understand, as the SDKs of other languages do. Codes of
 * its own are 1 and above; 0 commits its effects. */
#define FLEETFN_BAD_PAYLOAD (-1)

/* ---- What the host offers. Pointers and lengths; a result of 0 or more is a length or plain success. A pointer
 * outside of memory, a missing grant or a passed limit ends the invocation: there is no result to check. ---- */

#define FLEETFN_IMPORT(name) __attribute__((import_module("fleetfn_v1"), import_name(name)))

/* Reads the value of a key of the event's entity into `out`; its full length, or FLEETFN_MISSING. */
FLEETFN_IMPORT("state_get")
int32_t fleetfn_state_get(const void *key, size_t key_len, void *out, size_t out_cap);

/* Keeps a value under a key of the event's entity. */
FLEETFN_IMPORT("state_put")
int32_t fleetfn_state_put(const void *key, size_t key_len, const void *value, size_t value_len);

/* Keeps a value for `ttl_s` seconds after the event's time, at least 1. */
FLEETFN_IMPORT("state_put_expiring")
int32_t fleetfn_state_put_expiring(const void *key, size_t key_len, const void *value, size_t value_len,
                                   uint32_t ttl_s);

/* Forgets a key of the event's entity; forgetting what is not there is no error. */
FLEETFN_IMPORT("state_delete")
int32_t fleetfn_state_delete(const void *key, size_t key_len);

/* Writes entries with keys under `prefix` and above `after` into `out`, ascending, each as `key_len u16 |
 * value_len u32 | key | value`, as many as fit; the bytes written, 0 when there are no more. More than `out_cap`
 * is the length of a first entry that does not fit. */
FLEETFN_IMPORT("state_scan")
int32_t fleetfn_state_scan(const void *prefix, size_t prefix_len, const void *after, size_t after_len, void *out,
                           size_t out_cap);

/* Publishes on a shared topic under a `publish` filter of the manifest. */
FLEETFN_IMPORT("publish")
int32_t fleetfn_publish(const char *topic, size_t topic_len, const void *payload, size_t payload_len);

/* Sends a command to the event's device; pointless after `ttl_s` seconds, 0 for never. Manifest: `command`. */
FLEETFN_IMPORT("command")
int32_t fleetfn_command(const char *name, size_t name_len, const void *payload, size_t payload_len, uint32_t ttl_s);

/* Like fleetfn_command, and a reply event with the source `timeout` if none has come after `timeout_s` seconds. */
FLEETFN_IMPORT("command_await")
int32_t fleetfn_command_await(const char *name, size_t name_len, const void *payload, size_t payload_len,
                              uint32_t ttl_s, uint32_t timeout_s);

/* Sends a message to an entity (`devices/ID` or another name) under a `send` filter of the manifest, `delay_s`
 * seconds from now, exactly once. */
FLEETFN_IMPORT("send")
int32_t fleetfn_send(const char *entity, size_t entity_len, const char *name, size_t name_len, const void *payload,
                     size_t payload_len, uint32_t delay_s);

/* Sets or replaces the timer of a name: an event of this entity after `delay_s` seconds, at least 1. */
FLEETFN_IMPORT("timer_set")
int32_t fleetfn_timer_set(const char *name, size_t name_len, const void *payload, size_t payload_len,
                          uint32_t delay_s);

/* Cancels the timer of a name. */
FLEETFN_IMPORT("timer_cancel")
int32_t fleetfn_timer_cancel(const char *name, size_t name_len);

/* Writes the twin of the event's device as JSON into `out`: version, desired, reported, delta; its full length. */
FLEETFN_IMPORT("twin_get")
int32_t fleetfn_twin_get(void *out, size_t out_cap);

/* Merges a JSON object into the desired part of the twin (RFC 7396). Manifest: `twin`. */
FLEETFN_IMPORT("twin_patch")
int32_t fleetfn_twin_patch(const char *patch, size_t patch_len);

/* Makes an HTTP request; the response comes as a message `response/TAG`. Headers are `Name: value` lines. The URL
 * begins with one of the manifest's `http`; `timeout_s` is 1 to 60. */
FLEETFN_IMPORT("http")
int32_t fleetfn_http(const char *tag, size_t tag_len, const char *method, size_t method_len, const char *url,
                     size_t url_len, const char *headers, size_t headers_len, const void *body, size_t body_len,
                     uint32_t timeout_s);

/* Answers the HTTP request that the event is. */
FLEETFN_IMPORT("respond")
int32_t fleetfn_respond(uint32_t status, const char *type, size_t type_len, const void *body, size_t body_len);

/* Reads a value of the function's configuration into `out`; its full length, or FLEETFN_MISSING. */
FLEETFN_IMPORT("config_get")
int32_t fleetfn_config_get(const char *key, size_t key_len, void *out, size_t out_cap);

enum fleetfn_metric_kind { FLEETFN_COUNTER = 0, FLEETFN_GAUGE = 1 };

/* Adds to a counter or sets a gauge of the function. */
FLEETFN_IMPORT("metric")
int32_t fleetfn_metric(enum fleetfn_metric_kind kind, const char *name, size_t name_len, const double *value);

enum fleetfn_level { FLEETFN_DEBUG = 0, FLEETFN_INFO = 1, FLEETFN_WARN = 2, FLEETFN_ERROR = 3 };

/* Writes a log line. */
FLEETFN_IMPORT("log")
int32_t fleetfn_log(enum fleetfn_level level, const char *text, size_t text_len);

/* ---- The event ---- */

enum fleetfn_code {
    FLEETFN_TELEMETRY = 1, /* detail: the channel */
    FLEETFN_PRESENCE = 2,  /* detail: `connected` or `disconnected`; source: the reason */
    FLEETFN_QUIET = 3,     /* nothing came for the time of the trigger */
    FLEETFN_TWIN = 4,      /* payload: what the device reported */
    FLEETFN_TIMER = 5,     /* detail: the timer's name */
    FLEETFN_CRON = 6,      /* detail: the trigger's expression */
    FLEETFN_MESSAGE = 7,   /* detail: its name; source: the entity that sent it */
    FLEETFN_REPLY = 8,     /* detail: the command; source: `device` or `timeout` */
    FLEETFN_HTTP = 9,      /* detail: the path below the function; source: the method */
    FLEETFN_RESPONSE = 10, /* detail: `response/TAG`; source: the status, or 0 and why there is none */
    FLEETFN_UPDATE_OFFER = 11,  /* a device is about to be offered a release; payload: JSON */
    FLEETFN_UPDATE_REPORT = 12, /* the job of a device has come a step further; payload: JSON */
    FLEETFN_GATE = 13,          /* a rollout asks whether to go on; payload: JSON; source: its entity */
};

/* Bytes somewhere in memory; text has no zero at its end. */
struct fleetfn_bytes {
    const char *at;
    size_t len;
};

/* What happened. Its parts point into the event's buffer and live as long as the handler runs. */
struct fleetfn_event {
    enum fleetfn_code code;
    uint16_t trigger; /* which of the manifest's triggers fired, from 0 */
    bool is_device;   /* whether the entity is a device */
    uint64_t offset;  /* its place in the log */
    uint64_t received_at_ms; /* since 1970: the only clock */
    uint64_t seed;    /* for randomness: the same whenever this event is handled by this function */
    struct fleetfn_bytes entity; /* the device's id, or the entity's name */
    struct fleetfn_bytes detail;
    struct fleetfn_bytes payload;
    struct fleetfn_bytes source;
};

#define FLEETFN_HEADER_BYTES 40

static inline uint64_t fleetfn_read_le(const uint8_t *at, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* Takes an event apart; false if it is cut short or of another version of the interface. */
static inline bool fleetfn_event_read(const uint8_t *bytes, size_t len, struct fleetfn_event *event) {
    if (len < FLEETFN_HEADER_BYTES || fleetfn_read_le(bytes, 2) != FLEETFN_ABI_VERSION) return false;
    const size_t entity = (size_t)fleetfn_read_le(bytes + 4, 2);
    const size_t detail = (size_t)fleetfn_read_le(bytes + 6, 2);
    const size_t payload = (size_t)fleetfn_read_le(bytes + 10, 4);
    const size_t names = FLEETFN_HEADER_BYTES + entity + detail;
    if (names > len || payload > len - names) return false;
    const char *text = (const char *)bytes + FLEETFN_HEADER_BYTES;
    event->code = (enum fleetfn_code)fleetfn_read_le(bytes + 2, 2);
    event->trigger = (uint16_t)fleetfn_read_le(bytes + 8, 2);
    event->is_device = bytes[14] == 1;
    event->offset = fleetfn_read_le(bytes + 16, 8);
    event->received_at_ms = fleetfn_read_le(bytes + 24, 8);
    event->seed = fleetfn_read_le(bytes + 32, 8);
    event->entity = (struct fleetfn_bytes){text, entity};
    event->detail = (struct fleetfn_bytes){text + entity, detail};
    event->payload = (struct fleetfn_bytes){text + entity + detail, payload};
    event->source = (struct fleetfn_bytes){text + entity + detail + payload, len - names - payload};
    return true;
}

/* ---- The module's exports ---- */

#define FLEETFN_EXPORT(name) __attribute__((export_name(name), used))

/* Makes `handler`, an `int32_t (const struct fleetfn_event *)`, the function of this module: 0 commits what it
 * asked for, anything else drops it and makes the event a dead letter. Payloads of up to `payload_max` bytes fit;
 * an event with a longer one becomes a dead letter without running the handler. */
#define FLEETFN_FUNCTION(handler, payload_max)                                                                     \
    static uint8_t fleetfn_buffer_[FLEETFN_HEADER_BYTES + 1024 + (payload_max)] __attribute__((aligned(8)));       \
    FLEETFN_EXPORT("fleetfn_v1_buffer") int64_t fleetfn_buffer_export_(void) {                                     \
        return (int64_t)((uint64_t)sizeof(fleetfn_buffer_) << 32 | (uint64_t)(uintptr_t)fleetfn_buffer_);          \
    }                                                                                                              \
    FLEETFN_EXPORT("fleetfn_v1_on_event") int32_t fleetfn_on_event_export_(int32_t len) {                          \
        struct fleetfn_event event;                                                                                \
        if (!fleetfn_event_read(fleetfn_buffer_, (size_t)len, &event)) return -5;                                  \
        return handler(&event);                                                                                    \
    }

/* Makes `migration`, an `int32_t (uint32_t from)`, what brings an entity's state to the manifest's
 * `state_version`: it reads and writes the state, and returns 0. */
#define FLEETFN_MIGRATION(migration)                                                                               \
    FLEETFN_EXPORT("fleetfn_v1_migrate") int32_t fleetfn_migrate_export_(int32_t from) {                           \
        return migration((uint32_t)from);                                                                          \
    }

/* ---- Small things that a function without a C library needs ---- */

/* A literal as two arguments: `fleetfn_publish(FLEETFN_STR("alerts/hot"), ...)`. */
#define FLEETFN_STR(literal) (literal), (sizeof(literal) - 1)

/* Whether bytes are those of a literal. */
#define FLEETFN_IS(bytes, literal)                                                                                 \
    ((bytes).len == sizeof(literal) - 1 && fleetfn_equal((bytes).at, (literal), sizeof(literal) - 1))

static inline bool fleetfn_equal(const void *one, const void *other, size_t len) {
    const char *a = (const char *)one, *b = (const char *)other;
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i]) return false;
    return true;
}

/* The compiler may call these for assignments of structures; a function that links a C library has them already. */
__attribute__((weak, no_builtin("memcpy"))) void *memcpy(void *restrict to, const void *restrict from, size_t len) {
    for (size_t i = 0; i < len; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

__attribute__((weak, no_builtin("memset"))) void *memset(void *to, int byte, size_t len) {
    for (size_t i = 0; i < len; i++) ((char *)to)[i] = (char)byte;
    return to;
}

/* Text that is put together in a buffer of fixed size; what does not fit is cut off. */
struct fleetfn_writer {
    char *at;
    size_t cap;
    size_t len;
};

static inline void fleetfn_write(struct fleetfn_writer *writer, const char *text, size_t len) {
    for (size_t i = 0; i < len && writer->len < writer->cap; i++) writer->at[writer->len++] = text[i];
}

static inline void fleetfn_write_whole(struct fleetfn_writer *writer, uint64_t number) {
    char digits[20];
    size_t at = sizeof(digits);
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    fleetfn_write(writer, digits + at, sizeof(digits) - at);
}

/* Writes a number with `decimals` (at most 9) digits after the point, rounded; what is not finite or beyond 1e15
 * is written as `null`. */
static inline void fleetfn_write_number(struct fleetfn_writer *writer, double number, unsigned decimals) {
    if (!(number > -1e15 && number < 1e15)) {
        fleetfn_write(writer, FLEETFN_STR("null"));
        return;
    }
    uint64_t scale = 1;
    for (unsigned i = 0; i < decimals && i < 9; i++) scale *= 10;
    if (number < 0) {
        fleetfn_write(writer, "-", 1);
        number = -number;
    }
    const uint64_t whole = (uint64_t)number;
    uint64_t part = (uint64_t)((number - (double)whole) * (double)scale + 0.5);
    fleetfn_write_whole(writer, whole + part / scale);
    part %= scale;
    if (scale == 1) return;
    fleetfn_write(writer, ".", 1);
    while ((scale /= 10) != 0) fleetfn_write(writer, &"0123456789"[part / scale % 10], 1);
}

/* Writes what a writer holds as a log line. */
static inline void fleetfn_log_written(enum fleetfn_level level, const struct fleetfn_writer *writer) {
    fleetfn_log(level, writer->at, writer->len);
}

#endif
