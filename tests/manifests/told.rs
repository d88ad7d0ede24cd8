//! What is sent otherwise than it was written, or may be a slip, is said: nothing is overruled in silence.

use std::{fs, process::Command};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: p
  labels: {app.kubernetes.io/managed-by: Helm}
spec:
  restartPolicy: Always
  containers:
  - name: main
    image: busybox
    args: [--day, '{{ ds }}', --format, '{{.State.Running}}']
    terminationMessagePolicy: FallbackToLogsOnError
    env:
    - {name: TAG, value: 'v{{ .Values.tag }}'}
";

/// What `kjo render` says of the Pod with these flags.
fn told(flags: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("pod.yaml"), POD).expect("a manifest");
    let done = Command::new(env!("CARGO_BIN_EXE_kjo"))
        .args(["render", "-f", "pod.yaml", "-n", "team", "--run-id", "r"])
        .args(flags)
        .env_clear()
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .output()
        .expect("kjo");
    let said = String::from_utf8(done.stderr).expect("text");
    assert_eq!(done.status.code(), Some(0), "{said}");
    said
}

#[test]
fn what_is_overruled_and_what_looks_unrendered() {
    insta::assert_snapshot!(told(&[]));
    insta::assert_snapshot!(told(&[
        "--backoff-limit",
        "3",
        "--restart-policy",
        "OnFailure",
        "--xcom",
        "termination",
        "-l",
        "kjo.dev/run-id=mine",
        "--skip-checks",
    ]));
}
