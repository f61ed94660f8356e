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
    IN_DATA,
    BEHIND_ESCAPE,
} place;

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
    frame('D', NULL, 0);
}

void modem_hang_up(void) {
    frame('H', NULL, 0);
}

void modem_write(const uint8_t *bytes, size_t count) {
    frame('T', bytes, count);
}

static enum modem_event begin(uint8_t letter) {
    place = letter == 'T' ? IN_DATA : IN_NOISE;
    return letter == 'C' ? MODEM_CONNECTED : letter == 'H' ? MODEM_HUNG_UP : MODEM_NOTHING;
}

/* What a byte of the line brings; its meaning replaces it. */
static enum modem_event bring(uint8_t *byte) {
    if (*byte == END) {
        place = AT_LETTER;
        return MODEM_NOTHING;
    }
    switch (place) {
    case AT_LETTER:
        return begin(*byte);
    case IN_DATA:
        if (*byte != ESCAPE) return MODEM_BYTE;
        place = BEHIND_ESCAPE;
        return MODEM_NOTHING;
    case BEHIND_ESCAPE:
        place = *byte == ESCAPED_END || *byte == ESCAPED_ESCAPE ? IN_DATA : IN_NOISE;
        *byte = *byte == ESCAPED_END ? END : ESCAPE;
        return place == IN_DATA ? MODEM_BYTE : MODEM_NOTHING;
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
