//! Flags about the life of a Job: whether one that exists goes on, and what becomes of it when the run ends,
//! is interrupted, or loses its caller.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::settings::Env;
use crate::{
    core::{
        adoption::{Adopt, AdoptFailed},
        duration,
        machine::{DeletePolicy, Deleted, OnInterrupt},
    },
    spec::prepare::Ttl,
};

/// Flags of `kjo run`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct LifeArgs {
    /// An object of the manifest that belongs to the run and goes with the Job, as its ConfigMaps and Secrets
    /// always do; may be given several times
    #[arg(long, value_name = "KIND/NAME", help_heading = "What to run")]
    pub own: Vec<String>,

    /// With --run-id: which earlier Job of that id, running or ended unseen, may go on in place of a new one
    #[arg(long, value_name = "HOW", help_heading = "Identity", default_value = "exact")]
    pub adopt: AdoptArg,

    /// With --run-id: what becomes of an earlier Job of that id that failed before anybody saw it
    #[arg(long, value_name = "WHAT", help_heading = "Identity", default_value = "report")]
    pub adopt_failed: AdoptFailedArg,

    /// Of a Job that is adopted, show only what is written from now on
    #[arg(long, help_heading = "Logs")]
    pub since_attach: bool,

    /// With --exact-name: delete a finished Job of that name first
    #[arg(long, help_heading = "Identity", requires = "exact_name")]
    pub replace: bool,

    /// Create the Job, print its name on stdout and leave; 'kjo attach' follows it
    #[arg(long, help_heading = "At the end", conflicts_with_all = ["sandbox", "main_decides", "timeout", "delete", "remove", "wait_deleted", "die_with_parent", "since_attach"])]
    pub detach: bool,

    /// When to delete the Job at its end
    #[arg(long, value_name = "WHEN", help_heading = "At the end", default_value = "on-success")]
    pub delete: Delete,

    /// The same as --delete always
    #[arg(long = "rm", help_heading = "At the end", conflicts_with = "delete")]
    pub remove: bool,

    /// Wait until a deleted Job is gone and its pods have ended, within their grace and 30 s
    #[arg(long, help_heading = "At the end")]
    pub wait_deleted: bool,

    /// What SIGINT, SIGTERM and SIGHUP do to the Job; SIGUSR1 always leaves it
    #[arg(long, value_name = "WHAT", help_heading = "At the end", default_value = "delete")]
    pub on_interrupt: OnInterruptArg,

    /// What becomes of the Job when the process that called kjo is gone [default: off, but delete in CI]
    #[arg(long, value_name = "WHAT", help_heading = "At the end")]
    pub die_with_parent: Option<DieArg>,

    /// Have the cluster delete the Job this long after its end: a duration, none, or as-is for the
    /// manifest's own [default: the manifest's, at least 5m, else 3 days]
    #[arg(long, value_name = "TTL", help_heading = "At the end", value_parser = ttl)]
    pub ttl: Option<Ttl>,

    /// Have the cluster end the Job after this long: its activeDeadlineSeconds
    #[arg(long, value_name = "DURATION", help_heading = "Time", value_parser = duration::parse)]
    pub deadline: Option<Duration>,

    /// In a cluster: the Job goes when the pod that kjo runs in goes [default NAME: the host name]
    #[arg(long, value_name = "NAME", help_heading = "At the end", num_args = 0..=1, require_equals = true,
          default_missing_value = "")]
    pub owned_by_pod: Option<String>,
}

/// Which Job may be adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AdoptArg {
    /// One that is what would be sent: name, images, commands, arguments, environment, service account
    Exact,
    /// Arguments and environment of a running one may differ
    Loose,
    /// None: always start anew
    Never,
}

/// What comes of a Job that failed unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AdoptFailedArg {
    /// Its outcome is this run's
    Report,
    /// Its outcome is told, and a new Job runs
    Rerun,
}

/// When to delete the Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Delete {
    /// When it succeeded
    OnSuccess,
    /// Whatever its outcome
    Always,
    /// When it did not succeed
    OnFailure,
    /// Never; an interrupted run still deletes
    Never,
}

/// What a signal does to the Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnInterruptArg {
    /// It is deleted
    Delete,
    /// It stays and runs on
    Detach,
}

/// What the end of the calling process does to the Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DieArg {
    /// Nothing
    Off,
    /// It is deleted
    Delete,
    /// kjo leaves, and it runs on
    Detach,
}

/// Variables that CI runners set.
const RUNNERS: [&str; 9] = [
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "BUILDKITE",
    "CIRCLECI",
    "TF_BUILD",
    "TEAMCITY_VERSION",
    "BITBUCKET_BUILD_NUMBER",
    "CI",
];

/// This is a CI runner's environment.
pub(super) fn in_ci(env: Env<'_>) -> bool {
    RUNNERS.iter().any(|name| env(name).is_some_and(|v| is_set(&v)))
}

impl LifeArgs {
    /// When the Job is deleted at its end.
    #[must_use]
    pub fn policy(&self) -> DeletePolicy {
        match self.delete {
            _ if self.remove => DeletePolicy::Always,
            Delete::OnSuccess => DeletePolicy::OnSuccess,
            Delete::Always => DeletePolicy::Always,
            Delete::OnFailure => DeletePolicy::OnFailure,
            Delete::Never => DeletePolicy::Never,
        }
    }

    /// How long its deletion is waited for.
    #[must_use]
    pub fn deleted(&self) -> Deleted {
        if self.wait_deleted {
            Deleted::Gone
        } else {
            Deleted::Accepted
        }
    }

    /// Which Job may be adopted.
    #[must_use]
    pub fn adopt(&self) -> (Adopt, AdoptFailed) {
        let adopt = match self.adopt {
            AdoptArg::Exact => Adopt::Exact,
            AdoptArg::Loose => Adopt::Loose,
            AdoptArg::Never => Adopt::Never,
        };
        let failed = match self.adopt_failed {
            AdoptFailedArg::Report => AdoptFailed::Report,
            AdoptFailedArg::Rerun => AdoptFailed::Rerun,
        };
        (adopt, failed)
    }

    /// What signals do.
    #[must_use]
    pub fn on_interrupt(&self) -> OnInterrupt {
        match self.on_interrupt {
            OnInterruptArg::Delete => OnInterrupt::Delete,
            OnInterruptArg::Detach => OnInterrupt::Detach,
        }
    }

    /// What the end of the calling process does; `None` when it is not looked at. A runner's cancel may
    /// signal only the shell, so that there it deletes, unless told otherwise.
    #[must_use]
    pub fn on_orphaned(&self, env: Env<'_>) -> Option<OnInterrupt> {
        let runner = || in_ci(env);
        match self.die_with_parent {
            Some(DieArg::Off) => None,
            Some(DieArg::Delete) => Some(OnInterrupt::Delete),
            Some(DieArg::Detach) => Some(OnInterrupt::Detach),
            None if self.on_interrupt == OnInterruptArg::Detach => None,
            None => runner().then_some(OnInterrupt::Delete),
        }
    }
}

fn is_set(value: &str) -> bool {
    !(value.is_empty() || value == "0" || value.eq_ignore_ascii_case("false"))
}

/// `--ttl`.
fn ttl(text: &str) -> Result<Ttl, String> {
    match text {
        "none" => Ok(Ttl::None),
        "as-is" => Ok(Ttl::AsIs),
        text => duration::parse(text)
            .map(|ttl| Ttl::Seconds(duration::whole_seconds(ttl)))
            .map_err(|e| format!("{e}; or say none or as-is")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{
        super::args::{Cli, Command},
        *,
    };

    fn life(args: &[&str]) -> LifeArgs {
        let run = ["kjo", "run", "--image", "i"];
        let cli = Cli::try_parse_from(run.iter().chain(args)).expect("these arguments mean something");
        let Command::Run(args) = cli.command else {
            panic!("it is kjo run");
        };
        args.life
    }

    #[test]
    fn a_ci_runner_takes_its_job_along_unless_told_otherwise() {
        let none = |_: &str| None;
        let github = |name: &str| (name == "GITHUB_ACTIONS").then(|| "true".to_owned());
        let not = |name: &str| (name == "CI").then(|| "false".to_owned());
        assert_eq!(life(&[]).on_orphaned(&none), None);
        assert_eq!(life(&[]).on_orphaned(&not), None);
        assert_eq!(life(&[]).on_orphaned(&github), Some(OnInterrupt::Delete));
        assert_eq!(life(&["--die-with-parent", "off"]).on_orphaned(&github), None);
        assert_eq!(life(&["--on-interrupt", "detach"]).on_orphaned(&github), None);
        let detach = life(&["--die-with-parent", "detach"]).on_orphaned(&none);
        assert_eq!(detach, Some(OnInterrupt::Detach));
    }

    #[test]
    fn a_time_to_live_is_a_duration_or_a_word() {
        let of = |text: &str| life(&["--ttl", text]).ttl;
        assert_eq!(of("none"), Some(Ttl::None));
        assert_eq!(of("as-is"), Some(Ttl::AsIs));
        assert_eq!(of("2h"), Some(Ttl::Seconds(7200)));
        assert!(ttl("soon").unwrap_err().contains("none or as-is"));
    }

    #[test]
    fn rm_deletes_always() {
        assert_eq!(life(&["--rm"]).policy(), DeletePolicy::Always);
        assert_eq!(life(&[]).policy(), DeletePolicy::OnSuccess);
    }
}
