//! What is read from pods, and how new ones look.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::{
    Plan, backoff, orphaned, pods,
    simulator::{Do::Ends, Simulator},
};

#[test]
fn the_pod_to_be_missed_least_goes_first() {
    let pod = |name: &str, node: &str, phase: &str, ready: Option<i64>, restarts: i32, created: i64| -> Pod {
        let time = |second: i64| Timestamp::from_second(second).unwrap().to_string();
        let condition =
            ready.map(|since| json!({"type": "Ready", "status": "True", "lastTransitionTime": time(since)}));
        serde_json::from_value(json!({
            "metadata": {"name": name, "creationTimestamp": time(created)},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": phase, "conditions": condition.into_iter().collect::<Vec<_>>(), "containerStatuses": [
                {"name": "main", "restartCount": restarts, "ready": false, "image": "", "imageID": ""}]},
        }))
        .unwrap()
    };
    let expected = [
        ("unassigned, though older", "", "Pending", None, 0, 1),
        ("pending", "node", "Pending", None, 0, 2),
        ("unknown", "node", "Unknown", None, 0, 2),
        ("not ready", "node", "Running", None, 0, 2),
        ("ready of late", "node", "Running", Some(9), 0, 2),
        ("restarted", "node", "Running", Some(5), 3, 2),
        ("young", "node", "Running", Some(5), 0, 3),
        ("old", "node", "Running", Some(5), 0, 2),
    ]
    .map(|(name, node, phase, ready, restarts, created)| Box::new(pod(name, node, phase, ready, restarts, created)));
    let mut sorted: Vec<&Pod> = expected.iter().rev().map(Box::as_ref).collect();
    pods::sort_for_removal(&mut sorted);
    let names = |pods: &[&Pod]| pods.iter().map(|pod| pods::name(pod)).collect::<Vec<_>>();
    assert_eq!(names(&sorted), names(&expected.each_ref().map(Box::as_ref)));
}

#[test]
fn finalizers_that_nobody_will_count_are_orphaned() {
    let mut sim = Simulator::new("job", json!({"completions": 1, "parallelism": 1, "backoffLimit": 6}));
    sim.at(0);
    let pod = sim.pods[0].clone();
    let changed = |change: &dyn Fn(&mut Pod)| {
        let mut pod = pod.clone();
        change(&mut pod);
        pod
    };
    let running = sim.job.clone();
    sim.play(&[(1, &[Ends("pod-1", 0)])]);
    let finished = sim.job.clone();
    let mut namesake = running.clone();
    namesake.metadata.uid = Some("another".to_owned());
    let mut elsewhere = finished.clone();
    elsewhere.spec.as_mut().unwrap().managed_by = Some("example.com/queue".to_owned());
    let released = changed(&|pod| pod.metadata.finalizers = None);
    let free = changed(&|pod| pod.metadata.owner_references = None);
    let of_others = changed(&|pod| pod.metadata.owner_references.as_mut().unwrap()[0].kind = "Other".to_owned());
    for (what, pod, job, expected) in [
        ("its Job runs", &pod, Some(&running), false),
        ("its Job is finished", &pod, Some(&finished), true),
        ("its Job is gone", &pod, None, true),
        ("its Job's name is another's", &pod, Some(&namesake), true),
        ("its Job is managed elsewhere", &pod, Some(&elsewhere), false),
        ("no finalizer", &released, None, false),
        ("no controller", &free, None, true),
        ("another kind of controller", &of_others, None, false),
    ] {
        assert_eq!(orphaned(pod, job), expected, "{what}");
    }
    // A finished Job does this itself.
    sim.pods = vec![pod];
    let plan = sim.look();
    assert_eq!(
        plan,
        Plan {
            release: vec!["job-pod-1".to_owned()],
            ..Plan::default()
        }
    );
}

#[test]
fn the_end_of_a_pod_is_found_where_it_is_written() {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let time = |second: i64| at(second).to_string();
    let ended = |name: &str, second: i64| {
        json!({"name": name, "ready": false, "restartCount": 0, "image": "", "imageID": "",
        "state": {"terminated": {"exitCode": 1, "finishedAt": time(second)}}})
    };
    let runs = json!({"name": "main", "ready": true, "restartCount": 0, "image": "", "imageID": "",
        "state": {"running": {}}});
    let not_ready = json!([{"type": "Ready", "status": "False", "lastTransitionTime": time(40)}]);
    let spec = json!({"containers": [], "initContainers": [
        {"name": "setup"}, {"name": "side", "restartPolicy": "Always"}]});
    for (what, metadata, status, expected) in [
        (
            "the last container",
            json!({}),
            json!({"containerStatuses": [ended("a", 20), ended("b", 10)]}),
            20,
        ),
        (
            "the side-car",
            json!({}),
            json!({"containerStatuses": [ended("a", 20)],
            "initContainerStatuses": [ended("setup", 50), ended("side", 30)]}),
            30,
        ),
        (
            "not all have ended",
            json!({}),
            json!({"containerStatuses": [ended("a", 20), runs], "conditions": not_ready}),
            40,
        ),
        (
            "deletion less grace",
            json!({"deletionTimestamp": time(90), "deletionGracePeriodSeconds": 30}),
            json!({}),
            60,
        ),
        ("creation", json!({"creationTimestamp": time(5)}), json!({}), 5),
    ] {
        let pod: Pod = serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap();
        assert_eq!(backoff::finished_at(&pod), at(expected), "{what}");
    }
}

#[test]
fn a_pod_is_as_its_template_and_its_index_say() {
    let mut sim = Simulator::new(
        "job",
        json!({"completions": 2, "parallelism": 1, "completionMode": "Indexed", "backoffLimitPerIndex": 1,
        "template": {
            "metadata": {"labels": {"l": "1"}, "annotations": {"a": "1"}, "finalizers": ["example.com/f"]},
            "spec": {"restartPolicy": "Never", "containers": [
                {"name": "main"}, {"name": "own", "env": [{"name": "JOB_COMPLETION_INDEX", "value": "7"}]}],
                "initContainers": [{"name": "setup"}]}}}),
    );
    let pod = sim.look().create.remove(0);
    insta::assert_snapshot!(serde_json::to_string_pretty(&pod).unwrap(), @r#"
    {
      "apiVersion": "v1",
      "kind": "Pod",
      "metadata": {
        "annotations": {
          "a": "1",
          "batch.kubernetes.io/job-completion-index": "0",
          "batch.kubernetes.io/job-index-failure-count": "0"
        },
        "finalizers": [
          "example.com/f",
          "batch.kubernetes.io/job-tracking"
        ],
        "generateName": "job-0-",
        "labels": {
          "batch.kubernetes.io/job-completion-index": "0",
          "l": "1"
        },
        "name": "job-0-pod-1",
        "namespace": "default",
        "ownerReferences": [
          {
            "apiVersion": "batch/v1",
            "blockOwnerDeletion": true,
            "controller": true,
            "kind": "Job",
            "name": "job",
            "uid": "job-uid"
          }
        ]
      },
      "spec": {
        "containers": [
          {
            "env": [
              {
                "name": "JOB_COMPLETION_INDEX",
                "valueFrom": {
                  "fieldRef": {
                    "fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"
                  }
                }
              }
            ],
            "name": "main"
          },
          {
            "env": [
              {
                "name": "JOB_COMPLETION_INDEX",
                "value": "7"
              }
            ],
            "name": "own"
          }
        ],
        "hostname": "job-0",
        "initContainers": [
          {
            "env": [
              {
                "name": "JOB_COMPLETION_INDEX",
                "valueFrom": {
                  "fieldRef": {
                    "fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"
                  }
                }
              }
            ],
            "name": "setup"
          }
        ],
        "restartPolicy": "Never"
      }
    }
    "#);
}

#[test]
fn long_names_are_cut_as_the_api_server_cuts_them() {
    // Seen on a real cluster: the dash is cut off too.
    let name = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg";
    for (mode, pod) in [
        (
            "NonIndexed",
            "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffff5q46p",
        ),
        (
            "Indexed",
            "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffff-0-5q46p",
        ),
    ] {
        let mut sim = Simulator::new(
            name,
            json!({"completions": 1, "parallelism": 1, "completionMode": mode}),
        );
        sim.suffixes = vec!["5q46p".to_owned()];
        let created = sim.look().create.remove(0);
        assert_eq!(pods::name(&created), pod);
        assert_eq!(pod.len(), 63);
    }
}
