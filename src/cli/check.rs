//! `kjo check`: can this machine run Jobs there?

use clap::Args;
use tokio::time::Instant;

use super::{args::ClusterArgs, messages::MessageArgs, settings::Env, target::Target};
use crate::{
    cluster::{Cluster, NamespaceState},
    core::{access, exit},
    report::{
        self, Reporter,
        check::{self, Found, Place},
    },
    spec::Refusal,
};

/// `kjo check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Hide the names of server, user, namespace, context and files, for a bug report
    #[arg(long)]
    pub redact: bool,

    /// What kjo says besides.
    #[command(flatten)]
    pub messages: MessageArgs,

    /// What to check.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Prints what was found. 0 if Jobs can be run there.
pub async fn check(args: CheckArgs, env: Env<'_>, started: Instant) -> u8 {
    let reporter = Reporter::stderr(args.messages.face(env), started);
    let mut found = Found {
        machine: format!(
            "kjo {} on {} {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        names: names(&args.cluster, env),
        ..Found::default()
    };
    match Target::find(args.cluster, env).await {
        Ok(target) => {
            let origin = &target.connection.origin;
            found.cluster = Some(Ok(Place {
                server: target.connection.server.clone(),
                origin: origin.to_string(),
                origin_redacted: origin.redacted(),
                namespace: target.namespace.clone(),
            }));
            ask(&target.cluster, &mut found).await;
        }
        Err(refusal) => found.cluster = Some(Err(refusal)),
    }
    let code = if found.obstacle().is_none() {
        exit::SUCCESS
    } else {
        exit::REFUSED
    };
    let Err(e) = report::product(check::text(&found, args.redact).as_bytes()) else {
        return code;
    };
    reporter.refuse(&Refusal::new(
        format!("stdout cannot be written: {e}"),
        "what was found is printed there",
    ));
    reporter.flush().await;
    exit::REFUSED
}

async fn ask(cluster: &Cluster, found: &mut Found) {
    let version = cluster.version().await;
    let answers = version.is_ok();
    found.version = Some(version);
    if !answers {
        return;
    }
    found.user = Some(cluster.user().await);
    for permission in access::ALL.into_iter().chain(access::FOR_FLAGS) {
        let may = cluster.may(&permission).await;
        found.permissions.push((permission, may));
    }
    let may_create = found
        .permissions
        .iter()
        .any(|(permission, may)| permission.verb == "create" && matches!(may, Ok(true)));
    let state: NamespaceState = cluster.namespace_state(may_create).await;
    found.namespace = Some(state);
}

/// Names that a message may hold.
fn names(args: &ClusterArgs, env: Env<'_>) -> Vec<(&'static str, String)> {
    let file = args.kubeconfig.as_ref().map(|path| path.display().to_string());
    let listed = env("KUBECONFIG").unwrap_or_default();
    let listed = listed.split(':').map(|path| ("file", path.to_owned()));
    let connection = &args.connection;
    let files = [&connection.token_file, &connection.certificate_authority];
    let files = files.map(|path| ("file", path.as_ref().map(|path| path.display().to_string())));
    let groups = connection.as_group.iter().map(|group| ("group", group.clone()));
    [
        ("file", file),
        ("home", env("HOME")),
        ("context", args.context.clone()),
        ("cluster", connection.cluster.clone()),
        ("server", connection.server.clone()),
        ("user", connection.user.clone()),
        ("user", connection.as_user.clone()),
        ("namespace", args.namespace.clone()),
    ]
    .into_iter()
    .chain(files)
    .filter_map(|(kind, name)| Some((kind, name?)))
    .chain(groups)
    .chain(listed)
    .filter(|(_, name)| !name.is_empty() && name != "/")
    .collect()
}
