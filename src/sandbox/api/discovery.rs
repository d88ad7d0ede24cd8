//! What the server says of itself.

use serde_json::{Value, json};

use crate::sandbox::resource::Resource;

/// `/version`: the Kubernetes whose behaviour is copied.
#[must_use]
pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": concat!("v1.36.0+kjo-sandbox-", env!("CARGO_PKG_VERSION")),
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// The discovery document at this path.
#[must_use]
pub(super) fn document(path: &str) -> Value {
    let batch = json!({"groupVersion": "batch/v1", "version": "v1"});
    match path {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        "/apis" => json!({
            "kind": "APIGroupList", "apiVersion": "v1",
            "groups": [{"name": "batch", "versions": [batch], "preferredVersion": batch}],
        }),
        "/apis/batch/v1" => resources("batch", "batch/v1"),
        _ => resources("", "v1"),
    }
}

fn resources(group: &str, version: &str) -> Value {
    let mut list = Vec::new();
    for resource in Resource::ALL.into_iter().filter(|r| r.group() == group) {
        let mut entry = |name: String, verbs: &[&str]| {
            list.push(json!({
                "name": name, "singularName": resource.kind().to_lowercase(), "namespaced": resource.namespaced(),
                "kind": resource.kind(), "verbs": verbs,
            }));
        };
        entry(
            resource.plural().to_owned(),
            &["create", "delete", "get", "list", "patch", "watch"],
        );
        if matches!(resource, Resource::Jobs | Resource::Pods | Resource::Namespaces) {
            entry(format!("{}/status", resource.plural()), &["get", "patch"]);
        }
        if resource == Resource::Pods {
            entry("pods/log".to_owned(), &["get"]);
        }
    }
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list})
}
