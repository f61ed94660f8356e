#include "sensor.h"

#include "board.h"
#include "bytes.h"
#include "json.h"


#define NOT_OF_THAT_TYPE "what came is not of the type that was asked for"

#define PERIOD_S 2

static uint16_t period_s = PERIOD_S;
static uint64_t measured_ms;
static uint32_t readings;

/* The answer after which the board starts anew; 0 if it need not. */
static uint16_t restart_id;

static void say(const char *words, const char *more) {
    struct text line = {0};
    text_put(&line, words);
    text_put(&line, more);
    console_line(&line);
}

/* A thermometer that is none: it goes up and down by half a degree a reading. */
static uint32_t tenths_of_a_degree(void) {
    uint32_t step = readings % 20;
    return 200 + 5 * (step < 20 - step ? step : 20 - step);
}

void sensor_measure(fleetfn_device *device) {
    uint64_t period_ms = (uint64_t)(period_s > 0 ? period_s : 1) * 1000;
    if (now_ms() - measured_ms < period_ms) return;
    measured_ms = now_ms();
    struct text temperature = {0}, number = {0}, payload = {0}, line = {0};
    uint32_t tenths = tenths_of_a_degree();
    text_put_number(&temperature, tenths / 10);
    text_put(&temperature, ".");
    text_put_number(&temperature, tenths % 10);
    text_put_number(&number, ++readings);
    text_put(&payload, "{\"temperature\":");
    text_put_bytes(&payload, temperature.bytes, temperature.count);
    text_put(&payload, ",\"number\":");
    text_put_bytes(&payload, number.bytes, number.count);
    text_put(&payload, "}");
    fleetfn_status sent = fleetfn_device_send(device, "climate", 7, payload.bytes, payload.count, NULL);
    text_put(&line, "reading ");
    text_put_bytes(&line, number.bytes, number.count);
    if (sent == FLEETFN_STATUS_OK) {
        text_put(&line, " ");
        text_put_bytes(&line, temperature.bytes, temperature.count);
    } else {
        text_put(&line, sent == FLEETFN_STATUS_FULL ? " is lost: the send buffer is full" : " is lost");
    }
    console_line(&line);
}

static void reply(fleetfn_device *device, const fleetfn_notice *command, const char *payload, uint16_t *id) {
    struct text answer = {0};
    text_put(&answer, payload);
    const char *name = (const char *)command->name.at;
    if (fleetfn_device_reply(device, name, command->name.count, answer.bytes, answer.count, id) != FLEETFN_STATUS_OK)
        say("not answered", "");
}

static bool is_named(const fleetfn_notice *command, const char *name, size_t count) {
    return command->name.count == count && memcmp(command->name.at, name, count) == 0;
}

/* Does what it is asked to, and answers. The command is acknowledged when the next notice is asked for. */
static void obey(fleetfn_device *device, const fleetfn_notice *command) {
    if (is_named(command, "fan", 3)) {
        bool on = false;
        if (json_bool(command->payload.at, command->payload.count, "on", &on) != JSON_FOUND) {
            say("fan: ", NOT_OF_THAT_TYPE);
            reply(device, command, "\"error\"", NULL);
            return;
        }
        say("fan ", on ? "on" : "off");
        reply(device, command, on ? "{\"on\":true}" : "{\"on\":false}", NULL);
    } else if (is_named(command, "restart", 7)) {
        say("restart", "");
        reply(device, command, "\"now\"", &restart_id);
    } else {
        struct text line = {0};
        text_put_bytes(&line, command->name.at, command->name.count);
        text_put(&line, ": no such command");
        console_line(&line);
        reply(device, command, "\"unknown\"", NULL);
    }
}

/* Becomes what it is desired to be, and says so. */
static void become(fleetfn_device *device, const fleetfn_bytes *document) {
    /* Its version stands beside what is desired. */
    const uint8_t *desired;
    size_t bytes;
    /* What is not desired is as it was made. */
    uint16_t wanted_s = PERIOD_S;
    if (json_object(document->at, document->count, "desired", &desired, &bytes) != JSON_FOUND ||
        json_u16(desired, bytes, "period_s", &wanted_s) == JSON_WRONG) {
        say("settings make no sense: ", NOT_OF_THAT_TYPE);
        return;
    }
    period_s = wanted_s;
    struct text line = {0}, reported = {0};
    text_put(&line, "settings Settings { period_s: ");
    text_put_number(&line, period_s);
    text_put(&line, " }");
    console_line(&line);
    text_put(&reported, "{\"period_s\":");
    text_put_number(&reported, period_s);
    text_put(&reported, "}");
    if (fleetfn_device_report(device, reported.bytes, reported.count, NULL) != FLEETFN_STATUS_OK)
        say("settings are not reported", "");
}

void sensor_handle(fleetfn_device *device, const fleetfn_notice *notice) {
    switch (notice->kind) {
    case FLEETFN_NOTICE_KIND_COMMAND:
        obey(device, notice);
        break;
    case FLEETFN_NOTICE_KIND_DESIRED:
        become(device, &notice->payload);
        break;
    case FLEETFN_NOTICE_KIND_DELIVERED:
    case FLEETFN_NOTICE_KIND_LOST:
        /* The answer has gone up, and behind it that the command is done: or it would restart forever. */
        if (restart_id != 0 && notice->id == restart_id) restart();
        break;
    default:
        break;
    }
}
