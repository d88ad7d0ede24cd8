//! The tables of `pod_failure_policy_test.go` and `success_policy_test.go`, in short.

use k8s_openapi::api::{
    batch::v1::{PodFailurePolicy, SuccessPolicy},
    core::v1::Pod,
};
use serde_json::{Value, json};

use super::{
    failure_policy::{Ruling, ruling},
    indexes::Indexes,
    success_policy::met,
};

fn failed(containers: &[(&str, i32)], init: &[(&str, i32)], conditions: &[(&str, &str)]) -> Pod {
    let statuses = |list: &[(&str, i32)]| -> Value {
        list.iter()
            .map(|(name, code)| {
                let state = match code {
                    // Stands for one that has not ended.
                    -99 => json!({"running": {}}),
                    code => json!({"terminated": {"exitCode": code}}),
                };
                json!({"name": name, "state": state, "ready": false, "restartCount": 0, "image": "", "imageID": ""})
            })
            .collect()
    };
    let conditions = conditions
        .iter()
        .map(|(kind, status)| json!({"type": kind, "status": status}));
    serde_json::from_value(json!({
        "metadata": {"namespace": "default", "name": "mypod"},
        "status": {
            "phase": "Failed",
            "containerStatuses": statuses(containers),
            "initContainerStatuses": statuses(init),
            "conditions": conditions.collect::<Value>(),
        },
    }))
    .unwrap()
}

#[test]
fn the_first_rule_that_matches_decides() {
    let codes = |action: &str, operator: &str, values: &[i32]| json!({"action": action, "onExitCodes": {"operator": operator, "values": values}});
    let named = |name: &str, values: &[i32]| json!({"action": "FailJob", "onExitCodes": {"containerName": name, "operator": "In", "values": values}});
    let pod_condition = |action: &str, status: Value| json!({"action": action, "onPodConditions": [{"type": "Other"}, {"type": "DisruptionTarget", "status": status}]});
    let exits = |code: i32| failed(&[("main", code)], &[], &[]);
    let disrupted = |status: &str| failed(&[("main", 1)], &[], &[("Ready", "False"), ("DisruptionTarget", status)]);
    let by_code = |container: &str, code: i32, rule: usize| {
        Ruling::FailJob(format!(
            "Container {container} for pod default/mypod failed with exit code {code} matching FailJob rule at index {rule}"
        ))
    };
    let by_condition =
        Ruling::FailJob("Pod default/mypod has condition DisruptionTarget matching FailJob rule at index 0".to_owned());
    let two = failed(&[("main", 0), ("side", 7)], &[("setup", 5)], &[]);
    let running = failed(&[("main", -99), ("side", 3)], &[], &[]);
    for (rules, pod, expected) in vec![
        (vec![], exits(2), Ruling::Count),
        (
            vec![codes("Later", "In", &[1, 2]), codes("FailJob", "In", &[2, 3])],
            exits(2),
            by_code("main", 2, 1),
        ),
        (
            vec![codes("Ignore", "Later", &[1, 2]), codes("FailJob", "In", &[2, 3])],
            exits(2),
            by_code("main", 2, 1),
        ),
        (vec![codes("Ignore", "In", &[1, 2, 3])], exits(2), Ruling::Ignore),
        (vec![codes("Ignore", "In", &[-1])], exits(-1), Ruling::Ignore),
        (vec![codes("FailIndex", "In", &[2])], exits(2), Ruling::FailIndex),
        (
            vec![codes("Count", "In", &[2]), codes("Ignore", "In", &[2])],
            exits(2),
            Ruling::Count,
        ),
        (vec![codes("Ignore", "In", &[4])], exits(2), Ruling::Count),
        (
            vec![codes("FailJob", "NotIn", &[5, 6])],
            exits(7),
            by_code("main", 7, 0),
        ),
        (vec![codes("FailJob", "NotIn", &[7])], exits(7), Ruling::Count),
        (vec![codes("FailJob", "NotIn", &[1])], exits(0), Ruling::Count),
        (vec![codes("FailJob", "In", &[5])], two.clone(), by_code("setup", 5, 0)),
        (
            vec![codes("FailJob", "NotIn", &[1])],
            two.clone(),
            by_code("side", 7, 0),
        ),
        (vec![named("setup", &[5, 7])], two.clone(), by_code("setup", 5, 0)),
        (vec![named("main", &[5, 7])], two, Ruling::Count),
        (vec![codes("FailJob", "NotIn", &[1])], running, by_code("side", 3, 0)),
        (
            vec![pod_condition("Ignore", json!("True"))],
            disrupted("True"),
            Ruling::Ignore,
        ),
        (
            vec![pod_condition("Ignore", json!("True"))],
            disrupted("False"),
            Ruling::Count,
        ),
        (
            vec![pod_condition("Ignore", json!("False"))],
            disrupted("False"),
            Ruling::Ignore,
        ),
        (
            vec![pod_condition("Ignore", json!("Unknown"))],
            disrupted("Unknown"),
            Ruling::Ignore,
        ),
        (
            vec![pod_condition("Ignore", Value::Null)],
            disrupted("True"),
            Ruling::Ignore,
        ),
        (
            vec![pod_condition("Ignore", Value::Null)],
            disrupted("False"),
            Ruling::Count,
        ),
        (
            vec![pod_condition("FailJob", json!("True"))],
            disrupted("True"),
            by_condition,
        ),
        (
            vec![pod_condition("FailIndex", json!("True"))],
            disrupted("True"),
            Ruling::FailIndex,
        ),
        (vec![pod_condition("Count", json!("True"))], exits(1), Ruling::Count),
    ] {
        let policy: PodFailurePolicy = serde_json::from_value(json!({"rules": rules})).unwrap();
        assert_eq!(ruling(Some(&policy), &pod), expected, "{rules:?}");
    }
    assert_eq!(ruling(None, &exits(2)), Ruling::Count);
}

#[test]
fn the_first_rule_that_is_met_is_named() {
    for (rules, succeeded, expected) in [
        (json!([]), "0", None),
        (json!([{"succeededIndexes": "a-b"}]), "0", None),
        (json!([{"succeededIndexes": ""}]), "0", None),
        (json!([{"succeededIndexes": "0-3"}]), "0-2", None),
        (json!([{"succeededIndexes": "0-3"}]), "0-3", Some(0)),
        (json!([{"succeededIndexes": "1,3"}]), "0-4", Some(0)),
        (json!([{"succeededIndexes": "0-3"}]), "", None),
        (json!([{"succeededCount": 2}]), "0,4", Some(0)),
        (json!([{"succeededCount": 3}]), "0,4", None),
        (
            json!([{"succeededIndexes": "0-4", "succeededCount": 2}]),
            "3-9",
            Some(0),
        ),
        (json!([{"succeededIndexes": "0-4", "succeededCount": 3}]), "3-9", None),
        (
            json!([{"succeededIndexes": "0-1"}, {"succeededIndexes": "2"}]),
            "2",
            Some(1),
        ),
        (json!([{"succeededIndexes": "0-9"}]), "0-7", Some(0)),
    ] {
        let policy: SuccessPolicy = serde_json::from_value(json!({"rules": rules})).unwrap();
        let message = expected.map(|rule| format!("Matched rules at index {rule}"));
        // Eight completions: a rule reaches no further.
        let succeeded = Indexes::parse(succeeded, 20);
        assert_eq!(met(Some(&policy), 8, &succeeded), message, "{rules} by {succeeded}");
    }
    assert_eq!(met(None, 8, &Indexes::parse("0-7", 8)), None);
}
