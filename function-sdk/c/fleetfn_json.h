/* Reads members of a JSON object in place: no tree, no allocation, one pass for each member that is looked for.
 *
 *     double temperature;
 *     if (!fleetfn_json_number(event->payload, FLEETFN_STR("temperature"), &temperature)) return FLEETFN_BAD_PAYLOAD;
 *
 * Keys are compared as they are written, escapes and all. What is not looked for is only checked as far as it must
 * be to find its end. */
#ifndef FLEETFN_JSON_H
#define FLEETFN_JSON_H

#include "fleetfn.h"

/* Deepest nesting that is passed over. */
#define FLEETFN_JSON_DEPTH_MAX 64

static inline size_t fleetfn_json_space(struct fleetfn_bytes json, size_t at) {
    while (at < json.len && (json.at[at] == ' ' || json.at[at] == '\t' || json.at[at] == '\n' || json.at[at] == '\r'))
        at++;
    return at;
}

/* The place after the string that begins at `at`; 0 if there is none. */
static inline size_t fleetfn_json_after_string(struct fleetfn_bytes json, size_t at) {
    if (at >= json.len || json.at[at] != '"') return 0;
    for (at++; at < json.len; at++) {
        if (json.at[at] == '\\') at++;
        else if (json.at[at] == '"') return at + 1;
    }
    return 0;
}

/* The place after the value that begins at `at`; 0 if there is none. */
static inline size_t fleetfn_json_after_value(struct fleetfn_bytes json, size_t at) {
    unsigned depth = 0;
    for (; at < json.len; at++) {
        const char c = json.at[at];
        if (c == '"') {
            at = fleetfn_json_after_string(json, at);
            if (at == 0) return 0;
            if (depth == 0) return at;
            at--;
        } else if (c == '{' || c == '[') {
            if (++depth > FLEETFN_JSON_DEPTH_MAX) return 0;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
            return at;
        }
    }
    return depth == 0 ? at : 0;
}

/* Finds the value of a member of the object: as it is written, a string with its quotes. */
static inline bool fleetfn_json_find(struct fleetfn_bytes json, const char *key, size_t key_len,
                                     struct fleetfn_bytes *value) {
    size_t at = fleetfn_json_space(json, 0);
    if (at >= json.len || json.at[at] != '{') return false;
    for (at++; at < json.len; at++) {
        at = fleetfn_json_space(json, at);
        const size_t after_key = fleetfn_json_after_string(json, at);
        if (after_key == 0) return false;
        const bool found = after_key - at - 2 == key_len && fleetfn_equal(json.at + at + 1, key, key_len);
        at = fleetfn_json_space(json, after_key);
        if (at >= json.len || json.at[at] != ':') return false;
        at = fleetfn_json_space(json, at + 1);
        const size_t after = fleetfn_json_after_value(json, at);
        if (after <= at) return false;
        if (found) {
            *value = (struct fleetfn_bytes){json.at + at, after - at};
            return true;
        }
        at = fleetfn_json_space(json, after);
        if (at >= json.len || json.at[at] != ',') return false;
    }
    return false;
}

static inline bool fleetfn_json_digit(struct fleetfn_bytes text, size_t at) {
    return at < text.len && text.at[at] >= '0' && text.at[at] <= '9';
}

/* Reads a member that is a number, and not larger than a double can be. Exact to some 15 digits. */
static inline bool fleetfn_json_number(struct fleetfn_bytes json, const char *key, size_t key_len, double *number) {
    struct fleetfn_bytes text;
    if (!fleetfn_json_find(json, key, key_len, &text)) return false;
    const bool negative = text.at[0] == '-';
    size_t at = negative ? 1 : 0;
    double value = 0;
    int exponent = 0;
    if (!fleetfn_json_digit(text, at)) return false;
    for (; fleetfn_json_digit(text, at); at++) value = value * 10 + (text.at[at] - '0');
    if (at < text.len && text.at[at] == '.') {
        if (!fleetfn_json_digit(text, ++at)) return false;
        for (; fleetfn_json_digit(text, at); at++, exponent--) value = value * 10 + (text.at[at] - '0');
    }
    if (at < text.len && (text.at[at] == 'e' || text.at[at] == 'E')) {
        int sign = 1, power = 0;
        at++;
        if (at < text.len && (text.at[at] == '-' || text.at[at] == '+')) sign = text.at[at++] == '-' ? -1 : 1;
        if (!fleetfn_json_digit(text, at)) return false;
        for (; fleetfn_json_digit(text, at); at++)
            if (power < 1000) power = power * 10 + (text.at[at] - '0');
        exponent += sign * power;
    }
    if (at != text.len) return false;
    /* Beyond 400 every number but 0 is too large, or 0. */
    double scale = 1;
    for (int i = exponent < 0 ? -exponent : exponent, n = 0; i > 0 && n < 400; i--, n++) scale *= 10;
    if (value != 0) value = exponent < 0 ? value / scale : value * scale;
    if (value - value != 0) return false;
    *number = negative ? -value : value;
    return true;
}

/* Reads a member that is `true` or `false`. */
static inline bool fleetfn_json_bool(struct fleetfn_bytes json, const char *key, size_t key_len, bool *value) {
    struct fleetfn_bytes text;
    if (!fleetfn_json_find(json, key, key_len, &text)) return false;
    if (FLEETFN_IS(text, "true")) return *value = true, true;
    if (FLEETFN_IS(text, "false")) return *value = false, true;
    return false;
}

/* Reads a member that is a string without escapes: its text between the quotes. */
static inline bool fleetfn_json_string(struct fleetfn_bytes json, const char *key, size_t key_len,
                                       struct fleetfn_bytes *value) {
    struct fleetfn_bytes text;
    if (!fleetfn_json_find(json, key, key_len, &text) || text.len < 2 || text.at[0] != '"') return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '\\') return false;
    *value = (struct fleetfn_bytes){text.at + 1, text.len - 2};
    return true;
}

#endif
