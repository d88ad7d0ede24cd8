//! From a Job's template to a pod (`GetPodFromTemplate`, `indexed_job_utils.go`).

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

use super::{
    TRACKING_FINALIZER,
    failure_policy::{self, Ruling},
    pods,
};

/// The longest prefix of a generated name: 63 less the five random characters
/// (`MaxGeneratedNameLength`).
const PREFIX_LENGTH: usize = 58;

/// A pod of this Job; for a completion index, where it has them; in the place of this failed pod.
pub(super) fn pod(job: &Job, index: Option<i32>, replaced: Option<&Pod>, suffix: &str) -> Pod {
    let spec = job.spec.clone().unwrap_or_default();
    let per_index = spec.backoff_limit_per_index.is_some();
    let job_name = job.metadata.name.clone().unwrap_or_default();
    let template = spec.template.metadata.unwrap_or_default();
    let mut labels = template.labels.unwrap_or_default();
    let mut annotations = template.annotations.unwrap_or_default();
    let mut pod_spec = spec.template.spec.unwrap_or_default();
    let mut finalizers = template.finalizers.unwrap_or_default();
    if !finalizers.iter().any(|f| f == TRACKING_FINALIZER) {
        finalizers.push(TRACKING_FINALIZER.to_owned());
    }
    let mut generate_name = format!("{job_name}-");
    if let Some(index) = index {
        annotations.insert(pods::INDEX.to_owned(), index.to_string());
        labels.insert(pods::INDEX.to_owned(), index.to_string());
        pod_spec.hostname = Some(format!("{job_name}-{index}"));
        let init = pod_spec.init_containers.iter_mut().flatten();
        init.chain(&mut pod_spec.containers).for_each(add_index_variable);
        if per_index {
            add_failure_counts(&mut annotations, job, replaced);
        }
        let tail = format!("-{index}-");
        generate_name = first(&job_name, PREFIX_LENGTH - tail.len()) + &tail;
    }
    Pod {
        metadata: ObjectMeta {
            name: Some(first(&generate_name, PREFIX_LENGTH) + suffix),
            generate_name: Some(generate_name),
            namespace: job.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            finalizers: Some(finalizers),
            owner_references: Some(vec![OwnerReference {
                api_version: "batch/v1".to_owned(),
                kind: "Job".to_owned(),
                name: job_name,
                uid: job.metadata.uid.clone().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        },
        spec: Some(pod_spec),
        status: None,
    }
}

fn first(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

fn add_index_variable(container: &mut Container) {
    let env = container.env.get_or_insert_default();
    if env.iter().any(|v| v.name == "JOB_COMPLETION_INDEX") {
        return;
    }
    env.push(EnvVar {
        name: "JOB_COMPLETION_INDEX".to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: None,
                field_path: format!("metadata.labels['{}']", pods::INDEX),
            }),
            ..EnvVarSource::default()
        }),
    });
}

/// The failures of the index so far travel from pod to pod (`addIndexFailureCountAnnotation`).
fn add_failure_counts(annotations: &mut BTreeMap<String, String>, job: &Job, replaced: Option<&Pod>) {
    let (mut counted, mut ignored) = (0, 0);
    if let Some(pod) = replaced {
        counted = pods::annotated(pod, pods::FAILURE_COUNT);
        ignored = pods::annotated(pod, pods::IGNORED_FAILURE_COUNT);
        let policy = job.spec.as_ref().and_then(|spec| spec.pod_failure_policy.as_ref());
        match failure_policy::ruling(policy, pod) {
            Ruling::Ignore => ignored += 1,
            Ruling::FailJob(_) | Ruling::FailIndex | Ruling::Count => counted += 1,
        }
    }
    annotations.insert(pods::FAILURE_COUNT.to_owned(), counted.to_string());
    if ignored > 0 {
        annotations.insert(pods::IGNORED_FAILURE_COUNT.to_owned(), ignored.to_string());
    }
}
