/* What the compiler wants of a C library, and finds in the one of the device SDK. */
#ifndef BYTES_H
#define BYTES_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);
int memcmp(const void *one, const void *other, size_t count);

#endif
