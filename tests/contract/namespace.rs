//! A namespace for one test, and questions to the cluster by kubectl.

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use crate::support::{Kjo, eventually};

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

    /// With the whole cluster to itself.
    pub(crate) fn alone() -> Self {
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
        kubectl(&["create", "namespace", &name]);
        let ready = || try_kubectl(&["get", "serviceaccount", "default", "-n", &name]).is_ok();
        assert!(
            eventually(Duration::from_secs(30), ready),
            "no default ServiceAccount in {name}"
        );
        Self { name, _guard: guard }
    }

    /// `kjo run …` in this namespace.
    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Kjo {
        Kjo::new(["run", "-n", &self.name])
            .env("KUBECONFIG", kubeconfig())
            .args(args)
    }

    /// `kjo run -f -` with this manifest.
    pub(crate) fn manifest(&self, manifest: &Value) -> Kjo {
        self.run(["-f", "-"]).stdin(manifest.to_string())
    }

    /// All objects of a kind.
    pub(crate) fn list(&self, kind: &str) -> Vec<Value> {
        let list: Value = serde_json::from_str(&kubectl(&[
            "get",
            kind,
            "-n",
            &self.name,
            "-o",
            "json",
            "--show-managed-fields",
        ]))
        .expect("JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let name = |o: &Value| o["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.list(kind).iter().map(name).collect()
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

impl Drop for Namespace {
    fn drop(&mut self) {
        // Told by the next run if it fails: a test must not panic while it panics.
        drop(try_kubectl(&["delete", "namespace", &self.name, "--wait=false"]));
    }
}

/// The kubeconfig of the tests.
pub(crate) fn kubeconfig() -> PathBuf {
    let path = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
    path.map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".kube/config"),
        PathBuf::from,
    )
}

/// Whether the cluster is the one of `tests/cluster`, whose parts a test may stop. Without it such a
/// test fails, unless somebody else's cluster was asked for.
pub(crate) fn own_cluster() -> bool {
    match std::env::var("KJO_TEST_CLUSTER").as_deref() {
        Ok("own") => true,
        Ok("existing") => false,
        _ => panic!("set KJO_TEST_CLUSTER to own (tests/cluster/up) or existing"),
    }
}

/// Runs one of the scripts of `tests/cluster`; the last line it prints.
pub(crate) fn script(name: &str, args: &[&str]) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cluster")
        .join(name);
    output(Command::new(path).args(args))
        .expect(name)
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}

pub(crate) fn kubectl(args: &[&str]) -> String {
    try_kubectl(args).unwrap_or_else(|e| panic!("kubectl {args:?}: {e}"))
}

pub(crate) fn try_kubectl(args: &[&str]) -> Result<String, String> {
    let program = std::env::var_os("KJO_KUBECTL").unwrap_or_else(|| "kubectl".into());
    output(Command::new(program).args(args))
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
