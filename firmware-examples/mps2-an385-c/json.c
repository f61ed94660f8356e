#include "json.h"

/* What is left to be read. */
struct reader {
    const uint8_t *at, *end;
};

static void pass_space(struct reader *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r')) in->at++;
}

/* Passes over that byte and the space around it, if it is next. */
static bool take(struct reader *in, uint8_t byte) {
    pass_space(in);
    if (in->at == in->end || *in->at != byte) return false;
    in->at++;
    pass_space(in);
    return true;
}

/* Takes a string; `inside` is what stands between its quotes, with its escapes. */
static bool take_string(struct reader *in, struct reader *inside) {
    if (in->at == in->end || *in->at != '"') return false;
    inside->at = ++in->at;
    while (in->at < in->end && *in->at != '"') in->at += *in->at == '\\' && in->end - in->at > 1 ? 2 : 1;
    inside->end = in->at;
    if (in->at == in->end) return false;
    in->at++;
    return true;
}

/* Takes a value of any type, as it stands: up to the comma or brace behind it. */
static bool take_value(struct reader *in, struct reader *value) {
    uint32_t depth = 0;
    struct reader inside;
    value->at = in->at;
    while (in->at < in->end) {
        uint8_t byte = *in->at;
        if (byte == '"') {
            if (!take_string(in, &inside)) return false;
            continue;
        }
        if (depth == 0 && (byte == ',' || byte == '}')) break;
        if (byte == '{' || byte == '[') depth++;
        if (byte == '}' || byte == ']') {
            if (depth == 0) return false;
            depth--;
        }
        in->at++;
    }
    value->end = in->at;
    while (value->end > value->at && value->end[-1] <= ' ') value->end--;
    return depth == 0 && value->at < value->end;
}

static bool is(const struct reader *text, const char *words) {
    const uint8_t *at = text->at;
    while (at < text->end && *words != 0 && *at == (uint8_t)*words) at++, words++;
    return at == text->end && *words == 0;
}

static enum json_found find(struct reader in, const char *field, struct reader *value) {
    enum json_found found = JSON_MISSING;
    if (!take(&in, '{')) return JSON_WRONG;
    if (take(&in, '}')) return in.at == in.end ? JSON_MISSING : JSON_WRONG;
    do {
        struct reader name, here;
        if (!take_string(&in, &name) || !take(&in, ':') || !take_value(&in, &here)) return JSON_WRONG;
        if (is(&name, field)) {
            *value = here;
            found = JSON_FOUND;
        }
    } while (take(&in, ','));
    return take(&in, '}') && in.at == in.end ? found : JSON_WRONG;
}

enum json_found json_object(const uint8_t *at, size_t count, const char *field,
                            const uint8_t **object, size_t *bytes) {
    struct reader text;
    enum json_found found = find((struct reader){at, at + count}, field, &text);
    if (found != JSON_FOUND) return found;
    if (*text.at != '{') return JSON_WRONG;
    *object = text.at;
    *bytes = (size_t)(text.end - text.at);
    return JSON_FOUND;
}

enum json_found json_bool(const uint8_t *at, size_t count, const char *field, bool *value) {
    struct reader text;
    enum json_found found = find((struct reader){at, at + count}, field, &text);
    if (found != JSON_FOUND) return found;
    bool yes = is(&text, "true");
    if (!yes && !is(&text, "false")) return JSON_WRONG;
    *value = yes;
    return JSON_FOUND;
}

enum json_found json_u16(const uint8_t *at, size_t count, const char *field, uint16_t *value) {
    struct reader text;
    enum json_found found = find((struct reader){at, at + count}, field, &text);
    if (found != JSON_FOUND) return found;
    uint32_t number = 0;
    for (const uint8_t *digit = text.at; digit < text.end; digit++) {
        if (*digit < '0' || *digit > '9') return JSON_WRONG;
        number = number * 10 + (uint32_t)(*digit - '0');
        if (number > UINT16_MAX) return JSON_WRONG;
    }
    *value = (uint16_t)number;
    return JSON_FOUND;
}
