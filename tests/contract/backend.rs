//! The two clusters that the contract is held against: kjo's own sandbox, and a real Kubernetes.
//! `KJO_TEST_CLUSTER` says which: `sandbox` (the default), `own` (`tests/cluster/up`), or `existing`.

use std::{
    cell::Cell,
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use http::{Method, Request, header};
use kjo::sandbox::{Sandbox, Settings, kubelet::process::Processes, serve::Socket};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, task::JoinHandle};

/// The cluster of this run of the tests, or a sandbox of this test's own.
pub(crate) static BACKEND: Chosen = Chosen;

pub(crate) struct Chosen;

static SHARED: LazyLock<Backend> = LazyLock::new(|| Backend::new("shared"));

thread_local! {
    static OWN: Cell<Option<&'static Backend>> = const { Cell::new(None) };
}

impl Deref for Chosen {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        OWN.get().unwrap_or(&SHARED)
    }
}

impl Chosen {
    /// Gives the test of this thread a sandbox that it may break, if the others' is one too.
    pub(crate) fn own(&self, name: &str) -> bool {
        if self.is_sandbox() {
            // It lives as long as the tests: this thread may still ask it while it unwinds.
            OWN.set(Some(Box::leak(Box::new(Backend::new(name)))));
        }
        self.is_sandbox()
    }
}

pub(crate) struct Backend {
    runtime: Runtime,
    client: Client,
    kubeconfig: PathBuf,
    sandbox: Option<Mutex<Served>>,
}

/// A sandbox on a socket, whose API server can be killed.
struct Served {
    sandbox: Sandbox,
    socket: Socket,
    server: JoinHandle<()>,
}

/// What a cluster answered that is no success.
pub(crate) type Refused = (u16, Value);

impl Backend {
    fn new(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let (kubeconfig, sandbox) = match std::env::var("KJO_TEST_CLUSTER").as_deref() {
            Ok("own" | "existing") => (of_environment(), None),
            Ok("sandbox") | Err(_) => {
                let (path, served) = runtime.block_on(serve(name));
                (path, Some(Mutex::new(served)))
            }
            Ok(other) => panic!("KJO_TEST_CLUSTER is {other:?}, not sandbox, own or existing"),
        };
        let client = runtime.block_on(async {
            let file = Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig");
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self {
            runtime,
            client,
            kubeconfig,
            sandbox,
        }
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(crate) fn is_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Sends a request; the answer, or the error's code and Status.
    pub(crate) fn request(&self, method: &Method, path: &str, body: &Value) -> Result<Value, Refused> {
        let content = if *method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        self.raw(method, path, content, &bytes)
    }

    pub(crate) fn raw(&self, method: &Method, path: &str, content: &str, body: &[u8]) -> Result<Value, Refused> {
        self.raw_by(&self.client, method, path, content, body)
    }

    /// Asks with a token that nobody was given.
    pub(crate) fn stranger(&self, path: &str) -> Result<Value, Refused> {
        let client = self.runtime.block_on(async {
            let file = Kubeconfig::read_from(&self.kubeconfig).expect("a kubeconfig");
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            let mut config = config.expect("a configuration");
            config.auth_info = kube::config::AuthInfo {
                token: Some("wrong".to_owned().into()),
                ..Default::default()
            };
            Client::try_from(config).expect("a client")
        });
        self.raw_by(&client, &Method::GET, path, "application/json", &[])
    }

    fn raw_by(
        &self,
        client: &Client,
        method: &Method,
        path: &str,
        content: &str,
        body: &[u8],
    ) -> Result<Value, Refused> {
        let request = || {
            Request::builder()
                .method(method)
                .uri(path)
                .header(header::CONTENT_TYPE, content)
                .body(kube::client::Body::from(body.to_vec()))
                .expect("a request")
        };
        self.runtime.block_on(async {
            let answer = match client.send(request()).await {
                Ok(answer) => answer,
                // A connection kept from before an API server was killed: nobody has heard this request.
                Err(_) => client.send(request()).await.expect("an answer"),
            };
            let code = answer.status();
            let body = answer.into_body().collect_bytes().await.expect("a body");
            let text = String::from_utf8_lossy(&body).into_owned();
            let value = serde_json::from_slice(&body).unwrap_or(Value::String(text));
            if code.is_success() {
                Ok(value)
            } else {
                Err((code.as_u16(), value))
            }
        })
    }

    /// Ends the API server with all its connections; nothing else stops.
    pub(crate) fn kill_api_server(&self) {
        match &self.sandbox {
            None => drop(script("ctl", &["apiserver", "kill"])),
            Some(served) => {
                let served = served.lock().unwrap_or_else(PoisonError::into_inner);
                served.server.abort();
            }
        }
    }

    /// Brings it back.
    pub(crate) fn start_api_server(&self) {
        match &self.sandbox {
            None => drop(script("ctl", &["apiserver", "start"])),
            Some(served) => {
                let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
                let api = served.sandbox.api();
                let server = self.runtime.block_on(served.socket.serve(api)).expect("the same port");
                served.server = self.runtime.spawn(server);
            }
        }
    }
}

/// Tests of what the sandbox does not have go to a real cluster only.
pub(crate) fn real(_because: &str) -> bool {
    !BACKEND.is_sandbox()
}

async fn serve(name: &str) -> (PathBuf, Served) {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sandbox-{}-{name}", std::process::id()));
    let supervisor = env!("CARGO_BIN_EXE_kjo").into();
    let runtime = Arc::new(Processes::new(supervisor, vec!["sandbox-supervisor".into()], root));
    let sandbox = Sandbox::start(
        Settings::new(jiff::Timestamp::now(), std::process::id().into()),
        runtime,
    );
    let mut socket = Socket::open("the-token-of-the-tests".to_owned())
        .await
        .expect("a socket");
    let server = tokio::spawn(socket.serve(sandbox.api()).await.expect("a server"));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("contract-kubeconfig-{name}.json"));
    std::fs::write(&path, socket.endpoint().kubeconfig().to_string()).expect("a kubeconfig");
    (
        path,
        Served {
            sandbox,
            socket,
            server,
        },
    )
}

/// The kubeconfig of the environment.
fn of_environment() -> PathBuf {
    let path = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
    path.map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".kube/config"),
        PathBuf::from,
    )
}

/// Whether the cluster is the one of `tests/cluster`, whose parts a test may stop.
pub(crate) fn own_cluster() -> bool {
    std::env::var("KJO_TEST_CLUSTER").as_deref() == Ok("own")
}

/// Runs one of the scripts of `tests/cluster`; the last line it prints.
pub(crate) fn script(name: &str, args: &[&str]) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cluster")
        .join(name);
    let text = output(Command::new(path).args(args)).expect(name);
    text.lines().last().unwrap_or_default().to_owned()
}

/// kubectl, for what only a real cluster has.
pub(crate) fn kubectl(args: &[&str]) -> String {
    let program = std::env::var_os("KJO_KUBECTL").unwrap_or_else(|| "kubectl".into());
    output(Command::new(program).args(args)).unwrap_or_else(|e| panic!("kubectl {args:?}: {e}"))
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Options of a delete request.
pub(crate) fn background() -> Value {
    json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
}
