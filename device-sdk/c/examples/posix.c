/* A thermometer on a POSIX host: posix PORT TOKEN. Sends a reading a second, blinks when it is told to, follows its twin.
 *
 *   cc -I.. posix.c libfleetfn_device_c.a -lm -lpthread -ldl -o thermometer */
#include "fleetfn_device.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static fleetfn_device device;
static uint8_t receive[512], send_buffer[1024];

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int transport = socket(AF_INET, SOCK_STREAM, 0);
    if (transport >= 0 && connect(transport, (struct sockaddr *)&address, sizeof address) != 0) {
        close(transport);
        return -1;
    }
    return transport;
}

/* What the device is told, and what it says to that. */
static void look(void) {
    fleetfn_notice notice;
    while (fleetfn_device_next_notice(&device, &notice) == FLEETFN_STATUS_OK && notice.kind != FLEETFN_NOTICE_KIND_NOTHING) {
        switch (notice.kind) {
        case FLEETFN_NOTICE_KIND_LISTENING:
            printf("listening\n");
            break;
        case FLEETFN_NOTICE_KIND_COMMAND:
            printf("command %.*s: %.*s (%.*s)\n", (int)notice.name.count, notice.name.at, (int)notice.payload.count,
                   notice.payload.at, (int)notice.effect.count, notice.effect.at);
            fleetfn_device_reply(&device, (const char *)notice.name.at, notice.name.count, "done", 4, NULL);
            break;
        case FLEETFN_NOTICE_KIND_DESIRED:
            printf("desired %.*s\n", (int)notice.payload.count, notice.payload.at);
            fleetfn_device_report(&device, notice.payload.at, notice.payload.count, NULL);
            break;
        case FLEETFN_NOTICE_KIND_DELIVERED:
            printf("delivered %u: %u\n", notice.id, notice.reason);
            break;
        case FLEETFN_NOTICE_KIND_REFUSED:
            printf("refused: %u\n", notice.reason);
            break;
        default:
            break;
        }
    }
    fflush(stdout);
}

/* Moves bytes both ways, for at most `patience_ms`. -1 if the connection has ended. */
static int exchange(int transport, int patience_ms) {
    const uint8_t *out;
    uint8_t *space;
    size_t count;
    while (fleetfn_device_transmit(&device, &out, &count) == FLEETFN_STATUS_OK && count > 0) {
        ssize_t written = write(transport, out, count);
        if (written <= 0) return -1;
        fleetfn_device_transmitted(&device, (size_t)written, now_ms());
    }
    struct pollfd ready = {.fd = transport, .events = POLLIN};
    fleetfn_device_receive_space(&device, &space, &count);
    if (count > 0 && poll(&ready, 1, patience_ms) > 0) {
        ssize_t got = read(transport, space, count);
        if (got <= 0) return -1;
        fleetfn_device_received(&device, (size_t)got, now_ms());
    }
    return fleetfn_device_is_closed(&device) || fleetfn_device_timeout(&device, now_ms()) != FLEETFN_STATUS_OK ? -1 : 0;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: %s PORT TOKEN\n", arguments[0]);
        return 2;
    }
    fleetfn_config config = {.name = "d1", .name_bytes = 2, .token = arguments[2], .token_bytes = strlen(arguments[2]),
                             .keep_alive_s = 60, .receive = receive, .receive_bytes = sizeof receive,
                             .send = send_buffer, .send_bytes = sizeof send_buffer};
    if (fleetfn_device_init(&device, &config) != FLEETFN_STATUS_OK) return 1;
    int transport = -1;
    uint64_t next_ms = now_ms();
    for (;;) {
        if (transport < 0 && fleetfn_device_wants_transport(&device, now_ms())) {
            transport = dial(atoi(arguments[1]));
            if (transport < 0 || fleetfn_device_opened(&device, now_ms()) != FLEETFN_STATUS_OK)
                fleetfn_device_closed(&device, now_ms(), (uint32_t)rand());
        }
        if (now_ms() >= next_ms && fleetfn_device_send(&device, "climate", 7, "21.5", 4, NULL) == FLEETFN_STATUS_OK)
            next_ms = now_ms() + 1000;
        if (transport < 0) {
            usleep(50000);
        } else if (exchange(transport, 50) != 0) {
            close(transport);
            transport = -1;
            fleetfn_device_closed(&device, now_ms(), (uint32_t)rand());
        }
        look();
    }
}
