//! Jobs of a real cluster (Kubernetes 1.36), played again: the same statuses in the same order, and
//! the same last one to the letter, but for times.

use serde_json::{Value, json};

use super::simulator::{
    Do::{self, Delete, Ends, Gone, Look, Parallelism, Running, Suspend, Unready},
    Simulator, timeless,
};

struct Captured<'a> {
    name: &'a str,
    spec: Value,
    suffixes: &'a [&'a str],
    script: &'a [(i64, &'a [Do<'a>])],
    /// Each status that a watch showed, in short.
    written: &'a [&'a str],
    /// The last one, as `timeless` has it.
    last: Value,
}

fn replay(captured: Captured<'_>) {
    let mut sim = Simulator::new(captured.name, captured.spec);
    sim.suffixes = captured.suffixes.iter().map(|s| (*s).to_owned()).collect();
    sim.play(captured.script);
    assert_eq!(sim.written, captured.written);
    assert_eq!(timeless(&sim.status()), captured.last);
}

#[test]
fn three_of_two_at_a_time() {
    replay(Captured {
        name: "three",
        spec: json!({"completions": 3, "parallelism": 2}),
        suffixes: &["qdl9q", "bnkbh", "nxdg7"],
        script: &[
            (0, &[]),
            (4, &[Running("qdl9q")]),
            (7, &[Ends("qdl9q", 0), Unready("bnkbh")]),
            (8, &[Ends("bnkbh", 0)]),
            (10, &[Running("nxdg7")]),
            (12, &[Unready("nxdg7")]),
            (14, &[Ends("nxdg7", 0)]),
        ],
        written: &[
            "active=2",
            "active=2 ready=1",
            "active=2 uncounted-succeeded=1",
            "active=2 succeeded=1",
            "active=1 succeeded=1 uncounted-succeeded=1",
            "active=1 succeeded=2",
            "active=1 ready=1 succeeded=2",
            "active=1 succeeded=2",
            "succeeded=2 uncounted-succeeded=1 SuccessCriteriaMet:True",
            "succeeded=3 SuccessCriteriaMet:True Complete:True",
        ],
        last: json!({
            "completionTime": "time", "ready": 0, "startTime": "time",
            "succeeded": 3, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
                {"type": "Complete", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
            ],
        }),
    });
}

#[test]
fn indexes_that_fail() {
    replay(Captured {
        name: "failidx",
        spec: json!({
            "completions": 4, "parallelism": 4, "completionMode": "Indexed",
            "backoffLimitPerIndex": 0, "backoffLimit": 2_147_483_647,
        }),
        suffixes: &["a", "b", "c", "d"],
        script: &[
            (0, &[]),
            (3, &[Running("failidx-0")]),
            (4, &[Running("failidx-1")]),
            (5, &[Running("failidx-2")]),
            (6, &[Ends("failidx-0", 0), Unready("failidx-1"), Unready("failidx-2")]),
            (7, &[Ends("failidx-1", 1), Ends("failidx-2", 0), Ends("failidx-3", 1)]),
        ],
        written: &[
            "active=4 failedIndexes=",
            "active=4 ready=1 failedIndexes=",
            "active=4 ready=2 failedIndexes=",
            "active=4 ready=3 failedIndexes=",
            "active=3 succeeded=1 completedIndexes=0 failedIndexes=",
            "succeeded=2 uncounted-failed=2 completedIndexes=0,2 failedIndexes=1,3 FailureTarget:True",
            "succeeded=2 failed=2 completedIndexes=0,2 failedIndexes=1,3 FailureTarget:True Failed:True",
        ],
        last: json!({
            "completedIndexes": "0,2", "failed": 2, "failedIndexes": "1,3", "ready": 0,
            "startTime": "time", "succeeded": 2, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "FailedIndexes",
                 "message": "Job has failed indexes"},
                {"type": "Failed", "status": "True", "reason": "FailedIndexes", "message": "Job has failed indexes"},
            ],
        }),
    });
}

#[test]
fn too_many_failed_indexes() {
    replay(Captured {
        name: "maxfail",
        spec: json!({
            "completions": 4, "parallelism": 2, "completionMode": "Indexed",
            "backoffLimitPerIndex": 0, "maxFailedIndexes": 1, "backoffLimit": 2_147_483_647,
        }),
        suffixes: &[],
        script: &[
            (0, &[]),
            (3, &[Running("maxfail-0"), Running("maxfail-1")]),
            (4, &[Unready("maxfail-0"), Unready("maxfail-1")]),
            (5, &[Ends("maxfail-0", 1), Ends("maxfail-1", 1)]),
        ],
        written: &[
            "active=2 failedIndexes=",
            "active=2 ready=2 failedIndexes=",
            "active=2 failedIndexes=",
            "uncounted-failed=2 failedIndexes=0,1 FailureTarget:True",
            "failed=2 failedIndexes=0,1 FailureTarget:True Failed:True",
        ],
        last: json!({
            "failed": 2, "failedIndexes": "0,1", "ready": 0,
            "startTime": "time", "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "MaxFailedIndexesExceeded",
                 "message": "Job has exceeded the specified maximal number of failed indexes"},
                {"type": "Failed", "status": "True", "reason": "MaxFailedIndexesExceeded",
                 "message": "Job has exceeded the specified maximal number of failed indexes"},
            ],
        }),
    });
}

#[test]
fn a_code_that_fails_the_job() {
    replay(Captured {
        name: "failjob",
        spec: json!({
            "completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 6,
            "podFailurePolicy": {"rules": [{"action": "FailJob",
                "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}}]},
        }),
        suffixes: &["z6bnw", "cvwxh"],
        script: &[
            (0, &[]),
            (3, &[Running("failjob-0"), Running("failjob-1")]),
            (4, &[Unready("failjob-0")]),
            (5, &[Ends("failjob-0", 42)]),
            (6, &[Gone("failjob-1")]),
        ],
        written: &[
            "active=2",
            "active=2 ready=2",
            "active=2 ready=1",
            "terminating=1 uncounted-failed=2 FailureTarget:True",
            "terminating=1 failed=2 FailureTarget:True",
            "failed=2 FailureTarget:True",
            "failed=2 FailureTarget:True Failed:True",
        ],
        last: json!({
            "failed": 2, "ready": 0, "startTime": "time", "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy",
                 "message": "Container main for pod default/failjob-0-z6bnw failed with exit code 42 matching FailJob rule at index 0"},
                {"type": "Failed", "status": "True", "reason": "PodFailurePolicy",
                 "message": "Container main for pod default/failjob-0-z6bnw failed with exit code 42 matching FailJob rule at index 0"},
            ],
        }),
    });
}

#[test]
fn a_deadline() {
    replay(Captured {
        name: "deadline",
        spec: json!({"activeDeadlineSeconds": 4, "completions": 1, "parallelism": 1, "backoffLimit": 6}),
        suffixes: &[],
        script: &[(0, &[]), (4, &[]), (9, &[Gone("deadline")])],
        written: &[
            "active=1",
            "terminating=1 uncounted-failed=1 FailureTarget:True",
            "terminating=1 failed=1 FailureTarget:True",
            "failed=1 FailureTarget:True",
            "failed=1 FailureTarget:True Failed:True",
        ],
        last: json!({
            "failed": 1, "ready": 0, "startTime": "time", "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded",
                 "message": "Job was active longer than specified deadline"},
                {"type": "Failed", "status": "True", "reason": "DeadlineExceeded",
                 "message": "Job was active longer than specified deadline"},
            ],
        }),
    });
}

#[test]
fn a_success_policy() {
    replay(Captured {
        name: "succpol",
        spec: json!({
            "completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimit": 6,
            "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]},
        }),
        suffixes: &[],
        script: &[
            (0, &[]),
            (3, &[Running("succpol-0"), Running("succpol-1"), Running("succpol-2")]),
            (5, &[Unready("succpol-0")]),
            (6, &[Ends("succpol-0", 0)]),
            (9, &[Gone("succpol-1"), Gone("succpol-2")]),
        ],
        written: &[
            "active=3",
            "active=3 ready=3",
            "active=3 ready=2",
            "terminating=2 succeeded=1 completedIndexes=0 SuccessCriteriaMet:True",
            "succeeded=1 completedIndexes=0 SuccessCriteriaMet:True",
            "succeeded=1 completedIndexes=0 SuccessCriteriaMet:True Complete:True",
        ],
        last: json!({
            "completedIndexes": "0", "completionTime": "time", "ready": 0,
            "startTime": "time", "succeeded": 1, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True", "reason": "SuccessPolicy",
                 "message": "Matched rules at index 0"},
                {"type": "Complete", "status": "True", "reason": "SuccessPolicy",
                 "message": "Matched rules at index 0"},
            ],
        }),
    });
}

#[test]
fn suspended_at_first() {
    replay(Captured {
        name: "susp",
        spec: json!({"suspend": true, "completions": 1, "parallelism": 1, "backoffLimit": 6}),
        suffixes: &["s488h"],
        script: &[
            (0, &[]),
            (7, &[Suspend(false)]),
            (9, &[Running("s488h")]),
            (12, &[Unready("s488h")]),
            (13, &[Ends("s488h", 0)]),
        ],
        written: &[
            "Suspended:True",
            "active=1 Suspended:False",
            "active=1 ready=1 Suspended:False",
            "active=1 Suspended:False",
            "uncounted-succeeded=1 Suspended:False SuccessCriteriaMet:True",
            "succeeded=1 Suspended:False SuccessCriteriaMet:True Complete:True",
        ],
        last: json!({
            "completionTime": "time", "ready": 0, "startTime": "time",
            "succeeded": 1, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "Suspended", "status": "False", "reason": "JobResumed", "message": "Job resumed"},
                {"type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
                {"type": "Complete", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
            ],
        }),
    });
}

#[test]
fn an_index_tried_again() {
    replay(Captured {
        name: "peridx",
        spec: json!({
            "completions": 2, "parallelism": 2, "completionMode": "Indexed",
            "backoffLimitPerIndex": 1, "backoffLimit": 2_147_483_647,
        }),
        suffixes: &["g6h2q", "xjtvb", "7h586"],
        script: &[
            (0, &[]),
            (4, &[Running("xjtvb")]),
            (5, &[Ends("g6h2q", 0), Unready("xjtvb")]),
            (6, &[Ends("xjtvb", 1)]),
            (16, &[Look, Running("7h586")]),
            (17, &[Unready("7h586")]),
            (18, &[Ends("7h586", 1)]),
        ],
        written: &[
            "active=2 failedIndexes=",
            "active=2 ready=1 failedIndexes=",
            "active=1 succeeded=1 completedIndexes=0 failedIndexes=",
            "succeeded=1 completedIndexes=0 failedIndexes=",
            "active=1 succeeded=1 completedIndexes=0 failedIndexes=",
            "active=1 ready=1 succeeded=1 uncounted-failed=1 completedIndexes=0 failedIndexes=",
            "active=1 ready=1 succeeded=1 failed=1 completedIndexes=0 failedIndexes=",
            "active=1 succeeded=1 failed=1 completedIndexes=0 failedIndexes=",
            "succeeded=1 failed=1 uncounted-failed=1 completedIndexes=0 failedIndexes=1 FailureTarget:True",
            "succeeded=1 failed=2 completedIndexes=0 failedIndexes=1 FailureTarget:True Failed:True",
        ],
        last: json!({
            "completedIndexes": "0", "failed": 2, "failedIndexes": "1", "ready": 0,
            "startTime": "time", "succeeded": 1, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "FailedIndexes",
                 "message": "Job has failed indexes"},
                {"type": "Failed", "status": "True", "reason": "FailedIndexes", "message": "Job has failed indexes"},
            ],
        }),
    });
}

#[test]
fn a_code_that_fails_its_index() {
    replay(Captured {
        name: "failindex",
        spec: json!({
            "completions": 2, "parallelism": 2, "completionMode": "Indexed",
            "backoffLimitPerIndex": 3, "backoffLimit": 2_147_483_647,
            "podFailurePolicy": {"rules": [{"action": "FailIndex",
                "onExitCodes": {"operator": "In", "values": [42]}}]},
        }),
        suffixes: &[],
        script: &[
            (0, &[]),
            (3, &[Running("failindex-0")]),
            (4, &[Unready("failindex-0")]),
            (5, &[Ends("failindex-1", 42)]),
            (6, &[Ends("failindex-0", 0)]),
        ],
        written: &[
            "active=2 failedIndexes=",
            "active=2 ready=1 failedIndexes=",
            "active=2 failedIndexes=",
            "active=1 uncounted-failed=1 failedIndexes=1",
            "active=1 failed=1 failedIndexes=1",
            "succeeded=1 failed=1 completedIndexes=0 failedIndexes=1 FailureTarget:True",
            "succeeded=1 failed=1 completedIndexes=0 failedIndexes=1 FailureTarget:True Failed:True",
        ],
        last: json!({
            "completedIndexes": "0", "failed": 1, "failedIndexes": "1", "ready": 0,
            "startTime": "time", "succeeded": 1, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "FailedIndexes",
                 "message": "Job has failed indexes"},
                {"type": "Failed", "status": "True", "reason": "FailedIndexes", "message": "Job has failed indexes"},
            ],
        }),
    });
}

#[test]
fn a_work_queue() {
    replay(Captured {
        name: "queue",
        spec: json!({"parallelism": 2, "backoffLimit": 6}),
        suffixes: &["2n525", "gslkv"],
        script: &[
            (0, &[]),
            (3, &[Running("2n525"), Running("gslkv")]),
            (5, &[Ends("2n525", 0), Unready("gslkv")]),
            (6, &[Ends("gslkv", 0)]),
        ],
        written: &[
            "active=2",
            "active=2 ready=2",
            "active=1 uncounted-succeeded=1",
            "active=1 succeeded=1",
            "succeeded=1 uncounted-succeeded=1 SuccessCriteriaMet:True",
            "succeeded=2 SuccessCriteriaMet:True Complete:True",
        ],
        last: json!({
            "completionTime": "time", "ready": 0, "startTime": "time",
            "succeeded": 2, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
                {"type": "Complete", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
            ],
        }),
    });
}

#[test]
fn a_deleted_pod_replaced() {
    replay(Captured {
        name: "tof",
        spec: json!({"podReplacementPolicy": "TerminatingOrFailed", "completions": 1, "backoffLimit": 6}),
        suffixes: &["m8f24", "clxtq"],
        script: &[
            (0, &[]),
            (3, &[Running("m8f24")]),
            (4, &[Delete("m8f24")]),
            (6, &[Gone("m8f24")]),
            (14, &[]),
            (16, &[Running("clxtq")]),
            (24, &[Unready("clxtq")]),
            (25, &[Ends("clxtq", 0)]),
        ],
        written: &[
            "active=1",
            "active=1 ready=1",
            "terminating=1 uncounted-failed=1",
            "terminating=1 failed=1",
            "failed=1",
            "active=1 failed=1",
            "active=1 ready=1 failed=1",
            "active=1 failed=1",
            "failed=1 uncounted-succeeded=1 SuccessCriteriaMet:True",
            "succeeded=1 failed=1 SuccessCriteriaMet:True Complete:True",
        ],
        last: json!({
            "completionTime": "time", "failed": 1, "ready": 0,
            "startTime": "time", "succeeded": 1, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
                {"type": "Complete", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
            ],
        }),
    });
}

#[test]
fn a_deleted_pod_replaced_once_it_has_ended() {
    replay(Captured {
        name: "replace",
        spec: json!({"podReplacementPolicy": "Failed", "completions": 1, "parallelism": 1, "backoffLimit": 1}),
        suffixes: &["pkh7j", "j7s69"],
        script: &[
            (0, &[]),
            (2, &[Running("pkh7j")]),
            (4, &[Delete("pkh7j")]),
            (10, &[Gone("pkh7j")]),
            (20, &[]),
            (22, &[Running("j7s69")]),
            (51, &[Unready("j7s69")]),
            (52, &[Ends("j7s69", 0)]),
        ],
        written: &[
            "active=1",
            "active=1 ready=1",
            "terminating=1",
            "uncounted-failed=1",
            "failed=1",
            "active=1 failed=1",
            "active=1 ready=1 failed=1",
            "active=1 failed=1",
            "failed=1 uncounted-succeeded=1 SuccessCriteriaMet:True",
            "succeeded=1 failed=1 SuccessCriteriaMet:True Complete:True",
        ],
        last: json!({
            "completionTime": "time", "failed": 1, "ready": 0,
            "startTime": "time", "succeeded": 1, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
                {"type": "Complete", "status": "True", "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"},
            ],
        }),
    });
}

#[test]
fn failures_to_the_limit() {
    replay(Captured {
        name: "back",
        spec: json!({"completions": 1, "parallelism": 1, "backoffLimit": 3}),
        suffixes: &["vlwgd", "4bhrz", "8wn2n", "vs8ll"],
        script: &[
            (0, &[]),
            (2, &[Ends("vlwgd", 1)]),
            (12, &[]),
            (12, &[Running("4bhrz")]),
            (12, &[Unready("4bhrz")]),
            (12, &[Ends("4bhrz", 1)]),
            (32, &[]),
            (32, &[Running("8wn2n")]),
            (32, &[Unready("8wn2n")]),
            (32, &[Ends("8wn2n", 1)]),
            (72, &[]),
            (73, &[Ends("vs8ll", 1)]),
        ],
        written: &[
            "active=1",
            "uncounted-failed=1",
            "failed=1",
            "active=1 failed=1",
            "active=1 ready=1 failed=1",
            "active=1 failed=1",
            "failed=1 uncounted-failed=1",
            "failed=2",
            "active=1 failed=2",
            "active=1 ready=1 failed=2",
            "active=1 failed=2",
            "failed=2 uncounted-failed=1",
            "failed=3",
            "active=1 failed=3",
            "failed=3 uncounted-failed=1 FailureTarget:True",
            "failed=4 FailureTarget:True Failed:True",
        ],
        last: json!({
            "failed": 4, "ready": 0, "startTime": "time", "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded",
                 "message": "Job has reached the specified backoff limit"},
                {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
                 "message": "Job has reached the specified backoff limit"},
            ],
        }),
    });
}

#[test]
fn scaled_down_suspended_and_resumed() {
    replay(Captured {
        name: "scale",
        spec: json!({"parallelism": 3, "completions": 5, "backoffLimit": 6}),
        suffixes: &["84xhz", "vw8dd", "6xznj", "mtjb9", "xvt7f", "rq9zk", "7qswp", "zcpwb"],
        script: &[
            (0, &[]),
            (3, &[Running("84xhz"), Running("6xznj"), Running("vw8dd")]),
            (6, &[Parallelism(1)]),
            (8, &[Gone("84xhz"), Gone("vw8dd")]),
            (11, &[Suspend(true)]),
            (13, &[Gone("6xznj")]),
            (17, &[Suspend(false), Parallelism(2)]),
            (19, &[Running("mtjb9"), Running("xvt7f")]),
            (39, &[Unready("mtjb9"), Unready("xvt7f")]),
            (40, &[Ends("mtjb9", 0), Ends("xvt7f", 0)]),
            (42, &[Running("rq9zk"), Running("7qswp")]),
            (62, &[Unready("rq9zk"), Unready("7qswp")]),
            (63, &[Ends("rq9zk", 0), Ends("7qswp", 0)]),
            (65, &[Running("zcpwb")]),
        ],
        written: &[
            "active=3",
            "active=3 ready=3",
            "active=1 ready=1 terminating=2",
            "active=1 ready=1",
            "terminating=1 Suspended:True",
            "Suspended:True",
            "active=2 Suspended:False",
            "active=2 ready=2 Suspended:False",
            "active=2 Suspended:False",
            "active=2 uncounted-succeeded=2 Suspended:False",
            "active=2 succeeded=2 Suspended:False",
            "active=2 ready=2 succeeded=2 Suspended:False",
            "active=2 succeeded=2 Suspended:False",
            "active=1 succeeded=2 uncounted-succeeded=2 Suspended:False",
            "active=1 succeeded=4 Suspended:False",
            "active=1 ready=1 succeeded=4 Suspended:False",
        ],
        last: json!({
            "active": 1, "ready": 1, "startTime": "time",
            "succeeded": 4, "terminating": 0, "uncountedTerminatedPods": {},
            "conditions": [
                {"type": "Suspended", "status": "False", "reason": "JobResumed", "message": "Job resumed"},
            ],
        }),
    });
}
