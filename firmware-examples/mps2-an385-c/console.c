/* UART 1: the console. */
#include "board.h"

#define UART ((struct uart *)0x40005000)

void console_start(void) {
    UART->divider = UART_DIVIDER_MIN;
    UART->control = UART_CONTROL_SEND;
}

static void put(char byte) {
    while (UART->state & UART_STATE_SEND_FULL) {
    }
    UART->data = (uint8_t)byte;
}

void console_line(const struct text *text) {
    for (size_t at = 0; at < text->count; at++) put(text->bytes[at]);
    put('\n');
}
