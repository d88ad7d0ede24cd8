//! Outcomes, exit codes, names, and what is left behind.

use serde_json::{Value, json};

use crate::{
    namespace::Namespace,
    support::{Done, result, without_times},
};

/// A Job that runs this shell script in one container.
pub(crate) fn job(script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "test"},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", script]}],
        }}},
    })
}

#[test]
fn the_seeds_own_file() {
    let ns = Namespace::new();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/test-job.yaml");
    ns.run(["-f", file]).run().expect(0, "OK\n");
    ns.expect_nothing_left();
}

#[test]
fn exit_codes_are_passed_on() {
    let ns = Namespace::new();
    for code in [0, 1, 3, 42, 255] {
        let script = format!("echo a; exit {code}");
        let done = ns
            .run(["--image", "busybox", "--delete", "always", "--", "sh", "-c", &script])
            .run();
        done.expect(code, "a\n");
    }
    ns.expect_nothing_left();
}

#[test]
fn the_object_that_was_asked_for() {
    let ns = Namespace::new();
    let args = [
        "--image",
        "busybox",
        "--name",
        "etl",
        "--run-id",
        "pipeline/7",
        "-e",
        "A=1",
        "-e",
        "HERE",
        "--image-pull-policy",
        "Never",
        "--delete",
        "never",
        "--",
        "sh",
        "-c",
        "echo $A $HERE",
    ];
    ns.run(args).env("HERE", "here").run().expect(0, "1 here\n");
    let jobs = ns.list("jobs");
    let [job] = jobs.as_slice() else {
        panic!("{} Jobs", jobs.len())
    };
    let name = job["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("etl-") && name.len() == "etl-".len() + 8, "{name}");
    assert_eq!(job["metadata"]["annotations"]["kjo.dev/run-id"], "pipeline/7");
    for labels in [
        &job["metadata"]["labels"],
        &job["spec"]["template"]["metadata"]["labels"],
    ] {
        assert!(
            labels["kjo.dev/run-id"]
                .as_str()
                .expect("a label")
                .starts_with("pipeline-7-")
        );
        assert_eq!(labels["app.kubernetes.io/managed-by"], "kjo");
    }
    assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 259_200);
    assert_eq!(job["spec"]["backoffLimit"], 0);
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["imagePullPolicy"], "Never");
    assert_eq!(job["metadata"]["managedFields"][0]["manager"], "kjo");

    let again = ns
        .run([
            "--image",
            "busybox",
            "--name",
            "etl",
            "--run-id",
            "pipeline/7",
            "--",
            "true",
        ])
        .run();
    // The outcome of the first was given: this is the next generation.
    again.expect(0, "").expect_said(&format!("created job/{name}-2"));
    let exact = [
        "--image",
        "busybox",
        "--name",
        "exact",
        "--exact-name",
        "--delete",
        "never",
        "--",
        "true",
    ];
    ns.run(exact).run().expect(0, "");
    ns.run(exact)
        .run()
        .expect(125, "")
        .expect_said("exists and is not this run's");
    assert!(ns.names("jobs").contains(&"exact".to_owned()));
}

#[test]
fn the_policy_says_what_stays() {
    let ns = Namespace::new();
    for (policy, script, stays) in [
        ("on-success", "exit 0", false),
        ("on-success", "exit 1", true),
        ("on-failure", "exit 0", true),
        ("on-failure", "exit 1", false),
        ("always", "exit 1", false),
        ("never", "exit 0", true),
    ] {
        let before = ns.names("jobs").len();
        let done = ns
            .run(["--image", "busybox", "--delete", policy, "--", "sh", "-c", script])
            .run();
        assert_eq!(
            ns.names("jobs").len() > before,
            stays,
            "{policy} {script}:\n{}",
            done.stderr
        );
    }
}

#[test]
fn a_job_that_fails_twice_and_then_succeeds() {
    let ns = Namespace::new();
    let mut job = job("n=$(cat $STATE/n 2>/dev/null || echo 0); echo $((n+1)) > $STATE/n; echo attempt $n; [ $n = 2 ]");
    let _state = ns.state(&mut job);
    job["spec"]["backoffLimit"] = json!(2);
    let done = ns.manifest(&job).run();
    done.expect(0, "attempt 0\nattempt 1\nattempt 2\n")
        .expect_said("exited with 1");
    ns.expect_nothing_left();
}

#[test]
fn out_of_time() {
    let ns = Namespace::new();
    let mut deadline = job("echo begun; exec sleep 60");
    deadline["spec"]["activeDeadlineSeconds"] = json!(3);
    let done = ns.manifest(&deadline).arg("--delete=always").run();
    done.expect(124, "begun\n").expect_said("DeadlineExceeded");
    let done = ns.manifest(&job("echo begun; exec sleep 60")).arg("--timeout=6s").run();
    done.expect(124, "begun\n").expect_said("--timeout 6s");
    ns.expect_nothing_left();
    let done = ns
        .manifest(&job("exec sleep 60"))
        .args(["--timeout=4s", "--delete=never"])
        .run();
    done.expect(124, "").expect_said("its pods may still run");
    assert_eq!(ns.names("jobs").len(), 1);
}

#[test]
fn a_job_deleted_by_somebody_else() {
    let ns = Namespace::new();
    let mut running = ns.manifest(&job("echo begun; exec sleep 60")).start();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(running.stdout());
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
    ns.delete_all("jobs");
    let (code, stderr) = running.wait(std::time::Duration::from_secs(60));
    assert_eq!((line.as_str(), code), ("begun\n", 123), "{stderr}");
    ns.expect_nothing_left();
}

#[test]
fn the_result_file_tells_and_the_requests_are_few() {
    let ns = Namespace::new();
    for (script, code, outcome) in [("exit 0", 0, "succeeded"), ("exit 9", 9, "failed")] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.json");
        let done = ns
            .manifest(&job(script))
            .args(["--delete", "always", "--result-file"])
            .arg(&path)
            .run();
        done.expect(code, "");
        let result = result(std::fs::read(&path).expect("a result file"));
        assert_eq!(
            (&result["outcome"], &result["exit_code"]),
            (&json!(outcome), &json!(code))
        );
        assert_eq!(result["job"]["namespace"], ns.name.as_str());
        assert_eq!(
            (&result["job"]["still_running"], &result["cleanup"]["deleted"]),
            (&json!(false), &json!(true))
        );
        let requests = result["api"]["requests"].as_u64().expect("a number");
        assert!(requests <= 8, "{requests} requests\n{}", done.stderr);
    }
}

#[test]
fn what_happens_is_told_in_these_words() {
    let ns = Namespace::new();
    let done = ns
        .run(["--image", "busybox", "--run-id", "words", "--", "sh", "-c", "exit 7"])
        .run();
    done.expect(7, "");
    insta::assert_snapshot!(said(&ns, &done), @r"
    kjo: using namespace NAMESPACE on SERVER
    kjo: [TIME] created job/busybox-fc9qfrsj
    kjo: [TIME] pod/POD is scheduled on node NODE
    kjo: [TIME] pod/POD container main has started
    kjo: [TIME] pod/POD container main exited with 7
    kjo: log of pod/POD container main: 0 lines, 0 bytes, complete
    kjo: [TIME] kept job/busybox-fc9qfrsj and its pod for 3d; see it with 'kubectl describe job busybox-fc9qfrsj -n NAMESPACE'
    kjo: [TIME] job/busybox-fc9qfrsj failed: BackoffLimitExceeded: Job has reached the specified backoff limit; container main of pod/POD exited with 7 (exit code 7)
    ");
}

/// stderr less what differs from run to run.
pub(crate) fn said(ns: &Namespace, done: &Done) -> String {
    let mut text = done.stderr.replace(&ns.name, "NAMESPACE");
    for pod in ns.names("pods") {
        text = text.replace(&pod, "POD");
    }
    let server = text
        .split(" on ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .map(str::to_owned);
    if let Some(server) = server {
        text = text.replace(&server, "SERVER");
    }
    // Whether a log's stream ended before its container was known to have is the nodes' affair.
    let text = text.replace(", 1 reconnect", "");
    let line = |line: &str| match line.split_once(" is scheduled on node ") {
        Some((pod, _)) => format!("{pod} is scheduled on node NODE\n"),
        None => format!("{line}\n"),
    };
    without_times(&text.lines().map(line).collect::<String>())
}
