//! Firmware examples on emulated boards: how they are built, put into a flash, started, and connected to a server.
//!
//! [`Firmware`] builds an example, [`Flash`] is the file that a board keeps its memory in, [`Modem`] opens connections for
//! the board, and [`Machine`] is one run of QEMU: from power on to power off.

mod board;
mod c;
mod elf;
mod firmware;
mod flash;
mod key;
mod machine;
mod modem;
mod monitor;

pub use board::Board;
pub use c::clang;
pub use elf::Symbol;
pub use firmware::{Firmware, Release};
pub use flash::Flash;
pub use key::update_key;
pub use machine::{Console, Machine};
pub use modem::Modem;
pub use monitor::Monitor;
