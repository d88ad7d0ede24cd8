//! Requests about the Job itself, and the list of its pods.

use http::Method;
use k8s_openapi::{
    List,
    api::{
        batch::v1::Job,
        core::v1::{Event, Pod},
    },
};
use serde_json::{Value, json};

use super::{
    Cluster, answer,
    uri::{encoded, with_query},
};
use crate::core::{
    event::EventView,
    failure::Failure,
    job::{DELIVERED, JobView, RUN_ID},
    machine::{Deletion, Propagation},
    pod::PodView,
};

/// The answer to a create request.
pub struct Created {
    /// The Job as the server made it.
    pub job: JobView,
    /// The server's Warning headers.
    pub warnings: Vec<String>,
}

impl Cluster {
    /// Creates the Job as it is: unknown fields are the server's to refuse, not ours to drop.
    pub async fn create_job(&self, job: &Value) -> Result<Created, Failure> {
        let uri = with_query(&self.jobs(), &[("fieldManager", "kjo"), ("fieldValidation", "Strict")]);
        let answer = self.unary(Method::POST, &uri, job.to_string().into_bytes()).await?;
        Ok(Created {
            job: JobView::from(&decoded::<Job>(answer.body())?),
            warnings: answer::warnings(answer.headers()),
        })
    }

    /// The Job of this name, fresh from etcd (no `resourceVersion` means a quorum read).
    pub async fn read_job(&self, name: &str) -> Result<Option<JobView>, Failure> {
        let uri = format!("{}/{}", self.jobs(), encoded(name));
        match self.unary(Method::GET, &uri, Vec::new()).await {
            Ok(answer) => Ok(Some(JobView::from(&decoded::<Job>(answer.body())?))),
            Err(failure) if failure.is(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The Jobs that bear this run id, as the server has them: by `label`, its short form, and then by the
    /// annotation that holds the whole of it.
    pub async fn find_jobs(&self, label: &str, run_id: &str) -> Result<Vec<Value>, Failure> {
        let uri = with_query(&self.jobs(), &[("labelSelector", &format!("{RUN_ID}={label}"))]);
        let list: Value = decoded(self.unary(Method::GET, &uri, Vec::new()).await?.body())?;
        let bears = |job: &&Value| {
            let annotations = job.pointer("/metadata/annotations");
            annotations.and_then(|a| a.get(RUN_ID)).and_then(Value::as_str) == Some(run_id)
        };
        let items = list.get("items").and_then(Value::as_array);
        Ok(items.into_iter().flatten().filter(bears).cloned().collect())
    }

    /// The pods that bear this run id's short form, of whatever Job, and the version of this list.
    pub async fn find_pods(&self, label: &str) -> Result<(Vec<PodView>, String), Failure> {
        let uri = with_query(&self.pods(), &[("labelSelector", &format!("{RUN_ID}={label}"))]);
        let list: List<Pod> = decoded(self.unary(Method::GET, &uri, Vec::new()).await?.body())?;
        let version = list.metadata.resource_version.unwrap_or_default();
        Ok((list.items.iter().map(PodView::from).collect(), version))
    }

    /// Marks the Job of this name as delivered, if it has this UID.
    pub async fn mark_job(&self, name: &str, uid: &str) -> Result<(), Failure> {
        let patch = json!({"metadata": {"uid": uid, "labels": {DELIVERED: "true"}}});
        self.patch_job(name, &patch).await.map(drop)
    }

    pub(super) async fn patch_job(&self, name: &str, patch: &Value) -> Result<Value, Failure> {
        let path = format!("{}/{}", self.jobs(), encoded(name));
        let uri = with_query(&path, &[("fieldManager", "kjo")]);
        let answer = self.unary(Method::PATCH, &uri, patch.to_string().into_bytes()).await?;
        decoded(answer.body())
    }

    /// Deletes the Job of this name if it has this UID.
    pub async fn delete_job(&self, name: &str, uid: &str, propagation: Propagation) -> Result<Deletion, Failure> {
        let policy = match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
        };
        let options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": policy,
            "preconditions": {"uid": uid},
        });
        let path = format!("{}/{}", self.jobs(), encoded(name));
        match self
            .unary(Method::DELETE, &path, options.to_string().into_bytes())
            .await
        {
            // The answer is the Job while finalizers hold it, a `Status` once it is gone.
            Ok(answer) => Ok(
                match decoded::<Value>(answer.body())?.get("kind").and_then(Value::as_str) {
                    Some("Status") => Deletion::Gone,
                    Some(_) | None => Deletion::Accepted,
                },
            ),
            Err(failure) if failure.is(404) => Ok(Deletion::Gone),
            Err(failure) if failure.is_precondition() => Ok(Deletion::NotOurs),
            Err(failure) => Err(failure),
        }
    }

    /// The pod of this name, fresh.
    pub async fn read_pod(&self, name: &str) -> Result<Option<PodView>, Failure> {
        let uri = format!("{}/{}", self.pods(), encoded(name));
        match self.unary(Method::GET, &uri, Vec::new()).await {
            Ok(answer) => Ok(Some(PodView::from(&decoded::<Pod>(answer.body())?))),
            Err(failure) if failure.is(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// All pods that bear the Job's UID in the label that the Job controller sets (Kubernetes 1.27
    /// and later), and the version of this list.
    pub async fn list_pods(&self, job_uid: &str) -> Result<(Vec<PodView>, String), Failure> {
        let uri = with_query(&self.pods(), &[("labelSelector", &of_job(job_uid))]);
        let list: List<Pod> = decoded(self.unary(Method::GET, &uri, Vec::new()).await?.body())?;
        let version = list.metadata.resource_version.unwrap_or_default();
        Ok((list.items.iter().map(PodView::from).collect(), version))
    }

    /// The Events about this object, in the order of the server.
    pub async fn list_events(&self, uid: &str) -> Result<Vec<EventView>, Failure> {
        let path = format!("/api/v1/namespaces/{}/events", self.namespace);
        let uri = with_query(&path, &[("fieldSelector", &format!("involvedObject.uid={uid}"))]);
        let list: List<Event> = decoded(self.unary(Method::GET, &uri, Vec::new()).await?.body())?;
        Ok(list.items.iter().map(EventView::from).collect())
    }

    /// The Job of this name as a list, and the version of this list.
    pub(super) async fn list_job(&self, name: &str) -> Result<(Vec<JobView>, String), Failure> {
        let uri = with_query(&self.jobs(), &[("fieldSelector", &format!("metadata.name={name}"))]);
        let list: List<Job> = decoded(self.unary(Method::GET, &uri, Vec::new()).await?.body())?;
        let version = list.metadata.resource_version.unwrap_or_default();
        Ok((list.items.iter().map(JobView::from).collect(), version))
    }
}

/// What kjo reads of a Job in the server's words.
pub fn job_view(job: &Value) -> Result<JobView, Failure> {
    // Over its text: one way of reading these types is 200 KiB of program.
    decoded(job.to_string().as_bytes()).map(|job: Job| JobView::from(&job))
}

/// The label selector for the pods of the Job with this UID.
pub(super) fn of_job(uid: &str) -> String {
    format!("batch.kubernetes.io/controller-uid={uid}")
}

/// JSON of the server; what cannot be read is like no answer: the request may have worked.
pub(super) fn decoded<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|e| Failure::Lost(format!("the answer cannot be read: {e}")))
}
