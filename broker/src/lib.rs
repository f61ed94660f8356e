//! Messages in and out: MQTT sessions, access control, presence. Knows sessions, never functions.
