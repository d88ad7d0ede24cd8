//! What a run sends: the Job of whichever generation it comes to.

use serde_json::{Value, json};

use super::{identity::RunId, likeness};
use crate::core::{
    adoption::{Difference, Found},
    job::{GENERATION, JobView},
    naming::JobName,
};

/// A Job that is ready but for its generation.
#[derive(Debug, Clone)]
pub struct Order {
    job: Value,
    names: JobName,
    run_id: RunId,
}

impl Order {
    /// An order for this Job, which `prepare` has made.
    #[must_use]
    pub fn new(mut job: Value, names: JobName, run_id: RunId) -> Self {
        let digest = likeness::digest(&job);
        if let Some(annotations) = job.pointer_mut("/metadata/annotations") {
            annotations[likeness::SENT] = json!(digest);
        }
        Self { job, names, run_id }
    }

    /// The Job goes when this pod goes.
    pub fn owned_by(&mut self, pod: &str, uid: &str) {
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid});
        if let Some(metadata) = self.job.get_mut("metadata").and_then(Value::as_object_mut) {
            let list = metadata.entry("ownerReferences").or_insert_with(|| json!([]));
            // Anything but a list is the API server's to refuse.
            if let Some(list) = list.as_array_mut() {
                list.push(owner);
            }
        }
    }

    /// The names of its generations.
    #[must_use]
    pub fn names(&self) -> &JobName {
        &self.names
    }

    /// The run id.
    #[must_use]
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// The Job of this generation.
    #[must_use]
    pub fn job(&self, generation: u32) -> Value {
        let mut job = self.job.clone();
        job["metadata"]["name"] = json!(self.names.of(generation));
        job["metadata"]["annotations"][GENERATION] = json!(generation.to_string());
        job
    }

    /// A Job of the cluster, and whether it is what would be sent in its place.
    #[must_use]
    pub fn compare(&self, live: &Value, view: JobView) -> Found {
        let difference = if self.names.fits(&view.name, view.generation) {
            likeness::difference(&self.job(view.generation), live)
        } else {
            Some(Difference {
                field: "the name".to_owned(),
                loose: false,
            })
        };
        Found { job: view, difference }
    }
}
