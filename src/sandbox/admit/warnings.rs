//! Warnings of Jobs and Pods (`pkg/registry/*/*/strategy.go`, `pkg/api/job/warnings.go`,
//! `pkg/api/pod/warnings.go`), those that users meet.

use super::{Kind, job::is_indexed, names, node::Node, pod::containers, refused::quoted};

pub(super) fn of(kind: Kind, root: &Node<'_>) -> Vec<String> {
    let spec = root.at("spec");
    let (pod, used) = match kind {
        Kind::Job => (spec.at("template.spec"), "in Pod names and hostnames"),
        Kind::Pod => (spec.clone(), "in the Pod's hostname"),
        Kind::ConfigMap
        | Kind::Secret
        | Kind::Namespace
        | Kind::Event
        | Kind::CronJob
        | Kind::PersistentVolumeClaim
        | Kind::Service
        | Kind::ServiceAccount => return Vec::new(),
    };
    let mut warnings = Vec::new();
    let wrong = names::dns_label(root.at("metadata.name").text());
    if !wrong.is_empty() {
        warnings.push(format!(
            "metadata.name: this is used {used}, which can result in surprising behavior; a DNS label is recommended: \
             [{}]",
            wrong.join(" ")
        ));
    }
    let many = spec.at("completions").number() > Some(100_000) && spec.at("parallelism").number() > Some(10_000);
    if is_indexed(&spec) && many {
        warnings.push(
            "spec: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, \
             Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
                .to_owned(),
        );
    }
    for container in containers(&pod) {
        hidden(&container.at("env").items(), &mut warnings);
    }
    let grace = pod.at("terminationGracePeriodSeconds");
    if grace.number() < Some(0) {
        let path = grace.path;
        warnings.push(format!(
            "{path}: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    warnings
}

/// Variables that replace an earlier one of their name without building on it.
fn hidden(env: &[Node<'_>], warnings: &mut Vec<String>) {
    for (index, variable) in env.iter().enumerate() {
        let (name, value) = (variable.at("name").text(), variable.at("value").text());
        let own = format!("$({name})");
        let builds_on = value != own && value.contains(&own);
        if !builds_on && env.iter().take(index).any(|earlier| earlier.at("name").text() == name) {
            warnings.push(format!(
                "{}: hides previous definition of {}, which may be dropped when using apply",
                variable.path,
                quoted(name)
            ));
        }
    }
}
