//! Updates over flash that loses power and fails, boot loaders that swap, servers that lie, images that do not work.

mod blind;
mod cuts;
mod image;
mod network;
mod offers;
mod patches;
mod server;
mod story;
mod trials;
mod world;
