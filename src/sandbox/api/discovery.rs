//! What the server says of itself: its version, its resources, and as much of OpenAPI as tells clients
//! which parameters there are (pure).

use serde_json::{Value, json};

use super::review::Review;
use crate::sandbox::resource::Resource;

/// `/version`: the Kubernetes whose behaviour is copied.
#[must_use]
pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": concat!("v1.36.0+kjo-sandbox-", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// A group of resources, in its one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Core,
    Batch,
    Authentication,
    Authorization,
}

impl Group {
    pub(super) const ALL: [Self; 4] = [Self::Core, Self::Batch, Self::Authentication, Self::Authorization];

    /// Its name; empty for the core group.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Core => "",
            Self::Batch => "batch",
            Self::Authentication => "authentication.k8s.io",
            Self::Authorization => "authorization.k8s.io",
        }
    }

    /// As in `apiVersion:`.
    pub(super) fn version(self) -> String {
        self.path()
            .trim_start_matches("apis/")
            .trim_start_matches("api/")
            .to_owned()
    }

    /// Where it is served.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Core => "api/v1",
            Self::Batch => "apis/batch/v1",
            Self::Authentication => "apis/authentication.k8s.io/v1",
            Self::Authorization => "apis/authorization.k8s.io/v1",
        }
    }

    fn kinds(self) -> Vec<Served> {
        let resources = Resource::ALL.into_iter().filter(|r| r.group() == self.name());
        let reviews = Review::ALL.into_iter().filter(|r| r.group() == self);
        resources.map(Served::of).chain(reviews.map(Served::review)).collect()
    }
}

/// What a document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/GROUP`.
    Group(Group),
    /// `/apis/GROUP/VERSION`, `/api/v1`.
    Resources(Group),
    /// `/openapi/v3`.
    OpenApi,
    /// `/openapi/v3/…`.
    OpenApiOf(Group),
}

impl Document {
    /// Its content. The first two can tell all about their groups at once.
    #[must_use]
    pub(super) fn content(self, aggregated: bool) -> Value {
        match self {
            Self::CoreVersions if aggregated => all_of(&[Group::Core]),
            Self::Groups if aggregated => all_of(&[Group::Batch, Group::Authentication, Group::Authorization]),
            Self::CoreVersions => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
            Self::Groups => {
                let groups = Group::ALL.into_iter().filter(|group| *group != Group::Core);
                let groups: Vec<Value> = groups.map(group).collect();
                json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
            }
            Self::Group(group_) => {
                let mut document = group(group_);
                document["kind"] = json!("APIGroup");
                document["apiVersion"] = json!("v1");
                document
            }
            Self::Resources(group) => {
                let list: Vec<Value> = group.kinds().iter().flat_map(Served::entries).collect();
                json!({
                    "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group.version(), "resources": list,
                })
            }
            Self::OpenApi => {
                let path = |group: Group| {
                    let url = json!({"serverRelativeURL": format!("/openapi/v3/{}", group.path())});
                    (group.path().to_owned(), url)
                };
                json!({"paths": Value::Object(Group::ALL.into_iter().map(path).collect())})
            }
            Self::OpenApiOf(group) => open_api(group),
        }
    }

    /// Whether it has an aggregated form.
    pub(super) fn aggregates(self) -> bool {
        matches!(self, Self::CoreVersions | Self::Groups)
    }
}

fn group(group: Group) -> Value {
    let version = json!({"groupVersion": group.version(), "version": "v1"});
    json!({"name": group.name(), "versions": [version], "preferredVersion": version})
}

fn all_of(groups: &[Group]) -> Value {
    let item = |group: &Group| {
        let resources: Vec<Value> = group.kinds().iter().map(Served::aggregated).collect();
        let metadata = if *group == Group::Core {
            json!({})
        } else {
            json!({"name": group.name()})
        };
        json!({
            "metadata": metadata,
            "versions": [{"version": "v1", "resources": resources, "freshness": "Current"}],
        })
    };
    let items: Vec<Value> = groups.iter().map(item).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

/// A kind that is served.
struct Served {
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    verbs: &'static [&'static str],
    short: &'static [&'static str],
    of_all: bool,
    /// Subresources, with what can be done to them.
    parts: Vec<(&'static str, &'static [&'static str])>,
}

impl Served {
    fn of(resource: Resource) -> Self {
        let mut parts: Vec<(_, &'static [_])> = Vec::new();
        if resource == Resource::Pods {
            parts.push(("log", &["get"]));
        }
        if resource.has_status() {
            parts.push(("status", &["get", "patch", "update"]));
        }
        Self {
            plural: resource.plural(),
            kind: resource.kind(),
            namespaced: resource.namespaced(),
            verbs: if resource.namespaced() {
                &[
                    "create",
                    "delete",
                    "deletecollection",
                    "get",
                    "list",
                    "patch",
                    "update",
                    "watch",
                ]
            } else {
                &["create", "delete", "get", "list", "patch", "update", "watch"]
            },
            short: resource.short_names(),
            of_all: resource.of_all(),
            parts,
        }
    }

    fn review(review: Review) -> Self {
        Self {
            plural: review.plural(),
            kind: review.kind(),
            namespaced: false,
            verbs: &["create"],
            short: &[],
            of_all: false,
            parts: Vec::new(),
        }
    }

    fn entries(&self) -> Vec<Value> {
        let entry = |name: String, verbs: &[&str]| {
            json!({
                "name": name, "singularName": self.kind.to_lowercase(), "namespaced": self.namespaced,
                "kind": self.kind, "verbs": verbs,
            })
        };
        let mut whole = entry(self.plural.to_owned(), self.verbs);
        if !self.short.is_empty() {
            whole["shortNames"] = json!(self.short);
        }
        if self.of_all {
            whole["categories"] = json!(["all"]);
        }
        let parts = self.parts.iter();
        let parts = parts.map(|(part, verbs)| entry(format!("{}/{part}", self.plural), verbs));
        std::iter::once(whole).chain(parts).collect()
    }

    fn aggregated(&self) -> Value {
        let kind = json!({"group": "", "version": "", "kind": self.kind});
        let mut resource = json!({
            "resource": self.plural, "responseKind": kind, "singularResource": self.kind.to_lowercase(),
            "scope": if self.namespaced { "Namespaced" } else { "Cluster" }, "verbs": self.verbs,
        });
        if !self.short.is_empty() {
            resource["shortNames"] = json!(self.short);
        }
        if self.of_all {
            resource["categories"] = json!(["all"]);
        }
        let part = |(part, verbs): &(_, _)| json!({"subresource": part, "responseKind": kind, "verbs": verbs});
        if !self.parts.is_empty() {
            resource["subresources"] = self.parts.iter().map(part).collect();
        }
        resource
    }
}

/// The paths of a group with the parameters by which clients find out what the server checks itself. The
/// kinds' schemas have no fields.
fn open_api(group: Group) -> Value {
    let parameter =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let path = |served: &Served| {
        let operation = |action: &str| {
            json!({
                "x-kubernetes-action": action, "responses": {"200": {"description": "OK"}},
                "x-kubernetes-group-version-kind": {"group": group.name(), "kind": served.kind, "version": "v1"},
                "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
            })
        };
        let place = if served.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        let collection = format!("/{}{place}/{}", group.path(), served.plural);
        let one = (format!("{collection}/{{name}}"), json!({"patch": operation("patch")}));
        let all = (collection, json!({"post": operation("post")}));
        if served.verbs.contains(&"patch") {
            vec![all, one]
        } else {
            vec![all]
        }
    };
    // What `kubectl explain` shows of a kind.
    let schema = |served: &Served| {
        let schema = json!({
            "type": "object", "description": "The sandbox knows no field's description: ask a real cluster.",
            "x-kubernetes-group-version-kind": [{"group": group.name(), "kind": served.kind, "version": "v1"}],
        });
        (format!("{}.{}", group.version().replace('/', "."), served.kind), schema)
    };
    let paths: serde_json::Map<String, Value> = group.kinds().iter().flat_map(path).collect();
    let schemas: serde_json::Map<String, Value> = group.kinds().iter().map(schema).collect();
    json!({
        "openapi": "3.0.0", "info": {"title": "kjo sandbox", "version": version()["gitVersion"]},
        "paths": paths, "components": {"schemas": schemas},
    })
}
