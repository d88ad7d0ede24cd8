//! patch (PATCH) and update (PUT) of what is there.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::{
    Api, Body, answer,
    patches::Patch,
    path::{Part, Query},
    write::{self, content_type},
};
use crate::sandbox::{
    admit::{self, FieldValidation},
    meta,
    refused::Refused,
    resource::Resource,
    store::Key,
};

impl Api {
    pub(super) fn patch(
        &self,
        key: &Key,
        part: Part,
        query: &Query,
        request: &Request<Bytes>,
    ) -> Result<Response<Body>, Refused> {
        let patch = Patch::read(content_type(request), request.body())?;
        let strictness = FieldValidation::parse(query.text("fieldValidation"), "PatchOptions")?;
        let mut warnings = Vec::new();
        let object = self.world.modify(key, query.dry_run()?, |object| {
            let old = object.clone();
            patch.apply(object)?;
            check_identity(key, &old, object)?;
            warnings = self
                .settle(key, part, &old, object, strictness)
                .map_err(|refused| admit::of_patch(key.resource.admitted_as(), object, refused))?;
            Ok(())
        })?;
        Ok(answered(&object, &warnings))
    }

    /// Puts another object in the place of what is there (k8s.io/apiserver pkg/registry/generic/registry/store.go).
    pub(super) fn replace(
        &self,
        key: &Key,
        part: Part,
        query: &Query,
        request: &Request<Bytes>,
    ) -> Result<Response<Body>, Refused> {
        let body = write::parsed(request, key.resource.kind())?;
        let strictness = FieldValidation::parse(query.text("fieldValidation"), "UpdateOptions")?;
        match meta::text(&body, "name") {
            "" => {
                let why = "was undeterminable: name must be provided";
                return Err(Refused::bad_request(format!(
                    "the name of the object ({} based on URL) {why}",
                    key.name
                )));
            }
            name if name != key.name => return Err(other_name(name, &key.name)),
            _ => {}
        }
        let made_by_put = matches!(key.resource, Resource::Events | Resource::Services);
        if made_by_put && part == Part::Whole && self.world.get(key).is_none() {
            return self.create(key.resource, Some(&key.namespace), query, request);
        }
        let mut warnings = Vec::new();
        let object = self.world.modify(key, query.dry_run()?, |object| {
            let old = std::mem::replace(object, body);
            check_versions(key, &old, object)?;
            warnings = self.settle(key, part, &old, object, strictness)?;
            Ok(())
        })?;
        Ok(answered(&object, &warnings))
    }

    /// What is stored of a change to the whole object, or to its status; the rest of it stays as it was.
    fn settle(
        &self,
        key: &Key,
        part: Part,
        old: &Value,
        object: &mut Value,
        strictness: FieldValidation,
    ) -> Result<Vec<String>, admit::Refused> {
        match part {
            Part::Status => {
                let status = object["status"].take();
                *object = old.clone();
                object["status"] = status;
                Ok(Vec::new())
            }
            Part::Whole | Part::Log => {
                // Status is another subresource's, as with every kind that has one.
                match old.get("status") {
                    Some(status) => object["status"] = status.clone(),
                    None => drop(object.as_object_mut().map(|map| map.remove("status"))),
                }
                let kind = key.resource.admitted_as();
                let admitted = admit::update(kind, old, object, strictness, self.world.honours())?;
                *object = admitted.object;
                if object["spec"] != old["spec"]
                    && let Some(generation) = old["metadata"]["generation"].as_i64()
                {
                    object["metadata"]["generation"] = json!(generation + 1);
                }
                Ok(admitted.warnings)
            }
        }
    }
}

fn answered(object: &Arc<Value>, warnings: &[String]) -> Response<Body> {
    let mut answer = answer::json(200, object);
    answer::warn(&mut answer, warnings);
    answer
}

/// What a patch may not change, and the versions it may insist on.
fn check_identity(key: &Key, old: &Value, new: &mut Value) -> Result<(), Refused> {
    if !new["metadata"].is_object() {
        return Err(Refused::bad_request("metadata is no JSON object"));
    }
    if new["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"] {
        return Err(Refused::conflict(key, MODIFIED));
    }
    if new["metadata"]["name"] != old["metadata"]["name"] {
        return Err(other_name(meta::text(new, "name"), &key.name));
    }
    keep(&SYSTEMS, old, new);
    Ok(())
}

/// The versions that an object put in another's place may insist on, and what it need not say.
fn check_versions(key: &Key, old: &Value, new: &mut Value) -> Result<(), Refused> {
    let (uid, there) = (meta::text(new, "uid"), meta::text(old, "uid"));
    if !uid.is_empty() && uid != there {
        let place = format!("/registry/{}/{}/{}", key.resource.plural(), key.namespace, key.name);
        return Err(Refused::conflict(
            key,
            &format!(
                "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
                 failed: UID in precondition: {uid}, UID in object meta: {there}",
                place.replace("//", "/"),
            ),
        ));
    }
    let version = meta::text(new, "resourceVersion");
    if !version.is_empty() && version != meta::text(old, "resourceVersion") {
        return Err(Refused::conflict(key, MODIFIED));
    }
    keep(&["uid", "resourceVersion", "managedFields"], old, new);
    keep(&SYSTEMS, old, new);
    Ok(())
}

/// Fields of the metadata that only the system sets.
const SYSTEMS: [&str; 4] = [
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
];

/// Leaves these fields of the metadata as they were.
fn keep(fields: &[&str], old: &Value, new: &mut Value) {
    for field in fields {
        match old["metadata"].get(field) {
            Some(value) => new["metadata"][field] = value.clone(),
            None => drop(new["metadata"].as_object_mut().map(|map| map.remove(*field))),
        }
    }
}

fn other_name(given: &str, asked: &str) -> Refused {
    Refused::bad_request(format!(
        "the name of the object ({given}) does not match the name on the URL ({asked})"
    ))
}

const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version and try again";
