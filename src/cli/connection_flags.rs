//! Flags that stand for parts of a kubeconfig, with kubectl's names, and which of them contradict each other.
//! A token is never an argument: other users of the machine can read those.

use std::path::PathBuf;

use clap::Args;
use http::HeaderValue;

use super::{
    args::ClusterArgs,
    settings::{Env, given},
};
use crate::{cluster::Overrides, spec::Refusal};

/// The variables that stand for flags and say where the cluster is.
#[cfg(feature = "sandbox")]
pub(super) const VARIABLES: [&str; 12] = [
    "KJO_KUBECONFIG",
    "KJO_NAMESPACE",
    "KJO_CERTIFICATE_AUTHORITY",
    "KJO_CONTEXT",
    "KJO_CLUSTER",
    "KJO_USER",
    "KJO_SERVER",
    "KJO_TOKEN_FILE",
    "KJO_AS",
    "KJO_AS_GROUP",
    SKIP_VERIFY,
    IN_CLUSTER,
];
const SKIP_VERIFY: &str = "KJO_INSECURE_SKIP_TLS_VERIFY";
const IN_CLUSTER: &str = "KJO_IN_CLUSTER";

/// Flags that stand for parts of a kubeconfig.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ConnectionArgs {
    /// The cluster of the kubeconfig, in place of the context's
    #[arg(long, value_name = "NAME", env = "KJO_CLUSTER", hide_env_values = true)]
    pub cluster: Option<String>,

    /// The user of the kubeconfig, in place of the context's
    #[arg(long, value_name = "NAME", env = "KJO_USER", hide_env_values = true)]
    pub user: Option<String>,

    /// The address of the API server, in place of the cluster's; needs no kubeconfig
    #[arg(long, value_name = "URL", env = "KJO_SERVER", hide_env_values = true)]
    pub server: Option<String>,

    /// A file with the certificate of the authority that vouches for the API server, in place of the cluster's
    #[arg(long, value_name = "FILE", env = "KJO_CERTIFICATE_AUTHORITY", hide_env_values = true)]
    pub certificate_authority: Option<PathBuf>,

    /// A file with a bearer token, in place of the user's credentials; it is read again when the token ends
    #[arg(long, value_name = "FILE", env = "KJO_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,

    /// Act as this user, which one must be allowed to
    #[arg(long = "as", value_name = "USER", env = "KJO_AS", hide_env_values = true)]
    pub as_user: Option<String>,

    /// Act as a member of this group too; may be given several times. The variable holds one
    #[arg(long, value_name = "GROUP", env = "KJO_AS_GROUP", hide_env_values = true)]
    pub as_group: Vec<String>,

    /// Do not ask whether the API server is the one it says it is: whoever is between reads and changes
    /// everything, credentials too [env: KJO_INSECURE_SKIP_TLS_VERIFY]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true)]
    pub insecure_skip_tls_verify: Option<bool>,

    /// Take the service account of the pod that kjo runs in, whatever kubeconfig there is [env: KJO_IN_CLUSTER]
    #[arg(long)]
    pub in_cluster: bool,
}

impl ConnectionArgs {
    /// What they are laid over a kubeconfig as.
    pub(super) fn overrides(self, context: Option<String>, env: Env<'_>) -> Result<Overrides, Refusal> {
        let path = |flag: &str, path: Option<PathBuf>| {
            let text = path.map(|path| {
                path.into_os_string().into_string().map_err(|path| {
                    Refusal::new(
                        format!("the path {} of {flag} is not UTF-8", path.display()),
                        "give the file a name in UTF-8",
                    )
                })
            });
            given(flag, text.transpose()?)
        };
        let groups = self.as_group.into_iter();
        Ok(Overrides {
            context,
            cluster: given("--cluster", self.cluster)?,
            user: given("--user", self.user)?,
            server: given("--server", self.server)?,
            certificate_authority: path("--certificate-authority", self.certificate_authority)?,
            token_file: path("--token-file", self.token_file)?,
            impersonate: self.as_user.map(|user| sendable("--as", user)).transpose()?,
            impersonate_groups: groups
                .map(|group| sendable("--as-group", group))
                .collect::<Result<_, _>>()?,
            // What was typed holds against the variable.
            insecure: self.insecure_skip_tls_verify.unwrap_or_else(|| set(env, SKIP_VERIFY)),
        })
    }
}

/// A name that fits into the header that bears it.
fn sendable(flag: &str, name: String) -> Result<String, Refusal> {
    let name = given(flag, Some(name))?.unwrap_or_default();
    if HeaderValue::from_str(&name).is_ok() {
        return Ok(name);
    }
    Err(Refusal::new(
        format!("{flag} {name:?} holds a character that cannot be sent"),
        "write the name on one line; a service account is system:serviceaccount:NAMESPACE:NAME",
    ))
}

/// A variable that stands for a flag without a value.
fn set(env: Env<'_>, name: &str) -> bool {
    env(name).is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false" | "no" | "off"))
}

/// Whether a flag was not given, comes from its variable, or was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Nobody,
    Variable,
    Hand,
}

/// The flags that name a cluster, or what one logs in with there.
fn elsewhere(args: &ClusterArgs, env: Env<'_>) -> [(&'static str, By); 7] {
    let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let connection = &args.connection;
    [
        ("--kubeconfig", shown(&args.kubeconfig), "KJO_KUBECONFIG"),
        ("--context", args.context.clone(), "KJO_CONTEXT"),
        ("--cluster", connection.cluster.clone(), "KJO_CLUSTER"),
        ("--user", connection.user.clone(), "KJO_USER"),
        ("--server", connection.server.clone(), "KJO_SERVER"),
        ("--token-file", shown(&connection.token_file), "KJO_TOKEN_FILE"),
        (
            "--certificate-authority",
            shown(&connection.certificate_authority),
            "KJO_CERTIFICATE_AUTHORITY",
        ),
    ]
    .map(|(flag, value, twin)| match value {
        None => (flag, By::Nobody),
        value if value == env(twin) => (flag, By::Variable),
        Some(_) => (flag, By::Hand),
    })
}

/// A cluster that is there and one of kjo's own cannot both be meant; a variable that names one is no
/// wish for it.
pub(super) fn sandbox_alone(args: &ClusterArgs, env: Env<'_>) -> Result<(), Refusal> {
    if !args.sandbox {
        return Ok(());
    }
    let connection = &args.connection;
    let group = env("KJO_AS_GROUP");
    let others = [
        ("--in-cluster", connection.in_cluster),
        (
            "--insecure-skip-tls-verify",
            connection.insecure_skip_tls_verify == Some(true),
        ),
        (
            "--as",
            connection.as_user.is_some() && connection.as_user != env("KJO_AS"),
        ),
        (
            "--as-group",
            connection.as_group.iter().any(|given| Some(given) != group.as_ref()),
        ),
    ];
    let others = others.into_iter().filter_map(|(flag, given)| given.then_some(flag));
    let typed = elsewhere(args, env).into_iter().filter(|(_, by)| *by == By::Hand);
    match typed.map(|(flag, _)| flag).chain(others).next() {
        None => Ok(()),
        Some(flag) => Err(Refusal::new(
            format!("--sandbox runs in a cluster of kjo's own, and {flag} is about another"),
            format!("leave --sandbox or {flag} out"),
        )),
    }
}

/// Whether the pod's own account is meant, and it alone. What was typed holds against variables.
pub(super) fn in_cluster(args: &ClusterArgs, env: Env<'_>) -> Result<bool, Refusal> {
    let wanted = if args.connection.in_cluster {
        By::Hand
    } else if set(env, IN_CLUSTER) {
        By::Variable
    } else {
        By::Nobody
    };
    if args.sandbox || wanted == By::Nobody {
        return Ok(false);
    }
    // The first of the strongest.
    let strongest = elsewhere(args, env).into_iter().rev().max_by_key(|(_, by)| *by);
    match strongest {
        Some((flag, by)) if by == wanted => Err(Refusal::new(
            format!("--in-cluster takes the pod's own account and server, and {flag} names others"),
            format!("leave --in-cluster or {flag} out"),
        )),
        Some((_, by)) => Ok(by < wanted),
        None => Ok(true),
    }
}

#[cfg(test)]
#[path = "connection_flags_tests.rs"]
mod tests;
