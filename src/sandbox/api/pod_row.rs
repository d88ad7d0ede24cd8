//! A pod as a row: `printPod` of pkg/printers/internalversion/printers.go (pure).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::table::{human, or_none, time};
use crate::sandbox::meta;

/// The row's condition, by which clients tell ended pods.
pub(super) fn condition(pod: &Value) -> Option<Value> {
    let (reason, message) = match pod["status"]["phase"].as_str()? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({"type": "Completed", "status": "True", "reason": reason, "message": message}))
}

pub(super) fn cells(pod: &Value, name: Value, age: Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let mut row = Row::of(pod);
    let sidecars = items(&spec["initContainers"])
        .iter()
        .filter(|c| restarts_always(c))
        .count();
    let all = items(&spec["containers"]).len() + sidecars;
    row.by_deletion(pod);
    let restarts = match row.last_restart {
        Some(at) if row.restarts > 0 => format!("{} ({} ago)", row.restarts, human(now.duration_since(at))),
        Some(_) | None => row.restarts.to_string(),
    };
    let ready = format!("{}/{all}", row.ready);
    vec![
        name,
        json!(ready),
        json!(row.reason),
        json!(restarts),
        age,
        or_none(&status["podIP"]),
        or_none(&spec["nodeName"]),
        json!("<none>"),
        json!("<none>"),
    ]
}

struct Row {
    reason: String,
    ready: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Row {
    fn of(pod: &Value) -> Self {
        let status = &pod["status"];
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let mut row = Self {
            reason: text(&status["reason"]).or(text(&status["phase"])).unwrap_or_default(),
            ready: 0,
            restarts: 0,
            last_restart: None,
        };
        let mut of_sidecars = Self {
            reason: String::new(),
            ..row
        };
        let initializing = row.initialize(pod, &mut of_sidecars);
        if !initializing || has_condition(status, "Initialized") {
            row.restarts = of_sidecars.restarts;
            row.last_restart = of_sidecars.last_restart;
            row.main(status);
        }
        row
    }

    /// Looks at the init containers: whether one is still at work or has failed.
    fn initialize(&mut self, pod: &Value, of_sidecars: &mut Self) -> bool {
        let specs = items(&pod["spec"]["initContainers"]);
        for (place, container) in items(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
            let sidecar = specs
                .iter()
                .any(|spec| spec["name"] == container["name"] && restarts_always(spec));
            self.count(container);
            if sidecar {
                of_sidecars.count(container);
            }
            let (ended, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
            if ended["exitCode"] == 0 {
                continue;
            }
            if sidecar && container["started"] == true {
                self.ready += usize::from(container["ready"] == true);
                continue;
            }
            self.reason = match (ended.is_object(), waiting["reason"].as_str()) {
                (true, _) => format!("Init:{}", end(ended)),
                (false, Some(reason)) if reason != "PodInitializing" => format!("Init:{reason}"),
                (false, Some(_) | None) => format!("Init:{place}/{}", specs.len()),
            };
            return true;
        }
        false
    }

    fn main(&mut self, status: &Value) {
        let mut runs = false;
        for container in items(&status["containerStatuses"]).iter().rev() {
            self.count(container);
            let state = &container["state"];
            let waiting = state["waiting"]["reason"].as_str().unwrap_or_default();
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if state["terminated"].is_object() {
                self.reason = end(&state["terminated"]);
            } else if container["ready"] == true && state["running"].is_object() {
                runs = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && runs {
            let word = if has_condition(status, "Ready") {
                "Running"
            } else {
                "NotReady"
            };
            word.clone_into(&mut self.reason);
        }
    }

    fn by_deletion(&mut self, pod: &Value) {
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        if meta::deleted(pod) && pod["status"]["reason"] == "NodeLost" {
            "Unknown".clone_into(&mut self.reason);
        } else if meta::deleted(pod) && !ended {
            "Terminating".clone_into(&mut self.reason);
        }
    }

    fn count(&mut self, container: &Value) {
        self.restarts += container["restartCount"].as_i64().unwrap_or(0);
        self.last_restart = self
            .last_restart
            .max(time(&container["lastState"]["terminated"]["finishedAt"]));
    }
}

fn end(ended: &Value) -> String {
    match (
        ended["reason"].as_str().filter(|reason| !reason.is_empty()),
        ended["signal"].as_i64(),
    ) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        (None, Some(_) | None) => format!("ExitCode:{}", ended["exitCode"]),
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn restarts_always(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn has_condition(status: &Value, kind: &str) -> bool {
    let mut conditions = items(&status["conditions"]).iter();
    conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pod: &Value) -> String {
        let now: Timestamp = "2026-01-01T00:01:40Z".parse().unwrap();
        let cells = cells(pod, json!("p"), json!("1s"), now);
        let words: Vec<_> = cells
            .iter()
            .take(4)
            .map(|cell| cell.as_str().unwrap().to_owned())
            .collect();
        words.join(" | ")
    }

    #[test]
    fn a_pod_is_shown_as_it_stands() {
        let one = json!([{"name": "c"}]);
        let with = |phase: &str, state: Value, ready: bool| {
            json!({"spec": {"containers": one}, "status": {"phase": phase, "containerStatuses": [
                {"name": "c", "state": state, "ready": ready, "restartCount": 0},
            ]}})
        };
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        let ended = |code: i64, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
        for (pod, expected) in [
            (
                json!({"spec": {"containers": one}, "status": {"phase": "Pending"}}),
                "p | 0/1 | Pending | 0",
            ),
            (
                with("Pending", waiting("ContainerCreating"), false),
                "p | 0/1 | ContainerCreating | 0",
            ),
            (with("Running", json!({"running": {}}), true), "p | 1/1 | Running | 0"),
            (
                with("Succeeded", ended(0, "Completed"), false),
                "p | 0/1 | Completed | 0",
            ),
            (with("Failed", ended(3, "Error"), false), "p | 0/1 | Error | 0"),
            (with("Failed", ended(3, ""), false), "p | 0/1 | ExitCode:3 | 0"),
        ] {
            assert_eq!(shown(&pod), expected);
        }
        let mut deleted = with("Running", json!({"running": {}}), true);
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(shown(&deleted), "p | 1/1 | Terminating | 0");
        let mut again = with("Running", json!({"running": {}}), true);
        let status = &mut again["status"]["containerStatuses"][0];
        status["restartCount"] = json!(2);
        status["lastState"] = json!({"terminated": {"finishedAt": "2026-01-01T00:00:10Z"}});
        assert_eq!(shown(&again), "p | 1/1 | Running | 2 (90s ago)");
    }

    #[test]
    fn init_containers_and_sidecars() {
        let pod = |init: Value, initialized: &str| {
            json!({
                "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]},
                "status": {"phase": "Pending", "initContainerStatuses": init,
                    "conditions": [{"type": "Initialized", "status": initialized}],
                    "containerStatuses": [{"name": "c", "state": {"running": {}}, "ready": true}]},
            })
        };
        let running = json!([{"name": "i", "state": {"running": {}}}, {"name": "s", "state": {}}]);
        assert_eq!(shown(&pod(running, "False")), "p | 0/2 | Init:0/2 | 0");
        let failed = json!([{"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]);
        assert_eq!(shown(&pod(failed, "False")), "p | 0/2 | Init:Error | 0");
        let done = json!([
            {"name": "i", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}, "restartCount": 1},
            {"name": "s", "state": {"running": {}}, "started": true, "ready": true, "restartCount": 2},
        ]);
        assert_eq!(shown(&pod(done, "True")), "p | 2/2 | Pending | 2");
    }
}
