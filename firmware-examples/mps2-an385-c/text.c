#include "text.h"

void text_put_bytes(struct text *text, const void *bytes, size_t count) {
    const char *from = bytes;
    for (size_t at = 0; at < count && text->count < TEXT_BYTES_MAX; at++) text->bytes[text->count++] = from[at];
}

void text_put(struct text *text, const char *words) {
    size_t count = 0;
    while (words[count] != 0) count++;
    text_put_bytes(text, words, count);
}

void text_put_number(struct text *text, uint32_t number) {
    /* As many as the largest number has. */
    char digits[10];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_put_bytes(text, digits + at, sizeof digits - at);
}
