/* The room sensor in C: who it is stands in flash, its modem is at the first serial port, its console at the second. */
#include "board.h"
#include "factory.h"
#include "fleetfn_device.h"
#include "modem.h"
#include "sensor.h"

#ifndef FIRMWARE_VERSION
#define FIRMWARE_VERSION "1.0.0"
#endif

/* How long the modem may take to answer: it dials over a real network. */
#define ANSWER_MS 10000u

static fleetfn_device device;
/* The longest packet that comes is a command; what waits to be acknowledged is some readings. */
static uint8_t receive_buffer[1024], send_buffer[1024];

static enum { HUNG_UP, DIALLING, OPEN } connection;
static uint64_t dialled_ms;

/* Numbers that nobody else has in this order (xorshift32). Nothing secret hangs on them. */
static uint32_t chance;

static uint32_t next_chance(void) {
    chance ^= chance << 13;
    chance ^= chance >> 17;
    chance ^= chance << 5;
    return chance;
}

static void close(void) {
    if (connection != HUNG_UP) fleetfn_device_closed(&device, now_ms(), next_chance());
    connection = HUNG_UP;
}

/* The modem answered, or did not. */
static void wait_for_answer(void) {
    uint8_t byte;
    enum modem_event event = modem_next(&byte);
    /* Bytes are of an earlier connection. */
    while (event == MODEM_BYTE) event = modem_next(&byte);
    if (event == MODEM_CONNECTED) {
        connection = OPEN;
        if (fleetfn_device_opened(&device, now_ms()) != FLEETFN_STATUS_OK) {
            modem_hang_up();
            close();
        }
    } else if (event == MODEM_HUNG_UP) {
        close();
    } else if (now_ms() - dialled_ms > ANSWER_MS) {
        modem_hang_up();
        close();
    }
}

/* Gives the device what came, as far as it has room now. */
static void receive(void) {
    uint8_t *space;
    size_t room, count = 0;
    enum modem_event event = MODEM_BYTE;
    if (fleetfn_device_receive_space(&device, &space, &room) != FLEETFN_STATUS_OK) return;
    while (count < room && (event = modem_next(&space[count])) == MODEM_BYTE) count++;
    if (count > 0) fleetfn_device_received(&device, count, now_ms());
    if (event == MODEM_HUNG_UP) close();
}

static void transmit(void) {
    const uint8_t *bytes;
    size_t count;
    while (fleetfn_device_transmit(&device, &bytes, &count) == FLEETFN_STATUS_OK && count > 0) {
        modem_write(bytes, count);
        fleetfn_device_transmitted(&device, count, now_ms());
    }
}

/* Moves bytes both ways, and connections along. */
static void keep_in_touch(void) {
    uint8_t byte;
    switch (connection) {
    case HUNG_UP:
        /* What still comes is of an earlier connection. */
        while (modem_next(&byte) != MODEM_NOTHING) {
        }
        if (fleetfn_device_wants_transport(&device, now_ms())) {
            connection = DIALLING;
            dialled_ms = now_ms();
            modem_dial();
        }
        break;
    case DIALLING:
        wait_for_answer();
        break;
    case OPEN:
        transmit();
        receive();
        if (connection == OPEN && (fleetfn_device_timeout(&device, now_ms()) != FLEETFN_STATUS_OK ||
                                   fleetfn_device_is_closed(&device))) {
            modem_hang_up();
            close();
        }
        break;
    }
}

/* Tells the sensor what happened. */
static bool pass_on_notices(void) {
    fleetfn_notice notice;
    bool any = false;
    while (fleetfn_device_next_notice(&device, &notice) == FLEETFN_STATUS_OK &&
           notice.kind != FLEETFN_NOTICE_KIND_NOTHING) {
        if (notice.kind == FLEETFN_NOTICE_KIND_REFUSED) {
            struct text line = {0};
            text_put(&line, "the server refuses: ");
            text_put_number(&line, notice.reason);
            console_line(&line);
        }
        sensor_handle(&device, &notice);
        any = true;
    }
    return any;
}

static void say(const char *words) {
    struct text line = {0};
    text_put(&line, words);
    console_line(&line);
}

int main(void) {
    struct factory factory;
    clock_start();
    console_start();
    line_start();
    if (!factory_read(&factory)) {
        say("this board was never told who it is");
        for (;;) __asm__ volatile("wfi");
    }
    chance = factory.seed != 0 ? factory.seed : 1;
    struct text start = {0};
    text_put_bytes(&start, factory.name, factory.name_bytes);
    text_put(&start, " starts, version " FIRMWARE_VERSION);
    console_line(&start);
    fleetfn_config config = {.name = factory.name, .name_bytes = factory.name_bytes,
                             .token = factory.token, .token_bytes = factory.token_bytes, .keep_alive_s = 60,
                             .receive = receive_buffer, .receive_bytes = sizeof receive_buffer,
                             .send = send_buffer, .send_bytes = sizeof send_buffer};
    if (fleetfn_device_init(&device, &config) != FLEETFN_STATUS_OK) {
        say("the device cannot run");
        for (;;) __asm__ volatile("wfi");
    }
    for (;;) {
        sensor_measure(&device);
        keep_in_touch();
        /* A byte that came wakes the core, and so does each millisecond. */
        if (!pass_on_notices()) __asm__ volatile("wfi");
    }
}
