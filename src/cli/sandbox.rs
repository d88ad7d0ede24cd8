//! `--sandbox`: a cluster in this process, reached over a socket as any other. Nothing but the flag
//! leads here.

use crate::{cluster::Connection, report::Reporter, spec::Refusal};

/// A sandbox, or none.
#[derive(Default)]
pub(super) struct Sandbox {
    #[cfg(feature = "sandbox")]
    running: Option<crate::sandbox::Sandbox>,
}

#[cfg(feature = "sandbox")]
pub(super) async fn start(reporter: &Reporter, seed: u64, token: [u8; 32]) -> Result<(Connection, Sandbox), Refusal> {
    use std::sync::Arc;

    use crate::{
        core::notice::Notice,
        sandbox::{self, Settings, kubelet::process::Processes},
    };

    let id = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(id).ok().flatten().map(|user| user.name);
    reporter.say(&Notice::Sandbox {
        user: name.unwrap_or_else(|| id.to_string()),
    });
    let refusal = |e: std::io::Error| {
        Refusal::new(
            format!("the sandbox cannot start: {e}"),
            "it needs a port on 127.0.0.1 and a folder for temporary files (TMPDIR)",
        )
    };
    let folder = format!("kjo-sandbox-{}-{seed:016x}", std::process::id());
    let root = std::path::absolute(std::env::temp_dir().join(folder)).map_err(refusal)?;
    let runtime = Arc::new(Processes::new(
        myself().map_err(refusal)?,
        vec![SUPERVISOR.into()],
        root,
    ));
    let mut running = sandbox::Sandbox::start(Settings::new(jiff::Timestamp::now(), seed), runtime);
    let token = token.iter().map(|byte| format!("{byte:02x}")).collect();
    let endpoint = running.listen(token).await.map_err(refusal)?;
    let connection = Connection::to(&endpoint.server, endpoint.certificate, endpoint.token)?;
    Ok((connection, Sandbox { running: Some(running) }))
}

/// The hidden command that holds a container.
#[cfg(feature = "sandbox")]
const SUPERVISOR: &str = "sandbox-supervisor";

/// This program, also when its file has been replaced since it started.
#[cfg(feature = "sandbox")]
fn myself() -> std::io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe()
}

#[cfg(not(feature = "sandbox"))]
pub(super) async fn start(_: &Reporter, _: u64, _: [u8; 32]) -> Result<(Connection, Sandbox), Refusal> {
    Err(Refusal::new(
        "this kjo was built without its sandbox",
        "build it with the cargo feature sandbox, or name a cluster",
    ))
}

impl Sandbox {
    /// Makes sure of a namespace: in a cluster of one's own there is nobody to ask for one.
    pub(super) fn namespace(&self, name: &str) {
        #[cfg(feature = "sandbox")]
        if let Some(running) = &self.running {
            running.namespace(name);
        }
        #[cfg(not(feature = "sandbox"))]
        let _ = name;
    }

    /// Ends it, and waits until its processes have gone.
    pub(super) async fn stop(self) {
        #[cfg(feature = "sandbox")]
        if let Some(running) = self.running {
            running.stop().await;
        }
    }
}
