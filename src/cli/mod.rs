//! The command line: parse, dispatch to one function a command.

pub mod args;
mod ask;
pub mod attach;
pub mod check;
mod ci_flag;
mod companions;
mod connection_flags;
pub mod delete;
pub mod files;
mod from;
pub mod generate;
mod help;
pub mod life_flags;
pub mod log_flags;
mod manifest;
pub mod messages;
pub mod overlay_flags;
pub mod read;
mod reference;
pub mod render;
pub mod run;
pub mod sandbox;
#[cfg(feature = "sandbox")]
pub mod serve;
pub mod settings;
pub mod status;
mod target;
mod usage;
mod xcom_flags;

use std::{ffi::OsString, process::ExitCode};

use clap::{FromArgMatches as _, error::ErrorKind};
use tokio::time::Instant;

use self::{
    args::{Cli, Command},
    settings::Env,
    usage::Usage,
};
use crate::{core::exit, report, spec::Refusal};

/// Parses these arguments and does what they ask for.
#[must_use]
pub fn main(argv: impl IntoIterator<Item = OsString>, env: Env<'_>) -> ExitCode {
    let argv: Vec<OsString> = argv.into_iter().collect();
    // Before there is a runtime: it waits for one process, and forks another. It is no command for people.
    #[cfg(feature = "sandbox")]
    if argv.get(1).is_some_and(|arg| arg == "sandbox-supervisor") {
        return ExitCode::from(crate::sandbox::kubelet::supervisor::supervise());
    }
    let definition = help::called_as(argv.first().map(OsString::as_os_str));
    let parsed = definition.try_get_matches_from(&argv);
    let cli = match parsed.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are what was asked for; anything else would fail the same way again.
            let code = if error.use_stderr() {
                exit::REFUSED
            } else {
                exit::SUCCESS
            };
            let help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
            if error.use_stderr() && usage::wants_json(&argv, env) {
                report::refuse_as_json(&if help {
                    Refusal::new("no command is given", "see 'kjo --help'")
                } else {
                    Usage::new(&error, &argv).refusal()
                });
            } else if error.use_stderr() && !help {
                report::refuse_arguments(&Usage::new(&error, &argv).text());
            } else {
                // An error of printing is none: `kjo --help | head -1` has seen enough.
                drop(error.print());
            }
            return ExitCode::from(code);
        }
    };
    no_core_dump();
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
            Command::Generate(args) => generate::generate(*args, started).await,
            #[cfg(feature = "sandbox")]
            Command::Sandbox(args) => serve::serve(*args, env, started).await,
        }
    });
    // Not waited for: a stdin or stdout that blocks must not keep the process.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// A core dump would hold the credentials that this process has in memory, and SIGQUIT makes one. What it
/// starts (containers of the sandbox, credential plugins) may make theirs.
fn no_core_dump() {
    // An error leaves things as they are everywhere else.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).unwrap_or_default();
}

fn no_runtime(error: &std::io::Error) -> ExitCode {
    report::refuse_arguments(&format!(
        "error: kjo cannot start: {error}\nhint: see the limits of this environment (ulimit)"
    ));
    ExitCode::from(exit::REFUSED)
}
