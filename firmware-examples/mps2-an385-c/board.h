/* Arm's MPS2 board with a Cortex-M3 (application note 385), as far as QEMU emulates it and this program needs it. */
#ifndef BOARD_H
#define BOARD_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Registers of a serial port (CMSDK APB UART), of which the board has one for the modem and one for the console. */
struct uart {
    volatile uint32_t data, state, control, interrupt, divider;
};

#define UART_STATE_SEND_FULL 1u
#define UART_STATE_RECEIVED 2u
#define UART_CONTROL_SEND 1u
#define UART_CONTROL_RECEIVE 2u
#define UART_CONTROL_RECEIVE_INTERRUPT 8u
#define UART_INTERRUPT_RECEIVED 2u
/* As fast as it goes. */
#define UART_DIVIDER_MIN 16u

/* Starts the clock, and the two ports. */
void clock_start(void);
void console_start(void);
void line_start(void);

/* Milliseconds since the start. */
uint64_t now_ms(void);

/* Says a line to whoever stands beside the board, waiting for each byte. */
void console_line(const struct text *text);

/* The line to the modem: takes a byte that came, and writes one, waiting for room. */
bool line_read(uint8_t *byte);
void line_write(uint8_t byte);

/* Starts anew. */
_Noreturn void restart(void);

/* Handlers of interrupts. */
void handle_tick(void);
void handle_line_received(void);

#endif
