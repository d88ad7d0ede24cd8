//! The sandbox on a socket: loopback only, TLS with a certificate made at start, and a token made at
//! start, without which nothing is answered.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use k8s_openapi::ByteString;
use rcgen::{Certificate, CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use super::{
    api::{Api, Body, answer},
    faults::Broken,
    refused::Refused,
};

/// The real server's limit.
const BODY_LIMIT: usize = 3 * 1024 * 1024;
/// A client that does not get further in this time is hung up on.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// More connections wait until others end.
const CONNECTIONS: usize = 2048;

/// How to reach a sandbox that listens.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `https://127.0.0.1:PORT`.
    pub server: String,
    /// The certificate to trust, in DER.
    pub certificate: Vec<u8>,
    /// The same in PEM.
    pub pem: String,
    /// The bearer token.
    pub token: String,
}

impl Endpoint {
    /// A kubeconfig for it. It holds the token.
    #[must_use]
    pub fn kubeconfig(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": {
                "server": self.server, "certificate-authority-data": ByteString(self.pem.clone().into_bytes()),
            }}],
            "users": [{"name": "sandbox", "user": {"token": self.token}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        })
    }
}

/// A port, a certificate and a token: what stays the same when the server behind it goes and comes
/// again.
pub struct Socket {
    endpoint: Endpoint,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    /// Bound already, for the first server.
    listener: Option<TcpListener>,
}

impl Socket {
    /// Takes a free port of the loopback device.
    ///
    /// # Errors
    /// No port to be had, no certificate to be made.
    pub async fn open(token: String) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let (config, certificate) = tls().map_err(io::Error::other)?;
        Ok(Self {
            endpoint: Endpoint {
                server: format!("https://{address}"),
                certificate: certificate.der().to_vec(),
                pem: certificate.pem(),
                token,
            },
            address,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            listener: Some(listener),
        })
    }

    /// How to reach it.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A server for this API; it serves for as long as it is polled, and breaks off every connection
    /// when it is dropped.
    ///
    /// # Errors
    /// Somebody else has taken the port since the last server ended.
    pub async fn serve(&mut self, api: Api) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind(self.address).await?,
        };
        let token = Arc::from(self.endpoint.token.as_str());
        Ok(serve(listener, self.acceptor.clone(), api, token))
    }
}

fn tls() -> Result<(ServerConfig, Certificate), Box<dyn std::error::Error + Send + Sync>> {
    let key = KeyPair::generate()?;
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names)?.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((config, certificate))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, api: Api, token: Arc<str>) {
    // Dropping the set ends every connection.
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (acceptor, api, token) = (acceptor.clone(), api.clone(), Arc::clone(&token));
                connections.spawn(async move {
                    connection(stream, acceptor, api, token).await;
                    drop(place);
                });
            }
            // Out of file descriptors, or a client that has gone: others may do better soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, api: Api, token: Arc<str>) {
    // What comes of a connection that goes wrong is the client's to tell.
    let (Ok(()), Ok(Ok(stream))) = (
        stream.set_nodelay(true),
        tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await,
    ) else {
        return;
    };
    let service = service_fn(|request| {
        let (api, token) = (api.clone(), Arc::clone(&token));
        async move { answer_to(request, &api, &token).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(300))
        .serve_connection(TokioIo::new(stream), service);
    drop(served.await);
}

/// An error breaks the connection off.
async fn answer_to(request: Request<Incoming>, api: &Api, token: &str) -> Result<Response<Body>, Broken> {
    if !authorized(&request, token) {
        return Ok(answer::refused(&Refused::new(401, "Unauthorized", "Unauthorized")));
    }
    if request
        .headers()
        .keys()
        .any(|name| name.as_str().starts_with("impersonate-"))
    {
        let message = "nobody acts as somebody else in the sandbox: it has one user";
        return Ok(answer::refused(&Refused::new(403, "Forbidden", message)));
    }
    let (parts, body) = request.into_parts();
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => api.answer(Request::from_parts(parts, body.to_bytes())).await,
        Err(e) if e.is::<http_body_util::LengthLimitError>() => Ok(answer::refused(&Refused::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {BODY_LIMIT}"),
        ))),
        Err(e) => Ok(answer::refused(&Refused::bad_request(format!(
            "the body cannot be read: {e}"
        )))),
    }
}

/// The token is the right one; takes as long for a wrong one of the same length.
fn authorized(request: &Request<Incoming>, token: &str) -> bool {
    let header = request.headers().get(header::AUTHORIZATION);
    let given = header
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    let differs = given.iter().zip(token.as_bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && differs == 0
}

/// A request whose body has been read, as [`Api::answer`] takes it; for clients in the process.
///
/// # Errors
/// The body broke off.
pub async fn gathered<B>(request: Request<B>) -> Result<Request<Bytes>, B::Error>
where
    B: hyper::body::Body,
{
    let (parts, body) = request.into_parts();
    Ok(Request::from_parts(parts, body.collect().await?.to_bytes()))
}
