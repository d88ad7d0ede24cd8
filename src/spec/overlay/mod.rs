//! What flags lay over a manifest. Each flag comes to a [`Change`]; changes are made one after another
//! on the untyped Job, so no field is lost, and the later flag wins.

pub mod parse;

mod items;
mod merge;
mod order;
mod set;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use self::items::Key;
use self::items::{once_each, upsert};
use super::Refusal;

/// The part of a Job that a flag is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The Job's own metadata.
    JobMetadata,
    /// The Job's spec.
    Job,
    /// The pod's metadata.
    PodMetadata,
    /// The pod's spec.
    Pod,
    /// The main container.
    Container,
    /// Every container, init containers too; for fields only.
    EveryContainer,
}

/// One thing to change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A field, at this path below the part; maps on the way are made.
    Field {
        /// The part.
        at: At,
        /// The names on the way, the field's own last.
        path: Vec<String>,
        /// What it is set to; null takes it away.
        value: Value,
    },
    /// An item of a list, in the place of the one with the same key.
    Item {
        /// The part.
        at: At,
        /// The list.
        list: &'static str,
        /// By which fields items are told apart; none: all stay, and this comes behind them.
        key: Key,
        /// The item.
        item: Value,
        /// The flag as it was typed, where no other flag may give the same item.
        flag: Option<String>,
    },
    /// `--patch`: a strategic merge patch on the whole Job.
    Patch(Value),
    /// `--set PATH=VALUE`.
    Set(set::Assignment),
}

impl Change {
    /// A field by its path, with dots between the names.
    #[must_use]
    pub fn field(at: At, path: &str, value: impl Into<Value>) -> Self {
        Self::Field {
            at,
            path: path.split('.').map(str::to_owned).collect(),
            value: value.into(),
        }
    }

    /// An entry of a map whose keys may have dots.
    #[must_use]
    pub fn entry(at: At, map: &str, key: &str, value: impl Into<Value>) -> Self {
        Self::Field {
            at,
            path: map.split('.').chain([key]).map(str::to_owned).collect(),
            value: value.into(),
        }
    }

    /// An item of a list.
    #[must_use]
    pub fn item(at: At, list: &'static str, key: Key, item: Value) -> Self {
        Self::Item {
            at,
            list,
            key,
            item,
            flag: None,
        }
    }

    /// The item of this flag, which no other flag may give too: the first would be lost.
    #[must_use]
    pub fn once(self, flag: impl Into<String>) -> Self {
        match self {
            Self::Item {
                at, list, key, item, ..
            } => Self::Item {
                at,
                list,
                key,
                item,
                flag: Some(flag.into()),
            },
            other @ (Self::Field { .. } | Self::Patch(_) | Self::Set(_)) => other,
        }
    }

    /// `PATH=VALUE` of `--set`.
    ///
    /// # Errors
    /// No `=`, or a path that is none.
    pub fn set(argument: &str) -> Result<Self, Refusal> {
        set::parse(argument).map(Self::Set)
    }
}

/// Makes these changes on the Job. `main` is `--main-container`; without it the first container is the
/// main one.
///
/// # Errors
/// A container that is not there, a path that leads through text, a patch that fits nowhere.
pub fn apply(job: &mut Value, changes: &[Change], main: Option<&str>) -> Result<(), Refusal> {
    once_each(changes)?;
    for change in changes {
        match change {
            Change::Field { at, path, value } => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                if *at == At::EveryContainer {
                    for container in every_container(part(job, At::Pod, main)?) {
                        put(container, &path, value)?;
                    }
                } else {
                    put(part(job, *at, main)?, &path, value)?;
                }
            }
            Change::Item {
                at, list, key, item, ..
            } => {
                let items = part(job, *at, main)?.entry(*list).or_insert_with(|| json!([]));
                if items.is_null() {
                    *items = json!([]);
                }
                let items = items.as_array_mut().ok_or_else(|| not_a(list, "list"))?;
                upsert(items, key, item.clone());
            }
            Change::Patch(patch) => merge::merge(job, patch, Some("Job"))?,
            Change::Set(assignment) => set::assign(job, assignment)?,
        }
    }
    Ok(())
}

fn put(map: &mut Map<String, Value>, path: &[&str], value: &Value) -> Result<(), Refusal> {
    match path {
        [] => Ok(()),
        [last] => {
            if value.is_null() {
                map.remove(*last);
            } else {
                map.insert((*last).to_owned(), value.clone());
            }
            Ok(())
        }
        [first, rest @ ..] => put(child(map, first)?, rest, value),
    }
}

/// The map under this key, made where there is none.
fn child<'a>(map: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Map<String, Value>, Refusal> {
    let value = map.entry(key).or_insert_with(|| json!({}));
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().ok_or_else(|| not_a(key, "map"))
}

fn not_a(field: &str, kind: &str) -> Refusal {
    Refusal::new(
        format!("{field} of the manifest is not a {kind}, and a flag is to be laid over it"),
        "see 'kubectl explain job.spec' for what belongs there",
    )
}

fn part<'a>(job: &'a mut Value, at: At, main: Option<&str>) -> Result<&'a mut Map<String, Value>, Refusal> {
    let job = job.as_object_mut().ok_or_else(|| not_a("the Job", "map"))?;
    if at == At::JobMetadata {
        return child(job, "metadata");
    }
    let spec = child(job, "spec")?;
    if at == At::Job {
        return Ok(spec);
    }
    let template = child(spec, "template")?;
    if at == At::PodMetadata {
        return child(template, "metadata");
    }
    let pod = child(template, "spec")?;
    if at == At::Pod {
        return Ok(pod);
    }
    container(pod, main)
}

fn every_container(pod: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    pod.iter_mut()
        .filter(|(field, _)| ["initContainers", "containers"].contains(&field.as_str()))
        .filter_map(|(_, containers)| containers.as_array_mut())
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn container<'a>(pod: &'a mut Map<String, Value>, main: Option<&str>) -> Result<&'a mut Map<String, Value>, Refusal> {
    let containers = pod
        .get_mut("containers")
        .and_then(Value::as_array_mut)
        .map_or(&mut [][..], Vec::as_mut_slice);
    let names: Vec<String> = containers
        .iter()
        .filter_map(|c| Some(c.get("name")?.as_str()?.to_owned()))
        .collect();
    let wanted = |c: &Value| main.is_none_or(|main| c.get("name").and_then(Value::as_str) == Some(main));
    containers
        .iter_mut()
        .find(|c| wanted(c))
        .and_then(Value::as_object_mut)
        .ok_or_else(|| match main {
            Some(main) => Refusal::new(
                format!(
                    "--main-container {main}: the manifest has {}",
                    if names.is_empty() {
                        "no container".to_owned()
                    } else {
                        names.join(", ")
                    }
                ),
                "name one of the containers",
            ),
            None => Refusal::new(
                "the manifest has no container that flags could be laid over",
                "write one under spec.template.spec.containers",
            ),
        })
}
