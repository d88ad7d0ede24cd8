//! `kjo render`: what `kjo run` would send, printed instead.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    args::RunArgs,
    life_flags::in_ci,
    manifest,
    settings::{Env, RunSettings},
};
use crate::{
    cluster::{self, Cluster, Connection, Served},
    core::{exit, notice::Notice},
    report::{self, Reporter},
    spec::{Refusal, companions::MASK, write},
};

/// `kjo render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// How it is printed
    #[arg(
        short = 'o',
        long,
        value_name = "FORMAT",
        default_value = "yaml",
        help_heading = "What is printed"
    )]
    output: Format,

    /// Print the data of Secrets also on a terminal and in CI
    #[arg(long, help_heading = "What is printed")]
    show_secrets: bool,

    /// Have the API server judge it, and print what it would make of it
    #[arg(long, value_name = "WHO", help_heading = "What is printed")]
    dry_run: Option<DryRun>,

    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DryRun {
    /// The API server
    Server,
}

/// Prints, and returns the exit code.
pub async fn render(args: RenderArgs, env: Env<'_>, started: Instant) -> u8 {
    let reporter = Reporter::stderr(args.run.messages.face(env), started);
    let code = match attempt(args, env, started, &reporter).await {
        Ok(()) => exit::SUCCESS,
        Err(refusal) => {
            reporter.refuse(&refusal);
            exit::REFUSED
        }
    };
    reporter.flush().await;
    code
}

async fn attempt(args: RenderArgs, env: Env<'_>, started: Instant, reporter: &Reporter) -> Result<(), Refusal> {
    let RenderArgs {
        output,
        show_secrets,
        dry_run,
        run,
    } = args;
    let settings = RunSettings::new(run, env)?;
    let early = manifest::bundle(&settings, env)?;
    let connection = settings.cluster.find().await;
    let bundle = match (early, &connection) {
        (Some(bundle), _) => bundle,
        (None, Ok(connection)) => manifest::of_cluster(&settings, connection, env, started)
            .await?
            .map_err(|verdict| Refusal::new(verdict.message, "see 'kjo check'"))?,
        (None, Err(refusal)) => return Err(refusal.clone()),
    };
    let run_id = manifest::run_id(&settings)?;
    // Without a cluster only the context's namespace is missing.
    let context_namespace = connection
        .as_ref()
        .map_or("default", |c| c.namespace.as_str())
        .to_owned();
    let prepared = manifest::prepared(&settings, &bundle, &run_id, &context_namespace)?;
    let namespace = prepared.namespace.clone();
    let order = manifest::order(&settings, bundle, prepared, run_id, reporter)?;
    let mut objects = order.objects(1)?;
    if dry_run == Some(DryRun::Server) {
        objects = judged(objects, &connection?, &namespace, reporter).await?;
    }
    if !show_secrets && (std::io::stdout().is_terminal() || in_ci(env)) && mask(&mut objects) {
        reporter.say(&Notice::Adjusted(format!(
            "the values of Secrets are printed as {MASK}; --show-secrets prints them"
        )));
    }
    report::product(printed(&objects, output).as_bytes()).map_err(|e| {
        Refusal::new(
            format!("stdout cannot be written: {e}"),
            "what was rendered is printed there",
        )
    })
}

fn printed(objects: &[Value], format: Format) -> String {
    match format {
        Format::Yaml => objects.iter().map(write::yaml).collect::<Vec<_>>().join("---\n"),
        Format::Json => objects.iter().map(|object| format!("{object:#}\n")).collect(),
    }
}

/// Hides the values of Secrets; whether there were any.
fn mask(objects: &mut [Value]) -> bool {
    let mut masked = false;
    for secret in objects.iter_mut().filter(|o| o.get("kind") == Some(&"Secret".into())) {
        // What kubectl apply has left there holds them too.
        let last = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
        if let Some(applied) = secret.pointer_mut(last) {
            *applied = MASK.into();
            masked = true;
        }
        for field in ["data", "stringData"] {
            for value in secret
                .get_mut(field)
                .and_then(Value::as_object_mut)
                .into_iter()
                .flatten()
            {
                *value.1 = MASK.into();
                masked = true;
            }
        }
    }
    masked
}

async fn judged(
    objects: Vec<Value>,
    connection: &Connection,
    namespace: &str,
    reporter: &Reporter,
) -> Result<Vec<Value>, Refusal> {
    let cluster = cluster::connect(connection, namespace)?;
    let mut judged = Vec::new();
    for object in objects {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (kind, name) = (text("/kind"), text("/metadata/name"));
        let path = path(&cluster, &text("/apiVersion"), &kind).await?;
        let (mut answer, warnings) = cluster.judge(&path, &object).await.map_err(|failure| {
            Refusal::new(
                format!("{kind}/{name} would not be created in namespace {namespace}: {failure}"),
                "correct the manifest, or ask for what is missing",
            )
        })?;
        for warning in warnings {
            reporter.say(&Notice::ServerWarning(warning));
        }
        // As kubectl prints it.
        if let Some(metadata) = answer.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        judged.push(answer);
    }
    Ok(judged)
}

async fn path(cluster: &Cluster, api_version: &str, kind: &str) -> Result<String, Refusal> {
    match cluster.served(api_version, kind).await {
        Ok(Served::InNamespace(path)) => Ok(path),
        Ok(Served::ClusterWide) => Err(Refusal::new(
            format!("{kind} belongs to the whole cluster and not to a namespace"),
            "create it once with 'kubectl apply', apart from this run",
        )),
        Ok(Served::Unknown) => Err(Refusal::new(
            format!("the cluster has no kind {kind} of {api_version}"),
            "correct kind and apiVersion, or install what serves it",
        )),
        Err(failure) => Err(Refusal::new(
            format!("the kinds of the cluster could not be read: {failure}"),
            "see 'kjo check'",
        )),
    }
}
