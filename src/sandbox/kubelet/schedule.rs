//! The scheduler of a cluster with one node (pure).

use std::env::consts;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::status::set_condition;
use crate::sandbox::meta;

/// The node's name.
pub const NODE: &str = "sandbox";

/// What is to become of a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing: it has a node, or is not to get one.
    Leave,
    /// It runs on the node.
    Bind,
    /// The node does not suit it.
    Unschedulable,
}

/// The message about a pod that the node does not suit; the one of k8s.io/kube-scheduler.
pub(super) const UNSUITABLE: &str = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no \
     new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";

/// Decides about a pod.
pub(super) fn decide(pod: &Value) -> Decision {
    let spec = &pod["spec"];
    let bound = spec["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let other = spec["schedulerName"].as_str().unwrap_or("default-scheduler") != "default-scheduler";
    let gated = spec["schedulingGates"]
        .as_array()
        .is_some_and(|gates| !gates.is_empty());
    if bound || other || gated || meta::deleted(pod) {
        return Decision::Leave;
    }
    let mut selector = spec["nodeSelector"].as_object().into_iter().flatten();
    if selector.all(|(key, value)| value.as_str().is_some_and(|value| label(key) == Some(value))) {
        Decision::Bind
    } else {
        Decision::Unschedulable
    }
}

/// Carries the decision out.
pub(super) fn apply(pod: &mut Value, decision: &Decision, now: Timestamp) {
    let condition = match decision {
        Decision::Leave => return,
        Decision::Bind => {
            pod["spec"]["nodeName"] = json!(NODE);
            ("PodScheduled", true, "", String::new())
        }
        Decision::Unschedulable => ("PodScheduled", false, "Unschedulable", UNSUITABLE.to_owned()),
    };
    let generation = pod["metadata"]["generation"].clone();
    let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    set_condition(&mut conditions, condition, &generation, now);
    pod["status"]["conditions"] = Value::Array(conditions);
}

/// The node's labels.
fn label(key: &str) -> Option<&'static str> {
    match key {
        "kubernetes.io/hostname" => Some(NODE),
        "kubernetes.io/os" => Some(match consts::OS {
            "macos" => "darwin",
            os => os,
        }),
        "kubernetes.io/arch" => Some(match consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            arch => arch,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_what_the_node_suits() {
        for (spec, expected) in [
            (json!({}), Decision::Bind),
            (
                json!({"nodeSelector": {"kubernetes.io/hostname": "sandbox"}}),
                Decision::Bind,
            ),
            (
                json!({"nodeSelector": {"kubernetes.io/hostname": "other"}}),
                Decision::Unschedulable,
            ),
            (json!({"nodeSelector": {"disk": "ssd"}}), Decision::Unschedulable),
            (
                json!({"nodeName": "sandbox", "nodeSelector": {"disk": "ssd"}}),
                Decision::Leave,
            ),
            (json!({"schedulerName": "mine"}), Decision::Leave),
            (json!({"schedulingGates": [{"name": "g"}]}), Decision::Leave),
        ] {
            assert_eq!(decide(&json!({"metadata": {}, "spec": spec})), expected, "{spec}");
        }
        let deleted = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}});
        assert_eq!(decide(&deleted), Decision::Leave);
    }

    #[test]
    fn a_second_look_changes_nothing() {
        let mut pod = json!({"metadata": {"generation": 1}, "spec": {}, "status": {}});
        apply(&mut pod, &Decision::Unschedulable, Timestamp::UNIX_EPOCH);
        let once = pod.clone();
        apply(&mut pod, &Decision::Unschedulable, Timestamp::from_second(9).unwrap());
        assert_eq!(pod, once);
        apply(&mut pod, &Decision::Bind, Timestamp::from_second(9).unwrap());
        assert_eq!(
            pod["status"]["conditions"],
            json!([{"type": "PodScheduled", "status": "True", "observedGeneration": 1, "lastProbeTime": null,
                "lastTransitionTime": "1970-01-01T00:00:09Z"}])
        );
        assert_eq!(pod["spec"]["nodeName"], NODE);
    }
}
