//! Requests about what comes along with a Job: objects of any kind.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Cluster, answer,
    jobs::{decoded, job_view},
    uri::{encoded, with_query},
};
use crate::core::{failure::Failure, job::JobView, machine::Made};

/// Where a kind is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// In namespaces: the path of its objects in the run's.
    InNamespace(String),
    /// For the whole cluster.
    ClusterWide,
    /// Not at all.
    Unknown,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    kind: String,
    namespaced: bool,
}

impl Cluster {
    /// Where objects of this kind are made.
    pub async fn served(&self, api_version: &str, kind: &str) -> Result<Served, Failure> {
        let root = if api_version.contains('/') {
            format!("/apis/{api_version}")
        } else {
            format!("/api/{api_version}")
        };
        let path = |plural: &str| format!("{root}/namespaces/{}/{plural}", self.namespace);
        match (api_version, kind) {
            ("v1", "ConfigMap") => return Ok(Served::InNamespace(path("configmaps"))),
            ("v1", "Secret") => return Ok(Served::InNamespace(path("secrets"))),
            _ => {}
        }
        let list: Value = match self.unary(Method::GET, &root, Vec::new()).await {
            Ok(answer) => decoded(answer.body())?,
            Err(failure) if failure.is(404) => return Ok(Served::Unknown),
            Err(failure) => return Err(failure),
        };
        let resources = list.get("resources").and_then(Value::as_array).into_iter().flatten();
        let found = resources
            .filter_map(|resource| Resource::deserialize(resource).ok())
            // Subresources have the kind of what they are about.
            .find(|resource| resource.kind == kind && !resource.name.contains('/'));
        Ok(match found {
            Some(resource) if resource.namespaced => Served::InNamespace(path(&resource.name)),
            Some(_) => Served::ClusterWide,
            None => Served::Unknown,
        })
    }

    /// Creates an object at this path. One that exists is looked at where it has to belong to a Job.
    pub async fn create_companion(
        &self,
        path: &str,
        name: &str,
        object: &Value,
        owner_uid: Option<&str>,
    ) -> Result<Made, Failure> {
        let uri = with_query(path, &[("fieldManager", "kjo"), ("fieldValidation", "Strict")]);
        let Err(exists) = self.unary(Method::POST, &uri, object.to_string().into_bytes()).await else {
            return Ok(Made::Created);
        };
        if !exists
            .status()
            .is_some_and(|s| s.code == 409 && s.reason == "AlreadyExists")
        {
            return Err(exists);
        }
        let Some(uid) = owner_uid else {
            return Ok(Made::Existed);
        };
        let answer = self
            .unary(Method::GET, &format!("{path}/{}", encoded(name)), Vec::new())
            .await?;
        let live: Value = decoded(answer.body())?;
        let owners = live.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let ours = owners
            .into_iter()
            .flatten()
            .any(|owner| owner.get("uid") == Some(&json!(uid)));
        Ok(if ours { Made::Ours } else { Made::Foreign })
    }

    /// What the API server would make of this object at this path, and its warnings; nothing is kept.
    pub async fn judge(&self, path: &str, object: &Value) -> Result<(Value, Vec<String>), Failure> {
        let query = [
            ("dryRun", "All"),
            ("fieldManager", "kjo"),
            ("fieldValidation", "Strict"),
        ];
        let uri = with_query(path, &query);
        let answer = self.unary(Method::POST, &uri, object.to_string().into_bytes()).await?;
        Ok((decoded(answer.body())?, answer::warnings(answer.headers())))
    }

    /// The CronJob of this name.
    pub async fn read_cron_job(&self, name: &str) -> Result<Option<Value>, Failure> {
        let path = format!(
            "/apis/batch/v1/namespaces/{}/cronjobs/{}",
            self.namespace,
            encoded(name)
        );
        match self.unary(Method::GET, &path, Vec::new()).await {
            Ok(answer) => {
                let mut object: Value = decoded(answer.body())?;
                object["apiVersion"] = json!("batch/v1");
                object["kind"] = json!("CronJob");
                Ok(Some(object))
            }
            Err(failure) if failure.is(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Lets a Job go with this patch; `None` when it does not exist any more.
    pub async fn release_job(&self, name: &str, patch: &Value) -> Result<Option<JobView>, Failure> {
        match self.patch_job(name, patch).await {
            Ok(job) => job_view(&job).map(Some),
            Err(failure) if failure.is(404) || failure.is_other_uid() => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}
