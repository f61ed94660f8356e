//! The MQTT client from outside: bytes in, bytes out, events, time.

mod codec;
mod deadlines;
mod hostile;
mod limits;
mod model;
mod second_opinion;
mod session;
mod wire;
