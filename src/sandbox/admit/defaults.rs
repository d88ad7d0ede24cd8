//! What the API server sets (`pkg/apis/{batch,core}/v1/defaults.go`, `pkg/registry/*/*/strategy.go`).

use serde_json::{Value, json};

use super::Kind;

/// The labels by which a Job knows its pods, each with its older name.
pub(super) const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
pub(super) const OLD_UID_LABEL: &str = "controller-uid";
pub(super) const NAME_LABEL: &str = "batch.kubernetes.io/job-name";
pub(super) const OLD_NAME_LABEL: &str = "job-name";

/// Sets a field that is not set.
fn default(object: &mut Value, field: &str, value: impl Into<Value>) {
    let slot = &mut object[field];
    if slot.is_null() {
        *slot = value.into();
    }
}

/// What decoding sets.
pub(super) fn set(kind: Kind, object: &mut Value) {
    match kind {
        Kind::Job => {
            job(&mut object["spec"]);
            labels_of_template(object);
        }
        Kind::Pod => pod(&mut object["spec"]),
        Kind::Secret => secret(object),
        Kind::Namespace => namespace(object),
        // Go writes these two even if they are empty.
        Kind::Event => {
            default(object, "reportingComponent", "");
            default(object, "reportingInstance", "");
        }
        Kind::CronJob => cron_job(&mut object["spec"]),
        Kind::PersistentVolumeClaim => default(&mut object["spec"], "volumeMode", "Filesystem"),
        Kind::Service => service(&mut object["spec"]),
        Kind::ConfigMap | Kind::ServiceAccount => {}
    }
}

/// What a new object gets, and what of it is cleared.
pub(super) fn prepare(kind: Kind, object: &mut Value) {
    match kind {
        Kind::Job => {
            object["status"] = json!({});
            object["metadata"]["generation"] = 1.into();
            // With labels in its template a Job shares them: it gets the generated ones too.
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            let shared = labels.is_object() && *labels == object["metadata"]["labels"];
            selector(object);
            if shared {
                object["metadata"]["labels"] = object["spec"]["template"]["metadata"]["labels"].clone();
            }
        }
        Kind::Pod => {
            // Resources are not applied: no pod is better than BestEffort.
            object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
            object["metadata"]["generation"] = 1.into();
            // What the admission plugins ServiceAccount and Priority add. The tolerations of
            // DefaultTolerationSeconds are left out: no node is tainted.
            let spec = &mut object["spec"];
            default(spec, "serviceAccountName", "default");
            spec["serviceAccount"] = spec["serviceAccountName"].clone();
            default(spec, "priority", 0);
            default(spec, "preemptionPolicy", "PreemptLowerPriority");
        }
        Kind::Namespace => {
            // The name may just have been generated.
            namespace(object);
            object["status"] = json!({"phase": "Active"});
            default(&mut object["spec"], "finalizers", json!([]));
            if let Some(finalizers) = object["spec"]["finalizers"].as_array_mut()
                && !finalizers.contains(&"kubernetes".into())
            {
                finalizers.push("kubernetes".into());
            }
        }
        Kind::CronJob => {
            object["status"] = json!({});
            object["metadata"]["generation"] = 1.into();
        }
        // As if a provisioner had been there: a folder is made when it is first mounted.
        Kind::PersistentVolumeClaim => {
            let volume = format!("pvc-{}", object["metadata"]["uid"].as_str().unwrap_or_default());
            let spec = &mut object["spec"];
            spec["volumeName"] = volume.into();
            object["status"] = json!({
                "phase": "Bound", "accessModes": spec["accessModes"], "capacity": spec["resources"]["requests"],
            });
        }
        Kind::Service => object["status"] = json!({"loadBalancer": {}}),
        Kind::ConfigMap | Kind::Secret | Kind::Event | Kind::ServiceAccount => {}
    }
}

/// What a change gets, and what of it is undone.
pub(super) fn prepare_update(kind: Kind, object: &mut Value, old: &Value) {
    if let Some(status) = old.get("status") {
        object["status"] = status.clone();
    }
    match kind {
        Kind::Job | Kind::Pod | Kind::CronJob if object["spec"] != old["spec"] => {
            object["metadata"]["generation"] = (old["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
        }
        Kind::Namespace => object["spec"] = old["spec"].clone(),
        Kind::Job
        | Kind::Pod
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::Event
        | Kind::CronJob
        | Kind::PersistentVolumeClaim
        | Kind::Service
        | Kind::ServiceAccount => {}
    }
}

/// What is set when the stored object is read back.
pub(super) fn read_back(kind: Kind, object: &mut Value) {
    if kind == Kind::Job {
        labels_of_template(object);
    }
}

/// A Job without labels has those of its template.
fn labels_of_template(object: &mut Value) {
    if let Some(labels) = object.pointer("/spec/template/metadata/labels").cloned() {
        default(&mut object["metadata"], "labels", labels);
    }
}

fn job(spec: &mut Value) {
    if spec.get("parallelism").is_none() {
        default(spec, "completions", 1);
        default(spec, "parallelism", 1);
    }
    let per_index = spec.get("backoffLimitPerIndex").is_some();
    default(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "manualSelector", false);
    let policy = spec.get("podFailurePolicy").is_some();
    default(
        spec,
        "podReplacementPolicy",
        if policy { "Failed" } else { "TerminatingOrFailed" },
    );
    for rule in spec
        .get_mut("podFailurePolicy")
        .into_iter()
        .flat_map(|policy| list(policy, "rules"))
    {
        for pattern in list(rule, "onPodConditions") {
            default(pattern, "status", "True");
        }
    }
    pod_spec(&mut spec["template"]["spec"]);
}

/// The selector of a new Job and the labels that its pods get for it (`generateSelector`). What the
/// user has set stays; validation refuses it.
fn selector(object: &mut Value) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (uid, name) = (text("uid"), text("name"));
    let spec = &mut object["spec"];
    let labels = &mut spec["template"]["metadata"]["labels"];
    for (key, old_key, value) in [(UID_LABEL, OLD_UID_LABEL, &uid), (NAME_LABEL, OLD_NAME_LABEL, &name)] {
        default(labels, key, value.clone());
        default(labels, old_key, value.clone());
    }
    default(&mut spec["selector"]["matchLabels"], UID_LABEL, uid);
}

fn pod(spec: &mut Value) {
    pod_spec(spec);
    default(spec, "enableServiceLinks", true);
    // `Convert_v1_Pod_To_core_Pod`
    if spec["terminationGracePeriodSeconds"].as_i64() < Some(0) {
        spec["terminationGracePeriodSeconds"] = 1.into();
    }
    for container in containers(spec) {
        if let Some(limits) = container.pointer("/resources/limits").cloned() {
            for (name, limit) in limits.as_object().into_iter().flatten() {
                default(&mut container["resources"]["requests"], name, limit.clone());
            }
        }
    }
}

fn list<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = object.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

fn containers(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let fields = spec.as_object_mut().into_iter().flatten();
    let lists = fields.filter(|(field, _)| ["containers", "initContainers"].contains(&field.as_str()));
    lists.flat_map(|(_, list)| list.as_array_mut().into_iter().flatten())
}

/// `SetDefaults_CronJob`; the Job inside gets its own when it is made.
fn cron_job(spec: &mut Value) {
    default(spec, "concurrencyPolicy", "Allow");
    default(spec, "suspend", false);
    default(spec, "successfulJobsHistoryLimit", 3);
    default(spec, "failedJobsHistoryLimit", 1);
    pod_spec(&mut spec["jobTemplate"]["spec"]["template"]["spec"]);
}

/// `SetDefaults_Service`, and an address that is this machine's.
fn service(spec: &mut Value) {
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    default(spec, "internalTrafficPolicy", "Cluster");
    if spec["type"] != "ExternalName" {
        default(spec, "clusterIP", "127.0.0.1");
        let address = spec["clusterIP"].clone();
        default(spec, "clusterIPs", json!([address]));
        default(spec, "ipFamilies", json!(["IPv4"]));
        default(spec, "ipFamilyPolicy", "SingleStack");
    }
    for port in list(spec, "ports") {
        default(port, "protocol", "TCP");
        let number = port["port"].clone();
        default(port, "targetPort", number);
    }
}

fn volume(volume: &mut Value) {
    let sources = volume
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(field, _)| *field != "name");
    if sources.count() == 0 {
        volume["emptyDir"] = json!({});
    }
    for source in ["configMap", "downwardAPI", "projected", "secret"] {
        if let Some(source) = volume.get_mut(source).filter(|source| source.is_object()) {
            default(source, "defaultMode", 0o644);
        }
    }
    if let Some(own) = volume.get_mut("downwardAPI") {
        items(own);
    }
    if let Some(projected) = volume.get_mut("projected") {
        list(projected, "sources")
            .filter_map(|source| source.get_mut("downwardAPI"))
            .for_each(items);
    }
}

/// Fields of the pod have a version, as in variables.
fn items(own: &mut Value) {
    for field in list(own, "items").filter_map(|item| item.get_mut("fieldRef")) {
        default(field, "apiVersion", "v1");
    }
}

fn pod_spec(spec: &mut Value) {
    for volume in list(spec, "volumes") {
        self::volume(volume);
    }
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "restartPolicy", "Always");
    default(spec, "schedulerName", "default-scheduler");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "securityContext", json!({}));
    // `serviceAccount` is the old name; each is read from the other.
    let old = spec.get("serviceAccount").cloned();
    if let Some(account) = spec.get("serviceAccountName").cloned().or(old) {
        spec["serviceAccountName"] = account.clone();
        spec["serviceAccount"] = account;
    }
    for container in containers(spec) {
        let latest = container.get("image").and_then(Value::as_str).is_some_and(is_latest);
        default(
            container,
            "imagePullPolicy",
            if latest { "Always" } else { "IfNotPresent" },
        );
        default(container, "terminationMessagePath", "/dev/termination-log");
        default(container, "terminationMessagePolicy", "File");
        default(container, "resources", json!({}));
        for port in list(container, "ports") {
            default(port, "protocol", "TCP");
        }
        for field in list(container, "env").filter_map(|variable| variable.pointer_mut("/valueFrom/fieldRef")) {
            default(field, "apiVersion", "v1");
        }
    }
}

/// Whether an image is meant by the tag `latest`, said or unsaid; none is that is no reference
/// (`parsers.ParseImageName`).
fn is_latest(image: &str) -> bool {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or_default();
    let (repository, tag) = last
        .split_once(':')
        .map_or((last, None), |(name, tag)| (name, Some(tag)));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let is_reference = !repository.is_empty() && repository.chars().all(plain);
    is_reference && tag.map_or(digest.is_none(), |tag| tag == "latest")
}

/// `stringData` is written into `data`, in base64, and cannot be read back.
fn secret(object: &mut Value) {
    default(object, "type", "Opaque");
    let texts = object.as_object_mut().and_then(|fields| fields.remove("stringData"));
    for (key, text) in texts.iter().filter_map(Value::as_object).flatten() {
        let bytes = k8s_openapi::ByteString(text.as_str().unwrap_or_default().as_bytes().to_vec());
        object["data"][key] = json!(bytes);
    }
}

fn namespace(object: &mut Value) {
    if let Some(name) = object["metadata"].get("name").cloned() {
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    }
}
