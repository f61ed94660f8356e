/* The modem at the end of the line, which opens connections: frames of SLIP (RFC 1055) with a letter in front. */
#ifndef MODEM_H
#define MODEM_H

#include <stddef.h>
#include <stdint.h>

/* What came over the line. */
enum modem_event {
    MODEM_NOTHING,
    /* The connection is open. */
    MODEM_CONNECTED,
    /* A byte of it. */
    MODEM_BYTE,
    /* It has ended, or could not be opened. */
    MODEM_HUNG_UP,
};

/* Asks for a connection; one that is open is hung up. The answer is MODEM_CONNECTED or MODEM_HUNG_UP. */
void modem_dial(void);

/* Ends the connection; that is not answered. */
void modem_hang_up(void);

/* Writes bytes of the connection. */
void modem_write(const uint8_t *bytes, size_t count);

/* The next thing that came; its byte, if it is MODEM_BYTE. */
enum modem_event modem_next(uint8_t *byte);

#endif
