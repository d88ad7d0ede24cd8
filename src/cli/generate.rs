//! `kjo generate`: what packages and shells want, made from the definition of the command line.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use clap_complete::Shell;
use tokio::time::Instant;

use super::{help::definition, reference};
use crate::{
    core::exit,
    report::{self, Face, Reporter},
    spec::Refusal,
};

/// `kjo generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a shell's completions for kjo
    #[command(after_help = AFTER_COMPLETIONS)]
    Completions {
        /// For this shell
        shell: Shell,
    },
    /// Print the man page kjo(1), or write the pages of all commands
    #[command(after_help = AFTER_MAN)]
    Man {
        /// Write kjo.1, kjo-run.1 and so on into this folder, which exists
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// Print the reference of all commands and flags, as Markdown
    Reference,
}

const AFTER_COMPLETIONS: &str = "\
Examples:
  bash, from the next shell on (with bash-completion):
      kjo generate completions bash \\
          > ~/.local/share/bash-completion/completions/kjo

  zsh, into a folder of $fpath:
      kjo generate completions zsh > \"${fpath[1]}/_kjo\"

  fish:
      kjo generate completions fish > ~/.config/fish/completions/kjo.fish";

const AFTER_MAN: &str = "\
Examples:
  Read it:
      kjo generate man | man -l -

  For a package:
      kjo generate man --dir /usr/local/share/man/man1";

/// Generates, and returns the exit code.
pub async fn generate(args: GenerateArgs, started: Instant) -> u8 {
    let made = match args.what {
        What::Completions { shell } => Ok(completions(shell)),
        What::Man { dir: None } => Ok(man()),
        What::Man { dir: Some(dir) } => man_pages(&dir),
        What::Reference => Ok(reference::markdown(&definition()).into_bytes()),
    };
    let printed = made.and_then(|text| {
        report::product(&text).map_err(|e| {
            Refusal::new(
                format!("stdout cannot be written: {e}"),
                "what was generated is printed there",
            )
        })
    });
    let Err(refusal) = printed else {
        return exit::SUCCESS;
    };
    let reporter = Reporter::stderr(Face::default(), started);
    reporter.refuse(&refusal);
    reporter.flush().await;
    exit::REFUSED
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition(), "kjo", &mut script);
    script
}

fn man() -> Vec<u8> {
    let mut page = Vec::new();
    // Writing into memory does not fail.
    clap_mangen::Man::new(definition())
        .render(&mut page)
        .unwrap_or_default();
    page
}

fn man_pages(dir: &Path) -> Result<Vec<u8>, Refusal> {
    clap_mangen::generate_to(definition(), dir)
        .map(|()| Vec::new())
        .map_err(|e| {
            Refusal::new(
                format!("the man pages cannot be written into {}: {e}", dir.display()),
                "name a folder that exists and that kjo may write into with --dir",
            )
        })
}
