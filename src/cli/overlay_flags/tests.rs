use std::fs;

use clap::Parser as _;
use serde_json::json;

#[path = "kept_tests.rs"]
mod kept;

use super::*;
use crate::{
    cli::args::{Cli, Command},
    spec::bundle::Bundle,
};

/// The flags as typed after `kjo run -f x`, laid over a small Job.
fn laid(flags: &[&str], main: &Main) -> Result<Bundle, Refusal> {
    let argv = ["kjo", "run", "-f", "x"].into_iter().chain(flags.iter().copied());
    let Command::Run(args) = Cli::try_parse_from(argv).unwrap_or_else(|e| panic!("{e}")).command else {
        panic!("another command");
    };
    let job = json!({
        "metadata": {"name": "etl", "labels": {"kept": "yes"}},
        "spec": {"template": {"spec": {"containers": [
            {"name": "main", "image": "old", "args": ["old"], "env": [{"name": "A", "value": "old"}]},
            {"name": "other", "image": "other"},
        ]}}},
    });
    let mut bundle = Bundle::alone("x", job);
    let env = |name: &str| (name == "TOKEN").then(|| "sesame".to_owned());
    args.overlay.lay(&mut bundle, main, None, None, &env).map(|()| bundle)
}

fn refused(flags: &[&str]) -> String {
    let refusal = laid(flags, &Main::default()).expect_err("refused");
    format!("{refusal}\nhint: {}", refusal.hint.as_deref().unwrap_or_default())
}

#[test]
fn every_flag_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let env_file = file("vars", b"# c\nFILE=1\n");
    let secret_file = file("secret-vars", b"PASSWORD=x\n");
    let patch = file(
        "patch.yaml",
        b"spec: {template: {spec: {containers: [{name: main, tty: true}]}}}",
    );
    let config = format!("{}:/etc/app/config.yaml", file("config.yaml", b"a: 1\n"));
    let binary = format!("{}:/etc/app/blob", file("blob", b"\xff\xfe"));
    let key = format!("{}:/etc/app/key", file("tls.key", b"secret"));
    let script = file("run.sh", b"#!/bin/sh\necho hello\n");
    let yaml = |text: &'static str| text;
    #[rustfmt::skip]
    let flags = [
        "--patch", &patch, "--set", "spec.template.spec.setHostnameAsFQDN=yes",
        "-w", "/work", "--requests", "cpu=100m,memory=64Mi", "--limits", "nvidia.com/gpu=1", "--port", "http=8080",
        "--termination-message-policy", "FallbackToLogsOnError",
        "--init-container", yaml("{name: init, image: i}"), "--sidecar", yaml("{name: side, image: s}"),
        "--env-file", &env_file, "--secret-env", "TOKEN", "--secret-env-file", &secret_file, "--env-from", "configmap/c",
        "--env-field", "NODE=spec.nodeName", "--env-secret", "S=secret:key", "--env-configmap", "C=map:key",
        "--mount", "type=pvc,source=data,target=/data,readonly", "--volume", yaml("{name: p, projected: {sources: []}}"),
        "--volume-mount", yaml("{name: p, mountPath: /p}"), "--shm-size", "1Gi",
        "--mount-file", &config, "--mount-file", &binary, "--secret-file", &key, "--script", &script,
        "-l", "team=data", "--annotation", "example.com/a=b c", "--image-pull-secret", "registry",
        "--service-account", "robot", "--automount-token", "false", "--node-selector", "kubernetes.io/arch=arm64",
        "--affinity", yaml("{nodeAffinity: {}}"), "--toleration", "gpu=yes:NoSchedule",
        "--topology-spread", yaml("{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}"),
        "--runtime-class", "gvisor", "--scheduler", "s", "--priority-class", "low",
        "--host-alias", "10.0.0.1=a,b", "--hostname", "h", "--subdomain", "sub", "--dns-policy", "None",
        "--dns-config", yaml("{nameservers: [1.1.1.1]}"), "--grace-period", "5",
        "-u", "1000:2000", "--security-context", yaml("{readOnlyRootFilesystem: true}"),
        "--pod-security-context", yaml("{fsGroup: 1}"), "--restricted",
        "--parallelism", "2", "--completions", "4", "--indexed", "--backoff-limit", "3", "--backoff-limit-per-index", "1",
        "--pod-failure-policy", yaml("{rules: []}"), "--success-policy", yaml("{rules: []}"), "--restart-policy", "Never",
        "--pod-deadline", "1h", "--suspend", "--queue", "q", "--managed-by", "example.com/c",
    ];
    let main = Main {
        image: Some("new".into()),
        env: vec![("A".into(), "1".into())],
        command: vec!["argument".into()],
    };
    // The one that contradicts --restricted.
    let host = laid(&["--host-network"], &Main::default()).unwrap();
    assert_eq!(host.job["spec"]["template"]["spec"]["hostNetwork"], true);
    let bundle = laid(&flags, &main).unwrap();
    let mut shown = vec![serde_json::to_string_pretty(&bundle.job).unwrap()];
    shown.extend(bundle.companions.iter().map(|c| c.value.to_string()));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_command_takes_the_arguments_of_the_old_one_away() {
    let main = Main {
        command: vec!["sh".into(), "-c".into(), "true".into()],
        ..Main::default()
    };
    let container = |flags: &[&str], main: &Main| {
        laid(flags, main).unwrap().job["spec"]["template"]["spec"]["containers"][0].take()
    };
    let replaced = container(&[], &main);
    assert_eq!(
        (&replaced["command"], replaced.get("args")),
        (&json!(["sh", "-c", "true"]), None)
    );
    let arguments = container(&["--arg", "-x", "--arg", "y"], &Main::default());
    assert_eq!(
        (arguments.get("command"), &arguments["args"]),
        (None, &json!(["-x", "y"]))
    );
}

#[test]
fn a_script_without_an_interpreter_is_the_shells() {
    let file = tempfile::NamedTempFile::with_suffix(".sh").unwrap();
    fs::write(file.path(), "echo hello").unwrap();
    fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let bundle = laid(&["--script", file.path().to_str().unwrap()], &Main::default()).unwrap();
    let command = &bundle.job["spec"]["template"]["spec"]["containers"][0]["command"];
    assert_eq!(command[0], "sh");
    assert_eq!(bundle.companions[0].title(), "ConfigMap/etl-files");
    let python = tempfile::NamedTempFile::with_suffix(".py").unwrap();
    fs::write(python.path(), "print(1)").unwrap();
    fs::set_permissions(python.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let bundle = laid(&["--script", python.path().to_str().unwrap()], &Main::default()).unwrap();
    assert_eq!(
        bundle.job["spec"]["template"]["spec"]["containers"][0]["command"][0],
        "python3"
    );
}

#[test]
fn flags_that_mean_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("prod.env");
    fs::write(&private, "A=1").unwrap();
    let large = folder.path().join("large");
    fs::write(&large, vec![b'x'; 2 << 20]).unwrap();
    fs::set_permissions(&large, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let at = |path: &std::path::Path| format!("{}:/x", path.display());
    let said: Vec<String> = [
        vec!["--patch", "nowhere.yaml"],
        vec!["--set", "spec"],
        vec!["--label", "a"],
        vec!["--label", "=a"],
        vec!["--requests", "cpu"],
        vec!["--port", "http"],
        vec!["--env-from", "pod/a"],
        vec!["--env-secret", "A=b"],
        vec!["--env-file", "nowhere"],
        vec!["--secret-env", "NOT_SET"],
        vec!["--secret-env", "PASSWORD=x"],
        vec!["--mount", "type=nfs,target=/a"],
        vec!["--mount", "source=a"],
        vec!["--volume", "text"],
        vec!["--affinity", "{a: ["],
        vec!["--affinity", ""],
        vec!["--topology-spread", "3"],
        vec!["--toleration", "=x"],
        vec!["--host-alias", "10.0.0.1"],
        vec!["--run-as", "root"],
        vec!["--mount-file", "a"],
        vec!["--mount-file", &at(&private)],
        vec!["--mount-file", &at(&large)],
    ]
    .into_iter()
    .map(|flags| refused(&flags))
    .collect();
    insta::assert_snapshot!(said.join("\n").replace(&folder.path().display().to_string(), "FOLDER"));
}
