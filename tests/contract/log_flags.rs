//! What of the logs is shown, and in what form.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    logs::{AWK, lines},
    namespace::Namespace,
    outcome::job,
};

/// An init container, a main one and a second.
fn three() -> Value {
    let mut job = job("echo a; echo b");
    let pod = &mut job["spec"]["template"]["spec"];
    let second = json!({"name": "second", "image": "busybox", "command": ["echo", "c"]});
    pod["containers"].as_array_mut().expect("containers").push(second);
    pod["initContainers"] = json!([{"name": "first", "image": "busybox", "command": ["echo", "init"]}]);
    job
}

/// Lines, less their prefixes where they have some.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(|l| l.split_once("] ").map_or(l, |(_, l)| l)).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn containers_are_chosen() {
    let ns = Namespace::new();
    let shown = |args: &[&str]| {
        let done = ns.manifest(&three()).args(args.iter().copied()).run();
        assert_eq!(done.code, 0, "{args:?}:\n{}", done.stderr);
        done.text().to_owned()
    };
    // A single one that is shown bears no prefix.
    assert_eq!(shown(&["-c", "second"]), "c\n");
    assert_eq!(shown(&["-c", "main", "--prefix", "never"]), "a\nb\n");
    assert_eq!(shown(&["--logs", "none"]), "");
    let without = shown(&["--no-init-logs"]);
    assert_eq!(sorted(&without), ["a", "b", "c"]);
    assert!(without.lines().all(|line| line.starts_with("[test-")), "{without}");
    for all in [
        &["--all-containers"][..],
        &["-c", "first", "-c", "main", "-c", "second"],
    ] {
        assert_eq!(sorted(&shown(all)), ["a", "b", "c", "init"]);
    }
    ns.expect_nothing_left();
}

#[test]
fn lines_say_whose_they_are_if_that_is_wished() {
    let ns = Namespace::new();
    let always = ns.manifest(&job("echo a; printf b")).args(["--prefix", "always"]).run();
    assert_eq!(always.code, 0, "{}", always.stderr);
    assert!(
        always
            .text()
            .lines()
            .all(|l| l.starts_with("[test-") && l.contains(" main] "))
    );
    assert!(always.text().ends_with(" main] b\n"), "{}", always.text());
    let never = ns.manifest(&three()).args(["--prefix", "never"]).run();
    let mut lines: Vec<&str> = never.text().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "b", "c", "init"], "{}", never.stderr);
    ns.expect_nothing_left();
}

#[test]
fn lines_bear_their_stamps_if_that_is_wished() {
    let ns = Namespace::new();
    let done = ns
        .manifest(&job(&AWK.replace("COUNT", "300")))
        .arg("--timestamps")
        .run();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let stamped: Vec<(jiff::Timestamp, &str)> = done
        .text()
        .lines()
        .map(|line| line.split_once(' ').expect(line))
        .map(|(stamp, rest)| (stamp.parse().expect(stamp), rest))
        .collect();
    assert!(stamped.is_sorted_by_key(|(stamp, _)| *stamp));
    let text: String = stamped.iter().map(|(_, rest)| format!("{rest}\n")).collect();
    assert_eq!(text, lines(300));
}

#[test]
fn an_outcome_without_logs() {
    let ns = Namespace::new();
    let done = ns
        .manifest(&job("echo a; exit 6"))
        .args(["--logs=none", "--delete=always"])
        .run();
    done.expect(6, "");
    ns.expect_nothing_left();
}

#[test]
fn more_pods_than_streams() {
    let ns = Namespace::new();
    let mut job = job(&AWK.replace("COUNT", "500"));
    job["spec"]["parallelism"] = json!(4);
    job["spec"]["completions"] = json!(4);
    let done = ns.manifest(&job).args(["--max-log-streams", "1"]).run();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut by_pod: BTreeMap<&str, String> = BTreeMap::new();
    for line in done.text().lines() {
        let (pod, rest) = line.split_once(" main] ").expect(line);
        let log = by_pod.entry(pod).or_default();
        *log += rest;
        *log += "\n";
    }
    assert_eq!(by_pod.len(), 4, "{}", done.stderr);
    assert!(by_pod.values().all(|log| *log == lines(500)));
    assert!(!done.stderr.contains("not proven"), "{}", done.stderr);
    ns.expect_nothing_left();
}

#[test]
fn a_ttl_that_would_take_the_log_away_is_raised() {
    let ns = Namespace::new();
    let mut job = job(&AWK.replace("COUNT", "50000"));
    job["spec"]["ttlSecondsAfterFinished"] = json!(0);
    let done = ns.manifest(&job).run();
    done.expect(0, lines(50_000)).expect_said("raised from 0 to 300");
    ns.expect_nothing_left();
}
