//! The contract: what kjo promises, seen from outside, on the sandbox and on a real Kubernetes (see
//! `backend`).
#![expect(clippy::expect_used, reason = "a test says what it expects")]

mod api;
mod backend;
mod causes;
mod disruption;
mod logs;
mod namespace;
mod outcome;
mod permissions;
mod permissions_lacking;
mod refused;
mod signals;
mod status;
#[path = "../support/mod.rs"]
mod support;
