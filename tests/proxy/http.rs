//! Requests and answers between kjo and an API server, and what can happen to them on the way.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use ::http::{HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use kube::{
    Config,
    client::ConfigExt as _,
    config::{KubeConfigOptions, Kubeconfig},
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use tower::{BoxError, ServiceExt as _, util::BoxCloneSyncService};

use super::{
    body::{Body, Spoil, full, spoilt, whole},
    token::Tokens,
};

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection breaks before the server has heard it.
    Unheard,
    /// The server answers, and the connection breaks before the answer comes.
    Unanswered,
    /// It is refused with this status code, and seconds to wait if not 0.
    Refuse(u16, u32),
    /// It comes late.
    Late(Duration),
    /// Something happens to the body of its answer.
    Body(Spoil),
}

/// Decides what goes wrong with a request.
pub(crate) type Draw = dyn Fn(&Request<Bytes>) -> Option<Fault> + Send + Sync;

type Upstream = BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, BoxError>;

/// The proxy; it ends, with all its connections, when it is dropped.
pub(crate) struct Http {
    pub(crate) server: String,
    /// Its certificate.
    pub(crate) pem: String,
    pub(crate) tokens: Tokens,
    resets: watch::Sender<u64>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    upstream: Upstream,
    tokens: Tokens,
    draw: Arc<Draw>,
    began: Instant,
    /// What was asked for, and what was done to it.
    log: Arc<std::fs::File>,
}

impl Http {
    /// Listens on a free port, and passes requests that bear the token of `tokens` on to the server of this
    /// kubeconfig, as its user. What it did stands in the file `requests` beside the tokens'.
    pub(crate) async fn start(kubeconfig: &Path, tokens: Tokens, draw: Arc<Draw>) -> Result<Self, BoxError> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let server = format!("https://{}", listener.local_addr()?);
        let (acceptor, pem) = certificate()?;
        let shared = Shared {
            upstream: upstream(kubeconfig).await?,
            log: Arc::new(std::fs::File::create(tokens.folder().join("requests"))?),
            tokens: tokens.clone(),
            draw,
            began: Instant::now(),
        };
        let (resets, orders) = watch::channel(0);
        let task = tokio::spawn(serve(listener, acceptor, shared, orders));
        Ok(Self {
            server,
            pem,
            tokens,
            resets,
            task,
        })
    }

    /// Resets all connections.
    pub(crate) fn reset_all(&self) {
        self.resets.send_modify(|count| *count += 1);
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn note<B>(&self, request: &Request<B>, fault: Option<Fault>) {
        let at = self.began.elapsed().as_millis();
        let line = format!("{at:>6} ms {} {} {fault:?}\n", request.method(), request.uri());
        // A proxy whose log cannot be written works all the same.
        drop((&*self.log).write_all(line.as_bytes()));
    }
}

fn certificate() -> Result<(TlsAcceptor, String), BoxError> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), certificate.pem()))
}

/// A client of the real server. None of kube's own: it repeats requests.
async fn upstream(kubeconfig: &Path) -> Result<Upstream, BoxError> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = config.rustls_https_connector_with_connector(tcp)?;
    let client = Client::builder(TokioExecutor::new()).build(https);
    let service = tower::ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(BoxCloneSyncService::new(service))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Shared, orders: watch::Receiver<u64>) {
    // Dropping the set ends every connection.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let mut orders = orders.clone();
        orders.mark_unchanged();
        connections.spawn(connection(stream, acceptor.clone(), shared.clone(), orders));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Shared, mut resets: watch::Receiver<u64>) {
    drop(stream.set_nodelay(true));
    let serving = async {
        let Ok(stream) = acceptor.accept(Abrupt(stream)).await else {
            return;
        };
        let service = service_fn(|request| answer(request, &shared));
        drop(
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await,
        );
    };
    tokio::select! {
        () = serving => {}
        // Dropped without a word, it is reset.
        _ = resets.changed() => {}
    }
}

/// An error breaks the connection off.
async fn answer(request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>, BoxError> {
    if !shared.tokens.accepts(request.headers().get(header::AUTHORIZATION)) {
        shared.note(&request, Some(Fault::Refuse(401, 0)));
        return Ok(refused(401, 0));
    }
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, body.collect().await?.to_bytes());
    let fault = (shared.draw)(&request);
    shared.note(&request, fault);
    match fault {
        Some(Fault::Unheard) => Err("not passed on by the proxy".into()),
        Some(Fault::Refuse(code, wait)) => Ok(refused(code, wait)),
        Some(Fault::Unanswered) => {
            passed_on(request, shared).await?.into_body().collect().await?;
            Err("answer lost by the proxy".into())
        }
        Some(Fault::Late(by)) => {
            tokio::time::sleep(by).await;
            Ok(passed_on(request, shared).await?.map(whole))
        }
        Some(Fault::Body(spoil)) => {
            let (mut parts, body) = passed_on(request, shared).await?.into_parts();
            if let Spoil::End(_) | Spoil::Gone(_) = spoil {
                // In good order, so not against a length that was told.
                parts.headers.remove(header::CONTENT_LENGTH);
            }
            Ok(Response::from_parts(parts, spoilt(body, spoil)))
        }
        None => Ok(passed_on(request, shared).await?.map(whole)),
    }
}

async fn passed_on(request: Request<Bytes>, shared: &Shared) -> Result<Response<Incoming>, BoxError> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(header::AUTHORIZATION);
    parts.headers.remove(header::HOST);
    let path = parts.uri.path_and_query().cloned();
    parts.uri = Uri::from(path.ok_or("a request without a path")?);
    let request = Request::from_parts(parts, Full::new(body));
    shared.upstream.clone().oneshot(request).await
}

fn refused(code: u16, wait: u32) -> Response<Body> {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": format!("{reason}, says the proxy"), "details": {"retryAfterSeconds": wait},
    });
    let mut answer = Response::new(full(status.to_string()));
    *answer.status_mut() = ::http::StatusCode::from_u16(code).expect("a status code");
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    if wait > 0 {
        answer.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    answer
}

/// A connection that is reset unless it is shut down in good order before it is dropped.
struct Abrupt(TcpStream);

impl Drop for Abrupt {
    fn drop(&mut self) {
        // After a shutdown in good order nothing is under way that could be lost.
        drop(self.0.set_zero_linger());
    }
}

impl AsyncRead for Abrupt {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Abrupt {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
