/* A piece of text that is put together: a line for the console, a payload in JSON. What does not fit is left out. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdint.h>

/* The longest line names a command, which the engine keeps to 64 bytes. */
#define TEXT_BYTES_MAX 128

struct text {
    size_t count;
    char bytes[TEXT_BYTES_MAX];
};

void text_put(struct text *text, const char *words);
void text_put_bytes(struct text *text, const void *bytes, size_t count);
void text_put_number(struct text *text, uint32_t number);

#endif
