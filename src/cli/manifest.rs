//! From the command line to what is sent: manifests read, flags laid over them, all of it checked
//! before anything reaches a cluster.

use super::{
    files,
    overlay_flags::Main,
    settings::{Env, RunSettings, Source},
};
use crate::spec::{Refusal, bundle::Bundle, check};

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
    if settings.overlay.checks() {
        check::laid(&bundle)?;
    }
    Ok(bundle)
}
