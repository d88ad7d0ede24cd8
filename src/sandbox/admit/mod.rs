//! Admission: what a body must be to be stored, and what is stored in its place.
//!
//! In the order of the API server: decoding with strict fields, defaults, the system's own fields,
//! validation, warnings. Pure: the uid and the end of a generated name are passed in.
//!
//! The sandbox adds one rule: a field that it does not honour is refused by its name, so that no Job
//! passes here that runs otherwise elsewhere (`honoured.rs`).

mod config;
mod decode;
mod defaults;
mod honoured;
mod job;
mod meta;
mod node;
mod pod;
mod policies;
mod refused;
mod stored;
mod volumes;
mod warnings;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::spec::names;
pub(super) use decode::{json_type, of_patch};
use node::Node;
pub use refused::{Cause, Details, Refused};
use refused::{Errors, quoted};

/// The kinds that are admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `batch/v1` Job.
    Job,
    /// `v1` Pod.
    Pod,
    /// `v1` ConfigMap.
    ConfigMap,
    /// `v1` Secret.
    Secret,
    /// `v1` Namespace.
    Namespace,
    /// `v1` Event.
    Event,
    /// `batch/v1` CronJob.
    CronJob,
    /// `v1` PersistentVolumeClaim.
    PersistentVolumeClaim,
    /// `v1` Service.
    Service,
    /// `v1` ServiceAccount.
    ServiceAccount,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Job,
        Self::Pod,
        Self::ConfigMap,
        Self::Secret,
        Self::Namespace,
        Self::Event,
        Self::CronJob,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::ServiceAccount,
    ];

    /// As in `kind:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::Namespace => "Namespace",
            Self::Event => "Event",
            Self::CronJob => "CronJob",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Service => "Service",
            Self::ServiceAccount => "ServiceAccount",
        }
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::CronJob | Self::Job => "batch",
            Self::Pod
            | Self::ConfigMap
            | Self::Secret
            | Self::Namespace
            | Self::Event
            | Self::PersistentVolumeClaim
            | Self::Service
            | Self::ServiceAccount => "",
        }
    }

    /// As in `apiVersion:`.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        if self.group().is_empty() { "v1" } else { "batch/v1" }
    }
}

/// What happens to fields that are not known: the query parameter `fieldValidation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped with a warning each; so also without the parameter.
    Warn,
    /// They refuse the request.
    Strict,
}

impl FieldValidation {
    /// Reads the query parameter of a request whose options are of this kind, for example
    /// `CreateOptions`.
    pub fn parse(value: Option<&str>, options: &'static str) -> Result<Self, Refused> {
        match value.unwrap_or_default() {
            "" | "Warn" => Ok(Self::Warn),
            "Ignore" => Ok(Self::Ignore),
            "Strict" => Ok(Self::Strict),
            other => {
                let message = format!(
                    "Unsupported value: {}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
                    quoted(other)
                );
                let cause = Cause {
                    reason: "FieldValueNotSupported",
                    message,
                    field: "fieldValidation".to_owned(),
                };
                Err(Refused::invalid("meta.k8s.io", options, "", vec![cause]))
            }
        }
    }
}

/// What a new object gets that it cannot bring along.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// Its uid.
    pub uid: &'a str,
    /// Five random characters that end a generated name.
    pub suffix: &'a str,
}

/// What of the API this sandbox can do that another may not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Honours {
    /// Its containers have the volumes of their pods.
    pub volumes: bool,
}

/// What may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The object as clients see it; resourceVersion and creationTimestamp are the store's to set.
    pub object: Value,
    /// The texts of the answer's Warning headers.
    pub warnings: Vec<String>,
}

/// Admits a body that was sent to be created in a namespace; a Namespace itself has none.
pub fn create(
    kind: Kind,
    namespace: Option<&str>,
    body: &Value,
    strictness: FieldValidation,
    fresh: &Fresh<'_>,
    honours: Honours,
) -> Result<Admitted, Refused> {
    let (mut object, mut warnings) = decoded(kind, body, strictness)?;
    meta::place(&mut object, namespace.filter(|_| kind != Kind::Namespace))?;
    meta::fresh(&mut object, fresh);
    defaults::prepare(kind, &mut object);
    let root = Node::root(&object);
    let mut errors = Errors::default();
    validate(kind, &root, &mut errors);
    warnings.extend(warnings::of(kind, &root));
    warnings.extend(honoured::check(kind, &root, honours, &mut errors));
    errors.into_result(kind, root.at("metadata.name").text())?;
    defaults::read_back(kind, &mut object);
    Ok(Admitted { object, warnings })
}

/// Admits what a stored object is to become after a PUT, or a PATCH (see `of_patch`). The status stays as it was: it has
/// its own subresource. That the resourceVersion is the stored one, and the name that of the request,
/// is the caller's to check.
pub fn update(
    kind: Kind,
    old: &Value,
    new: &Value,
    strictness: FieldValidation,
    honours: Honours,
) -> Result<Admitted, Refused> {
    let (mut object, mut warnings) = decoded(kind, new, strictness)?;
    meta::place(&mut object, old["metadata"]["namespace"].as_str())?;
    meta::carry_over(&mut object, old);
    defaults::prepare_update(kind, &mut object, old);
    let root = Node::root(&object);
    let mut errors = Errors::default();
    // Twice, as the real one: in `rest.BeforeUpdate` and with the kind's own rules.
    meta::validate_update(&root, old, &mut errors);
    validate(kind, &root, &mut errors);
    meta::validate_update(&root, old, &mut errors);
    match kind {
        Kind::Job => job::validate_update(&root.at("spec"), old, &mut errors),
        Kind::Pod => pod::validate_update(&root.at("spec"), &old["spec"], &mut errors),
        Kind::ConfigMap | Kind::Secret => config::validate_update(&root, old, &mut errors),
        Kind::PersistentVolumeClaim => stored::validate_update(&root, old, &mut errors),
        Kind::Namespace | Kind::Event | Kind::CronJob | Kind::Service | Kind::ServiceAccount => {}
    }
    if kind == Kind::Job && object["spec"] != old["spec"] {
        warnings.extend(warnings::of(kind, &root));
    }
    warnings.extend(honoured::check(kind, &root, honours, &mut errors));
    errors.into_result(kind, root.at("metadata.name").text())?;
    Ok(Admitted { object, warnings })
}

/// Decodes, and sets what decoding sets.
fn decoded(kind: Kind, body: &Value, strictness: FieldValidation) -> Result<(Value, Vec<String>), Refused> {
    let (mut object, unknown) = decode::decode(kind, body)?;
    defaults::set(kind, &mut object);
    match strictness {
        FieldValidation::Strict if !unknown.is_empty() => {
            let why = format!("strict decoding error: {}", unknown.join(", "));
            Err(decode::refused(kind, &why))
        }
        FieldValidation::Strict | FieldValidation::Ignore => Ok((object, Vec::new())),
        FieldValidation::Warn => Ok((object, unknown)),
    }
}

fn validate(kind: Kind, root: &Node<'_>, errors: &mut Errors) {
    meta::validate(kind, &root.at("metadata"), errors);
    match kind {
        Kind::Job => job::validate(root, errors),
        Kind::Pod => pod::validate(&root.at("spec"), errors),
        Kind::ConfigMap | Kind::Secret => config::validate(root, errors),
        Kind::Event => config::validate_event(root, errors),
        Kind::CronJob => stored::validate_cron_job(root, errors),
        Kind::PersistentVolumeClaim => stored::validate_claim(root, errors),
        Kind::Service => stored::validate_service(root, errors),
        Kind::Namespace | Kind::ServiceAccount => {}
    }
}
