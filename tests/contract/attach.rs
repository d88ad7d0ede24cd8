//! `kjo attach`: a Job that somebody else has made, followed from its first line or from its last.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::{backend::BACKEND, namespace::Namespace, outcome::job, support::eventually};

const NUMBERS: &str = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo $i; sleep 0.2; done; exit 7";

fn numbers(from: u32) -> String {
    (from..=40).map(|i| format!("{i}\n")).collect()
}

/// A Job that nobody follows, until its log holds this line.
fn made(ns: &Namespace, script: &str, line: &str) -> String {
    let name = format!("made-{}", ns.names("jobs").len());
    let mut job = job(script);
    job["metadata"]["name"] = name.clone().into();
    BACKEND.request(&Method::POST, &ns.path("jobs"), &job).expect("a Job");
    let written = || {
        let pods = ns.names("pods");
        let pod = pods.iter().find(|pod| pod.starts_with(&name));
        let log = pod.map(|pod| BACKEND.request(&Method::GET, &ns.path(&format!("pods/{pod}/log")), &Value::Null));
        // A log of one number is read as one.
        log.is_some_and(|log| log.is_ok_and(|log| log.as_str().is_some_and(|log| log.lines().any(|l| l == line))))
    };
    assert!(
        eventually(Duration::from_secs(60), written),
        "{name} does not write {line}"
    );
    name
}

#[test]
fn a_job_that_runs() {
    let ns = Namespace::new();
    let name = made(&ns, NUMBERS, "5");
    let (tail, now) = (
        ns.attach(&name).args(["--tail", "2"]).start(),
        ns.attach(&name).arg("--since-attach").start(),
    );
    ns.attach(&name).run().expect(7, numbers(1));
    for (mut running, what) in [(tail, "--tail 2"), (now, "--since-attach")] {
        let text = std::io::read_to_string(running.stdout()).expect("text");
        let (code, stderr) = running.wait(Duration::from_secs(30));
        let first: u32 = text.lines().next().and_then(|l| l.parse().ok()).expect("a number");
        assert_eq!((code, &text), (7, &numbers(first)), "{what}:\n{stderr}");
        assert!((4..=40).contains(&first), "{what} begins with {first}");
    }
    assert_eq!(ns.names("jobs"), [name], "it is not attach's to delete");
}

#[test]
fn a_job_that_has_ended() {
    let ns = Namespace::new();
    let name = made(&ns, "seq 40; exit 7", "40");
    ns.attach(&name).run().expect(7, numbers(1));
    ns.attach(&name).args(["--tail", "3"]).run().expect(7, numbers(38));
    ns.attach(&name).arg("--since-attach").run().expect(7, "");
    ns.attach(&name).arg("--logs=none").run().expect(7, "");
    assert_eq!(ns.names("jobs"), [name]);
}
