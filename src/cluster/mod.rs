//! The network: everything that reaches an API server is in this module and nowhere else. It sends
//! requests and reports what came of them; when to send which is decided in `core`.

mod answer;
mod companions;
mod connect;
mod jobs;
mod login;
mod logs;
mod origin;
mod overrides;
mod proxy;
mod review;
mod traffic;
mod uri;
mod watch;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use tokio::time::Instant;

pub use companions::Served;
pub use connect::{Connection, Where, connect};
pub use jobs::{Created, job_view};
pub use logs::LogRequest;
pub use origin::{Origin, Source};
pub use overrides::Overrides;
pub use review::{NamespaceState, ServerVersion};

use login::Login;
use traffic::Counted;

use crate::core::{failure::Failure, record::Traffic};

/// A request that should be answered at once is given up after this.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What a request of this kind carries.
fn content_type(method: &Method) -> &'static str {
    if *method == Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    }
}

/// Waits for the head of an answer; an error answer is read and becomes a [`Failure`].
async fn head(client: &Client, request: Request<Body>, within: Duration) -> Result<Response<Body>, Failure> {
    let response = tokio::time::timeout(within, client.send(request))
        .await
        .map_err(|_| Failure::Lost(format!("no answer within {}", crate::core::duration::show(within))))?
        .map_err(|e| answer::failure(&e))?;
    if response.status().is_client_error() || response.status().is_server_error() {
        return Err(answer::refused(response).await);
    }
    Ok(response)
}

/// For `--verbose`: what was asked, and what came of it. Nothing of what was sent or received.
fn told(method: &Method, uri: &str, answer: &Result<Response<Body>, Failure>, took: Duration) {
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (method, path) = (method.as_str(), uri::shown(uri));
    let status = match answer {
        Ok(response) => Some(response.status().as_u16()),
        Err(failure) => failure.status().map(|status| status.code),
    };
    let failure = answer.as_ref().err().map(ToString::to_string);
    let came = match (status, &failure) {
        (Some(code), _) => code.to_string(),
        (None, failure) => format!("no answer: {}", failure.as_deref().unwrap_or_default()),
    };
    tracing::debug!(
        event = "request",
        method,
        path,
        status = status.map(u64::from),
        failure = failure.filter(|_| status.is_none()),
        milliseconds,
        "{method} {path}: {came} after {milliseconds} ms"
    );
}

/// A connection to one namespace of one API server; cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    login: Login,
    namespace: String,
    counted: Arc<Counted>,
}

impl Cluster {
    /// Talks to the server behind this client, about this namespace.
    #[must_use]
    pub fn new(client: Client, namespace: impl Into<String>) -> Self {
        Self {
            login: Login::new(client),
            namespace: namespace.into(),
            counted: Arc::default(),
        }
    }

    /// When the server does not know the user any more (401), the client is made anew from here: plugins
    /// of the kubeconfig run again, token files are read again.
    #[must_use]
    pub fn renewed_from(mut self, origin: Where) -> Self {
        self.login = self.login.with_origin(origin);
        self
    }

    /// What was sent so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.counted.sum()
    }

    /// Sends a request and waits for the head of its answer, at most `within`; an error answer is
    /// read and becomes a [`Failure`]. A 401 has changed nothing, so after a new login it is sent again.
    async fn open(
        &self,
        method: Method,
        uri: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Response<Body>, Failure> {
        let (client, generation) = self.login.client();
        match self.send(&client, &method, uri, body.clone(), within).await {
            Err(failure) if failure.is(401) && self.login.renew(generation).await => {
                let (client, _) = self.login.client();
                self.send(&client, &method, uri, body, within).await
            }
            answer => answer,
        }
    }

    async fn send(
        &self,
        client: &Client,
        method: &Method,
        uri: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Response<Body>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, content_type(method))
            .body(Body::from(body))
            .map_err(|e| Failure::Setup(format!("{uri} is no request: {e}")))?;
        self.counted.sent(method, uri);
        let began = Instant::now();
        let answer = head(client, request, within).await;
        told(method, uri, &answer, began.elapsed());
        self.counted.answered(method, uri, answer.as_ref().err());
        answer
    }

    /// Sends a request and reads its whole answer.
    async fn unary(&self, method: Method, uri: &str, body: Vec<u8>) -> Result<Response<Bytes>, Failure> {
        let (parts, body) = self.open(method, uri, body, ANSWER_WITHIN).await?.into_parts();
        let bytes = tokio::time::timeout(ANSWER_WITHIN, body.collect())
            .await
            .map_err(|_| Failure::Lost("the answer did not come to its end".to_owned()))?
            .map_err(|e| Failure::Lost(answer::chain(&e)))?
            .to_bytes();
        Ok(Response::from_parts(parts, bytes))
    }

    fn jobs(&self) -> String {
        format!("/apis/batch/v1/namespaces/{}/jobs", self.namespace)
    }

    fn pods(&self) -> String {
        format!("/api/v1/namespaces/{}/pods", self.namespace)
    }
}
