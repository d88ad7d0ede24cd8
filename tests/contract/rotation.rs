//! A node that rotates logs away before anybody has read them.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    backend::{BACKEND, own_cluster, script},
    namespace::Namespace,
    outcome::job,
    proxy::{server_of, tcp::Tcp, with_port},
    support::Kjo,
};

/// The node rotates often, until this is dropped.
struct Rotation;

impl Rotation {
    fn small() -> Self {
        drop(script("ctl", &["kubelet", "log-rotation", "16Ki"]));
        Self
    }
}

impl Drop for Rotation {
    fn drop(&mut self) {
        drop(script("ctl", &["kubelet", "log-rotation"]));
    }
}

/// Writes 20 KB a second, for a minute.
const SCRIPT: &str = "n=0; while [ $n -lt 12000 ]; do n=$((n+1)); echo \"$n a line of about a hundred bytes, as they \
                      stand in the logs of real programs, or a bit less\"; [ $((n % 20)) -ne 0 ] || sleep 0.1; done";

#[test]
fn what_is_rotated_away_is_told() {
    if !own_cluster() {
        return;
    }
    let ns = Namespace::alone();
    let _rotation = Rotation::small();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = server_of(BACKEND.kubeconfig());
    let proxy = runtime
        .block_on(Tcp::start(server, Arc::new(|_| None)))
        .expect("a proxy");
    let kubeconfig = with_port(BACKEND.kubeconfig(), proxy.port);
    let start = |more: &[&str]| {
        Kjo::new([
            "run",
            "-f",
            "-",
            "-n",
            &ns.name,
            "--kubeconfig",
            "kubeconfig",
            "--timestamps",
        ])
        .args(["--result-file", "result.json"])
        .args(more.iter().copied())
        .file("kubeconfig", &kubeconfig)
        .stdin(job(SCRIPT).to_string())
        .start()
    };
    let mut runs = [(start(&[]), 0), (start(&["--fail-on-log-gap"]), 120)];
    let readers = runs.each_mut().map(|(run, _)| {
        let pipe = run.stdout();
        std::thread::spawn(move || std::io::read_to_string(pipe).expect("text"))
    });
    // What is tested is an outage of this length: the node looks every 10 s whether a log has to be rotated.
    std::thread::sleep(Duration::from_secs(15));
    proxy.refuse(true);
    proxy.reset_all();
    std::thread::sleep(Duration::from_secs(25));
    proxy.refuse(false);
    for ((mut run, expected), reader) in runs.into_iter().zip(readers) {
        let text = reader.join().expect("text");
        let (code, stderr) = run.wait(Duration::from_secs(120));
        assert_eq!(code, expected, "{stderr}");
        expect_told(&text, &stderr);
        let result = std::fs::read(run.folder().join("result.json")).expect("a result");
        let result: Value = serde_json::from_slice(&result).expect("JSON");
        let log = &result["pods"][0]["containers"][0]["attempts"][0]["log"];
        assert_eq!(log["complete"], "gap", "{log}");
    }
    ns.expect_nothing_left();
}

/// No line twice, every one in its place, and what is missing is missing between two times that were told.
#[track_caller]
fn expect_told(text: &str, stderr: &str) {
    let mut last: Option<(u32, &str)> = None;
    let mut gaps = Vec::new();
    for line in text.lines() {
        let (stamp, rest) = line.split_once(' ').expect(line);
        let n: u32 = rest.split_once(' ').and_then(|(n, _)| n.parse().ok()).expect(line);
        let (before, from) = last.unwrap_or((0, ""));
        assert!(n > before, "line {n} after {before}:\n{stderr}");
        if n > before + 1 {
            gaps.push((from, stamp));
        }
        last = Some((n, stamp));
    }
    assert_eq!(last.map(|(n, _)| n), Some(12_000), "the end is there:\n{stderr}");
    assert!(!gaps.is_empty(), "nothing was lost, so nothing was tested:\n{stderr}");
    assert_eq!(stderr.matches("log gap in").count(), gaps.len(), "{stderr}");
    // Told to the millisecond.
    let short = |stamp: &str| {
        stamp
            .split_at_checked(23)
            .map_or(String::new(), |(short, _)| format!("{short}Z"))
    };
    for (from, to) in gaps {
        let words = format!("lines between {} and {} are lost", short(from), short(to));
        assert!(stderr.contains(&words), "no {words:?}:\n{stderr}");
    }
}
