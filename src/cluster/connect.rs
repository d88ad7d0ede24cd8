//! From kubeconfig, context or service account to a client, looked for in kubectl's order: the
//! flag, `KUBECONFIG`, the home file, the pod kjo runs in.

use std::{path::PathBuf, time::Duration};

use http::{HeaderValue, Uri, header};
use hyper_util::{
    client::legacy::connect::{Connection as Connected, HttpConnector, proxy::Tunnel},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::ConfigExt as _,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tower::{BoxError, Service, ServiceBuilder};

use super::{Cluster, answer::chain, proxy};
use crate::spec::Refusal;

/// Below the idle limits of the load balancers that forget flows (AWS NLB: 350 s, others: 60 s).
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A connection that is not made by then is tried anew.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Where to look for a cluster, and in what order nothing else says.
#[derive(Debug, Clone, Default)]
pub struct Where {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// The variable `KUBECONFIG`: a list of files, merged.
    pub kubeconfig_env: Option<String>,
    /// The home directory, for `.kube/config`.
    pub home: Option<PathBuf>,
    /// `NO_PROXY` or `no_proxy`.
    pub no_proxy: String,
    /// kjo runs in a pod: `KUBERNETES_SERVICE_HOST` is set.
    pub in_pod: bool,
}

/// A cluster found, not yet spoken to.
pub struct Connection {
    config: Config,
    /// The server's address, for people.
    pub server: String,
    /// The namespace of the context or of the pod, else `default`.
    pub namespace: String,
}

impl Where {
    /// Finds the configuration, without any network.
    ///
    /// # Errors
    /// No configuration at all; a file that cannot be read; no such context.
    pub async fn find(&self) -> Result<Connection, Refusal> {
        let mut config = match self.kubeconfig()? {
            Some(kubeconfig) => self.of_kubeconfig(kubeconfig).await?,
            None => self.of_pod()?,
        };
        if let (Some(host), Some(_)) = (config.cluster_url.host(), &config.proxy_url)
            && proxy::excluded(host, config.cluster_url.port_u16().unwrap_or(443), &self.no_proxy)
        {
            config.proxy_url = None;
        }
        let agent = concat!("kjo/", env!("CARGO_PKG_VERSION"));
        config
            .headers
            .push((header::USER_AGENT, HeaderValue::from_static(agent)));
        Ok(Connection {
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            namespace: config.default_namespace.clone(),
            config,
        })
    }

    fn kubeconfig(&self) -> Result<Option<Kubeconfig>, Refusal> {
        let read = |path: &PathBuf| {
            Kubeconfig::read_from(path).map_err(|e| {
                Refusal::new(
                    format!("the kubeconfig {} cannot be used: {}", path.display(), why(&e)),
                    "name a readable kubeconfig with --kubeconfig or KUBECONFIG",
                )
            })
        };
        if let Some(path) = &self.kubeconfig {
            return read(path).map(Some);
        }
        // As in kubectl, files of the list that do not exist are left out.
        let listed: Vec<PathBuf> = match self.kubeconfig_env.as_deref().filter(|list| !list.is_empty()) {
            Some(list) => std::env::split_paths(list)
                .filter(|p| !p.as_os_str().is_empty())
                .collect(),
            None => self.home.iter().map(|home| home.join(".kube").join("config")).collect(),
        };
        let mut merged: Option<Kubeconfig> = None;
        for path in listed.iter().filter(|p| p.exists()) {
            let next = read(path)?;
            merged = Some(match merged {
                None => next,
                Some(config) => config.merge(next).map_err(|e| {
                    Refusal::new(
                        format!("{} does not fit the other kubeconfigs: {e}", path.display()),
                        "see KUBECONFIG",
                    )
                })?,
            });
        }
        Ok(merged.filter(|k| !k.contexts.is_empty() || self.context.is_some() || !self.in_pod))
    }

    async fn of_kubeconfig(&self, kubeconfig: Kubeconfig) -> Result<Config, Refusal> {
        let known: Vec<String> = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
        let chosen = self.context.clone().or_else(|| kubeconfig.current_context.clone());
        let Some(chosen) = chosen.filter(|c| !c.is_empty()) else {
            return Err(Refusal::new(
                "the kubeconfig names no current context",
                format!("choose one with --context; there are: {}", list(&known)),
            ));
        };
        if !known.contains(&chosen) {
            return Err(Refusal::new(
                format!("the kubeconfig has no context {chosen:?}"),
                format!("choose one with --context; there are: {}", list(&known)),
            ));
        }
        let options = KubeConfigOptions {
            context: Some(chosen.clone()),
            ..KubeConfigOptions::default()
        };
        Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|e| {
            Refusal::new(
                format!("the context {chosen:?} of the kubeconfig cannot be used: {}", why(&e)),
                "correct the kubeconfig; 'kubectl config view' shows it",
            )
        })
    }

    fn of_pod(&self) -> Result<Config, Refusal> {
        if !self.in_pod {
            return Err(Refusal::new(
                "there is no cluster to talk to: no kubeconfig was found (--kubeconfig, KUBECONFIG, ~/.kube/config), \
                 and kjo does not run in a pod",
                "name a kubeconfig with --kubeconfig FILE",
            ));
        }
        Config::incluster().map_err(|e| {
            Refusal::new(
                format!("the pod's service account cannot be used: {}", chain(&e)),
                "check that the pod has automountServiceAccountToken, or name a kubeconfig with --kubeconfig FILE",
            )
        })
    }
}

/// What is wrong with a kubeconfig, without quoting it: it holds tokens, and the parser would show the
/// lines around.
fn why(error: &KubeconfigError) -> String {
    let text = chain(error);
    let KubeconfigError::Parse(_) = error else {
        return text;
    };
    let place = text
        .split_once("line ")
        .map(|(_, rest)| {
            rest.chars()
                .take_while(|c| c.is_ascii_digit() || " column".contains(*c))
                .collect::<String>()
        })
        .unwrap_or_default();
    format!("it is not valid YAML at line {}", place.trim())
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// A client for this configuration; does not connect yet.
///
/// # Errors
/// Certificates or keys that cannot be read, a proxy kjo does not speak.
pub fn connect(connection: &Connection, namespace: &str) -> Result<Cluster, Refusal> {
    let config = &connection.config;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE / 3));
    tcp.set_keepalive_retries(Some(3));
    tcp.set_nodelay(true);
    let client = match &config.proxy_url {
        None => client(config, tcp),
        Some(proxy) if proxy.scheme_str() == Some("http") => client(config, tunnel(proxy, tcp)),
        Some(proxy) => {
            return Err(Refusal::new(
                format!("kjo does not speak to the proxy {}", without_password(proxy)),
                "use a proxy with an http:// address, or NO_PROXY",
            ));
        }
    };
    client.map(|client| Cluster::new(client, namespace)).map_err(|e| {
        Refusal::new(
            format!("no connection to {} can be set up: {}", connection.server, chain(&e)),
            "check certificates, keys and user of the kubeconfig",
        )
    })
}

/// kube's own stack less its retries and its tracing: requests are repeated where `core` says so.
fn client<C>(config: &Config, connector: C) -> Result<Client, kube::Error>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connected + hyper::rt::Read + hyper::rt::Write + Send + Unpin,
    C::Future: Send,
    C::Error: Into<BoxError>,
{
    let https = config.rustls_https_connector_with_connector(connector)?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

fn tunnel(proxy: &Uri, tcp: HttpConnector) -> Tunnel<HttpConnector> {
    Tunnel::new(proxy.clone(), tcp)
}

fn without_password(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("?"), uri.host().unwrap_or("?"))
}
