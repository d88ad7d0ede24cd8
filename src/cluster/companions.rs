//! Requests about what comes along with a Job: objects of any kind.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Cluster, answer,
    jobs::{decoded, job_view},
    uri::{encoded, with_query},
};
use crate::{
    core::{failure::Failure, job::JobView, machine::Made},
    spec::companions::Companion,
};

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

    /// Creates what comes along with this Job. One that exists is looked at where it has to belong to it.
    pub async fn create_companion(
        &self,
        path: &str,
        companion: &Companion,
        job: &str,
        uid: &str,
    ) -> Result<Made, Failure> {
        let uri = with_query(path, &[("fieldManager", "kjo"), ("fieldValidation", "Strict")]);
        let body = companion.object.to_string().into_bytes();
        let Err(exists) = self.unary(Method::POST, &uri, body).await else {
            return Ok(Made::Created);
        };
        if !exists
            .status()
            .is_some_and(|s| s.code == 409 && s.reason == "AlreadyExists")
        {
            return Err(exists);
        }
        if !companion.owned {
            return Ok(Made::Existed);
        }
        let path = format!("{path}/{}", encoded(&companion.name));
        match self.unary(Method::GET, &path, Vec::new()).await {
            Ok(answer) => Ok(whose(&decoded(answer.body())?, job, uid)),
            // It went in between.
            Err(failure) if failure.is(404) => Ok(Made::Going),
            Err(failure) => Err(failure),
        }
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

/// Whose an object is that has the name of a companion.
fn whose(live: &Value, job: &str, uid: &str) -> Made {
    let owners = live.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let mut owners = owners.into_iter().flatten();
    let is = |owner: &Value, field: &str, value: &str| owner.get(field).and_then(Value::as_str) == Some(value);
    let deleting = live.pointer("/metadata/deletionTimestamp").is_some();
    if !deleting && owners.clone().any(|owner| is(owner, "uid", uid)) {
        return Made::Ours;
    }
    // The name is ours now, so that Job is gone, and what it owned is collected soon.
    if deleting || owners.any(|owner| is(owner, "kind", "Job") && is(owner, "name", job)) {
        return Made::Going;
    }
    Made::Foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_ours_goes_or_is_foreign() {
        let object = |metadata: Value| json!({"metadata": metadata});
        let of = |name: &str, uid: &str| json!({"ownerReferences": [{"kind": "Job", "name": name, "uid": uid}]});
        assert_eq!(whose(&object(of("etl", "now")), "etl", "now"), Made::Ours);
        assert_eq!(whose(&object(of("etl", "before")), "etl", "now"), Made::Going);
        assert_eq!(whose(&object(of("other", "x")), "etl", "now"), Made::Foreign);
        assert_eq!(whose(&object(json!({})), "etl", "now"), Made::Foreign);
        let deleting = json!({"deletionTimestamp": "2026-11-02T00:00:00Z"});
        assert_eq!(whose(&object(deleting), "etl", "now"), Made::Going);
    }
}
