//! Refusals as the API server words them (apimachinery `pkg/util/validation/field/errors.go` and
//! `pkg/api/errors/errors.go`).

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Kind, node::Node};

/// An error answer; [`Refused::status`] is its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status code: 400 or 422.
    pub code: u16,
    /// `BadRequest` or `Invalid`.
    pub reason: &'static str,
    /// The whole text, as the user reads it.
    pub message: String,
    /// What is wrong with which field; a `BadRequest` has none.
    pub details: Option<Box<Details>>,
}

/// `details` of a `Status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The object's name; empty if it has none.
    pub name: String,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The object's kind.
    pub kind: &'static str,
    /// One for each error, in the order of the server's checks; the same may be named twice.
    pub causes: Vec<Cause>,
}

/// One error of a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// For example `FieldValueInvalid`.
    pub reason: &'static str,
    /// For example `Invalid value: -1: must be greater than or equal to 0`.
    pub message: String,
    /// The field's path, for example `spec.parallelism`.
    pub field: String,
}

impl Refused {
    pub(super) fn bad_request(message: String) -> Self {
        Self {
            code: 400,
            reason: "BadRequest",
            message,
            details: None,
        }
    }

    /// The same error twice is said once in the message, but stays two causes, as in
    /// `ErrorList.ToAggregate`.
    pub(super) fn invalid(group: &'static str, kind: &'static str, name: &str, causes: Vec<Cause>) -> Self {
        let mut seen = BTreeSet::new();
        let texts: Vec<String> = causes
            .iter()
            .filter(|cause| seen.insert(*cause))
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        Self {
            code: 422,
            reason: "Invalid",
            message: format!("{qualified} {} is invalid: {text}", quoted(name)),
            details: Some(Box::new(Details {
                name: name.to_owned(),
                group,
                kind,
                causes,
            })),
        }
    }

    /// The body of the answer: a `Status` of `v1`.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            let causes: Vec<Value> = details
                .causes
                .iter()
                .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
                .collect();
            status["details"] = json!({"kind": details.kind, "causes": causes});
            for (key, value) in [("name", details.name.as_str()), ("group", details.group)] {
                if !value.is_empty() {
                    status["details"][key] = value.into();
                }
            }
        }
        status
    }
}

/// The errors found so far.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<Cause>);

impl Errors {
    /// Refuses the object if anything was found.
    pub(super) fn into_result(self, kind: Kind, name: &str) -> Result<(), Refused> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Refused::invalid(kind.group(), kind.name(), name, self.0))
    }

    fn push(&mut self, node: &Node<'_>, reason: &'static str, parts: &[&str]) {
        let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        self.0.push(Cause {
            reason,
            message: parts.join(": "),
            field: node.path.clone(),
        });
    }

    pub(super) fn required(&mut self, node: &Node<'_>, detail: &str) {
        self.push(node, "FieldValueRequired", &["Required value", detail]);
    }

    pub(super) fn invalid(&mut self, node: &Node<'_>, detail: &str) {
        self.invalid_as(node, node.value, detail);
    }

    /// Where the server shows another value than that of the field.
    pub(super) fn invalid_as(&mut self, node: &Node<'_>, shown: impl Serialize, detail: &str) {
        self.push(node, "FieldValueInvalid", &["Invalid value", &quoted(shown), detail]);
    }

    /// Where the server shows no value.
    pub(super) fn invalid_as_a_whole(&mut self, node: &Node<'_>, detail: &str) {
        self.push(node, "FieldValueInvalid", &["Invalid value", detail]);
    }

    /// One error for each thing that is wrong with a name.
    pub(super) fn named(&mut self, node: &Node<'_>, name: &str, form: fn(&str) -> Vec<String>) {
        for detail in form(name) {
            self.invalid_as(node, name, &detail);
        }
    }

    /// A field that is a name and not empty.
    pub(super) fn must_be_named(&mut self, node: &Node<'_>, form: fn(&str) -> Vec<String>) {
        match node.text() {
            "" => self.required(node, ""),
            name => self.named(node, name, form),
        }
    }

    /// A field that, if it is set, is one of these.
    pub(super) fn one_of(&mut self, node: &Node<'_>, supported: &[&str]) {
        if node.is_set() && !supported.contains(&node.text()) {
            let list: Vec<String> = supported.iter().map(quoted).collect();
            let detail = format!("supported values: {}", list.join(", "));
            self.push(
                node,
                "FieldValueNotSupported",
                &["Unsupported value", &quoted(node.value), &detail],
            );
        }
    }

    /// A field that is one of these; the choice is told as Go prints a list.
    pub(super) fn must_be_one_of(&mut self, node: &Node<'_>, supported: &[&str]) {
        if !node.is_set() {
            let list: Vec<String> = supported.iter().map(quoted).collect();
            self.required(node, &format!("valid values: [{}]", list.join(" ")));
        }
        self.one_of(node, supported);
    }

    pub(super) fn duplicate(&mut self, node: &Node<'_>) {
        self.push(node, "FieldValueDuplicate", &["Duplicate value", &quoted(node.value)]);
    }

    pub(super) fn not_found(&mut self, node: &Node<'_>) {
        self.push(node, "FieldValueNotFound", &["Not found", &quoted(node.value)]);
    }

    pub(super) fn forbidden(&mut self, node: &Node<'_>, detail: &str) {
        self.push(node, "FieldValueForbidden", &["Forbidden", detail]);
    }

    /// The sandbox's own refusal, unless the field is refused already.
    pub(super) fn not_honoured(&mut self, node: &Node<'_>) {
        if !self.0.iter().any(|cause| cause.field == node.path) {
            let detail = "the sandbox does not honour this field (docs/sandbox.md says what it does)";
            self.forbidden(node, detail);
        }
    }

    pub(super) fn too_long(&mut self, node: &Node<'_>, bytes: usize) {
        let detail = format!("may not be more than {bytes} bytes");
        self.push(node, "FieldValueTooLong", &["Too long", &detail]);
    }

    pub(super) fn at_most(&mut self, node: &Node<'_>, most: usize) {
        let count = node.items().len();
        if count > most {
            let detail = format!("must have at most {most} items");
            self.push(node, "FieldValueTooMany", &["Too many", &count.to_string(), &detail]);
        }
    }

    pub(super) fn not_negative(&mut self, node: &Node<'_>) {
        if node.number() < Some(0) && node.is_set() {
            self.invalid(node, "must be greater than or equal to 0");
        }
    }

    pub(super) fn immutable(&mut self, new: &Node<'_>, old: &Value) {
        if new.value != old {
            self.invalid(new, "field is immutable");
        }
    }
}

/// A value in a message. Go's `%q` and JSON agree but for control characters.
pub(super) fn quoted(value: impl Serialize) -> String {
    serde_json::to_string(&value).unwrap_or_default()
}
