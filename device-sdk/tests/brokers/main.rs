//! The client over real sockets, against mosquitto and against our own broker.

mod agent;
mod backend;
mod device;
mod fleetfn;
mod mosquitto;
mod mosquitto_program;
