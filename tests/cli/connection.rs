//! Flags that stand for parts of a kubeconfig: what is refused before anything is asked, and what reaches the
//! server.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::{refused, scripted::heard, support::Kjo, with_kubeconfig};

/// `kjo check` would print the refusal on stdout; `kjo status` refuses as `kjo run` does.
fn status(args: &[&str]) -> Kjo {
    with_kubeconfig(Kjo::new(["status", "etl"])).args(args.iter().copied())
}

#[test]
fn what_the_kubeconfig_does_not_have() {
    insta::assert_snapshot!(refused(status(&["--cluster", "nowhere"])));
    insta::assert_snapshot!(refused(status(&["--user", "nobody"])));
    insta::assert_snapshot!(refused(Kjo::new(["status", "etl", "--context", "here"])));
    insta::assert_snapshot!(refused(status(&[]).env("KJO_CLUSTER", "nowhere")));
}

#[test]
fn token_files_that_cannot_be_used() {
    let with = |content: &str| status(&["--token-file", "token"]).file("token", content);
    insta::assert_snapshot!(refused(status(&["--token-file", "nowhere"])));
    insta::assert_snapshot!(refused(with("\n")));
    insta::assert_snapshot!(refused(with("token: sesame\n")));
}

#[test]
fn what_cannot_be_meant() {
    insta::assert_snapshot!(refused(status(&["--server", "127.0.0.1:6443"])));
    insta::assert_snapshot!(refused(status(&["--server", "https://ann:sesame@127.0.0.1"])));
    insta::assert_snapshot!(refused(status(&["--as-group", "staff"])));
    insta::assert_snapshot!(refused(status(&["--in-cluster", "--context", "here"])));
    insta::assert_snapshot!(refused(status(&["--in-cluster"])));
    insta::assert_snapshot!(refused(status(&["--token", "sesame"])).replace("sesame", "…"));
    insta::assert_snapshot!(refused(status(&["-n", "Bad NS"])));
    insta::assert_snapshot!(refused(status(&[]).env("KJO_NAMESPACE", "Bad NS")));
    let both = ["--certificate-authority", "ca.crt", "--insecure-skip-tls-verify=true"];
    insta::assert_snapshot!(refused(status(&both).file("ca.crt", "")));
    insta::assert_snapshot!(refused(status(&["--certificate-authority", "nowhere"])));
}

/// The head of the first request that a server gets from this command.
fn head(args: &[&str], variables: &[(&str, &str)]) -> String {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let writing = Arc::clone(&heads);
    let port = heard(move |head: &str, _| {
        let mut heads = writing.lock().unwrap_or_else(PoisonError::into_inner);
        heads.push(head.to_ascii_lowercase());
        (404, json!({"kind": "Status", "reason": "NotFound", "code": 404}))
    });
    let server = format!("http://127.0.0.1:{port}");
    let mut kjo = Kjo::new(["status", "etl", "--server", &server]).args(args.iter().copied());
    kjo = kjo.file("token", "from-a-file\n");
    for (name, value) in variables {
        kjo = kjo.env(name, *value);
    }
    kjo.run().expect(125, "");
    let mut heads = heads.lock().unwrap_or_else(PoisonError::into_inner);
    heads.drain(..).next().expect("a request")
}

#[test]
fn what_reaches_the_server() {
    let one = head(
        &[
            "--token-file",
            "token",
            "--as",
            "ann",
            "--as-group",
            "a",
            "--as-group",
            "b",
        ],
        &[],
    );
    for line in [
        "authorization: bearer from-a-file\r\n",
        "impersonate-user: ann\r\n",
        "impersonate-group: a\r\n",
        "impersonate-group: b\r\n",
    ] {
        assert!(one.contains(line), "{line:?} is not in {one}");
    }
    let other = head(
        &[],
        &[
            ("KJO_TOKEN_FILE", "token"),
            ("KJO_AS", "bob"),
            ("KJO_AS_GROUP", "staff"),
        ],
    );
    for line in [
        "authorization: bearer from-a-file\r\n",
        "impersonate-user: bob\r\n",
        "impersonate-group: staff\r\n",
    ] {
        assert!(other.contains(line), "{line:?} is not in {other}");
    }
    let of_namespace = |variables: &[(&str, &str)], args: &[&str]| {
        let head = head(args, variables);
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let twin = [("KJO_NAMESPACE", "team")];
    assert_eq!(of_namespace(&twin, &[]), "/apis/batch/v1/namespaces/team/jobs/etl");
    assert_eq!(
        of_namespace(&twin, &["-n", "other"]),
        "/apis/batch/v1/namespaces/other/jobs/etl"
    );
    let bare = head(&[], &[]);
    assert!(
        !bare.contains("authorization") && !bare.contains("impersonate"),
        "{bare}"
    );
    // Another server must not get the pod's token.
    let in_pod = head(&[], &[("KUBERNETES_SERVICE_HOST", "127.0.0.1")]);
    assert!(!in_pod.contains("authorization"), "{in_pod}");
}
