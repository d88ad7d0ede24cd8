//! What a set of documents means: the one that runs, made into a Job, and those that come along.

use serde_json::{Map, Value, json};

use super::{Refusal, read::Document, scope};

/// What runs, and what comes along with it.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The Job, as the file has it or as made of what the file has.
    pub job: Value,
    /// Where it stands, for messages.
    pub source: Document,
    /// The other objects, in the order of the file.
    pub companions: Vec<Document>,
    /// What was decided and should be told once.
    pub told: Vec<String>,
    /// What a pod was wrapped into, while that was not told.
    wrapped: Option<Wrapped>,
    /// The file holds a Service, whose selector and DNS names are names of the file: none is changed.
    pub exact_names: bool,
}

/// A pod that became a Job.
#[derive(Debug, Clone)]
struct Wrapped {
    title: String,
    /// Its restartPolicy, where that is not the Job's.
    policy: Option<String>,
}

/// Kinds of which a Job can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    Job,
    CronJob,
    Pod,
    PodTemplate,
}

impl Runs {
    pub(super) fn of(document: &Document) -> Option<Self> {
        match (document.api_version()?, document.kind()?) {
            ("batch/v1", "Job") => Some(Self::Job),
            ("batch/v1", "CronJob") => Some(Self::CronJob),
            ("v1", "Pod") => Some(Self::Pod),
            ("v1", "PodTemplate") => Some(Self::PodTemplate),
            _ => None,
        }
    }
}

impl Bundle {
    /// Picks what runs. `chosen` is `--job`: a name, or `KIND/NAME`.
    ///
    /// # Errors
    /// Documents that are no objects, nothing that runs, several things that run, objects that belong
    /// to no namespace.
    pub fn of(source: &str, mut documents: Vec<Document>, chosen: Option<&str>) -> Result<Self, Refusal> {
        if documents.is_empty() {
            return Err(Refusal::new(
                format!("{source} is empty: there is no Job in it"),
                "give a file with one Job (apiVersion: batch/v1, kind: Job)",
            ));
        }
        for document in &documents {
            whole(document)?;
        }
        let picked = pick(source, &documents, chosen)?;
        let document = documents.remove(picked);
        let mut told = Vec::new();
        let mut companions = Vec::new();
        for other in documents {
            if Runs::of(&other).is_some() {
                told.push(format!(
                    "{} is left out: --job chose {}",
                    other.title(),
                    document.title()
                ));
                continue;
            }
            companions.push(other);
        }
        unique(&document, &companions)?;
        let service = companions.iter().find(|c| c.kind() == Some("Service"));
        if let Some(service) = service {
            told.push(format!(
                "names are left as they are: the selector and the DNS name of {} depend on them",
                service.title()
            ));
        }
        let mut wrapped = None;
        Ok(Self {
            job: job(&document, &mut told, &mut wrapped)?,
            source: document,
            exact_names: service.is_some(),
            companions,
            wrapped,
            told,
        })
    }

    /// Says, once, what became of a Pod, with all flags laid over it.
    pub fn tell_wrapping(&mut self) {
        let Some(Wrapped { title, policy }) = self.wrapped.take() else {
            return;
        };
        let at = |pointer: &str| self.job.pointer(pointer).filter(|value| !value.is_null());
        let restarts = at("/spec/template/spec/restartPolicy").and_then(Value::as_str);
        let tries = at("/spec/backoffLimit").map_or_else(|| "of its default".to_owned(), Value::to_string);
        let one = |field: &str| at(&format!("/spec/{field}")).is_none_or(|number| number == 1);
        let pods = if one("parallelism") && one("completions") {
            "a Job of one pod"
        } else {
            "a Job"
        };
        let now = restarts.unwrap_or("Never");
        let instead = policy
            .filter(|policy| policy != now)
            .map_or_else(String::new, |policy| format!(" instead of {policy}"));
        self.told.push(format!(
            "{title} runs as {pods}: restartPolicy {now}{instead}, backoffLimit {tries}"
        ));
    }

    /// # Errors
    /// Two objects of one kind and name, of which the API has room for one.
    pub fn unique(&self) -> Result<(), Refusal> {
        unique(&self.source, &self.companions)
    }

    /// A Job that kjo made of flags, with nothing beside it.
    #[must_use]
    pub fn alone(source: &str, job: Value) -> Self {
        Self {
            source: Document::made(source, job.clone()),
            job,
            companions: Vec::new(),
            told: Vec::new(),
            wrapped: None,
            exact_names: false,
        }
    }
}

/// An object with a kind, an apiVersion, and a namespace to be in.
fn whole(document: &Document) -> Result<(), Refusal> {
    if !document.value.is_object() {
        return Err(document.refuse(
            &[],
            "this is not an object",
            "each document is an object with apiVersion and kind",
        ));
    }
    for field in ["kind", "apiVersion"] {
        let value = document.value.get(field);
        if value.and_then(Value::as_str).is_none_or(str::is_empty) {
            let known = match (field, document.kind()) {
                ("apiVersion", Some("Job" | "CronJob")) => " (it is batch/v1)",
                ("apiVersion", Some("Pod" | "PodTemplate" | "ConfigMap" | "Secret" | "Service")) => " (it is v1)",
                _ => "",
            };
            let title = document
                .kind()
                .map_or_else(|| "the object".to_owned(), |_| document.title());
            let written = document.value.as_object().into_iter().flatten().map(|(key, _)| key);
            let hint = match written
                .into_iter()
                .find(|key| *key != field && key.eq_ignore_ascii_case(field))
            {
                Some(other) => format!("write {field}: and not {other}: - capitals count"),
                None => format!("begin the object with {field}, as 'kubectl explain' shows it"),
            };
            return Err(document.refuse(&[field], &format!("{title} has no {field}{known}"), hint));
        }
    }
    if document
        .value
        .get("metadata")
        .is_some_and(|m| !m.is_object() && !m.is_null())
    {
        return Err(document.refuse(
            &["metadata"],
            "metadata is not a map of fields",
            "write metadata: and under it name: with the name",
        ));
    }
    capitals(document)?;
    misversioned(document)?;
    if scope::is_cluster_wide(
        document.api_version().unwrap_or_default(),
        document.kind().unwrap_or_default(),
    ) {
        return Err(document.refuse_key(
            &["kind"],
            &format!(
                "{} belongs to the whole cluster and not to a namespace",
                document.title()
            ),
            "create it once with 'kubectl apply', apart from this run",
        ));
    }
    Ok(())
}

/// Kinds are written with capitals.
fn capitals(document: &Document) -> Result<(), Refusal> {
    let kind = document.kind().unwrap_or_default();
    let known = ["Job", "CronJob", "Pod", "PodTemplate", "ConfigMap", "Secret", "Service"];
    match known.into_iter().find(|known| known.eq_ignore_ascii_case(kind)) {
        Some(right) if right != kind => Err(document.refuse(
            &["kind"],
            &format!("there is no kind {kind}"),
            format!("write kind: {right}"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// A kind that runs, of a version that the API does not have, would be taken for a companion.
fn misversioned(document: &Document) -> Result<(), Refusal> {
    let right = match (document.kind(), document.api_version()) {
        (Some("Job" | "CronJob"), Some(version)) if version != "batch/v1" => {
            // Other groups have a Job too (Volcano's batch.volcano.sh).
            let ours = !version.contains('/') || version.starts_with("batch/");
            ours.then_some("batch/v1")
        }
        (Some("Pod" | "PodTemplate"), Some(version)) if version != "v1" && !version.contains('.') => Some("v1"),
        _ => None,
    };
    let Some(right) = right else { return Ok(()) };
    let title = document.title();
    let version = document.api_version().unwrap_or_default();
    Err(document.refuse(
        &["apiVersion"],
        &format!("{title} is of {version}, and no cluster that kjo supports has it"),
        format!("write apiVersion: {right}"),
    ))
}

fn pick(source: &str, documents: &[Document], chosen: Option<&str>) -> Result<usize, Refusal> {
    let candidates: Vec<(usize, &Document)> = documents
        .iter()
        .enumerate()
        .filter(|(_, document)| Runs::of(document).is_some())
        .collect();
    let named = |candidates: &[(usize, &Document)]| {
        candidates
            .iter()
            .map(|(_, d)| d.title())
            .collect::<Vec<_>>()
            .join(" and ")
    };
    if candidates.is_empty() {
        let found = documents.iter().map(Document::title).collect::<Vec<_>>().join(", ");
        return Err(Refusal::new(
            format!("{source} holds no Job: it holds {found}"),
            "kjo runs a Job, CronJob, Pod or PodTemplate; for an image alone use 'kjo run --image IMAGE -- COMMAND'",
        ));
    }
    let Some(chosen) = chosen else {
        return match candidates.as_slice() {
            [(one, _)] => Ok(*one),
            several => Err(Refusal::new(
                format!("{source} holds {} things that run: {}", several.len(), named(several)),
                "kjo runs one of them; choose it with --job NAME",
            )),
        };
    };
    let meant: Vec<(usize, &Document)> = candidates
        .iter()
        .copied()
        .filter(|(_, d)| d.name() == Some(chosen) || d.title().eq_ignore_ascii_case(chosen))
        .collect();
    match meant.as_slice() {
        [(one, _)] => Ok(*one),
        [] => Err(Refusal::new(
            format!("--job {chosen}: {source} holds {}", named(&candidates)),
            "name one of them",
        )),
        several => Err(Refusal::new(
            format!("--job {chosen} means several in {source}: {}", named(several)),
            "write it as KIND/NAME; names must differ within a kind",
        )),
    }
}

/// The API has one object of a kind and name; the second create would be refused halfway.
fn unique(source: &Document, companions: &[Document]) -> Result<(), Refusal> {
    let key = |d: &Document| {
        let group = d
            .api_version()
            .and_then(|v| v.split_once('/'))
            .map(|(group, _)| group.to_owned());
        (
            group,
            d.kind().map(str::to_owned),
            d.value.pointer("/metadata/name").cloned(),
        )
    };
    let mut known = vec![key(source)];
    for companion in companions {
        let this = key(companion);
        if this.2.is_some() && known.contains(&this) {
            return Err(companion.refuse(
                &["metadata", "name"],
                &format!("{} is there twice", companion.title()),
                "leave one of the two out, or give it another name",
            ));
        }
        known.push(this);
    }
    Ok(())
}

fn job(document: &Document, told: &mut Vec<String>, wrapping: &mut Option<Wrapped>) -> Result<Value, Refusal> {
    let value = &document.value;
    match Runs::of(document) {
        Some(Runs::Job) | None => Ok(value.clone()),
        Some(Runs::CronJob) => {
            let template = part(document, &["spec", "jobTemplate"])?;
            told.push(format!("running the template of {} once, now", document.title()));
            let mut metadata = metadata(value);
            let of_template = template.get("metadata");
            for field in ["labels", "annotations"] {
                let of_template = of_template.and_then(|m| m.get(field)).cloned();
                metadata.insert(field.to_owned(), of_template.unwrap_or_else(|| json!({})));
            }
            // What `kubectl create job --from` writes, so that tools tell it from a scheduled run.
            metadata["annotations"]["cronjob.kubernetes.io/instantiate"] = json!("manual");
            let spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
            Ok(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}))
        }
        Some(Runs::Pod) => {
            let spec = part(document, &["spec"])?;
            let template = json!({"metadata": labelled(value.get("metadata")), "spec": spec});
            Ok(wrapped(document, &template, wrapping))
        }
        Some(Runs::PodTemplate) => {
            let template = part(document, &["template"])?;
            Ok(wrapped(document, template, wrapping))
        }
    }
}

/// A pod as a Job: one pod, one try.
fn wrapped(document: &Document, template: &Value, wrapping: &mut Option<Wrapped>) -> Value {
    let mut template = template.clone();
    let policy = template.pointer("/spec/restartPolicy").and_then(Value::as_str);
    *wrapping = Some(Wrapped {
        title: document.title(),
        policy: policy.map(str::to_owned),
    });
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("restartPolicy".to_owned(), json!("Never"));
    }
    let mut metadata = metadata(&document.value);
    metadata.append(&mut labelled(document.value.get("metadata")));
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"backoffLimit": 0, "template": template},
    })
}

/// Name and namespace; what a server wrote (uid, resourceVersion) belongs to the other object.
fn metadata(value: &Value) -> Map<String, Value> {
    copied(value.get("metadata"), &["name", "generateName", "namespace"])
}

fn labelled(metadata: Option<&Value>) -> Map<String, Value> {
    copied(metadata, &["labels", "annotations"])
}

fn copied(from: Option<&Value>, fields: &[&str]) -> Map<String, Value> {
    fields
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), from?.get(*field)?.clone())))
        .collect()
}

fn part<'a>(document: &'a Document, path: &[&str]) -> Result<&'a Value, Refusal> {
    let pointer = path.iter().map(|p| format!("/{p}")).collect::<String>();
    match document.value.pointer(&pointer) {
        Some(part) if part.is_object() => Ok(part),
        Some(_) | None => Err(document.refuse(
            path,
            &format!("{} has no {}", document.title(), path.join(".")),
            format!(
                "see 'kubectl explain {}.{}' for what belongs there",
                document.kind().unwrap_or_default().to_lowercase(),
                path.join(".")
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::read::documents;

    const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: etl}\n";
    const SETTINGS: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";

    fn bundle(text: &str, chosen: Option<&str>) -> Result<Bundle, Refusal> {
        Bundle::of("job.yaml", documents("job.yaml", text.as_bytes())?, chosen)
    }

    fn refused(text: &str, chosen: Option<&str>) -> String {
        let refusal = bundle(text, chosen).expect_err(text);
        format!("{refusal}\nhint: {}", refusal.hint.as_deref().unwrap_or_default())
    }

    fn job(text: &str) -> String {
        let mut bundle = bundle(text, None).unwrap();
        bundle.tell_wrapping();
        let job = serde_json::to_string_pretty(&bundle.job).unwrap();
        format!("{job}\n{}", bundle.told.join("\n"))
    }

    #[test]
    fn the_rest_comes_along() {
        let bundle = bundle(&format!("{JOB}{SETTINGS}"), None).unwrap();
        assert_eq!(bundle.job["metadata"]["name"], "etl");
        assert_eq!(bundle.companions[0].title(), "ConfigMap/settings");
        assert!(!bundle.exact_names && bundle.told.is_empty());
    }

    #[test]
    fn a_service_keeps_all_names() {
        let text = format!("{JOB}---\napiVersion: v1\nkind: Service\nmetadata: {{name: db}}\n");
        let bundle = bundle(&text, None).unwrap();
        assert!(bundle.exact_names);
        insta::assert_snapshot!(bundle.told[0], @"names are left as they are: the selector and the DNS name of Service/db depend on them");
    }

    #[test]
    fn a_cron_job_runs_its_template_now() {
        insta::assert_snapshot!(job(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly, labels: {of: cron}, namespace: team}\nspec:\n  \
             schedule: '@daily'\n  jobTemplate:\n    metadata: {labels: {of: job}}\n    spec: {backoffLimit: 3, template: {}}\n"
        ));
    }

    #[test]
    fn a_pod_is_wrapped() {
        insta::assert_snapshot!(job(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: b}, uid: x}\nspec: {restartPolicy: Always, containers: [{name: c}]}\n"
        ));
        insta::assert_snapshot!(job(
            "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: t}\ntemplate:\n  metadata: {labels: {a: b}}\n  spec: {containers: [{name: c}]}\n"
        ));
    }

    #[test]
    fn what_is_said_of_a_pod_is_true_with_all_flags() {
        let mut bundle = bundle(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {restartPolicy: OnFailure}\n",
            None,
        )
        .unwrap();
        bundle.job["spec"]["backoffLimit"] = json!(3);
        bundle.job["spec"]["completions"] = json!(2);
        bundle.job["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
        bundle.tell_wrapping();
        bundle.tell_wrapping();
        insta::assert_snapshot!(bundle.told.join("\n"), @"Pod/p runs as a Job: restartPolicy OnFailure, backoffLimit 3");
    }

    #[test]
    fn one_of_several_is_chosen() {
        let text = format!("{JOB}---\n{}{SETTINGS}", JOB.replace("etl", "other"));
        let chosen = bundle(&text, Some("other")).unwrap();
        assert_eq!(
            (chosen.source.title().as_str(), chosen.companions.len()),
            ("Job/other", 1)
        );
        insta::assert_snapshot!(chosen.told.join("\n"), @"Job/etl is left out: --job chose Job/other");
        let title = bundle(&text, Some("job/etl")).unwrap();
        assert_eq!(title.source.name(), Some("etl"));
        insta::assert_snapshot!(refused(&text, None));
        insta::assert_snapshot!(refused(&text, Some("nobody")));
        let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: etl}\n";
        insta::assert_snapshot!(refused(&format!("{JOB}{pod}"), Some("etl")));
    }

    #[test]
    fn what_no_run_is_made_of() {
        insta::assert_snapshot!(refused("", None));
        insta::assert_snapshot!(refused("just text", None));
        insta::assert_snapshot!(refused("spec: {}\n", None));
        insta::assert_snapshot!(refused("kind: Job\nmetadata: {name: j}\n", None));
        insta::assert_snapshot!(refused(&JOB.replace("batch/v1", "batch/v1beta1"), None));
        insta::assert_snapshot!(refused(&JOB.replace("{name: etl}", "etl"), None));
        insta::assert_snapshot!(refused("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", None));
        insta::assert_snapshot!(refused(
            &format!("{JOB}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: n}}\n"),
            None
        ));
        insta::assert_snapshot!(refused(&format!("{JOB}{SETTINGS}{SETTINGS}"), None));
        insta::assert_snapshot!(refused(&JOB.replace("Job", "CronJob"), None));
        insta::assert_snapshot!(refused("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", None));
    }
}
