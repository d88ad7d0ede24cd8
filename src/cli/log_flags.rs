//! Flags about logs, the same for every command that shows them.

use clap::{Args, ValueEnum};

use crate::core::{
    log::{
        choice::{Choice, Declared, Prefix},
        follow::Start,
    },
    machine::LogPlan,
    size,
};
use crate::spec::Refusal;

/// What is shown of the containers' logs, and how.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a command line has switches")]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// Show this container only; may be given several times [default: all of the manifest]
    #[arg(short = 'c', long, value_name = "NAME", conflicts_with = "all_containers")]
    pub container: Vec<String>,

    /// Show also the containers that the cluster adds to the pods (a mesh's proxies)
    #[arg(long)]
    pub all_containers: bool,

    /// Leave the init containers out
    #[arg(long)]
    pub no_init_logs: bool,

    /// Show logs, or none: then only the outcome counts
    #[arg(long, value_name = "WHICH", default_value = "all", hide_possible_values = false)]
    pub logs: Logs,

    /// Put [pod container] before every line; auto does so where several pods or containers write at once
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub prefix: PrefixWhen,

    /// Put its time stamp before every line
    #[arg(long)]
    pub timestamps: bool,

    /// Follow this many containers at once; beyond it they are read in turn, every half minute
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_log_streams: u32,

    /// Keep up to this much that stdout has not taken yet, in memory and then in an unlinked temporary
    /// file; 0 for no file
    #[arg(long, value_name = "SIZE", default_value = "256Mi", value_parser = size::parse)]
    pub log_spool: u64,

    /// Exit with 120 if the Job succeeded but log lines are known to be missing
    #[arg(long)]
    pub fail_on_log_gap: bool,
}

/// `--logs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Logs {
    /// All that the other flags choose
    All,
    /// None
    None,
}

/// `--prefix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrefixWhen {
    /// Where the manifest has several pods at once, or several containers that are shown
    Auto,
    /// On every line
    Always,
    /// On none
    Never,
}

impl LogArgs {
    /// Whether all of `-c` are there: a name that is wrong would show nothing of a run.
    ///
    /// # Errors
    /// One that the manifest does not declare.
    pub(super) fn known(&self, declared: &[Declared]) -> Result<(), Refusal> {
        let choice = self.choice();
        let Some(name) = choice.unknown(declared).into_iter().next() else {
            return Ok(());
        };
        let names: Vec<&str> = declared.iter().map(|container| container.name.as_str()).collect();
        Err(Refusal::new(
            format!("-c {name:?}: the Job has no such container, only {}", names.join(", ")),
            "name one of these; what the cluster adds to the pods is shown with --all-containers",
        ))
    }

    fn choice(&self) -> Choice {
        Choice {
            none: self.logs == Logs::None,
            only: self.container.clone(),
            all: self.all_containers,
            no_init: self.no_init_logs,
            heard: None,
        }
    }

    /// The plan, for a manifest that declares these containers, or for the Job as it will be read.
    #[must_use]
    pub fn plan(&self, declared: Option<Vec<Declared>>, start: Start) -> LogPlan {
        LogPlan {
            choice: self.choice(),
            declared,
            prefix: match self.prefix {
                PrefixWhen::Auto => Prefix::Auto,
                PrefixWhen::Always => Prefix::Always,
                PrefixWhen::Never => Prefix::Never,
            },
            streams: usize::try_from(self.max_log_streams).unwrap_or(usize::MAX),
            start,
        }
    }
}
