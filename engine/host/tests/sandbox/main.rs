//! The sandbox from outside: what is admitted, what ends how, what one event leaves for the next.

mod effects;
mod fixtures;
mod hostile;
mod isolation;
mod mutants;
