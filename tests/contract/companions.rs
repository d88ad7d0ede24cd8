//! What comes along with a Job: made for the run, owned by the Job, gone with it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, real},
    namespace::Namespace,
    outcome::job,
    support::{Kjo, eventually},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A Job that tells what is in a ConfigMap and a Secret that come along with it.
fn set(script: &str) -> Vec<Value> {
    let mut job = job(script);
    let container = &mut job["spec"]["template"]["spec"]["containers"][0];
    container["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    container["env"] = json!([
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "token"}}},
    ]);
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"GREETING": "hello"}}),
        job,
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials"}, "stringData": {"token": "sesame"}}),
    ]
}

impl Namespace {
    fn set(&self, documents: &[Value], args: &[&str]) -> Kjo {
        let text: Vec<String> = documents.iter().map(Value::to_string).collect();
        self.run(["-f", "-"])
            .args(args.iter().copied())
            .stdin(text.join("\n---\n"))
    }

    /// Objects that a test has made: a real cluster puts a ConfigMap into every namespace.
    fn made(&self, resource: &str) -> Vec<String> {
        let mut names = self.names(resource);
        names.retain(|name| name != "kube-root-ca.crt");
        names
    }
}

#[test]
fn they_are_there_when_the_job_begins_and_go_with_it() {
    let ns = Namespace::new();
    let script = "echo $GREETING $TOKEN; sleep 1";
    let done = ns.set(&set(script), &["--run-id=a"]).run();
    done.expect(0, "hello sesame\n");
    let gone = || ns.made("configmaps").is_empty() && ns.made("secrets").is_empty();
    assert!(
        eventually(MINUTE, gone),
        "{:?} {:?}",
        ns.made("configmaps"),
        ns.made("secrets")
    );
    ns.expect_nothing_left();

    let done = ns.set(&set(script), &["--run-id=a", "--delete=never"]).run();
    done.expect(0, "hello sesame\n");
    let (jobs, maps) = (ns.names("jobs"), ns.made("configmaps"));
    let suffix = jobs[0].rsplit('-').next().expect("a suffix");
    assert_eq!(maps, [format!("settings-{suffix}")]);
    let owner = &ns.list("secrets")[0]["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["name"]), (&json!("Job"), &json!(jobs[0])));
    assert_eq!(owner["blockOwnerDeletion"], Value::Null);
    // The next generation has its own.
    let done = ns.set(&set(script), &["--run-id=a", "--delete=never"]).run();
    done.expect(0, "hello sesame\n");
    assert_eq!(
        ns.made("configmaps"),
        [format!("settings-{suffix}"), format!("settings-{suffix}-2")]
    );
}

#[test]
fn a_foreign_object_in_the_way_takes_the_job_back() {
    let ns = Namespace::new();
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}});
    BACKEND
        .request(&Method::POST, &ns.path("configmaps"), &foreign)
        .expect("a ConfigMap");
    let done = ns.set(&set("echo never"), &["--exact-name"]).run();
    done.expect(125, "").expect_said("ConfigMap/settings");
    ns.expect_nothing_left();
    assert_eq!(ns.made("configmaps"), ["settings"], "somebody else's stays");
}

#[test]
fn a_job_that_the_file_suspends_stays_so() {
    let ns = Namespace::new();
    let mut documents = set("true");
    documents[1]["spec"]["suspend"] = json!(true);
    ns.set(&documents, &["--detach", "--exact-name", "--name=later"])
        .run()
        .expect(0, "later\n");
    let job = &ns.list("jobs")[0];
    assert_eq!(job["spec"]["suspend"], true);
    assert_eq!(job["metadata"]["annotations"]["kjo.dev/unready"], Value::Null);
    assert_eq!(ns.made("configmaps"), ["settings"]);
}

#[test]
fn other_kinds_keep_their_names_and_are_made_if_they_are_absent() {
    if !real("the sandbox of this test keeps few kinds") {
        return;
    }
    let ns = Namespace::new();
    let mut documents = set("echo $GREETING; sleep 1");
    documents.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}));
    documents.push(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "nothing"}, "rules": [],
    }));
    documents[1]["spec"]["template"]["spec"]["serviceAccountName"] = json!("robot");
    for said in ["created ServiceAccount/robot", "ServiceAccount/robot exists"] {
        ns.set(&documents, &[]).run().expect(0, "hello\n").expect_said(said);
        ns.expect_nothing_left();
    }
    let accounts = || ns.names("serviceaccounts").contains(&"robot".to_owned());
    assert!(accounts());
    BACKEND
        .request(&Method::DELETE, &ns.path("serviceaccounts/robot"), &Value::Null)
        .expect("a deletion");
    ns.set(&documents, &["--own=ServiceAccount/robot"])
        .run()
        .expect(0, "hello\n");
    assert!(eventually(MINUTE, || !accounts()), "it goes with the Job");
}

#[test]
fn what_the_cluster_does_not_have_is_refused_before_anything_is_made() {
    let ns = Namespace::new();
    for (api_version, kind, said) in [
        ("example.com/v1", "Widget", "knows no Widget of example.com/v1"),
        ("v1", "Node", "Node"),
    ] {
        let mut documents = set("echo never");
        documents.push(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}}));
        ns.set(&documents, &[]).run().expect(125, "").expect_said(said);
    }
    assert!(ns.names("jobs").is_empty() && ns.made("configmaps").is_empty());
}

#[test]
fn what_would_be_refused_is_refused_before_anything_is_made() {
    let ns = Namespace::new();
    let mut documents = set("echo never");
    documents[0]["data"] = json!({"no key at all": "x"});
    ns.set(&documents, &[])
        .run()
        .expect(125, "")
        .expect_said("nothing was created");
    assert!(ns.names("jobs").is_empty() && ns.made("secrets").is_empty());
}
