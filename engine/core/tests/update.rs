//! The jobs of one device, on a stage without anything else: offers of rollouts, what the device says, and what rollouts
//! hear.

#[path = "update/stage.rs"]
mod stage;

#[path = "update/hostile.rs"]
mod hostile;
#[path = "update/jobs.rs"]
mod jobs;
#[path = "update/questions.rs"]
mod questions;
#[path = "update/watches.rs"]
mod watches;
