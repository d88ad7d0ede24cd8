//! A namespace for one test, and questions about what is in it.

use std::{
    sync::{
        RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, background},
    support::{Kjo, eventually},
};

/// Tests that break the cluster have it for themselves.
static CLUSTER: RwLock<()> = RwLock::new(());
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A namespace of its own; at the end nothing may be left in it.
pub(crate) struct Namespace {
    pub(crate) name: String,
    _guard: Guard,
}

#[expect(dead_code, reason = "held, not read")]
enum Guard {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Namespace {
    pub(crate) fn new() -> Self {
        // A test that failed while it had the cluster has put it right again.
        Self::with(Guard::Shared(
            CLUSTER.read().unwrap_or_else(std::sync::PoisonError::into_inner),
        ))
    }

    /// With the whole cluster to itself; a sandbox is made for that.
    pub(crate) fn alone() -> Self {
        if BACKEND.own(&format!("own-{}", COUNT.fetch_add(1, Ordering::Relaxed))) {
            return Self::new();
        }
        Self::with(Guard::Alone(
            CLUSTER.write().unwrap_or_else(std::sync::PoisonError::into_inner),
        ))
    }

    fn with(guard: Guard) -> Self {
        let name = format!(
            "kjo-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        BACKEND
            .request(&Method::POST, "/api/v1/namespaces", &namespace)
            .expect("a namespace");
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        let ready = || BACKEND.is_sandbox() || BACKEND.request(&Method::GET, &account, &Value::Null).is_ok();
        // After a test that stopped the API server its controllers may take half a minute to come back.
        assert!(
            eventually(Duration::from_secs(120), ready),
            "no default ServiceAccount in {name}"
        );
        Self { name, _guard: guard }
    }

    /// `kjo run …` in this namespace.
    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Kjo {
        Kjo::new(["run", "-n", &self.name])
            .env("KUBECONFIG", BACKEND.kubeconfig())
            .args(args)
    }

    /// `kjo attach NAME …` in this namespace.
    pub(crate) fn attach(&self, name: &str) -> Kjo {
        Kjo::new(["attach", name, "-n", &self.name]).env("KUBECONFIG", BACKEND.kubeconfig())
    }

    /// `kjo run -f -` with this manifest.
    pub(crate) fn manifest(&self, manifest: &Value) -> Kjo {
        self.run(["-f", "-"]).stdin(manifest.to_string())
    }

    /// The path of a resource in this namespace.
    pub(crate) fn path(&self, resource: &str) -> String {
        let group = if resource.starts_with("jobs") || resource.starts_with("cronjobs") {
            "apis/batch/v1"
        } else {
            "api/v1"
        };
        format!("/{group}/namespaces/{}/{resource}", self.name)
    }

    /// All objects of a resource.
    pub(crate) fn list(&self, resource: &str) -> Vec<Value> {
        let list = BACKEND
            .request(&Method::GET, &self.path(resource), &Value::Null)
            .expect("a list");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn names(&self, resource: &str) -> Vec<String> {
        let name = |o: &Value| o["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.list(resource).iter().map(name).collect()
    }

    /// Deletes all objects of a resource, without waiting.
    pub(crate) fn delete_all(&self, resource: &str) {
        for name in self.names(resource) {
            let path = format!("{}/{name}", self.path(resource));
            BACKEND
                .request(&Method::DELETE, &path, &background())
                .expect("a deletion");
        }
    }

    /// A folder of this namespace, of which nothing says that it exists.
    pub(crate) fn state_folder(&self) -> String {
        format!("/tmp/{}", self.name)
    }

    /// Gives the first container a folder that outlives its restarts, and says where it is.
    pub(crate) fn state(&self, job: &mut Value) -> State {
        let folder = self.state_folder();
        if BACKEND.is_sandbox() {
            // Its containers see this machine's files.
            std::fs::create_dir_all(&folder).expect("a folder");
        } else {
            let pod = &mut job["spec"]["template"]["spec"];
            pod["volumes"] = json!([{"name": "state", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}]);
            pod["containers"][0]["volumeMounts"] = json!([{"name": "state", "mountPath": folder}]);
        }
        let container = &mut job["spec"]["template"]["spec"]["containers"][0];
        container["env"] = json!([{"name": "STATE", "value": folder}]);
        State(folder)
    }

    /// No Job and no pod is left, at the latest when the pods' grace is over.
    #[track_caller]
    pub(crate) fn expect_nothing_left(&self) {
        let gone = eventually(Duration::from_secs(45), || {
            self.list("jobs").is_empty() && self.list("pods").is_empty()
        });
        assert!(gone, "left behind: {:?} {:?}", self.names("jobs"), self.names("pods"));
    }
}

/// A folder, removed at the end.
pub(crate) struct State(String);

impl Drop for State {
    fn drop(&mut self) {
        // Nodes of somebody else's cluster keep their file; it is in their /tmp.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Told by the next run if it fails: a test must not panic while it panics.
        let path = format!("/api/v1/namespaces/{}", self.name);
        drop(BACKEND.request(&Method::DELETE, &path, &Value::Null));
    }
}
