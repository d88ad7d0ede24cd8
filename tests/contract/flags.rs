//! Every flag that changes what is sent, once, in one run: the created objects are what was asked for.

use http::Method;
use serde_json::Value;

use crate::{backend::BACKEND, namespace::Namespace, support::Kjo};

/// Everything that `asked` says is in `made`; the server has added to it.
fn missing(asked: &Value, made: &Value, path: &str) -> Vec<String> {
    match (asked, made) {
        (Value::Object(asked), Value::Object(made)) => asked
            .iter()
            .flat_map(|(key, value)| missing(value, made.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}")))
            .collect(),
        (Value::Array(asked), Value::Array(made)) if asked.len() == made.len() => asked
            .iter()
            .zip(made)
            .enumerate()
            .flat_map(|(n, (asked, made))| missing(asked, made, &format!("{path}[{n}]")))
            .collect(),
        (asked, made) if asked == made => Vec::new(),
        (asked, made) => vec![format!("{path}: {asked} was asked for, and {made} was made")],
    }
}

#[test]
fn every_flag_once() {
    // The sandbox refuses, by name, most of what these flags ask for.
    if BACKEND.is_sandbox() {
        return;
    }
    let ns = Namespace::new();
    let yaml = |text: &'static str| text;
    #[rustfmt::skip]
    let flags = [
        "-f", "job.yaml", "--run-id", "every-flag", "--ttl", "1h", "--deadline", "2h",
        "--patch", "patch.yaml", "--set", "spec.template.spec.shareProcessNamespace=true",
        "--image", "busybox:1.36", "--image-pull-policy", "IfNotPresent", "--image-pull-secret", "registry",
        "-e", "GIVEN=1", "--env-file", "vars", "--secret-env", "TOKEN", "--secret-env-file", "secret-vars",
        "--env-from", "configmap/settings", "--env-from", "secret/other", "--env-field", "NODE=spec.nodeName", "--env-field", "CPUS=limits.cpu",
        "--env-secret", "S=secret:key", "--env-configmap", "C=settings:key",
        "-w", "/work", "--requests", "cpu=100m,memory=64Mi,ephemeral-storage=1Gi",
        "--limits", "cpu=1,memory=128Mi,ephemeral-storage=2Gi", "--port", "http=8080", "--port", "53", "--port", "53/UDP",
        "--termination-message-policy", "FallbackToLogsOnError",
        "--init-container", yaml("{name: init, image: busybox}"), "--sidecar", yaml("{name: side, image: busybox}"),
        "--mount", "type=pvc,source=data,target=/data,readonly",
        "--mount", "type=emptydir,target=/scratch,size=1Gi", "--mount", "type=configmap,source=settings,target=/settings",
        "--mount", "type=secret,source=secret,target=/secret,mode=0400",
        "--volume", yaml("{name: p, projected: {sources: [{serviceAccountToken: {path: token}}]}}"),
        "--volume", yaml("{name: c, csi: {driver: example.com}}"), "--volume-mount", yaml("{name: p, mountPath: /p}"),
        "--shm-size", "1Gi", "--mount-file", "config.yaml:/etc/app/config.yaml", "--secret-file", "tls.key:/etc/app/key:0440",
        "--script", "run.sh",
        "-l", "team=data", "--annotation", "example.com/a=b c",
        "--service-account", "robot", "--automount-token", "false", "--node-selector", "kubernetes.io/arch=arm64",
        "--affinity", yaml("{podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}"),
        "--toleration", "gpu=yes:NoSchedule", "--toleration", "spot",
        "--topology-spread", yaml("{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}"),
        "--runtime-class", "gvisor", "--scheduler", "other", "--priority-class", "low",
        "--host-alias", "10.0.0.1=a,b", "--hostname", "h", "--subdomain", "sub", "--dns-policy", "None",
        "--dns-config", yaml("{nameservers: [1.1.1.1]}"), "--grace-period", "5",
        "-u", "1000:2000", "--security-context", yaml("{readOnlyRootFilesystem: true}"),
        "--pod-security-context", yaml("{fsGroup: 1}"), "--restricted",
        "--parallelism", "2", "--completions", "4", "--indexed", "--backoff-limit", "3", "--backoff-limit-per-index", "1",
        "--pod-failure-policy", yaml("{rules: [{action: FailIndex, onExitCodes: {operator: In, values: [3]}}]}"),
        "--success-policy", yaml("{rules: [{succeededCount: 3}]}"), "--restart-policy", "Never",
        "--pod-deadline", "1h", "--suspend", "--queue", "q", "--managed-by", "example.com/controller",
    ];
    let kjo = |command: &[&str]| {
        let flags = flags.iter().copied();
        Kjo::new(command.iter().copied())
            .env("KUBECONFIG", BACKEND.kubeconfig())
            .env("TOKEN", "sesame")
            .args(["-n", ns.name.as_str()])
            .args(flags)
            .file("job.yaml", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: every}\nspec: {template: {spec: {containers: [{name: main, env: [{name: GIVEN, value: '0'}]}]}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {key: value}\n")
            .file("patch.yaml", "spec: {template: {spec: {containers: [{name: main, tty: true}]}}}\n")
            .file("vars", "FILE=1\n")
            .file("secret-vars", "PASSWORD=x\n")
            .file("config.yaml", "a: 1\n")
            .file("tls.key", "secret")
            .file("run.sh", "#!/bin/sh\necho hello\n")
    };
    let rendered = kjo(&["render", "-o", "json", "--show-secrets"]).run();
    rendered.expect(0, rendered.text());
    let asked: Vec<Value> = serde_json::Deserializer::from_str(rendered.text())
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("JSON");
    assert_eq!(asked.len(), 5, "a Job, two ConfigMaps and two Secrets");
    let done = kjo(&["run", "--detach"]).run();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut different = Vec::new();
    for mut object in asked {
        let (kind, name) = (object["kind"].take(), object["metadata"]["name"].clone());
        let (kind, name) = (kind.as_str().expect("a kind"), name.as_str().expect("a name"));
        let path = format!("{}/{name}", ns.path(&format!("{}s", kind.to_lowercase())));
        let made = BACKEND.request(&Method::GET, &path, &Value::Null).expect("it was made");
        object["kind"] = kind.into();
        // The server keeps it as data, in base64.
        if let Some(text) = object.as_object_mut().and_then(|o| o.remove("stringData")) {
            for key in text.as_object().expect("a map").keys() {
                assert!(made["data"][key].is_string(), "{name} has no {key}");
            }
        }
        different.extend(missing(&object, &made, name));
    }
    ns.delete_all("jobs");
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn flags_that_exclude_others() {
    if BACKEND.is_sandbox() {
        return;
    }
    let ns = Namespace::new();
    let rendered = Kjo::new(["render", "--dry-run=server", "-o", "json", "-n", ns.name.as_str()])
        .env("KUBECONFIG", BACKEND.kubeconfig())
        .args(["--image", "busybox", "--arg", "-x", "--arg", "y", "--host-network"])
        .args(["--mount", "type=hostpath,source=/tmp,target=/host"])
        .run();
    let job: Value = serde_json::from_str(rendered.text()).unwrap_or_else(|e| panic!("{e}: {}", rendered.stderr));
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["args"], serde_json::json!(["-x", "y"]));
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(pod["volumes"][0]["hostPath"]["path"], "/tmp");
    // The server's own addition: it has judged it.
    assert_eq!(pod["schedulerName"], "default-scheduler");
    ns.expect_nothing_left();
}

#[test]
fn the_template_of_a_cron_job() {
    // It has none.
    if BACKEND.is_sandbox() {
        return;
    }
    let ns = Namespace::new();
    let mut template = crate::outcome::job("echo $DAY");
    let spec = template["spec"].take();
    let cron_job = serde_json::json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"metadata": {"labels": {"team": "data"}}, "spec": spec}},
    });
    let path = format!("/apis/batch/v1/namespaces/{}/cronjobs", ns.name);
    BACKEND.request(&Method::POST, &path, &cron_job).expect("a CronJob");
    let done = ns.run(["--from", "cronjob/nightly", "-e", "DAY=monday"]).run();
    done.expect(0, "monday\n")
        .expect_said("running the template of CronJob/nightly once, now");
    let done = ns.run(["--from", "cronjob/weekly"]).run();
    done.expect(125, "")
        .expect_said("there is no cronjob/weekly in namespace");
    let done = ns.run(["--from", "nightly"]).run();
    done.expect(125, "").expect_said("--from nightly names no CronJob");
    BACKEND
        .request(&Method::DELETE, &format!("{path}/nightly"), &Value::Null)
        .expect("a deletion");
    ns.expect_nothing_left();
}
