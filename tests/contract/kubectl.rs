//! The real kubectl, on both clusters: what a newcomer types reads the same but for names and times.
//! On the sandbox these tests are left out where `KJO_KUBECTL` names no kubectl; `tests/run` names the one
//! that it has built.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};

use crate::{
    backend::BACKEND,
    namespace::Namespace,
    support::{by_words, eventually},
};

/// Whether there is one of the version whose words these are.
static THERE: LazyLock<bool> = LazyLock::new(|| std::env::var_os("KJO_KUBECTL").is_some() || !BACKEND.is_sandbox());

fn program() -> Command {
    let program = std::env::var_os("KJO_KUBECTL").filter(|name| !name.is_empty());
    let mut command = Command::new(program.unwrap_or_else(|| OsString::from("kubectl")));
    command.env("KUBECONFIG", BACKEND.kubeconfig());
    // Discovery that is kept from another cluster on the same port would be wrong.
    command
        .arg("--cache-dir")
        .arg(concat!(env!("CARGO_TARGET_TMPDIR"), "/kubectl-cache"));
    command
}

struct Session {
    ns: Namespace,
    said: String,
}

impl Session {
    fn new() -> Self {
        Self {
            ns: Namespace::new(),
            said: String::new(),
        }
    }

    /// Types a command; what it says is kept.
    fn types(&mut self, args: &[&str]) -> bool {
        self.reads(args, "")
    }

    /// The same with a file on its standard input.
    fn reads(&mut self, args: &[&str], input: &str) -> bool {
        let mut child = program()
            .args(["-n", &self.ns.name])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(input.as_bytes()).expect("its input is read");
        drop(stdin);
        let output = child.wait_with_output().expect("its end");
        let typed = format!("$ kubectl {}\n", args.join(" "));
        self.said.push_str(&typed);
        for text in [&output.stdout, &output.stderr] {
            self.said += &String::from_utf8_lossy(text);
        }
        output.status.success()
    }

    /// What was said, without what differs from run to run.
    fn told(&self) -> String {
        let text = self.said.replace(&self.ns.name, "NS");
        let mut uids: Vec<String> = self
            .ns
            .list("jobs")
            .iter()
            .map(|job| text_of(&job["metadata"]["uid"]))
            .collect();
        uids.retain(|uid| !uid.is_empty());
        let text = uids.iter().fold(text, |text, uid| text.replace(uid.as_str(), "UID"));
        let pods = self.ns.names("pods");
        let text = pods.iter().fold(text, |text, pod| {
            let (job, _) = pod.rsplit_once('-').unwrap_or((pod, ""));
            text.replace(pod.as_str(), &format!("{job}-xxxxx"))
        });
        // Whether a container had begun when its log was asked for is a matter of time.
        let lines = text.lines().filter(|line| !line.contains("is waiting to start"));
        lines.map(|line| format!("{}\n", plain(line))).collect()
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A line without dates and ages; columns are two spaces apart.
fn plain(line: &str) -> String {
    let stamped = ["Start Time:", "Completed At:", "Duration:"]
        .iter()
        .find(|label| line.trim_start().starts_with(**label));
    if let Some(label) = stamped {
        return format!("{label} TIME");
    }
    let columns: Vec<String> = line
        .trim_end()
        .split("  ")
        .map(str::trim)
        .filter(|column| !column.is_empty())
        .map(|column| by_words(column, |word| age(word).then_some("AGE")))
        .map(|column| column.trim_end().to_owned())
        .collect();
    columns.join("  ")
}

/// `5s`, `2m3s`.
fn age(word: &str) -> bool {
    let figures = word.trim_end_matches(['s', 'm', 'h']);
    word.len() > figures.len()
        && !figures.is_empty()
        && figures.chars().all(|c| c.is_ascii_digit() || "smh".contains(c))
        && figures.starts_with(|c: char| c.is_ascii_digit())
}

fn manifest(image: &str) -> String {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "second"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": image, "command": ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done"]}],
        }}},
    })
    .to_string()
}

#[test]
fn a_newcomers_session() {
    if !*THERE {
        return;
    }
    let mut me = Session::new();
    assert!(
        me.types(&[
            "create",
            "job",
            "hello",
            "--image=busybox",
            "--",
            "sh",
            "-c",
            "echo hello; sleep 1"
        ]),
        "{}",
        me.said
    );
    assert!(
        me.types(&["wait", "--for=condition=complete", "job/hello", "--timeout=60s"]),
        "{}",
        me.said
    );
    me.types(&["get", "jobs,pods"]);
    me.types(&["logs", "job/hello"]);
    let told_of = || me.ns.list("events").iter().any(|event| event["reason"] == "Completed");
    assert!(eventually(Duration::from_secs(30), told_of), "no Event of the end");
    me.types(&["describe", "job", "hello"]);
    me.reads(&["apply", "-f", "-"], &manifest("busybox"));
    me.reads(&["apply", "-f", "-"], &manifest("busybox"));
    me.types(&["logs", "-f", "job/second", "--pod-running-timeout=60s"]);
    me.types(&["auth", "can-i", "create", "jobs"]);
    me.types(&["get", "job", "none"]);
    // What it says of objects is plain before they go.
    let before = me.told();
    me.said.clear();
    me.types(&["delete", "job", "hello", "second"]);
    insta::assert_snapshot!(before + &me.told());
    me.ns.expect_nothing_left();
}

#[test]
fn what_else_is_typed() {
    if !*THERE {
        return;
    }
    let mut me = Session::new();
    me.types(&["create", "configmap", "settings", "--from-literal=a=b"]);
    me.types(&["create", "secret", "generic", "hush", "--from-literal=a=b"]);
    me.types(&["get", "cm/settings", "secret/hush"]);
    me.types(&["get", "sa", "default"]);
    me.types(&["create", "job", "once", "--image=busybox", "--from=cronjob/none"]);
    me.types(&["create", "job", "wrong", "--image=busybox", "--", "true", "--dry-run"]);
    me.types(&["label", "job", "wrong", "a=b"]);
    me.types(&["get", "jobs", "-l", "a=b", "-o", "name"]);
    me.types(&["get", "jobs", "-l", "a=c"]);
    me.reads(
        &["create", "-f", "-"],
        &json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "odd"}, "spec": {"parallel": 1},
        })
        .to_string(),
    );
    // As `kubectl get -o yaml` writes them.
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two"}},
    ]})
    .to_string();
    me.reads(&["apply", "-f", "-"], &list);
    me.reads(&["apply", "-f", "-"], &list);
    me.reads(&["delete", "-f", "-"], &list);
    me.types(&["delete", "job/wrong", "cm/settings", "secret/hush"]);
    insta::assert_snapshot!(me.told());
    me.ns.expect_nothing_left();
}

#[test]
fn what_is_changed() {
    if !*THERE {
        return;
    }
    let mut me = Session::new();
    let job = |seconds: u8| {
        let script = format!("sleep {seconds}");
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "long", "labels": {"app": "x"}},
            "spec": {"template": {"metadata": {"labels": {"app": "x"}}, "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", script]}],
            }}},
        })
        .to_string()
    };
    me.reads(&["create", "-f", "-"], &job(100));
    me.types(&["label", "job", "long", "team=etl"]);
    me.types(&["label", "job", "long", "team=other"]);
    me.types(&["label", "--overwrite", "job", "long", "team=other"]);
    me.types(&["annotate", "job", "long", "note=kept"]);
    me.types(&["annotate", "job", "long", "note-"]);
    me.types(&["patch", "job", "long", "-p", r#"{"spec":{"activeDeadlineSeconds":90}}"#]);
    me.types(&[
        "patch",
        "job",
        "long",
        "--type=merge",
        "-p",
        r#"{"spec":{"suspend":true}}"#,
    ]);
    me.types(&[
        "get",
        "job",
        "long",
        "-o",
        "jsonpath={.metadata.labels.team} {.spec.suspend}{'\\n'}",
    ]);
    me.reads(&["replace", "--force", "-f", "-"], &job(90));
    me.reads(
        &["replace", "-f", "-"],
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "none"}}).to_string(),
    );
    me.types(&["create", "configmap", "settings", "--from-literal=a=b"]);
    me.reads(
        &["replace", "-f", "-"],
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"c": "d"}})
            .to_string(),
    );
    me.types(&["get", "cm", "settings", "-o", "jsonpath={.data}{'\\n'}"]);
    for refused in [
        &["scale", "--replicas=2", "job/long"][..],
        &["rollout", "status", "job/long"],
        &["rollout", "restart", "job/long"],
        &["rollout", "history", "job/long"],
        &["top", "pods"],
    ] {
        me.types(refused);
    }
    me.types(&["delete", "pods", "-l", "app=none"]);
    me.types(&["delete", "jobs", "--all", "--dry-run=server"]);
    me.types(&["delete", "jobs", "--all"]);
    me.types(&["delete", "cm", "settings"]);
    insta::assert_snapshot!(me.told());
    me.ns.expect_nothing_left();
}

/// What is asked of it all the same says so.
#[test]
fn what_the_sandbox_leaves_to_a_cluster() {
    if !*THERE || !BACKEND.is_sandbox() {
        return;
    }
    let mut me = Session::new();
    me.types(&["create", "job", "long", "--image=busybox", "--", "sleep", "100"]);
    let runs = || me.ns.list("pods").iter().any(|pod| pod["status"]["phase"] == "Running");
    assert!(eventually(Duration::from_secs(30), runs), "it does not run");
    me.said.clear();
    let pod = me.ns.names("pods").swap_remove(0);
    me.types(&["exec", &pod, "--", "true"]);
    me.types(&["port-forward", &pod, "80"]);
    me.types(&["cp", &format!("{pod}:/etc/hostname"), "none"]);
    me.types(&["set", "image", "job/long", "long=other"]);
    me.reads(&["apply", "--server-side", "-f", "-"], &manifest("busybox"));
    me.types(&["explain", "job"]);
    me.types(&["get", "nodes"]);
    me.types(&["run", "shell", "--image=busybox", "--restart=Never", "-i", "--", "sh"]);
    let told = me.told();
    me.types(&["delete", "jobs", "--all"]);
    insta::assert_snapshot!(told);
    me.ns.expect_nothing_left();
}

#[test]
fn a_cron_job_is_run_by_hand() {
    if !*THERE {
        return;
    }
    let mut me = Session::new();
    // On the hour of a day that does not come.
    let made = me.types(&[
        "create",
        "cronjob",
        "nightly",
        "--image=busybox",
        "--schedule=0 0 31 2 *",
        "--",
        "echo",
        "night",
    ]);
    assert!(made, "{}", me.said);
    assert!(
        me.types(&["create", "job", "now", "--from=cronjob/nightly"]),
        "{}",
        me.said
    );
    me.types(&["wait", "--for=condition=complete", "job/now", "--timeout=60s"]);
    me.said.clear();
    me.types(&["logs", "job/now"]);
    me.types(&["get", "cronjob", "nightly"]);
    insta::assert_snapshot!(me.told(), @r"
    $ kubectl logs job/now
    night
    $ kubectl get cronjob nightly
    NAME  SCHEDULE  TIMEZONE  SUSPEND  ACTIVE  LAST SCHEDULE  AGE
    nightly  0 0 31 2 *  <none>  False  0  <none>  AGE
    ");
    let job = BACKEND
        .request(&Method::GET, &me.ns.path("jobs/now"), &Value::Null)
        .expect("the Job");
    assert_eq!(
        job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"],
        "manual"
    );
    // What it made goes with it.
    me.types(&["delete", "cronjob", "nightly"]);
    me.ns.expect_nothing_left();
}

#[test]
fn changes_are_watched() {
    if !*THERE {
        return;
    }
    let mut me = Session::new();
    let mut watching = program()
        .args(["-n", &me.ns.name, "get", "jobs", "-w"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubectl");
    let mut lines = BufReader::new(watching.stdout.take().expect("stdout")).lines();
    me.types(&["create", "job", "seen", "--image=busybox", "--", "true"]);
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        let words: Vec<String> = line
            .expect("a line")
            .split_whitespace()
            .take(3)
            .map(str::to_owned)
            .collect();
        let last = words.iter().any(|word| word == "Complete");
        if seen.last() != Some(&words) {
            seen.push(words);
        }
        if last {
            break;
        }
    }
    watching.kill().expect("it runs");
    watching.wait().expect("its end");
    assert_eq!(
        seen.first().map(|words| words.join(" ")).as_deref(),
        Some("NAME STATUS COMPLETIONS"),
        "{seen:?}"
    );
    assert_eq!(
        seen.last().map(|words| words.join(" ")).as_deref(),
        Some("seen Complete 1/1"),
        "{seen:?}"
    );
    me.types(&["delete", "job", "seen"]);
    me.ns.expect_nothing_left();
}
