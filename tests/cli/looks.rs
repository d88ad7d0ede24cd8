//! `kjo check` and `kjo status` against servers that say what they are told to.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::{
    closed_port,
    scripted::{refusal, served},
    support::{Done, Kjo, result, without_times},
    with_kubeconfig, without_ports,
};

/// What an ordinary server says to `kjo check`, with these permissions.
fn reviewer(path: &str, body: &Value, may: impl Fn(&str, &str) -> bool) -> (u16, Value) {
    match path {
        "/version" => (
            200,
            json!({"major": "1", "minor": "29+", "gitVersion": "v1.29.4-eks-1"}),
        ),
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            (201, json!({"status": {"userInfo": {"username": "ann"}}}))
        }
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
            let asked = &body["spec"]["resourceAttributes"];
            assert_eq!(asked["namespace"], "team");
            let word = |name: &str| asked[name].as_str().unwrap_or_default();
            let resource = match word("subresource") {
                "" => word("resource").to_owned(),
                part => format!("{}/{part}", word("resource")),
            };
            (201, json!({"status": {"allowed": may(word("verb"), &resource)}}))
        }
        "/api/v1/namespaces/team" => refusal(403, "Forbidden", r#"User "ann" cannot get resource "namespaces""#),
        _ if path.starts_with("/apis/batch/v1/namespaces/team/jobs?dryRun=All") => {
            refusal(404, "NotFound", r#"namespaces "team" not found"#)
        }
        _ => panic!("{path}"),
    }
}

/// What it prints: never a token, nothing on stderr.
fn checked(kjo: Kjo, code: i32) -> String {
    let Done {
        code: ended,
        stdout,
        stderr,
    } = kjo.run();
    let text = without_ports(&String::from_utf8_lossy(&stdout));
    assert_eq!((ended, stderr.as_str()), (code, ""), "{text}");
    assert!(!text.contains("sesame"), "{text}");
    let (first, rest) = text.split_once('\n').expect("lines");
    let machine = format!(
        "kjo {} on {} {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    assert_eq!(first, machine);
    format!("kjo …\n{rest}")
}

#[test]
fn check_where_all_is_allowed_but_the_namespace_is_not_there() {
    let kjo = served(Kjo::new(["check"]), |_, path, body| reviewer(path, body, |_, _| true));
    insta::assert_snapshot!(checked(kjo, 125));
}

#[test]
fn check_where_useful_permissions_are_missing() {
    let kjo = served(Kjo::new(["check"]), |_, path, body| match path {
        "/api/v1/namespaces/team" => (200, json!({"kind": "Namespace", "status": {"phase": "Active"}})),
        _ => reviewer(path, body, |verb, resource| verb != "delete" && resource != "pods/log"),
    });
    insta::assert_snapshot!(checked(kjo, 0));
}

#[test]
fn check_where_reviews_are_refused() {
    let kjo = served(Kjo::new(["check", "--redact"]), |_, path, body| {
        if path.contains("/authorization.k8s.io/") {
            return refusal(
                403,
                "Forbidden",
                r#"User "ann" cannot create resource "selfsubjectaccessreviews""#,
            );
        }
        reviewer(path, body, |_, _| true)
    });
    insta::assert_snapshot!(checked(kjo, 125));
}

#[test]
fn check_of_servers_that_cannot_be_used() {
    let kjo = served(Kjo::new(["check"]), |_, _, _| {
        refusal(401, "Unauthorized", "Unauthorized")
    });
    insta::assert_snapshot!("check_unauthorized", checked(kjo, 125));
    let old = json!({"major": "1", "minor": "24", "gitVersion": "v1.24.0"});
    let kjo = served(Kjo::new(["check"]), move |_, path, body| match path {
        "/version" => (200, old.clone()),
        _ => reviewer(path, body, |_, _| true),
    });
    let text = checked(kjo, 125);
    assert!(
        text.contains("v1.24.0, NOT supported (1.29 and later, tested with 1.36)"),
        "{text}"
    );
    assert!(
        text.ends_with("Jobs cannot be run here: the server is too old\n"),
        "{text}"
    );
    insta::assert_snapshot!("check_out_of_reach", checked(with_kubeconfig(Kjo::new(["check"])), 125));
    let text = checked(with_kubeconfig(Kjo::new(["check", "--redact", "-n", "team"])), 125);
    for name in ["127.0.0.1", "team", "context here", "user u"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    insta::assert_snapshot!("check_without_a_cluster", checked(Kjo::new(["check"]), 125));
}

fn job(conditions: &Value) -> Value {
    json!({
        "metadata": {"name": "etl", "uid": "u1", "creationTimestamp": "2026-11-02T00:00:00Z"},
        "spec": {"template": {}},
        "status": {"startTime": "2026-11-02T00:00:01Z", "failed": 1, "conditions": conditions},
    })
}

fn failed() -> Value {
    job(&json!([{
        "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "limit",
        "lastTransitionTime": "2026-11-02T00:01:00Z",
    }]))
}

fn status(script: impl Fn(&str, &str, &Value) -> (u16, Value) + Send + Sync + 'static) -> Done {
    served(
        Kjo::new(["status", "etl", "-o", "json", "--connect-timeout", "3s"]),
        script,
    )
    .run()
}

#[test]
fn status_asks_once_and_again_only_what_has_failed() {
    let asked = AtomicU32::new(0);
    let done = status(move |method, path, _| {
        assert_eq!(method, "GET");
        match path.split('?').next().unwrap_or_default() {
            "/apis/batch/v1/namespaces/team/jobs/etl" if asked.fetch_add(1, Ordering::Relaxed) == 0 => {
                refusal(503, "ServiceUnavailable", "starting")
            }
            "/apis/batch/v1/namespaces/team/jobs/etl" => (200, failed()),
            "/api/v1/namespaces/team/pods" => {
                let ended = json!({"exitCode": 9, "reason": "OOMKilled", "finishedAt": "2026-11-02T00:00:59Z"});
                let owner =
                    json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "etl", "uid": "u1", "controller": true}]);
                let pod = json!({
                    "metadata": {"name": "etl-x", "uid": "p1", "ownerReferences": owner},
                    "spec": {"containers": [{"name": "main"}]},
                    "status": {"phase": "Failed", "containerStatuses": [{
                        "name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                        "containerID": "containerd://1", "state": {"terminated": ended},
                    }]},
                });
                (200, json!({"metadata": {"resourceVersion": "1"}, "items": [pod]}))
            }
            "/api/v1/namespaces/team/events" if path.ends_with("uid%3Dp1") => {
                let event = json!({
                    "metadata": {"name": "e"}, "type": "Warning", "reason": "BackOff", "message": "again", "count": 4,
                    "involvedObject": {"kind": "Pod", "name": "etl-x", "uid": "p1"}, "lastTimestamp": "2026-11-02T00:00:58Z",
                });
                (200, json!({"metadata": {}, "items": [event]}))
            }
            "/api/v1/namespaces/team/events" => (200, json!({"metadata": {}, "items": []})),
            _ => panic!("{path}"),
        }
    });
    assert_eq!(done.code, 0, "{}", done.stderr);
    let document = result(&done.stdout);
    assert_eq!(
        (&document["exit_code"], &document["container_exit_code"]),
        (&json!(9), &json!(9))
    );
    assert_eq!(
        (&document["warnings"][0]["reason"], &document["warnings"][0]["count"]),
        (&json!("BackOff"), &json!(4))
    );
    assert_eq!(document["api"], json!({"requests": 5, "retries": 1, "reconnects": 0}));
    assert_eq!(document["times"]["cluster"]["finished_at"], "2026-11-02T00:01:00Z");
}

#[test]
fn status_where_little_is_allowed() {
    let done = status(|_, path, _| {
        if path.starts_with("/apis/batch/") {
            return (200, failed());
        }
        let kind = if path.contains("/pods") { "pods" } else { "events" };
        refusal(403, "Forbidden", &format!("{kind} is forbidden"))
    });
    let document = result(&done.stdout);
    assert_eq!((done.code, &document["exit_code"]), (0, &json!(123)));
    insta::assert_snapshot!(without_times(&without_ports(&done.stderr)));
}

#[test]
fn status_of_an_announced_end_is_that_end() {
    let announced =
        json!([{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "late"}]);
    let done = status(move |_, path, _| {
        if path.starts_with("/apis/batch/") {
            return (200, job(&announced));
        }
        (200, json!({"metadata": {}, "items": []}))
    });
    let document = result(&done.stdout);
    assert_eq!(
        (&document["outcome"], &document["exit_code"]),
        (&json!("deadline"), &json!(124))
    );
    assert_eq!(document["job"]["still_running"], true);
}

#[test]
fn status_that_cannot_be_had() {
    let refused = status(|_, _, _| refusal(403, "Forbidden", r#"User "ann" cannot get resource "jobs""#));
    refused.expect(125, "").expect_said("manifests/rbac.yaml");
    let down = status(|_, _, _| refusal(503, "", ""));
    down.expect(121, "").expect_said("job/etl could not be read: HTTP 503");
    let port = closed_port();
    let kubeconfig = crate::KUBECONFIG.replace("PORT", &port.to_string());
    let kjo = Kjo::new(["status", "etl", "--connect-timeout", "1s"])
        .file("k", kubeconfig)
        .env("KUBECONFIG", "k");
    let done = kjo.run();
    done.expect(121, "");
    insta::assert_snapshot!(without_times(&without_ports(&done.stderr)));
}
