//! The same files read by kubectl and by kjo. What kubectl made of them is kept beside them, in
//! `kubectl.json`; `KJO_UPDATE_GOLDEN=1` asks the kubectl in PATH again (with a cluster, for it looks
//! the kinds up: `eval "$(tests/cluster/env)"`).
#![expect(clippy::expect_used, reason = "a test says what it expects")]

mod bad;
mod fuzz;
mod patches;
mod several;
mod told;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

/// Files that begin so lose something in kubectl, and are refused by kjo.
const LOST: &str = "lost-";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder().join("files"))
        .expect("the corpus")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files
}

/// What `kubectl create` would send, or null where it refuses.
fn kubectl(file: &Path) -> Value {
    let done = Command::new("kubectl")
        .args(["create", "--dry-run=client", "--validate=false", "-o", "json", "-f"])
        .arg(file)
        .output()
        .expect("kubectl in PATH");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        !said.contains("connection refused") && !said.contains("no such host"),
        "kubectl needs a cluster: {said}"
    );
    // A file of nothing is no error of reading.
    if !done.status.success() && !said.contains("no objects passed") {
        return Value::Null;
    }
    serde_json::Deserializer::from_slice(&done.stdout)
        .into_iter::<Value>()
        .map(|object| object.expect("JSON"))
        .collect()
}

/// What kjo reads, with the namespace that kubectl adds.
fn kjo(file: &Path) -> Result<Value, String> {
    let documents = kjo::spec::read::documents("f", &fs::read(file).expect("a file")).map_err(|e| e.to_string())?;
    documents
        .into_iter()
        .map(|document| {
            let mut value = document.value;
            // kubectl refuses them while it reads; kjo when it picks what runs.
            if document_is_none(&value) {
                return Err("no object".to_owned());
            }
            value["metadata"]["namespace"] = json!("default");
            Ok(value)
        })
        .collect()
}

fn document_is_none(value: &Value) -> bool {
    let text = |field: &str| value.get(field).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
    !text("kind") || !text("apiVersion")
}

#[test]
fn files_mean_what_they_mean_to_kubectl() {
    let golden = folder().join("kubectl.json");
    if std::env::var_os("KJO_UPDATE_GOLDEN").is_some() {
        let answers: BTreeMap<String, Value> = files().iter().map(|f| (name(f), kubectl(f))).collect();
        let text = serde_json::to_string_pretty(&answers).expect("JSON");
        fs::write(&golden, text + "\n").expect("the golden file");
    }
    let answers: BTreeMap<String, Value> =
        serde_json::from_slice(&fs::read(&golden).expect("kubectl.json")).expect("JSON");
    let mut different = Vec::new();
    for file in files() {
        let name = name(&file);
        let kubectl = answers
            .get(&name)
            .expect("KJO_UPDATE_GOLDEN=1 asks kubectl about new files");
        let agreed = match (kubectl, kjo(&file)) {
            (Value::Null, Err(_)) => true,
            (Value::Null, Ok(_)) => false,
            (_, Err(_)) => name.starts_with(LOST),
            (theirs, Ok(ours)) => as_go_has_it(theirs) == ours && !name.starts_with(LOST),
        };
        if !agreed {
            different.push(format!("{name}\n  kubectl: {kubectl}\n  kjo: {:?}", kjo(&file)));
        }
    }
    assert!(answers.len() >= 60, "{} files", answers.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Numbers above Go's int64 are floats, which Go writes with all their digits.
fn as_go_has_it(value: &Value) -> Value {
    match value {
        Value::Number(n) if n.is_u64() && !n.is_i64() => n.as_f64().into(),
        Value::Array(items) => items.iter().map(as_go_has_it).collect(),
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), as_go_has_it(v))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn name(file: &Path) -> String {
    let name = file.file_name().expect("a name");
    name.to_str().expect("a name in UTF-8").to_owned()
}
