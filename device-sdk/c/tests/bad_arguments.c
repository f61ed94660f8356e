/* Every function, with arguments that are wrong. Ends with the line of the first answer that is not as it should be. */
#include "fleetfn_device.h"

#define EXPECT(condition) \
    do {                  \
        if (!(condition)) return __LINE__; \
    } while (0)

static fleetfn_device device;
static uint8_t receive[256], send_buffer[128];

int main(void) {
    const fleetfn_config good = {.name = "d1", .name_bytes = 2, .token = "t", .token_bytes = 1, .keep_alive_s = 60,
                                 .receive = receive, .receive_bytes = sizeof receive,
                                 .send = send_buffer, .send_bytes = sizeof send_buffer};
    fleetfn_config bad = good;
    fleetfn_notice notice;
    const uint8_t *out;
    uint8_t *space;
    size_t count;
    uint16_t id = 0;

    EXPECT(fleetfn_device_opened(&device, 0) == FLEETFN_STATUS_NOT_INITIALISED);
    EXPECT(fleetfn_device_next_notice(&device, &notice) == FLEETFN_STATUS_NOT_INITIALISED);
    EXPECT(!fleetfn_device_wants_transport(&device, 0) && !fleetfn_device_is_closed(&device));
    EXPECT(fleetfn_device_deadline(&device) == FLEETFN_DEVICE_NEVER_MS);

    EXPECT(fleetfn_device_init(NULL, &good) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_init(&device, NULL) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_init((fleetfn_device *)((char *)&device + 1), &good) == FLEETFN_STATUS_NULL_POINTER);
    bad.receive = NULL;
    EXPECT(fleetfn_device_init(&device, &bad) == FLEETFN_STATUS_NULL_POINTER);
    bad = good;
    bad.send_bytes = SIZE_MAX;
    EXPECT(fleetfn_device_init(&device, &bad) == FLEETFN_STATUS_NULL_POINTER);
    bad = good;
    bad.token = NULL;
    EXPECT(fleetfn_device_init(&device, &bad) == FLEETFN_STATUS_NULL_POINTER);
    bad = good;
    bad.name = "\xff\xfe";
    EXPECT(fleetfn_device_init(&device, &bad) == FLEETFN_STATUS_NOT_UTF8);
    bad.name = "a/";
    EXPECT(fleetfn_device_init(&device, &bad) == FLEETFN_STATUS_DEVICE_NAME);
    bad = good;
    bad.receive_bytes = 8;
    EXPECT(fleetfn_device_init(&device, &bad) == FLEETFN_STATUS_OK);
    EXPECT(fleetfn_device_opened(&device, 0) == FLEETFN_STATUS_TOO_LONG);

    EXPECT(fleetfn_device_init(&device, &good) == FLEETFN_STATUS_OK);
    EXPECT(fleetfn_device_wants_transport(&device, 0) && !fleetfn_device_wants_transport(NULL, 0));
    EXPECT(fleetfn_device_opened(NULL, 0) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_opened(&device, 0) == FLEETFN_STATUS_OK);
    EXPECT(fleetfn_device_opened(&device, 0) == FLEETFN_STATUS_CONNECTED);
    EXPECT(fleetfn_device_transmit(&device, NULL, &count) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_transmit(&device, &out, NULL) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_transmit(&device, &out, &count) == FLEETFN_STATUS_OK && count > 0 && out[0] == 0x10);
    EXPECT(fleetfn_device_transmitted(&device, SIZE_MAX, 0) == FLEETFN_STATUS_OK);
    EXPECT(fleetfn_device_receive_space(&device, NULL, &count) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_receive_space(&device, &space, &count) == FLEETFN_STATUS_OK && count == sizeof receive);

    EXPECT(fleetfn_device_send(&device, "climate", 7, NULL, 4, &id) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_send(&device, NULL, 7, "1", 1, &id) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_send(&device, "\xff", 1, "1", 1, &id) == FLEETFN_STATUS_NOT_UTF8);
    EXPECT(fleetfn_device_send(&device, "", 0, "1", 1, &id) == FLEETFN_STATUS_TOPIC_NAME);
    EXPECT(fleetfn_device_send(&device, "a/#", 3, "1", 1, &id) == FLEETFN_STATUS_TOPIC_NAME);
    EXPECT(fleetfn_device_send(&device, "climate", 7, receive, sizeof receive, &id) == FLEETFN_STATUS_TOO_LONG);
    EXPECT(fleetfn_device_send(NULL, "climate", 7, "1", 1, &id) == FLEETFN_STATUS_NULL_POINTER && id == 0);
    EXPECT(fleetfn_device_send(&device, "climate", 7, NULL, 0, &id) == FLEETFN_STATUS_OK && id > 0);
    EXPECT(fleetfn_device_report(&device, "{}", 2, NULL) == FLEETFN_STATUS_OK);
    EXPECT(fleetfn_device_reply(&device, "blink", 5, "done", 4, &id) == FLEETFN_STATUS_FULL);

    EXPECT(fleetfn_device_next_notice(&device, NULL) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_next_notice(&device, &notice) == FLEETFN_STATUS_OK);
    EXPECT(notice.kind == FLEETFN_NOTICE_KIND_NOTHING && notice.payload.at == NULL);
    space[0] = 0;
    EXPECT(fleetfn_device_received(&device, 1, 0) == FLEETFN_STATUS_OK);
    EXPECT(fleetfn_device_next_notice(&device, &notice) == FLEETFN_STATUS_VIOLATION);
    EXPECT(fleetfn_device_is_closed(&device));
    EXPECT(fleetfn_device_closed(NULL, 0, 0) == FLEETFN_STATUS_NULL_POINTER);
    EXPECT(fleetfn_device_closed(&device, 0, 7) == FLEETFN_STATUS_OK && !fleetfn_device_is_closed(&device));
    EXPECT(fleetfn_device_timeout(&device, 0) == FLEETFN_STATUS_OK);
    EXPECT(fleetfn_device_deadline(&device) != FLEETFN_DEVICE_NEVER_MS);
    return 0;
}
