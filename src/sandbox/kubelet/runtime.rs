//! What runs containers: local processes, or scripts under virtual time.

use std::path::PathBuf;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::journal::Source;

/// A container to be started.
#[derive(Debug, Clone, Default)]
pub struct ContainerStart {
    /// The pod's UID.
    pub uid: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// How many attempts there were before.
    pub attempt: u32,
    /// Command and arguments, expanded. Empty if the image's own is asked for.
    pub command: Vec<String>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// The working directory, if the container names one.
    pub working_dir: Option<PathBuf>,
    /// Where the container leaves its termination message.
    pub termination_path: String,
}

/// A signal to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// Its exit code; 128 + n after signal n.
    pub code: i32,
    /// It was killed for want of memory.
    pub oom: bool,
    /// The content of its termination message file.
    pub message: Vec<u8>,
}

/// A container that runs as long as `end` is polled; dropping it kills it.
pub struct Running {
    /// What it writes. Closed before `end` is ready or when it is.
    pub output: mpsc::Receiver<(Source, Bytes)>,
    /// Takes signals.
    pub signals: mpsc::UnboundedSender<Signal>,
    /// Runs it to its end.
    pub end: BoxFuture<'static, End>,
}

/// What runs containers.
pub trait Runtime: Send + Sync + 'static {
    /// Starts a container.
    ///
    /// # Errors
    /// Why it cannot be started, in the runtime's words.
    fn start(&self, start: ContainerStart) -> BoxFuture<'static, Result<Running, String>>;
}
