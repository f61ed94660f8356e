/* Logs every event as it came, and asks for one of everything: for the cases beside it. */
#include "fleetfn.h"

static void tell(const struct fleetfn_event *event) {
    char line[256];
    struct fleetfn_writer writer = {line, sizeof(line), 0};
    fleetfn_write_whole(&writer, event->code);
    fleetfn_write(&writer, FLEETFN_STR(" t"));
    fleetfn_write_whole(&writer, event->trigger);
    fleetfn_write(&writer, event->is_device ? " dev " : " ent ", 5);
    fleetfn_write(&writer, event->entity.at, event->entity.len);
    fleetfn_write(&writer, FLEETFN_STR(" | "));
    fleetfn_write(&writer, event->detail.at, event->detail.len);
    fleetfn_write(&writer, FLEETFN_STR(" | "));
    fleetfn_write(&writer, event->payload.at, event->payload.len);
    fleetfn_write(&writer, FLEETFN_STR(" | "));
    fleetfn_write(&writer, event->source.at, event->source.len);
    fleetfn_log_written(FLEETFN_INFO, &writer);
}

static void ask_for_everything(void) {
    const double value = 1.5;
    fleetfn_timer_set(FLEETFN_STR("n"), FLEETFN_STR("p"), 5);
    fleetfn_timer_cancel(FLEETFN_STR("m"));
    fleetfn_send(FLEETFN_STR("site/b"), FLEETFN_STR("reading/x"), FLEETFN_STR("1"), 3);
    fleetfn_metric(FLEETFN_GAUGE, FLEETFN_STR("g"), &value);
    fleetfn_http(FLEETFN_STR("tag"), FLEETFN_STR("POST"), FLEETFN_STR("https://api.example.com/v1/x"),
                 FLEETFN_STR("A: {{secret:api-token}}\n"), FLEETFN_STR("body"), 10);
    fleetfn_command_await(FLEETFN_STR("reboot"), FLEETFN_STR(""), 0, 30);
    fleetfn_publish(FLEETFN_STR("alerts/x"), FLEETFN_STR("!"));
    fleetfn_state_put_expiring(FLEETFN_STR("k"), FLEETFN_STR("v"), 2);
}

static void look_again(void) {
    char text[4];
    const int32_t kept = fleetfn_state_get(FLEETFN_STR("k"), text, sizeof(text));
    fleetfn_log(FLEETFN_INFO, kept < 0 ? "gone" : "here", 4);
    const int32_t len = fleetfn_config_get(FLEETFN_STR("c"), text, sizeof(text));
    if (len > 0) fleetfn_log(FLEETFN_INFO, text, (size_t)len);
}

static int32_t handle(const struct fleetfn_event *event) {
    char twin[200];
    tell(event);
    const int32_t len = fleetfn_twin_get(twin, sizeof(twin));
    if (len > 0) fleetfn_log(FLEETFN_DEBUG, twin, (size_t)len);
    if (event->code == FLEETFN_TWIN) fleetfn_twin_patch(FLEETFN_STR("{\"x\":2}"));
    if (event->code == FLEETFN_HTTP) fleetfn_respond(201, FLEETFN_STR("text/plain"), FLEETFN_STR("hi"));
    if (event->code == FLEETFN_TIMER) ask_for_everything();
    if (event->code == FLEETFN_CRON) look_again();
    return 0;
}

FLEETFN_FUNCTION(handle, 4096)

static int32_t migrate(uint32_t from) {
    fleetfn_log(FLEETFN_WARN, from == 1 ? "from 1" : "from 0", 6);
    return fleetfn_state_put(FLEETFN_STR("new"), FLEETFN_STR("1"));
}

FLEETFN_MIGRATION(migrate)
