/* Fields of a JSON object, read where they stand: enough for commands and twins, whose fields are numbers and yes or no. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_found {
    JSON_FOUND,
    /* The object has no such field. */
    JSON_MISSING,
    /* It is no object, or the field is of another type. */
    JSON_WRONG,
};

/* Other fields are passed over, whatever they are. `value` is changed by JSON_FOUND only. */
enum json_found json_object(const uint8_t *at, size_t count, const char *field,
                            const uint8_t **object, size_t *bytes);
enum json_found json_bool(const uint8_t *at, size_t count, const char *field, bool *value);
enum json_found json_u16(const uint8_t *at, size_t count, const char *field, uint16_t *value);

#endif
