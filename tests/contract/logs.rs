//! stdout is the containers' bytes: all of them, once, in order, and nothing else.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::json;

use crate::{namespace::Namespace, outcome::job};

/// It waits before it ends: containerd 1.6 drops what is still in the pipe then (docs/logs.md).
pub(crate) const AWK: &str = "awk 'BEGIN{for(i=1;i<=COUNT;i++) print \"line \" i \" of a log\"}'; sleep 1";

pub(crate) fn lines(n: usize) -> String {
    (1..=n).fold(String::new(), |mut text, i| {
        writeln!(text, "line {i} of a log").expect("a string");
        text
    })
}

#[test]
fn few_lines_and_many() {
    let ns = Namespace::new();
    for n in [10, 100_000] {
        let done = ns.manifest(&job(&AWK.replace("COUNT", &n.to_string()))).run();
        done.expect(0, lines(n));
        assert!(!done.stderr.contains("gap"), "{}", done.stderr);
    }
    ns.expect_nothing_left();
}

#[test]
fn any_bytes() {
    let ns = Namespace::new();
    // No CRLF: containerd 1.6 itself takes the CR before a newline away.
    let script = r#"printf 'nul \000 bad \377\376 cr\rmore\n\n  \n\033[31mred\033[0m\n'; awk 'BEGIN{while(i++<200000) printf "x"; print ""}'; printf 'no newline'; sleep 1"#;
    let mut expected = b"nul \0 bad \xff\xfe cr\rmore\n\n  \n\x1b[31mred\x1b[0m\n".to_vec();
    expected.extend(std::iter::repeat_n(b'x', 200_000));
    expected.extend(b"\nno newline");
    ns.manifest(&job(script)).run().expect(0, expected);
}

#[test]
fn a_line_of_5_mb() {
    let ns = Namespace::new();
    let script = r#"echo before; awk 'BEGIN{for(i=0;i<100000;i++) printf "%050d", i; print ""}'; echo behind; sleep 1"#;
    let mut expected = "before\n".to_owned();
    (0..100_000).for_each(|i| write!(expected, "{i:050}").expect("a string"));
    expected += "\nbehind\n";
    ns.manifest(&job(script)).run().expect(0, expected);
}

#[test]
fn two_containers_share_stdout_in_whole_lines() {
    let ns = Namespace::new();
    let mut job = job(&AWK.replace("COUNT", "200"));
    let pod = &mut job["spec"]["template"]["spec"];
    let second = json!({"name": "second", "image": "busybox", "command": ["sh", "-c", "echo b1; printf b2"]});
    pod["containers"].as_array_mut().expect("containers").push(second);
    pod["initContainers"] = json!([
        {"name": "first", "image": "busybox", "command": ["echo", "init"]},
        {"name": "side", "image": "busybox", "restartPolicy": "Always", "command": ["sh", "-c", "exec 2>/dev/null; trap 'exit 0' TERM; echo side; while :; do sleep 1 & wait $!; done"]},
    ]);
    let done = ns.manifest(&job).run();
    let by_container = split(done.text());
    let of = |name: &str| by_container.get(name).cloned().unwrap_or_default();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!((of("main"), of("second")), (lines(200), "b1\nb2\n".to_owned()));
    assert_eq!((of("first"), of("side")), ("init\n".to_owned(), "side\n".to_owned()));
    ns.expect_nothing_left();
}

#[test]
fn several_pods_share_stdout_in_whole_lines() {
    let ns = Namespace::new();
    let mut job = job(&AWK.replace("COUNT", "300"));
    job["spec"]["parallelism"] = json!(3);
    job["spec"]["completions"] = json!(6);
    let done = ns.manifest(&job).run();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut by_pod: BTreeMap<&str, String> = BTreeMap::new();
    for line in done.text().lines() {
        let (pod, rest) = line
            .strip_prefix('[')
            .and_then(|l| l.split_once(" main] "))
            .expect(line);
        *by_pod.entry(pod).or_default() += rest;
        *by_pod.entry(pod).or_default() += "\n";
    }
    assert_eq!(by_pod.len(), 6, "{}", done.stderr);
    assert!(by_pod.values().all(|log| *log == lines(300)));
    ns.expect_nothing_left();
}

#[test]
fn a_container_that_restarts_has_a_log_per_attempt() {
    let ns = Namespace::new();
    let mut job = job("if [ -e $STATE/x ]; then echo second; else touch $STATE/x; echo first; sleep 1; exit 4; fi");
    let _state = ns.state(&mut job);
    job["spec"]["backoffLimit"] = json!(3);
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    ns.manifest(&job)
        .run()
        .expect(0, "first\nsecond\n")
        .expect_said("exited with 4");
    ns.expect_nothing_left();
}

/// Lines by the container of their prefix.
fn split(stdout: &str) -> BTreeMap<String, String> {
    let mut logs: BTreeMap<String, String> = BTreeMap::new();
    for line in stdout.lines() {
        let (prefix, rest) = line.split_once("] ").expect(line);
        let (_, container) = prefix.rsplit_once(' ').expect(line);
        let log = logs.entry(container.to_owned()).or_default();
        *log += rest;
        *log += "\n";
    }
    logs
}
