//! `kjo status`, and the result file of a kjo that was killed: the same document at every time.

use std::io::{BufRead as _, BufReader};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    backend::BACKEND,
    namespace::Namespace,
    outcome::job,
    support::{Done, Kjo, Running, result, without_times},
};

impl Namespace {
    fn kjo(&self, command: &str, name: &str) -> Kjo {
        Kjo::new([command, name, "-n", &self.name]).env("KUBECONFIG", BACKEND.kubeconfig())
    }

    /// `kjo status` of a Job that exists.
    fn status(&self, name: &str) -> Value {
        let done = self.kjo("status", name).run();
        assert_eq!(done.code, 0, "{}", done.stderr);
        result(&done.stdout)
    }

    /// The only Job.
    fn only_job(&self) -> String {
        let jobs = self.names("jobs");
        let [name] = jobs.as_slice() else {
            panic!("Jobs: {jobs:?}")
        };
        name.clone()
    }
}

fn begun(running: &mut Running) {
    let mut line = String::new();
    BufReader::new(running.stdout()).read_line(&mut line).expect("a line");
    assert_eq!(line, "begun\n");
}

#[test]
fn the_status_is_what_attach_would_say() {
    let mut late = job("exec sleep 60");
    late["spec"]["activeDeadlineSeconds"] = json!(2);
    for (job, outcome, code) in [
        (job("exit 0"), "succeeded", 0),
        (job("exit 3"), "failed", 3),
        (late, "deadline", 124),
    ] {
        let ns = Namespace::new();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.json");
        let run = ns.manifest(&job).args(["--delete=never", "--result-file"]).arg(&path);
        assert_eq!(run.run().code, code);
        let told = result(std::fs::read(&path).expect("a result file"));
        let name = ns.only_job();
        let status = ns.status(&name);
        assert_eq!(
            (&status["outcome"], &status["exit_code"]),
            (&json!(outcome), &json!(code)),
            "{status:#}"
        );
        for same in ["outcome", "exit_code", "container_exit_code", "reason", "message"] {
            assert_eq!(status[same], told[same], "{same}");
        }
        assert_eq!(status["job"], unasked(&told["job"]));
        assert_eq!(
            status["times"]["cluster"]["finished_at"],
            told["times"]["cluster"]["finished_at"]
        );
        assert_eq!(ns.kjo("attach", &name).run().code, code);
        for pod in status["pods"].as_array().expect("pods") {
            assert_eq!(pod["containers"][0]["attempts"][0]["log"], Value::Null, "{status:#}");
        }
    }
}

/// What a run says of its Job, less what only a run can say.
fn unasked(job: &Value) -> Value {
    let mut job = job.clone();
    job["adopted"] = Value::Null;
    job
}

#[test]
fn killed_with_9_it_leaves_a_whole_result_whose_outcome_is_open() {
    let ns = Namespace::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.json");
    std::fs::write(&path, "yesterday's").expect("a file");
    let kjo = ns
        .manifest(&job("echo begun; exec sleep 60"))
        .args(["--run-id=killed", "--result-file"]);
    let mut running = kjo.arg(&path).start();
    begun(&mut running);
    running.signal(Signal::SIGKILL);
    running.gone();
    let left = result(std::fs::read(&path).expect("a result file"));
    assert_eq!((&left["outcome"], &left["exit_code"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&left["job"]["still_running"], &left["job"]["run_id"]),
        (&json!(true), &json!("killed"))
    );
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, 1, "nothing beside it");

    // What it names is what runs.
    let name = left["job"]["name"].as_str().expect("a name");
    let status = ns.status(name);
    assert_eq!(
        (&status["outcome"], &status["job"]),
        (&Value::Null, &unasked(&left["job"]))
    );
    let attempt = &status["pods"][0]["containers"][0]["attempts"][0];
    assert_eq!(
        (&attempt["exit_code"], &attempt["log"]),
        (&Value::Null, &Value::Null),
        "{status:#}"
    );
    assert_ne!(status["times"]["cluster"]["first_running_at"], Value::Null);
    ns.delete_all("jobs");
}

#[test]
fn a_job_that_is_not_there() {
    let ns = Namespace::new();
    let Done { code, stdout, stderr } = ns.kjo("status", "nowhere").run();
    let stderr = without_times(&stderr);
    assert_eq!((code, stdout.as_slice()), (125, &b""[..]));
    assert!(
        stderr.ends_with(&format!(
            "kjo: [TIME] error: there is no job/nowhere in namespace {0} (exit code 125)\n\
             kjo: hint: see which there are with 'kubectl get jobs -n {0}'\n",
            ns.name
        )),
        "{stderr}"
    );
}

#[test]
fn a_result_that_cannot_be_written_changes_nothing() {
    let ns = Namespace::new();
    let done = ns
        .manifest(&job("echo x; exit 4"))
        .arg("--result-file=/no/such/folder/r.json")
        .run();
    done.expect(4, "x\n");
    let told = done
        .stderr
        .matches("the result file /no/such/folder/r.json cannot be written")
        .count();
    assert_eq!(told, 1, "{}", done.stderr);
    let done = ns.manifest(&job("echo x")).arg("--result-file=/dev/full").run();
    done.expect(0, "x\n")
        .expect_said("the result file /dev/full cannot be written");
    // A pipe that somebody reads gets one document, the last.
    let done = ns.manifest(&job("true")).arg("--result-file=/dev/stdout").run();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(result(&done.stdout)["outcome"], "succeeded");
}
