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
    /// The pod's host name.
    pub hostname: String,
    /// The pod's volumes, where this container has them.
    pub mounts: Vec<VolumeMount>,
}

/// A volume of a pod at a place in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// The volume's name.
    pub volume: String,
    /// What is in it at first.
    pub content: Content,
    /// Where it is.
    pub path: PathBuf,
    /// A part of the volume in place of all of it.
    pub sub_path: Option<PathBuf>,
    /// It cannot be written to.
    pub read_only: bool,
}

/// What is in a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing, at first; it goes with the pod.
    Empty,
    /// These files; they go with the pod.
    Files(Vec<VolumeFile>),
    /// What was left in the claim of this UID; it goes with the claim.
    Claim(String),
}

/// A file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFile {
    /// Its place in the volume.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Whose volumes a runtime keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept<'a> {
    /// Those of the pod with this UID.
    Pod(&'a str),
    /// That of the PersistentVolumeClaim with this UID.
    Claim(&'a str),
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

    /// Lets volumes go whose pod or claim has gone.
    fn forget(&self, kept: Kept<'_>);
}
