//! Reading a manifest: YAML (or JSON, which is YAML) as kubectl reads it, one Job in it.

use serde_json::Value;

use super::Refusal;

/// The Job in this file. `source` names it in messages.
///
/// # Errors
/// Text that is not YAML, with line and column; a file without a Job, with more than one, or with
/// documents besides it.
pub fn job(source: &str, bytes: &[u8]) -> Result<Value, Refusal> {
    let mut documents = documents(source, bytes)?;
    if documents.is_empty() {
        return Err(Refusal::new(
            format!("{source} is empty: there is no Job in it"),
            "give a file with one Job (apiVersion: batch/v1, kind: Job)",
        ));
    }
    let described: Vec<String> = documents.iter().map(describe).collect();
    let jobs = documents.iter().filter(|d| is_job(d)).count();
    if jobs == 1 && documents.len() == 1 {
        return Ok(documents.remove(0));
    }
    let found = described.join(", ");
    Err(match jobs {
        0 => Refusal::new(
            format!("{source} holds no Job: it holds {found}"),
            "kjo runs a batch/v1 Job; for an image alone use 'kjo run --image IMAGE -- COMMAND'",
        ),
        1 => Refusal::new(
            format!("{source} holds more than the Job: {found}"),
            "kjo runs a file with one Job alone; create the other objects with 'kubectl apply' first",
        ),
        _ => Refusal::new(
            format!("{source} holds {jobs} Jobs: {found}"),
            "kjo runs one Job; split the file",
        ),
    })
}

/// All documents of a file that are not empty.
fn documents(source: &str, bytes: &[u8]) -> Result<Vec<Value>, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Refusal::new(
            format!(
                "{source} is not UTF-8 text: byte {} begins no character",
                e.valid_up_to() + 1
            ),
            "save the file as UTF-8",
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // As kubectl reads it: `0644` is octal, and a key given twice is an error.
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_multiple_with_options::<Value, Vec<Value>>(text, options).map_err(|e| {
        let Some(at) = e.location() else {
            return Refusal::new(format!("{source} is not valid YAML: {e}"), "correct the file");
        };
        let (line, column) = (at.line(), at.column());
        let shown = usize::try_from(line)
            .ok()
            .and_then(|n| text.lines().nth(n.checked_sub(1)?))
            .map(|l| excerpt(l, usize::try_from(column).unwrap_or(1)));
        let what = e.without_snippet().to_string();
        // The parser repeats the place behind its sentence.
        let what = what.split(" at line ").next().unwrap_or_default();
        // Advice for programmers, not for authors of manifests.
        let what = what.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
        Refusal {
            excerpt: shown,
            ..Refusal::new(
                format!("{source} is not valid YAML: line {line}, column {column}: {what}"),
                "correct the file at this place",
            )
        }
    })
}

/// The line with a mark under the column, control characters made visible.
fn excerpt(line: &str, column: usize) -> String {
    const AROUND: usize = 70;
    let column = column.max(1) - 1;
    let from = column.saturating_sub(AROUND / 2);
    let visible: String = line
        .chars()
        .skip(from)
        .take(AROUND)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    format!("    {visible}\n    {:>width$}", "^", width = column - from + 1)
}

fn is_job(document: &Value) -> bool {
    document.get("kind").and_then(Value::as_str) == Some("Job")
        && document.get("apiVersion").and_then(Value::as_str) == Some("batch/v1")
}

/// `ConfigMap/settings`, or what else it is.
fn describe(document: &Value) -> String {
    let Some(object) = document.as_object() else {
        return "a document that is not an object".to_owned();
    };
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let name = document
        .pointer("/metadata/name")
        .or_else(|| document.pointer("/metadata/generateName"))
        .and_then(Value::as_str)
        .unwrap_or("(no name)");
    match (text("kind"), text("apiVersion")) {
        (None, _) => "an object without a kind".to_owned(),
        (Some("Job"), Some("batch/v1")) => format!("Job/{name}"),
        (Some("Job"), None) => format!("Job/{name} without an apiVersion (it is batch/v1)"),
        (Some("Job"), Some(version)) => format!("Job/{name} of {version} (it is batch/v1)"),
        (Some(kind), _) => format!("{kind}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let refusal = job("job.yaml", text.as_bytes()).expect_err(text);
        let excerpt = refusal.excerpt.as_ref().map(|text| format!("\n{text}"));
        let hint = refusal.hint.clone().unwrap_or_default();
        format!("{refusal}{}\nhint: {hint}", excerpt.unwrap_or_default())
    }

    #[test]
    fn reads_yaml_as_kubectl_does() {
        let yaml = "\u{feff}--- # a comment\r\napiVersion: batch/v1\r\nkind: Job\r\nspec:\r\n  mode: 0644\r\n  hex: 0x3\r\n  on: yes\r\n---\r\n";
        let value = job("job.yaml", yaml.as_bytes()).unwrap();
        assert_eq!(value["spec"]["mode"], 420);
        assert_eq!(value["spec"]["hex"], 3);
        assert_eq!(
            job("-", br#"{"apiVersion":"batch/v1","kind":"Job"}"#).unwrap()["kind"],
            "Job"
        );
    }

    #[test]
    fn keeps_fields_that_nobody_knows() {
        let value = job(
            "x",
            b"apiVersion: batch/v1\nkind: Job\nspec: {newField: [1, {a: null}]}\n",
        )
        .unwrap();
        assert_eq!(value["spec"]["newField"][1]["a"], Value::Null);
    }

    #[test]
    fn says_where_the_yaml_is_wrong() {
        insta::assert_snapshot!(refused(
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: a\n   labels: {}\n"
        ));
        insta::assert_snapshot!(refused("apiVersion: batch/v1\nkind: Job\nkind: Job\n"));
        insta::assert_snapshot!(refused("kind: [Job\n"));
        insta::assert_snapshot!(refused("a: \"\u{1}"));
    }

    #[test]
    fn wants_one_job_and_nothing_else() {
        insta::assert_snapshot!(refused(""));
        insta::assert_snapshot!(refused("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"));
        insta::assert_snapshot!(refused("kind: Job\nmetadata: {name: j}\n"));
        insta::assert_snapshot!(refused("just text"));
        let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\n";
        insta::assert_snapshot!(refused(&format!("{job}---\n{job}")));
        insta::assert_snapshot!(refused(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n---\n{job}"
        )));
    }

    #[test]
    fn bytes_that_are_no_text() {
        let refusal = job("job.yaml", b"a: \xff").expect_err("not UTF-8");
        assert_eq!(
            refusal.message,
            "job.yaml is not UTF-8 text: byte 4 begins no character"
        );
    }
}
