//! create, and how bodies are read.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, header};
use serde_json::{Value, json};

use super::{Api, Body, answer, path::Query, protobuf};
use crate::sandbox::{
    admit::{self, FieldValidation, Fresh},
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

/// What clients in Go send of their own accord.
pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

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

/// The type of the body, without parameters.
pub(super) fn content_type(request: &Request<Bytes>) -> &str {
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
