//! From a request's path and query to what it asks for (pure).

use std::collections::BTreeMap;

use super::{
    discovery::{Document, Group},
    review::Review,
};
use crate::sandbox::{refused::Refused, resource::Resource};

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/api`, `/apis` and what is below them, `/openapi/v3`.
    Document(Document),
    /// `/openapi/v2`.
    OpenApi2,
    /// A question about oneself.
    Review(Review),
    /// All objects of a resource, in one namespace or in all.
    Collection(Resource, Option<String>),
    /// One object, or a part of it.
    Object {
        /// Its resource.
        resource: Resource,
        /// Its namespace; empty for Namespaces.
        namespace: String,
        /// Its name.
        name: String,
        /// Which part.
        part: Part,
    },
}

/// Which part of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// The subresource `status`.
    Status,
    /// The subresource `log` of a Pod.
    Log,
}

impl Target {
    /// What this path names.
    ///
    /// # Errors
    /// 404 for a path that names nothing here.
    pub(super) fn of(path: &str) -> Result<Self, Refused> {
        let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, rest) = match parts.as_slice() {
            ["version"] => return Ok(Self::Version),
            ["healthz" | "livez" | "readyz"] => return Ok(Self::Health),
            ["api"] => return Ok(Self::Document(Document::CoreVersions)),
            ["apis"] => return Ok(Self::Document(Document::Groups)),
            ["openapi", "v2"] => return Ok(Self::OpenApi2),
            ["openapi", "v3"] => return Ok(Self::Document(Document::OpenApi)),
            ["openapi", "v3", path @ ..] => {
                let group = group(&path.join("/")).ok_or_else(Refused::no_such_page)?;
                return Ok(Self::Document(Document::OpenApiOf(group)));
            }
            ["apis", name] => {
                let group = Group::ALL.into_iter().find(|group| group.name() == *name);
                let group = group.ok_or_else(Refused::no_such_page)?;
                return Ok(Self::Document(Document::Group(group)));
            }
            ["api", _] | ["apis", _, _] if group(&parts.join("/")).is_some() => {
                let group = group(&parts.join("/")).ok_or_else(Refused::no_such_page)?;
                return Ok(Self::Document(Document::Resources(group)));
            }
            ["apis", name, "v1", plural] if *name != "batch" => {
                let group = group(&format!("apis/{name}/v1")).ok_or_else(Refused::no_such_page)?;
                let review = Review::find(group, plural).ok_or_else(Refused::no_such_path)?;
                return Ok(Self::Review(review));
            }
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", "batch", "v1", rest @ ..] => ("batch", rest),
            _ => return Err(Refused::no_such_page()),
        };
        Self::in_group(group, rest).ok_or_else(|| match rest {
            ["namespaces", _, "pods", _, sub] if BEYOND.contains(sub) => Refused::not_done(sub),
            _ => Refused::no_such_path(),
        })
    }

    fn in_group(group: &str, rest: &[&str]) -> Option<Self> {
        match rest {
            ["namespaces", namespace, plural] if part(plural).is_none() => {
                let resource = Resource::find(group, plural).filter(|r| r.namespaced())?;
                Some(Self::Collection(resource, Some((*namespace).to_owned())))
            }
            ["namespaces", namespace, plural, name, sub @ ..] => {
                let resource = Resource::find(group, plural).filter(|r| r.namespaced())?;
                Self::object(resource, namespace, name, sub)
            }
            [plural] => Some(Self::Collection(Resource::find(group, plural)?, None)),
            [plural, name, sub @ ..] => {
                let resource = Resource::find(group, plural).filter(|r| !r.namespaced())?;
                Self::object(resource, "", name, sub)
            }
            [] => None,
        }
    }

    fn object(resource: Resource, namespace: &str, name: &str, sub: &[&str]) -> Option<Self> {
        let part = match sub {
            [] => Part::Whole,
            [sub] => part(sub)?,
            _ => return None,
        };
        let exists = match (part, resource) {
            (Part::Whole, _) | (Part::Log, Resource::Pods) => true,
            (Part::Status, resource) => resource.has_status(),
            (Part::Log, _) => false,
        };
        exists.then(|| Self::Object {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            part,
        })
    }
}

/// Subresources of a Pod that would have to reach into it.
const BEYOND: [&str; 8] = [
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "portforward",
    "proxy",
    "resize",
];

/// The group that is served at this path.
fn group(path: &str) -> Option<Group> {
    Group::ALL.into_iter().find(|group| group.path() == path)
}

fn part(name: &str) -> Option<Part> {
    match name {
        "status" => Some(Part::Status),
        "log" => Some(Part::Log),
        _ => None,
    }
}

/// The parameters of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads what is behind the `?`; of a parameter that is given twice the first counts.
    #[must_use]
    pub(super) fn of(query: &str) -> Self {
        let mut map = BTreeMap::new();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let plain = |text: &str| decoded(&text.replace('+', " "));
            map.entry(plain(name)).or_insert_with(|| plain(value));
        }
        Self(map)
    }

    /// The parameter, if it is there and not empty.
    #[must_use]
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that is true or false: everything but `false` and `0` is true
    /// (k8s.io/apimachinery pkg/conversion/queryparams).
    pub(super) fn flag(&self, name: &str) -> bool {
        let off = |value: &String| matches!(value.to_ascii_lowercase().as_str(), "false" | "0");
        self.0.get(name).is_some_and(|value| !off(value))
    }

    /// A parameter that is a number.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Refused> {
        self.text(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Refused::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
            })
            .transpose()
    }

    /// `dryRun`, of which there is only `All`.
    ///
    /// # Errors
    /// 422, as the real server's.
    pub(super) fn dry_run(&self) -> Result<bool, Refused> {
        match self.text("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(Refused::new(
                422,
                "Invalid",
                format!("dryRun: Unsupported value: {other:?}: supported values: \"All\""),
            )),
        }
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_the_real_server_has_there() {
        let object = |resource, namespace: &str, name: &str, part| Target::Object {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            part,
        };
        for (path, target) in [
            ("/version", Target::Version),
            ("/api/v1", Target::Document(Document::Resources(Group::Core))),
            ("/apis/batch", Target::Document(Document::Group(Group::Batch))),
            (
                "/openapi/v3/apis/batch/v1",
                Target::Document(Document::OpenApiOf(Group::Batch)),
            ),
            (
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                Target::Review(Review::Access),
            ),
            ("/api/v1/pods", Target::Collection(Resource::Pods, None)),
            (
                "/apis/batch/v1/namespaces/n/jobs",
                Target::Collection(Resource::Jobs, Some("n".into())),
            ),
            (
                "/apis/batch/v1/namespaces/n/jobs/a%2Bb",
                object(Resource::Jobs, "n", "a+b", Part::Whole),
            ),
            (
                "/api/v1/namespaces/n",
                object(Resource::Namespaces, "", "n", Part::Whole),
            ),
            (
                "/api/v1/namespaces/n/status",
                object(Resource::Namespaces, "", "n", Part::Status),
            ),
            (
                "/api/v1/namespaces/n/pods/p/log",
                object(Resource::Pods, "n", "p", Part::Log),
            ),
        ] {
            assert_eq!(Target::of(path), Ok(target), "{path}");
        }
        for path in ["/", "/nothing", "/apis/apps/v1/namespaces/n/deployments"] {
            assert_eq!(Target::of(path), Err(Refused::no_such_page()), "{path}");
        }
        for path in [
            "/api/v1/nodes",
            "/api/v1/namespaces/n/jobs",
            "/apis/batch/v1/pods/x",
            "/apis/batch/v1/namespaces/n/jobs/j/log",
            "/api/v1/namespaces/n/pods/p/scale",
            "/api/v1/namespaces/n/configmaps/c/status",
        ] {
            assert_eq!(Target::of(path), Err(Refused::no_such_path()), "{path}");
        }
    }

    #[test]
    fn what_would_reach_into_a_pod_is_refused_by_its_name() {
        for sub in BEYOND {
            let refused = Target::of(&format!("/api/v1/namespaces/n/pods/p/{sub}")).unwrap_err();
            assert_eq!(
                (refused.code, refused.message.contains(sub)),
                (405, true),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn queries_are_read_as_the_real_server_reads_them() {
        let query = Query::of("watch=1&labelSelector=a%3Db%2Cc&follow=false&tailLines=x&limit=&dryRun=All");
        assert_eq!(
            (query.flag("watch"), query.flag("follow"), query.flag("none")),
            (true, false, false)
        );
        assert_eq!(query.text("labelSelector"), Some("a=b,c"));
        assert_eq!(query.number("limit"), Ok(None));
        assert_eq!(query.dry_run(), Ok(true));
        assert!(query.number("tailLines").is_err());
    }
}
