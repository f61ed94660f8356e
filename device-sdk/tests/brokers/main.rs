//! The client over real sockets, against mosquitto and against our own broker.

mod agent;
mod backend;
mod device;
mod embassy;
#[expect(dead_code, reason = "the tests of the outbox alone use more of it")]
#[path = "../outbox/flash.rs"]
mod flash;
mod fleetfn;
mod host;
mod mosquitto;
mod mosquitto_program;
mod outbox;
mod recorded;
mod relay;
#[path = "../../../firmware-examples/linux-gateway/src/tcp.rs"]
mod tcp;
