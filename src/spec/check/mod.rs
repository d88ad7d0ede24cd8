//! What the API server would refuse, refused before anything is sent, in its own words and with the
//! place in the file. Only what every supported version refuses; the rest is the server's to judge.

pub mod conflict;
mod metadata;
mod pod;
mod resources;
pub mod restricted;
mod rules;
mod templates;
mod texts;
mod whereabouts;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::templates::unrendered;
use super::{
    Refusal,
    bundle::{Bundle, Runs},
    fields,
    read::Document,
};

/// What stands in the files: misspelt fields, types that cannot be, templates that nobody rendered.
///
/// # Errors
/// The first of these, with its place.
pub fn written(bundle: &Bundle) -> Result<(), Refusal> {
    for document in std::iter::once(&bundle.source).chain(&bundle.companions) {
        fields::check(document)?;
        conflict::resolved(document)?;
        templates::rendered(document)?;
    }
    Ok(())
}

/// The Job with all flags laid over it.
///
/// # Errors
/// What the API would refuse.
pub fn laid(bundle: &Bundle) -> Result<(), Refusal> {
    fields::check(&with_flags(bundle))?;
    let mut faults = Faults::default();
    metadata::job(&bundle.job, &mut faults);
    let template = bundle.job.pointer("/spec/template").unwrap_or(&Value::Null);
    metadata::labels(template.get("metadata"), "spec.template.metadata", &mut faults);
    pod::check(
        template.get("spec").unwrap_or(&Value::Null),
        "spec.template.spec",
        &mut faults,
    );
    let Some(first) = faults.0.first() else {
        return Ok(());
    };
    let more = match faults.0.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let (path, ours) = (in_source(bundle, &first.path), steps(&first.path));
    let name = bundle
        .job
        .pointer("/metadata/name")
        .or_else(|| bundle.job.pointer("/metadata/generateName"));
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let what = format!("Job.batch {name:?} is invalid: {}: {}{more}", first.path, first.what);
    let at = |value: &Value, path: &[String]| value.pointer(&format!("/{}", path.join("/"))).cloned();
    let path: Vec<&str> = if at(&bundle.source.value, &path) == at(&bundle.job, &ours) {
        path.iter().map(String::as_str).collect()
    } else {
        // A flag has brought it: it stands nowhere in the file.
        return Err(with_flags(bundle).refuse(&[], &what, first.hint.clone()));
    };
    Err(bundle.source.refuse(&path, &what, first.hint.clone()))
}

fn with_flags(bundle: &Bundle) -> Document {
    Document::made("the Job with its flags", bundle.job.clone())
}

/// Where a path of the Job stands in what it was made of.
fn in_source(bundle: &Bundle, path: &str) -> Vec<String> {
    let moved = match Runs::of(&bundle.source) {
        Some(Runs::CronJob) => path
            .strip_prefix("spec.")
            .map(|rest| format!("spec.jobTemplate.spec.{rest}")),
        Some(Runs::Pod) => path.strip_prefix("spec.template.").map(str::to_owned),
        Some(Runs::PodTemplate) => path.strip_prefix("spec.").map(str::to_owned),
        Some(Runs::Job) | None => None,
    };
    let path = moved.unwrap_or_else(|| path.to_owned());
    steps(&path)
}

fn steps(path: &str) -> Vec<String> {
    path.replace('[', ".")
        .replace(']', "")
        .split('.')
        .map(str::to_owned)
        .collect()
}

/// What was found, in the order of the fields.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

#[derive(Debug)]
struct Fault {
    path: String,
    what: String,
    hint: String,
}

impl Faults {
    fn add(&mut self, path: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Fault {
            path: path.into(),
            what: what.into(),
            hint: hint.into(),
        });
    }

    /// `Invalid value`, with what one of the functions of `names` says of it.
    fn invalid(&mut self, path: &str, value: &str, wrong: Vec<String>, hint: &str) {
        for what in wrong.into_iter().take(1) {
            self.add(path, format!("Invalid value: {value:?}: {what}"), hint);
        }
    }
}

/// A field that is text.
fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

/// The items of a list.
fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
