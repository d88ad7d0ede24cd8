//! `kjo sandbox`: the embedded cluster for others, until it is stopped or a command has ended.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, IsTerminal as _, Write as _},
    os::unix::{
        fs::{DirBuilderExt as _, OpenOptionsExt as _},
        process::ExitStatusExt as _,
    },
    path::{Path, PathBuf},
};

use clap::Args;
use nix::{sys::signal, unistd::Pid};
use tokio::{
    process::{Child, Command},
    sync::mpsc::UnboundedReceiver,
    time::Instant,
};

use super::{
    connection_flags,
    messages::MessageArgs,
    run::random,
    sandbox::{self, IsolationArgs},
    settings::Env,
};
use crate::{
    core::{exit, notice::Notice, outcome::Signal},
    report::{self, Reporter},
    signals,
    spec::Refusal,
};

/// `kjo sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// A command to run with KUBECONFIG set to the sandbox's; the sandbox ends with it, and kjo exits with
    /// its code
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    /// What is between its containers and this machine.
    #[command(flatten)]
    pub isolation: IsolationArgs,

    /// What kjo says.
    #[command(flatten)]
    pub messages: MessageArgs,
}

/// Serves, and returns the exit code.
pub async fn serve(args: SandboxArgs, env: Env<'_>, started: Instant) -> u8 {
    let reporter = Reporter::stderr(args.messages.face(env), started);
    let code = match attempt(args, env, &reporter).await {
        Ok(code) => code,
        Err(refusal) => {
            reporter.refuse(&refusal);
            exit::REFUSED
        }
    };
    reporter.flush().await;
    code
}

async fn attempt(args: SandboxArgs, env: Env<'_>, reporter: &Reporter) -> Result<u8, Refusal> {
    // Before any handler is installed: what was ignored from the start stays ignored.
    let status = fs::read_to_string("/proc/self/status").ok();
    let mut signals = signals::listen(status.as_deref(), None).map_err(|e| {
        Refusal::new(
            format!("signals cannot be caught: {e}"),
            "see the limits of this environment",
        )
    })?;
    let seed = u64::from_le_bytes(random()?);
    let begun = sandbox::begin(reporter, args.isolation.isolation, env("PATH"), seed, random()?).await?;
    let ended = match kubeconfig(&begun.folder, &begun.endpoint.kubeconfig().to_string()) {
        Ok(path) => {
            reporter.say(&Notice::Target {
                server: begun.endpoint.server.clone(),
                namespace: "default".to_owned(),
            });
            until_it_is_over(&args.command, &path, &mut signals).await
        }
        Err(e) => Err(sandbox::refusal(&e)),
    };
    begun.sandbox.stop().await;
    ended
}

/// Writes the kubeconfig into the sandbox's own folder, for this user only.
fn kubeconfig(folder: &Path, content: &str) -> io::Result<PathBuf> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let path = folder.join("kubeconfig");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    file.write_all(content.as_bytes())?;
    Ok(path)
}

async fn until_it_is_over(
    command: &[OsString],
    kubeconfig: &Path,
    signals: &mut UnboundedReceiver<Signal>,
) -> Result<u8, Refusal> {
    let Some((program, args)) = command.split_first() else {
        let line = format!("export KUBECONFIG={}\n", quoted(kubeconfig));
        // A closed stdout is no reason to end: somebody may know the path from elsewhere.
        drop(report::product(line.as_bytes()));
        signals.recv().await;
        return Ok(exit::SUCCESS);
    };
    let mut command = Command::new(program);
    command.args(args).env("KUBECONFIG", kubeconfig);
    for name in connection_flags::VARIABLES {
        command.env_remove(name);
    }
    let child = command.spawn().map_err(|e| {
        Refusal::new(
            format!("{} cannot be started: {e}", program.display()),
            "check the command behind --",
        )
    })?;
    attend(child, signals).await
}

/// Hands signals on until the command has ended.
async fn attend(mut child: Child, signals: &mut UnboundedReceiver<Signal>) -> Result<u8, Refusal> {
    // A terminal gives its signals to all who are in front.
    let of_terminal = io::stdin().is_terminal();
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(signal) = signals.recv() => {
                let signal = match signal {
                    Signal::Interrupt if of_terminal => continue,
                    Signal::Interrupt => signal::Signal::SIGINT,
                    Signal::Terminate => signal::Signal::SIGTERM,
                    Signal::Hangup => signal::Signal::SIGHUP,
                    Signal::User => signal::Signal::SIGUSR1,
                    // Nobody listens for that here.
                    Signal::Orphaned => continue,
                };
                // It may have ended at this moment.
                let _gone: Option<nix::Result<()>> = pid.map(|pid| signal::kill(pid, signal));
            }
        }
    };
    let status = status.map_err(|e| Refusal::new(format!("the command cannot be waited for: {e}"), "run it again"))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::REFUSED))
}

/// The path as shells read it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    if plain {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_shells() {
        for (path, text) in [
            ("/tmp/kjo-1/k", "/tmp/kjo-1/k"),
            ("/a b", "'/a b'"),
            ("/it's", r"'/it'\''s'"),
        ] {
            assert_eq!(quoted(Path::new(path)), text);
        }
    }
}
