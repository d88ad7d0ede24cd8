//! Nothing that a flag gives is lost to another without a word.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use super::{Main, laid, refused};

fn pod(flags: &[&str]) -> Value {
    pod_with(flags, &Main::default())
}

fn pod_with(flags: &[&str], main: &Main) -> Value {
    laid(flags, main).unwrap_or_else(|e| panic!("{flags:?}: {e}")).job["spec"]["template"]["spec"].take()
}

/// A folder with these files in it, which others may read.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    folder
}

#[test]
fn ports_differ_by_their_protocol() {
    let pod = pod(&["--port", "53", "--port", "53/UDP"]);
    assert_eq!(
        pod["containers"][0]["ports"],
        json!([{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}])
    );
    insta::assert_snapshot!(refused(&["--port", "a=53", "--port", "b=53/TCP"]), @r"
    --port a=53 and --port b=53/TCP both give the item of ports with containerPort 53 and protocol TCP
    hint: leave one of the two out: the first would be lost
    ");
}

#[test]
fn two_mounts_on_one_path_are_refused() {
    let folder = folder(&[("a.txt", "a"), ("b.txt", "b")]);
    let at = |name: &str, target: &str| format!("{}:{target}", folder.path().join(name).display());
    let (a, b) = (at("a.txt", "/etc/app"), at("b.txt", "/etc/app/"));
    let said: Vec<String> = [
        vec![
            "--mount",
            "type=pvc,source=a,target=/x",
            "--mount",
            "type=pvc,source=b,target=/x/",
        ],
        vec!["--mount-file", &a, "--mount-file", &b],
        vec!["--mount-file", &a, "--secret-file", &b],
        vec![
            "--volume-mount",
            "{name: v, mountPath: /x}",
            "--mount",
            "type=emptydir,target=/x",
        ],
        vec!["--shm-size", "1Gi", "--mount", "type=tmpfs,target=/dev/shm"],
        vec![
            "--volume",
            "{name: v, emptyDir: {}}",
            "--volume",
            "{name: v, secret: {secretName: s}}",
        ],
        vec![
            "--init-container",
            "{name: a, image: b}",
            "--sidecar",
            "{name: a, image: c}",
        ],
        vec!["--host-alias", "10.0.0.1=a", "--host-alias", "10.0.0.1=b"],
    ]
    .into_iter()
    .map(|flags| refused(&flags))
    .collect();
    insta::assert_snapshot!(said.join("\n").replace(&folder.path().display().to_string(), "FOLDER"));
    // The same thing twice is one thing.
    let twice = [
        "--mount",
        "type=pvc,source=a,target=/x,name=v",
        "--mount",
        "type=pvc,source=a,target=/y,name=v",
    ];
    assert_eq!(pod(&twice)["volumes"].as_array().map(Vec::len), Some(1));
    let spread = |when: &str| format!("{{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: {when}}}");
    let (hard, soft) = (spread("DoNotSchedule"), spread("ScheduleAnyway"));
    let both = pod(&["--topology-spread", &hard, "--topology-spread", &soft]);
    assert_eq!(both["topologySpreadConstraints"].as_array().map(Vec::len), Some(2));
}

#[test]
fn volumes_of_the_manifest_keep_their_names() {
    let patch = folder(&[(
        "p.yaml",
        "spec: {template: {spec: {volumes: [{name: mount-1, secret: {secretName: s}}, {name: shm, emptyDir: {}}], \
         containers: [{name: main, volumeMounts: [{name: mount-1, mountPath: /s}, {name: shm, mountPath: /dev/shm}]}]}}}",
    )]);
    let patch = patch.path().join("p.yaml");
    let pod = pod(&[
        "--patch",
        patch.to_str().unwrap(),
        "--mount",
        "type=emptydir,target=/e",
        "--shm-size",
        "64Mi",
    ]);
    assert_eq!(
        pod["volumes"],
        json!([
            {"name": "mount-1", "secret": {"secretName": "s"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "mount-1-2", "emptyDir": {}},
        ])
    );
    assert_eq!(
        pod["containers"][0]["volumeMounts"],
        json!([
            {"name": "mount-1", "mountPath": "/s"},
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "mount-1-2", "mountPath": "/e"},
        ])
    );
}

#[test]
fn flags_that_name_one_variable_win_over_files_and_secret_files_over_others() {
    let files = folder(&[
        ("plain", "A=plain\nB=plain\nC=plain\nD=plain\n"),
        ("secret", "B=s\nC=s\nD=s\n"),
    ]);
    let at = |name: &str| files.path().join(name).display().to_string();
    let (plain, secret) = (at("plain"), at("secret"));
    let main = Main {
        env: vec![("C".into(), "first".into()), ("C".into(), "flag".into())],
        ..Main::default()
    };
    let flags = [
        "--env-file",
        &plain,
        "--secret-env-file",
        &secret,
        "--env-field",
        "D=limits.cpu",
    ];
    let mut bundle = laid(&flags, &main).unwrap();
    let env = bundle.job["spec"]["template"]["spec"]["containers"][0]["env"].take();
    let from_secret = json!({"secretKeyRef": {"name": "etl-env", "key": "B"}});
    assert_eq!(
        env,
        json!([
            {"name": "A", "value": "plain"},
            {"name": "B", "valueFrom": from_secret},
            {"name": "C", "value": "flag"},
            {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ])
    );
    assert_eq!(bundle.companions[0].value["stringData"], json!({"B": "s"}));
    let main = Main {
        env: vec![("TOKEN".into(), "x".into())],
        ..Main::default()
    };
    let refusal = laid(&["--secret-env", "TOKEN"], &main).unwrap_err();
    insta::assert_snapshot!(refusal, @"-e and --secret-env both set the variable TOKEN");
}

#[test]
fn a_variable_that_the_manifest_has_twice_is_replaced_whole() {
    let twice = folder(&[(
        "p.yaml",
        "spec: {template: {spec: {containers: [{name: main, env: [{$patch: replace}, {name: A, value: a}, {name: B, \
         value: b}, {name: A, value: c}]}]}}}",
    )]);
    let patch = twice.path().join("p.yaml");
    let main = Main {
        env: vec![("A".into(), "new".into())],
        ..Main::default()
    };
    let env = pod_with(&["--patch", patch.to_str().unwrap()], &main)["containers"][0]["env"].take();
    assert_eq!(env, json!([{"name": "A", "value": "new"}, {"name": "B", "value": "b"}]));
}

#[test]
fn sizes_are_those_of_kubernetes() {
    let size = |text: &str| pod(&["--shm-size", text])["volumes"][0]["emptyDir"]["sizeLimit"].take();
    for text in ["64Mi", "1G", "1048576", "1.5Gi"] {
        assert_eq!(size(text), json!(text));
    }
    let said: Vec<String> = ["64m", "64MB", "1g", "512b", "", "64 Mi"]
        .iter()
        .map(|text| refused(&["--shm-size", text]))
        .chain([
            refused(&["--shm-size=-1Gi"]),
            refused(&["--mount", "type=tmpfs,target=/x,size=64m"]),
        ])
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_secret_file_is_no_more_open_than_who_has_to_read_it() {
    let files = folder(&[("key", "x"), ("run", "#!/bin/sh\n")]);
    let at = |name: &str, target: &str| format!("{}:{target}", files.path().join(name).display());
    let key = at("key", "/key");
    fs::set_permissions(files.path().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
    let run = at("run", "/run");
    let source = |flags: &[&str]| pod(flags)["volumes"][0]["secret"].take();
    let mode = |flags: &[&str]| source(&[&["--secret-file", &key], flags].concat())["defaultMode"].take();
    assert_eq!(mode(&[]), 0o444, "whoever the image runs as");
    assert_eq!(mode(&["--pod-security-context", "{fsGroup: 1}"]), 0o400);
    assert_eq!(mode(&["--pod-security-context", "{runAsUser: 0}"]), 0o400);
    assert_eq!(mode(&["-u", "0"]), 0o444, "another container runs as somebody");
    assert_eq!(source(&["--secret-file", &format!("{key}:0440")])["defaultMode"], 0o440);
    assert_eq!(
        source(&["--secret-file", &key, "--secret-file", &run])["items"],
        json!([{"key": "key", "path": "key", "mode": 0o444}, {"key": "run", "path": "run", "mode": 0o555}])
    );
    insta::assert_snapshot!(refused(&["--secret-file", "key:/key:rw"]), @r"
    --secret-file key:/key:rw: rw is no octal number that says who may read the file
    hint: write --secret-file LOCAL:/PATH/IN/THE/POD:0400
    ");
}

#[test]
fn scripts_run_as_they_are_meant() {
    let files = folder(&[
        ("windows.sh", "#!/bin/sh\r\necho a\r\n"),
        ("conflict.sh", "echo\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> main\n"),
        ("private.py", "print()"),
    ]);
    let at = |name: &str| files.path().join(name).display().to_string();
    let bundle = laid(&["--script", &at("windows.sh")], &Main::default()).unwrap();
    assert_eq!(bundle.companions[0].value["data"]["windows.sh"], "#!/bin/sh\necho a\n");
    assert!(bundle.told[0].ends_with("its line ends, CR LF as Windows has them, become LF"));
    fs::set_permissions(at("private.py"), fs::Permissions::from_mode(0o600)).unwrap();
    let said = ["conflict.sh", "private.py"].map(|name| refused(&["--script", &at(name)]));
    insta::assert_snapshot!(said.join("\n").replace(&files.path().display().to_string(), "FOLDER"));
}

#[test]
fn lists_may_be_given_with_commas() {
    let pod = pod(&["--node-selector", "a=b,c=d", "--image-pull-secret", "e,f"]);
    assert_eq!(pod["nodeSelector"], json!({"a": "b", "c": "d"}));
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "e"}, {"name": "f"}]));
    let bundle = laid(&["-l", "a=b,c=d"], &Main::default()).unwrap();
    assert_eq!(
        bundle.job["metadata"]["labels"],
        json!({"kept": "yes", "a": "b", "c": "d"})
    );
}

#[test]
fn patches_say_which_they_are() {
    let files = folder(&[
        ("one.yaml", "spec: {backoffLimit: 2}\n"),
        ("two.yaml", "spec: {a: 1}\n---\nspec: {b: 1}\n"),
        ("json.yaml", "- {op: remove, path: /spec/suspend}\n"),
        ("name.yaml", "metadata: {name: other}\n"),
        ("kind.yaml", "kind: Pod\n"),
        (
            "twice.yaml",
            "spec: {template: {spec: {containers: [{name: x, image: a}, {name: x, image: b}]}}}\n",
        ),
        ("keyless.yaml", "spec: {template: {spec: {containers: [{image: a}]}}}\n"),
        ("empty.yaml", "# nothing\n"),
        ("all.yaml", "$patch: delete\n"),
        (
            "list.yaml",
            "spec: {template: {spec: {containers: [{$patch: merge}]}}}\n",
        ),
        ("broken.yaml", "spec: [\n"),
    ]);
    let at = |name: &str| files.path().join(name).display().to_string();
    let said: Vec<String> = [
        "two", "json", "name", "kind", "twice", "keyless", "empty", "all", "list", "broken",
    ]
    .iter()
    .map(|name| refused(&["--patch", &at("one.yaml"), "--patch", &at(&format!("{name}.yaml"))]))
    .collect();
    insta::assert_snapshot!(said.join("\n").replace(&files.path().display().to_string(), "FOLDER"));
}
