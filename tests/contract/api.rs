//! The API itself: what it refuses, in these words, on both clusters; and that no bad request harms
//! what runs.

use std::{io::BufRead as _, time::Duration};

use http::Method;
use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, Refused},
    namespace::Namespace,
    outcome::job,
};

/// An answer in one line, without what differs from run to run.
fn told(ns: &Namespace, what: &str, answer: &Result<Value, Refused>) -> String {
    let (code, body) = match answer {
        Ok(body) => (200, body),
        Err((code, body)) => (*code, body),
    };
    let text = format!(
        "{what}: {code} {} {} {}\n",
        body["reason"].as_str().unwrap_or_default(),
        body.as_str()
            .or_else(|| body["message"].as_str())
            .unwrap_or_default()
            .trim(),
        body["details"]
    );
    text.replace(&ns.name, "NS")
}

#[test]
fn what_the_api_server_refuses_it_refuses_in_these_words() {
    let ns = Namespace::new();
    let jobs = ns.path("jobs");
    let strict = format!("{jobs}?fieldValidation=Strict");
    let mut unknown = job("true");
    unknown["spec"]["template"]["spec"]["containers"][0]["comand"] = json!(["x"]);
    let mut invalid = job("true");
    invalid["spec"]["parallelism"] = json!(-1);
    invalid["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let mut suspended = job("true");
    suspended["spec"]["suspend"] = json!(true);
    let made = BACKEND.request(&Method::POST, &jobs, &suspended).expect("a Job");
    let uid_there = &made["metadata"]["uid"];
    let one = format!("{jobs}/test");
    let uid = json!({"preconditions": {"uid": "other"}});
    let version = json!({"metadata": {"resourceVersion": "1"}});
    let immutable = json!({"spec": {"completionMode": "Indexed"}});

    let mut all = String::new();
    for (what, method, path, body) in [
        ("no such Job", Method::GET, format!("{jobs}/none"), Value::Null),
        (
            "no such resource",
            Method::GET,
            "/api/v1/nothings".to_owned(),
            Value::Null,
        ),
        (
            "no such group",
            Method::GET,
            "/apis/none/v1/things".to_owned(),
            Value::Null,
        ),
        (
            "no such namespace",
            Method::POST,
            jobs.replace(&ns.name, "no-such"),
            job("true"),
        ),
        ("another namespace", Method::POST, jobs.clone(), {
            let mut job = job("true");
            job["metadata"]["namespace"] = json!("other");
            job
        }),
        ("it exists", Method::POST, jobs.clone(), suspended.clone()),
        ("an unknown field", Method::POST, strict, unknown),
        ("invalid fields", Method::POST, jobs.clone(), invalid),
        (
            "another kind",
            Method::POST,
            jobs.clone(),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}),
        ),
        ("a wrong UID", Method::DELETE, one.clone(), uid),
        ("an old version", Method::PATCH, one.clone(), version),
        (
            "a selector that is none",
            Method::GET,
            format!("{jobs}?labelSelector=a%20b"),
            Value::Null,
        ),
        (
            "a field that selects nothing",
            Method::GET,
            format!("{jobs}?fieldSelector=spec.x%3D1"),
            Value::Null,
        ),
    ] {
        let answer = BACKEND.request(&method, &path, &body);
        all += &told(&ns, what, &answer);
    }
    insta::assert_snapshot!(all.replace(uid_there.as_str().expect("a UID"), "UID"));
    let changed = BACKEND.request(&Method::PATCH, &one, &immutable);
    assert!(matches!(changed, Err((422, _))), "{changed:?}");
    ns.delete_all("jobs");
}

#[test]
fn bad_requests_harm_nothing_that_runs() {
    let ns = Namespace::new();
    let mut running = ns.manifest(&job("echo begun; sleep 3; echo done")).start();
    let mut stdout = std::io::BufReader::new(running.stdout());
    let mut text = String::new();
    stdout.read_line(&mut text).expect("a line");

    let (code, status) = BACKEND.stranger(&ns.path("jobs")).expect_err("a stranger");
    assert_eq!((code, &status["reason"]), (401, &json!("Unauthorized")), "{status}");
    for body in ["", "{", "[]", "\"x\"", "{\"kind\": 1}", "\u{0}\u{1}"] {
        let answer = BACKEND.raw(&Method::POST, &ns.path("jobs"), "application/json", body.as_bytes());
        let (code, status) = answer.expect_err(body);
        assert_eq!((code, &status["kind"]), (400, &json!("Status")), "{body:?}: {status}");
    }
    let huge = vec![b' '; 4 * 1024 * 1024];
    let (code, _) = BACKEND
        .raw(&Method::POST, &ns.path("jobs"), "application/json", &huge)
        .expect_err("a huge body");
    assert_eq!(code, 413);

    while stdout.read_line(&mut text).expect("a line") > 0 {}
    let (code, stderr) = running.wait(Duration::from_secs(60));
    assert_eq!((code, text.as_str()), (0, "begun\ndone\n"), "{stderr}");
}
