/* Turns the fan of a room on while it is too warm: JSON readings in, a command whenever the fan changes.
 *
 * A device publishes {"temperature":31.5} on devices/{id}/telemetry/climate and gets the command `fan` with
 * {"on":true} or {"on":false}. What is kept: one byte for the fan. */
#include "fleetfn.h"
#include "fleetfn_json.h"

/* Degrees above which the fan goes on, and below which it goes off. The gap keeps it from switching to and fro. */
#define ON_ABOVE 30.0
#define OFF_BELOW 27.0

static int32_t climate(const struct fleetfn_event *event) {
    double temperature;
    if (!fleetfn_json_number(event->payload, FLEETFN_STR("temperature"), &temperature)) {
        fleetfn_log(FLEETFN_WARN, FLEETFN_STR("the payload has no number `temperature`"));
        return FLEETFN_BAD_PAYLOAD;
    }
    char on = '0';
    fleetfn_state_get(FLEETFN_STR("on"), &on, 1);
    const char next = temperature > ON_ABOVE ? '1' : temperature < OFF_BELOW ? '0' : on;
    if (next == on) return 0;
    fleetfn_state_put(FLEETFN_STR("on"), &next, 1);
    if (next == '1') fleetfn_command(FLEETFN_STR("fan"), FLEETFN_STR("{\"on\":true}"), 0);
    else fleetfn_command(FLEETFN_STR("fan"), FLEETFN_STR("{\"on\":false}"), 0);
    char line[64];
    struct fleetfn_writer writer = {line, sizeof(line), 0};
    fleetfn_write(&writer, FLEETFN_STR("fan "));
    fleetfn_write(&writer, next == '1' ? "on" : "off", next == '1' ? 2 : 3);
    fleetfn_write(&writer, FLEETFN_STR(": "));
    fleetfn_write_number(&writer, temperature, 1);
    fleetfn_write(&writer, FLEETFN_STR(" degrees"));
    fleetfn_log_written(FLEETFN_INFO, &writer);
    return 0;
}

FLEETFN_FUNCTION(climate, 4096)
