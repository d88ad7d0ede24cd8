//! `kjo` runs a Kubernetes Job to its end: every log line once, the true outcome, nothing left
//! behind, and a reason whenever nothing happens.
//!
//! ```text
//!  argv, env, YAML ─► cli ─► settings ─► spec ─► the Job (named, labelled, untyped: no field is lost)
//!                                                  │
//!             ┌───────────── driver: the only select loop ─────────────┐
//!  signals ──►│ Input ─► machine (pure, synchronous, `now` is passed) ─► Action ─► cluster, report
//!  timers  ──►│                                                        │
//!  cluster ──►└────────────────────────────────────────────────────────┘
//!                                    │
//!                         Outcome ─► exit code, result file
//! ```
//!
//! The core decides and never waits; the shell waits and never decides:
//!
//! | where | what |
//! |---|---|
//! | [`spec`] | what is sent: manifest, names, labels (pure) |
//! | [`core`] | what happens next: verdicts, log resume, deadlines, clean-up, exit codes (pure) |
//! | [`cluster`] | the network, all of it |
//! | [`plane`] | log bytes, from the network to stdout, beside the loop |
//! | [`report`] | stdout, stderr, the result file |
//! | [`driver`] | the loop |
//! | [`cli`] | the command line |
//! | `sandbox` | a small cluster of its own, reached like any other (feature `sandbox`) |

pub mod cli;
pub mod cluster;
pub mod core;
pub mod driver;
pub mod plane;
pub mod report;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod signals;
pub mod spec;

pub use cli::main;
