//! From kubeconfig, context or service account to a client, looked for in kubectl's order: the
//! flag, `KUBECONFIG`, the home file, the pod kjo runs in.

use std::{path::PathBuf, pin::Pin, time::Duration};

use http::{HeaderValue, Uri, header};
use hyper_util::{
    client::legacy::connect::{Connection as Connected, HttpConnector, proxy::Tunnel},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::ConfigExt as _,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tower::{BoxError, Service, ServiceBuilder, util::MapFuture};

use super::{
    Cluster,
    answer::{self, chain},
    origin::{Origin, Source},
    overrides::Overrides,
    proxy,
};
use crate::{core::duration, spec::Refusal};

/// Below the idle limits of the load balancers that forget flows (AWS NLB: 350 s, others: 60 s).
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A connection that is not made by then is tried anew.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The same with name resolution, proxy and TLS.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// What is read of a connection at a time, at most: a log of a million lines needs no more than a short one.
const READ_AT_ONCE: usize = 64 * 1024;

/// Where to look for a cluster, and in what order nothing else says.
#[derive(Debug, Clone, Default)]
pub struct Where {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// Flags that stand for what a kubeconfig says.
    pub overrides: Overrides,
    /// The variable `KUBECONFIG`: a list of files, merged.
    pub kubeconfig_env: Option<String>,
    /// The home directory, for `.kube/config`.
    pub home: Option<PathBuf>,
    /// `NO_PROXY` or `no_proxy`.
    pub no_proxy: String,
    /// kjo runs in a pod: `KUBERNETES_SERVICE_HOST` is set.
    pub in_pod: bool,
    /// `--in-cluster`: the pod's account, and no kubeconfig.
    pub in_cluster: bool,
}

/// A cluster found, not yet spoken to.
pub struct Connection {
    config: Config,
    /// The server's address, for people.
    pub server: String,
    /// How it was found.
    pub origin: Origin,
    /// The namespace of the context or of the pod, else `default`.
    pub namespace: String,
}

impl Connection {
    fn new(mut config: Config, origin: Origin) -> Self {
        let agent = concat!("kjo/", env!("CARGO_PKG_VERSION"));
        config
            .headers
            .push((header::USER_AGENT, HeaderValue::from_static(agent)));
        Self {
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            namespace: config.default_namespace.clone(),
            origin,
            config,
        }
    }

    /// A server that is known by its address, its certificate in DER, and a token.
    ///
    /// # Errors
    /// The address is none.
    pub fn to(server: &str, certificate: Vec<u8>, token: String) -> Result<Self, Refusal> {
        let url: Uri = server.parse().map_err(|e| {
            Refusal::new(
                format!("{server:?} is no address of a server: {e}"),
                "it looks like https://127.0.0.1:6443",
            )
        })?;
        let mut config = Config::new(url);
        config.root_cert = Some(vec![certificate]);
        config.auth_info.token = Some(token.into());
        let source = Source::Given;
        Ok(Self::new(config, Origin { source, flags: vec![] }))
    }
}

impl Where {
    /// Finds the configuration, without any network.
    ///
    /// # Errors
    /// No configuration at all; a file that cannot be read; no such context.
    pub async fn find(&self) -> Result<Connection, Refusal> {
        let kubeconfig = if self.in_cluster { None } else { self.kubeconfig()? };
        let (mut config, source, proxy_named) = match kubeconfig {
            Some((kubeconfig, files)) => self.of_kubeconfig(&kubeconfig, files).await?,
            None => (self.of_pod()?, Source::Pod, false),
        };
        // A proxy that the kubeconfig names for this cluster is meant, as in client-go; one of the
        // environment is for what NO_PROXY does not exclude.
        if let (Some(host), Some(_), false) = (config.cluster_url.host(), &config.proxy_url, proxy_named)
            && proxy::excluded(host, config.cluster_url.port_u16().unwrap_or(443), &self.no_proxy)
        {
            config.proxy_url = None;
        }
        // The pod's file is the kubelet's: kube reads it every minute.
        if source != Source::Pod || self.overrides.token_file.is_some() {
            token_of_file(&mut config.auth_info)?;
        }
        let flags = self.overrides.given();
        Ok(Connection::new(config, Origin { source, flags }))
    }

    /// The kubeconfig, and the files that it was read from.
    fn kubeconfig(&self) -> Result<Option<(Kubeconfig, Vec<PathBuf>)>, Refusal> {
        let read = |path: &PathBuf| {
            Kubeconfig::read_from(path).map_err(|e| {
                Refusal::new(
                    format!("the kubeconfig {} cannot be used: {}", path.display(), why(&e)),
                    "name a readable kubeconfig with --kubeconfig or KUBECONFIG",
                )
            })
        };
        if let Some(path) = &self.kubeconfig {
            return read(path).map(|kubeconfig| Some((kubeconfig, vec![path.clone()])));
        }
        // As in kubectl, files of the list that do not exist are left out.
        let listed: Vec<PathBuf> = match self.kubeconfig_env.as_deref().filter(|list| !list.is_empty()) {
            Some(list) => std::env::split_paths(list)
                .filter(|p| !p.as_os_str().is_empty())
                .collect(),
            None => self.home.iter().map(|home| home.join(".kube").join("config")).collect(),
        };
        let mut merged: Option<Kubeconfig> = None;
        let files: Vec<PathBuf> = listed.into_iter().filter(|path| path.exists()).collect();
        for path in &files {
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
        let (named, server) = (self.overrides.named(), self.overrides.server.is_some());
        let asked = named.is_some() || server || !self.in_pod;
        match (merged.filter(|k| !k.contexts.is_empty() || asked), named) {
            (Some(kubeconfig), _) => Ok(Some((kubeconfig, files))),
            (None, Some((what, name))) => Err(Refusal::new(
                format!(
                    "there is no {what} {name:?}: no kubeconfig was found (--kubeconfig, KUBECONFIG, ~/.kube/config)"
                ),
                "name a kubeconfig with --kubeconfig FILE",
            )),
            // Also in a pod: its account is for its own server, and another must not get the token.
            (None, None) if server => Ok(Some((Kubeconfig::default(), Vec::new()))),
            (None, None) => Ok(None),
        }
    }

    /// The configuration, where it is from, and whether the kubeconfig itself names the proxy.
    async fn of_kubeconfig(
        &self,
        kubeconfig: &Kubeconfig,
        files: Vec<PathBuf>,
    ) -> Result<(Config, Source, bool), Refusal> {
        let chosen = self.overrides.choose(kubeconfig)?;
        let used = match &chosen.context {
            Some(context) => format!("the context {context:?} of the kubeconfig"),
            None if files.is_empty() => "what the flags say".to_owned(),
            None => "the kubeconfig with the flags".to_owned(),
        };
        let source = if files.is_empty() {
            Source::Flags
        } else {
            Source::Kubeconfig {
                files,
                context: chosen.context,
                cluster: self.overrides.cluster.clone(),
                user: chosen.user,
            }
        };
        let config = Config::from_custom_kubeconfig(chosen.kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|e| {
                Refusal::new(
                    format!("{used} cannot be used: {}", why(&e)),
                    match &self.overrides.certificate_authority {
                        Some(_) => "check the file of --certificate-authority: it is to hold certificates in PEM",
                        None => "correct the kubeconfig; 'kubectl config view' shows it",
                    },
                )
            })?;
        Ok((config, source, chosen.names_proxy))
    }

    fn of_pod(&self) -> Result<Config, Refusal> {
        if self.in_cluster && !self.in_pod {
            return Err(Refusal::new(
                "--in-cluster wants the service account of a pod, and kjo does not run in one \
                 (KUBERNETES_SERVICE_HOST is not set)",
                "leave --in-cluster out, and name a kubeconfig with --kubeconfig FILE",
            ));
        }
        if !self.in_pod {
            return Err(Refusal::new(
                "there is no cluster to talk to: no kubeconfig was found (--kubeconfig, KUBECONFIG, ~/.kube/config), \
                 and kjo does not run in a pod",
                "name a kubeconfig with --kubeconfig FILE, or try a run as processes of this machine with 'kjo run --sandbox'",
            ));
        }
        let mut config = Config::incluster().map_err(|e| {
            Refusal::new(
                format!("the pod's service account cannot be used: {}", chain(&e)),
                "check that the pod has automountServiceAccountToken, or name a kubeconfig with --kubeconfig FILE",
            )
        })?;
        config.auth_info = self.overrides.user_of(config.auth_info)?;
        if self.overrides.insecure {
            config.accept_invalid_certs = true;
            config.root_cert = None;
            config.root_cert_file = None;
        }
        Ok(config)
    }
}

/// Reads the token of a user who has it in a file: kube would send the end of the line too, which client-go
/// does not. It is read again when the server does not know it any more.
fn token_of_file(user: &mut AuthInfo) -> Result<(), Refusal> {
    let Some(path) = user.token_file.as_deref().filter(|_| user.token.is_none()) else {
        return Ok(());
    };
    let refuse = |why: &str| {
        Refusal::new(
            format!("the token file {path} cannot be used: {why}"),
            "it is to hold a bearer token and nothing else; 'kubectl create token ACCOUNT' prints one",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|e| refuse(&e.to_string()))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(refuse("it is empty"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refuse("it holds more than a token"));
    }
    user.token = Some(token.to_owned().into());
    Ok(())
}

/// What is wrong with a kubeconfig, without quoting it: it holds tokens, and the parser would show the
/// lines around.
fn why(error: &KubeconfigError) -> String {
    if let KubeconfigError::ReadConfig(why, _) = error {
        return format!("it cannot be read: {why}");
    }
    // kube puts a path with its quotes into quotes.
    let text = chain(error).replace("'\"", "'").replace("\"'", "'");
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

/// A client for this configuration; does not connect yet.
///
/// # Errors
/// Certificates or keys that cannot be read, a proxy kjo does not speak.
pub fn connect(connection: &Connection, namespace: &str) -> Result<Cluster, Refusal> {
    client_for(connection).map(|client| Cluster::new(client, namespace))
}

pub(super) fn client_for(connection: &Connection) -> Result<Client, Refusal> {
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
    client.map_err(|e| {
        Refusal::new(
            format!(
                "no connection to {} can be set up: {}",
                connection.server,
                answer::credentials(&e).unwrap_or_else(|| chain(&e))
            ),
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
    let https = MapFuture::new(https, in_time);
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .http1_max_buf_size(READ_AT_ONCE)
        .build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// TCP has a limit of its own; this one is for names, proxies and TLS as well, so that a server which
/// accepts and says nothing is known to have got no request.
fn in_time<T: Send>(
    connecting: impl Future<Output = Result<T, BoxError>> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>> {
    Box::pin(async move {
        let late = |_| BoxError::from(format!("no connection within {}", duration::show(CONNECTED_WITHIN)));
        tokio::time::timeout(CONNECTED_WITHIN, connecting).await.map_err(late)?
    })
}

fn tunnel(proxy: &Uri, tcp: HttpConnector) -> Tunnel<HttpConnector> {
    Tunnel::new(proxy.clone(), tcp)
}

fn without_password(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("?"), uri.host().unwrap_or("?"))
}
