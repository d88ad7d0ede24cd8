//! A stdout that is read slowly, late or not at all.

use std::{io::Read as _, time::Duration};

use nix::sys::signal::Signal;

use crate::{
    logs::{AWK, lines},
    namespace::Namespace,
    outcome::job,
    support::eventually,
};

/// About 1 MB, many times what a pipe holds.
const COUNT: usize = 50_000;

fn ended(ns: &Namespace) -> bool {
    ns.list("pods").iter().any(|pod| pod["status"]["phase"] == "Succeeded")
}

#[test]
fn a_log_that_is_read_late_is_whole() {
    let ns = Namespace::new();
    for spool in ["0", "64Ki", "256Mi"] {
        let mut running = ns
            .manifest(&job(&AWK.replace("COUNT", &COUNT.to_string())))
            .args(["--log-spool", spool])
            .start();
        assert!(
            eventually(Duration::from_secs(60), || ended(&ns)),
            "the pod does not end"
        );
        let text = std::io::read_to_string(running.stdout()).expect("text");
        let (code, stderr) = running.wait(Duration::from_secs(30));
        assert_eq!(
            (code, text == lines(COUNT)),
            (0, true),
            "--log-spool {spool}:\n{stderr}"
        );
        ns.expect_nothing_left();
    }
}

#[test]
fn a_log_that_is_read_slowly_is_whole() {
    let ns = Namespace::new();
    let mut running = ns
        .manifest(&job(&AWK.replace("COUNT", &COUNT.to_string())))
        .args(["--log-spool", "128Ki"])
        .start();
    let (mut stdout, mut text) = (running.stdout(), Vec::new());
    let mut piece = [0; 16 * 1024];
    loop {
        let read = stdout.read(&mut piece).expect("bytes");
        if read == 0 {
            break;
        }
        text.extend_from_slice(&piece[..read]);
        // What is tested is a reader of this speed.
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, stderr) = running.wait(Duration::from_secs(30));
    assert_eq!((code, text == lines(COUNT).into_bytes()), (0, true), "{stderr}");
    ns.expect_nothing_left();
}

#[test]
fn a_signal_while_much_waits_to_be_read() {
    let ns = Namespace::new();
    for spool in ["0", "256Mi"] {
        let mut running = ns
            .manifest(&job(&format!("{}; exec sleep 60", AWK.replace("COUNT", "50000"))))
            .args(["--log-spool", spool])
            .start();
        let mut stdout = running.stdout();
        stdout.read_exact(&mut [0; 1000]).expect("bytes");
        running.signal(Signal::SIGTERM);
        // The contract's own figure, and a second for a machine that does other things.
        let (code, stderr) = running.wait(Duration::from_secs(5));
        assert_eq!(code, 143, "--log-spool {spool}:\n{stderr}");
    }
    ns.expect_nothing_left();
}
