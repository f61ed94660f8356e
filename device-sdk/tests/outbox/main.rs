//! The outbox over a flash that loses power, fails, wears and rots, with a server that is a model.

mod damage;
mod device;
mod flash;
mod full;
mod network;
mod power;
mod server;
