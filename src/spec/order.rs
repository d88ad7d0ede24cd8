//! What a run sends: the Job of whichever generation it comes to, and what comes along with it.

use serde_json::{Value, json};

use super::{
    Refusal,
    bundle::Bundle,
    companions::{self, Companion, Named, Naming},
    identity::RunId,
    likeness,
};
use crate::core::{
    adoption::{Difference, Found},
    job::{GENERATION, JobView, UNREADY},
    naming::JobName,
};

/// A Job and its companions, ready but for their generation.
#[derive(Debug, Clone)]
pub struct Order {
    /// With the Job that `prepare` has made of the file's.
    bundle: Bundle,
    names: JobName,
    run_id: RunId,
    namespace: String,
    /// `--own`.
    own: Vec<String>,
    /// Where companions are made, in their order; known from the cluster.
    paths: Vec<String>,
}

impl Order {
    /// An order for this bundle, whose Job `prepare` has made, and what should be told about it.
    ///
    /// # Errors
    /// A companion that cannot be made there, or an `--own` that is not in the file.
    pub fn new(
        bundle: Bundle,
        names: JobName,
        run_id: RunId,
        namespace: &str,
        own: Vec<String>,
    ) -> Result<(Self, Vec<String>), Refusal> {
        let order = Self {
            bundle,
            names,
            run_id,
            namespace: namespace.to_owned(),
            own,
            paths: Vec::new(),
        };
        let warnings = order.named(1)?.warnings;
        Ok((order, warnings))
    }

    /// The Job goes when this pod goes.
    pub fn owned_by(&mut self, pod: &str, uid: &str) {
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid});
        if let Some(metadata) = self.bundle.job.get_mut("metadata").and_then(Value::as_object_mut) {
            let list = metadata.entry("ownerReferences").or_insert_with(|| json!([]));
            // Anything but a list is the API server's to refuse.
            if let Some(list) = list.as_array_mut() {
                list.push(owner);
            }
        }
    }

    /// Where the companions are made, in their order.
    pub fn made_at(&mut self, paths: Vec<String>) {
        self.paths = paths;
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

    /// What comes along, as the file has it: `ConfigMap/settings`.
    #[must_use]
    pub fn titles(&self) -> Vec<String> {
        self.bundle
            .companions
            .iter()
            .map(super::read::Document::title)
            .collect()
    }

    /// API version and kind of what comes along.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        let documents = self.bundle.companions.iter();
        documents.map(|d| (d.api_version().unwrap_or_default(), d.kind().unwrap_or_default()))
    }

    fn named(&self, generation: u32) -> Result<Named, Refusal> {
        let suffix = self.names.suffix(generation);
        let naming = Naming {
            suffix: suffix.as_deref().map(|suffix| suffix.trim_start_matches('-')),
            run_id: &self.run_id,
            namespace: &self.namespace,
            own: &self.own,
        };
        companions::named(&self.bundle, &naming)
    }

    /// The Job of this generation. One that is `suspended` waits until its companions are made, and bears a
    /// sign of it.
    ///
    /// # Errors
    /// As `new`; not after that has succeeded.
    pub fn job(&self, generation: u32, suspended: bool) -> Result<Value, Refusal> {
        let mut job = self.named(generation)?.job;
        job["metadata"]["name"] = json!(self.names.of(generation));
        job["metadata"]["annotations"][GENERATION] = json!(generation.to_string());
        // Of what is sent: references to companions bear this generation's names.
        job["metadata"]["annotations"][likeness::SENT] = json!(likeness::digest(&job));
        // As the file has them: their names change with every generation.
        let maps = self.bundle.companions.iter().filter(|c| c.kind() == Some("ConfigMap"));
        let maps: Vec<&Value> = maps.map(|map| &map.value).collect();
        if !maps.is_empty() {
            job["metadata"]["annotations"][likeness::SENT_ALONG] = json!(likeness::along(maps));
        }
        if suspended {
            job["metadata"]["annotations"][UNREADY] = json!("true");
            job["spec"]["suspend"] = json!(true);
        }
        Ok(job)
    }

    /// Everything that is sent in this generation, but for what is known only in the cluster: what comes
    /// along, in its order, and the Job at the end.
    ///
    /// # Errors
    /// As `new`; not after that has succeeded.
    pub fn objects(&self, generation: u32) -> Result<Vec<Value>, Refusal> {
        let companions = self.named(generation)?.companions.into_iter().map(|c| c.object);
        Ok(companions.chain([self.job(generation, false)?]).collect())
    }

    /// What lets a suspended Job with this UID go, unless the file itself suspends it.
    #[must_use]
    pub fn release(&self, uid: &str) -> Value {
        let stays = self.bundle.job.pointer("/spec/suspend") == Some(&json!(true));
        json!({"metadata": {"uid": uid, "annotations": {UNREADY: null}}, "spec": {"suspend": stays}})
    }

    /// A companion of this generation's Job, which has this UID, and where it is made.
    ///
    /// # Errors
    /// As `new`; not after that has succeeded.
    pub fn companion(&self, index: usize, generation: u32, owner_uid: &str) -> Result<(String, Companion), Refusal> {
        let mut all = self.named(generation)?.companions;
        if index >= all.len() {
            return Err(Refusal::new("there is no such companion", "report this"));
        }
        let mut companion = all.swap_remove(index);
        if companion.owned {
            // Not blockOwnerDeletion, which wants a permission of its own.
            companion.object["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": self.names.of(generation),
                "uid": owner_uid,
            }]);
        }
        Ok((self.paths.get(index).cloned().unwrap_or_default(), companion))
    }

    /// A Job of the cluster, and whether it is what would be sent in its place.
    #[must_use]
    pub fn compare(&self, live: &Value, view: JobView) -> Found {
        let difference = match self.job(view.generation, false) {
            Ok(job) if self.names.fits(&view.name, view.generation) => likeness::difference(&job, live),
            Ok(_) | Err(_) => Some(Difference {
                field: "the name".to_owned(),
                loose: false,
            }),
        };
        Found { job: view, difference }
    }
}
