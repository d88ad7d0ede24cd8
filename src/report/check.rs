//! The words of `kjo check`: what was found, ready to be copied into a bug report. `--redact` hides
//! names; a token is in none of it.

use super::redact::Hide;
use crate::{
    cluster::{NamespaceState, ServerVersion},
    core::{
        access::{self, Permission},
        failure::Failure,
        version::{self, Support},
    },
    spec::Refusal,
};

/// All that was found; what comes later is missing where something before it failed.
#[derive(Debug, Default)]
pub struct Found {
    /// The program and its machine, for example `kjo 0.1.0 on linux x86_64`.
    pub machine: String,
    /// Where the cluster was looked for, and found.
    pub cluster: Option<Result<Place, Refusal>>,
    /// The server's version, or why it does not answer.
    pub version: Option<Result<ServerVersion, Failure>>,
    /// Who the server takes the user for.
    pub user: Option<Result<String, Failure>>,
    /// The namespace.
    pub namespace: Option<NamespaceState>,
    /// What is allowed.
    pub permissions: Vec<(Permission, Result<bool, Failure>)>,
    /// Names that the caller gave or the machine has, to be hidden in what others say.
    pub names: Vec<(&'static str, String)>,
}

/// A cluster by its names.
#[derive(Debug, Clone)]
pub struct Place {
    /// The server's address.
    pub server: String,
    /// How it was found.
    pub origin: String,
    /// The same without names.
    pub origin_redacted: String,
    /// The namespace.
    pub namespace: String,
}

impl Found {
    /// Why no Job can be run there, if so.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        match &self.cluster {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Some("there is no cluster to talk to".to_owned()),
        }
        match &self.version {
            Some(Ok(server)) if server.version.is_some_and(|v| v.support() == Support::TooOld) => {
                return Some("the server is too old".to_owned());
            }
            Some(Ok(_)) => {}
            Some(Err(failure)) if failure.is(401) => return Some("the credentials are refused".to_owned()),
            Some(Err(Failure::Setup(_))) => return Some("no connection can be set up".to_owned()),
            Some(Err(_)) | None => return Some("the API server does not answer".to_owned()),
        }
        match &self.namespace {
            Some(NamespaceState::Missing) => return Some("the namespace does not exist".to_owned()),
            Some(NamespaceState::Terminating) => return Some("the namespace is being deleted".to_owned()),
            Some(NamespaceState::Exists | NamespaceState::Unknown(_)) | None => {}
        }
        let needed = || self.permissions.iter().filter(|(permission, _)| permission.needed);
        let missing: Vec<_> = needed()
            .filter(|(_, may)| matches!(may, Ok(false)))
            .map(|(permission, _)| name(permission))
            .collect();
        if !missing.is_empty() {
            return Some(format!("not allowed: {}", missing.join(", ")));
        }
        needed().any(|(_, may)| may.is_err()).then(|| UNTOLD.to_owned())
    }
}

/// The obstacle that may be none; every unknown is one.
const UNTOLD: &str = "what is allowed cannot be asked";

/// All of it, in lines.
#[must_use]
pub fn text(found: &Found, redact: bool) -> String {
    let hide = Hide::new(names(found), redact);
    let mut lines = vec![found.machine.clone()];
    match &found.cluster {
        Some(Ok(place)) => lines.extend(of_place(place, redact)),
        Some(Err(refusal)) => {
            lines.push(row("cluster", &format!("none: {}", hide.of(&refusal.message))));
            lines.extend(
                refusal
                    .hint
                    .as_ref()
                    .map(|hint| row("", &format!("hint: {}", hide.of(hint)))),
            );
        }
        None => {}
    }
    if let Some(version) = &found.version {
        lines.push(row("version", &of_version(version, &hide)));
        lines.extend(version.as_ref().err().map(|failure| row("", advice(failure))));
    }
    lines.extend(found.user.as_ref().map(|user| {
        let user = match user {
            Ok(user) => hide.of(user),
            Err(failure) => format!("cannot be asked for: {}", hide.of(&failure.to_string())),
        };
        row("user", &user)
    }));
    if let (Some(Ok(place)), Some(state)) = (&found.cluster, &found.namespace) {
        let state = match state {
            NamespaceState::Exists => "exists".to_owned(),
            NamespaceState::Terminating => "is being deleted".to_owned(),
            NamespaceState::Missing => {
                "does not exist\n           hint: create it, or choose another with -n".to_owned()
            }
            NamespaceState::Unknown(failure) => format!(
                "may not be looked at, which nothing else needs: {}",
                hide.of(&failure.to_string())
            ),
        };
        lines.push(row("namespace", &format!("{} {state}", hide.of(&place.namespace))));
    }
    lines.extend(of_permissions(&found.permissions, &hide));
    lines.push(String::new());
    lines.extend(conclusion(found));
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    lines
        .iter()
        .flat_map(|text| text.split('\n'))
        .map(|line| format!("{}\n", line.chars().map(visible).collect::<String>().trim_end()))
        .collect()
}

/// Everything that is to be hidden, by its kind.
fn names(found: &Found) -> Vec<(&'static str, String)> {
    let mut names = found.names.clone();
    if let Some(Ok(place)) = &found.cluster {
        let host = place
            .server
            .split_once("://")
            .map_or(place.server.as_str(), |(_, host)| host);
        let bare = host.rsplit_once(':').map_or(host, |(host, _)| host);
        names.extend([place.server.as_str(), host, bare].map(|name| ("server", name.to_owned())));
        names.push(("namespace", place.namespace.clone()));
    }
    if let Some(Ok(user)) = &found.user {
        names.push(("user", user.clone()));
    }
    names
}

fn row(title: &str, text: &str) -> String {
    format!("{title:<11}{text}")
}

fn of_place(place: &Place, redact: bool) -> [String; 2] {
    if redact {
        return [row("server", "[server]"), row("found by", &place.origin_redacted)];
    }
    [row("server", &place.server), row("found by", &place.origin)]
}

fn of_version(version: &Result<ServerVersion, Failure>, hide: &Hide) -> String {
    let server = match version {
        Ok(server) => server,
        Err(failure) => return format!("no answer: {}", hide.of(&failure.to_string())),
    };
    let support = match server.version.map(version::Version::support) {
        Some(Support::Tested | Support::Supported) => "supported",
        Some(Support::Newer) => "newer than this kjo was tested with, and should work",
        Some(Support::TooOld) => "NOT supported",
        None => "of unknown support",
    };
    format!("{}, {support} ({})", server.name, version::promise())
}

/// What to do about a server that does not answer as it should.
fn advice(failure: &Failure) -> &'static str {
    match failure {
        Failure::Setup(_) => "hint: check certificates and user of the kubeconfig",
        Failure::Unreachable(_) | Failure::Lost(_) => "hint: check that the server is up and reachable from here",
        Failure::Answered(status) if status.code == 401 => {
            "hint: log in to the cluster again, or check the user of this context"
        }
        Failure::Answered(_) => "hint: see whether 'kubectl version' gets an answer from there",
    }
}

fn of_permissions(permissions: &[(Permission, Result<bool, Failure>)], hide: &Hide) -> Vec<String> {
    let refused = permissions.iter().find_map(|(_, may)| may.as_ref().err());
    let mut lines = Vec::new();
    if let (Some(failure), true) = (refused, permissions.iter().all(|(_, may)| may.is_err())) {
        lines.push(row(
            "allowed",
            &format!("cannot be asked: {}", hide.of(&failure.to_string())),
        ));
        lines.push(row(
            "",
            "hint: the ClusterRole system:basic-user allows SelfSubjectAccessReviews",
        ));
        return lines;
    }
    for title in ["needed", "useful", FLAGS] {
        let group: Vec<_> = permissions.iter().filter(|(p, _)| group(p) == title).collect();
        if group.is_empty() {
            continue;
        }
        lines.extend([String::new(), format!("{title}:")]);
        lines.extend(group.into_iter().map(|(permission, may)| {
            let name = name(permission);
            match may {
                Ok(true) => format!("  yes  {name}"),
                Ok(false) => format!("  NO   {name}: {}", permission.without),
                Err(failure) => format!("  ?    {name}: {}", hide.of(&failure.to_string())),
            }
        }));
    }
    lines
}

/// The group of what only some flags need.
const FLAGS: &str = "for some flags";

fn group(permission: &Permission) -> &'static str {
    match permission.needed {
        true => "needed",
        false if access::FOR_FLAGS.contains(permission) => FLAGS,
        false => "useful",
    }
}

fn name(permission: &Permission) -> String {
    format!("{} {}", permission.verb, permission.resource)
}

fn conclusion(found: &Found) -> Vec<String> {
    let of_the_role = found.permissions.iter().filter(|(p, _)| group(p) != FLAGS);
    let lacking = of_the_role.into_iter().any(|(_, may)| !matches!(may, Ok(true)));
    let role = "hint: manifests/rbac.yaml is a Role with all of these";
    match (found.obstacle(), lacking) {
        (Some(why), _) if why == UNTOLD => vec![format!("it cannot be told whether Jobs can be run here: {why}")],
        (Some(why), true) => vec![format!("Jobs cannot be run here: {why}"), role.to_owned()],
        (Some(why), false) => vec![format!("Jobs cannot be run here: {why}")],
        (None, true) => vec![
            "Jobs can be run here, less what is said above".to_owned(),
            role.to_owned(),
        ],
        (None, false) => vec!["Jobs can be run here".to_owned()],
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
