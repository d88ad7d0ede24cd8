//! Objects as rows, as `kubectl get` prints them (pure; pkg/printers/internalversion/printers.go).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    accept::{self, Include},
    pod_row,
};
use crate::sandbox::{meta, resource::Resource};

/// A Table of these objects.
pub(super) fn of(
    resource: Resource,
    objects: &[&Value],
    version: &str,
    include: Include,
    columns: bool,
    now: Timestamp,
) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut row = json!({"cells": cells(resource, object, now)});
            match include {
                Include::None => {}
                Include::Metadata => row["object"] = accept::metadata(object),
                Include::Object => row["object"] = (*object).clone(),
            }
            if resource == Resource::Pods
                && let Some(condition) = pod_row::condition(object)
            {
                row["conditions"] = json!([condition]);
            }
            row
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
        "columnDefinitions": columns.then(|| definitions(resource)), "rows": rows,
    })
}

/// The names of the columns; a star in front is for `-o wide` only.
fn columns(resource: Resource) -> &'static [&'static str] {
    match resource {
        Resource::ConfigMaps => &["Name", "Data", "Age"],
        Resource::CronJobs => &[
            "Name",
            "Schedule",
            "Timezone",
            "Suspend",
            "Active",
            "Last Schedule",
            "Age",
            "*Containers",
            "*Images",
            "*Selector",
        ],
        Resource::Events => &[
            "Last Seen",
            "Type",
            "Reason",
            "Object",
            "*Subobject",
            "*Source",
            "Message",
            "*First Seen",
            "*Count",
            "*Name",
        ],
        Resource::Jobs => &[
            "Name",
            "Status",
            "Completions",
            "Duration",
            "Age",
            "*Containers",
            "*Images",
            "*Selector",
        ],
        Resource::Namespaces => &["Name", "Status", "Age"],
        Resource::PersistentVolumeClaims => &[
            "Name",
            "Status",
            "Volume",
            "Capacity",
            "Access Modes",
            "StorageClass",
            "VolumeAttributesClass",
            "Age",
            "*VolumeMode",
        ],
        Resource::Pods => &[
            "Name",
            "Ready",
            "Status",
            "Restarts",
            "Age",
            "*IP",
            "*Node",
            "*Nominated Node",
            "*Readiness Gates",
        ],
        Resource::Secrets => &["Name", "Type", "Data", "Age"],
        Resource::ServiceAccounts => &["Name", "Age"],
        Resource::Services => &[
            "Name",
            "Type",
            "Cluster-IP",
            "External-IP",
            "Port(s)",
            "Age",
            "*Selector",
        ],
    }
}

fn definitions(resource: Resource) -> Vec<Value> {
    let definition = |column: &&str| {
        let (name, priority) = match column.strip_prefix('*') {
            Some(name) => (name, 1),
            None => (*column, 0),
        };
        let kind = match name {
            "Suspend" => "boolean",
            "Active" => "integer",
            _ => "string",
        };
        let format = if name == "Name" { "name" } else { "" };
        json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
    };
    columns(resource).iter().map(definition).collect()
}

fn cells(resource: Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    let (name, age) = (
        json!(meta::text(object, "name")),
        age(&object["metadata"]["creationTimestamp"], now),
    );
    let count = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
    match resource {
        Resource::ConfigMaps => vec![name, json!(count("data") + count("binaryData")), age],
        Resource::CronJobs => cron_job(object, name, age),
        Resource::Events => event(object, name, now),
        Resource::Jobs => job(object, name, age, now),
        Resource::Namespaces => vec![name, object["status"]["phase"].clone(), age],
        Resource::PersistentVolumeClaims => claim(object, name, age),
        Resource::Pods => pod_row::cells(object, name, age, now),
        Resource::Secrets => vec![name, object["type"].clone(), json!(count("data")), age],
        Resource::ServiceAccounts => vec![name, age],
        Resource::Services => service(object, name, age),
    }
}

fn job(job: &Value, name: Value, age: Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&job["spec"], &job["status"]);
    let succeeded = status["succeeded"].as_i64().unwrap_or(0);
    let completions = match (spec["completions"].as_i64(), spec["parallelism"].as_i64()) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, Some(parallelism)) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, Some(_) | None) => format!("{succeeded}/1"),
    };
    let (began, ended) = (time(&status["startTime"]), time(&status["completionTime"]));
    let duration = began.map(|began| human(ended.unwrap_or(now).duration_since(began)));
    let conditions = status["conditions"].as_array();
    let has = |kind: &str| {
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    let state = match () {
        () if has("Complete") => "Complete",
        () if has("Failed") => "Failed",
        () if meta::deleted(job) => "Terminating",
        () if has("Suspended") => "Suspended",
        () if has("FailureTarget") => "FailureTarget",
        () if has("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    let [containers, images] = containers(&spec["template"]["spec"]);
    let selector = pairs(&spec["selector"]["matchLabels"]);
    let (completions, duration) = (json!(completions), json!(duration.unwrap_or_default()));
    vec![
        name,
        json!(state),
        completions,
        duration,
        age,
        containers,
        images,
        selector,
    ]
}

fn cron_job(cron: &Value, name: Value, age: Value) -> Vec<Value> {
    let (spec, status) = (&cron["spec"], &cron["status"]);
    let [containers, images] = containers(&spec["jobTemplate"]["spec"]["template"]["spec"]);
    let active = status["active"].as_array().map_or(0, Vec::len);
    let suspend = if spec["suspend"] == true { "True" } else { "False" };
    let (zone, schedule) = (or_none(&spec["timeZone"]), spec["schedule"].clone());
    let none = json!("<none>");
    vec![
        name,
        schedule,
        zone,
        json!(suspend),
        json!(active),
        none.clone(),
        age,
        containers,
        images,
        none,
    ]
}

fn event(event: &Value, name: Value, now: Timestamp) -> Vec<Value> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let source: Vec<&str> = [text("/source/component"), text("/source/host")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let object = format!(
        "{}/{}",
        text("/involvedObject/kind").to_lowercase(),
        text("/involvedObject/name")
    );
    vec![
        age(&event["lastTimestamp"], now),
        json!(text("/type")),
        json!(text("/reason")),
        json!(object),
        json!(text("/involvedObject/fieldPath")),
        json!(source.join(", ")),
        json!(text("/message").trim()),
        age(&event["firstTimestamp"], now),
        json!(event["count"].as_i64().unwrap_or(0)),
        name,
    ]
}

fn claim(claim: &Value, name: Value, age: Value) -> Vec<Value> {
    let (spec, status) = (&claim["spec"], &claim["status"]);
    let short = |mode: &Value| match mode.as_str().unwrap_or_default() {
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOnce" => "RWO",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    let modes: Vec<&str> = spec["accessModes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(short)
        .collect();
    let text = |value: &Value| json!(value.as_str().unwrap_or_default());
    let phase = if meta::deleted(claim) {
        json!("Terminating")
    } else {
        text(&status["phase"])
    };
    vec![
        name,
        phase,
        text(&spec["volumeName"]),
        text(&status["capacity"]["storage"]),
        json!(modes.join(",")),
        text(&spec["storageClassName"]),
        json!("<unset>"),
        age,
        text(&spec["volumeMode"]),
    ]
}

fn service(service: &Value, name: Value, age: Value) -> Vec<Value> {
    let spec = &service["spec"];
    let port = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or_default();
        match port["nodePort"].as_i64() {
            Some(node) if node > 0 => format!("{}:{node}/{protocol}", port["port"]),
            Some(_) | None => format!("{}/{protocol}", port["port"]),
        }
    };
    let ports: Vec<String> = spec["ports"].as_array().into_iter().flatten().map(port).collect();
    let ports = if ports.is_empty() {
        "<none>".to_owned()
    } else {
        ports.join(",")
    };
    let outside = if spec["type"] == "ExternalName" {
        spec["externalName"].clone()
    } else {
        json!("<none>")
    };
    let address = or_none(&spec["clusterIP"]);
    vec![
        name,
        spec["type"].clone(),
        address,
        outside,
        json!(ports),
        age,
        pairs(&spec["selector"]),
    ]
}

/// Names and images of the containers.
fn containers(pod: &Value) -> [Value; 2] {
    ["name", "image"].map(|field| {
        let containers = pod["containers"].as_array().into_iter().flatten();
        let words: Vec<&str> = containers.filter_map(|container| container[field].as_str()).collect();
        json!(words.join(","))
    })
}

fn pairs(map: &Value) -> Value {
    let pairs = map.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!(if pairs.is_empty() {
        "<none>".to_owned()
    } else {
        pairs.join(",")
    })
}

/// The text, or that there is none.
pub(super) fn or_none(value: &Value) -> Value {
    let text = value.as_str().filter(|text| !text.is_empty());
    json!(text.unwrap_or("<none>"))
}

/// A time in an object.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn age(stamp: &Value, now: Timestamp) -> Value {
    let age = time(stamp).map(|time| human(now.duration_since(time)));
    json!(age.unwrap_or_else(|| "<unknown>".to_owned()))
}

/// A duration as k8s.io/apimachinery pkg/util/duration shows it: two figures at most.
pub(super) fn human(duration: SignedDuration) -> String {
    let two = |first: i64, unit: char, second: i64, small: char| {
        if second == 0 {
            format!("{first}{unit}")
        } else {
            format!("{first}{unit}{second}{small}")
        }
    };
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 24 * 8 => two(hours / 24, 'd', hours % 24, 'h'),
        () if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        () if hours < 24 * 365 * 8 => two(hours / 24 / 365, 'y', hours / 24 % 365, 'd'),
        () => format!("{}y", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_figures() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (150, "2m30s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 120, "3h2m"),
            (8 * 3600 + 120, "8h"),
            (50 * 3600, "2d2h"),
            (9 * 86400, "9d"),
            (800 * 86400, "2y70d"),
            (9 * 365 * 86400, "9y"),
        ] {
            assert_eq!(human(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn every_row_has_as_many_cells_as_there_are_columns() {
        for resource in Resource::ALL {
            let row = cells(resource, &json!({}), Timestamp::UNIX_EPOCH);
            assert_eq!(row.len(), columns(resource).len(), "{resource:?}");
        }
    }

    #[test]
    fn a_job_is_shown_as_it_stands() {
        let now: Timestamp = "2026-01-01T00:01:40Z".parse().unwrap();
        let shown = |job: &Value| {
            let row = cells(Resource::Jobs, job, now);
            let words: Vec<_> = row
                .iter()
                .map(|cell| cell.as_str().unwrap_or_default().to_owned())
                .collect();
            words.join(" ")
        };
        let mut job = json!({
            "metadata": {"name": "j", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"completions": 3, "parallelism": 1, "selector": {"matchLabels": {"a": "b"}},
                "template": {"spec": {"containers": [{"name": "x", "image": "i"}, {"name": "y", "image": "k"}]}}},
            "status": {"startTime": "2026-01-01T00:00:10Z", "succeeded": 1},
        });
        assert_eq!(shown(&job), "j Running 1/3 90s 100s x,y i,k a=b");
        job["status"]["conditions"] = json!([{"type": "Complete", "status": "True"}]);
        job["status"]["completionTime"] = json!("2026-01-01T00:00:20Z");
        assert_eq!(shown(&job), "j Complete 1/3 10s 100s x,y i,k a=b");
        job["spec"]["completions"] = Value::Null;
        job["spec"]["parallelism"] = json!(4);
        job["status"] = json!({"conditions": [{"type": "Suspended", "status": "True"}]});
        assert_eq!(shown(&job), "j Suspended 0/1 of 4  100s x,y i,k a=b");
    }
}
