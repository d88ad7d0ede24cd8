//! Label and field selectors (pure; k8s.io/apimachinery pkg/labels and pkg/fields).

use serde_json::Value;

use crate::sandbox::{refused::Refused, resource::Resource};

/// Which objects a list or watch is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
}

#[derive(Debug, Clone)]
struct Requirement {
    label: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Exists(bool),
    In(Vec<String>, bool),
}

impl Selector {
    /// Reads both selectors of a request.
    ///
    /// # Errors
    /// 400 for a selector that cannot be read, or a field that the resource cannot be selected by.
    pub(super) fn new(resource: Resource, labels: Option<&str>, fields: Option<&str>) -> Result<Self, Refused> {
        let requirements = split(labels.unwrap_or_default())
            .into_iter()
            .map(|text| {
                requirement(text).ok_or_else(|| {
                    let found = text.split_whitespace().nth(1).unwrap_or_default();
                    Refused::bad_request(format!(
                        "unable to parse requirement: found '{found}', expected: in, notin, =, ==, !=, gt, lt"
                    ))
                })
            })
            .collect::<Result<_, _>>()?;
        let fields = fields.unwrap_or_default().split(',').filter(|f| !f.is_empty());
        Ok(Self {
            labels: requirements,
            fields: fields.map(|text| field(resource, text)).collect::<Result<_, _>>()?,
        })
    }

    /// The object is selected.
    #[must_use]
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| {
            let value = labels[&requirement.label].as_str();
            match &requirement.test {
                Test::Exists(wanted) => value.is_some() == *wanted,
                Test::In(values, wanted) => value.is_some_and(|v| values.iter().any(|w| w == v)) == *wanted,
            }
        }) && self.fields.iter().all(|(pointer, wanted, equal)| {
            let found = match object.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(flag)) => flag.to_string(),
                Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
            };
            (found == *wanted) == *equal
        })
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn requirement(text: &str) -> Option<Requirement> {
    let of = |label: &str, test| {
        let label = label.trim();
        let plain = !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        plain.then(|| Requirement {
            label: label.to_owned(),
            test,
        })
    };
    let set = |list: &str| -> Option<Vec<String>> {
        let inside = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inside.split(',').map(|v| v.trim().to_owned()).collect())
    };
    if let Some((label, value)) = text.split_once("!=") {
        return of(label, Test::In(vec![value.trim().to_owned()], false));
    }
    if let Some((label, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return of(label, Test::In(vec![value.trim().to_owned()], true));
    }
    if let Some((label, list)) = text.split_once(" notin ") {
        return of(label, Test::In(set(list)?, false));
    }
    if let Some((label, list)) = text.split_once(" in ") {
        return of(label, Test::In(set(list)?, true));
    }
    match text.strip_prefix('!') {
        Some(label) => of(label, Test::Exists(false)),
        None => of(text, Test::Exists(true)),
    }
}

fn field(resource: Resource, text: &str) -> Result<(String, String, bool), Refused> {
    let (name, value, equal) = if let Some((name, value)) = text.split_once("!=") {
        (name, value, false)
    } else if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (name, value, true)
    } else {
        return Err(Refused::bad_request(format!(
            "invalid selector: {text:?}; can't understand {text:?}"
        )));
    };
    let known: &[&str] = match resource {
        Resource::Pods => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
        Resource::Events => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "reason",
            "reportingComponent",
            "type",
        ],
        Resource::Jobs => &["status.successful"],
        Resource::Namespaces => &["status.phase"],
        Resource::Secrets => &["type"],
        Resource::ConfigMaps
        | Resource::CronJobs
        | Resource::PersistentVolumeClaims
        | Resource::ServiceAccounts
        | Resource::Services => &[],
    };
    let own = name == "metadata.name" || (resource.namespaced() && name == "metadata.namespace");
    if !own && !known.contains(&name) {
        let text = if resource == Resource::Jobs {
            format!("field label {name:?} not supported for Job")
        } else {
            format!("field label not supported: {name}")
        };
        return Err(Refused::bad_request(text));
    }
    // The one field that is not called as it is selected.
    let pointer = if name == "status.successful" {
        "/status/succeeded".to_owned()
    } else {
        format!("/{}", name.replace('.', "/"))
    };
    Ok((pointer, value.to_owned(), equal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_fields_select() {
        let pod = json!({
            "metadata": {"name": "p", "namespace": "n", "labels": {"app": "etl", "tier/x": "1"}},
            "status": {"phase": "Running"},
        });
        for (labels, fields, selected) in [
            ("", "", true),
            ("app=etl", "", true),
            ("app==etl,tier/x=1", "", true),
            ("app=other", "", false),
            ("app!=other", "", true),
            ("none!=x", "", true),
            ("app in (a, etl),tier/x", "", true),
            ("app notin (a, etl)", "", false),
            ("none notin (a)", "", true),
            ("!app", "", false),
            ("!none", "", true),
            ("", "metadata.name=p,status.phase!=Failed", true),
            ("", "metadata.name=q", false),
            ("", "spec.nodeName=", true),
            ("", "spec.nodeName!=", false),
        ] {
            let selector = Selector::new(Resource::Pods, Some(labels), Some(fields)).unwrap();
            assert_eq!(selector.matches(&pod), selected, "{labels} {fields}");
        }
        for (labels, fields) in [("a b", ""), ("a in x", ""), ("", "spec.x=1"), ("", "metadata.name")] {
            let refused = Selector::new(Resource::Pods, Some(labels), Some(fields)).unwrap_err();
            assert_eq!(refused.code, 400, "{labels} {fields}");
        }
    }
}
