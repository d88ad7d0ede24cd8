//! What an unknown field was probably meant to be.

use std::collections::VecDeque;

use super::{Type, of, shown};

/// Words that fields of many types are named by: where they stand says nothing.
const COMMON: [&str; 10] = [
    "key", "kind", "items", "mode", "name", "optional", "path", "spec", "type", "value",
];
/// So many fields down an unknown field is looked for.
const DEEP: usize = 4;

/// Advice for a field that the type it stands in does not have; `None` if it resembles nothing: then
/// it may be one of a newer server.
pub(super) fn for_field(name: &str, path: &[String], types: &[&'static str]) -> Option<String> {
    let (own, above) = types.split_last()?;
    if let Some(known) = elsewhere(name, own) {
        return Some(known);
    }
    if let Some(similar) = similar(name, own) {
        return Some(format!("did you mean {similar}?"));
    }
    if COMMON.contains(&name) && types.len() > 1 {
        return None;
    }
    // Deeper first: what stands one level too high is more frequent than one too low.
    if let Some(below) = below(name, own) {
        let parent = shown(path.get(..path.len() - 1)?);
        let parent = if parent.is_empty() {
            parent
        } else {
            format!("{parent}.")
        };
        return Some(format!("it belongs in {parent}{below}: move it there"));
    }
    for (levels, type_above) in above.iter().rev().enumerate() {
        if of(type_above).iter().any(|f| f.name == name) {
            let up = objects_up(path, levels + 1);
            return Some(format!("it belongs in {up}: move it there, further to the left"));
        }
    }
    let (root, root_name) = (types.first()?, "the object");
    let place = below(name, root)?;
    Some(format!("it belongs in {place} of {root_name}: move it there"))
}

/// What is called otherwise just there.
fn elsewhere(name: &str, type_name: &str) -> Option<String> {
    let meant = match (type_name, name) {
        ("SecretVolumeSource", "name") => "secretName",
        ("PersistentVolumeClaimVolumeSource", "name") => "claimName",
        ("ConfigMapVolumeSource", "configMapName" | "configMap") => "name",
        ("SecretKeySelector" | "SecretProjection", "secretName") => "name",
        ("ConfigMapKeySelector" | "ConfigMapProjection", "configMapName") => "name",
        ("EnvFromSource", "configMap" | "configMapKeyRef") => "configMapRef",
        ("EnvFromSource", "secret" | "secretKeyRef") => "secretRef",
        ("EnvVarSource", "configMap" | "configMapRef") => "configMapKeyRef",
        ("EnvVarSource", "secret" | "secretRef") => "secretKeyRef",
        ("ResourceRequirements", _) if !name.contains(char::is_uppercase) && similar(name, type_name).is_none() => {
            return Some(format!("put {name} under requests: or limits:"));
        }
        _ => return None,
    };
    Some(format!("did you mean {meant}?"))
}

/// The path of the object so many objects above the one with the field.
fn objects_up(path: &[String], levels: usize) -> String {
    let mut left = levels;
    let mut end = path.len() - 1;
    while left > 0 && end > 0 {
        end -= 1;
        // An item of a list stands in the list's own object.
        if path.get(end).is_some_and(|part| part.parse::<usize>().is_err()) {
            left -= 1;
        }
    }
    let up = shown(path.get(..end).unwrap_or_default());
    if up.is_empty() {
        "the object itself".to_owned()
    } else {
        up
    }
}

/// The shortest way down from this type to one that has the field.
fn below(name: &str, from: &'static str) -> Option<String> {
    let mut queue = VecDeque::from([(from, Vec::<String>::new())]);
    let mut seen = vec![from];
    while let Some((type_name, path)) = queue.pop_front() {
        if !path.is_empty() && of(type_name).iter().any(|f| f.name == name) {
            return Some(path.join("."));
        }
        for field in of(type_name).iter().filter(|_| path.len() < DEEP) {
            let Some(next) = field.holds.object() else {
                continue;
            };
            let brackets = if matches!(field.holds, Type::List(_)) { "[]" } else { "" };
            let shown = format!("{}{brackets}", field.name);
            if next.ends_with("Status") || seen.contains(&next) {
                continue;
            }
            seen.push(next);
            queue.push_back((next, path.iter().cloned().chain([shown]).collect()));
        }
    }
    None
}

/// What other tools call it.
const ELSEWHERE: [(&str, &str); 14] = [
    ("cmd", "command"),
    ("entrypoint", "command"),
    ("arguments", "args"),
    ("environment", "env"),
    ("retries", "backoffLimit"),
    ("timeout", "activeDeadlineSeconds"),
    ("ttl", "ttlSecondsAfterFinished"),
    ("mounts", "volumeMounts"),
    ("workdir", "workingDir"),
    ("pullPolicy", "imagePullPolicy"),
    ("pullSecrets", "imagePullSecrets"),
    ("replicas", "parallelism"),
    ("gracePeriod", "terminationGracePeriodSeconds"),
    ("pvc", "persistentVolumeClaim"),
];
/// From this length on, a name of which another is the beginning is meant.
const TELLING: usize = 6;

fn similar(name: &str, type_name: &str) -> Option<&'static str> {
    let fields = of(type_name);
    let has = |wanted: &str| fields.iter().find(|f| f.name == wanted).map(|f| f.name);
    let other = ELSEWHERE.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
    if let Some(known) = other.and_then(|(_, ours)| has(ours)) {
        return Some(known);
    }
    let begins = |f: &&super::Field| f.name.len() >= TELLING && name.starts_with(f.name);
    let close = fields
        .iter()
        .map(|field| (distance(name, field.name), field.name))
        .filter(|(distance, known)| *distance <= allowed(known.len()))
        .min()
        .map(|(_, known)| known);
    close.or_else(|| fields.iter().find(begins).map(|f| f.name))
}

/// Short names are soon like others.
fn allowed(length: usize) -> usize {
    match length {
        0..=3 => 1,
        4..=10 => 2,
        _ => 3,
    }
}

/// How many letters differ, two that changed places counted as one; upper and lower case are alike,
/// and so are words with dashes between them.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| -> Vec<char> {
        text.chars()
            .filter(|c| !matches!(c, '-' | '_'))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let (a, b) = (letters(a), letters(b));
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &Vec<usize>, j: usize| row.get(j).copied().unwrap_or(usize::MAX);
            let above = rows.last().map_or(0, |above| at(above, j));
            let mut best = (above + usize::from(from != to))
                .min(at(&row, j) + 1)
                .min(rows.last().map_or(0, |above| at(above, j + 1)) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(rows.get(i - 1).map_or(0, |row| at(row, j - 1)) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ() {
        for (a, b, differ) in [
            ("comand", "command", 1),
            ("Command", "command", 0),
            ("backoff-limit", "backoffLimit", 0),
            ("iamge", "image", 1),
            ("env", "envFrom", 4),
        ] {
            assert_eq!(distance(a, b), differ, "{a} {b}");
        }
    }

    #[test]
    fn what_was_meant() {
        let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let of = |at: &str, types: &[&'static str]| {
            let path = path(at);
            for_field(path.last().unwrap(), &path, types).unwrap_or_else(|| "nothing".to_owned())
        };
        let pod = ["Job", "JobSpec", "PodTemplateSpec", "PodSpec"];
        let container = ["Job", "JobSpec", "PodTemplateSpec", "PodSpec", "Container"];
        let at_container = |field: &str| of(&format!("spec.template.spec.containers.0.{field}"), &container);
        let said = [
            at_container("comand"),
            at_container("restartPolicies"),
            at_container("volumes"),
            at_container("backoffLimit"),
            at_container("serviceAccountName"),
            at_container("mountPath"),
            at_container("name2nobody"),
            of("spec.template.spec.image", &pod),
            of("spec.template.spec.volumeMounts", &pod),
            of("spec.template.spec.backoffLimit", &pod),
            of("spec.containers", &["Job", "JobSpec"]),
            of("spec.restartPolicy", &["Job", "JobSpec"]),
            of("spec.labels", &["Job", "JobSpec"]),
            of("template", &["Job"]),
            of("labels", &["Job"]),
            of("name", &["Job"]),
            of("spec.schedule", &["Job", "JobSpec"]),
        ];
        insta::assert_snapshot!(said.join("\n"));
    }
}
