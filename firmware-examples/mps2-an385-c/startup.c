/* From reset to main: the vector table, the memory of the program, and the end of a program that fails. */
#include "board.h"
#include "bytes.h"


/* Where the linker script puts what. */
extern uint32_t stack_end[];
extern uint8_t data_start[], data_end[], data_image[], bss_start[], bss_end[];

int main(void);
_Noreturn void handle_reset(void);

/* Application interrupt and reset control (ARMv7-M, B3.2.6). */
#define RESET REGISTER(0xe000ed0c)
#define RESET_REQUEST 0x05fa0004u

_Noreturn void restart(void) {
    RESET = RESET_REQUEST;
    for (;;) {
    }
}

_Noreturn void handle_reset(void) {
    memcpy(data_start, data_image, (size_t)(data_end - data_start));
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    main();
    restart();
}

typedef void (*handler)(void);

/* The vectors of the core (ARMv7-M, B1.5.3), and the first of the board: a byte came over the line. A fault starts anew. */
__attribute__((section(".vectors"), used)) static const handler VECTORS[] = {
    (handler)stack_end,
    handle_reset,
    [2 ... 6] = restart,
    [11 ... 12] = restart,
    [14] = restart,
    [15] = handle_tick,
    [16] = handle_line_received,
};
