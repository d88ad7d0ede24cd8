//! The status of a pod from what its containers have done (pure): pkg/kubelet/kubelet_pods.go,
//! pkg/kubelet/status/generate.go and status_manager.go.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    env::IP,
    image,
    phase::{Shown, State, phase, shown},
    pod::{Attempt, Container, Kind},
};

/// Reason and message of a pod that ran for longer than it may (pkg/kubelet/active_deadline.go).
pub(super) const DEADLINE: (&str, &str) = (
    "DeadlineExceeded",
    "Pod was active on the node longer than the specified deadline",
);
/// The message about a container of which nothing is known.
const LOST: &str = "The container could not be located when the pod was terminated";

/// How far the pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Seen.
    Seen,
    /// Its containers can be started.
    Ready,
    /// Its containers are being stopped.
    Stopping,
    /// All of them have stopped.
    Stopped,
}

/// A pod as the kubelet sees it.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) pod: &'a Value,
    pub(super) containers: &'a [Container],
    pub(super) stage: Stage,
    /// It ran for longer than it may.
    pub(super) expired: bool,
    /// When the kubelet saw it first.
    pub(super) seen: Timestamp,
}

fn terminated(attempt: &Attempt) -> Value {
    let Some(ended) = &attempt.ended else {
        return Value::Null;
    };
    let mut state = json!({
        "exitCode": ended.code, "reason": ended.reason, "containerID": attempt.id,
        // One that never started did so in 1970, as containerd has it.
        "startedAt": seconds(attempt.started.unwrap_or_default()), "finishedAt": seconds(ended.at),
    });
    if !ended.message.is_empty() {
        state["message"] = json!(ended.message);
    }
    state
}

fn container_status(container: &Container, shown: &Shown<'_>) -> Value {
    let named = container.spec["image"].as_str().unwrap_or_default();
    let mut status = json!({
        "name": container.name, "image": named, "imageID": "", "lastState": {},
        "ready": shown.ready(container.kind), "started": matches!(shown.state, State::Running(_)),
        "restartCount": container.attempts.saturating_sub(1),
    });
    status["state"] = match shown.state {
        State::Waiting(reason, "") => json!({"waiting": {"reason": reason}}),
        State::Waiting(reason, message) => json!({"waiting": {"reason": reason, "message": message}}),
        State::Running(started) => json!({"running": {"startedAt": seconds(started)}}),
        State::Ended(attempt, _) => json!({"terminated": terminated(attempt)}),
    };
    if let Some(last) = shown.last {
        status["lastState"] = json!({"terminated": terminated(last)});
    }
    if let Some(current) = &container.current {
        status["containerID"] = json!(current.id);
        status["image"] = json!(image::normalize(named).unwrap_or_else(|_| named.to_owned()));
        status["resources"] = container
            .spec
            .get("resources")
            .cloned()
            .unwrap_or_else(|| Map::new().into());
    }
    status
}

/// The phase is final.
pub(super) fn is_final(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Failed")
}

/// The phase that the pod comes to. A final one is not shown before all containers have stopped.
pub(super) fn comes_to(view: &View<'_>) -> &'static str {
    match view.pod["status"]["phase"].as_str() {
        _ if view.expired => "Failed",
        Some("Failed") => "Failed",
        Some("Succeeded") => "Succeeded",
        _ => {
            let shown: Vec<Shown<'_>> = view.containers.iter().map(|c| shown(c, view)).collect();
            phase(view.containers, &shown, view.stage == Stage::Stopped)
        }
    }
}

/// The pod's new status, from its old one.
pub(super) fn status(view: &View<'_>, now: Timestamp) -> Value {
    let old = &view.pod["status"];
    let shown: Vec<Shown<'_>> = view.containers.iter().map(|c| shown(c, view)).collect();
    let to = comes_to(view);
    let mut status = old.clone();
    if !is_final(to) || view.stage == Stage::Stopped {
        status["phase"] = json!(to);
        if view.expired {
            (status["reason"], status["message"]) = (json!(DEADLINE.0), json!(DEADLINE.1));
        }
    }
    for (list, main) in [("initContainerStatuses", false), ("containerStatuses", true)] {
        let all = view.containers.iter().zip(&shown);
        let statuses: Vec<Value> = all
            .filter(|(container, _)| (container.kind == Kind::Main) == main)
            .map(|(container, shown)| container_status(container, shown))
            .collect();
        if !statuses.is_empty() {
            status[list] = json!(statuses);
        }
    }
    let generation = view.pod["metadata"]["generation"].clone();
    let before = old["conditions"].as_array().cloned().unwrap_or_default();
    let owned = conditions(view, &shown, to);
    // Others' conditions stay in front, as the kubelet has them.
    let is_owned = |condition: &Value| owned.iter().any(|(kind, ..)| condition["type"] == *kind);
    let mut list: Vec<Value> = before.iter().filter(|c| !is_owned(c)).cloned().collect();
    for condition in owned {
        list.extend(before.iter().find(|old| old["type"] == condition.0).cloned());
        set_condition(&mut list, condition, &generation, now);
    }
    status["conditions"] = json!(list);
    if !generation.is_null() {
        status["observedGeneration"] = generation;
    }
    status["hostIP"] = json!(IP);
    status["hostIPs"] = json!([{"ip": IP}]);
    status["startTime"] = seconds(view.seen);
    status["qosClass"] = json!(qos(view.containers));
    if view.stage != Stage::Seen {
        status["podIP"] = json!(IP);
        status["podIPs"] = json!([{"ip": IP}]);
    }
    status
}

/// A condition: type, whether it is true, reason, message.
type Condition = (&'static str, bool, &'static str, String);

/// Sets a condition; its transition is that of its status.
pub(super) fn set_condition(list: &mut Vec<Value>, condition: Condition, generation: &Value, now: Timestamp) {
    let (kind, holds, reason, message) = condition;
    let mut new = json!({
        "type": kind, "status": if holds { "True" } else { "False" },
        "lastProbeTime": null, "lastTransitionTime": seconds(now),
    });
    for (field, value) in [
        ("reason", json!(reason)),
        ("message", json!(message)),
        ("observedGeneration", generation.clone()),
    ] {
        if !value.is_null() && value != "" {
            new[field] = value;
        }
    }
    match list.iter_mut().find(|old| old["type"] == kind) {
        Some(old) => {
            if old["status"] == new["status"] {
                new["lastTransitionTime"] = old["lastTransitionTime"].take();
            }
            *old = new;
        }
        None => list.push(new),
    }
}

/// The kubelet's own conditions, in its order (generate.go).
fn conditions(view: &View<'_>, shown: &[Shown<'_>], phase: &str) -> [Condition; 5] {
    let all = || view.containers.iter().zip(shown);
    let names = |names: Vec<&str>| names.join(" ");
    let incomplete: Vec<&str> = all()
        .filter(|(c, shown)| match c.kind {
            Kind::Init => !shown.ready(c.kind),
            Kind::Sidecar => !matches!(shown.state, State::Running(_)),
            Kind::Main => false,
        })
        .map(|(c, _)| c.name.as_str())
        .collect();
    let main_started = all().any(|(c, shown)| c.kind == Kind::Main && !matches!(shown.state, State::Waiting(..)));
    let initialized = if phase == "Succeeded" {
        (true, "PodCompleted", String::new())
    } else if main_started || incomplete.is_empty() {
        (true, "", String::new())
    } else {
        let message = format!("containers with incomplete status: [{}]", names(incomplete));
        (false, "ContainersNotInitialized", message)
    };
    let unready: Vec<&str> = all()
        .filter(|(c, shown)| c.kind != Kind::Init && !shown.ready(c.kind))
        .map(|(c, _)| c.name.as_str())
        .collect();
    let ready = match phase {
        "Succeeded" => (false, "PodCompleted", String::new()),
        "Failed" => (false, "PodFailed", String::new()),
        _ if unready.is_empty() => (true, "", String::new()),
        _ => {
            let message = format!("containers with unready status: [{}]", names(unready));
            (false, "ContainersNotReady", message)
        }
    };
    let up = matches!(view.stage, Stage::Ready | Stage::Stopping);
    [
        ("PodReadyToStartContainers", up, "", String::new()),
        ("Initialized", initialized.0, initialized.1, initialized.2),
        ("Ready", ready.0, ready.1, ready.2.clone()),
        ("ContainersReady", ready.0, ready.1, ready.2),
        ("PodScheduled", true, "", String::new()),
    ]
}

/// `TerminatePod` of the status manager: what did not come to an end that is known counts as failed,
/// and so does a pod that stopped before its time.
pub(super) fn terminate(status: &mut Value, containers: &[Container]) {
    let of = |init: bool| containers.iter().filter(move |c| (c.kind != Kind::Main) == init);
    let last_init_done = of(true).next_back().is_none_or(|c| match c.kind {
        Kind::Init => c.ended().is_some_and(|ended| ended.code == 0),
        Kind::Sidecar | Kind::Main => c.running(),
    });
    let initialized = last_init_done || of(false).any(|c| c.current.is_some());
    let known = of(true).collect::<Vec<_>>();
    let inits = known.iter().rposition(|c| c.current.is_some()).unwrap_or(0) + 1;
    for (list, count) in [
        ("initContainerStatuses", inits),
        ("containerStatuses", if initialized { containers.len() } else { 0 }),
    ] {
        let statuses = status.get_mut(list).and_then(Value::as_array_mut);
        let statuses = statuses.into_iter().flatten().take(count);
        for status in statuses.filter(|status| !status["state"]["terminated"].is_object()) {
            status["state"] = json!({"terminated": {
                "exitCode": 137, "reason": "ContainerStatusUnknown", "message": LOST, "startedAt": null, "finishedAt": null,
            }});
        }
    }
    if !status["phase"].as_str().is_some_and(is_final) {
        status["phase"] = json!("Failed");
    }
}

/// pkg/apis/core/v1/helper/qos.
fn qos(containers: &[Container]) -> &'static str {
    let amount = |container: &Container, list: &str, name: &str| container.spec["resources"][list][name].clone();
    let mut any = false;
    let mut all_equal = true;
    for (container, name) in containers.iter().flat_map(|c| [(c, "cpu"), (c, "memory")]) {
        let (limit, request) = (amount(container, "limits", name), amount(container, "requests", name));
        any |= !limit.is_null() || !request.is_null();
        all_equal &= !limit.is_null() && (request.is_null() || request == limit);
    }
    match (any, all_equal) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// A time in whole seconds, as statuses have it.
pub(super) fn seconds(at: Timestamp) -> Value {
    json!(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
