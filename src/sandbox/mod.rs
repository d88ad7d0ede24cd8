//! A small cluster in the process: an API server, the Job controller, a kubelet. It speaks the real
//! API as far as kjo goes, and is held to the real one by the same contract tests.
//!
//! ```text
//!  socket (serve) ─► api ─► admit ─┐            ┌─► jobs ─► controller (pure)
//!  in process ─────► api ──────────┴─► world ◄──┼─► collect
//!                                     (store)   └─► kubelet ─► runtime: processes, or a script
//! ```
//!
//! Nothing here knows of kjo's own run: the client reaches it as it reaches any cluster.

pub mod admit;
pub mod api;
mod collect;
pub mod controller;
pub mod delete;
pub mod faults;
mod jobs;
pub mod kubelet;
pub mod meta;
pub mod refused;
pub mod resource;
pub mod serve;
pub mod store;
pub mod world;

#[cfg(test)]
mod api_tests;
#[cfg(test)]
mod view_tests;

use std::sync::Arc;

use http::Request;
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use tower::BoxError;

use self::{
    api::{Api, Body, Create},
    kubelet::{Kubelet, Runtime},
    resource::Resource,
    world::World,
};

/// How a sandbox behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The wall clock's time at the start.
    pub began: Timestamp,
    /// Draws names and UIDs.
    pub seed: u64,
    /// Changes that are kept for watches.
    pub history: usize,
    /// The Job controller's back-off.
    pub jobs: controller::Settings,
    /// The node.
    pub kubelet: kubelet::Settings,
    /// What its containers can have.
    pub honours: admit::Honours,
}

impl Settings {
    /// The real cluster's figures.
    #[must_use]
    pub fn new(began: Timestamp, seed: u64) -> Self {
        Self {
            began,
            seed,
            history: 4096,
            jobs: controller::Settings::default(),
            kubelet: kubelet::Settings::default(),
            honours: admit::Honours::default(),
        }
    }
}

/// A running sandbox. Dropping it ends everything that it has started.
pub struct Sandbox {
    world: Arc<World>,
    kubelet: Arc<Kubelet>,
    parts: JoinSet<()>,
}

impl Sandbox {
    /// Starts a cluster with the namespace `default`, whose containers are run by `runtime`.
    pub fn start(settings: Settings, runtime: Arc<dyn Runtime>) -> Self {
        let world = World::honouring(settings.began, settings.seed, settings.history, settings.honours);
        let kubelet = Kubelet::new(Arc::clone(&world), runtime, settings.kubelet);
        let mut parts = JoinSet::new();
        parts.spawn(collect::run(Arc::clone(&world), world.subscribe()));
        parts.spawn(jobs::run(Arc::clone(&world), world.subscribe(), settings.jobs));
        parts.spawn(Arc::clone(&kubelet).run());
        let sandbox = Self { world, kubelet, parts };
        sandbox.namespace("default");
        sandbox
    }

    /// Makes a namespace, if it is not there yet.
    pub fn namespace(&self, name: &str) {
        let create = Create {
            resource: Resource::Namespaces,
            namespace: "",
            strictness: admit::FieldValidation::Ignore,
            manager: "kjo-sandbox",
            dry_run: false,
        };
        let namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}});
        // It exists: that is what was asked for.
        drop(self.world.create(&create, &namespace));
    }

    /// What the cluster knows.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The node's agent.
    #[must_use]
    pub fn kubelet(&self) -> &Arc<Kubelet> {
        &self.kubelet
    }

    /// The API server, without a socket.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(Arc::clone(&self.world), Arc::clone(&self.kubelet))
    }

    /// A client in the process, without socket, TLS and token.
    #[must_use]
    pub fn client(&self, namespace: &str) -> kube::Client {
        Self::client_of(self.api(), namespace)
    }

    /// A client in the process of this API, which may have faults.
    #[must_use]
    pub fn client_of(api: Api, namespace: &str) -> kube::Client {
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                let request = serve::gathered(request).await?;
                Ok::<http::Response<Body>, BoxError>(api.answer(request).await?)
            }
        });
        kube::Client::new(service, namespace)
    }

    /// Listens on a port of the loopback device, for as long as the sandbox lives.
    ///
    /// # Errors
    /// No port to be had, no certificate to be made.
    pub async fn listen(&mut self, token: String) -> std::io::Result<serve::Endpoint> {
        let mut socket = serve::Socket::open(token).await?;
        self.parts.spawn(socket.serve(self.api()).await?);
        Ok(socket.endpoint().clone())
    }

    /// Ends everything that runs in it, and waits until that is so.
    pub async fn stop(mut self) {
        self.parts.shutdown().await;
    }
}
