//! kjo runs under the Role of `manifests/rbac.yaml`, by a certificate and as a pod's own account.

use std::path::Path;

use serde_json::json;

use crate::{
    backend::{kubectl, own_cluster, script},
    namespace::Namespace,
    outcome::job,
};

pub(crate) const ROLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/rbac.yaml");

#[test]
fn the_role_of_the_manifests_is_enough_and_no_more_than_its_namespace() {
    if !own_cluster() {
        return;
    }
    let (ns, other) = (Namespace::new(), Namespace::new());
    let kubeconfig = script("user", &["runner", &ns.name, ROLE]);
    let as_user = |ns: &Namespace| ns.manifest(&job("echo hello")).arg("--kubeconfig").arg(&kubeconfig);
    let done = as_user(&ns).run();
    done.expect(0, "hello\n");
    assert!(
        !done.stderr.contains("denied") && !done.stderr.contains("may not"),
        "{}",
        done.stderr
    );
    ns.expect_nothing_left();
    let done = as_user(&other).run();
    done.expect(125, "")
        .expect_said(r#"User "runner" cannot create resource "jobs""#);
    done.expect_said("manifests/rbac.yaml");
    other.expect_nothing_left();
}

#[test]
fn in_a_pod_with_its_own_account() {
    if !own_cluster() {
        return;
    }
    let ns = Namespace::new();
    kubectl(&["apply", "-n", &ns.name, "-f", ROLE]);
    let account = format!("--serviceaccount={}:default", ns.name);
    kubectl(&["create", "rolebinding", "kjo", "-n", &ns.name, "--role=kjo", &account]);
    // With a kubeconfig that leads elsewhere, which only --in-cluster leaves alone.
    let mut outer = job("/kjo/kjo run --image busybox --name inner -- echo from within && \
         echo '{current-context: x, contexts: [{name: x, context: {cluster: y}}]}' > /tmp/k && export KUBECONFIG=/tmp/k && \
         ! /kjo/kjo status inner && /kjo/kjo run --in-cluster --image busybox --name inner -- echo from within again");
    let pod = &mut outer["spec"]["template"]["spec"];
    pod["hostNetwork"] = json!(true);
    let container = &mut pod["containers"][0];
    container["env"] = json!([
        {"name": "KUBERNETES_SERVICE_HOST", "value": "127.0.0.1"},
        {"name": "KUBERNETES_SERVICE_PORT", "value": "16443"},
    ]);
    // The image has no libc of its own: the host's, with its loader.
    let binary = Path::new(env!("CARGO_BIN_EXE_kjo")).parent().expect("a folder");
    let folders = [
        ("kjo", binary),
        ("lib64", Path::new("/lib64")),
        ("libs", Path::new("/lib/x86_64-linux-gnu")),
    ];
    let mount = |(name, path): &(&str, &Path)| {
        let inside = if *name == "kjo" { Path::new("/kjo") } else { *path };
        json!({"name": name, "mountPath": inside, "readOnly": true})
    };
    container["volumeMounts"] = folders.iter().map(mount).collect();
    let volume = |(name, path): &(&str, &Path)| json!({"name": name, "hostPath": {"path": path}});
    pod["volumes"] = folders.iter().map(volume).collect();
    let done = ns.manifest(&outer).run();
    assert_eq!(done.code, 0, "{}\n{}", done.stderr, done.text());
    for expected in ["from within", "from within again"] {
        assert!(done.text().lines().any(|line| line == expected), "{}", done.text());
    }
    ns.expect_nothing_left();
}
