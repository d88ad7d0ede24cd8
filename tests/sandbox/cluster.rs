//! A whole sandbox with real processes: volumes, claims, and many Jobs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use kjo::sandbox::{
    Sandbox, Settings,
    admit::Honours,
    kubelet::{
        Runtime, isolation,
        process::Processes,
        script::{Script, Scripted, Step},
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A sandbox below a folder.
struct Cluster {
    sandbox: Sandbox,
    client: kube::Client,
    folder: TempDir,
}

impl Cluster {
    /// In this bubblewrap, or without one.
    fn new(bubblewrap: Option<PathBuf>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let kjo = PathBuf::from(env!("CARGO_BIN_EXE_kjo"));
        let mut processes = Processes::new(kjo, vec!["sandbox-supervisor".into()], folder.path().join("root"));
        let volumes = bubblewrap.is_some();
        if let Some(bubblewrap) = bubblewrap {
            processes = processes.within(bubblewrap);
        }
        Self::of(Arc::new(processes), folder, |settings| {
            settings.honours = Honours { volumes };
            change(settings);
        })
    }

    fn of(runtime: Arc<dyn Runtime>, folder: TempDir, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(jiff::Timestamp::now(), 7);
        change(&mut settings);
        let sandbox = Sandbox::start(settings, runtime);
        let client = sandbox.client("default");
        Self {
            sandbox,
            client,
            folder,
        }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, (u16, Value)> {
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = Request::builder().method(method).uri(path);
        let request = request.body(kube::client::Body::from(body)).expect("a request");
        let answer = self.client.send(request).await.expect("an answer");
        let code = answer.status();
        let body = answer.into_body().collect_bytes().await.expect("a body");
        let value = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
        if code.is_success() {
            Ok(value)
        } else {
            Err((code.as_u16(), value))
        }
    }

    async fn make(&self, resource: &str, object: &Value) -> Value {
        let made = self.send(Method::POST, &path(resource), object).await;
        made.expect("a new object")
    }

    async fn get(&self, resource: &str) -> Value {
        self.send(Method::GET, &path(resource), &Value::Null)
            .await
            .expect("an object")
    }

    async fn delete(&self, resource: &str) {
        let options = json!({"propagationPolicy": "Background"});
        self.send(Method::DELETE, &path(resource), &options)
            .await
            .expect("a deletion");
    }

    /// Waits until this holds of an object, or of a list.
    #[track_caller]
    fn until<'a>(&'a self, resource: &'a str, holds: impl Fn(&Value) -> bool + 'a) -> impl Future<Output = Value> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let mut seen = Value::Null;
            for _ in 0..1200 {
                seen = self.get(resource).await;
                if holds(&seen) {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("{caller}: not so: {resource}: {seen}");
        }
    }

    async fn stop(self) -> TempDir {
        self.sandbox.stop().await;
        self.folder
    }
}

fn path(resource: &str) -> String {
    let group = if resource.starts_with("jobs") {
        "apis/batch/v1"
    } else {
        "api/v1"
    };
    format!("/{group}/namespaces/default/{resource}")
}

fn job(name: &str, pod: &Value) -> Value {
    let mut pod = pod.clone();
    pod["restartPolicy"] = json!("Never");
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    })
}

fn shell(script: &str) -> Value {
    json!({"containers": [{"name": "main", "image": "i", "command": ["sh", "-c", script]}]})
}

fn has(kind: &str) -> impl Fn(&Value) -> bool {
    let kind = kind.to_owned();
    move |job: &Value| {
        let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
        conditions.clone().any(|c| c["type"] == *kind && c["status"] == "True")
    }
}

/// bubblewrap, where it works.
async fn bubblewrap() -> Option<PathBuf> {
    isolation::find(&std::env::var_os("PATH").unwrap_or_default())
        .await
        .ok()
}

#[tokio::test]
async fn volumes_of_every_kind() {
    let Some(bubblewrap) = bubblewrap().await else {
        return;
    };
    let cluster = Cluster::new(Some(bubblewrap), |_| {});
    let meta = |name: &str| json!({"name": name});
    cluster
        .make(
            "configmaps",
            &json!({"metadata": meta("cm"), "data": {"a": "1", "run.sh": "#!/bin/sh\necho ran $1"}}),
        )
        .await;
    cluster
        .make(
            "secrets",
            &json!({"metadata": meta("s"), "stringData": {"key": "hush"}}),
        )
        .await;
    let claim = json!({"metadata": meta("data"), "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let claim = cluster.make("persistentvolumeclaims", &claim).await;
    assert_eq!(
        (&claim["status"]["phase"], &claim["status"]["capacity"]["storage"]),
        (&json!("Bound"), &json!("1Gi"))
    );

    let mut pod = shell(
        "cat /config/a; echo; /scripts/run.sh well; cat /all/key; echo; cat /all/deep/name | cut -c1-5; stat -c %a /secret/key
         cat /data/kept 2>/dev/null; echo of $0 >> /data/kept; cat /etc/one; echo; echo told > /airflow/xcom/return.json",
    );
    pod["volumes"] = json!([
        {"name": "config", "configMap": {"name": "cm"}},
        {"name": "scripts", "configMap": {"name": "cm", "defaultMode": 0o755}},
        {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "all", "projected": {"sources": [
            {"secret": {"name": "s"}},
            {"downwardAPI": {"items": [{"path": "deep/name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        ]}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    ]);
    let container = &mut pod["containers"][0];
    container["terminationMessagePath"] = json!("/airflow/xcom/return.json");
    container["volumeMounts"] = json!([
        {"name": "config", "mountPath": "/config"}, {"name": "scripts", "mountPath": "/scripts"},
        {"name": "secret", "mountPath": "/secret"}, {"name": "all", "mountPath": "/all"},
        {"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/etc/one", "subPath": "a"},
    ]);
    for (name, begins, kept) in [("first", "first", ""), ("second", "secon", "of sh\n")] {
        cluster.make("jobs", &job(name, &pod)).await;
        cluster.until(&format!("jobs/{name}"), has("Complete")).await;
        let pods = cluster.get(&format!("pods?labelSelector=job-name%3D{name}")).await;
        let pod = &pods["items"][0];
        assert_eq!(
            pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"],
            "told\n"
        );
        let pod = pod["metadata"]["name"].as_str().expect("a name");
        let log = cluster.get(&format!("pods/{pod}/log")).await;
        let expected = format!("1\nran well\nhush\n{begins}\n400\n{kept}1\n");
        assert_eq!(log, json!(expected));
        cluster.delete(&format!("jobs/{name}")).await;
    }
    // A pod's volumes go with it, a claim's with the claim.
    cluster.until("pods", |list| list["items"] == json!([])).await;
    let folders = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder.join("root")).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    };
    let gone = |left: &[&str]| {
        let folder = cluster.folder.path().to_owned();
        let left: Vec<String> = left.iter().map(|&name| name.to_owned()).collect();
        async move {
            for _ in 0..400 {
                if folders(&folder) == left {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
            panic!("left: {:?}", folders(&folder));
        }
    };
    gone(&[".claims"]).await;
    cluster.delete("persistentvolumeclaims/data").await;
    gone(&[]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn what_a_volume_is_made_of_is_waited_for() {
    let Some(bubblewrap) = bubblewrap().await else {
        return;
    };
    let cluster = Cluster::new(Some(bubblewrap), |settings| {
        settings.kubelet.backoff_base = Duration::from_millis(200);
    });
    let mut pod = shell("cat /config/a");
    pod["volumes"] = json!([{"name": "v", "configMap": {"name": "late"}}]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/config"}]);
    cluster.make("jobs", &job("waits", &pod)).await;
    let events = cluster
        .until("events", |list| {
            let mut items = list["items"].as_array().into_iter().flatten();
            items.any(|event| event["reason"] == "FailedMount")
        })
        .await;
    assert!(
        events
            .to_string()
            .contains("MountVolume.SetUp failed for volume \\\"v\\\" : configmap \\\"late\\\" not found"),
        "{events}"
    );
    let pods = cluster.get("pods").await;
    assert_eq!(
        pods["items"][0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"],
        "ContainerCreating"
    );
    cluster
        .make("configmaps", &json!({"metadata": {"name": "late"}, "data": {"a": "1"}}))
        .await;
    cluster.until("jobs/waits", has("Complete")).await;
    cluster.stop().await;
}

#[tokio::test]
async fn two_hundred_jobs_at_once() {
    let cluster = Cluster::new(None, |_| {});
    for number in 0..200 {
        cluster
            .make("jobs", &job(&format!("job-{number}"), &shell("echo $0; exit 0")))
            .await;
    }
    cluster
        .until("jobs", |list| {
            let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            items.iter().all(has("Complete"))
        })
        .await;
    let pods = cluster.get("pods").await;
    let pods = pods["items"].as_array().expect("pods");
    assert_eq!(pods.len(), 200);
    assert!(pods.iter().all(|pod| pod["status"]["phase"] == "Succeeded"));
    let folder = cluster.stop().await;
    assert!(!folder.path().join("root").exists());
}

/// Kilobytes of this process that are in memory, as the system counts them.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().next()).expect("a figure");
    figure.parse().expect("a number")
}

#[tokio::test(start_paused = true)]
async fn a_thousand_jobs_one_after_the_other_leave_nothing_in_memory() {
    let text = Bytes::from("a line of about fifty characters, two hundred times\n".repeat(200));
    let script = move |_: &_| Script {
        steps: vec![Step::Out(text.clone()), Step::Exit(0)],
        ..Script::default()
    };
    let folder = TempDir::new().expect("a folder");
    let cluster = Cluster::of(Arc::new(Scripted::new(script)), folder, |settings| {
        settings.history = 512;
    });
    let mut before = 0;
    for number in 0..1000 {
        let name = format!("job-{number}");
        cluster.make("jobs", &job(&name, &shell("not run"))).await;
        let place = format!("jobs/{name}");
        cluster.until(&place, has("Complete")).await;
        cluster.delete(&place).await;
        if number == 200 {
            before = resident();
        }
    }
    cluster.until("pods", |list| list["items"] == json!([])).await;
    let events = cluster.get("events").await;
    assert_eq!(events["items"].as_array().map(Vec::len), Some(512 / 4));
    let after = resident();
    // The logs of 800 Jobs alone would be 9 MB, and their Events 20.
    assert!(after < before + 6 * 1024, "{before} kB have become {after} kB");
}
