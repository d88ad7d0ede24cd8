//! A small cluster in the process: an API server, the Job controller, a kubelet. It speaks the real
//! API as far as kjo goes, and is held to the real one by the same contract tests.

pub mod delete;
pub mod meta;
pub mod refused;
pub mod resource;
pub mod store;
pub mod world;
