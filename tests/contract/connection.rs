//! Flags that stand for parts of a kubeconfig, on a cluster.

use std::{
    io::{BufRead as _, BufReader},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, kubectl, real},
    namespace::Namespace,
    outcome::job,
    permissions::ROLE,
    proxy::{http::Http, server_of, token::Tokens},
    support::Kjo,
};

fn kubeconfig() -> Value {
    let text = std::fs::read_to_string(BACKEND.kubeconfig()).expect("a kubeconfig");
    let value = kjo::spec::read::value("kubeconfig", &text).expect("YAML");
    value.expect("a value")
}

/// A token for the Role of the manifests; the sandbox has one for everybody.
fn token(ns: &Namespace) -> String {
    if BACKEND.is_sandbox() {
        return kubeconfig()["users"][0]["user"]["token"]
            .as_str()
            .expect("a token")
            .to_owned();
    }
    kubectl(&["apply", "-n", &ns.name, "-f", ROLE]);
    let account = format!("--serviceaccount={}:default", ns.name);
    kubectl(&["create", "rolebinding", "kjo", "-n", &ns.name, "--role=kjo", &account]);
    kubectl(&["create", "token", "default", "-n", &ns.name])
}

#[test]
fn a_server_and_a_token_file_are_enough() {
    let ns = Namespace::new();
    let server = format!("https://{}", server_of(BACKEND.kubeconfig()));
    let token = token(&ns);
    let kjo = |content: &str| {
        Kjo::new([
            "run",
            "-f",
            "-",
            "-n",
            &ns.name,
            "--server",
            &server,
            "--token-file",
            "token",
        ])
        .file("token", content)
        .stdin(job("echo hello").to_string())
    };
    // The end of the line is no part of it.
    let done = kjo(&format!("{}\n", token.trim()))
        .arg("--insecure-skip-tls-verify")
        .run();
    done.expect(0, "hello\n");
    assert!(!done.stderr.contains(token.trim()), "{}", done.stderr);
    let done = kjo(&token).env("KJO_INSECURE_SKIP_TLS_VERIFY", "true").run();
    done.expect(0, "hello\n");
    kjo(&token)
        .run()
        .expect(125, "")
        .expect_said("certificate is not trusted");
    let data = kubeconfig()["clusters"][0]["cluster"]["certificate-authority-data"].take();
    let k8s_openapi::ByteString(authority) = serde_json::from_value(data).expect("base64");
    let done = kjo(&token)
        .file("ca.crt", String::from_utf8(authority).expect("PEM"))
        .args(["--certificate-authority", "ca.crt"])
        .run();
    done.expect(0, "hello\n");
    let done = kjo("wrong").arg("--insecure-skip-tls-verify").run();
    done.expect(125, "").expect_said("401");
    ns.expect_nothing_left();
}

#[test]
fn the_token_file_of_a_flag_is_read_again() {
    let ns = Namespace::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = Tokens::new(folder.path()).expect("a token");
    let proxy = runtime
        .block_on(Http::start(BACKEND.kubeconfig(), tokens, Arc::new(|_| None)))
        .expect("a proxy");
    let script = "i=0; while [ $i -lt 8 ]; do i=$((i+1)); echo $i; sleep 0.5; done";
    let mut running = Kjo::new(["run", "-f", "-", "-n", &ns.name, "--server", &proxy.server])
        .args(["--insecure-skip-tls-verify", "--token-file"])
        .arg(folder.path().join("token"))
        .stdin(job(script).to_string())
        .start();
    let (mut stdout, mut text) = (BufReader::new(running.stdout()), String::new());
    while text.lines().count() < 2 {
        assert!(stdout.read_line(&mut text).expect("a line") > 0, "it ended: {text}");
    }
    proxy.tokens.next().expect("a token");
    proxy.reset_all();
    while stdout.read_line(&mut text).expect("a line") > 0 {}
    let (code, stderr) = running.wait(Duration::from_secs(60));
    let expected: String = (1..=8).map(|i| format!("{i}\n")).collect();
    assert_eq!((code, &text), (0, &expected), "{stderr}");
    ns.expect_nothing_left();
}

#[test]
fn cluster_and_user_in_place_of_the_contexts() {
    let ns = Namespace::new();
    let mut config = kubeconfig();
    config["clusters"][0]["name"] = json!("the-cluster");
    config["users"][0]["name"] = json!("the-user");
    let clusters = config["clusters"].as_array_mut().expect("clusters");
    clusters.push(json!({"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}}));
    let users = config["users"].as_array_mut().expect("users");
    users.push(json!({"name": "nobody", "user": {"token": "wrong"}}));
    config["contexts"] = json!([{"name": "away", "context": {
        "cluster": "nowhere", "user": "nobody", "namespace": ns.name,
    }}]);
    config["current-context"] = json!("away");
    let kjo = |args: &[&str]| {
        Kjo::new(["run", "-f", "-", "--kubeconfig", "k"])
            .args(args.iter().copied())
            .file("k", config.to_string())
            .stdin(job("echo hello").to_string())
    };
    let both = &["--cluster", "the-cluster", "--user", "the-user"];
    kjo(both).run().expect(0, "hello\n");
    let done = kjo(&["--cluster", "the-cluster"]).run();
    done.expect(125, "").expect_said("401");
    let done = Kjo::new(["check", "--kubeconfig", "k"]).args(both.iter().copied());
    let done = done.file("k", config.to_string()).run();
    assert_eq!(done.code, 0, "{}\n{}", done.text(), done.stderr);
    let found = "context away with cluster the-cluster and user the-user of k, with --cluster, --user";
    assert!(done.text().contains(found), "{}", done.text());
    ns.expect_nothing_left();
}

#[test]
fn acting_as_somebody_else() {
    let ns = Namespace::new();
    let kjo = |args: &[&str]| ns.manifest(&job("echo hello")).args(args.iter().copied());
    if !real("it has one user") {
        let done = kjo(&["--as", "somebody"]).run();
        done.expect(125, "")
            .expect_said("nobody acts as somebody else in the sandbox");
        ns.expect_nothing_left();
        return;
    }
    for done in [
        kjo(&["--as", "somebody"]).run(),
        kjo(&[]).env("KJO_AS", "somebody").run(),
    ] {
        done.expect(125, "")
            .expect_said(r#"User "somebody" cannot create resource "jobs""#);
    }
    kubectl(&["apply", "-n", &ns.name, "-f", ROLE]);
    kubectl(&[
        "create",
        "rolebinding",
        "kjo",
        "-n",
        &ns.name,
        "--role=kjo",
        "--group=kjo-testers",
    ]);
    let group = ["--as", "somebody", "--as-group", "others", "--as-group", "kjo-testers"];
    let may = || {
        let mut asked = vec!["auth", "can-i", "create", "jobs", "-n", &ns.name];
        asked.extend(group);
        std::panic::catch_unwind(|| kubectl(&asked)).is_ok()
    };
    assert!(crate::support::eventually(Duration::from_secs(20), may));
    kjo(&group).run().expect(0, "hello\n");
    ns.expect_nothing_left();
}
