//! The command line, exactly as typed. What it means is decided in [`super::settings`].

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use super::{
    attach::AttachArgs, check::CheckArgs, ci_flag::CiArgs, connection_flags::ConnectionArgs, delete::DeleteArgs,
    files::FileArgs, generate::GenerateArgs, life_flags::LifeArgs, log_flags::LogArgs, messages::MessageArgs,
    overlay_flags::OverlayArgs, render::RenderArgs, status::StatusArgs, xcom_flags::XComArgs,
};

/// Run a Kubernetes Job to its end.
///
/// kjo creates the Job, streams the logs of its pods to stdout, follows it across broken
/// connections until it has succeeded or failed, cleans up, and exits with its outcome: 0 for
/// success, the container's own exit code for a failure.
#[derive(Debug, Parser)]
#[command(name = "kjo", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a Job, stream its logs, wait for its end, clean up, exit with its outcome
    Run(Box<RunArgs>),

    /// Print the manifests that run would send, with every flag laid over them
    Render(Box<RenderArgs>),

    /// Follow a Job that exists: its logs, its end, its exit code. Never deletes or changes it
    Attach(Box<AttachArgs>),

    /// Print the result document of a Job as it stands, as JSON: outcome, pods, exit codes, warnings
    Status(Box<StatusArgs>),

    /// Delete a Job with its pods, or all Jobs of a run id; deleting nothing is no error
    Delete(Box<DeleteArgs>),

    /// Say whether this machine can run Jobs there: connection, version, namespace, permissions
    Check(Box<CheckArgs>),

    /// Serve a small cluster of kjo's own, for kubectl and others: no image is used
    #[cfg(feature = "sandbox")]
    Sandbox(Box<super::serve::SandboxArgs>),

    /// Print completions for a shell, man pages, or the reference of all flags
    Generate(Box<GenerateArgs>),

    /// Print the objects of the manifest on stdin, a line of JSON for each; for the Airflow plugin
    #[command(hide = true)]
    Read(super::read::ReadArgs),
}

/// `kjo run`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).multiple(true).args(["file", "image", "from"])))]
pub struct RunArgs {
    /// The manifests.
    #[command(flatten)]
    pub files: FileArgs,

    /// Run a command in this image: one pod, one try. With -f: the main container's image, in place of the
    /// manifest's
    #[arg(long, value_name = "IMAGE", help_heading = "What to run")]
    pub image: Option<String>,

    /// Set a variable of the container; NAME alone passes kjo's own value on
    #[arg(short = 'e', long, value_name = "NAME[=VALUE]", help_heading = "What to run")]
    pub env: Vec<String>,

    /// The command and its arguments, in place of the image's own
    #[arg(last = true, value_name = "COMMAND", help_heading = "What to run")]
    pub command: Vec<String>,

    /// When the nodes pull the image, for every container
    #[arg(long, value_name = "POLICY", help_heading = "What to run", ignore_case = true)]
    pub image_pull_policy: Option<PullPolicy>,

    /// What is laid over the manifest.
    #[command(flatten)]
    pub overlay: OverlayArgs,

    /// Base of the Job's name [default: the manifest's, or the image's]
    #[arg(long, value_name = "NAME", help_heading = "Identity")]
    pub name: Option<String>,

    /// Take the name as it is, without the suffix that keeps runs apart
    #[arg(long, help_heading = "Identity")]
    pub exact_name: bool,

    /// Name this run: an annotation of the Job and its pods, a label (cut to what a label may hold), and the
    /// suffix of the Job's name
    /// [default: random]
    #[arg(
        long,
        value_name = "ID",
        env = "KJO_RUN_ID",
        hide_env_values = true,
        help_heading = "Identity"
    )]
    pub run_id: Option<String>,

    /// Give up after this long (90s, 30m, 2h) and delete the Job
    #[arg(long, value_name = "DURATION", help_heading = "Time", value_parser = crate::core::duration::parse)]
    pub timeout: Option<std::time::Duration>,

    /// How long to try to get the Job made while the API server is out of reach
    #[arg(long, value_name = "DURATION", help_heading = "Time", default_value = "30s",
          value_parser = crate::core::duration::parse)]
    pub connect_timeout: std::time::Duration,

    /// How long a node may be looked for; waiting in a queue does not count
    #[arg(long, value_name = "DURATION", help_heading = "Time", default_value = "30m",
          value_parser = crate::core::duration::parse)]
    pub schedule_timeout: std::time::Duration,

    /// How long the first container may take to run once a node is found; pulling an image does not count
    #[arg(long, value_name = "DURATION", help_heading = "Time", default_value = "10m",
          value_parser = crate::core::duration::parse)]
    pub startup_timeout: std::time::Duration,

    /// Wait also for what waiting does not heal: a wrong image name, a refused pod, a missing Secret
    #[arg(long, help_heading = "Time")]
    pub no_fail_fast: bool,

    /// How long the API server may be out of reach once the Job is made; the Job runs on meanwhile
    #[arg(long, value_name = "DURATION", help_heading = "Time", default_value = "15m",
          value_parser = crate::core::duration::parse)]
    pub outage_budget: std::time::Duration,

    /// Write outcome, exit code and the Job's name to this file, as JSON
    #[arg(long, value_name = "FILE", help_heading = "At the end")]
    pub result_file: Option<PathBuf>,

    /// What becomes of the Job.
    #[command(flatten)]
    pub life: LifeArgs,

    /// What is shown of the logs.
    #[command(flatten)]
    pub logs: LogArgs,

    /// Whose code counts.
    #[command(flatten)]
    pub main: MainArgs,

    /// What the Job hands on.
    #[command(flatten)]
    pub xcom: XComArgs,

    /// What kjo says.
    #[command(flatten)]
    pub messages: MessageArgs,

    /// What a CI runner makes of it.
    #[command(flatten)]
    pub ci: CiArgs,

    /// Where to run.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// How the sandbox is isolated.
    #[command(flatten)]
    pub isolation: super::sandbox::IsolationArgs,
}

/// Flags about the container that the Job is there for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Outcome")]
pub struct MainArgs {
    /// The container whose exit code counts, where a pod has several [default: the first that fails]
    #[arg(long, value_name = "NAME")]
    pub main_container: Option<String>,

    /// End the run when the main container has ended, though others (a mesh's proxy) would run on; kjo run
    /// deletes the Job then. For Jobs of one pod. The main container is the first, or --main-container
    #[arg(long)]
    pub main_decides: bool,
}

/// Flags that choose the cluster, with kubectl's names.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Run without a cluster, in a small one of kjo's own: NO image is used, commands run as processes
    /// of this machine
    #[arg(long)]
    pub sandbox: bool,

    /// The namespace [default: the manifest's, else the context's]
    #[arg(short = 'n', long, value_name = "NS", env = "KJO_NAMESPACE", hide_env_values = true)]
    pub namespace: Option<String>,

    /// The kubeconfig file [default: $KUBECONFIG, else ~/.kube/config, else the pod's own account]
    #[arg(long, value_name = "FILE", env = "KJO_KUBECONFIG", hide_env_values = true)]
    pub kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", env = "KJO_CONTEXT", hide_env_values = true)]
    pub context: Option<String>,

    /// What of it is replaced.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// When nodes pull images, with Kubernetes' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PullPolicy {
    /// At every start.
    #[value(name = "Always")]
    Always,
    /// When the node does not have it.
    #[value(name = "IfNotPresent")]
    IfNotPresent,
    /// Not at all.
    #[value(name = "Never")]
    Never,
}
