//! The words, from what may be found.

use super::*;
use crate::core::{access, failure::Status, version::Version};

fn forbidden(message: &str) -> Failure {
    Failure::Answered(Box::new(Status {
        code: 403,
        reason: "Forbidden".into(),
        message: message.into(),
        ..Status::default()
    }))
}

fn version(minor: u32) -> ServerVersion {
    ServerVersion {
        name: format!("v1.{minor}.2"),
        version: Some(Version { major: 1, minor }),
    }
}

fn found(may: impl Fn(&Permission) -> Result<bool, Failure>) -> Found {
    Found {
        machine: "kjo 0.1.0 on linux x86_64".into(),
        cluster: Some(Ok(Place {
            server: "https://k8s.example.com:6443".into(),
            origin: "context prod with user ann of /home/ann/.kube/config".into(),
            origin_redacted: "a context of a kubeconfig".into(),
            namespace: "team".into(),
        })),
        version: Some(Ok(version(36))),
        user: Some(Ok("ann@example.com".into())),
        namespace: Some(NamespaceState::Exists),
        permissions: access::ALL.iter().map(|p| (*p, may(p))).collect(),
        names: vec![("home", "/home/ann".into())],
    }
}

#[test]
fn everything_is_there() {
    let found = found(|_| Ok(true));
    assert_eq!(found.obstacle(), None);
    insta::assert_snapshot!(text(&found, false));
}

#[test]
fn nothing_is_allowed() {
    let mut found = found(|_| Ok(false));
    found.version = Some(Ok(version(37)));
    let failure = r#"namespaces "team" is forbidden: User "ann@example.com" cannot get resource "namespaces" in API group "" in the namespace "team""#;
    found.namespace = Some(NamespaceState::Unknown(forbidden(failure)));
    insta::assert_snapshot!(text(&found, false));
    insta::assert_snapshot!(text(&found, true));
}

#[test]
fn useful_permissions_are_no_obstacle() {
    let found = found(|p| Ok(p.needed));
    assert_eq!(found.obstacle(), None);
    assert!(text(&found, false).ends_with(
        "Jobs can be run here, less what is said above\nhint: manifests/rbac.yaml is a Role with all of these\n"
    ));
}

#[test]
fn reviews_are_refused() {
    let words = r#"User "ann@example.com" cannot create resource "selfsubjectaccessreviews""#;
    let mut found = found(|_| Err(forbidden(words)));
    found.user = Some(Err(forbidden(words)));
    insta::assert_snapshot!(text(&found, true));
}

#[test]
fn what_stands_in_the_way() {
    let none = Found {
        machine: "kjo 0.1.0 on linux x86_64".into(),
        cluster: Some(Err(Refusal::new(
            "the kubeconfig /home/ann/.kube/config cannot be used: it is not valid YAML at line 3",
            "name a readable kubeconfig with --kubeconfig or KUBECONFIG",
        ))),
        names: vec![("home", "/home/ann".into())],
        ..Found::default()
    };
    insta::assert_snapshot!(text(&none, true));
    let gone = |failure| Found {
        version: Some(Err(failure)),
        user: None,
        namespace: None,
        permissions: Vec::new(),
        ..found(|_| Ok(true))
    };
    let lost = gone(Failure::Unreachable(
        "tcp connect error: k8s.example.com:6443 (10.1.2.3:6443): Connection refused (os error 111)".into(),
    ));
    insta::assert_snapshot!(text(&lost, true));
    let unauthorized = Failure::Answered(Box::new(Status {
        code: 401,
        ..Status::default()
    }));
    for (found, obstacle) in [
        (gone(unauthorized), "the credentials are refused"),
        (
            gone(Failure::Setup("no certificate".into())),
            "no connection can be set up",
        ),
        (
            Found {
                version: Some(Ok(version(28))),
                ..found(|_| Ok(true))
            },
            "the server is too old",
        ),
        (
            Found {
                namespace: Some(NamespaceState::Missing),
                ..found(|_| Ok(true))
            },
            "the namespace does not exist",
        ),
        (
            Found {
                namespace: Some(NamespaceState::Terminating),
                ..found(|_| Ok(true))
            },
            "the namespace is being deleted",
        ),
    ] {
        assert_eq!(found.obstacle().as_deref(), Some(obstacle));
    }
}

#[test]
fn redacted_text_holds_no_names() {
    let mut found = found(|_| {
        Err(forbidden(
            r#"User "system:serviceaccount:team:default" cannot at https://proxy.local:3128 (via [fd00::1]:443, 10.0.0.7)"#,
        ))
    });
    found.user = None;
    let shown = text(&found, true);
    for name in [
        "team",
        "ann@",
        "example",
        "prod",
        "/home",
        "fd00",
        "10.0.0.7",
        "proxy.local",
    ] {
        assert!(!shown.contains(name), "{name}:\n{shown}");
    }
}
