//! A run id: what it finds again after a crash, who meets whom, and what is left to others.

use std::{
    io::{BufRead as _, BufReader},
    time::Duration,
};

use http::Method;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    backend::BACKEND,
    namespace::Namespace,
    outcome::job,
    support::{Kjo, Running, eventually, result},
};

const MINUTE: Duration = Duration::from_secs(60);
/// As long as it takes to look, lines come; then it fails.
const COUNTS: &str = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo $i; sleep 0.2; done; exit 7";

fn counted() -> String {
    (1..=20).map(|i| format!("{i}\n")).collect()
}

impl Namespace {
    fn of_id(&self, id: &str, script: &str) -> Kjo {
        self.manifest(&job(script)).args(["--run-id", id])
    }

    /// Any other command about Jobs of this namespace.
    fn command(&self, args: &[&str]) -> Kjo {
        Kjo::new(args.iter().copied())
            .args(["-n", self.name.as_str()])
            .env("KUBECONFIG", BACKEND.kubeconfig())
    }

    fn has_ended(&self) -> bool {
        let over = |job: &Value| {
            let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let is = |c: &Value, kind: &str| c["type"] == kind && c["status"] == "True";
            conditions.iter().any(|c| is(c, "Complete") || is(c, "Failed"))
        };
        let jobs = self.list("jobs");
        !jobs.is_empty() && jobs.iter().all(over)
    }
}

/// Starts it, waits for its first line, and kills it as nobody can prepare for.
fn killed(kjo: Kjo) {
    let mut running = kjo.start();
    let mut line = String::new();
    let mut stdout = BufReader::new(running.stdout());
    stdout.read_line(&mut line).expect("a line");
    assert_eq!(line, "1\n");
    running.signal(Signal::SIGKILL);
    running.gone();
}

fn result_of(running: &Running) -> Value {
    result(std::fs::read(running.folder().join("r.json")).expect("a result file"))
}

#[test]
fn a_run_that_was_killed_is_taken_up_by_the_next() {
    let ns = Namespace::new();
    killed(ns.of_id("killed", COUNTS));
    let mut running = ns.of_id("killed", COUNTS).args(["--result-file", "r.json"]).start();
    let stdout = std::io::read_to_string(running.stdout()).expect("text");
    let (code, stderr) = running.wait(MINUTE);
    assert_eq!((code, stdout), (7, counted()), "{stderr}");
    let result = result_of(&running);
    assert_eq!(
        (&result["job"]["adopted"], &result["job"]["generation"]),
        (&true.into(), &1.into())
    );
    assert_eq!(ns.names("jobs").len(), 1);
    assert_eq!(ns.list("jobs")[0]["metadata"]["labels"]["kjo.dev/delivered"], "true");
}

#[test]
fn an_end_that_nobody_saw_is_reported_once() {
    let ns = Namespace::new();
    killed(ns.of_id("unseen", COUNTS));
    assert!(eventually(MINUTE, || ns.has_ended()), "it does not end");
    let done = ns.of_id("unseen", COUNTS).run();
    done.expect(7, counted()).expect_said("nobody had been told how");
    assert_eq!(ns.names("jobs").len(), 1);
    // It has been told now: the next run is another.
    ns.of_id("unseen", "echo anew").arg("--rm").run().expect(0, "anew\n");
    assert_eq!(ns.names("jobs").len(), 1);
}

#[test]
fn a_failure_that_nobody_saw_may_be_followed_by_another_try() {
    let ns = Namespace::new();
    killed(ns.of_id("rerun", COUNTS));
    assert!(eventually(MINUTE, || ns.has_ended()), "it does not end");
    let mut running = ns
        .of_id("rerun", COUNTS)
        .args(["--adopt-failed=rerun", "--result-file", "r.json"])
        .start();
    let stdout = std::io::read_to_string(running.stdout()).expect("text");
    let (code, stderr) = running.wait(MINUTE);
    assert_eq!((code, stdout), (7, counted().repeat(2)), "{stderr}");
    assert!(stderr.contains("starting the next"), "{stderr}");
    let result = result_of(&running);
    assert_eq!(
        (&result["job"]["adopted"], &result["job"]["generation"]),
        (&false.into(), &2.into())
    );
    assert_eq!(ns.names("jobs").len(), 2);
}

#[test]
fn two_that_start_together_follow_one_job() {
    let ns = Namespace::new();
    let mut both = [(); 2].map(|()| ns.of_id("twins", COUNTS).start());
    let texts = both
        .each_mut()
        .map(|running| {
            std::thread::spawn({
                let stdout = running.stdout();
                move || std::io::read_to_string(stdout).expect("text")
            })
        })
        .map(|reader| reader.join().expect("no panic"));
    for (running, text) in both.iter_mut().zip(texts) {
        let (code, stderr) = running.wait(MINUTE);
        assert_eq!((code, text), (7, counted()), "{stderr}");
    }
    assert_eq!(ns.names("jobs").len(), 1);
}

#[test]
fn what_is_not_what_would_be_sent_is_refused_by_its_place() {
    let ns = Namespace::new();
    killed(ns.of_id("other", COUNTS));
    let mut changed = job(COUNTS);
    changed["spec"]["template"]["spec"]["containers"][0]["env"] = serde_json::json!([{"name": "A", "value": "secret"}]);
    let again = |args: &[&str]| {
        ns.manifest(&changed)
            .args(["--run-id", "other"])
            .args(args.iter().copied())
            .run()
    };
    let done = again(&[]);
    done.expect(125, "").expect_said("env of container main differs");
    assert!(!done.stderr.contains("secret"), "{}", done.stderr);
    again(&["--adopt=loose"])
        .expect(7, counted())
        .expect_said("is not quite what would be sent");
    assert_eq!(ns.names("jobs").len(), 1);
}

#[test]
fn a_detached_job_is_followed_and_deleted_by_its_run_id() {
    let ns = Namespace::new();
    let done = ns.of_id("detached", COUNTS).arg("--detach").run();
    let names = ns.names("jobs");
    done.expect(0, format!("{}\n", names[0]));
    // Once more finds the same.
    ns.of_id("detached", COUNTS)
        .arg("--detach")
        .run()
        .expect(0, format!("{}\n", names[0]));
    ns.command(&["attach", "--run-id", "detached"])
        .run()
        .expect(7, counted());
    let status = ns.command(&["status", "--run-id", "detached"]).run();
    assert_eq!(result(status.text())["exit_code"], 7, "{}", status.stderr);
    ns.command(&["delete", "--wait-deleted"])
        .env("KJO_RUN_ID", "detached")
        .run()
        .expect(0, "")
        .expect_said("and its pods are gone");
    assert_eq!(ns.names("jobs").len() + ns.names("pods").len(), 0);
    ns.command(&["delete", "--run-id", "detached"])
        .run()
        .expect(0, "")
        .expect_said("nothing to delete");
    ns.command(&["delete", "job/nobody"])
        .run()
        .expect(0, "")
        .expect_said("nothing to delete");
    ns.command(&["attach", "--run-id", "detached"]).run().expect(125, "");
}

#[test]
fn a_running_job_is_deleted_with_its_pods() {
    let ns = Namespace::new();
    ns.of_id("gone", "sleep 60").arg("--detach").run();
    let name = ns.names("jobs").remove(0);
    ns.command(&["delete", &name])
        .run()
        .expect(0, "")
        .expect_said("deleted job/");
    ns.expect_nothing_left();
}

#[test]
fn who_is_told_to_leave_it_leaves_it() {
    let ns = Namespace::new();
    for (i, (signal, args, code)) in [
        (Signal::SIGUSR1, &[][..], 121),
        (Signal::SIGTERM, &["--on-interrupt=detach"][..], 143),
        (Signal::SIGINT, &["--on-interrupt=detach"][..], 130),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("left-{i}");
        let mut running = ns
            .of_id(&id, COUNTS)
            .args(args.iter().copied())
            .args(["--result-file", "r.json"])
            .start();
        let mut line = String::new();
        BufReader::new(running.stdout()).read_line(&mut line).expect("a line");
        running.signal(signal);
        let (ended, stderr) = running.wait(Duration::from_secs(5));
        assert_eq!(ended, code, "{stderr}");
        let result = result_of(&running);
        assert_eq!(
            (&result["outcome"], &result["job"]["still_running"]),
            (&"detached".into(), &true.into())
        );
        ns.of_id(&id, COUNTS).arg("--rm").run().expect(7, counted());
    }
    ns.expect_nothing_left();
}

#[test]
fn an_orphan_does_as_it_was_told() {
    let ns = Namespace::new();
    for (wish, left) in [("delete", 0), ("detach", 1)] {
        // The shell is the caller; kjo outlives it.
        let script = format!(
            "printf %s '{}' | \"$KJO\" run -n {} -f - --run-id {wish} --die-with-parent={wish} >out 2>err & wait",
            job("sleep 30"),
            ns.name
        );
        let folder = tempfile::tempdir().expect("a folder");
        let mut shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .env("KJO", env!("CARGO_BIN_EXE_kjo"))
            .env("KUBECONFIG", BACKEND.kubeconfig())
            .current_dir(folder.path())
            .spawn()
            .expect("a shell");
        assert!(eventually(MINUTE, || !ns.names("pods").is_empty()), "no pod comes");
        shell.kill().expect("it runs");
        shell.wait().expect("it ends");
        let said = || std::fs::read_to_string(folder.path().join("err")).unwrap_or_default();
        let over = || said().contains("exit code");
        assert!(eventually(Duration::from_secs(10), over), "{}", said());
        assert!(said().contains("the end of the calling process"), "{}", said());
        assert!(
            eventually(Duration::from_secs(45), || ns.names("jobs").len() == left),
            "{wish}: {}",
            said()
        );
    }
    ns.command(&["delete", "--run-id", "detach"]).run().expect(0, "");
    ns.expect_nothing_left();
}

#[test]
fn replace_takes_the_name_of_a_finished_job_only() {
    let ns = Namespace::new();
    let named = |script: &str| ns.manifest(&job(script)).args(["--name=fixed", "--exact-name"]);
    named("exit 3").run().expect(3, "");
    named("echo anew").run().expect(125, "").expect_said("--replace");
    named("echo anew")
        .args(["--replace", "--delete=never"])
        .run()
        .expect(0, "anew\n");
    let path = ns.path("jobs/fixed");
    BACKEND
        .request(&Method::DELETE, &path, &crate::backend::background())
        .expect("a deletion");
    assert!(eventually(MINUTE, || ns.names("jobs").is_empty()));
    named("sleep 60").arg("--detach").run().expect(0, "fixed\n");
    named("echo anew")
        .arg("--replace")
        .run()
        .expect(125, "")
        .expect_said("has not finished");
}

#[test]
fn eight_requests_are_enough() {
    let ns = Namespace::new();
    for (script, code) in [("echo done; sleep 1", 0), ("echo done; sleep 1; exit 3", 3)] {
        let mut running = ns
            .of_id(&format!("frugal-{code}"), script)
            .args(["--result-file", "r.json"])
            .start();
        let (ended, stderr) = running.wait(MINUTE);
        assert_eq!(ended, code, "{stderr}");
        let requests = result_of(&running)["api"]["requests"].as_u64().expect("a number");
        assert!(requests <= 8, "{requests} requests: {stderr}");
    }
}

#[test]
fn a_time_to_live_and_a_deadline_are_the_clusters_own() {
    let ns = Namespace::new();
    let spec = |args: &[&str]| {
        ns.manifest(&job("sleep 60"))
            .args(args.iter().copied())
            .arg("--detach")
            .run();
        let spec = ns.list("jobs")[0]["spec"].clone();
        ns.delete_all("jobs");
        assert!(eventually(MINUTE, || ns.names("jobs").is_empty()));
        (
            spec["ttlSecondsAfterFinished"].clone(),
            spec["activeDeadlineSeconds"].clone(),
        )
    };
    assert_eq!(spec(&["--ttl=2h", "--deadline=90s"]), (7200.into(), 90.into()));
    assert_eq!(spec(&["--ttl=none"]), (Value::Null, Value::Null));
}

#[test]
fn a_job_may_belong_to_the_pod_that_kjo_runs_in() {
    let ns = Namespace::new();
    // Any pod will do: kjo takes the name that it is given.
    ns.of_id("owner", "sleep 60").arg("--detach").run();
    assert!(eventually(MINUTE, || !ns.names("pods").is_empty()), "no pod comes");
    let pod = ns.names("pods").remove(0);
    let owned = ns
        .of_id("owned", "sleep 60")
        .arg(format!("--owned-by-pod={pod}"))
        .arg("--detach");
    owned.run();
    let job = || {
        ns.list("jobs")
            .into_iter()
            .find(|job| job["metadata"]["annotations"]["kjo.dev/run-id"] == "owned")
    };
    let owner = job().expect("a Job")["metadata"]["ownerReferences"][0].clone();
    assert_eq!((&owner["kind"], &owner["name"]), (&"Pod".into(), &pod.into()));
    ns.command(&["delete", "--run-id", "owner"]).run().expect(0, "");
    assert!(eventually(MINUTE, || job().is_none()), "it outlives its owner");
    ns.of_id("nobody", "true")
        .arg("--owned-by-pod=nobody")
        .run()
        .expect(125, "")
        .expect_said("there is no pod/nobody");
}

#[test]
fn of_an_adopted_job_only_the_rest_may_be_shown() {
    let ns = Namespace::new();
    killed(ns.of_id("rest", COUNTS));
    let done = ns.of_id("rest", COUNTS).arg("--since-attach").run();
    let first: u32 = done
        .text()
        .lines()
        .next()
        .and_then(|l| l.parse().ok())
        .expect("a number");
    assert!(first > 1, "{}", done.text());
    done.expect(7, (first..=20).map(|i| format!("{i}\n")).collect::<String>());
}
