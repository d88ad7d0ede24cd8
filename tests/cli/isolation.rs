//! Containers in bubblewrap. Where it is not there, or cannot work (in a container without rights),
//! these tests are left out; `tests/run` installs it.

use std::{
    io::{BufRead as _, BufReader},
    sync::LazyLock,
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    sandbox::{nothing_left, runs, steady},
    support::{Kjo, result},
};

/// bubblewrap is here and works.
pub(crate) static WORKS: LazyLock<bool> = LazyLock::new(|| {
    let done = Kjo::new(["sandbox", "--isolation", "bwrap", "--", "true"]).run();
    done.code == 0
});

/// `kjo run --sandbox` with a folder of its own for temporary files, in one of its own for volumes.
fn isolated(args: &[&str]) -> (Kjo, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let kjo = Kjo::new(["run", "--sandbox", "--isolation", "bwrap", "--run-id", "cli"])
        .args(args.iter().copied())
        .env("TMPDIR", folder.path());
    (kjo, folder)
}

fn script(text: &str) -> (Kjo, tempfile::TempDir) {
    isolated(&["--image", "busybox", "--", "sh", "-c", text])
}

fn job(pod: &Value) -> Value {
    let mut pod = pod.clone();
    pod["restartPolicy"] = json!("Never");
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "etl"},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"app": "etl"}}, "spec": pod}},
    })
}

#[test]
fn the_machine_is_read_only_and_the_processes_are_its_own() {
    if !*WORKS {
        return;
    }
    let (kjo, folder) = script(
        "touch /usr/x /etc/x /x/x 2>/dev/null && echo writes
         touch /tmp/mine && ls /tmp
         echo first $(head -c 2 /proc/1/cmdline)
         hostname | grep -c ^busybox-
         pwd | grep -c /work$; touch here && test \"$PWD\" = \"$HOME\" && echo at home || echo $PWD $HOME
         ls -l /proc/self/fd | grep -c socket",
    );
    let done = kjo.run();
    let text = done.text();
    assert!(!text.contains("writes"), "{text}");
    // Below TMPDIR its working directory is to be seen, as a way to it.
    assert!(
        text.contains("mine\n") && text.contains("first sh\n1\n1\nat home\n0\n"),
        "{text}"
    );
    insta::assert_snapshot!(steady(done.stderr.lines().next().expect("a line")), @"kjo: sandbox: images are NOT used; commands run from this machine's own files, as user USER, each container in bubblewrap: the machine read-only, a /tmp and processes of its own");
    nothing_left(folder.path(), "no such word");
}

#[test]
fn volumes_and_the_termination_message_are_at_their_true_paths() {
    if !*WORKS {
        return;
    }
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let pod = json!({
        "volumes": [
            {"name": "xcom", "emptyDir": {}},
            {"name": "own", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels['app']"}}]}},
        ],
        "initContainers": [{
            "name": "first", "image": "i", "command": ["sh", "-c", "echo from the first > /airflow/xcom/handed"],
            "volumeMounts": [mount("xcom", "/airflow/xcom")],
        }],
        "containers": [{
            "name": "main", "image": "i", "terminationMessagePath": "/airflow/xcom/return.json",
            "command": ["sh", "-c", "cat /airflow/xcom/handed /etc/podinfo/labels; echo; echo '{\"rows\": 3}' > /airflow/xcom/return.json; touch /etc/podinfo/x /read/x; ls /etc/passwd /airflow/xcom/return.json; exit 3"],
            "volumeMounts": [mount("xcom", "/airflow/xcom"), mount("own", "/etc/podinfo"),
                {"name": "xcom", "mountPath": "/read", "readOnly": true}],
        }],
    });
    let (kjo, folder) = isolated(&["-f", "-", "--prefix", "never"]);
    let done = kjo.stdin(job(&pod).to_string()).run();
    assert_eq!(done.code, 3, "{}", done.stderr);
    let text = done.text();
    for said in ["from the first\n", "etl\n", "/etc/passwd\n", "return.json\n"] {
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
    nothing_left(folder.path(), "no such word");
}

#[test]
fn what_cannot_be_started_is_told_in_the_words_of_runc() {
    if !*WORKS {
        return;
    }
    for (pod, words) in [
        (
            json!({"command": ["no-such-program"]}),
            "exec: \"no-such-program\": executable file not found in $PATH",
        ),
        (
            json!({"command": ["/etc/passwd"]}),
            "exec: \"/etc/passwd\": permission denied",
        ),
        (
            json!({"command": ["true"], "workingDir": "/no/such"}),
            "chdir to cwd (\"/no/such\") set in config.json failed",
        ),
        (json!({"command": null}), "give the container a command"),
    ] {
        let mut container = json!({"name": "main", "image": "i"});
        for (field, value) in pod.as_object().expect("fields") {
            container[field] = value.clone();
        }
        let (kjo, folder) = isolated(&["-f", "-"]);
        let done = kjo.stdin(job(&json!({"containers": [container]})).to_string()).run();
        assert_ne!(done.code, 0);
        done.expect_said(words);
        nothing_left(folder.path(), "no such word");
    }
}

#[test]
fn a_volume_that_is_no_folder_is_refused_by_its_name() {
    if !*WORKS {
        return;
    }
    let pod = json!({
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
        "containers": [{"name": "main", "image": "i", "command": ["true"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
    });
    let (kjo, _folder) = isolated(&["-f", "-"]);
    let done = kjo.stdin(job(&pod).to_string()).run();
    done.expect(125, "")
        .expect_said("spec.template.spec.volumes[0].hostPath: Forbidden: the sandbox does not honour");
}

#[test]
fn sigterm_is_for_the_first_process() {
    if !*WORKS {
        return;
    }
    let (kjo, folder) = isolated(&[
        "--image",
        "busybox",
        "--timeout",
        "2s",
        "--",
        "sh",
        "-c",
        "trap 'echo heard; exit 5' TERM; echo begun; while :; do sleep 0.05; done",
    ]);
    let done = kjo.run();
    assert_eq!((done.code, done.text()), (124, "begun\nheard\n"), "{}", done.stderr);
    nothing_left(folder.path(), "no such word");
}

#[test]
fn killed_with_9_it_leaves_no_process_and_no_file() {
    if !*WORKS {
        return;
    }
    let (kjo, folder) = script("trap '' TERM; echo x > file; echo begun; setsid sleep 1414 & sleep 1414");
    let mut running = kjo.start();
    let mut line = String::new();
    BufReader::new(running.stdout()).read_line(&mut line).expect("a line");
    assert!(runs("sleep\x001414"));
    running.signal(Signal::SIGKILL);
    nothing_left(folder.path(), "sleep\x001414");
}

#[test]
fn each_kind_of_xcom_comes_over() {
    if !*WORKS {
        return;
    }
    for (flags, text, expected) in [
        (
            ["--xcom", "sidecar"],
            "echo '{\"rows\": 3}' > /airflow/xcom/return.json",
            json!({"rows": 3}),
        ),
        (
            ["--xcom", "termination"],
            "echo '{\"rows\": 3}' > /airflow/xcom/return.json",
            json!({"rows": 3}),
        ),
        (
            ["--markers", "hide"],
            "echo '::kube_api:xcom={\"rows\": 3}'",
            json!({"rows": 3}),
        ),
        (["--xcom", "sidecar"], "true", json!(null)),
    ] {
        let place = tempfile::tempdir().expect("a folder");
        let file = place.path().join("result.json");
        let (kjo, folder) = isolated(&flags);
        let kjo = kjo.args(["--image", "busybox", "--result-file"]).arg(&file);
        kjo.args(["--", "sh", "-c", text]).run().expect(0, "");
        let result = result(std::fs::read(&file).expect("a result"));
        let told = if flags[0] == "--markers" {
            &result["markers"]["xcom"]
        } else {
            &result["xcom"]["value"]
        };
        assert_eq!(*told, expected, "{flags:?} {text}: {result}");
        nothing_left(folder.path(), "no such word");
    }
}
