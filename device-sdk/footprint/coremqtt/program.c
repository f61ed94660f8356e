/* Connects, subscribes, publishes with QoS 1 and receives; linked for a bare target and never run. */
#include "core_mqtt.h"

static volatile uint32_t reg;
static uint8_t buffer[1536];
static MQTTPubAckInfo_t outgoing[8], incoming[8];
static MQTTContext_t context;

struct NetworkContext { int unused; };

static int32_t receive(NetworkContext_t *network, void *bytes, size_t count) {
    (void)network;
    size_t at = 0;
    for (; at < count; at++) {
        uint32_t value = reg;
        if ((value & 0xff00) == 0) break;
        ((uint8_t *)bytes)[at] = (uint8_t)value;
    }
    return (int32_t)at;
}
static int32_t transmit(NetworkContext_t *network, const void *bytes, size_t count) {
    (void)network;
    for (size_t at = 0; at < count; at++) reg = ((const uint8_t *)bytes)[at];
    return (int32_t)count;
}
static uint32_t now(void) { return reg; }
static bool heard(MQTTContext_t *c, MQTTPacketInfo_t *packet, MQTTDeserializedInfo_t *info, MQTTSuccessFailReasonCode_t *reason,
                  MQTTPropBuilder_t *send, MQTTPropBuilder_t *got) {
    (void)c; (void)reason; (void)send; (void)got;
    reg = packet->type;
    if (info->pPublishInfo) reg = (uint32_t)info->pPublishInfo->payloadLength;
    return true;
}
/* Hidden from the optimiser, which would otherwise leave out whatever these constants do not need. */
#define HIDDEN(type, name) ({ type *hidden = &name; __asm__ volatile("" : "+r"(hidden) : : "memory"); hidden; })
#define TEXT(t) .pTopicFilter = t, .topicFilterLength = sizeof(t) - 1

void _start(void) {
    TransportInterface_t transport = { .recv = receive, .send = transmit };
    MQTTFixedBuffer_t fixed = { .pBuffer = buffer, .size = sizeof buffer };
    MQTT_Init(&context, &transport, now, heard, &fixed);
    MQTT_InitStatefulQoS(&context, outgoing, 8, incoming, 8, NULL, 0);
    MQTTConnectInfo_t connect = { .cleanSession = false, .keepAliveSeconds = 60, .pClientIdentifier = "boiler-1",
        .clientIdentifierLength = 8, .pUserName = "boiler-1", .userNameLength = 8, .pPassword = "token", .passwordLength = 5 };
    MQTTPublishInfo_t will = { .qos = MQTTQoS0, .pTopicName = "devices/boiler-1/telemetry/gone", .topicNameLength = 31,
        .pPayload = "1", .payloadLength = 1 };
    MQTTSubscribeInfo_t commands = { .qos = MQTTQoS1, TEXT("devices/boiler-1/commands/+") };
    MQTTPublishInfo_t climate = { .qos = MQTTQoS1, .pTopicName = "devices/boiler-1/telemetry/climate", .topicNameLength = 34,
        .pPayload = "21.5", .payloadLength = 4 };
    for (;;) {
        bool present;
        if (MQTT_Connect(&context, HIDDEN(MQTTConnectInfo_t, connect), HIDDEN(MQTTPublishInfo_t, will), 5000, &present, NULL, NULL) != MQTTSuccess) continue;
        if (MQTT_Subscribe(&context, HIDDEN(MQTTSubscribeInfo_t, commands), 1, MQTT_GetPacketId(&context), NULL) != MQTTSuccess) continue;
        while (MQTT_ProcessLoop(&context) == MQTTSuccess) {
            if (reg == 0) MQTT_Publish(&context, HIDDEN(MQTTPublishInfo_t, climate), MQTT_GetPacketId(&context), NULL);
        }
    }
}
