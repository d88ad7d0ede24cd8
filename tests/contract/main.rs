//! The contract: what kjo promises, seen from outside, on the sandbox and on a real Kubernetes (see
//! `backend`).
#![expect(clippy::expect_used, reason = "a test says what it expects")]

mod adoption;
mod api;
mod attach;
mod backend;
mod causes;
mod companions;
mod connection;
mod deaths;
mod disruption;
mod flags;
mod kubectl;
mod log_flags;
mod login;
mod logs;
mod namespace;
mod outcome;
mod patch;
mod permissions;
mod permissions_lacking;
#[path = "../proxy/mod.rs"]
mod proxy;
mod refused;
mod replace;
mod rotation;
mod signals;
mod slow_stdout;
mod status;
mod stored;
#[path = "../support/mod.rs"]
mod support;
mod xcom;
