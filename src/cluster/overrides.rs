//! What flags change of a kubeconfig, with kubectl's meaning (client-go's `ConfigOverrides`): they stand for
//! its fields, each over what the context says. Pure.

use http::Uri;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};

use crate::spec::Refusal;

/// Flags that stand for fields of a kubeconfig.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`, in place of the context's.
    pub cluster: Option<String>,
    /// `--user`, in place of the context's.
    pub user: Option<String>,
    /// `--server`, in place of the cluster's address; enough without any kubeconfig.
    pub server: Option<String>,
    /// `--certificate-authority`, in place of the cluster's.
    pub certificate_authority: Option<String>,
    /// `--token-file`, in place of whatever the user logs in with.
    pub token_file: Option<String>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-group`.
    pub impersonate_groups: Vec<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure: bool,
}

/// What is left of a kubeconfig when one context is chosen and the flags are laid over it.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Has one context, cluster and user.
    pub(super) kubeconfig: Kubeconfig,
    /// The name of the context, where there is one.
    pub(super) context: Option<String>,
    /// The name of the user, where there is one.
    pub(super) user: Option<String>,
    /// The cluster has a `proxy-url` of its own.
    pub(super) names_proxy: bool,
}

impl Overrides {
    /// What of them can be said of a pod's own account.
    #[must_use]
    pub fn of_pod(self) -> Self {
        Self {
            impersonate: self.impersonate,
            impersonate_groups: self.impersonate_groups,
            insecure: self.insecure,
            ..Self::default()
        }
    }

    /// The flag and the name that only a kubeconfig can explain, if one was given.
    pub(super) fn named(&self) -> Option<(&'static str, &str)> {
        [
            ("context", &self.context),
            ("cluster", &self.cluster),
            ("user", &self.user),
        ]
        .into_iter()
        .find_map(|(what, name)| Some((what, name.as_deref()?)))
    }

    /// The flags that change what was found, for people.
    pub(super) fn given(&self) -> Vec<&'static str> {
        [
            ("--cluster", self.cluster.is_some()),
            ("--user", self.user.is_some()),
            ("--server", self.server.is_some()),
            ("--certificate-authority", self.certificate_authority.is_some()),
            ("--token-file", self.token_file.is_some()),
            ("--as", self.impersonate.is_some()),
            ("--as-group", !self.impersonate_groups.is_empty()),
            ("--insecure-skip-tls-verify", self.insecure),
        ]
        .into_iter()
        .filter_map(|(flag, given)| given.then_some(flag))
        .collect()
    }

    /// Chooses context, cluster and user, and lays the flags over them.
    ///
    /// # Errors
    /// One of them does not exist; an address that is none; groups without a user.
    pub(super) fn choose(&self, kubeconfig: &Kubeconfig) -> Result<Chosen, Refusal> {
        let (context_name, context) = self.context(kubeconfig)?.unzip();
        let context: Context = context.unwrap_or_default();
        let cluster = self.cluster(kubeconfig, context_name.as_deref(), &context)?;
        let user = self.user.clone().or_else(|| context.user.clone());
        let user = user.filter(|name| !name.is_empty());
        let found = user
            .as_ref()
            .and_then(|name| kubeconfig.auth_infos.iter().find(|known| known.name == *name));
        if let (Some(name), None) = (&self.user, found) {
            let known = kubeconfig.auth_infos.iter().map(|known| known.name.as_str());
            let mut refusal = absent("user", name, known);
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                refusal.hint = refusal.hint.map(|hint| format!("{hint} (the container's is --run-as)"));
            }
            return Err(refusal);
        }
        // As in client-go, a user of the context that is not there is nobody.
        let auth_info = self.user_of(found.and_then(|user| user.auth_info.clone()).unwrap_or_default())?;
        let names_proxy = cluster.proxy_url.as_deref().is_some_and(|url| !url.is_empty());
        let name = "chosen".to_owned();
        Ok(Chosen {
            kubeconfig: Kubeconfig {
                clusters: vec![NamedCluster {
                    name: name.clone(),
                    cluster: Some(cluster),
                    ..NamedCluster::default()
                }],
                auth_infos: vec![NamedAuthInfo {
                    name: name.clone(),
                    auth_info: Some(auth_info),
                    ..NamedAuthInfo::default()
                }],
                contexts: vec![NamedContext {
                    name: name.clone(),
                    context: Some(Context {
                        cluster: name.clone(),
                        user: Some(name.clone()),
                        ..context
                    }),
                    ..NamedContext::default()
                }],
                current_context: Some(name),
                ..Kubeconfig::default()
            },
            context: context_name,
            user,
            names_proxy,
        })
    }

    /// The context with its name. None is needed where flags say which cluster.
    fn context(&self, kubeconfig: &Kubeconfig) -> Result<Option<(String, Context)>, Refusal> {
        let known = || kubeconfig.contexts.iter().map(|known| known.name.as_str());
        let name = self.context.clone().or_else(|| kubeconfig.current_context.clone());
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            if self.cluster.is_some() || self.server.is_some() {
                return Ok(None);
            }
            return Err(Refusal::new(
                "the kubeconfig names no current context",
                format!("choose one with --context; there are: {}", list(known())),
            ));
        };
        let found = kubeconfig.contexts.iter().find(|known| known.name == name);
        let found = found.ok_or_else(|| absent("context", &name, known()))?;
        let context = found.context.clone().unwrap_or_default();
        Ok(Some((name, context)))
    }

    /// The cluster with the flags about it.
    fn cluster(
        &self,
        kubeconfig: &Kubeconfig,
        context_name: Option<&str>,
        context: &Context,
    ) -> Result<Cluster, Refusal> {
        let known = || kubeconfig.clusters.iter().map(|known| known.name.as_str());
        let name = self.cluster.as_deref().unwrap_or(&context.cluster);
        let found = kubeconfig.clusters.iter().find(|known| known.name == name);
        let mut cluster = match found.and_then(|found| found.cluster.clone()) {
            Some(cluster) => cluster,
            None if self.cluster.is_some() => return Err(absent("cluster", name, known())),
            None if self.server.is_some() => Cluster::default(),
            None => {
                return Err(Refusal::new(
                    format!(
                        "the context {:?} is for the cluster {name:?}, which the kubeconfig does not have",
                        context_name.unwrap_or_default()
                    ),
                    format!("choose one with --cluster; there are: {}", list(known())),
                ));
            }
        };
        if let Some(server) = &self.server {
            cluster.server = Some(address(server)?);
            // The name was the other server's.
            cluster.tls_server_name = None;
        }
        if let Some(file) = &self.certificate_authority {
            // As in kubectl.
            if self.insecure {
                return Err(Refusal::new(
                    "--certificate-authority says who vouches for the API server, and --insecure-skip-tls-verify asks \
                     nobody",
                    "leave one of the two out",
                ));
            }
            cluster.certificate_authority = Some(file.clone());
            cluster.certificate_authority_data = None;
            cluster.insecure_skip_tls_verify = None;
        }
        if self.insecure {
            cluster.insecure_skip_tls_verify = Some(true);
            cluster.certificate_authority = None;
            cluster.certificate_authority_data = None;
        }
        Ok(cluster)
    }

    /// A user with the flags about it.
    ///
    /// # Errors
    /// Groups without a user.
    pub(super) fn user_of(&self, found: AuthInfo) -> Result<AuthInfo, Refusal> {
        let mut user = match &self.token_file {
            None => found,
            Some(file) => AuthInfo {
                token_file: Some(file.clone()),
                impersonate: found.impersonate,
                impersonate_uid: found.impersonate_uid,
                impersonate_groups: found.impersonate_groups,
                impersonate_user_extra: found.impersonate_user_extra,
                ..AuthInfo::default()
            },
        };
        if self.impersonate.is_some() {
            user.impersonate.clone_from(&self.impersonate);
        }
        if !self.impersonate_groups.is_empty() {
            if user.impersonate.is_none() {
                return Err(Refusal::new(
                    "--as-group says in which groups the user of --as is, and there is no --as",
                    "name the user too: --as USER",
                ));
            }
            user.impersonate_groups = Some(self.impersonate_groups.clone());
        }
        Ok(user)
    }
}

/// The address of `--server`. What is no address is not quoted if it may hold a password.
fn address(server: &str) -> Result<String, Refusal> {
    let hint = "it looks like https://127.0.0.1:6443";
    if server.contains('@') {
        return Err(Refusal::new("the address of --server holds a user or a password", hint));
    }
    let uri: Uri = server
        .parse()
        .map_err(|e| Refusal::new(format!("--server {server:?} is no address of a server: {e}"), hint))?;
    if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty()) {
        Ok(server.to_owned())
    } else {
        let message =
            format!("--server {server:?} is no address of a server: it begins with neither https:// nor http://");
        Err(Refusal::new(message, hint))
    }
}

fn absent<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Refusal {
    Refusal::new(
        format!("the kubeconfig has no {what} {name:?}"),
        format!("choose one with --{what}; there are: {}", list(known)),
    )
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
#[path = "overrides_tests.rs"]
mod tests;
