#include "modem.h"

#include "board.h"

#define END 0xc0
#define ESCAPE 0xdb
#define ESCAPED_END 0xdc
#define ESCAPED_ESCAPE 0xdd

/* What the next byte of the line is. */
static enum {
    /* Of what is no frame of ours, or of one that has nothing more to say: passed over. */
    IN_NOISE,
    AT_LETTER,
    IN_FRAME,
    BEHIND_ESCAPE,
} place;

/* The letter of the frame. */
static uint8_t kind;

/* Number of the line that was dialled last: what is said about an earlier one may come late. */
static uint8_t dialled;

static void frame(uint8_t letter, const uint8_t *bytes, size_t count) {
    line_write(END);
    line_write(letter);
    for (size_t at = 0; at < count; at++) {
        if (bytes[at] != END && bytes[at] != ESCAPE) {
            line_write(bytes[at]);
            continue;
        }
        line_write(ESCAPE);
        line_write(bytes[at] == END ? ESCAPED_END : ESCAPED_ESCAPE);
    }
    line_write(END);
}

void modem_dial(void) {
    dialled++;
    frame('D', &dialled, 1);
}

void modem_hang_up(void) {
    frame('H', &dialled, 1);
}

void modem_write(const uint8_t *bytes, size_t count) {
    frame('T', bytes, count);
}

/* What a byte in a frame brings: one of a connection, or the number of what is said about one. */
static enum modem_event take(uint8_t byte) {
    if (kind == 'T') return MODEM_BYTE;
    place = IN_NOISE;
    if (byte != dialled) return MODEM_NOTHING;
    return kind == 'C' ? MODEM_CONNECTED : kind == 'H' ? MODEM_HUNG_UP : MODEM_NOTHING;
}

/* What a byte of the line brings; its meaning replaces it. */
static enum modem_event bring(uint8_t *byte) {
    if (*byte == END) {
        place = AT_LETTER;
        return MODEM_NOTHING;
    }
    switch (place) {
    case AT_LETTER:
        kind = *byte;
        place = IN_FRAME;
        return MODEM_NOTHING;
    case IN_FRAME:
        if (*byte != ESCAPE) return take(*byte);
        place = BEHIND_ESCAPE;
        return MODEM_NOTHING;
    case BEHIND_ESCAPE:
        if (*byte != ESCAPED_END && *byte != ESCAPED_ESCAPE) {
            place = IN_NOISE;
            return MODEM_NOTHING;
        }
        place = IN_FRAME;
        *byte = *byte == ESCAPED_END ? END : ESCAPE;
        return take(*byte);
    case IN_NOISE:
        return MODEM_NOTHING;
    }
    return MODEM_NOTHING;
}

enum modem_event modem_next(uint8_t *byte) {
    enum modem_event event = MODEM_NOTHING;
    while (event == MODEM_NOTHING && line_read(byte)) event = bring(byte);
    return event;
}
