//! Which of its forms an object is answered in (pure; k8s.io/apiserver pkg/endpoints/handlers/negotiation).

use bytes::Bytes;
use http::{Request, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{path::Query, table};
use crate::sandbox::{refused::Refused, resource::Resource};

/// The content type of aggregated discovery.
pub(super) const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A form of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// As they are.
    Whole,
    /// Their metadata.
    Metadata,
    /// Rows, as kubectl prints them, with this much of each object.
    Rows(Include),
}

/// What of the object goes with its row: the parameter `includeObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

impl View {
    /// What a request asks for.
    ///
    /// # Errors
    /// 406 if it takes nothing that there is.
    pub(super) fn of(request: &Request<Bytes>, query: &Query) -> Result<Self, Refused> {
        let include = match query.text("includeObject") {
            None | Some("Metadata") => Include::Metadata,
            Some("None") => Include::None,
            Some("Object") => Include::Object,
            Some(other) => {
                let supported = "supported values: \"None\", \"Metadata\", \"Object\"";
                return Err(Refused::bad_request(format!(
                    "invalid include value: {other:?}: {supported}"
                )));
            }
        };
        let view = |clause: &Clause<'_>| match (clause.kind, clause.parameter("as"), clause.parameter("g")) {
            (kind, None, _) if JSON.contains(&kind) => Some(Self::Whole),
            ("application/json", Some("Table"), Some("meta.k8s.io")) => Some(Self::Rows(include)),
            ("application/json", Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("meta.k8s.io")) => {
                Some(Self::Metadata)
            }
            (_, _, _) => None,
        };
        let of_version_1 = |clause: &&Clause<'_>| matches!(clause.parameter("v"), None | Some("v1"));
        let clauses = clauses(request);
        let found = clauses.iter().filter(of_version_1).find_map(view);
        match found {
            Some(view) => Ok(view),
            None if clauses.is_empty() => Ok(Self::Whole),
            None => Err(not_acceptable("application/json, application/json;stream=watch")),
        }
    }

    /// A list of these objects.
    pub(super) fn list(self, resource: Resource, objects: &[&Value], version: u64, now: Timestamp) -> Value {
        let version = version.to_string();
        match self {
            Self::Whole => {
                let items: Vec<Value> = objects.iter().map(|object| without_kind(object)).collect();
                json!({
                    "kind": format!("{}List", resource.kind()), "apiVersion": resource.api_version(),
                    "metadata": {"resourceVersion": version}, "items": items,
                })
            }
            Self::Metadata => {
                let items: Vec<Value> = objects.iter().map(|object| metadata(object)).collect();
                json!({
                    "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": {"resourceVersion": version}, "items": items,
                })
            }
            Self::Rows(include) => table::of(resource, objects, &version, include, true, now),
        }
    }

    /// One object. Of the events of a watch only the first says what the columns are.
    pub(super) fn one(self, resource: Resource, object: &Value, first: bool, now: Timestamp) -> Value {
        match self {
            Self::Whole => object.clone(),
            Self::Metadata => metadata(object),
            Self::Rows(include) => {
                let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                table::of(resource, &[object], version, include, first, now)
            }
        }
    }
}

/// An object's metadata as an object of its own.
pub(super) fn metadata(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// Lists of a kind do not repeat it.
fn without_kind(object: &Value) -> Value {
    let mut item = object.clone();
    if let Some(map) = item.as_object_mut() {
        map.remove("kind");
        map.remove("apiVersion");
    }
    item
}

/// Whether discovery is wanted in one document.
pub(super) fn aggregated(request: &Request<Bytes>) -> bool {
    clauses(request).first().is_some_and(|clause| {
        clause.kind == "application/json"
            && clause.parameter("as") == Some("APIGroupDiscoveryList")
            && clause.parameter("v") == Some("v2")
    })
}

/// What JSON is an answer to.
const JSON: [&str; 3] = ["application/json", "application/*", "*/*"];

/// 406, with what there is.
pub(super) fn not_acceptable(forms: &str) -> Refused {
    Refused {
        details: Some(Box::default()),
        ..Refused::new(
            406,
            "NotAcceptable",
            format!("406: Not Acceptable\n\nAvailable representations: {forms}"),
        )
    }
}

/// Whether one of these forms is among those that a client names.
pub(super) fn takes(request: &Request<Bytes>, forms: &[&str]) -> bool {
    clauses(request).iter().any(|clause| forms.contains(&clause.kind))
}

/// One of the forms that a client takes.
struct Clause<'a> {
    kind: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    fn parameter(&self, name: &str) -> Option<&'a str> {
        let found = self.parameters.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
}

fn clauses(request: &Request<Bytes>) -> Vec<Clause<'_>> {
    let header = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let clauses = header
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty());
    clauses
        .map(|text| {
            let mut parts = text.split(';').map(str::trim);
            Clause {
                kind: parts.next().unwrap_or_default(),
                parameters: parts.filter_map(|part| part.split_once('=')).collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(accept: &str, query: &str) -> Result<View, u16> {
        let request = Request::builder()
            .header(header::ACCEPT, accept)
            .body(Bytes::new())
            .unwrap();
        View::of(&request, &Query::of(query)).map_err(|refused| refused.code)
    }

    #[test]
    fn the_first_form_that_there_is_counts() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        for (accept, query, expected) in [
            ("", "", Ok(View::Whole)),
            ("*/*", "", Ok(View::Whole)),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                "",
                Ok(View::Whole),
            ),
            (table, "", Ok(View::Rows(Include::Metadata))),
            (
                &format!("{table},application/json"),
                "includeObject=Object",
                Ok(View::Rows(Include::Object)),
            ),
            (
                "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                "",
                Ok(View::Whole),
            ),
            (
                "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
                "",
                Ok(View::Metadata),
            ),
            ("application/vnd.kubernetes.protobuf", "", Err(406)),
            ("application/yaml", "", Err(406)),
            (table, "includeObject=All", Err(400)),
        ] {
            assert_eq!(view(accept, query), expected, "{accept} {query}");
        }
    }
}
