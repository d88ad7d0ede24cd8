//! `kjo attach`: follow a Job that exists. Never deletes it, never changes it.

use std::{fs, path::PathBuf};

use clap::Args;
use tokio::time::Instant;

use super::{
    args::{ClusterArgs, MainArgs},
    ci_flag::CiArgs,
    log_flags::LogArgs,
    messages::MessageArgs,
    run,
    settings::Env,
    target::{Target, Which, WhichArgs},
};
use crate::{
    core::{
        adoption::{Adopt, AdoptFailed},
        exit,
        log::follow::Start,
        machine::{DeletePolicy, Deleted, Identity, OnInterrupt, Plan, Task},
        naming::JobName,
        notice::Notice,
    },
    driver::{self, Shell},
    plane::{Ears, Output},
    report::{Reporter, result::ResultFile},
    signals,
    spec::Refusal,
};

/// `kjo attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Which Job.
    #[command(flatten)]
    pub which: WhichArgs,

    /// Begin with the last N lines of each log instead of its first
    #[arg(long, value_name = "N", help_heading = "Logs", conflicts_with = "since_attach",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub tail: Option<u64>,

    /// Show only what is written from now on
    #[arg(long, help_heading = "Logs")]
    pub since_attach: bool,

    /// What is shown.
    #[command(flatten)]
    pub logs: LogArgs,

    /// Whose code counts.
    #[command(flatten)]
    pub main: MainArgs,

    /// Stop waiting after this long (90s, 30m, 2h); the Job runs on
    #[arg(long, value_name = "DURATION", help_heading = "Time", value_parser = crate::core::duration::parse)]
    pub timeout: Option<std::time::Duration>,

    /// How long to try to find the Job while the API server is out of reach
    #[arg(long, value_name = "DURATION", help_heading = "Time", default_value = "30s",
          value_parser = crate::core::duration::parse)]
    pub connect_timeout: std::time::Duration,

    /// How long the API server may be out of reach later
    #[arg(long, value_name = "DURATION", help_heading = "Time", default_value = "15m",
          value_parser = crate::core::duration::parse)]
    pub outage_budget: std::time::Duration,

    /// Write outcome, exit code and the Job's pods to this file, as JSON
    #[arg(long, value_name = "FILE", help_heading = "At the end")]
    pub result_file: Option<PathBuf>,

    /// What kjo says.
    #[command(flatten)]
    pub messages: MessageArgs,

    /// What a CI runner makes of it.
    #[command(flatten)]
    pub ci: CiArgs,

    /// Where the Job is.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Attaches, and returns the exit code.
pub async fn attach(args: AttachArgs, env: Env<'_>, started: Instant) -> u8 {
    let reporter = Reporter::stderr(args.ci.on(args.messages.face(env), env), started);
    let code = run::recorded(args.result_file.clone(), &reporter, async |result: &mut ResultFile| {
        attempt(args, env, started, &reporter, result).await
    })
    .await;
    reporter.flush().await;
    code
}

async fn attempt(
    args: AttachArgs,
    env: Env<'_>,
    started: Instant,
    reporter: &Reporter,
    result: &mut ResultFile,
) -> Result<u8, Refusal> {
    // Before any handler is installed: what was ignored from the start stays ignored.
    let status = fs::read_to_string("/proc/self/status").ok();
    let start = match (args.tail, args.since_attach) {
        (_, true) => Start::Now,
        (Some(lines), false) => Start::Tail(lines),
        (None, false) => Start::Beginning,
    };
    let which = args.which.which(env)?;
    let target = Target::find(args.cluster, env).await?;
    let mut signals = signals::listen(status.as_deref(), None).map_err(|e| run::no_signals(&e))?;
    result.about(&target.namespace, None);
    target.tell(reporter);
    let Target { cluster, namespace, .. } = target;
    let (name, run_id) = match which {
        Which::Name(name) => (name, None),
        Which::RunId(id) => (String::new(), Some(id)),
    };
    let plan = Plan {
        job: name.clone(),
        namespace,
        identity: Identity {
            run_id: run_id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            names: JobName::exact(name),
            first: 1,
            look: false,
            adopt: Adopt::Never,
            adopt_failed: AdoptFailed::Report,
            replace: false,
        },
        task: Task::Attach,
        companions: Vec::new(),
        logs: args.logs.plan(None, start),
        fail_on_log_gap: args.logs.fail_on_log_gap,
        delete: DeletePolicy::Never,
        deleted: Deleted::Accepted,
        on_interrupt: OnInterrupt::Detach,
        on_orphaned: OnInterrupt::Detach,
        timeout: args.timeout,
        connect_timeout: args.connect_timeout,
        // Whoever attached did not start it: nothing is given up because it starts slowly.
        schedule_timeout: std::time::Duration::MAX,
        startup_timeout: std::time::Duration::MAX,
        fail_fast: false,
        main_container: args.main.main_container.clone(),
        main_decides: args.main.main_decides,
        outage_budget: args.outage_budget,
        seed: u64::from_le_bytes(run::random()?),
    };
    let (output, pieces) = Output::new();
    reporter.stdout(pieces, args.logs.log_spool);
    let shell = Shell {
        ears: Ears::default(),
        cluster: cluster.clone(),
        order: None,
        run_id: run_id.as_ref(),
        timestamps: args.logs.timestamps,
        output,
        reporter,
        result,
    };
    let ended = driver::drive(plan, shell, &mut signals, started).await;
    if let Err(e) = result.ended(&ended, cluster.traffic()) {
        reporter.say(&Notice::result_file(result.path(), &e));
    }
    Ok(exit::code(&ended.verdict))
}
