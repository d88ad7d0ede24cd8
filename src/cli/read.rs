//! `kjo read`: the objects of a manifest as kjo reads them, for a program that changes them before it runs
//! them. The Airflow plugin is one: what it reads means to it what it means to `kjo run`.

use clap::Args;
use tokio::time::Instant;

use super::{files, messages::MessageArgs, settings::Env};
use crate::{
    core::exit,
    report::{self, Reporter},
    spec::{Refusal, read},
};

/// `kjo read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// What the text is called where something is wrong with it
    #[arg(value_name = "NAME", default_value = "stdin")]
    name: String,

    #[command(flatten)]
    messages: MessageArgs,
}

/// Reads stdin, prints one JSON object a line, and returns the exit code.
pub async fn read(args: ReadArgs, env: Env<'_>, started: Instant) -> u8 {
    let reporter = Reporter::stderr(args.messages.face(env), started);
    let code = match attempt(&args.name) {
        Ok(()) => exit::SUCCESS,
        Err(refusal) => {
            reporter.refuse(&refusal);
            exit::REFUSED
        }
    };
    reporter.flush().await;
    code
}

fn attempt(name: &str) -> Result<(), Refusal> {
    let documents = read::documents(name, &files::stdin()?)?;
    let lines: String = documents.iter().map(|one| format!("{}\n", one.value)).collect();
    report::product(lines.as_bytes()).map_err(|e| {
        Refusal::new(
            format!("stdout cannot be written: {e}"),
            "what was read is printed there",
        )
    })
}
