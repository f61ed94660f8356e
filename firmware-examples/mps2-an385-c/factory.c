#include "factory.h"

#include "bytes.h"


/* Where the core sees the page: external RAM that QEMU keeps in a file. */
#define PAGE ((const uint8_t *)(0x21000000 + 0x110000))

/* The last byte is the version. */
static const char MAGIC[17] = "fleetfn factory\0\1";

#define KEYS_MAX 4u
#define KEY_BYTES 32u

static uint64_t little_endian(const uint8_t *bytes, size_t count) {
    uint64_t number = 0;
    while (count > 0) number = number << 8 | bytes[--count];
    return number;
}

/* FNV-1a. */
static uint64_t checksum(const uint8_t *bytes, const uint8_t *end) {
    uint64_t hash = 0xcbf29ce484222325;
    while (bytes < end) hash = (hash ^ *bytes++) * 0x100000001b3;
    return hash;
}

bool factory_read(struct factory *factory) {
    /* Lengths are bytes, and there are few keys: whatever they say, what is read lies in the page. */
    const uint8_t *at = PAGE;
    if (memcmp(at, MAGIC, sizeof MAGIC) != 0) return false;
    at += sizeof MAGIC;
    factory->name_bytes = *at++;
    factory->name = (const char *)at;
    at += factory->name_bytes;
    factory->token_bytes = *at++;
    factory->token = at;
    at += factory->token_bytes;
    factory->seed = (uint32_t)little_endian(at, sizeof factory->seed);
    at += sizeof factory->seed;
    size_t keys = *at++;
    if (keys > KEYS_MAX) return false;
    /* They may sign updates, which this program does not take. */
    at += keys * KEY_BYTES;
    return checksum(PAGE, at) == little_endian(at, sizeof(uint64_t));
}
