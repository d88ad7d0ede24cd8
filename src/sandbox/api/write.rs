//! create, patch and delete.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, header};
use serde_json::{Value, json};

use super::{
    Api, Body, answer,
    patches::Patch,
    path::{Part, Query},
    protobuf,
};
use crate::sandbox::{
    admit::{self, FieldValidation, Fresh},
    delete::{DeleteOptions, Deleted, Propagation},
    meta,
    refused::Refused,
    resource::Resource,
    store::Key,
    world::World,
};

impl Api {
    pub(super) fn create(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        query: &Query,
        request: &Request<Bytes>,
    ) -> Result<Response<Body>, Refused> {
        if resource.namespaced() && namespace.is_none() {
            return Err(Refused::no_such_verb());
        }
        let body = parsed(request, resource.kind())?;
        let manager = manager(query, request);
        let create = Create {
            resource,
            namespace: namespace.unwrap_or_default(),
            strictness: FieldValidation::parse(query.text("fieldValidation"), "CreateOptions")?,
            manager: &manager,
            dry_run: query.dry_run()?,
        };
        let (object, warnings) = self.world.create(&create, &body)?;
        let mut answer = answer::json(201, &object);
        answer::warn(&mut answer, &warnings);
        Ok(answer)
    }

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
            match part {
                Part::Status => {
                    let status = object["status"].take();
                    *object = old;
                    object["status"] = status;
                }
                Part::Whole | Part::Log => {
                    // Status is another subresource's, as with every kind that has one.
                    match old.get("status") {
                        Some(status) => object["status"] = status.clone(),
                        None => drop(object.as_object_mut().map(|map| map.remove("status"))),
                    }
                    let kind = key.resource.admitted_as();
                    let admitted = admit::update(kind, &old, object, strictness, self.world.honours());
                    let admitted = admitted.map_err(|refused| admit::of_patch(kind, object, refused))?;
                    *object = admitted.object;
                    warnings = admitted.warnings;
                    if object["spec"] != old["spec"]
                        && let Some(generation) = old["metadata"]["generation"].as_i64()
                    {
                        object["metadata"]["generation"] = json!(generation + 1);
                    }
                }
            }
            Ok(())
        })?;
        let mut answer = answer::json(200, &object);
        answer::warn(&mut answer, &warnings);
        Ok(answer)
    }

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
        if key.resource == Resource::Jobs && options.propagation.is_none() {
            // pkg/registry/batch/job/strategy.go, WarningsOnDelete
            let warning = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background \
                           to remove them or set propagationPolicy=Orphan to suppress this warning";
            answer::warn(&mut answer, &[warning.to_owned()]);
        }
        Ok(answer)
    }
}

/// How an object is to be made.
pub struct Create<'a> {
    /// Of which resource.
    pub resource: Resource,
    /// Where; empty for what has no namespace.
    pub namespace: &'a str,
    /// What to do about unknown fields.
    pub strictness: FieldValidation,
    /// Who makes it.
    pub manager: &'a str,
    /// Only say what would come of it.
    pub dry_run: bool,
}

impl World {
    /// Makes an object as the API server does: named, admitted, stored.
    ///
    /// # Errors
    /// What the real server would answer.
    pub fn create(&self, create: &Create<'_>, body: &Value) -> Result<(Arc<Value>, Vec<String>), Refused> {
        let resource = create.resource;
        self.accepts(&Key::new(resource, create.namespace, meta::text(body, "name")))?;
        let (uid, suffix) = (self.uid(), self.suffix());
        let fresh = Fresh {
            uid: &uid,
            suffix: &suffix,
        };
        let kind = resource.admitted_as();
        let admitted = admit::create(
            kind,
            Some(create.namespace),
            body,
            create.strictness,
            &fresh,
            self.honours(),
        )?;
        let mut object = admitted.object;
        self.check_account(resource, &object)?;
        let metadata = &mut object["metadata"];
        metadata["creationTimestamp"] = json!(self.seconds());
        metadata["managedFields"] = json!([{
            "manager": create.manager, "operation": "Update", "apiVersion": resource.api_version(),
            "time": self.seconds(), "fieldsType": "FieldsV1", "fieldsV1": {},
        }]);
        let object = self.insert(meta::key(resource, &object), object, create.dry_run)?;
        if resource == Resource::Namespaces && !create.dry_run {
            self.create_account(meta::text(&object, "name"));
        }
        Ok((object, admitted.warnings))
    }

    /// The account that every namespace has (pkg/controller/serviceaccount), made at once.
    fn create_account(&self, namespace: &str) {
        let create = Create {
            resource: Resource::ServiceAccounts,
            namespace,
            strictness: FieldValidation::Ignore,
            manager: "kube-controller-manager",
            dry_run: false,
        };
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        // The namespace has just been made: nothing is in the way.
        drop(self.create(&create, &account));
    }

    /// The admission plugin ServiceAccount: a pod's account must exist.
    fn check_account(&self, resource: Resource, object: &Value) -> Result<(), Refused> {
        if resource != Resource::Pods {
            return Ok(());
        }
        let namespace = meta::text(object, "namespace");
        // Plugins come before a name is generated: they know its beginning.
        let name = [meta::text(object, "generateName"), meta::text(object, "name")];
        let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let account = object["spec"]["serviceAccountName"].as_str().unwrap_or("default");
        match self.get(&Key::new(Resource::ServiceAccounts, namespace, account)) {
            Some(_) => Ok(()),
            None => Err(Refused::forbidden(
                &Key::new(Resource::Pods, namespace, name),
                &format!(
                    "error looking up service account {namespace}/{account}: serviceaccount {account:?} not found"
                ),
            )),
        }
    }
}

/// What a patch may not change, and the versions it may insist on.
fn check_identity(key: &Key, old: &Value, new: &mut Value) -> Result<(), Refused> {
    if !new["metadata"].is_object() {
        return Err(Refused::bad_request("metadata is no JSON object"));
    }
    if new["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"] {
        return Err(Refused::conflict(
            key,
            "the object has been modified; please apply your changes to the latest version and try again",
        ));
    }
    if new["metadata"]["name"] != old["metadata"]["name"] {
        return Err(Refused::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            meta::text(new, "name"),
            meta::text(old, "name")
        )));
    }
    for kept in [
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ] {
        match old["metadata"].get(kept) {
            Some(value) => new["metadata"][kept] = value.clone(),
            None => drop(new["metadata"].as_object_mut().map(|map| map.remove(kept))),
        }
    }
    Ok(())
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
    let text = |name: &str| {
        let of_body = body[name].as_str().map(str::to_owned);
        of_body.or_else(|| query.text(name).map(str::to_owned))
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
            Some(grace) => Some(grace),
            None => query.number("gracePeriodSeconds")?,
        },
        propagation,
        uid: precondition("uid"),
        version: precondition("resourceVersion"),
        dry_run: query.dry_run()? || body["dryRun"][0] == "All",
    })
}

/// What clients in Go send of their own accord.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The body, an object that should be of this kind.
pub(super) fn parsed(request: &Request<Bytes>, kind: &str) -> Result<Value, Refused> {
    let unrecognized = |why: &dyn std::fmt::Display| {
        Refused::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {why}"
        ))
    };
    let body = match content_type(request) {
        "" | "application/json" => serde_json::from_slice(request.body())
            .map_err(|e| unrecognized(&format_args!("couldn't get version/kind; json parse error: {e}")))?,
        PROTOBUF => protobuf::object(request.body()).map_err(|why| unrecognized(&why))?,
        _ => {
            return Err(Refused::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json, \
                 application/vnd.kubernetes.protobuf",
            ));
        }
    };
    if !body.is_object() {
        return Err(unrecognized(&"it is no JSON object"));
    }
    Ok(body)
}

fn content_type(request: &Request<Bytes>) -> &str {
    let value = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// The field manager: the parameter, else the first word of the User-Agent.
fn manager(query: &Query, request: &Request<Bytes>) -> String {
    let agent = request.headers().get(header::USER_AGENT).and_then(|v| v.to_str().ok());
    let of_agent = agent.unwrap_or("unknown").split('/').next().unwrap_or("unknown");
    query.text("fieldManager").unwrap_or(of_agent).to_owned()
}
