/* UART 0: the line to the modem. The interrupt puts what comes into a ring, from which the program takes it. When the ring
 * is full the next byte stays in the port, whose interrupt is off until there is room. */
#include "board.h"

#define UART ((struct uart *)0x40004000)

/* The interrupt of the port, number 0 of the board: bit 0 of what enables and of what raises it (ARMv7-M, B3.4). */
#define INTERRUPT_ENABLE REGISTER(0xe000e100)
#define INTERRUPT_RAISE REGISTER(0xe000e200)
#define INTERRUPT_OF_LINE 1u

/* What came and was not taken: some packets. A power of two, so that the counts may wrap. */
#define RING_BYTES 512u

static volatile uint8_t ring[RING_BYTES];
/* Bytes that came, which only the interrupt counts, and bytes that were taken, which only the program does. */
static volatile uint32_t came, taken;

#define CONTROL_QUIET (UART_CONTROL_SEND | UART_CONTROL_RECEIVE)
#define CONTROL_LISTENING (CONTROL_QUIET | UART_CONTROL_RECEIVE_INTERRUPT)

void line_start(void) {
    UART->divider = UART_DIVIDER_MIN;
    UART->control = CONTROL_LISTENING;
    INTERRUPT_ENABLE = INTERRUPT_OF_LINE;
}

void handle_line_received(void) {
    /* First, so that a byte that comes meanwhile interrupts again. */
    UART->interrupt = UART_INTERRUPT_RECEIVED;
    if (UART->state & UART_STATE_RECEIVED) {
        if (came - taken == RING_BYTES) {
            UART->control = CONTROL_QUIET;
        } else {
            ring[came % RING_BYTES] = (uint8_t)UART->data;
            came++;
        }
    }
}

bool line_read(uint8_t *byte) {
    if (came == taken) return false;
    *byte = ring[taken % RING_BYTES];
    taken++;
    if (UART->control != CONTROL_LISTENING) {
        UART->control = CONTROL_LISTENING;
        /* The byte that waits in the port came while nobody listened. */
        INTERRUPT_RAISE = INTERRUPT_OF_LINE;
    }
    return true;
}

void line_write(uint8_t byte) {
    while (UART->state & UART_STATE_SEND_FULL) {
    }
    UART->data = byte;
}
