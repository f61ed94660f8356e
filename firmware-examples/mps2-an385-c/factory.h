/* What a factory wrote into the flash of this device: who it is. The form is that of device-sdk/src/factory.rs. */
#ifndef FACTORY_H
#define FACTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct factory {
    const char *name;
    size_t name_bytes;
    const uint8_t *token;
    size_t token_bytes;
    /* Any number, another one for each device. */
    uint32_t seed;
};

/* Reads it; false if it is not there, or damaged. What it points to lies in flash. */
bool factory_read(struct factory *factory);

#endif
