//! Templates that nobody rendered, where braces mean nothing to Kubernetes. In arguments, values of
//! variables, annotations and data they may be meant.

use serde_json::Value;

use super::{
    list, text,
    texts::{self, Texts},
};
use crate::spec::{Refusal, read::Document};

/// Fields in which text with braces is no name and no text.
const MEANT: [&str; 9] = [
    "args",
    "command",
    "value",
    "annotations",
    "data",
    "stringData",
    "binaryData",
    "jsonPath",
    "message",
];

pub(super) fn rendered(document: &Document) -> Result<(), Refusal> {
    texts::refuse(
        document,
        &Texts {
            wrong: |text| {
                text.find("{{")
                    .is_some_and(|at| text.get(at..).is_some_and(|t| t.contains("}}")))
            },
            left_out: &MEANT,
        },
        "holds a template that was not rendered ({{ }})",
        "render it first, for example with 'helm template … | kjo run -f -'; --skip-checks sends it as it is",
    )
}

/// What only a tool that renders manifests knows: Helm's objects, Airflow's, GitHub's. A program may take Go templates
/// itself (`docker inspect -f`, `kubectl -o go-template`), so that nothing else is plain.
const PLAINLY: [&str; 22] = [
    ".Values.",
    ".Release.",
    ".Chart.",
    "include \"",
    "ds ",
    "ds_nodash",
    "ts ",
    "ts_nodash",
    "params.",
    "var.value.",
    "var.json.",
    "dag_run.",
    "dag.",
    "task.",
    "ti.",
    "task_instance.",
    "macros.",
    "logical_date",
    "data_interval_start",
    "data_interval_end",
    "run_id",
    "github.",
];

/// Arguments and values of variables of this Job that look as if nobody had rendered them.
pub fn unrendered(job: &Value) -> Vec<String> {
    let mut told = Vec::new();
    for field in ["initContainers", "containers"] {
        for container in list(job.pointer("/spec/template/spec").unwrap_or(&Value::Null), field) {
            let name = text(container, "name").unwrap_or_default();
            let words = ["command", "args"].map(|field| list(container, field)).concat();
            let words = words
                .iter()
                .filter_map(Value::as_str)
                .map(|word| ("an argument".to_owned(), word));
            let variables = list(container, "env").iter().filter_map(|variable| {
                let name = format!("the variable {}", text(variable, "name").unwrap_or_default());
                Some((name, text(variable, "value")?))
            });
            for (what, word) in words.chain(variables) {
                if let Some(template) = plainly(word) {
                    told.push(format!(
                        "{what} of the container {name} holds {template}, which looks like a template that was not \
                         rendered; it is sent as it is"
                    ));
                }
            }
        }
    }
    told
}

/// The first template in this text that a renderer should have replaced.
fn plainly(text: &str) -> Option<String> {
    text.split("{{").skip(1).find_map(|rest| {
        let (inside, _) = rest.split_once("}}")?;
        let bare = inside.trim_matches(['-', ' ']);
        let known = |known: &&&str| format!("{bare} ").starts_with(**known);
        PLAINLY.iter().find(known).map(|_| format!("{{{{{inside}}}}}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_plainly_a_template_is_told() {
        for text in [
            "{{ .Values.image }}",
            "a {{ ds }} b",
            "{{- include \"x\" . }}",
            "{{ params.day }}",
            "{{ ti.xcom_pull('a') }}",
            "${{ github.sha }}",
            "{{ds}}",
        ] {
            assert!(plainly(text).is_some(), "{text}");
        }
        for text in [
            "{{.State.Running}}",
            "{{range .items}}{{.metadata.name}}{{end}}",
            "{{ dsx }}",
            "{{ .Value }}",
            "{ds}",
            "{{ ds",
        ] {
            assert_eq!(plainly(text), None, "{text}");
        }
    }
}
