/* Time: the core's own timer counts milliseconds, and wakes a core that sleeps. */
#include "board.h"

/* The timer (ARMv7-M, B3.3). */
#define TIMER_CONTROL REGISTER(0xe000e010)
#define TIMER_RELOAD REGISTER(0xe000e014)
#define TIMER_CURRENT REGISTER(0xe000e018)
/* It counts cycles of the core, and interrupts. */
#define TIMER_CONTROL_ON 7u

/* Cycles of the core in a millisecond. */
#define CYCLES_MS 25000u

static volatile uint64_t ticks;

void clock_start(void) {
    TIMER_RELOAD = CYCLES_MS - 1;
    TIMER_CURRENT = 0;
    TIMER_CONTROL = TIMER_CONTROL_ON;
}

void handle_tick(void) {
    ticks++;
}

uint64_t now_ms(void) {
    /* The core reads it in two halves, between which a tick may come. */
    uint64_t seen;
    do seen = ticks;
    while (seen != ticks);
    return seen;
}
