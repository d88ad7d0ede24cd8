//! The pure heart: what a Job's and its pods' states mean, what to do next, how a log goes on after
//! a cut, and which exit code it all comes to.
//!
//! Nothing here waits, reads a clock, draws a random number, looks at the environment or holds a
//! client: time, chance and observations are arguments. `now` is the time since the program
//! started, on a clock that never goes back.

pub mod access;
pub mod adoption;
pub mod backoff;
pub mod blame;
pub mod clock;
pub mod diagnosis;
pub mod duration;
pub mod event;
pub mod exit;
pub mod failure;
pub mod job;
pub mod log;
pub mod machine;
pub mod main_container;
pub mod naming;
pub mod notice;
pub mod outcome;
pub mod pod;
pub mod progress;
pub mod record;
pub mod seek;
pub mod size;
pub mod verdict;
pub mod version;
pub mod watch;
pub mod xcom;
