//! Deleting, as k8s.io/apiserver pkg/registry/rest/delete.go and the strategies of Jobs and Pods do
//! it: grace, finalizers, preconditions.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{meta, refused::Refused, resource::Resource, store::Key, world::World};

/// What becomes of the objects that the deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    /// The finalizer that holds the object until the garbage collector has done its part.
    #[must_use]
    pub fn finalizer(self) -> Option<&'static str> {
        match self {
            Self::Background => None,
            Self::Foreground => Some("foregroundDeletion"),
            Self::Orphan => Some("orphan"),
        }
    }
}

/// The options of a delete request.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// Seconds; `None` for the pod's own.
    pub grace: Option<i64>,
    /// `None` for the resource's default: Jobs orphan their pods, everything else deletes.
    pub propagation: Option<Propagation>,
    /// Only the object with this UID.
    pub uid: Option<String>,
    /// Only the object in this version.
    pub version: Option<String>,
    /// Only say what would come of it.
    pub dry_run: bool,
}

/// What a delete request led to.
#[derive(Debug, Clone)]
pub enum Deleted {
    /// The object is gone; this is how it was.
    Gone(Arc<Value>),
    /// It is marked, and waits for its grace or for finalizers.
    Marked(Arc<Value>),
}

impl World {
    /// Deletes an object, or marks it as deleted.
    ///
    /// # Errors
    /// 404, or 409 if a precondition does not hold.
    pub fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted, Refused> {
        let now = self.seconds();
        // plugin/pkg/admission/namespace/lifecycle, `immortalNamespaces`.
        if key.resource == Resource::Namespaces
            && ["default", "kube-public", "kube-system"].contains(&key.name.as_str())
        {
            return Err(Refused::forbidden(key, "this namespace may not be deleted"));
        }
        let object = self.modify(key, options.dry_run, |object| {
            check(key, object, options)?;
            let grace = grace(key.resource, object, options.grace);
            finalize(key.resource, object, options.propagation);
            if key.resource == Resource::Namespaces {
                object["status"]["phase"] = json!("Terminating");
            }
            let asked_before =
                meta::deleted(object).then(|| object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0));
            // A deletion that is under way can only be shortened.
            if asked_before.is_none_or(|before| grace < before) {
                let at = now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now);
                let metadata = &mut object["metadata"];
                metadata["deletionTimestamp"] = json!(at);
                metadata["deletionGracePeriodSeconds"] = json!(grace);
                if let Some(generation) = metadata["generation"].as_i64() {
                    metadata["generation"] = json!(generation + 1);
                }
            }
            Ok(())
        })?;
        Ok(if meta::may_go(&object) {
            Deleted::Gone(object)
        } else {
            Deleted::Marked(object)
        })
    }
}

fn check(key: &Key, object: &Value, options: &DeleteOptions) -> Result<(), Refused> {
    for (asked, field, name, became) in [
        (&options.uid, "uid", "UID", "deleted and then recreated"),
        (&options.version, "resourceVersion", "ResourceVersion", "modified"),
    ] {
        let there = meta::text(object, field);
        if let Some(asked) = asked.as_deref().filter(|asked| *asked != there) {
            return Err(Refused::other_object(
                key,
                &format!(
                    "the {name} in the precondition ({asked}) does not match the {name} in record ({there}). The object \
                     might have been {became}"
                ),
            ));
        }
    }
    Ok(())
}

/// The pod's strategy: nothing to wait for where nothing runs.
fn grace(resource: Resource, object: &Value, asked: Option<i64>) -> i64 {
    if resource != Resource::Pods {
        return 0;
    }
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if ended || object["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    // pkg/registry/core/pod/strategy.go: a negative one counts as the minimum.
    let asked = asked.unwrap_or(own);
    if asked < 0 { 1 } else { asked }
}

/// Sets the garbage collector's finalizers; the last request decides.
fn finalize(resource: Resource, object: &mut Value, asked: Option<Propagation>) {
    let default = if resource == Resource::Jobs {
        Propagation::Orphan
    } else {
        Propagation::Background
    };
    let held = |finalizer: &str, object: &Value| meta::finalizers(object).contains(&finalizer);
    // deletionFinalizersForGarbageCollection: what was asked for before stays, unless this says else.
    let chosen = match asked {
        Some(asked) => asked,
        None if held("orphan", object) => Propagation::Orphan,
        None if held("foregroundDeletion", object) => Propagation::Foreground,
        None => default,
    };
    for policy in [Propagation::Foreground, Propagation::Orphan] {
        if let Some(finalizer) = policy.finalizer() {
            let there = held(finalizer, object);
            if there != (policy == chosen) {
                meta::set_finalizer(object, finalizer, policy == chosen);
            }
        }
    }
}
