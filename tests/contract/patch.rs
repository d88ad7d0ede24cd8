//! What is changed after it was made: merge patches with their preconditions, Jobs that are suspended
//! and resumed, and companions that go with their owner. The words are the real server's.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, Refused, background},
    namespace::Namespace,
    outcome::job,
    support::eventually,
};

const WITHIN: Duration = Duration::from_secs(60);

/// A suspended Job called `test` that runs this.
fn suspended(script: &str) -> Value {
    let mut job = job(script);
    job["spec"]["suspend"] = json!(true);
    job
}

fn make(ns: &Namespace, resource: &str, object: &Value) -> Value {
    BACKEND
        .request(&Method::POST, &ns.path(resource), object)
        .expect("a new object")
}

fn patch(ns: &Namespace, patch: &Value) -> Result<Value, Refused> {
    BACKEND.request(&Method::PATCH, &ns.path("jobs/test"), patch)
}

fn the_job(ns: &Namespace) -> Value {
    BACKEND
        .request(&Method::GET, &ns.path("jobs/test"), &Value::Null)
        .expect("the Job")
}

/// Status, reason and message of the condition `Suspended`.
fn suspension(job: &Value) -> Option<String> {
    let conditions = job["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|c| c["type"] == "Suspended")?;
    Some(format!(
        "{} {} {}",
        condition["status"].as_str()?,
        condition["reason"].as_str()?,
        condition["message"].as_str()?
    ))
}

#[track_caller]
fn expect_suspension(ns: &Namespace, expected: &str) -> Value {
    let mut job = Value::Null;
    let there = eventually(WITHIN, || {
        job = the_job(ns);
        suspension(&job).as_deref() == Some(expected)
    });
    assert!(there, "not {expected}: {}", job["status"]);
    job
}

#[test]
fn a_suspended_job_makes_pods_when_it_is_resumed_and_gives_them_up_when_it_is_suspended() {
    let ns = Namespace::new();
    let made = make(&ns, "jobs", &suspended("sleep 100"));
    let job = expect_suspension(&ns, "True JobSuspended Job suspended");
    assert!(job["status"]["startTime"].is_null(), "{}", job["status"]);
    assert_eq!(ns.names("pods"), Vec::<String>::new());

    let meta = &made["metadata"];
    let resume = json!({"metadata": {"uid": meta["uid"], "labels": {"a": "b"}}, "spec": {"suspend": false}});
    let resumed = patch(&ns, &resume).expect("a resumed Job");
    assert_eq!(
        (&resumed["metadata"]["labels"]["a"], &resumed["metadata"]["generation"]),
        (&json!("b"), &json!(2))
    );
    let job = expect_suspension(&ns, "False JobResumed Job resumed");
    assert!(job["status"]["startTime"].is_string(), "{}", job["status"]);
    let runs = || {
        let pods = ns.list("pods");
        pods.len() == 1 && pods[0]["status"]["phase"] == "Running"
    };
    assert!(eventually(WITHIN, runs), "{:?}", ns.list("pods"));

    let stopped = patch(&ns, &json!({"spec": {"suspend": true}})).expect("a suspended Job");
    assert_eq!(stopped["metadata"]["generation"], 3);
    let job = expect_suspension(&ns, "True JobSuspended Job suspended");
    assert!(job["status"]["startTime"].is_null(), "{}", job["status"]);
    assert!(
        eventually(WITHIN, || ns.list("pods").is_empty()),
        "{:?}",
        ns.names("pods")
    );
    ns.delete_all("jobs");
    ns.expect_nothing_left();
}

/// An answer in one line, without what differs from run to run: the object that a patch led to is left
/// out, and a field that is found at fault twice is named once.
pub(crate) fn told(what: &str, answer: &Result<Value, Refused>, known: &[(&str, &str)]) -> String {
    let (code, body) = match answer {
        Ok(body) => (200, body),
        Err((code, body)) => (*code, body),
    };
    let message = body["message"].as_str().unwrap_or_default();
    let message = match (message.split_once("Invalid value: \"{"), message.rsplit_once("}\": ")) {
        (Some((before, _)), Some((_, why))) => format!("{before}Invalid value: …: {why}"),
        (None, _) | (_, None) => message.to_owned(),
    };
    let causes = body["details"]["causes"].as_array().into_iter().flatten();
    let mut fields: Vec<&str> = causes.filter_map(|cause| cause["field"].as_str()).collect();
    fields.dedup();
    let reason = body["reason"].as_str().unwrap_or_default();
    let text = format!("{what}: {code} {reason} {message} {fields:?}\n");
    known.iter().fold(text, |text, (is, name)| text.replace(is, name))
}

#[test]
fn patches_are_refused_in_the_real_servers_words() {
    let ns = Namespace::new();
    let made = make(&ns, "jobs", &suspended("true"));
    let uid = made["metadata"]["uid"].as_str().expect("a UID");
    let known = [(uid, "UID"), (ns.name.as_str(), "NS")];
    let template = |change: Value| {
        let mut containers = made["spec"]["template"]["spec"]["containers"].clone();
        for (key, value) in change.as_object().expect("fields") {
            containers[0][key] = value.clone();
        }
        json!({"spec": {"template": {"spec": {"containers": containers}}}})
    };
    let mut all = String::new();
    for (what, body) in [
        (
            "another UID",
            json!({"metadata": {"uid": "other", "labels": {"a": "b"}}}),
        ),
        (
            "an old version",
            json!({"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}}),
        ),
        ("another name", json!({"metadata": {"name": "other"}})),
        ("another namespace", json!({"metadata": {"namespace": "other"}})),
        ("completions", json!({"spec": {"completions": 3}})),
        ("completion mode", json!({"spec": {"completionMode": "Indexed"}})),
        ("selector", json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}})),
        ("managedBy", json!({"spec": {"managedBy": "acme.io/x"}})),
        ("a negative back-off limit", json!({"spec": {"backoffLimit": -1}})),
        ("a wrong type", json!({"spec": {"suspend": "yes"}})),
        ("a label that is none", json!({"metadata": {"labels": {"a": "b c"}}})),
        ("another kind", json!({"kind": "Pod", "apiVersion": "v1"})),
        ("a finalizer that is none", json!({"metadata": {"finalizers": ["x"]}})),
        (
            "an owner without a UID",
            json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]}}),
        ),
    ] {
        all += &told(what, &patch(&ns, &body), &known);
    }
    // A suspended Job may still change where its pods go, not what they run.
    let answer = patch(&ns, &template(json!({"image": "other"})));
    let (code, status) = answer.expect_err("another image");
    let cause = &status["details"]["causes"][0];
    all = format!("{all}another image: {code} {} {}\n", cause["field"], cause["reason"]);
    let strict = format!("{}?fieldValidation=Strict", ns.path("jobs/test"));
    let unknown = BACKEND.request(&Method::PATCH, &strict, &json!({"spec": {"suspended": false}}));
    all += &told("an unknown field", &unknown, &known);
    let none = BACKEND.request(&Method::PATCH, &ns.path("jobs/none"), &json!({}));
    all += &told("no such Job", &none, &known);
    for (content, body) in [
        ("application/merge-patch+json", "[]"),
        ("application/merge-patch+json", "{"),
        ("application/json", "{}"),
        ("application/json-patch+json", "{}"),
        (
            "application/json-patch+json",
            r#"[{"op": "test", "path": "/spec/suspend", "value": false}]"#,
        ),
        (
            "application/json-patch+json",
            r#"[{"op": "remove", "path": "/spec/none"}]"#,
        ),
    ] {
        let answer = BACKEND.raw(&Method::PATCH, &ns.path("jobs/test"), content, body.as_bytes());
        all += &told(&format!("{content} {body}"), &answer, &known);
    }
    insta::assert_snapshot!(all);
    let now = the_job(&ns);
    assert_eq!(now["spec"], made["spec"]);
    ns.delete_all("jobs");
}

#[test]
fn what_a_patch_changes() {
    let ns = Namespace::new();
    let made = make(&ns, "jobs", &suspended("true"));
    expect_suspension(&ns, "True JobSuspended Job suspended");
    let version = the_job(&ns)["metadata"]["resourceVersion"].clone();
    let change = json!({"metadata": {
        "uid": made["metadata"]["uid"], "resourceVersion": version,
        "labels": {"a": "b", "c": "d"}, "annotations": {"e": "f"},
    }});
    let changed = patch(&ns, &change).expect("a change");
    assert_eq!(
        (
            &changed["metadata"]["labels"]["c"],
            &changed["metadata"]["annotations"]["e"]
        ),
        (&json!("d"), &json!("f"))
    );
    assert_eq!(
        changed["metadata"]["generation"], 1,
        "labels are no part of what is wanted"
    );
    let same = patch(&ns, &json!({"metadata": {"labels": {"a": "b"}}})).expect("no change");
    assert_eq!(
        same["metadata"]["resourceVersion"],
        changed["metadata"]["resourceVersion"]
    );
    let less = patch(
        &ns,
        &json!({"metadata": {"labels": {"a": null}}, "spec": {"parallelism": 2}}),
    )
    .expect("a change");
    assert!(less["metadata"]["labels"].get("a").is_none() && less["metadata"]["labels"]["c"] == "d");
    assert_eq!(
        (&less["spec"]["parallelism"], &less["metadata"]["generation"]),
        (&json!(2), &json!(2))
    );

    let operations = json!([
        {"op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"]},
        {"op": "add", "path": "/metadata/labels/kjo.dev~1x", "value": "1"},
        {"op": "replace", "path": "/spec/parallelism", "value": 1},
        {"op": "remove", "path": "/metadata/labels/c"},
    ]);
    let bytes = operations.to_string().into_bytes();
    let changed = BACKEND
        .raw(
            &Method::PATCH,
            &ns.path("jobs/test"),
            "application/json-patch+json",
            &bytes,
        )
        .expect("a change");
    let labels = &changed["metadata"]["labels"];
    assert_eq!(
        (&labels["kjo.dev/x"], labels.get("c"), &changed["spec"]["parallelism"]),
        (&json!("1"), None, &json!(1))
    );
    let dry = format!("{}?dryRun=All", ns.path("jobs/test"));
    let tried = BACKEND
        .request(&Method::PATCH, &dry, &json!({"spec": {"suspend": false}}))
        .expect("a trial");
    assert_eq!(tried["spec"]["suspend"], false);
    assert_eq!(the_job(&ns)["spec"]["suspend"], true);
    ns.delete_all("jobs");
}

#[test]
fn companions_go_with_the_job_that_owns_them() {
    let ns = Namespace::new();
    let owner = make(&ns, "jobs", &suspended("true"));
    let companion = |kind: &str, name: &str, uid: &Value| {
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": "test", "uid": uid},
        ]}})
    };
    let uid = &owner["metadata"]["uid"];
    for (kind, resource) in [("ConfigMap", "configmaps"), ("Secret", "secrets")] {
        let made = make(&ns, resource, &companion(kind, "owned", uid));
        assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], *uid);
        make(
            &ns,
            resource,
            &json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "free"}}),
        );
        let (code, status) = BACKEND
            .request(&Method::POST, &ns.path(resource), &companion(kind, "owned", uid))
            .expect_err("it exists");
        assert_eq!((code, &status["reason"]), (409, &json!("AlreadyExists")));
    }
    BACKEND
        .request(&Method::DELETE, &ns.path("jobs/test"), &background())
        .expect("a deletion");
    for resource in ["configmaps", "secrets"] {
        let names = || ns.names(resource);
        assert!(
            eventually(WITHIN, || !names().contains(&"owned".to_owned())),
            "{resource}: {:?}",
            names()
        );
        assert!(names().contains(&"free".to_owned()), "{:?}", names());
        // An owner that has gone already, or was another object of that name, owns nothing.
        let kind = if resource == "secrets" { "Secret" } else { "ConfigMap" };
        make(&ns, resource, &companion(kind, "late", uid));
        assert!(
            eventually(WITHIN, || !names().contains(&"late".to_owned())),
            "{:?}",
            names()
        );
    }
}

#[test]
fn jobs_are_found_by_their_labels() {
    let ns = Namespace::new();
    for (name, run) in [("a", "1"), ("b", "2"), ("c", "1")] {
        let mut job = suspended("true");
        job["metadata"] = json!({"name": name, "labels": {"kjo.dev/run-id": run}});
        make(&ns, "jobs", &job);
    }
    let found = |selector: &str| ns.names(&format!("jobs?labelSelector={selector}"));
    assert_eq!(found("kjo.dev%2Frun-id%3D1"), ["a", "c"]);
    assert_eq!(found("kjo.dev%2Frun-id%3D1,kjo.dev%2Fdelivered"), Vec::<String>::new());
    assert_eq!(
        found("kjo.dev%2Frun-id%20in%20(1,2),!kjo.dev%2Fdelivered"),
        ["a", "b", "c"]
    );
    let delivered = json!({"metadata": {"labels": {"kjo.dev/delivered": "true"}}});
    BACKEND
        .request(&Method::PATCH, &ns.path("jobs/a"), &delivered)
        .expect("a label");
    assert_eq!(found("kjo.dev%2Frun-id%3D1,!kjo.dev%2Fdelivered"), ["c"]);
    ns.delete_all("jobs");
}
