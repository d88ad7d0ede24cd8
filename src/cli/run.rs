//! `kjo run`: from settings to the end of the run. Everything before the first request is a refusal
//! (125) and leaves nothing behind; the rest is the driver's.

use std::{fs, path::PathBuf};

use serde_json::Value;
use tokio::time::Instant;

use super::{
    args::RunArgs,
    files,
    sandbox::{self, Sandbox},
    settings::{Env, RunSettings, Source},
};
use crate::{
    cluster::{self, Cluster},
    core::{
        exit,
        log::{choice::Declared, follow::Start},
        machine::{Plan, Task},
        main_container,
        notice::Notice,
        outcome::{Outcome, Verdict},
    },
    driver::{self, Shell},
    plane::Output,
    report::{
        Reporter,
        result::{Clock, ResultFile},
    },
    signals,
    spec::{
        Refusal,
        bundle::Bundle,
        identity::RunId,
        prepare::{Overlay, Prepared, prepare},
        read::Document,
    },
};

/// Runs, and returns the exit code.
pub async fn run(args: RunArgs, env: Env<'_>, started: Instant) -> u8 {
    let reporter = Reporter::stderr(args.messages.face(env), started);
    let code = recorded(args.result_file.clone(), &reporter, async |result: &mut ResultFile| {
        attempt(args, env, started, &reporter, result).await
    })
    .await;
    reporter.flush().await;
    code
}

/// Attempts something whose refusal is told and recorded too.
pub(super) async fn recorded(
    path: Option<PathBuf>,
    reporter: &Reporter,
    attempt: impl AsyncFnOnce(&mut ResultFile) -> Result<u8, Refusal>,
) -> u8 {
    match ResultFile::begin(path.clone(), Clock::set(jiff::Timestamp::now())) {
        Ok(mut result) => match attempt(&mut result).await {
            Ok(code) => code,
            Err(refusal) => refused(&refusal, reporter, &result),
        },
        Err(e) => {
            let path = path.unwrap_or_default();
            reporter.refuse(&Refusal::new(
                format!("the old result file {} cannot be removed: {e}", path.display()),
                "name a file that kjo may write with --result-file",
            ));
            exit::REFUSED
        }
    }
}

fn refused(refusal: &Refusal, reporter: &Reporter, result: &ResultFile) -> u8 {
    reporter.refuse(refusal);
    let verdict = Verdict::new(Outcome::Refused, "Refused", &refusal.message).with_hint(refusal.hint.clone());
    if let Err(e) = result.refused(&verdict) {
        reporter.say(&Notice::result_file(result.path(), &e));
    }
    exit::code(&verdict)
}

async fn attempt(
    args: RunArgs,
    env: Env<'_>,
    started: Instant,
    reporter: &Reporter,
    result: &mut ResultFile,
) -> Result<u8, Refusal> {
    // Before any handler is installed: what was ignored from the start stays ignored.
    let status = fs::read_to_string("/proc/self/status").ok();
    let settings = RunSettings::new(args, env)?;
    let bundle = read(&settings.source)?;
    let (connection, sandbox) = if settings.sandbox {
        sandbox::start(reporter, u64::from_le_bytes(random()?), random()?).await?
    } else {
        (settings.cluster.find().await?, Sandbox::default())
    };
    let run_id = match &settings.run_id {
        Some(id) => id.clone(),
        None => RunId::random(random()?),
    };
    let prepared = prepare(
        bundle.job,
        &Overlay {
            name: settings.name.as_deref(),
            exact_name: settings.exact_name || bundle.exact_names,
            namespace: settings.namespace.as_deref(),
            context_namespace: &connection.namespace,
            pull_policy: settings.pull_policy,
            run_id: &run_id,
        },
    )?;
    sandbox.namespace(&prepared.namespace);
    let mut cluster = cluster::connect(&connection, &prepared.namespace)?;
    if !settings.sandbox {
        cluster = cluster.renewed_from(settings.cluster.clone());
    }
    let signals = signals::listen(status.as_deref()).map_err(|e| no_signals(&e))?;
    result.about(&prepared.namespace, Some(run_id.as_str()));
    reporter.say(&Notice::Target {
        server: connection.server.clone(),
        namespace: prepared.namespace.clone(),
    });
    for what in bundle.told.iter().chain(&prepared.adjusted) {
        reporter.say(&Notice::Adjusted(what.clone()));
    }

    let plan = plan(&settings, &prepared, &run_id)?;
    let (output, pieces) = Output::new();
    reporter.stdout(pieces, settings.logs.log_spool);
    let shell = shell(
        cluster.clone(),
        prepared,
        settings.logs.timestamps,
        output,
        reporter,
        result,
    );
    let ended = driver::drive(plan, shell, signals, started).await;
    sandbox.stop().await;
    if let Err(e) = result.ended(&ended, cluster.traffic()) {
        reporter.say(&Notice::result_file(result.path(), &e));
    }
    Ok(exit::code(&ended.verdict))
}

fn plan(settings: &RunSettings, prepared: &Prepared, run_id: &RunId) -> Result<Plan, Refusal> {
    let declared = Declared::of(&prepared.job);
    let number = |field: &str| prepared.job.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    main_container::check(
        settings.main.main_container.as_deref(),
        settings.main.main_decides,
        &declared,
        number("parallelism").unwrap_or(1),
        number("completions"),
    )
    .map_err(|(message, hint)| Refusal::new(message, hint))?;
    Ok(Plan {
        job: prepared.name.clone(),
        namespace: prepared.namespace.clone(),
        run_id: run_id.as_str().to_owned(),
        task: Task::Run,
        logs: settings.logs.plan(Some(declared), Start::Beginning),
        fail_on_log_gap: settings.logs.fail_on_log_gap,
        delete: settings.delete,
        timeout: settings.timeout,
        connect_timeout: settings.connect_timeout,
        schedule_timeout: settings.schedule_timeout,
        startup_timeout: settings.startup_timeout,
        fail_fast: settings.fail_fast,
        main_container: settings.main.main_container.clone(),
        main_decides: settings.main.main_decides,
        outage_budget: settings.outage_budget,
        seed: u64::from_le_bytes(random()?),
    })
}

fn shell<'a>(
    cluster: Cluster,
    prepared: Prepared,
    timestamps: bool,
    output: Output,
    reporter: &'a Reporter,
    result: &'a ResultFile,
) -> Shell<'a> {
    Shell {
        cluster,
        job: prepared.job,
        name: prepared.name,
        timestamps,
        output,
        reporter,
        result,
    }
}

pub(super) fn no_signals(error: &std::io::Error) -> Refusal {
    Refusal::new(
        format!("signals cannot be caught: {error}"),
        "see the limits of this environment",
    )
}

fn read(source: &Source) -> Result<Bundle, Refusal> {
    match source {
        Source::Image(image) => Ok(Bundle::alone("--image", image.manifest())),
        Source::Files(args) => {
            let bundle = files::bundle(args)?;
            if bundle.companions.is_empty() {
                return Ok(bundle);
            }
            let found: Vec<String> = bundle.companions.iter().map(Document::title).collect();
            Err(Refusal::new(
                format!(
                    "{} stands beside other objects: {}",
                    bundle.source.title(),
                    found.join(", ")
                ),
                "kjo runs a file with one Job alone; create the other objects with 'kubectl apply' first",
            ))
        }
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Refusal::new(format!("the system gives no random numbers: {e}"), "give a --run-id"))?;
    Ok(bytes)
}
