//! Error answers, with the real server's words (k8s.io/apimachinery pkg/api/errors).

use serde_json::{Value, json};

use super::{admit, resource::Resource, store::Key};

/// An error answer; becomes a `Status` body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status code.
    pub code: u16,
    /// The reason, one CamelCase word; may be empty.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What it is about.
    pub details: Option<Box<Details>>,
}

/// What an error is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The object's name.
    pub name: String,
    /// Its API group; empty for the core group.
    pub group: String,
    /// Its kind where its content is at fault, else its resource.
    pub kind: String,
    /// The fields at fault, or finer reasons.
    pub causes: Vec<Cause>,
    /// Seconds after which to try again; 0 says nothing.
    pub retry_after: u32,
}

/// One field at fault, or a finer reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid` and the like.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The field's path; may be empty.
    pub field: String,
}

impl Refused {
    /// An answer without details.
    #[must_use]
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    fn about(code: u16, reason: &'static str, message: String, resource: Resource, name: &str) -> Self {
        Self {
            code,
            reason,
            message,
            details: Some(Box::new(Details {
                name: name.to_owned(),
                group: resource.group().to_owned(),
                kind: resource.plural().to_owned(),
                ..Details::default()
            })),
        }
    }

    /// 400 for a request that makes no sense.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 404 for an object that does not exist.
    #[must_use]
    pub fn not_found(key: &Key) -> Self {
        let message = format!("{} {:?} not found", key.resource.qualified(), key.name);
        Self::about(404, "NotFound", message, key.resource, &key.name)
    }

    /// 404 for a path that leads nowhere.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self {
            details: Some(Box::default()),
            ..Self::new(404, "NotFound", "the server could not find the requested resource")
        }
    }

    /// 404 for a path outside of every API group, which is answered as by any web server.
    #[must_use]
    pub fn no_such_page() -> Self {
        Self::new(404, "", "404 page not found")
    }

    /// 405 for a verb that the resource does not have.
    #[must_use]
    pub fn no_such_verb() -> Self {
        Self {
            details: Some(Box::default()),
            ..Self::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            )
        }
    }

    /// 405 for what the sandbox leaves to a real cluster.
    #[must_use]
    pub fn not_done(what: &str) -> Self {
        Self {
            details: Some(Box::default()),
            ..Self::new(
                405,
                "MethodNotAllowed",
                format!("the sandbox does not do pods/{what}: its containers are processes of this machine"),
            )
        }
    }

    /// 409 for a create of what exists.
    #[must_use]
    pub fn exists(key: &Key) -> Self {
        let message = format!("{} {:?} already exists", key.resource.qualified(), key.name);
        Self::about(409, "AlreadyExists", message, key.resource, &key.name)
    }

    /// 409 for a precondition that does not hold.
    #[must_use]
    pub fn conflict(key: &Key, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: {why}",
            key.resource.qualified(),
            key.name
        );
        Self::about(409, "Conflict", message, key.resource, &key.name)
    }

    /// 409 for a deletion that means another object (pkg/registry/rest/delete.go names the kind there).
    #[must_use]
    pub fn other_object(key: &Key, why: &str) -> Self {
        let (kind, group) = (key.resource.kind(), key.resource.group());
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let message = format!("Operation cannot be fulfilled on {qualified} {:?}: {why}", key.name);
        let mut refused = Self::about(409, "Conflict", message, key.resource, &key.name);
        if let Some(details) = &mut refused.details {
            kind.clone_into(&mut details.kind);
        }
        refused
    }

    /// 403 for what an admission plugin does not let pass.
    #[must_use]
    pub fn forbidden(key: &Key, why: &str) -> Self {
        let message = format!("{} {:?} is forbidden: {why}", key.resource.qualified(), key.name);
        Self::about(403, "Forbidden", message, key.resource, &key.name)
    }

    /// 403 for a create in a namespace that is being deleted.
    #[must_use]
    pub fn terminating(key: &Key) -> Self {
        let message = format!(
            "{} {:?} is forbidden: unable to create new content in namespace {} because it is being terminated",
            key.resource.qualified(),
            key.name,
            key.namespace
        );
        let mut refused = Self::about(403, "Forbidden", message, key.resource, &key.name);
        if let Some(details) = &mut refused.details {
            details.causes.push(Cause {
                reason: "NamespaceTerminating".to_owned(),
                message: format!("namespace {} is being terminated", key.namespace),
                field: "metadata.namespace".to_owned(),
            });
        }
        refused
    }

    /// 410 for a version that has been compacted.
    #[must_use]
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// The `Status` object.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        });
        let Some(map) = status.as_object_mut() else {
            return status;
        };
        if !self.reason.is_empty() {
            map.insert("reason".to_owned(), json!(self.reason));
        }
        if let Some(details) = &self.details {
            map.insert("details".to_owned(), details.body());
        }
        map.insert("code".to_owned(), json!(self.code));
        status
    }
}

impl From<admit::Refused> for Refused {
    fn from(refused: admit::Refused) -> Self {
        let cause = |cause: admit::Cause| Cause {
            reason: cause.reason.to_owned(),
            message: cause.message,
            field: cause.field,
        };
        Self {
            code: refused.code,
            reason: refused.reason,
            message: refused.message,
            details: refused.details.map(|details| {
                Box::new(Details {
                    name: details.name,
                    group: details.group.to_owned(),
                    kind: details.kind.to_owned(),
                    causes: details.causes.into_iter().map(cause).collect(),
                    retry_after: 0,
                })
            }),
        }
    }
}

impl Details {
    fn body(&self) -> Value {
        let mut details = serde_json::Map::new();
        for (name, value) in [("name", &self.name), ("group", &self.group), ("kind", &self.kind)] {
            if !value.is_empty() {
                details.insert(name.to_owned(), json!(value));
            }
        }
        if !self.causes.is_empty() {
            let cause = |c: &Cause| {
                let mut cause = serde_json::Map::new();
                for (name, value) in [("reason", &c.reason), ("message", &c.message), ("field", &c.field)] {
                    if !value.is_empty() {
                        cause.insert(name.to_owned(), json!(value));
                    }
                }
                Value::Object(cause)
            };
            details.insert("causes".to_owned(), self.causes.iter().map(cause).collect());
        }
        if self.retry_after > 0 {
            details.insert("retryAfterSeconds".to_owned(), json!(self.retry_after));
        }
        Value::Object(details)
    }
}
