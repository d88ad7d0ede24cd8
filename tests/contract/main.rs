//! The contract with a real Kubernetes: what kjo promises, seen from outside. `tests/run` brings the
//! cluster up and names it by `KUBECONFIG`.
#![expect(clippy::expect_used, reason = "a test says what it expects")]

mod disruption;
mod logs;
mod namespace;
mod outcome;
mod permissions;
mod refused;
mod signals;
#[path = "../support/mod.rs"]
mod support;
