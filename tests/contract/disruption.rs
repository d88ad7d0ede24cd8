//! The API server goes away in the middle of a run, and comes back.

use std::{
    io::{BufRead as _, BufReader},
    time::Duration,
};

use crate::{
    backend::{BACKEND, own_cluster},
    namespace::Namespace,
    outcome::job,
};

/// Starts the API server again, whatever became of the test.
struct ApiServerDown;

impl ApiServerDown {
    fn kill() -> Self {
        BACKEND.kill_api_server();
        Self
    }
}

impl Drop for ApiServerDown {
    fn drop(&mut self) {
        BACKEND.start_api_server();
    }
}

#[test]
fn ten_seconds_without_an_api_server() {
    if !own_cluster() && !BACKEND.is_sandbox() {
        return;
    }
    let ns = Namespace::alone();
    let mut running = ns
        .manifest(&job("for i in $(seq 30); do echo $i; sleep 1; done"))
        .start();
    let mut stdout = BufReader::new(running.stdout());
    let mut text = String::new();
    while text.lines().count() < 8 {
        assert!(
            stdout.read_line(&mut text).expect("a line") > 0,
            "it ended early: {text}"
        );
    }
    let down = ApiServerDown::kill();
    // What is tested is an outage of this length, so this is what the test waits for.
    std::thread::sleep(Duration::from_secs(10));
    drop(down);
    while stdout.read_line(&mut text).expect("a line") > 0 {}
    let (code, stderr) = running.wait(Duration::from_secs(60));
    let expected: String = (1..=30).map(|i| format!("{i}\n")).collect();
    assert_eq!((code, text), (0, expected), "{stderr}");
    assert_eq!(stderr.matches("out of reach").count(), 1, "{stderr}");
    assert!(stderr.contains("the API server is back after"), "{stderr}");
    ns.expect_nothing_left();
}

#[test]
fn longer_without_an_api_server_than_the_budget_allows() {
    if !own_cluster() && !BACKEND.is_sandbox() {
        return;
    }
    let ns = Namespace::alone();
    let mut running = ns
        .manifest(&job("echo begun; exec sleep 30"))
        .arg("--outage-budget=3s")
        .start();
    let mut line = String::new();
    BufReader::new(running.stdout()).read_line(&mut line).expect("a line");
    let down = ApiServerDown::kill();
    let (code, stderr) = running.wait(Duration::from_secs(60));
    drop(down);
    assert_eq!((line.as_str(), code), ("begun\n", 121), "{stderr}");
    assert!(
        stderr.contains("was left as it is") && stderr.contains("may still run"),
        "{stderr}"
    );
    // Nothing was deleted because of it.
    assert_eq!(ns.names("jobs").len(), 1);
}
