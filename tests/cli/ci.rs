//! On a CI runner, which reads stdout and stderr as one log.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    sandbox::{script, steady},
    scripted::served,
    support::Kjo,
};

const GITHUB: (&str, &str) = ("GITHUB_ACTIONS", "true");
const GITLAB: (&str, &str) = ("GITLAB_CI", "true");

fn on(kjo: Kjo, (name, value): (&str, &str)) -> Kjo {
    kjo.env(name, value)
}

/// One log of both streams, as a runner has it, and the exit code.
fn merged(kjo: Kjo) -> (i32, String) {
    let mut log = tempfile::tempfile().expect("a log");
    let share = |log: &File| log.try_clone().expect("a file");
    let (code, _) = kjo.start_on(share(&log), share(&log)).wait(Duration::from_secs(60));
    let mut text = String::new();
    log.rewind().expect("its beginning");
    log.read_to_string(&mut text).expect("text");
    (code, text)
}

/// Where a line with this beginning is.
#[track_caller]
fn place(log: &str, line: &str) -> usize {
    log.lines()
        .position(|l| l.starts_with(line))
        .unwrap_or_else(|| panic!("no {line:?} in\n{log}"))
}

/// Lines that a runner takes for commands.
fn commands(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|l| l.trim_start().starts_with("::") || l.contains("##["))
        .collect()
}

#[test]
fn the_fold_is_closed_before_the_first_log_byte() {
    let (kjo, _folder) = script("printf out; echo; exit 0");
    let (code, log) = merged(on(kjo, GITHUB));
    assert_eq!(code, 0);
    // That nothing is isolated stays to be seen.
    assert_eq!(place(&log, "kjo: sandbox: images are NOT used"), 0, "{log}");
    assert_eq!(place(&log, "::group::kjo: starting"), 1, "{log}");
    let end = place(&log, "::endgroup::");
    assert!(end < place(&log, "out"), "{log}");
    assert!(place(&log, "kjo: using namespace") < end, "{log}");
    assert_eq!(commands(&log).len(), 2, "{log}");

    let (kjo, _folder) = script("echo out");
    let (code, log) = merged(on(kjo, GITLAB));
    assert_eq!(code, 0);
    let begin = place(&log, "\u{1b}[0Ksection_start:");
    let end = place(&log, "\u{1b}[0Ksection_end:");
    assert!(begin == 1 && end < place(&log, "out"), "{log}");
}

#[test]
fn a_run_that_fails_without_a_word() {
    let (kjo, _folder) = script("exit 7");
    let done = on(kjo, GITHUB).run();
    assert_eq!(done.code, 7);
    insta::assert_snapshot!(steady(&done.stderr));
}

#[test]
fn a_fold_is_never_left_open() {
    // Nothing was tried: there is nothing to fold.
    let refused = on(Kjo::new(["run", "-f", "nowhere.yaml"]), GITHUB).run();
    refused.expect(125, "");
    insta::assert_snapshot!(refused.stderr);

    // A signal before the first log byte.
    let (kjo, folder) = script("touch \"$0\"; sleep 60 # ci-signal");
    let began = folder.path().join("began");
    let mut running = on(kjo.arg(began.display().to_string()), GITHUB).start();
    assert!(crate::support::eventually(Duration::from_secs(30), || began.exists()));
    running.signal(Signal::SIGTERM);
    let (code, stderr) = running.wait(Duration::from_secs(30));
    assert_eq!(code, 143, "{stderr}");
    assert_eq!(
        commands(&stderr),
        ["::group::kjo: starting", "::endgroup::"],
        "{stderr}"
    );
    let (_, after) = stderr.split_once("::endgroup::").expect("its end");
    assert!(after.contains("SIGTERM: deleting the Job"), "{stderr}");
}

#[test]
fn who_wants_none_gets_none() {
    for (flag, commands_left) in [("--ci=none", 0), ("--message-format=json", 0), ("--quiet", 1)] {
        let (kjo, _folder) = script("echo out; exit 3");
        let done = on(kjo.arg_first(flag), GITHUB).run();
        done.expect(3, "out\n");
        // What failed is said also with --quiet.
        assert_eq!(commands(&done.stderr).len(), commands_left, "{flag}: {}", done.stderr);
    }
    let (kjo, _folder) = script("exit 3");
    let done = on(kjo, GITHUB).env("KJO_CI", "none").run();
    assert!(commands(&done.stderr).is_empty(), "{}", done.stderr);
}

/// What a server says is not for the runner's ears.
#[test]
fn nobody_else_starts_a_command() {
    let words = "no\n::add-mask::x\r\n::warning::w\n##[error]e ##vso[task.setvariable]v";
    for form in ["text", "json"] {
        let kjo = Kjo::new(["run", "--image", "busybox", "--message-format", form]);
        let kjo = served(on(kjo, GITHUB), move |_, _, _| {
            (
                422,
                json!({"kind": "Status", "code": 422, "reason": "Invalid", "message": words}),
            )
        });
        let done = kjo.run();
        assert_eq!(done.code, 125, "{}", done.stderr);
        assert!(done.stderr.contains("add-mask"), "{}", done.stderr);
        let ours: Vec<&str> = commands(&done.stderr)
            .into_iter()
            .filter(|line| !line.starts_with("::error title=kjo%3A exit code 125::"))
            .filter(|line| !matches!(*line, "::group::kjo: starting" | "::endgroup::"))
            .collect();
        assert!(ours.is_empty(), "{ours:?} in\n{}", done.stderr);
        assert!(!done.stderr.contains("##vso["), "{}", done.stderr);
    }
}
