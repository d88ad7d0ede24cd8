//! What a Job hands on to whoever runs it.

use serde_json::{Value, json};

use crate::{
    backend::BACKEND,
    namespace::Namespace,
    outcome::job,
    support::{Done, result},
};

/// Runs a Job, and returns what its result file says too.
fn run(ns: &Namespace, job: &Value, args: &[&str]) -> (Done, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.json");
    let done = ns
        .manifest(job)
        .args(args.iter().copied())
        .arg("--result-file")
        .arg(&path)
        .run();
    let text = std::fs::read(&path).expect("a result file");
    (done, result(text))
}

#[test]
fn markers_are_read_and_hidden_if_that_is_wished() {
    let ns = Namespace::new();
    let job = job("echo a; echo '::kube_api:xcom={\"a\": 1}'; echo b; printf '::kube_api:p=50'");
    let markers = json!({
        "xcom": {"a": 1},
        "events": [{"name": "xcom", "value": "{\"a\": 1}"}, {"name": "p", "value": "50"}],
        "errors": [],
    });
    for (how, shown, read) in [
        ("hide", "a\nb\n", &markers),
        ("read", "a\n::kube_api:xcom={\"a\": 1}\nb\n::kube_api:p=50", &markers),
        ("off", "a\n::kube_api:xcom={\"a\": 1}\nb\n::kube_api:p=50", &Value::Null),
    ] {
        let (done, result) = run(&ns, &job, &["--markers", how]);
        assert_eq!((done.code, done.text()), (0, shown), "{how}:\n{}", done.stderr);
        assert_eq!((&result["markers"], &result["xcom"]), (read, &Value::Null));
    }
    ns.expect_nothing_left();
}

#[test]
fn a_malformed_marker_is_told_and_ends_nothing() {
    let ns = Namespace::new();
    let job = job("echo '::kube_api:xcom=hunter2'; exit 3");
    let (done, result) = run(&ns, &job, &["--markers", "hide", "--delete", "always"]);
    assert_eq!((done.code, done.text()), (3, ""), "{}", done.stderr);
    assert!(
        done.stderr.contains("marker line \"xcom\" is not JSON"),
        "{}",
        done.stderr
    );
    assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
    assert_eq!(result["markers"]["errors"].as_array().map(Vec::len), Some(1));
    ns.expect_nothing_left();
}

/// The file, in each way and with each outcome. The sandbox has no containers whose file systems are their own.
#[test]
fn the_file_comes_back() {
    if BACKEND.is_sandbox() {
        return;
    }
    let ns = Namespace::new();
    let write = |text: &str, code: u8| job(&format!("mkdir -p /airflow/xcom; {text}; echo shown; exit {code}"));
    let file = "/airflow/xcom/return.json";
    let large = format!("(printf '[\"'; head -c 100000 /dev/zero | tr '\\0' x; echo '\"]') > {file}");
    let small = format!("echo '{{\"a\": [1]}}' > {file}");
    let cases = [
        ("sidecar", small.as_str(), 0, json!({"a": [1]})),
        ("sidecar", small.as_str(), 3, json!({"a": [1]})),
        ("sidecar", large.as_str(), 0, json!(["x".repeat(100_000)])),
        ("sidecar", ":", 0, Value::Null),
        ("termination", small.as_str(), 0, json!({"a": [1]})),
        ("termination", ":", 0, Value::Null),
    ];
    for (how, text, code, value) in cases {
        let (done, result) = run(&ns, &write(text, code), &["--xcom", how, "--delete", "always"]);
        assert_eq!(
            (done.code, done.text()),
            (i32::from(code), "shown\n"),
            "{how} {text}:\n{}",
            done.stderr
        );
        let found = !value.is_null();
        let expected = json!({"source": how, "found": found, "value": value, "error": null});
        assert_eq!(result["xcom"], expected, "{text}:\n{}", done.stderr);
    }
    let (done, result) = run(&ns, &write(&large, 0), &["--xcom", "termination"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let error = result["xcom"]["error"].as_str().unwrap_or_default();
    assert!(error.contains("use --xcom sidecar for larger values"), "{error}");
    ns.expect_nothing_left();
}
