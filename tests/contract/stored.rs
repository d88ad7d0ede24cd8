//! What is kept beside Jobs and Pods, and volumes: what the API server makes of them and what it refuses,
//! in these words, on both clusters.

use http::Method;
use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, Refused},
    namespace::Namespace,
    outcome::job,
};

/// An answer in one line.
fn told(ns: &Namespace, what: &str, answer: &Result<Value, Refused>) -> String {
    let (code, said) = match answer {
        Ok(_) => (201, String::new()),
        Err((code, status)) => (*code, status["message"].as_str().unwrap_or_default().to_owned()),
    };
    format!("{what}: {code} {said}\n").replace(&ns.name, "NS")
}

fn pod(volumes: &Value, mounts: &Value) -> Value {
    let mut job = job("true");
    job["spec"]["suspend"] = json!(true);
    let pod = &mut job["spec"]["template"]["spec"];
    pod["volumes"] = volumes.clone();
    pod["containers"][0]["volumeMounts"] = mounts.clone();
    job
}

#[test]
fn volumes_that_make_no_sense() {
    let ns = Namespace::new();
    let empty = json!([{"name": "v", "emptyDir": {}}]);
    let mount = |field: &str, value: Value| {
        let mut mount = json!({"name": "v", "mountPath": "/v"});
        mount[field] = value;
        json!([mount])
    };
    let mut all = String::new();
    for (what, volumes, mounts) in [
        ("no such volume", json!([]), mount("name", json!("other"))),
        (
            "two types",
            json!([{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]),
            json!([]),
        ),
        (
            "twice",
            json!([{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
            json!([]),
        ),
        ("a name that is none", json!([{"name": "V", "emptyDir": {}}]), json!([])),
        ("no name of a Secret", json!([{"name": "v", "secret": {}}]), json!([])),
        (
            "no name of a ConfigMap",
            json!([{"name": "v", "configMap": {}}]),
            json!([]),
        ),
        (
            "no name of a claim",
            json!([{"name": "v", "persistentVolumeClaim": {"claimName": ""}}]),
            json!([]),
        ),
        ("no path", empty.clone(), mount("mountPath", json!(""))),
        ("a path upwards", empty.clone(), mount("subPath", json!("a/../b"))),
        ("an absolute part", empty.clone(), mount("subPath", json!("/a"))),
        (
            "the same place",
            empty.clone(),
            json!([{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/v"}]),
        ),
    ] {
        let answer = BACKEND.request(&Method::POST, &ns.path("jobs"), &pod(&volumes, &mounts));
        // Where there are no volumes that is said too, of its own accord.
        let answer = answer.map_err(|(code, mut status)| {
            let text = status["message"].as_str().unwrap_or_default();
            let own = "spec.template.spec.volumes: Forbidden: the sandbox has no volumes where bubblewrap is missing or \
                       --isolation none is given";
            let text = match text.strip_suffix(&format!(", {own}]")) {
                // A list of one is none.
                Some(rest) if rest.matches(": ").count() > 0 && !rest.contains(", spec.") => rest.replace("is invalid: [", "is invalid: "),
                Some(rest) => format!("{rest}]"),
                None => text.to_owned(),
            };
            status["message"] = json!(text);
            (code, status)
        });
        all += &told(&ns, what, &answer);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_kept_and_what_is_refused() {
    let ns = Namespace::new();
    let claim = |spec: Value| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "claim"}, "spec": spec});
    let service = |name: &str, spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
    let cron = |name: &str, change: Value| {
        let template = job("true")["spec"]["template"].clone();
        let mut spec = json!({"schedule": "0 0 31 2 *", "jobTemplate": {"spec": {"template": template}}});
        for (field, value) in change.as_object().expect("fields") {
            spec[field] = value.clone();
        }
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec})
    };
    let account = |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    let storage = json!({"requests": {"storage": "1Gi"}});
    let long = "n".repeat(53);
    let mut all = String::new();
    for (what, resource, body) in [
        (
            "no access mode",
            "persistentvolumeclaims",
            claim(json!({"resources": storage})),
        ),
        (
            "another access mode",
            "persistentvolumeclaims",
            claim(json!({"accessModes": ["Mine"], "resources": storage})),
        ),
        (
            "no size",
            "persistentvolumeclaims",
            claim(json!({"accessModes": ["ReadWriteOnce"]})),
        ),
        (
            "a claim",
            "persistentvolumeclaims",
            claim(json!({"accessModes": ["ReadWriteOnce"], "resources": storage})),
        ),
        ("no ports", "services", service("web", json!({"selector": {"a": "b"}}))),
        (
            "a port that is none",
            "services",
            service("web", json!({"ports": [{"port": 70000}]})),
        ),
        (
            "ports without names",
            "services",
            service("web", json!({"ports": [{"port": 1}, {"port": 2}]})),
        ),
        (
            "a name for DNS",
            "services",
            service("1web", json!({"ports": [{"port": 1}]})),
        ),
        (
            "a Service",
            "services",
            service("web", json!({"ports": [{"port": 80}]})),
        ),
        (
            "a headless one",
            "services",
            service("peers", json!({"clusterIP": "None", "selector": {"a": "b"}})),
        ),
        ("no schedule", "cronjobs", cron("nightly", json!({"schedule": ""}))),
        (
            "another policy",
            "cronjobs",
            cron("nightly", json!({"concurrencyPolicy": "Sometimes"})),
        ),
        ("a long name", "cronjobs", cron(&long, json!({}))),
        ("a CronJob", "cronjobs", cron("nightly", json!({}))),
        ("it is there already", "serviceaccounts", account("default")),
        ("a ServiceAccount", "serviceaccounts", account("deployer")),
        ("an account that is none", "serviceaccounts", account("De Ployer")),
    ] {
        let answer = BACKEND.request(&Method::POST, &ns.path(resource), &body);
        all += &told(&ns, what, &answer);
    }
    insta::assert_snapshot!(all);
    let kept = BACKEND
        .request(&Method::GET, &ns.path("cronjobs/nightly"), &Value::Null)
        .expect("a CronJob");
    let spec = &kept["spec"];
    let defaults = [
        "concurrencyPolicy",
        "suspend",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ]
    .map(|field| spec[field].clone());
    assert_eq!(defaults, [json!("Allow"), json!(false), json!(3), json!(1)]);
    let kept = BACKEND
        .request(&Method::GET, &ns.path("services/web"), &Value::Null)
        .expect("a Service");
    assert_eq!(
        kept["spec"]["ports"],
        json!([{"port": 80, "protocol": "TCP", "targetPort": 80}])
    );
    ns.delete_all("cronjobs");
    ns.delete_all("services");
    ns.delete_all("persistentvolumeclaims");
}
