//! What the API server refuses is refused once, in its own words, and leaves nothing.

use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, kubectl, real},
    namespace::Namespace,
    outcome::job,
    support::Kjo,
};

#[test]
fn manifests_that_the_server_refuses() {
    let ns = Namespace::new();
    let mut unknown = job("true");
    unknown["spec"]["template"]["spec"]["containers"][0]["comand"] = json!(["x"]);
    let mut policy = job("true");
    policy["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let mut image = job("true");
    image["spec"]["template"]["spec"]["containers"][0]
        .as_object_mut()
        .expect("a map")
        .remove("image");
    for (manifest, words) in [
        (unknown, r#"unknown field "spec.template.spec.containers[0].comand""#),
        (
            policy,
            r#"spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#,
        ),
        (image, "spec.template.spec.containers[0].image: Required value"),
    ] {
        // kjo says it in the same words, and nothing is sent.
        ns.manifest(&manifest).run().expect(125, "").expect_said(words);
        let done = ns.manifest(&manifest).arg("--skip-checks").run();
        done.expect(125, "")
            .expect_said(words)
            .expect_said("correct the manifest; nothing was created");
    }
    ns.expect_nothing_left();
}

#[test]
fn a_namespace_that_does_not_exist() {
    let ns = Namespace::new();
    let done = Kjo::new(["run", "-n", "no-such-namespace", "--image", "busybox"])
        .env("KUBECONFIG", BACKEND.kubeconfig())
        .run();
    done.expect(125, "")
        .expect_said("kubectl create namespace no-such-namespace");
    ns.expect_nothing_left();
}

#[test]
fn a_quota_is_about_the_moment() {
    if !real("it has no quotas") {
        return;
    }
    let ns = Namespace::new();
    kubectl(&["create", "quota", "none", "--hard=count/jobs.batch=0", "-n", &ns.name]);
    let counted =
        || kubectl(&["get", "quota", "none", "-n", &ns.name, "-o", "jsonpath={.status.hard}"]).contains("jobs");
    assert!(crate::support::eventually(std::time::Duration::from_secs(30), counted));
    ns.manifest(&job("true"))
        .run()
        .expect(122, "")
        .expect_said("exceeded quota");
    ns.expect_nothing_left();
}

#[test]
fn warnings_of_the_server_are_shown() {
    let ns = Namespace::new();
    let done = ns.manifest(&job("true")).args(["--name", "a.b"]).run();
    done.expect(0, "")
        .expect_said("warning from the API server: metadata.name: this is used in Pod names and hostnames");
}

#[test]
fn a_server_that_is_not_trusted() {
    let ns = Namespace::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kubeconfig");
    let text = std::fs::read_to_string(BACKEND.kubeconfig()).expect("a kubeconfig");
    let mut config: Value = kjo::spec::read::value("kubeconfig", &text)
        .expect("YAML")
        .expect("a value");
    for cluster in config["clusters"].as_array_mut().expect("clusters") {
        let cluster = cluster["cluster"].as_object_mut().expect("a cluster");
        cluster.retain(|field, _| !field.starts_with("certificate-authority"));
    }
    std::fs::write(&path, config.to_string()).expect("a copy");
    let text = path.to_str().expect("a path");
    let done = ns.run(["--kubeconfig", text, "--image", "busybox"]).run();
    done.expect(125, "").expect_said("certificate is not trusted");
    ns.expect_nothing_left();
}
