//! The broker over real sockets, in front of a log, a directory and an engine that a test plays itself.

mod access;
mod acknowledge;
mod backend;
mod blocks;
mod hostile;
mod live;
mod mailbox;
mod mosquitto;
mod presence;
mod pressure;
mod rumqttc;
mod shutdown;
mod takeover;
mod wire;
