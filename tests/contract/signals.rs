//! A signal deletes the Job at once, and kjo is gone within 4 seconds.

use std::{
    io::{BufRead as _, BufReader},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{namespace::Namespace, outcome::job};

/// The contract's own figure, and a second for a machine that does other things.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_signal_while_the_log_streams() {
    let ns = Namespace::new();
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 143)] {
        let mut running = ns.manifest(&job("echo begun; exec sleep 60")).start();
        let mut stdout = BufReader::new(running.stdout());
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        running.signal(signal);
        let (ended, stderr) = running.wait(SOON);
        assert_eq!((line.as_str(), ended), ("begun\n", code), "{stderr}");
        assert!(
            stderr.contains("deleting the Job") && stderr.contains("deleted job/"),
            "{stderr}"
        );
    }
    ns.expect_nothing_left();
}

#[test]
fn a_signal_while_nobody_reads_stdout() {
    let ns = Namespace::new();
    let mut running = ns
        .manifest(&job("while :; do echo a line that nobody reads, again and again; done"))
        .start();
    let mut stdout = BufReader::new(running.stdout());
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    // The pipe and every buffer behind it fill up; the Job's pod is seen to go on.
    running.signal(Signal::SIGTERM);
    let (code, stderr) = running.wait(SOON);
    assert_eq!(code, 143, "{stderr}");
    ns.expect_nothing_left();
}

#[test]
fn the_second_signal_leaves_at_once() {
    let ns = Namespace::new();
    let mut running = ns.manifest(&job("trap '' TERM; echo begun; sleep 30")).start();
    let mut stdout = BufReader::new(running.stdout());
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    running.signal(Signal::SIGINT);
    // Two signals of one kind at one instant are one signal.
    running.signal(Signal::SIGTERM);
    let (code, stderr) = running.wait(SOON);
    assert!(code == 130 || code == 143, "{code} {stderr}");
    ns.expect_nothing_left();
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    let ns = Namespace::new();
    let mut running = ns
        .manifest(&job("for i in 1 2 3 4 5 6; do echo $i; sleep 0.3; done; exit 5"))
        .start();
    let mut stdout = BufReader::new(running.stdout());
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    drop(stdout);
    let (code, stderr) = running.wait(Duration::from_secs(60));
    assert_eq!((line.as_str(), code), ("1\n", 5), "{stderr}");
    assert!(!stderr.contains("panic"), "{stderr}");
}
