//! The command line: parse, dispatch to one function a command.

pub mod args;
mod ask;
pub mod attach;
pub mod check;
mod companions;
mod connection_flags;
pub mod delete;
pub mod files;
mod from;
pub mod life_flags;
pub mod log_flags;
mod manifest;
pub mod messages;
pub mod overlay_flags;
pub mod read;
pub mod render;
pub mod run;
pub mod sandbox;
#[cfg(feature = "sandbox")]
pub mod serve;
pub mod settings;
pub mod status;
mod target;
mod xcom_flags;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;
use tokio::time::Instant;

use self::{
    args::{Cli, Command},
    settings::Env,
};
use crate::core::exit;

/// Parses these arguments and does what they ask for.
#[must_use]
pub fn main(argv: impl IntoIterator<Item = OsString>, env: Env<'_>) -> ExitCode {
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are what was asked for; anything else would fail the same way again.
            let code = if error.use_stderr() {
                exit::REFUSED
            } else {
                exit::SUCCESS
            };
            // An error of printing is none: `kjo --help | head -1` has seen enough.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    // Before there is a runtime: it waits for one process, and forks another.
    #[cfg(feature = "sandbox")]
    if let Command::SandboxSupervisor = cli.command {
        return ExitCode::from(crate::sandbox::kubelet::supervisor::supervise());
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return no_runtime(&e),
    };
    let started = Instant::now();
    let code = runtime.block_on(async {
        match cli.command {
            // Their arguments are many.
            Command::Run(args) => Box::pin(run::run(*args, env, started)).await,
            Command::Render(args) => Box::pin(render::render(*args, env, started)).await,
            Command::Attach(args) => attach::attach(*args, env, started).await,
            Command::Delete(args) => delete::delete(*args, env, started).await,
            Command::Check(args) => check::check(*args, env, started).await,
            Command::Status(args) => status::status(*args, env, started).await,
            Command::Read(args) => read::read(args, env, started).await,
            #[cfg(feature = "sandbox")]
            Command::Sandbox(args) => serve::serve(*args, env, started).await,
            #[cfg(feature = "sandbox")]
            Command::SandboxSupervisor => exit::REFUSED,
        }
    });
    // Not waited for: a stdin or stdout that blocks must not keep the process.
    runtime.shutdown_background();
    ExitCode::from(code)
}

fn no_runtime(error: &std::io::Error) -> ExitCode {
    let refusal = clap::Error::raw(
        clap::error::ErrorKind::Io,
        format!("kjo cannot start: {error}; see the limits of this environment (ulimit)\n"),
    );
    drop(refusal.print());
    ExitCode::from(exit::REFUSED)
}
