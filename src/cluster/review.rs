//! Questions of `kjo check`: who, where, which version, what is allowed. Nothing is changed by them.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Cluster,
    jobs::decoded,
    uri::{encoded, with_query},
};
use crate::core::{access::Permission, failure::Failure, version::Version};

/// What the server says of itself.
#[derive(Debug, Clone)]
pub struct ServerVersion {
    /// For example `v1.36.2`.
    pub name: String,
    /// Its numbers, if they are any.
    pub version: Option<Version>,
}

/// What is known of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceState {
    /// Jobs can be made in it.
    Exists,
    /// It is being deleted.
    Terminating,
    /// There is none of that name.
    Missing,
    /// It may not be read, which nothing but this question needs.
    Unknown(Failure),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawVersion {
    major: String,
    minor: String,
    git_version: String,
}

impl Cluster {
    /// The server's version; also shows whether there is a server.
    pub async fn version(&self) -> Result<ServerVersion, Failure> {
        let raw: RawVersion = decoded(self.unary(Method::GET, "/version", Vec::new()).await?.body())?;
        Ok(ServerVersion {
            version: Version::parse(&raw.major, &raw.minor),
            name: raw.git_version,
        })
    }

    /// Who the server takes the user for.
    pub async fn user(&self) -> Result<String, Failure> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let answer = self
            .review("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review)
            .await?;
        Ok(text(&answer, "/status/userInfo/username"))
    }

    /// Whether the user may do this in the namespace.
    pub async fn may(&self, permission: &Permission) -> Result<bool, Failure> {
        let (resource, part) = permission.parts();
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": self.namespace,
                "verb": permission.verb,
                "group": permission.group,
                "resource": resource,
                "subresource": part.unwrap_or_default(),
            }},
        });
        let answer = self
            .review("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review)
            .await?;
        Ok(answer.pointer("/status/allowed") == Some(&Value::Bool(true)))
    }

    /// Whether the namespace exists. Who may not read it, but may make Jobs in it, has the server judge
    /// one that is not kept.
    pub async fn namespace_state(&self, may_create: bool) -> NamespaceState {
        let path = format!("/api/v1/namespaces/{}", encoded(&self.namespace));
        let answer = match self.unary(Method::GET, &path, Vec::new()).await {
            Ok(answer) => decoded::<Value>(answer.body()),
            Err(failure) if failure.is(403) && may_create => return self.dry_run().await,
            Err(failure) => Err(failure),
        };
        match answer {
            Ok(namespace) if text(&namespace, "/status/phase") == "Terminating" => NamespaceState::Terminating,
            Ok(_) => NamespaceState::Exists,
            Err(failure) if failure.is(404) => NamespaceState::Missing,
            Err(failure) => NamespaceState::Unknown(failure),
        }
    }

    async fn dry_run(&self) -> NamespaceState {
        let container = json!({"name": "check", "image": "kjo-check"});
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "kjo-check"},
            "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
        });
        let uri = with_query(&self.jobs(), &[("dryRun", "All"), ("fieldManager", "kjo")]);
        let Err(failure) = self.unary(Method::POST, &uri, job.to_string().into_bytes()).await else {
            return NamespaceState::Exists;
        };
        match failure.status() {
            Some(status) if status.code == 404 => NamespaceState::Missing,
            Some(status) if status.causes.iter().any(|cause| cause == "NamespaceTerminating") => {
                NamespaceState::Terminating
            }
            // Quota, policies and webhooks judge what is in a namespace that exists.
            Some(status) if status.code == 403 || status.code == 409 => NamespaceState::Exists,
            Some(_) | None => NamespaceState::Unknown(failure),
        }
    }

    async fn review(&self, path: &str, review: &Value) -> Result<Value, Failure> {
        decoded(
            self.unary(Method::POST, path, review.to_string().into_bytes())
                .await?
                .body(),
        )
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
