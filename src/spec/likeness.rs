//! Whether a Job that exists is what would be sent: names of containers, images, commands, arguments,
//! environment, service account. A difference is named by its place, never by its value.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::core::adoption::Difference;

/// The annotation that holds the digest of what was sent: a cluster may rewrite images or add variables on
/// the way, and would do the same again. A Job's pod template cannot be changed later.
pub const SENT: &str = "kjo.dev/sent";

/// The annotation that holds a digest of the ConfigMaps that were sent along. Not of Secrets: who may read Jobs
/// could try out what is in them.
pub const SENT_ALONG: &str = "kjo.dev/sent-along";

/// What is compared of a container, and whether `--adopt loose` lets it differ.
const FIELDS: [(&str, bool); 5] = [
    ("image", false),
    ("command", false),
    ("args", true),
    ("env", true),
    ("envFrom", true),
];

/// A digest of all that is compared.
#[must_use]
pub fn digest(job: &Value) -> String {
    let mut hasher = Sha256::new();
    let mut put = |what: &Value| {
        hasher.update(what.to_string().as_bytes());
        hasher.update([0]);
    };
    put(&Value::from(service_account(job)));
    for list in ["initContainers", "containers"] {
        for container in containers(job, list) {
            put(&Value::from(name(container)));
            for (field, _) in FIELDS {
                put(container.get(field).unwrap_or(&Value::Null));
            }
        }
    }
    hasher.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// A digest of what is in the ConfigMaps that come along with a Job.
#[must_use]
pub fn along<'a>(maps: impl IntoIterator<Item = &'a Value>) -> String {
    let mut hasher = Sha256::new();
    for map in maps {
        // Names and labels are the run's own.
        for field in ["data", "binaryData"] {
            hasher.update(map.get(field).unwrap_or(&Value::Null).to_string().as_bytes());
            hasher.update([0]);
        }
    }
    hasher.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// The first way in which the Job that lives is not the one that would be sent; what `--adopt loose` does not
/// let pass comes first.
#[must_use]
pub fn difference(sent: &Value, live: &Value) -> Option<Difference> {
    let known = |job: &Value, annotation: &str| {
        let annotations = job.pointer("/metadata/annotations");
        annotations
            .and_then(|a| a.get(annotation))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let mut all = if known(live, SENT).is_some_and(|was| was == digest(sent)) {
        Vec::new()
    } else {
        differences(sent, live)
    };
    if known(live, SENT_ALONG).is_some_and(|was| Some(was) != known(sent, SENT_ALONG)) {
        all.push(Difference {
            field: "a ConfigMap of the manifest".to_owned(),
            loose: true,
        });
    }
    let strict = all.iter().position(|d| !d.loose).unwrap_or(0);
    (!all.is_empty()).then(|| all.swap_remove(strict))
}

fn differences(sent: &Value, live: &Value) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut note = |field: String, loose: bool| all.push(Difference { field, loose });
    for list in ["initContainers", "containers"] {
        for container in containers(sent, list) {
            let own = name(container);
            let Some(other) = containers(live, list).find(|c| name(c) == own) else {
                note(format!("container {own}, which it has not,"), false);
                continue;
            };
            for (field, loose) in FIELDS {
                if !same(container.get(field), other.get(field)) {
                    note(format!("{field} of container {own}"), loose);
                }
            }
        }
        let extra = containers(live, list).find(|c| containers(sent, list).all(|own| name(own) != name(c)));
        if let Some(extra) = extra {
            note(
                format!("container {}, which is not in the manifest,", name(extra)),
                false,
            );
        }
    }
    if service_account(sent) != service_account(live) {
        note("the service account".to_owned(), false);
    }
    all
}

fn containers<'a>(job: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let found = job.pointer(&format!("/spec/template/spec/{list}"));
    found.and_then(Value::as_array).into_iter().flatten()
}

fn name(container: &Value) -> &str {
    container.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The API writes the old field `serviceAccount` beside the one of today.
fn service_account(job: &Value) -> &str {
    let of = |field: &str| {
        job.pointer(&format!("/spec/template/spec/{field}"))
            .and_then(Value::as_str)
    };
    of("serviceAccountName")
        .or_else(|| of("serviceAccount"))
        .unwrap_or_default()
}

/// Equal, but for what the API server adds to objects (`apiVersion: v1` of a fieldRef) and leaves out of its
/// answers (empty values).
fn same(sent: Option<&Value>, live: Option<&Value>) -> bool {
    match (sent.filter(|v| !empty(v)), live.filter(|v| !empty(v))) {
        (None, None) => true,
        (Some(Value::Object(sent)), Some(Value::Object(live))) => within(sent, live),
        (Some(Value::Array(sent)), Some(Value::Array(live))) => {
            sent.len() == live.len() && sent.iter().zip(live).all(|(a, b)| same(Some(a), Some(b)))
        }
        (Some(sent), Some(live)) => sent == live,
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn within(sent: &Map<String, Value>, live: &Map<String, Value>) -> bool {
    // A plain value must not have become another source, nor the other way round.
    let source = |map: &Map<String, Value>| map.contains_key("valueFrom");
    source(sent) == source(live) && sent.iter().all(|(key, value)| same(Some(value), live.get(key)))
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(container: &Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": [container]}}}})
    }

    fn found(sent: &Value, live: &Value) -> Option<(String, bool)> {
        difference(&job(sent), &job(live)).map(|d| (d.field, d.loose))
    }

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let sent = json!({"name": "main", "image": "i", "env": [
            {"name": "A", "value": ""}, {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ], "args": []});
        let live = json!({"name": "main", "image": "i", "imagePullPolicy": "Always", "resources": {}, "env": [
            {"name": "A"}, {"name": "N", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        ]});
        assert_eq!(found(&sent, &live), None);
    }

    #[test]
    fn differences_are_named_by_their_place_the_graver_first() {
        let sent = json!({"name": "main", "image": "i", "command": ["a"], "args": ["x"], "env": [{"name": "A", "value": "1"}]});
        let with = |change: &dyn Fn(&mut Value)| {
            let mut live = sent.clone();
            change(&mut live);
            found(&sent, &live)
        };
        let of = |field: &str, loose| Some((format!("{field} of container main"), loose));
        assert_eq!(with(&|_| ()), None);
        assert_eq!(with(&|l| l["args"] = json!(["y"])), of("args", true));
        assert_eq!(with(&|l| l["env"][0]["value"] = json!("2")), of("env", true));
        assert_eq!(with(&|l| l["env"] = json!([])), of("env", true));
        assert_eq!(with(&|l| l["image"] = json!("j")), of("image", false));
        assert_eq!(
            with(&|l| {
                l["args"] = json!(["y"]);
                l["command"] = json!(["b"]);
            }),
            of("command", false)
        );
        let renamed = with(&|l| l["name"] = json!("other")).unwrap();
        assert_eq!(renamed, ("container main, which it has not,".to_owned(), false));
        let account = json!({"spec": {"template": {"spec": {"containers": [sent], "serviceAccountName": "a"}}}});
        assert_eq!(difference(&account, &job(&sent)).unwrap().field, "the service account");
    }

    #[test]
    fn a_cluster_that_rewrites_what_is_sent_does_not_make_it_another() {
        let sent = |image: &str| {
            let mut job = job(&json!({"name": "main", "image": image}));
            job["metadata"] = json!({"annotations": {SENT: digest(&job)}});
            job
        };
        let mut live = job(&json!({"name": "main", "image": "mirror.example.com/busybox"}));
        assert!(difference(&sent("busybox"), &live).is_some());
        live["metadata"] = sent("busybox")["metadata"].clone();
        assert_eq!(difference(&sent("busybox"), &live), None);
        assert!(difference(&sent("ubuntu"), &live).is_some());
    }

    #[test]
    fn other_data_beside_the_job_makes_it_another() {
        let with = |text: &str| {
            let mut job = job(&json!({"name": "main", "image": "i"}));
            let map = json!({"kind": "ConfigMap", "data": {"a": text}});
            job["metadata"] = json!({"annotations": {SENT: digest(&job), SENT_ALONG: along([&map])}});
            job
        };
        assert_eq!(difference(&with("x"), &with("x")), None);
        let found = difference(&with("x"), &with("y")).unwrap();
        assert_eq!(
            (found.field.as_str(), found.loose),
            ("a ConfigMap of the manifest", true)
        );
    }
}
