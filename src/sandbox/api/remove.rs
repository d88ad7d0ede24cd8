//! delete, of one object and of many.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::{
    Api, Body,
    accept::View,
    answer,
    path::Query,
    protobuf,
    selector::Selector,
    write::{PROTOBUF, content_type},
};
use crate::sandbox::{
    delete::{DeleteOptions, Deleted, Propagation},
    meta,
    refused::Refused,
    resource::Resource,
    store::Key,
};

impl Api {
    pub(super) fn delete_object(
        &self,
        key: &Key,
        query: &Query,
        request: &Request<Bytes>,
    ) -> Result<Response<Body>, Refused> {
        let options = delete_options(query, request)?;
        let deleted = self.world.delete(key, &options)?;
        let document = match deleted {
            // Pods come back as they went, everything else as a Status.
            Deleted::Marked(object) => object.as_ref().clone(),
            Deleted::Gone(object) if key.resource == Resource::Pods => object.as_ref().clone(),
            Deleted::Gone(object) => json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": {
                    "name": key.name, "group": key.resource.group(), "kind": key.resource.plural(),
                    "uid": meta::text(&object, "uid"),
                },
            }),
        };
        let mut answer = answer::json(200, &document);
        warn_of_orphans(&mut answer, key.resource, &options);
        Ok(answer)
    }

    /// Deletes what the selectors select, and answers what they selected.
    pub(super) fn delete_collection(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        query: &Query,
        request: &Request<Bytes>,
    ) -> Result<Response<Body>, Refused> {
        let namespace = namespace.ok_or_else(Refused::no_such_verb)?;
        let options = delete_options(query, request)?;
        let selector = Selector::new(resource, query.text("labelSelector"), query.text("fieldSelector"))?;
        let (objects, version) = self.world.list(resource, Some(namespace));
        let selected: Vec<&Value> = objects
            .iter()
            .map(AsRef::as_ref)
            .filter(|object| selector.matches(object))
            .collect();
        for object in &selected {
            match self.world.delete(&meta::key(resource, object), &options) {
                // Somebody else may have been first.
                Err(refused) if refused.code != 404 => return Err(refused),
                Ok(_) | Err(_) => {}
            }
        }
        let list = View::Whole.list(resource, &selected, version, self.world.now());
        let mut answer = answer::json(200, &list);
        warn_of_orphans(&mut answer, resource, &options);
        Ok(answer)
    }
}

/// `WarningsOnDelete` of pkg/registry/batch/job/strategy.go.
fn warn_of_orphans(answer: &mut Response<Body>, resource: Resource, options: &DeleteOptions) {
    if resource == Resource::Jobs && options.propagation.is_none() {
        let warning = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to \
                       remove them or set propagationPolicy=Orphan to suppress this warning";
        answer::warn(answer, &[warning.to_owned()]);
    }
}

fn delete_options(query: &Query, request: &Request<Bytes>) -> Result<DeleteOptions, Refused> {
    let body: Value = if request.body().is_empty() {
        Value::Null
    } else if content_type(request) == PROTOBUF {
        protobuf::object(request.body())
            .map_err(|e| Refused::bad_request(format!("the delete options cannot be read: {e}")))?
    } else {
        serde_json::from_slice(request.body())
            .map_err(|e| Refused::bad_request(format!("the delete options cannot be read: {e}")))?
    };
    // The options are in the body, or else in the query.
    let of_query = body.is_null();
    let text = |name: &str| match body[name].as_str() {
        None if of_query => query.text(name).map(str::to_owned),
        given => given.map(str::to_owned),
    };
    let propagation = match text("propagationPolicy").as_deref() {
        None => None,
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => {
            return Err(Refused::new(
                422,
                "Invalid",
                format!(
                    "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: {other:?}: \
                     supported values: \"Background\", \"Foreground\", \"Orphan\", \"nil\""
                ),
            ));
        }
    };
    let precondition = |name: &str| body["preconditions"][name].as_str().map(str::to_owned);
    Ok(DeleteOptions {
        grace: match body["gracePeriodSeconds"].as_i64() {
            None if of_query => query.number("gracePeriodSeconds")?,
            given => given,
        },
        propagation,
        uid: precondition("uid"),
        version: precondition("resourceVersion"),
        dry_run: if of_query {
            query.dry_run()?
        } else {
            body["dryRun"][0] == "All"
        },
    })
}
