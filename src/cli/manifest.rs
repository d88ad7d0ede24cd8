//! From the command line to what is sent: manifests read, flags laid over them, all of it checked
//! before anything reaches a cluster.

use serde_json::Value;
use tokio::time::Instant;

use super::{
    files, from,
    overlay_flags::Main,
    run,
    settings::{Env, RunSettings, Source},
};
use crate::{
    cluster::Connection,
    core::{duration, log::choice::Declared, main_container, notice::Notice, outcome::Verdict},
    report::Reporter,
    spec::{
        Refusal,
        bundle::Bundle,
        check,
        identity::RunId,
        order::Order,
        prepare::{self, Overlay, Prepared, prepare},
    },
};

/// What runs and what comes along; `None` if that is known only in the cluster.
pub(super) fn bundle(settings: &RunSettings, env: Env<'_>) -> Result<Option<Bundle>, Refusal> {
    match &settings.source {
        Source::Image(image) => {
            let main = Main {
                command: image.command.clone(),
                // Once more, over what files of variables say.
                env: image.env.clone(),
                ..Main::default()
            };
            let mut job = image.manifest();
            if let (true, Some(spec)) = (settings.overlay.per_index(), job["spec"].as_object_mut()) {
                // One try in all would be one failure for all indexes.
                spec.remove("backoffLimit");
            }
            laid(Bundle::alone("--image", job), &main, settings, env).map(Some)
        }
        Source::Files(args, main) => laid(files::bundle(args)?, main, settings, env).map(Some),
        Source::From(..) => Ok(None),
    }
}

/// What [`bundle`] left open; or the verdict when the cluster does not tell.
pub(super) async fn of_cluster(
    settings: &RunSettings,
    connection: &Connection,
    env: Env<'_>,
    started: Instant,
) -> Result<Result<Bundle, Verdict>, Refusal> {
    let Source::From(name, main) = &settings.source else {
        return Err(Refusal::new("there is nothing to read in the cluster", "report this"));
    };
    match from::cron_job(settings, name, connection, started).await? {
        Ok(document) => {
            let bundle = Bundle::of(&format!("cronjob/{name}"), vec![document], None)?;
            laid(bundle, main, settings, env).map(Ok)
        }
        Err(verdict) => Ok(Err(verdict)),
    }
}

fn laid(mut bundle: Bundle, main: &Main, settings: &RunSettings, env: Env<'_>) -> Result<Bundle, Refusal> {
    if settings.overlay.checks() {
        check::written(&bundle)?;
    }
    settings.overlay.lay(
        &mut bundle,
        main,
        settings.main.main_container.as_deref(),
        settings.name.as_deref(),
        env,
    )?;
    if settings.exact_name || bundle.exact_names {
        prepare::fits(&bundle.job)?;
    }
    let told = settings.xcom.lay(
        &mut bundle.job,
        settings.main.main_container.as_deref(),
        settings.overlay.falls_back_to_logs(),
    )?;
    bundle.told.extend(told);
    if settings.overlay.checks() {
        check::laid(&bundle)?;
        bundle.told.extend(check::unrendered(&bundle.job));
    }
    bundle.tell_wrapping();
    let number = |field: &str| bundle.job.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    main_container::check(
        settings.main.main_container.as_deref(),
        settings.main.main_decides,
        &Declared::of(&bundle.job),
        number("parallelism").unwrap_or(1),
        number("completions"),
    )
    .map_err(|(message, hint)| Refusal::new(message, hint))?;
    Ok(bundle)
}

/// The Job with kjo's own fields. `context_namespace` counts where neither the file nor -n names one.
pub(super) fn prepared(
    settings: &RunSettings,
    bundle: &Bundle,
    run_id: &RunId,
    context_namespace: &str,
) -> Result<Prepared, Refusal> {
    let overlay = Overlay {
        name: settings.name.as_deref(),
        exact_name: settings.exact_name || bundle.exact_names,
        namespace: settings.namespace.as_deref(),
        context_namespace,
        ttl: settings.life.ttl.unwrap_or_default(),
        deadline: settings.life.deadline.map(duration::whole_seconds),
        pull_policy: settings.pull_policy,
        run_id,
    };
    prepare(bundle.job.clone(), &overlay)
}

/// Who the run is: as it was given, or at random.
pub(super) fn run_id(settings: &RunSettings) -> Result<RunId, Refusal> {
    match &settings.run_id {
        Some(id) => Ok(id.clone()),
        None => Ok(RunId::random(run::random()?)),
    }
}

/// What is sent, for whichever generation; says what was decided and changed on the way.
pub(super) fn order(
    settings: &RunSettings,
    mut bundle: Bundle,
    prepared: Prepared,
    run_id: RunId,
    reporter: &Reporter,
) -> Result<Order, Refusal> {
    let told = std::mem::take(&mut bundle.told);
    bundle.job = prepared.job;
    let own = settings.life.own.clone();
    let (order, warnings) = Order::new(bundle, prepared.names, run_id, &prepared.namespace, own)?;
    for what in told.into_iter().chain(prepared.adjusted).chain(warnings) {
        reporter.say(&Notice::Adjusted(what));
    }
    Ok(order)
}
