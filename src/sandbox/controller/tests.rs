//! Whole Jobs and single looks, where the captured ones do not go.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{batch::v1::UncountedTerminatedPods, core::v1::ContainerStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};
use serde_json::json;

use super::{
    Plan, TRACKING_FINALIZER, conditions, pods,
    simulator::{
        Do::{Delete, Ends, Gone, Look, Parallelism, Running, Suspend},
        Simulator,
    },
};

fn job(spec: serde_json::Value) -> Simulator {
    Simulator::new("job", spec)
}

fn annotation(sim: &mut Simulator, pod: &str, name: &str) -> Option<String> {
    let annotations = sim.pod(pod).metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(name).cloned())
}

#[test]
fn each_failure_doubles_the_wait_to_ten_minutes() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "backoffLimit": 8}));
    sim.at(0);
    let mut waits = Vec::new();
    for failure in 1..=8 {
        let ended = sim.now.as_second() + 5;
        sim.play(&[(ended, &[Ends(&format!("pod-{failure}"), 1)])]);
        assert!(sim.active().is_empty());
        waits.push(sim.wait() - ended);
        assert_eq!(sim.active(), [format!("job-pod-{}", failure + 1)]);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600]);
    let end = sim.now.as_second() + 5;
    sim.play(&[(end, &[Ends("pod-9", 1)])]);
    assert_eq!(sim.status().failed, Some(9));
    assert_eq!(
        sim.events.last().unwrap(),
        &format!("{end}: Warning BackoffLimitExceeded: Job has reached the specified backoff limit")
    );
    sim.assert_over("Failed");
}

#[test]
fn the_wait_is_as_set_and_not_a_second_short() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "backoffLimit": 9}));
    sim.settings.backoff_base = Duration::from_millis(300);
    sim.settings.backoff_limit = Duration::from_millis(500);
    sim.play(&[(0, &[]), (5, &[Ends("pod-1", 1)])]);
    assert_eq!(sim.again, Some(sim.now + Duration::from_millis(300)));
    sim.now += Duration::from_millis(299);
    sim.settle();
    assert!(sim.active().is_empty());
    sim.now += Duration::from_millis(1);
    sim.settle();
    assert_eq!(sim.active(), ["job-pod-2"]);
    sim.play(&[(6, &[Ends("pod-2", 1)])]);
    assert_eq!(sim.again, Some(sim.now + Duration::from_millis(500)));
}

#[test]
fn a_success_forgets_the_failures_before_it() {
    let mut sim = job(json!({"completions": 3, "parallelism": 1, "backoffLimit": 6}));
    sim.play(&[(0, &[]), (1, &[Ends("pod-1", 1)]), (11, &[]), (12, &[Ends("pod-2", 1)])]);
    assert_eq!(sim.wait(), 32);
    sim.play(&[(40, &[Ends("pod-3", 0)])]);
    assert_eq!(sim.active(), ["job-pod-4"], "no wait after a success");
    sim.play(&[(50, &[Ends("pod-4", 1)])]);
    assert_eq!(sim.wait(), 60, "the first wait again");
    sim.play(&[(70, &[Ends("pod-5", 0)]), (80, &[Ends("pod-6", 0)])]);
    assert_eq!((sim.status().succeeded, sim.status().failed), (Some(3), Some(3)));
    assert_eq!(sim.status().completion_time, Some(Time(sim.now)));
    sim.assert_over("Complete");
}

#[test]
fn of_ends_seen_at_once_only_failures_after_the_last_success_count() {
    let mut sim = job(json!({"completions": 5, "parallelism": 4, "backoffLimit": 6}));
    sim.at(0);
    for (second, pod, code) in [(1, "pod-1", 1), (2, "pod-2", 0), (2, "pod-4", 1), (3, "pod-3", 1)] {
        sim.now = Timestamp::from_second(second).unwrap();
        sim.ends(pod, code);
    }
    sim.at(4);
    assert_eq!(sim.wait(), 13);
}

#[test]
fn each_index_waits_by_itself() {
    let mut sim = job(
        json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 2,
        "backoffLimit": 2_147_483_647,
        "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [42]}}]}}),
    );
    sim.play(&[(0, &[]), (1, &[Ends("job-0", 1)]), (5, &[Ends("job-1", 42)])]);
    assert_eq!(sim.wait(), 11);
    assert_eq!(annotation(&mut sim, "job-0", pods::FAILURE_COUNT).unwrap(), "1");
    assert_eq!(annotation(&mut sim, "job-0", pods::IGNORED_FAILURE_COUNT), None);
    assert_eq!(sim.wait(), 15);
    assert_eq!(annotation(&mut sim, "job-1", pods::FAILURE_COUNT).unwrap(), "0");
    assert_eq!(annotation(&mut sim, "job-1", pods::IGNORED_FAILURE_COUNT).unwrap(), "1");
    sim.play(&[(20, &[Ends("job-1", 1)])]);
    assert_eq!(sim.wait(), 40, "ignored failures lengthen the wait all the same");
    assert_eq!(annotation(&mut sim, "job-1", pods::FAILURE_COUNT).unwrap(), "1");
    assert_eq!(annotation(&mut sim, "job-1", pods::IGNORED_FAILURE_COUNT).unwrap(), "1");
    sim.play(&[(50, &[Ends("job-0", 0), Ends("job-1", 0), Ends("job-2", 0)])]);
    assert_eq!(sim.status().failed, Some(2), "the ignored one does not count");
    assert_eq!(sim.status().completed_indexes.as_deref(), Some("0-2"));
    sim.assert_over("Complete");
}

#[test]
fn ignored_failures_never_fail_a_job_but_wait() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "backoffLimit": 0,
        "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}}));
    sim.at(0);
    let target = || serde_json::from_value(json!({"type": "DisruptionTarget", "status": "True"})).unwrap();
    for (pod, next) in [("pod-1", 11), ("pod-2", 32)] {
        sim.now += Duration::from_secs(1);
        sim.ends(pod, 143);
        let conditions = sim.pod(pod).status.as_mut().unwrap().conditions.as_mut();
        conditions.unwrap().push(target());
        sim.settle();
        assert!(!pods::has_finalizer(sim.pod(pod)));
        assert_eq!(sim.wait(), next);
    }
    assert_eq!(sim.status().failed, None);
    sim.play(&[(40, &[Ends("pod-3", 1)])]);
    assert_eq!(sim.status().failed, Some(1));
    sim.assert_over("Failed");
}

#[test]
fn restarts_count_where_pods_restart_their_containers() {
    for (policy, limit, restarts, fails) in [
        ("OnFailure", 2, 1, false),
        ("OnFailure", 2, 2, true),
        ("OnFailure", 0, 0, false),
        ("OnFailure", 0, 1, true),
        ("Never", 0, 1, false),
    ] {
        let mut sim = job(
            json!({"completions": 1, "parallelism": 1, "backoffLimit": limit, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"restartPolicy": policy, "containers": [{"name": "main"}]}}}),
        );
        sim.play(&[(0, &[]), (1, &[Running("pod-1")])]);
        let status = sim.pod("pod-1").status.as_mut().unwrap();
        status.init_container_statuses = Some(vec![ContainerStatus {
            restart_count: restarts,
            ..ContainerStatus::default()
        }]);
        sim.settle();
        assert_eq!(sim.active().is_empty(), fails, "{policy} {limit} {restarts}");
        if fails {
            sim.play(&[(5, &[Gone("pod-1")])]);
            assert_eq!(sim.status().failed, Some(1));
            sim.assert_over("Failed");
        }
    }
}

#[test]
fn the_deadline_starts_again_at_resume() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "backoffLimit": 6, "activeDeadlineSeconds": 100}));
    sim.at(0);
    assert_eq!(sim.again, Some(Timestamp::from_second(100).unwrap()));
    sim.play(&[(1, &[Running("pod-1")]), (50, &[Suspend(true)]), (52, &[Gone("pod-1")])]);
    assert_eq!(sim.again, None, "no time passes");
    assert_eq!(sim.status().start_time, None);
    sim.play(&[(60, &[]), (200, &[Suspend(false)])]);
    assert_eq!(sim.status().start_time, Some(Time(sim.now)));
    assert_eq!(sim.again, Some(Timestamp::from_second(300).unwrap()));
    sim.at(299);
    assert_eq!(sim.active(), ["job-pod-2"]);
    assert_eq!(sim.wait(), 300);
    let status = sim.status();
    assert_eq!((status.terminating, status.failed), (Some(1), Some(1)));
    assert!(!conditions::finished(&sim.job), "a pod is still ending");
    sim.play(&[(330, &[Gone("pod-2")])]);
    sim.assert_over("Failed");
    insta::assert_snapshot!(sim.events.join("\n"), @r#"
    0: Normal SuccessfulCreate: Created pod: job-pod-1
    50: Normal SuccessfulDelete: Deleted pod: job-pod-1
    50: Normal Suspended: Job suspended
    200: Normal SuccessfulCreate: Created pod: job-pod-2
    200: Normal Resumed: Job resumed
    300: Normal SuccessfulDelete: Deleted pod: job-pod-2
    330: Warning DeadlineExceeded: Job was active longer than specified deadline
    "#);
}

#[test]
fn without_completions_the_first_success_is_the_last_pod() {
    let mut sim = job(json!({"parallelism": 3, "backoffLimit": 6}));
    sim.play(&[(0, &[]), (1, &[Ends("pod-1", 1)])]);
    assert_eq!(sim.wait(), 11, "none has succeeded: the failed one is replaced");
    sim.play(&[(12, &[Ends("pod-2", 0)]), (20, &[Ends("pod-3", 1)]), (40, &[])]);
    assert_eq!(sim.active(), ["job-pod-4"], "what runs is left to end");
    assert!(sim.status().conditions.is_none());
    sim.play(&[(50, &[Ends("pod-4", 0)])]);
    assert_eq!((sim.status().succeeded, sim.status().failed), (Some(2), Some(2)));
    sim.assert_over("Complete");
}

#[test]
fn a_pod_is_counted_in_three_steps_and_even_if_it_goes_meanwhile() {
    let mut sim = job(json!({"completions": 2, "parallelism": 1, "backoffLimit": 6}));
    sim.at(0);
    sim.ends("pod-1", 0);
    let first = sim.look();
    let status = first.status.unwrap();
    let uncounted = status.uncounted_terminated_pods.unwrap();
    assert_eq!(uncounted.succeeded, Some(vec!["uid of job-pod-1".to_owned()]));
    assert_eq!(status.succeeded, None);
    assert_eq!(first.release, ["job-pod-1"]);
    assert_eq!(first.again, Some(Duration::ZERO));
    sim.pods.retain(|pod| pods::name(pod) != "job-pod-1");
    let second = sim.look();
    let status = second.status.unwrap();
    assert_eq!(status.succeeded, Some(1));
    assert_eq!(
        status.uncounted_terminated_pods,
        Some(UncountedTerminatedPods::default())
    );
    // The finalizer is held up: the pod is neither counted nor listed twice.
    sim.ends("pod-2", 0);
    sim.look();
    sim.pod("pod-2").metadata.finalizers = Some(vec![TRACKING_FINALIZER.to_owned()]);
    let third = sim.look();
    assert_eq!((third.status, third.release), (None, vec!["job-pod-2".to_owned()]));
    assert_eq!(sim.status().succeeded, Some(1));
    sim.settle();
    assert_eq!(sim.status().succeeded, Some(2));
    sim.assert_over("Complete");
}

#[test]
fn a_success_policy_that_is_met_outweighs_what_fails_later() {
    let mut sim = job(
        json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 0,
        "successPolicy": {"rules": [{"succeededCount": 1}]},
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [137]}}]}}),
    );
    sim.play(&[
        (0, &[]),
        (1, &[Running("job-0"), Running("job-1")]),
        (2, &[Ends("job-1", 0)]),
    ]);
    assert_eq!(sim.status().terminating, Some(1));
    sim.play(&[(9, &[Ends("job-0", 137)]), (10, &[Gone("job-0")])]);
    assert_eq!((sim.status().succeeded, sim.status().failed), (Some(1), None));
    sim.assert_over("Complete");
    // Seen together, the failure comes first.
    let mut sim = job(
        json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 0,
        "successPolicy": {"rules": [{"succeededCount": 1}]}}),
    );
    sim.play(&[(0, &[]), (1, &[Ends("job-0", 0), Ends("job-1", 1)])]);
    assert_eq!((sim.status().succeeded, sim.status().failed), (Some(1), Some(1)));
    sim.assert_over("Failed");
}

#[test]
fn as_many_indexes_may_fail_as_is_said() {
    let mut sim = job(
        json!({"completions": 4, "parallelism": 1, "completionMode": "Indexed", "backoffLimitPerIndex": 0,
        "backoffLimit": 2_147_483_647, "maxFailedIndexes": 1}),
    );
    sim.play(&[(0, &[]), (1, &[Ends("job-0", 1)]), (2, &[Ends("job-1", 0)])]);
    assert_eq!(sim.active(), ["job-2-pod-3"]);
    sim.play(&[(3, &[Ends("job-2", 1)])]);
    assert_eq!(sim.status().failed_indexes.as_deref(), Some("0,2"));
    sim.assert_over("Failed");
}

#[test]
fn deleted_pods_are_replaced_at_once_or_when_they_have_ended() {
    for (policy, rules, at_once) in [
        (json!("TerminatingOrFailed"), json!(null), true),
        (json!("Failed"), json!(null), false),
        (json!(null), json!({"rules": []}), false),
    ] {
        let mut sim = job(
            json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 6,
            "podReplacementPolicy": policy, "podFailurePolicy": rules}),
        );
        sim.play(&[
            (0, &[]),
            (1, &[Running("job-0"), Running("job-1")]),
            (2, &[Delete("job-0")]),
            (12, &[]),
        ]);
        assert_eq!(sim.active().len() == 2, at_once, "{policy}: {:?}", sim.active());
        assert_eq!(sim.status().failed.is_some(), at_once, "{policy}");
        sim.play(&[(20, &[Gone("job-0-pod-1")]), (30, &[])]);
        assert_eq!(sim.active(), ["job-1-pod-2", "job-0-pod-3"], "{policy}");
        sim.play(&[(40, &[Ends("pod-2", 0), Ends("pod-3", 0)])]);
        assert_eq!(
            (sim.status().succeeded, sim.status().failed),
            (Some(2), Some(1)),
            "{policy}"
        );
        sim.assert_over("Complete");
    }
}

#[test]
fn an_index_whose_pod_is_ending_is_not_free() {
    let mut sim = job(
        json!({"completions": 3, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 6,
        "podReplacementPolicy": "Failed"}),
    );
    sim.play(&[
        (0, &[]),
        (1, &[Running("job-0")]),
        (2, &[Delete("job-0"), Ends("job-1", 0)]),
    ]);
    assert_eq!(sim.active(), ["job-2-pod-3"]);
}

#[test]
fn the_last_pod_of_an_index_knows_its_failures() {
    let mut sim = job(
        json!({"completions": 1, "parallelism": 1, "completionMode": "Indexed", "backoffLimitPerIndex": 3,
        "backoffLimit": 2_147_483_647}),
    );
    // The second fails before the first is released.
    sim.play(&[(0, &[]), (1, &[Ends("pod-1", 1)]), (11, &[Look, Ends("pod-2", 1)])]);
    assert_eq!(sim.wait(), 31);
    assert_eq!(annotation(&mut sim, "pod-3", pods::FAILURE_COUNT).unwrap(), "2");
    sim.play(&[(40, &[Ends("pod-3", 0)])]);
    assert_eq!(sim.status().failed, Some(2));
    sim.assert_over("Complete");
}

#[test]
fn a_failure_counts_once_while_its_finalizer_is_held_up() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "backoffLimit": 1}));
    sim.at(0);
    sim.ends("pod-1", 1);
    sim.look();
    for _ in 0..2 {
        sim.pod("pod-1").metadata.finalizers = Some(vec![TRACKING_FINALIZER.to_owned()]);
        assert_eq!(sim.look().release, ["job-pod-1"]);
    }
    sim.settle();
    assert!(sim.status().conditions.is_none());
    assert_eq!(sim.wait(), 10);
}

#[test]
fn a_job_suspended_in_time_does_not_run_out_of_it() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "backoffLimit": 6, "activeDeadlineSeconds": 100}));
    sim.play(&[(0, &[]), (100, &[Suspend(true)])]);
    let conditions = sim.status().conditions.unwrap();
    assert_eq!(
        conditions.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
        ["Suspended"]
    );
}

#[test]
fn pods_of_one_index_too_many_go() {
    let mut sim = job(json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimit": 6}));
    sim.play(&[(0, &[]), (1, &[Running("job-0"), Running("job-1"), Running("job-2")])]);
    for (index, name) in [
        (Some("0"), "twin"),
        (Some("9"), "beyond"),
        (Some("-1"), "below"),
        (None, "without"),
    ] {
        let mut pod = sim.pod("job-0").clone();
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.uid = Some(name.to_owned());
        pod.metadata.creation_timestamp = Some(Time(sim.now));
        let annotations = pod.metadata.annotations.as_mut().unwrap();
        annotations.remove(pods::INDEX);
        annotations.extend(index.map(|index| (pods::INDEX.to_owned(), index.to_owned())));
        sim.pods.push(pod);
    }
    // An index without a pod gets it in a later look.
    sim.pods.retain(|pod| pods::name(pod) != "job-1-pod-2");
    let plan = sim.look();
    let mut deleted = plan.delete.clone();
    deleted.sort();
    assert_eq!(
        deleted,
        ["below", "beyond", "twin", "without"],
        "the younger of the twins"
    );
    assert!(plan.create.is_empty());
    assert_eq!(plan.release, plan.delete, "they count for nothing");
    assert_eq!(plan.status.unwrap().active, Some(2));
    sim.settle();
    assert_eq!(sim.active().len(), 3);
}

#[test]
fn fewer_completions_take_indexes_away() {
    let mut sim = job(json!({"completions": 4, "parallelism": 4, "completionMode": "Indexed", "backoffLimit": 6}));
    sim.play(&[(0, &[]), (1, &[Ends("job-0", 0), Ends("job-3", 0)])]);
    assert_eq!(sim.status().completed_indexes.as_deref(), Some("0,3"));
    sim.spec().completions = Some(2);
    sim.play(&[(2, &[Parallelism(2)])]);
    assert_eq!(sim.status().completed_indexes.as_deref(), Some("0"));
    assert_eq!(sim.active(), ["job-1-pod-2"]);
    sim.play(&[(3, &[Gone("job-2"), Ends("job-1", 0)])]);
    assert_eq!(sim.status().succeeded, Some(2));
    sim.assert_over("Complete");
}

#[test]
fn more_successes_than_asked_for_are_told() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "backoffLimit": 6}));
    sim.at(0);
    let mut twin = sim.pod("pod-1").clone();
    twin.metadata.name = Some("twin".to_owned());
    twin.metadata.uid = Some("twin".to_owned());
    sim.pods.push(twin);
    sim.play(&[(1, &[Ends("pod-1", 0), Ends("twin", 0)])]);
    assert_eq!(
        sim.events[1..],
        [
            "1: Warning TooManySucceededPods: Too many succeeded pods running after completion count reached",
            "1: Normal Completed: Job completed",
        ]
    );
}

#[test]
fn a_job_under_deletion_lets_its_pods_go_and_makes_none() {
    let mut sim = job(json!({"completions": 3, "parallelism": 2, "backoffLimit": 6}));
    sim.play(&[(0, &[]), (1, &[Running("pod-1")])]);
    sim.job.metadata.deletion_timestamp = Some(Time(sim.now));
    sim.play(&[(2, &[Ends("pod-2", 1)])]);
    assert_eq!(sim.pods.len(), 2, "none new, none deleted by the controller");
    assert!(sim.pods.iter().all(|pod| !pods::has_finalizer(pod)));
    assert_eq!((sim.status().active, sim.status().failed), (Some(1), Some(1)));
}

#[test]
fn a_job_of_another_controller_is_left_alone() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "managedBy": "example.com/queue"}));
    assert_eq!(sim.look(), Plan::default());
    sim.spec().managed_by = Some("kubernetes.io/job-controller".to_owned());
    assert_eq!(sim.look().create.len(), 1);
}

#[test]
fn times_in_the_status_have_whole_seconds() {
    let mut sim = job(json!({"completions": 1, "parallelism": 1, "activeDeadlineSeconds": 10}));
    sim.now = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(1700);
    let plan = sim.look();
    assert_eq!(plan.status.unwrap().start_time.unwrap().0.as_millisecond(), 1000);
    assert_eq!(plan.again, Some(Duration::from_millis(9300)));
}

proptest::proptest! {
    /// Whatever the pods of a Job do, each end is counted once and no pod is held for ever.
    #[test]
    fn every_end_counts_once(codes in proptest::collection::vec(0..3, 60), parallelism in 1..5_i32, completions in 1..8_i32) {
        let mut sim = job(json!({"completions": completions, "parallelism": parallelism, "backoffLimit": 5}));
        let (mut succeeded, mut failed) = (0, 0);
        for code in codes {
            sim.settle();
            if conditions::finished(&sim.job) {
                break;
            }
            let Some(name) = sim.active().into_iter().next() else {
                if let Some(ending) = sim.pods.iter().find(|pod| pods::is_terminating(pod)).map(pods::name) {
                    sim.gone(&ending);
                } else {
                    sim.wait();
                }
                continue;
            };
            sim.now += Duration::from_secs(1);
            match code {
                0 => { sim.ends(&name, 0); succeeded += 1 },
                1 => { sim.ends(&name, 1); failed += 1 },
                _ => { sim.delete(&name); failed += 1 },
            }
            let running = i32::try_from(sim.active().len()).unwrap();
            assert!(running <= parallelism.min(completions), "{running} run");
            if failed > 5 {
                // The others are deleted, and count as failed.
                failed += running;
                break;
            }
        }
        sim.settle();
        let ending: Vec<_> = sim.pods.iter().filter(|pod| pods::is_terminating(pod)).map(pods::name).collect();
        for name in &ending {
            sim.gone(name);
        }
        sim.settle();
        let status = sim.status();
        assert_eq!((status.succeeded.unwrap_or_default(), status.failed.unwrap_or_default()), (succeeded, failed));
        if failed > 5 {
            sim.assert_over("Failed");
        } else if succeeded == completions {
            sim.assert_over("Complete");
        }
    }
}
