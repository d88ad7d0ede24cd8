//! `kjo run`: from settings to the end of the run. Everything before the first request is a refusal
//! (125) and leaves nothing behind; the rest is the driver's.

use std::{fs, path::PathBuf};

use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use super::{
    args::RunArgs,
    ask::Ask,
    companions, manifest,
    sandbox::{self, Sandbox},
    settings::{Env, RunSettings},
    xcom_flags,
};
use crate::{
    cluster::{self, Cluster},
    core::{
        exit,
        log::{choice::Declared, follow::Start},
        machine::{Identity, Plan, Task},
        notice::Notice,
        outcome::{Outcome, Signal, Verdict},
        xcom::handed::Wanted,
    },
    driver::{self, Shell},
    plane::Output,
    report::{
        self, Reporter,
        result::{Clock, ResultFile},
    },
    signals,
    spec::{Refusal, bundle::Bundle, identity::RunId, order::Order, prepare::Prepared},
};

/// Runs, and returns the exit code.
pub async fn run(args: RunArgs, env: Env<'_>, started: Instant) -> u8 {
    let reporter = Reporter::stderr(args.ci.on(args.messages.face(env), env), started);
    let code = recorded(args.result_file.clone(), &reporter, async |result: &mut ResultFile| {
        // Its arguments alone are larger than a stack frame should be.
        Box::pin(attempt(args, env, started, &reporter, result)).await
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

/// Nothing was created, and this is why.
fn nothing_made(verdict: Verdict, reporter: &Reporter, result: &ResultFile) -> u8 {
    if let Err(e) = result.refused(&verdict) {
        reporter.say(&Notice::result_file(result.path(), &e));
    }
    let code = exit::code(&verdict);
    reporter.say(&Notice::Verdict(verdict));
    code
}

fn stopped(signal: Signal) -> Verdict {
    let message = format!("stopped by {}", signal.name());
    Verdict::new(Outcome::Interrupted(signal), signal.name(), message)
}

fn refused(refusal: &Refusal, reporter: &Reporter, result: &ResultFile) -> u8 {
    reporter.refuse(refusal);
    let verdict = Verdict::new(Outcome::Refused, "Refused", &refusal.message).with_hint(refusal.hint.clone());
    if let Err(e) = result.refused(&verdict) {
        reporter.say(&Notice::result_file(result.path(), &e));
    }
    exit::code(&verdict)
}

/// Why a run ends before it has begun.
enum Stop {
    Refused(Refusal),
    Verdict(Box<Verdict>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Verdict> for Stop {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(Box::new(verdict))
    }
}

/// Everything that a run needs.
struct Ready {
    cluster: Cluster,
    sandbox: Sandbox,
    order: Order,
    plan: Plan,
    /// What is handed on.
    wanted: Wanted,
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
    let parent = std::os::unix::process::parent_id();
    let settings = RunSettings::new(args, env)?;
    // Stdin is waited for without handlers, so that a signal ends that too.
    let early = manifest::bundle(&settings, env)?;
    let watched = settings.on_orphaned.map(|_| parent);
    let mut signals = signals::listen(status.as_deref(), watched).map_err(|e| no_signals(&e))?;
    let ready = tokio::select! {
        ready = get_ready(&settings, early, env, started, reporter, result) => ready,
        Some(signal) = signals.recv() => Err(stopped(signal).into()),
    };
    match ready {
        Ok(ready) => drive(&settings, ready, &mut signals, started, reporter, result).await,
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Verdict(verdict)) => Ok(nothing_made(*verdict, reporter, result)),
    }
}

/// Finds the cluster, and all that has to be known of it before anything is created.
async fn get_ready(
    settings: &RunSettings,
    early: Option<Bundle>,
    env: Env<'_>,
    started: Instant,
    reporter: &Reporter,
    result: &mut ResultFile,
) -> Result<Ready, Stop> {
    let (connection, sandbox) = if settings.sandbox {
        let seed = u64::from_le_bytes(random()?);
        sandbox::start(reporter, settings.isolation, env("PATH"), seed, random()?).await?
    } else {
        (settings.cluster.find().await?, Sandbox::default())
    };
    let bundle = match early {
        Some(bundle) => bundle,
        None => manifest::of_cluster(settings, &connection, env, started).await??,
    };
    let run_id = manifest::run_id(settings)?;
    let prepared = manifest::prepared(settings, &bundle, &run_id, &connection.namespace)?;
    sandbox.namespace(&prepared.namespace);
    let mut cluster = cluster::connect(&connection, &prepared.namespace)?;
    if !settings.sandbox {
        cluster = cluster.renewed_from(settings.cluster.clone());
    }
    result.about(&prepared.namespace, Some(run_id.as_str()));
    reporter.say(&Notice::Target {
        server: connection.server.clone(),
        namespace: prepared.namespace.clone(),
    });
    let (plan, wanted) = plan(settings, &prepared, &run_id)?;
    xcom_flags::check(&wanted, sandbox.lacks_volumes())?;
    let namespace = prepared.namespace.clone();
    let mut order = manifest::order(settings, bundle, prepared, run_id, reporter)?;
    order.made_at(companions::places(&cluster, &order, settings.connect_timeout, started).await??);
    if let Some(pod) = &settings.life.owned_by_pod {
        let ask = Ask::new(settings.connect_timeout, started)?;
        let (name, uid) = own_pod(&cluster, pod, env, &namespace, ask).await?;
        order.owned_by(&name, &uid);
    }
    Ok(Ready {
        cluster,
        sandbox,
        plan: Plan {
            companions: order.titles(),
            ..plan
        },
        order,
        wanted,
    })
}

async fn drive(
    settings: &RunSettings,
    ready: Ready,
    signals: &mut UnboundedReceiver<Signal>,
    started: Instant,
    reporter: &Reporter,
    result: &mut ResultFile,
) -> Result<u8, Refusal> {
    let Ready {
        cluster,
        sandbox,
        order,
        mut plan,
        wanted,
    } = ready;
    let (output, pieces) = Output::new();
    reporter.stdout(pieces, settings.logs.log_spool);
    let ended = loop {
        let ears = xcom_flags::ears(&wanted);
        result.hears(ears.clone());
        let shell = Shell {
            ears,
            cluster: cluster.clone(),
            order: Some(&order),
            run_id: Some(order.run_id()),
            timestamps: settings.logs.timestamps,
            output: output.clone(),
            reporter,
            result,
        };
        let ended = driver::drive(plan.clone(), shell, signals, started).await;
        match ended.next {
            // What failed unseen is told and marked; the run goes on with the next one.
            Some(generation) => {
                plan.identity.first = generation;
                plan.identity.look = false;
                plan.seed = u64::from_le_bytes(random()?);
            }
            None => break ended,
        }
    };
    sandbox.stop().await;
    if let Err(e) = result.ended(&ended, cluster.traffic()) {
        reporter.say(&Notice::result_file(result.path(), &e));
    }
    if let (Outcome::Detached(None), Some(job)) = (ended.verdict.outcome, &ended.job) {
        // In a CI log the name stands behind the fold.
        reporter.flush().await;
        if let Err(e) = report::product(format!("{}\n", job.name).as_bytes()) {
            // The Job is made all the same, and other lines have told its name.
            reporter.say(&Notice::StdoutFailed(e.to_string()));
        }
    }
    Ok(exit::code(&ended.verdict))
}

/// What is done, and what of it is handed on.
fn plan(settings: &RunSettings, prepared: &Prepared, run_id: &RunId) -> Result<(Plan, Wanted), Refusal> {
    let main = settings.main.main_container.as_deref();
    let wanted = settings.xcom.wanted(&prepared.job, main);
    let sidecar = xcom_flags::sidecar(&wanted);
    let mut declared = Declared::of(&prepared.job);
    declared.retain(|container| Some(&container.name) != sidecar.as_ref());
    settings.logs.known(&declared)?;
    let (adopt, adopt_failed) = settings.life.adopt();
    let start = if settings.life.since_attach {
        Start::Now
    } else {
        Start::Beginning
    };
    let mut logs = settings.logs.plan(Some(declared), start);
    logs.choice.heard = sidecar;
    let plan = Plan {
        job: prepared.name.clone(),
        namespace: prepared.namespace.clone(),
        identity: Identity {
            run_id: run_id.as_str().to_owned(),
            names: prepared.names.clone(),
            first: 1,
            // A random one is new.
            look: settings.run_id.is_some(),
            adopt,
            adopt_failed,
            replace: settings.life.replace,
        },
        companions: Vec::new(),
        task: if settings.life.detach { Task::Detach } else { Task::Run },
        logs,
        fail_on_log_gap: settings.logs.fail_on_log_gap,
        delete: settings.delete,
        deleted: settings.life.deleted(),
        on_interrupt: settings.life.on_interrupt(),
        on_orphaned: settings.on_orphaned.unwrap_or_default(),
        timeout: settings.timeout,
        connect_timeout: settings.connect_timeout,
        schedule_timeout: settings.schedule_timeout,
        startup_timeout: settings.startup_timeout,
        fail_fast: settings.fail_fast,
        main_container: settings.main.main_container.clone(),
        main_decides: settings.main.main_decides,
        outage_budget: settings.outage_budget,
        seed: u64::from_le_bytes(random()?),
    };
    Ok((plan, wanted))
}

/// Name and UID of the pod that kjo runs in, which is to own the Job.
async fn own_pod(
    cluster: &Cluster,
    given: &str,
    env: Env<'_>,
    namespace: &str,
    ask: Ask,
) -> Result<(String, String), Stop> {
    let name = Some(given.to_owned())
        .filter(|name| !name.is_empty())
        .or_else(|| env("HOSTNAME").filter(|_| env("KUBERNETES_SERVICE_HOST").is_some()))
        .ok_or_else(|| {
            Refusal::new(
                "--owned-by-pod: kjo does not seem to run in a pod",
                "leave it out, or name the pod: --owned-by-pod=NAME",
            )
        })?;
    let hint = format!("an owner has to be in the Job's namespace, {namespace}, and kjo needs get on pods there");
    let what = format!("pod/{name} of --owned-by-pod");
    let answer = ask.until_answered(&what, || cluster.read_pod(&name)).await;
    match answer.map_err(Verdict::nothing_made)? {
        Ok(Some(pod)) => Ok((name, pod.uid)),
        Ok(None) => Err(Refusal::new(
            format!("--owned-by-pod: there is no pod/{name} in namespace {namespace}"),
            hint,
        )
        .into()),
        Err(failure) => Err(Refusal::new(format!("{what} could not be read: {failure}"), hint).into()),
    }
}

pub(super) fn no_signals(error: &std::io::Error) -> Refusal {
    Refusal::new(
        format!("signals cannot be caught: {error}"),
        "see the limits of this environment",
    )
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Refusal::new(format!("the system gives no random numbers: {e}"), "give a --run-id"))?;
    Ok(bytes)
}
