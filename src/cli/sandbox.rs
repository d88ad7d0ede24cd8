//! `--sandbox` and `kjo sandbox`: a cluster in this process, reached over a socket as any other. Nothing
//! but these leads here.

use clap::{Args, ValueEnum};

/// What is between the sandbox's containers and this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct IsolationArgs {
    /// What is between the sandbox's containers and this machine
    #[arg(long, value_name = "HOW", default_value = "auto", help_heading = "Sandbox")]
    pub isolation: How,
}

/// `--isolation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// Bubblewrap where it is there and works, else nothing
    Auto,
    /// Bubblewrap (bwrap): files read-only, a /tmp and processes of their own, volumes
    Bwrap,
    /// Nothing: plain processes, no volumes
    None,
}

#[cfg(feature = "sandbox")]
pub(super) use begun::{Sandbox, begin, refusal, start};
#[cfg(not(feature = "sandbox"))]
pub(super) use without::{Sandbox, start};

#[cfg(feature = "sandbox")]
mod begun {
    use std::{
        io,
        path::{Path, PathBuf},
        sync::Arc,
    };

    use super::How;
    use crate::{
        cluster::Connection,
        core::notice::{Isolation, Notice},
        report::Reporter,
        sandbox::{
            self, Settings,
            admit::Honours,
            kubelet::{
                isolation,
                process::{Keeper, Processes},
            },
            serve::Endpoint,
        },
        spec::Refusal,
    };

    /// The hidden command that holds a container.
    const SUPERVISOR: &str = "sandbox-supervisor";

    /// A sandbox, or none.
    #[derive(Default)]
    pub(in crate::cli) struct Sandbox {
        running: Option<(sandbox::Sandbox, Keeper)>,
    }

    impl Sandbox {
        /// Makes sure of a namespace: in a cluster of one's own there is nobody to ask for one.
        pub(in crate::cli) fn namespace(&self, name: &str) {
            if let Some((running, _)) = &self.running {
                running.namespace(name);
            }
        }

        /// Its containers cannot share a folder.
        pub(in crate::cli) fn lacks_volumes(&self) -> bool {
            let running = self.running.as_ref();
            running.is_some_and(|(running, _)| !running.world().honours().volumes)
        }

        /// Ends it, and waits until its processes and files have gone.
        pub(in crate::cli) async fn stop(self) {
            if let Some((running, keeper)) = self.running {
                running.stop().await;
                keeper.remove().await;
            }
        }
    }

    /// Starts a sandbox for one run.
    pub(in crate::cli) async fn start(
        reporter: &Reporter,
        how: How,
        path: Option<String>,
        seed: u64,
        token: [u8; 32],
    ) -> Result<(Connection, Sandbox), Refusal> {
        let begun = begin(reporter, how, path, seed, token).await?;
        let endpoint = begun.endpoint;
        let connection = Connection::to(&endpoint.server, endpoint.certificate, endpoint.token)?;
        Ok((connection, begun.sandbox))
    }

    /// A sandbox that listens.
    pub(in crate::cli) struct Begun {
        pub(in crate::cli) endpoint: Endpoint,
        pub(in crate::cli) sandbox: Sandbox,
        /// Goes with it.
        pub(in crate::cli) folder: PathBuf,
    }

    /// Starts one, and says so first. `path` is where programs are.
    pub(in crate::cli) async fn begin(
        reporter: &Reporter,
        how: How,
        path: Option<String>,
        seed: u64,
        token: [u8; 32],
    ) -> Result<Begun, Refusal> {
        let (bubblewrap, isolation) = isolation(how, path.unwrap_or_default()).await?;
        let id = nix::unistd::geteuid();
        let name = nix::unistd::User::from_uid(id).ok().flatten().map(|user| user.name);
        reporter.say(&Notice::Sandbox {
            user: name.unwrap_or_else(|| id.to_string()),
            isolation,
        });
        let folder = format!("kjo-sandbox-{}-{seed:016x}", std::process::id());
        let folder = std::path::absolute(std::env::temp_dir().join(folder)).map_err(|e| refusal(&e))?;
        let mut settings = Settings::new(jiff::Timestamp::now(), seed);
        settings.honours = Honours {
            volumes: bubblewrap.is_some(),
        };
        let myself = myself().map_err(|e| refusal(&e))?;
        let mut processes = Processes::new(myself, vec![SUPERVISOR.to_owned()], folder.clone());
        if let Some(bubblewrap) = bubblewrap {
            processes = processes.within(bubblewrap);
        }
        let keeper = processes.keep().await.map_err(|e| refusal(&e))?;
        let mut running = sandbox::Sandbox::start(settings, Arc::new(processes));
        let token = token.iter().map(|byte| format!("{byte:02x}")).collect();
        let endpoint = running.listen(token).await.map_err(|e| refusal(&e))?;
        Ok(Begun {
            endpoint,
            sandbox: Sandbox {
                running: Some((running, keeper)),
            },
            folder,
        })
    }

    pub(in crate::cli) fn refusal(error: &io::Error) -> Refusal {
        Refusal::new(
            format!("the sandbox cannot start: {error}"),
            "it needs a port on 127.0.0.1 and a folder for temporary files (TMPDIR)",
        )
    }

    /// The bubblewrap to use, if any, and what to say of it.
    async fn isolation(how: How, path: String) -> Result<(Option<PathBuf>, Isolation), Refusal> {
        if how == How::None {
            return Ok((None, Isolation::None { why: None }));
        }
        match isolation::find(path.as_ref()).await {
            Ok(bubblewrap) => Ok((Some(bubblewrap), Isolation::Bubblewrap)),
            Err(why) if how == How::Auto => Ok((None, Isolation::None { why: Some(why) })),
            Err(why) => Err(Refusal::new(
                format!("the sandbox cannot isolate its containers: {why}"),
                "install bubblewrap, or run them as plain processes with --isolation none",
            )),
        }
    }

    /// This program, also when its file has been replaced since it started.
    fn myself() -> io::Result<PathBuf> {
        let link = Path::new("/proc/self/exe");
        if cfg!(target_os = "linux") {
            return Ok(link.to_owned());
        }
        std::env::current_exe()
    }
}

/// A kjo that was built without it.
#[cfg(not(feature = "sandbox"))]
mod without {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
    };

    use super::How;
    use crate::{cluster::Connection, report::Reporter, spec::Refusal};

    /// None.
    #[derive(Default)]
    pub(in crate::cli) struct Sandbox {
        running: Option<Infallible>,
    }

    impl Sandbox {
        pub(in crate::cli) fn namespace(&self, _: &str) {
            if let Some(never) = self.running {
                match never {}
            }
        }

        pub(in crate::cli) fn lacks_volumes(&self) -> bool {
            match self.running {
                Some(never) => match never {},
                None => false,
            }
        }

        pub(in crate::cli) fn stop(self) -> Ready<()> {
            match self.running {
                Some(never) => match never {},
                None => ready(()),
            }
        }
    }

    pub(in crate::cli) fn start(
        _: &Reporter,
        _: How,
        _: Option<String>,
        _: u64,
        _: [u8; 32],
    ) -> Ready<Result<(Connection, Sandbox), Refusal>> {
        ready(Err(Refusal::new(
            "this kjo was built without its sandbox",
            "build it with the cargo feature sandbox, or name a cluster",
        )))
    }
}
