//! What takes the place of what was there (PUT), and what is deleted all at once.

use http::Method;
use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, Refused, background},
    namespace::Namespace,
    outcome::job,
    patch::told,
    support::eventually,
};

fn map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn send(method: &Method, path: &str, body: &Value) -> Result<Value, Refused> {
    BACKEND.request(method, path, body)
}

fn make(ns: &Namespace, resource: &str, object: &Value) -> Value {
    send(&Method::POST, &ns.path(resource), object).expect("a new object")
}

/// A suspended Job of this name, with the label `app`.
fn suspended(name: &str, app: &str) -> Value {
    let mut job = job("true");
    job["metadata"] = json!({"name": name, "labels": {"app": app}});
    job["spec"]["suspend"] = json!(true);
    job
}

#[test]
fn an_object_takes_the_place_of_another() {
    let ns = Namespace::new();
    let made = make(&ns, "configmaps", &map("a", &json!({"k": "v", "l": "w"})));
    let path = ns.path("configmaps/a");
    // It need say neither UID nor version; what it does not say goes.
    let other = send(&Method::PUT, &path, &map("a", &json!({"k": "x"}))).expect("another");
    assert_eq!(
        (&other["data"], &other["metadata"]["uid"]),
        (&json!({"k": "x"}), &made["metadata"]["uid"])
    );
    assert_eq!(
        other["metadata"]["creationTimestamp"],
        made["metadata"]["creationTimestamp"]
    );
    assert_ne!(
        other["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
    let same = send(&Method::PUT, &path, &other).expect("the same");
    assert_eq!(
        same["metadata"]["resourceVersion"],
        other["metadata"]["resourceVersion"]
    );
    let mut tried = other.clone();
    tried["data"]["k"] = json!("tried");
    let answer = send(&Method::PUT, &format!("{path}?dryRun=All"), &tried).expect("a trial");
    assert_eq!(answer["data"]["k"], "tried");
    assert_eq!(
        send(&Method::GET, &path, &Value::Null).expect("it")["data"],
        other["data"]
    );

    make(&ns, "jobs", &suspended("test", "x"));
    let (path, status) = (ns.path("jobs/test"), ns.path("jobs/test/status"));
    // Its controller may write at the same time.
    let changed = eventually(std::time::Duration::from_secs(30), || {
        let mut job = send(&Method::GET, &path, &Value::Null).expect("the Job");
        job["spec"]["parallelism"] = json!(2);
        job["status"] = json!({"active": 7});
        send(&Method::PUT, &path, &job).is_ok_and(|job| {
            job["metadata"]["generation"] == 2 && job["spec"]["parallelism"] == 2 && job["status"]["active"] != 7
        })
    });
    assert!(changed, "{:?}", send(&Method::GET, &path, &Value::Null));
    let mut job = send(&Method::GET, &status, &Value::Null).expect("the Job");
    job["metadata"]["resourceVersion"] = json!("");
    job["spec"]["parallelism"] = json!(5);
    let job = send(&Method::PUT, &status, &job).expect("its status");
    assert_eq!(job["spec"]["parallelism"], 2);
    ns.delete_all("jobs");
    ns.expect_nothing_left();
}

#[test]
fn replacements_are_refused_in_the_real_servers_words() {
    let ns = Namespace::new();
    let made = make(&ns, "configmaps", &map("a", &json!({"k": "v"})));
    let job = make(&ns, "jobs", &suspended("test", "x"));
    let text = |object: &Value| object["metadata"]["uid"].as_str().expect("a UID").to_owned();
    let (uid, uid_of_job) = (text(&made), text(&job));
    let known = [
        (uid.as_str(), "UID"),
        (uid_of_job.as_str(), "UID"),
        (ns.name.as_str(), "NS"),
    ];
    let with = |change: Value| {
        let mut object = map("a", &json!({"k": "v"}));
        for (field, value) in change.as_object().expect("fields") {
            object["metadata"][field] = value.clone();
        }
        object
    };
    let mut all = String::new();
    for (what, resource, body) in [
        ("no name", "configmaps/a", with(json!({"name": ""}))),
        ("another name", "configmaps/a", with(json!({"name": "b"}))),
        (
            "another namespace",
            "configmaps/a",
            with(json!({"namespace": "elsewhere"})),
        ),
        ("another UID", "configmaps/a", with(json!({"uid": "other"}))),
        ("an old version", "configmaps/a", with(json!({"resourceVersion": "1"}))),
        ("none there", "configmaps/none", map("none", &json!({}))),
        ("a collection", "configmaps", with(json!({}))),
        ("no such part", "configmaps/a/status", with(json!({}))),
        (
            "an unknown field",
            "configmaps/a?fieldValidation=Strict",
            json!({"metadata": {"name": "a"}, "dat": {}}),
        ),
    ] {
        all += &told(what, &send(&Method::PUT, &ns.path(resource), &body), &known);
    }
    // The manifest of a Job has neither its selector nor the labels of its pods.
    let again = send(&Method::PUT, &ns.path("jobs/test"), &suspended("test", "y"));
    let (code, status) = again.expect_err("another Job");
    let causes = status["details"]["causes"].as_array().into_iter().flatten();
    // The real server names some twice.
    let mut faults: Vec<String> = Vec::new();
    for cause in causes {
        let [field, reason] = ["field", "reason"].map(|name| cause[name].as_str().unwrap_or_default());
        let fault = format!("{field} {reason}");
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    let all = format!("{all}a Job's manifest: {code} {faults:#?}\n");
    insta::assert_snapshot!(all);
    ns.delete_all("jobs");
}

#[test]
fn many_are_deleted_at_once() {
    let ns = Namespace::new();
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        make(&ns, "jobs", &suspended(name, app));
    }
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().into_iter().flatten();
        items
            .map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let of_x = ns.path("jobs?labelSelector=app%3Dx");
    // With options in a body those of the query mean nothing.
    let mut options = background();
    options["dryRun"] = json!(["All"]);
    let dry = send(&Method::DELETE, &of_x, &options).expect("a trial");
    assert_eq!(
        (&dry["kind"], names(&dry)),
        (&json!("JobList"), vec!["a".into(), "c".into()])
    );
    assert_eq!(ns.names("jobs"), ["a", "b", "c"]);
    let gone = send(&Method::DELETE, &of_x, &background()).expect("a deletion");
    assert_eq!(names(&gone), ["a", "c"]);
    assert!(eventually(std::time::Duration::from_secs(30), || ns.names("jobs") == ["b"]));
    let of_x = format!("{of_x}&dryRun=All");
    let none = send(&Method::DELETE, &of_x, &background()).expect("nothing to delete");
    assert_eq!(names(&none), Vec::<String>::new());
    // Namespaces go one by one.
    let all = send(
        &Method::DELETE,
        "/api/v1/namespaces?labelSelector=a%3Dnobody",
        &Value::Null,
    );
    assert_eq!(all.expect_err("a refusal").0, 405);
    let dry = format!("{}?dryRun=All", ns.path("jobs"));
    send(&Method::DELETE, &dry, &Value::Null).expect("a trial");
    assert_eq!(ns.names("jobs"), ["b"]);
    send(&Method::DELETE, &dry, &background()).expect("the rest");
    ns.expect_nothing_left();
}
