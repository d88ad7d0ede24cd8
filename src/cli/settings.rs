//! What the command line means: arguments and environment in, checked settings out. Pure.

use std::{path::PathBuf, time::Duration};

use super::{
    args::{ClusterArgs, MainArgs, PullPolicy, RunArgs},
    connection_flags,
    files::FileArgs,
    from,
    life_flags::LifeArgs,
    log_flags::LogArgs,
    overlay_flags::{Main, OverlayArgs},
    xcom_flags::XComArgs,
};
use crate::{
    cluster::Where,
    core::machine::{DeletePolicy, OnInterrupt},
    spec::{
        Refusal,
        identity::RunId,
        image::{self, ImageRun},
        names,
        overlay::parse,
    },
};

/// The process's environment, as an argument.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The settings of `kjo run`.
#[derive(Debug)]
pub struct RunSettings {
    /// Where the manifest comes from.
    pub source: Source,
    /// What is laid over it.
    pub overlay: OverlayArgs,
    /// Base of the name.
    pub name: Option<String>,
    /// No suffix.
    pub exact_name: bool,
    /// Who the run is; `None` wants a random id.
    pub run_id: Option<RunId>,
    /// `-n`.
    pub namespace: Option<String>,
    /// In Kubernetes' spelling.
    pub pull_policy: Option<&'static str>,
    /// What becomes of the Job.
    pub life: LifeArgs,
    /// When to delete.
    pub delete: DeletePolicy,
    /// What the end of the calling process does to the Job; `None` when it is not looked at.
    pub on_orphaned: Option<OnInterrupt>,
    /// Time for the whole run.
    pub timeout: Option<Duration>,
    /// Time to get the Job made.
    pub connect_timeout: Duration,
    /// Time until a node is found.
    pub schedule_timeout: Duration,
    /// Time until a container runs.
    pub startup_timeout: Duration,
    /// What waiting cannot heal ends the run.
    pub fail_fast: bool,
    /// Whose code counts.
    pub main: MainArgs,
    /// What it hands on.
    pub xcom: XComArgs,
    /// Time without API server.
    pub outage_budget: Duration,
    /// A cluster of kjo's own instead of one that is there.
    pub sandbox: bool,
    /// What is between that one's containers and this machine.
    pub isolation: super::sandbox::How,
    /// What is shown of the logs.
    pub logs: LogArgs,
    /// Where to look for the cluster.
    pub cluster: Where,
}

/// Where the manifest comes from.
#[derive(Debug)]
pub enum Source {
    /// `-f`, and what is laid over its main container.
    Files(FileArgs, Main),
    /// `--from`: the name of a CronJob, and what is laid over its main container.
    From(String, Main),
    /// `--image`.
    Image(ImageRun),
}

impl RunSettings {
    /// Checks what was typed.
    ///
    /// # Errors
    /// An argument that means nothing.
    pub fn new(args: RunArgs, env: Env<'_>) -> Result<Self, Refusal> {
        connection_flags::sandbox_alone(&args.cluster, env)?;
        if !args.cluster.sandbox && args.isolation.isolation != super::sandbox::How::Auto {
            return Err(Refusal::new(
                "--isolation is about the sandbox, and this run is for a cluster",
                "add --sandbox, or leave --isolation out",
            ));
        }
        for (given, flag, field) in [
            (args.life.deadline.is_some(), "--deadline", "spec.activeDeadlineSeconds"),
            (args.life.ttl.is_some(), "--ttl", "spec.ttlSecondsAfterFinished"),
            (
                args.image_pull_policy.is_some(),
                "--image-pull-policy",
                "imagePullPolicy",
            ),
        ] {
            if given && args.overlay.sets(field) {
                return Err(Refusal::new(
                    format!("{flag} and --set both set {field}"),
                    "leave one of them out",
                ));
            }
        }
        let given_env = args.env.iter().map(|e| image::env(e, env)).collect::<Result<_, _>>()?;
        let image = given("--image", args.image)?;
        let main = Main {
            image: image.clone(),
            env: given_env,
            command: args.command,
        };
        let source = match &args.files.from {
            Some(_) if args.cluster.sandbox => {
                return Err(Refusal::new(
                    "--from reads a CronJob of a cluster, and the sandbox has none",
                    "leave --sandbox or --from out",
                ));
            }
            Some(from) => Source::From(from::name(from)?, main),
            None if !args.files.file.is_empty() => Source::Files(args.files, main),
            None => Source::Image(ImageRun {
                image: image.unwrap_or_default(),
                env: main.env,
                command: main.command,
            }),
        };
        Ok(Self {
            source,
            overlay: args.overlay,
            name: given("--name", args.name)?,
            exact_name: args.exact_name,
            run_id: args.run_id.as_deref().map(RunId::given).transpose()?,
            namespace: namespace(args.cluster.namespace.clone())?,
            pull_policy: args.image_pull_policy.map(|policy| match policy {
                PullPolicy::Always => "Always",
                PullPolicy::IfNotPresent => "IfNotPresent",
                PullPolicy::Never => "Never",
            }),
            delete: if args.cluster.sandbox {
                // What is left in a cluster that ends with the run cannot be looked at.
                DeletePolicy::Always
            } else {
                args.life.policy()
            },
            on_orphaned: args.life.on_orphaned(env),
            life: args.life,
            timeout: args.timeout,
            connect_timeout: args.connect_timeout,
            schedule_timeout: args.schedule_timeout,
            startup_timeout: args.startup_timeout,
            fail_fast: !args.no_fail_fast,
            main: args.main,
            xcom: args.xcom,
            outage_budget: args.outage_budget,
            sandbox: args.cluster.sandbox,
            isolation: args.isolation.isolation,
            logs: args.logs,
            cluster: cluster(args.cluster, env)?,
        })
    }
}

pub(super) fn cluster(args: ClusterArgs, env: Env<'_>) -> Result<Where, Refusal> {
    let in_cluster = connection_flags::in_cluster(&args, env)?;
    let in_pod = env("KUBERNETES_SERVICE_HOST").is_some_and(|host| !host.is_empty());
    let overrides = args.connection.overrides(given("--context", args.context)?, env)?;
    Ok(Where {
        kubeconfig: args.kubeconfig.filter(|path| !path.as_os_str().is_empty()),
        overrides: if in_cluster { overrides.of_pod() } else { overrides },
        kubeconfig_env: env("KUBECONFIG"),
        home: env("HOME").filter(|home| !home.is_empty()).map(PathBuf::from),
        // As Go does: the first that is not empty.
        no_proxy: ["NO_PROXY", "no_proxy"]
            .iter()
            .find_map(|name| env(name).filter(|list| !list.is_empty()))
            .unwrap_or_default(),
        in_pod,
        in_cluster,
    })
}

/// `-n`: one name.
pub(super) fn namespace(value: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(name) = given("-n", value)? else {
        return Ok(None);
    };
    match names::dns_label(&name).into_iter().next() {
        None => Ok(Some(name)),
        Some(wrong) => Err(Refusal::new(
            format!("-n {name:?} is no namespace: {wrong}"),
            "name the namespace of -n (or KJO_NAMESPACE); 'kubectl get namespaces' shows them",
        )),
    }
}

/// An empty value is nearly always an unset variable, and would silently mean something else.
pub(super) fn given(flag: &str, value: Option<String>) -> Result<Option<String>, Refusal> {
    parse::not_empty(flag, value.as_deref())?;
    Ok(value)
}
