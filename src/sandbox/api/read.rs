//! get, list, watch and logs.

use std::time::Duration;

use http::Response;
use jiff::Timestamp;
use serde_json::Value;

use super::{Api, Body, accept::View, answer, path::Query, selector::Selector, watch};
use crate::sandbox::{
    kubelet::LogOptions,
    refused::{Cause, Details, Refused},
    resource::Resource,
    store::Key,
};

/// What the real server takes between 30 and 60 minutes; one end of that will do.
const WATCH_WITHIN: i64 = 45 * 60;

impl Api {
    pub(super) fn get(&self, key: &Key, view: View) -> Result<Response<Body>, Refused> {
        let object = self.world.get(key).ok_or_else(|| Refused::not_found(key))?;
        Ok(answer::json(
            200,
            &view.one(key.resource, &object, true, self.world.now()),
        ))
    }

    pub(super) fn list(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        query: &Query,
        view: View,
    ) -> Result<Response<Body>, Refused> {
        let selector = selector(resource, query)?;
        if query.text("continue").is_some() || query.text("resourceVersionMatch") == Some("Exact") {
            // No list is ever cut here, so nothing can be continued; and no old state is kept.
            return Err(Refused::new(
                410,
                "Expired",
                "The provided continue parameter is too old to display a consistent list result.",
            ));
        }
        let (objects, version) = self.world.list(resource, namespace);
        if let Some(asked) = version_of(query)?.filter(|asked| *asked > version) {
            let mut refused = Refused::new(
                504,
                "Timeout",
                format!("Timeout: Too large resource version: {asked}, current: {version}"),
            );
            // k8s.io/apiserver pkg/storage/errors.go, NewTooLargeResourceVersionError
            refused.details = Some(Box::new(Details {
                retry_after: 1,
                causes: vec![Cause {
                    reason: "ResourceVersionTooLarge".to_owned(),
                    message: "Too large resource version".to_owned(),
                    field: String::new(),
                }],
                ..Default::default()
            }));
            return Err(refused);
        }
        let selected: Vec<&Value> = objects
            .iter()
            .map(AsRef::as_ref)
            .filter(|object| selector.matches(object))
            .collect();
        let list = view.list(resource, &selected, version, self.world.now());
        Ok(answer::json(200, &list))
    }

    pub(super) fn watch(
        &self,
        resource: Resource,
        namespace: Option<String>,
        query: &Query,
        view: View,
    ) -> Result<Response<Body>, Refused> {
        let initial = query.flag("sendInitialEvents");
        if initial && query.text("resourceVersionMatch") != Some("NotOlderThan") {
            let why = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to \
                       NotOlderThan";
            return Err(Refused::new(
                422,
                "Invalid",
                format!("ListOptions.meta.k8s.io \"\" is invalid: {why}"),
            ));
        }
        let within = query
            .number("timeoutSeconds")?
            .filter(|s| *s > 0)
            .unwrap_or(WATCH_WITHIN);
        let watched = watch::Watched {
            resource,
            namespace,
            selector: selector(resource, query)?,
            // With all that is there first, the version only says how old that may be.
            from: version_of(query)?.filter(|_| !initial),
            initial,
            view,
            bookmarks: query.flag("allowWatchBookmarks"),
            within: Duration::from_secs(within.unsigned_abs()),
        };
        let events = watch::events(self.world.clone(), watched);
        Ok(answer::stream("application/json", events))
    }

    pub(super) fn log(&self, key: &Key, query: &Query) -> Result<Response<Body>, Refused> {
        let pod = self.world.get(key).ok_or_else(|| Refused::not_found(key))?;
        let since = query
            .text("sinceTime")
            .map(|text| {
                let time: Timestamp = text
                    .parse()
                    .map_err(|_| Refused::bad_request(format!("parsing time {text:?}: it is no RFC 3339 time")))?;
                // The API server reads whole seconds and cuts the rest off.
                Ok::<_, Refused>(Timestamp::from_second(time.as_second()).unwrap_or(time))
            })
            .transpose()?;
        let options = LogOptions {
            container: query.text("container").map(str::to_owned),
            follow: query.flag("follow"),
            previous: query.flag("previous"),
            timestamps: query.flag("timestamps"),
            since,
            since_seconds: query.number("sinceSeconds")?,
            tail_lines: count(query, "tailLines")?,
            limit_bytes: count(query, "limitBytes")?,
        };
        let lines = self.kubelet.log(&pod, &options)?;
        Ok(answer::stream("text/plain", lines))
    }
}

/// A number that is not negative.
fn count(query: &Query, name: &str) -> Result<Option<usize>, Refused> {
    let number = query.number(name)?;
    let count = |number| {
        usize::try_from(number).map_err(|_| {
            let kind = "PodLogOptions";
            Refused::new(
                422,
                "Invalid",
                format!("{kind} \"\" is invalid: {name}: Invalid value: {number}: must be greater than or equal to 0"),
            )
        })
    };
    number.map(count).transpose()
}

fn selector(resource: Resource, query: &Query) -> Result<Selector, Refused> {
    Selector::new(resource, query.text("labelSelector"), query.text("fieldSelector"))
}

/// The version a request starts from; 0 means any, which is the newest here.
fn version_of(query: &Query) -> Result<Option<u64>, Refused> {
    let Some(text) = query.text("resourceVersion") else {
        return Ok(None);
    };
    let version: u64 = text
        .parse()
        .map_err(|_| Refused::bad_request(format!("resourceVersion: Invalid value: {text:?}: it is no number")))?;
    Ok(Some(version).filter(|v| *v > 0))
}
