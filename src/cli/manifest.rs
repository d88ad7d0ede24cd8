//! From the command line to what is sent: manifests read, flags laid over them, all of it checked
//! before anything reaches a cluster.

use super::{
    files,
    overlay_flags::Main,
    settings::{Env, RunSettings, Source},
};
use crate::spec::{
    Refusal,
    bundle::Bundle,
    check,
    identity::RunId,
    prepare::{Overlay, Prepared, prepare},
};

/// What runs and what comes along.
pub(super) fn bundle(settings: &RunSettings, env: Env<'_>) -> Result<Bundle, Refusal> {
    let (mut bundle, main) = match &settings.source {
        Source::Image(image) => {
            let main = Main {
                command: image.command.clone(),
                ..Main::default()
            };
            (Bundle::alone("--image", image.manifest()), main)
        }
        Source::Files(args, main) => (files::bundle(args)?, main.clone()),
    };
    if settings.overlay.checks() {
        check::written(&bundle)?;
    }
    settings.overlay.lay(
        &mut bundle,
        &main,
        settings.main.main_container.as_deref(),
        settings.name.as_deref(),
        env,
    )?;
    settings
        .xcom
        .lay(&mut bundle.job, settings.main.main_container.as_deref())?;
    if settings.overlay.checks() {
        check::laid(&bundle)?;
    }
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
        deadline: settings.life.deadline.map(|deadline| deadline.as_secs().max(1)),
        pull_policy: settings.pull_policy,
        run_id,
    };
    prepare(bundle.job.clone(), &overlay)
}
