//! The Job as it is sent: the user's manifest with kjo's name, labels and time to live.

use serde_json::{Map, Value, json};

use super::{
    Refusal,
    identity::{MANAGED_BY_LABEL, RUN_ID_LABEL, RunId},
};
use crate::core::{
    job::{DELIVERED, UNREADY},
    naming::JobName,
};

/// Three days, in seconds: a Job without a TTL of its own does not stay for ever.
const DEFAULT_TTL: i64 = 3 * 24 * 3600;
/// Below this many seconds the cluster may take the logs away before they are read.
const MIN_TTL: i64 = 300;

/// A Job's name is the value of a label of its pods.
const MAX_EXACT_NAME: usize = 63;

/// What the flags add to the manifest.
#[derive(Debug, Clone)]
pub struct Overlay<'a> {
    /// `--name`: the base of the Job's name.
    pub name: Option<&'a str>,
    /// `--exact-name`: no suffix.
    pub exact_name: bool,
    /// `-n`.
    pub namespace: Option<&'a str>,
    /// The namespace of the context, or `default`.
    pub context_namespace: &'a str,
    /// `--ttl`.
    pub ttl: Ttl,
    /// `--deadline`, in seconds.
    pub deadline: Option<u64>,
    /// `--image-pull-policy`, for every container.
    pub pull_policy: Option<&'a str>,
    /// Who the run is.
    pub run_id: &'a RunId,
}

/// What becomes of the Job's time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ttl {
    /// Three days where it has none, and no less than five minutes.
    #[default]
    Default,
    /// The manifest's, whatever it is.
    AsIs,
    /// None: it stays until somebody deletes it.
    None,
    /// So many seconds, as given.
    Seconds(u64),
}

/// A Job ready to be sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The whole object.
    pub job: Value,
    /// Its name, in the first generation.
    pub name: String,
    /// The names of all generations.
    pub names: JobName,
    /// Its namespace.
    pub namespace: String,
    /// Names of its containers, init containers first.
    pub containers: Vec<String>,
    /// Its log lines need to say whose they are: several pods at once, or several containers.
    pub prefixed: bool,
    /// What was changed and should be told.
    pub adjusted: Vec<String>,
}

/// Lays kjo's own fields over a Job.
///
/// # Errors
/// No name to be had, another namespace than asked for, or a structure that no Job has.
pub fn prepare(mut job: Value, overlay: &Overlay<'_>) -> Result<Prepared, Refusal> {
    let namespace = namespace(&job, overlay)?;
    let names = names(&job, overlay)?;
    let name = names.of(1);
    let mut adjusted = Vec::new();
    let labels = [
        (RUN_ID_LABEL, overlay.run_id.label()),
        (MANAGED_BY_LABEL, "kjo".to_owned()),
    ];

    let metadata = object(&mut job, "metadata", "metadata")?;
    metadata.remove("generateName");
    metadata.insert("name".into(), json!(name));
    metadata.insert("namespace".into(), json!(namespace));
    adjusted.extend(insert_all(metadata, "labels", "metadata.labels", &labels)?);
    let whole_id = [(RUN_ID_LABEL, overlay.run_id.as_str().to_owned())];
    insert_all(metadata, "annotations", "metadata.annotations", &whole_id)?;
    for (field, mark) in [("labels", DELIVERED), ("annotations", UNREADY)] {
        let entries = metadata.get_mut(field).and_then(Value::as_object_mut);
        if entries.and_then(|entries| entries.remove(mark)).is_some() {
            adjusted.push(format!(
                "{mark} in metadata.{field} is left out: it is of the run of another Job"
            ));
        }
    }

    let spec = object(&mut job, "spec", "spec")?;
    adjusted.extend(time_to_live(spec, overlay.ttl));
    if let Some(seconds) = overlay.deadline {
        spec.insert("activeDeadlineSeconds".into(), json!(seconds));
    }
    let parallelism = spec.get("parallelism").and_then(Value::as_i64).unwrap_or(1);
    let template = child(spec, "template", "spec.template")?;
    let metadata = child(template, "metadata", "spec.template.metadata")?;
    for told in insert_all(metadata, "labels", "spec.template.metadata.labels", &labels)? {
        // The Job and its pods mostly bear the same.
        if !adjusted.contains(&told) {
            adjusted.push(told);
        }
    }
    let pod = child(template, "spec", "spec.template.spec")?;
    let containers = containers(pod, overlay.pull_policy);

    Ok(Prepared {
        job,
        name,
        names,
        namespace,
        prefixed: parallelism > 1 || containers.len() > 1,
        containers,
        adjusted,
    })
}

/// `-n` and the file may not contradict each other, as in kubectl.
fn namespace(job: &Value, overlay: &Overlay<'_>) -> Result<String, Refusal> {
    let of_file = job.pointer("/metadata/namespace").and_then(Value::as_str);
    match (of_file, overlay.namespace) {
        (Some(file), Some(flag)) if file != flag => Err(Refusal::new(
            format!("the manifest's namespace {file:?} is not the namespace {flag:?} of -n"),
            "leave one of the two out (-n may come from KJO_NAMESPACE)",
        )),
        (file, flag) => Ok(flag.or(file).unwrap_or(overlay.context_namespace).to_owned()),
    }
}

fn names(job: &Value, overlay: &Overlay<'_>) -> Result<JobName, Refusal> {
    let text = |pointer: &str| job.pointer(pointer).and_then(Value::as_str).filter(|s| !s.is_empty());
    let given = overlay.name.or_else(|| text("/metadata/name"));
    let generated = text("/metadata/generateName").map(|n| n.trim_end_matches('-'));
    match (given, generated, overlay.exact_name) {
        (Some(name), _, true) => Ok(JobName::exact(name)),
        (Some(base), _, false) | (None, Some(base), false) => Ok(overlay.run_id.names(base)),
        (None, Some(_), true) => Err(Refusal::new(
            "--exact-name wants a name, and the manifest has only a generateName",
            "give metadata.name or --name",
        )),
        (None, None, _) => Err(Refusal::new(
            "the Job has no metadata.name",
            "give it one in the manifest or with --name",
        )),
    }
}

/// Whether the Job's own name, without a suffix, has room where its pods bear it.
///
/// # Errors
/// It has not.
pub fn fits(job: &Value) -> Result<(), Refusal> {
    let name = job
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if name.len() <= MAX_EXACT_NAME {
        return Ok(());
    }
    Err(Refusal::new(
        format!(
            "the name {name} has {} characters, and {MAX_EXACT_NAME} is the most: it is a label of the Job's pods",
            name.len()
        ),
        "shorten it, or leave --exact-name out: then it is cut",
    ))
}

fn time_to_live(spec: &mut Map<String, Value>, wanted: Ttl) -> Option<String> {
    const FIELD: &str = "ttlSecondsAfterFinished";
    match wanted {
        Ttl::AsIs => return None,
        Ttl::None => {
            spec.remove(FIELD);
            return None;
        }
        Ttl::Seconds(seconds) => {
            spec.insert(FIELD.into(), json!(seconds));
        }
        Ttl::Default => {}
    }
    match spec.get(FIELD).map(Value::as_i64) {
        None => {
            spec.insert(FIELD.into(), json!(DEFAULT_TTL));
            None
        }
        Some(Some(ttl)) if (0..MIN_TTL).contains(&ttl) => {
            spec.insert(FIELD.into(), json!(MIN_TTL));
            Some(format!(
                "{FIELD} raised from {ttl} to {MIN_TTL}: the cluster would delete the pods before their logs are \
                 read (--ttl as-is leaves the manifest's)"
            ))
        }
        // Any other value, right or wrong, is the API server's to judge.
        Some(_) => None,
    }
}

/// The names of all containers; sets their pull policy if one is given.
fn containers(pod: &mut Map<String, Value>, pull_policy: Option<&str>) -> Vec<String> {
    let mut names = Vec::new();
    for list in ["initContainers", "containers"] {
        for container in pod.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(container) = container.as_object_mut() else {
                continue;
            };
            if let Some(policy) = pull_policy {
                container.insert("imagePullPolicy".into(), json!(policy));
            }
            names.extend(container.get("name").and_then(Value::as_str).map(str::to_owned));
        }
    }
    names
}

/// Puts these in; returns what of the manifest they overrule.
fn insert_all(
    parent: &mut Map<String, Value>,
    key: &str,
    path: &str,
    entries: &[(&str, String)],
) -> Result<Vec<String>, Refusal> {
    let map = child(parent, key, path)?;
    let mut overruled = Vec::new();
    for (name, value) in entries {
        let before = map.insert((*name).to_owned(), json!(value));
        // Each run has an id of its own; what `kjo render` printed bears another.
        if let Some(before) = before.filter(|before| before != value && *name != RUN_ID_LABEL) {
            overruled.push(format!(
                "the label {name} is {value}, and not {before}: kjo tells its Jobs by it"
            ));
        }
    }
    Ok(overruled)
}

fn object<'a>(value: &'a mut Value, key: &str, path: &str) -> Result<&'a mut Map<String, Value>, Refusal> {
    match value {
        Value::Object(map) => child(map, key, path),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(not_a_map("the Job"))
        }
    }
}

/// The map under this key, made if it is missing or empty.
fn child<'a>(parent: &'a mut Map<String, Value>, key: &str, path: &str) -> Result<&'a mut Map<String, Value>, Refusal> {
    let value = parent.entry(key).or_insert_with(|| json!({}));
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().ok_or_else(|| not_a_map(path))
}

fn not_a_map(path: &str) -> Refusal {
    Refusal::new(
        format!("{path} of the manifest is not a map of fields"),
        "see 'kubectl explain job.spec' for what belongs there",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(run_id: &RunId) -> Overlay<'_> {
        Overlay {
            name: None,
            exact_name: false,
            namespace: None,
            context_namespace: "team",
            ttl: Ttl::Default,
            deadline: None,
            pull_policy: None,
            run_id,
        }
    }

    fn job(spec: impl Into<Value>) -> Value {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "etl"}, "spec": spec.into()})
    }

    fn run_id() -> RunId {
        RunId::given("r1").unwrap()
    }

    #[test]
    fn the_whole_object() {
        let spec = json!({
            "unknown": {"kept": true},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}},
        });
        let prepared = prepare(job(spec), &overlay(&run_id())).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&prepared.job).unwrap());
        assert_eq!(
            (prepared.containers.as_slice(), prepared.prefixed),
            (["c".to_owned()].as_slice(), false)
        );
    }

    #[test]
    fn names() {
        let id = run_id();
        let with = |change: &dyn Fn(&mut Overlay<'_>), metadata: Value| {
            let mut overlay = overlay(&id);
            change(&mut overlay);
            let mut job = job(json!({}));
            job["metadata"] = metadata;
            prepare(job, &overlay).map(|p| p.name).map_err(|r| r.message)
        };
        let plain = |_: &mut Overlay<'_>| {};
        let suffix = id.names("x").of(1).split_off(2);
        assert_eq!(with(&plain, json!({"name": "etl"})), Ok(format!("etl-{suffix}")));
        assert_eq!(
            with(&plain, json!({"generateName": "etl-"})),
            Ok(format!("etl-{suffix}"))
        );
        assert_eq!(
            with(&|o| o.name = Some("other"), json!({"name": "etl"})),
            Ok(format!("other-{suffix}"))
        );
        assert_eq!(with(&|o| o.exact_name = true, json!({"name": "etl"})), Ok("etl".into()));
        assert!(with(&|o| o.exact_name = true, json!({"generateName": "etl-"})).is_err());
        assert!(with(&plain, json!({})).is_err());
        assert!(with(&plain, Value::Null).is_err());
    }

    #[test]
    fn namespaces_as_in_kubectl() {
        let id = run_id();
        let of = |file: Option<&str>, flag: Option<&'static str>| {
            let mut job = job(json!({}));
            if let Some(file) = file {
                job["metadata"]["namespace"] = json!(file);
            }
            let overlay = Overlay {
                namespace: flag,
                ..overlay(&id)
            };
            prepare(job, &overlay).map(|p| p.namespace).map_err(|r| r.message)
        };
        assert_eq!(of(None, None), Ok("team".into()));
        assert_eq!(of(Some("a"), None), Ok("a".into()));
        assert_eq!(of(None, Some("b")), Ok("b".into()));
        assert_eq!(of(Some("a"), Some("a")), Ok("a".into()));
        insta::assert_snapshot!(of(Some("a"), Some("b")).unwrap_err(), @r#"the manifest's namespace "a" is not the namespace "b" of -n"#);
    }

    #[test]
    fn a_ttl_that_would_take_the_logs_away_is_raised_and_told() {
        let ttl = |spec: Value| {
            let prepared = prepare(job(spec), &overlay(&run_id())).unwrap();
            (
                prepared.job["spec"]["ttlSecondsAfterFinished"].clone(),
                prepared.adjusted.len(),
            )
        };
        assert_eq!(ttl(json!({})), (json!(259_200), 0));
        assert_eq!(ttl(json!({"ttlSecondsAfterFinished": 0})), (json!(300), 1));
        assert_eq!(ttl(json!({"ttlSecondsAfterFinished": 300})), (json!(300), 0));
        assert_eq!(
            ttl(json!({"ttlSecondsAfterFinished": "x"})),
            (json!("x"), 0),
            "the server judges it"
        );
    }

    #[test]
    fn marks_that_are_overruled_are_told() {
        let mut job = job(json!({"template": {"metadata": {"labels": {MANAGED_BY_LABEL: "Helm"}}}}));
        job["metadata"]["labels"] = json!({MANAGED_BY_LABEL: "Helm", RUN_ID_LABEL: "r1", DELIVERED: "true"});
        job["metadata"]["annotations"] = json!({UNREADY: "true"});
        let prepared = prepare(job, &overlay(&run_id())).unwrap();
        insta::assert_snapshot!(prepared.adjusted.join("\n"), @r#"
        the label app.kubernetes.io/managed-by is kjo, and not "Helm": kjo tells its Jobs by it
        kjo.dev/delivered in metadata.labels is left out: it is of the run of another Job
        kjo.dev/unready in metadata.annotations is left out: it is of the run of another Job
        "#);
        assert_eq!(prepared.job["metadata"]["labels"].get(DELIVERED), None);
    }

    #[test]
    fn an_exact_name_fits_the_label_of_the_pods() {
        let of = |length: usize| fits(&json!({"metadata": {"name": "n".repeat(length)}})).map_err(|r| r.message);
        assert_eq!(of(63), Ok(()));
        assert!(of(64).unwrap_err().contains("has 64 characters, and 63 is the most"));
    }

    #[test]
    fn lines_are_prefixed_when_several_containers_write_at_once() {
        let prefixed = |spec: Value| prepare(job(spec), &overlay(&run_id())).unwrap().prefixed;
        let one = json!({"spec": {"containers": [{"name": "a"}]}});
        assert!(!prefixed(json!({"template": one})));
        assert!(
            !prefixed(json!({"template": one, "completions": 5})),
            "one after another"
        );
        assert!(prefixed(json!({"template": one, "parallelism": 2})));
        assert!(prefixed(
            json!({"template": {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}})
        ));
        assert!(prefixed(
            json!({"template": {"spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "a"}]}}})
        ));
    }

    #[test]
    fn a_pull_policy_reaches_every_container() {
        let id = run_id();
        let overlay = Overlay {
            pull_policy: Some("Never"),
            ..overlay(&id)
        };
        let spec = json!({"template": {"spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "a", "imagePullPolicy": "Always"}]}}});
        let job = prepare(job(spec), &overlay).unwrap().job;
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(
            (
                &pod["initContainers"][0]["imagePullPolicy"],
                &pod["containers"][0]["imagePullPolicy"]
            ),
            (&json!("Never"), &json!("Never"))
        );
    }

    #[test]
    fn structures_that_no_job_has_are_refused() {
        for broken in [
            json!([]),
            json!({"metadata": {"name": "a"}, "spec": "x"}),
            json!({"metadata": {"name": "a"}, "spec": {"template": 1}}),
        ] {
            let refusal = prepare(broken.clone(), &overlay(&run_id())).expect_err("broken");
            assert!(
                refusal.message.contains("not a map") || refusal.message.contains("no metadata.name"),
                "{broken}: {refusal}"
            );
        }
    }
}
