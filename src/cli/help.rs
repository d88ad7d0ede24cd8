//! The command line as it is shown: usage, examples, and the name that its caller knows it by. Lines are made
//! for 80 columns.

use std::{ffi::OsStr, path::Path};

use clap::{Command, CommandFactory as _};

use super::args::Cli;

/// The command line, for what is made from it.
pub(super) fn definition() -> Command {
    named("kjo")
}

/// The command line as its caller knows it: by the name `kubectl-kjo` it is a plugin of kubectl.
pub(super) fn called_as(program: Option<&OsStr>) -> Command {
    let name = program.and_then(|path| Path::new(path).file_name());
    named(if name == Some(OsStr::new("kubectl-kjo")) {
        "kubectl kjo"
    } else {
        "kjo"
    })
}

fn named(name: &str) -> Command {
    let words = |text: &str| {
        ["  ", "'", "| "].iter().fold(text.to_owned(), |text, before| {
            text.replace(&format!("{before}kjo "), &format!("{before}{name} "))
        })
    };
    let sources = |command: &str| {
        format!(
            "{name} {command} [OPTIONS] -f FILE|- [-- COMMAND ARG...]\n       \
             {name} {command} [OPTIONS] --image IMAGE [-- COMMAND ARG...]\n       \
             {name} {command} [OPTIONS] --from cronjob/NAME [-- COMMAND ARG...]"
        )
    };
    // These find a Job in a cluster that is there.
    let elsewhere = |command: Command| command.mut_arg("sandbox", |arg| arg.hide(true));
    let command = Cli::command()
        .bin_name(name)
        .after_help(words(AFTER))
        .mut_subcommand("run", |c| {
            briefly(
                c.override_usage(sources("run")).after_long_help(words(AFTER_RUN)),
                "run",
                name,
            )
        })
        .mut_subcommand("render", |c| {
            briefly(
                c.override_usage(sources("render")).after_long_help(words(AFTER_RENDER)),
                "render",
                name,
            )
        })
        .mut_subcommand("attach", |c| elsewhere(c).after_long_help(words(AFTER_ATTACH)))
        .mut_subcommand("status", |c| elsewhere(c).after_long_help(words(AFTER_STATUS)))
        .mut_subcommand("delete", |c| elsewhere(c).after_long_help(words(AFTER_DELETE)))
        .mut_subcommand("check", |c| elsewhere(c).after_long_help(words(AFTER_CHECK)))
        .mut_subcommand("generate", |c| c.after_long_help(words(AFTER_GENERATE)));
    #[cfg(feature = "sandbox")]
    let command = command.mut_subcommand("sandbox", |c| c.after_long_help(words(AFTER_SANDBOX)));
    command
}

/// Flags of the short help of `run` and `render`: what most runs need.
const BRIEF: [&str; 27] = [
    "file",
    "image",
    "from",
    "command",
    "env",
    "env_file",
    "secret_env",
    "script",
    "mount_file",
    "limits",
    "set",
    "job",
    "name",
    "run_id",
    "ttl",
    "timeout",
    "deadline",
    "startup_timeout",
    "delete",
    "remove",
    "detach",
    "container",
    "result_file",
    "namespace",
    "context",
    "quiet",
    "verbose",
];

/// Two screens of flags are for reading, not for a look.
fn briefly(command: Command, what: &str, name: &str) -> Command {
    command
        .mut_args(|arg| {
            let brief = BRIEF.contains(&arg.get_id().as_str()) || arg.get_id() == "sandbox";
            if brief { arg } else { arg.hide_short_help(true) }
        })
        .after_help(format!("All flags, with examples and exit codes: {name} {what} --help"))
}

const AFTER: &str = "\
Examples:
  kjo run --image busybox -- echo hello    a command in an image
  kjo run -f job.yaml                      a manifest
  kjo run --sandbox -f job.yaml            the same without a cluster
  kjo check                                whether Jobs can be run there

'kjo run --help' has more examples, all flags and the exit codes.";

const AFTER_RUN: &str = "\
Examples:
  Run a manifest, and delete the Job if it succeeds:
      kjo run -f job.yaml

  Run a command in an image, with two variables:
      kjo run --image busybox -e GREETING=hello -e HOME -- \\
          sh -c 'echo $GREETING'

  Once more after a crash: the same run id finds the Job that runs, or has
  ended unseen:
      kjo run -f job.yaml --run-id nightly-2026-11-27

  In CI: give the run an id, a time limit and a place for its result:
      kjo run -f job.yaml --run-id \"$CI_PIPELINE_ID-tests\" --timeout 30m \\
          --result-file result.json

  Without any cluster, as processes of this machine:
      kjo run --sandbox -f job.yaml

  From a template, on another cluster:
      envsubst '$TAG' < job.yaml | kjo run -f - --context staging -n team

Exit codes:
  0         the Job succeeded
  1-255     the exit code of the container that made the Job fail
  120       succeeded, but log lines are missing (--fail-on-log-gap)
  121       unknown: the cluster stayed out of reach
  122       nothing ran, trying again may help: image, node, quota, policy
  123       failed without a code: deleted, evicted, node lost
  124       out of time
  125       it would fail the same way again: arguments, manifest, permission
  130, 143  stopped by SIGINT, SIGTERM
A container may exit with any of these itself; --result-file tells them apart.";

const AFTER_RENDER: &str = "\
Takes the flags of 'kjo run'; those about waiting and cleaning up change nothing
here.

Examples:
  See what a flag changes:
      kjo render -f job.yaml --limits memory=2Gi

  Have the API server judge it:
      kjo render -f job.yaml --dry-run=server

  Send what was rendered:
      kjo render -f job.yaml --run-id ID --show-secrets > sent.yaml
      kjo run -f sent.yaml --run-id ID --exact-name

Exit codes:
  0    it was printed; with --dry-run=server, the API server takes it
  125  it was refused, or could not be judged";

const AFTER_ATTACH: &str = "\
A signal only leaves; the Job runs on.

Examples:
  The whole log so far, then the rest, and the Job's exit code:
      kjo attach etl-x8cn6q7k

  From now on, for a run that 'kjo run --detach' left to itself:
      kjo attach --run-id nightly-2026-11-27 --since-attach

Exit codes: those of 'kjo run'.";

const AFTER_STATUS: &str = "\
Examples:
  How it ended, or null while it runs:
      kjo status etl-x8cn6q7k | jq .outcome

Exit codes (whether the Job could be read):
  0    it could, however it ended
  121  the API server was out of reach for --connect-timeout
  125  there is no such Job, or it may not be read";

const AFTER_DELETE: &str = "\
A Job is deleted only if it is still the one that was seen (by its UID); pods
get their grace period.

Examples:
  What a cancelled CI job has left behind:
      kjo delete --run-id \"$CI_PIPELINE_ID-tests\"

Exit codes:
  0    it is deleted, or there was none
  121  the API server was out of reach for --connect-timeout: it may still exist
  125  it may not be deleted";

const AFTER_CHECK: &str = "\
Nothing is changed in the cluster, and no token is printed.

Examples:
  In the namespace where the Jobs are to run:
      kjo check -n team

  For a bug report:
      kjo check --redact

Exit codes:
  0    Jobs can be run there
  125  they cannot, or it cannot be told";

#[cfg(feature = "sandbox")]
const AFTER_SANDBOX: &str = "\
It serves until it is stopped (Ctrl-C), and then nothing of it is left.

Examples:
  In one terminal, and the line that it prints in another, for kubectl, kjo and
  others there:
      kjo sandbox

  For one command, which is told by KUBECONFIG:
      kjo sandbox -- pytest tests/

docs/sandbox.md says what it does and what it refuses.";

const AFTER_GENERATE: &str = "\
Examples:
  Completions for bash, from the next shell on (with bash-completion):
      kjo generate completions bash \\
          > ~/.local/share/bash-completion/completions/kjo

  The man page:
      kjo generate man | man -l -";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        definition().debug_assert();
    }

    #[test]
    fn a_plugin_of_kubectl_is_called_so() {
        let help = |program: &str| {
            let mut command = called_as(Some(OsStr::new(program)));
            command.build();
            let run = command.find_subcommand_mut("run").expect("a command");
            run.render_long_help().to_string()
        };
        let plugin = help("/usr/bin/kubectl-kjo");
        assert!(plugin.contains("Usage: kubectl kjo run [OPTIONS] -f FILE"), "{plugin}");
        assert!(plugin.contains("| kubectl kjo run -f -"), "{plugin}");
        assert!(!help("./kjo").contains("kubectl kjo"));
    }
}
