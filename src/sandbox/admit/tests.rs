//! Against the answers of a real API server, and the rules that only the sandbox has.

use serde_json::{Value, json};

use super::{Admitted, FieldValidation, Fresh, Honours, Kind, Refused};

const FRESH: Fresh<'static> = Fresh {
    uid: "UID",
    suffix: "abcde",
};

/// Bodies and what Kubernetes 1.36.3 answered to them; what differs from call to call (uid, generated
/// names, times, managedFields) and what its admission plugins add (the token's volume, tolerations of
/// tainted nodes) is taken out. A case with `old` is an update.
const GOLDEN: &str = include_str!("golden.json");

/// Where containers are plain processes.
const PLAIN: Honours = Honours { volumes: false };

/// Where they are in bubblewrap.
const ISOLATED: Honours = Honours { volumes: true };

fn create(
    kind: Kind,
    namespace: Option<&str>,
    body: &Value,
    strictness: FieldValidation,
    fresh: &Fresh<'_>,
) -> Result<Admitted, Refused> {
    super::create(kind, namespace, body, strictness, fresh, PLAIN)
}

fn update(kind: Kind, old: &Value, new: &Value, strictness: FieldValidation) -> Result<Admitted, Refused> {
    super::update(kind, old, new, strictness, PLAIN)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn answer(case: &Value) -> Result<Admitted, Refused> {
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == text(case, "kind"))
        .unwrap();
    let strictness = case.get("strictness").map_or("Strict", |s| s.as_str().unwrap());
    let strictness = FieldValidation::parse(Some(strictness), "CreateOptions").unwrap();
    match case.get("old") {
        Some(old) => update(kind, old, &case["body"], strictness),
        None => create(kind, Some("kjo-admit"), &case["body"], strictness, &FRESH),
    }
}

/// The server prints immutable fields, and ends the refusal of a pod's change, with types of its own.
fn without_go(message: &str) -> String {
    let (message, _) = message.split_once("\n@@").unwrap_or((message, ""));
    let own = ["}: field is immutable", "}: requires indexed"];
    match (message.split_once("Invalid value: {"), message.rsplit_once("}: ")) {
        (Some((start, _)), Some((_, end))) if own.iter().any(|own| message.contains(own)) => format!("{start}{end}"),
        _ => message.to_owned(),
    }
}

/// An update is validated twice by the server; the second mention is left out.
fn plain(mut status: Value) -> Value {
    if status["code"] == 422 {
        status["message"] = without_go(text(&status, "message")).into();
        let mut seen = Vec::new();
        let causes = status["details"]["causes"].as_array_mut().unwrap();
        causes.retain_mut(|cause| {
            cause["message"] = without_go(text(cause, "message")).into();
            let new = !seen.contains(cause);
            seen.push(cause.clone());
            new
        });
    }
    status
}

/// Where two values differ.
fn differences(path: &str, got: &Value, wanted: &Value, found: &mut Vec<String>) {
    match (got, wanted) {
        (Value::Object(one), Value::Object(other)) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                differences(&format!("{path}.{key}"), &got[key], &wanted[key], found);
            }
        }
        _ if got != wanted => found.push(format!("  {path}:\n    got {got}\n    not {wanted}")),
        _ => {}
    }
}

#[test]
fn answers_as_kubernetes_does() {
    let cases: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    assert!(cases.len() > 150);
    let mut wrong = Vec::new();
    for case in &cases {
        let got = match answer(case) {
            Ok(admitted) => {
                let of_sandbox = |text: &String| text.starts_with("the sandbox");
                let warnings: Vec<String> = admitted.warnings.into_iter().filter(|w| !of_sandbox(w)).collect();
                json!({"object": admitted.object, "warnings": warnings})
            }
            Err(refused) => json!({"refused": plain(refused.status())}),
        };
        let wanted = match case.get("refused") {
            Some(status) => json!({"refused": plain(status.clone())}),
            None => json!({"object": case["object"], "warnings": case["warnings"]}),
        };
        let mut found = vec![text(case, "name").to_owned()];
        differences("", &got, &wanted, &mut found);
        if found.len() > 1 {
            wrong.push(found.join("\n"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

fn job(pod: &Value) -> Value {
    let mut spec = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]});
    for (field, value) in pod.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({"metadata": {"name": "x"}, "spec": {"template": {"spec": spec}}})
}

fn container(fields: &Value) -> Value {
    let mut container = json!({"name": "main", "image": "busybox"});
    for (field, value) in fields.as_object().unwrap() {
        container[field] = value.clone();
    }
    job(&json!({"containers": [container]}))
}

fn created(body: &Value) -> Result<Admitted, Refused> {
    create(Kind::Job, Some("default"), body, FieldValidation::Strict, &FRESH)
}

/// Paths below `spec.template.spec` that are refused because they are not honoured.
fn not_honoured(body: &Value) -> Vec<String> {
    let Err(refused) = created(body) else { return Vec::new() };
    let causes = refused.details.unwrap().causes.into_iter().map(|cause| {
        assert_eq!(cause.reason, "FieldValueForbidden");
        assert_eq!(
            cause.message,
            "Forbidden: the sandbox does not honour this field (docs/sandbox.md says what it does)"
        );
        cause.field.replace("spec.template.spec.", "")
    });
    causes.collect()
}

#[test]
fn plain_processes_have_no_volumes() {
    let refused = created(&job(&json!({"volumes": [{"name": "v", "emptyDir": {}}]}))).unwrap_err();
    assert_eq!(
        refused.message,
        "Job.batch \"x\" is invalid: spec.template.spec.volumes: Forbidden: the sandbox has no volumes where \
         bubblewrap is missing or --isolation none is given"
    );
}

#[test]
fn what_is_not_honoured_of_a_pod_is_refused_by_name() {
    let probe = json!({"exec": {"command": ["true"]}});
    for (field, value) in [
        (
            "affinity",
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]}}}),
        ),
        (
            "topologySpreadConstraints",
            json!([{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]),
        ),
        ("hostPID", json!(true)),
        ("hostNetwork", json!(true)),
        ("hostIPC", json!(true)),
        ("hostUsers", json!(true)),
        ("shareProcessNamespace", json!(true)),
        ("setHostnameAsFQDN", json!(true)),
        ("subdomain", json!("s")),
        ("priorityClassName", json!("high")),
        ("priority", json!(7)),
        ("preemptionPolicy", json!("Never")),
        ("runtimeClassName", json!("gvisor")),
        ("schedulerName", json!("mine")),
        ("automountServiceAccountToken", json!(true)),
        ("dnsPolicy", json!("None")),
        ("dnsConfig", json!({"nameservers": ["1.1.1.1"]})),
        ("hostAliases", json!([{"ip": "1.1.1.1", "hostnames": ["a"]}])),
        ("schedulingGates", json!([{"name": "a"}])),
        ("readinessGates", json!([{"conditionType": "a"}])),
        ("overhead", json!({"cpu": "1"})),
        ("resourceClaims", json!([{"name": "a", "resourceClaimName": "b"}])),
        ("os", json!({"name": "linux"})),
        ("ephemeralContainers", json!([{"name": "debug", "image": "busybox"}])),
    ] {
        assert_eq!(not_honoured(&job(&json!({ field: value }))), [field]);
    }
    for (field, value) in [
        ("volumeDevices", json!([{"name": "v", "devicePath": "/v"}])),
        ("lifecycle", json!({"preStop": probe})),
        ("livenessProbe", probe.clone()),
        ("readinessProbe", probe.clone()),
        ("startupProbe", probe.clone()),
        ("tty", json!(true)),
        ("stdin", json!(true)),
        ("stdinOnce", json!(true)),
        (
            "resizePolicy",
            json!([{"resourceName": "cpu", "restartPolicy": "NotRequired"}]),
        ),
        ("restartPolicy", json!("Never")),
        (
            "restartPolicyRules",
            json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]),
        ),
    ] {
        let path = format!("containers[0].{field}");
        assert_eq!(not_honoured(&container(&json!({ field: value }))), [path]);
    }
    for source in ["resourceFieldRef", "fileKeyRef"] {
        let given = json!({"resource": "limits.cpu", "key": "k", "path": "p", "volumeName": "v"});
        let mut fields = given.as_object().unwrap().clone();
        fields.retain(|field, _| (source == "resourceFieldRef") == (field == "resource"));
        let body = container(&json!({"env": [{"name": "A", "valueFrom": {source: fields}}]}));
        assert_eq!(
            not_honoured(&body),
            [format!("containers[0].env[0].valueFrom.{source}")]
        );
    }
    let init = json!({"name": "i", "image": "busybox", "restartPolicy": "OnFailure", "livenessProbe": probe});
    assert_eq!(
        not_honoured(&job(&json!({"initContainers": [init], "hostPID": true}))),
        [
            "hostPID",
            "initContainers[0].livenessProbe",
            "initContainers[0].restartPolicy"
        ]
    );
    let mut manual = job(&json!({}));
    manual["spec"]["manualSelector"] = json!(true);
    assert_eq!(not_honoured(&manual), ["spec.manualSelector"]);
}

#[test]
fn what_says_nothing_or_the_default_is_honoured() {
    for pod in [
        json!({"volumes": [], "affinity": {}, "hostPID": false, "subdomain": "", "securityContext": {}}),
        json!({"affinity": {"nodeAffinity": {}}, "priority": 0, "preemptionPolicy": "PreemptLowerPriority"}),
        json!({"schedulerName": "default-scheduler", "serviceAccountName": "default", "dnsPolicy": "Default"}),
        json!({"initContainers": [{"name": "i", "image": "busybox", "restartPolicy": "Always"}], "nodeName": "n",
            "tolerations": [{"operator": "Exists"}], "automountServiceAccountToken": false, "hostname": "h",
            "imagePullSecrets": [{"name": "s"}], "activeDeadlineSeconds": 1, "enableServiceLinks": true}),
    ] {
        let admitted = created(&job(&pod)).unwrap();
        assert_eq!(admitted.warnings, Vec::<String>::new(), "{pod}");
    }
}

#[test]
fn what_is_accepted_but_not_applied_is_warned_of_once() {
    let limits = json!({"limits": {"cpu": 1, "memory": "64Mi"}});
    let mut body = job(&json!({
        "initContainers": [{"name": "i", "image": "busybox", "resources": limits}],
        "containers": [{"name": "main", "image": "busybox", "resources": limits}],
    }));
    assert_eq!(
        created(&body).unwrap().warnings,
        [
            "the sandbox does not apply resources (spec.template.spec.containers[0].resources): containers are \
          processes of this machine"
        ]
    );
    body["spec"]["template"]["spec"]["securityContext"] = json!({"runAsUser": 1000});
    let admitted = created(&body).unwrap();
    assert_eq!(
        admitted.warnings,
        [
            "the sandbox does not apply resources (spec.template.spec.containers[0].resources), securityContext \
          (spec.template.spec.securityContext): containers are processes of this machine"
        ]
    );
    let kept = admitted
        .object
        .pointer("/spec/template/spec/containers/0/resources/limits");
    assert_eq!(
        kept,
        Some(&json!({"cpu": "1", "memory": "64Mi"})),
        "a number is a quantity"
    );
}

#[test]
fn what_kubernetes_and_the_sandbox_refuse_is_said_together() {
    let mut body = job(&json!({"hostPID": true}));
    body["spec"]["parallelism"] = json!(-1);
    let refused = created(&body).unwrap_err();
    assert_eq!(
        refused.message,
        "Job.batch \"x\" is invalid: [spec.parallelism: Invalid value: -1: must be greater than or equal to 0, \
         spec.template.spec.hostPID: Forbidden: the sandbox does not honour this field (docs/sandbox.md says what it \
         does)]"
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let large = "x".repeat(1024 * 1024 + 1);
    for (kind, body, field) in [
        (
            Kind::ConfigMap,
            json!({"metadata": {"name": "x"}, "data": {"a": large}}),
            "",
        ),
        (
            Kind::Secret,
            json!({"metadata": {"name": "x"}, "stringData": {"a": large}}),
            "data",
        ),
        (
            Kind::ConfigMap,
            json!({"metadata": {"name": "x", "annotations": {"a": large}}}),
            "metadata.annotations",
        ),
    ] {
        let refused = create(kind, Some("default"), &body, FieldValidation::Strict, &FRESH).unwrap_err();
        let causes = refused.details.unwrap().causes;
        assert_eq!(
            (causes.len(), causes[0].reason, causes[0].field.as_str()),
            (1, "FieldValueTooLong", field)
        );
    }
}

#[test]
fn an_object_that_is_being_deleted_gets_no_finalizer() {
    let mut old = created(&job(&json!({}))).unwrap().object;
    old["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let mut new = old.clone();
    new["metadata"]["finalizers"] = json!(["example.com/a"]);
    new["metadata"].as_object_mut().unwrap().remove("deletionTimestamp");
    let refused = update(Kind::Job, &old, &new, FieldValidation::Strict).unwrap_err();
    assert_eq!(
        refused.message,
        "Job.batch \"x\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is \
         being deleted, found new finalizers []string{\"example.com/a\"}"
    );
    new["metadata"]["finalizers"] = json!([]);
    let kept = update(Kind::Job, &old, &new, FieldValidation::Strict).unwrap().object;
    assert_eq!(
        kept["metadata"]["deletionTimestamp"],
        old["metadata"]["deletionTimestamp"]
    );
}

#[test]
fn what_was_admitted_is_admitted_again_unchanged() {
    let cases: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    for case in cases.iter().filter(|case| case.get("old").is_none()) {
        let Ok(admitted) = answer(case) else { continue };
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == text(case, "kind"))
            .unwrap();
        let again = update(kind, &admitted.object, &admitted.object, FieldValidation::Strict).unwrap();
        assert_eq!(again.object, admitted.object, "{}", text(case, "name"));
    }
}

#[test]
fn the_parameter_of_field_validation_is_one_of_three() {
    assert_eq!(FieldValidation::parse(None, "CreateOptions"), Ok(FieldValidation::Warn));
    assert_eq!(
        FieldValidation::parse(Some("Strict"), "CreateOptions"),
        Ok(FieldValidation::Strict)
    );
    assert_eq!(
        FieldValidation::parse(Some("Bogus"), "CreateOptions")
            .unwrap_err()
            .message,
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Bogus\": supported values: \
         \"\", \"Ignore\", \"Strict\", \"Warn\""
    );
}

#[test]
fn in_bubblewrap_volumes_are_honoured_but_for_those_that_are_no_folders() {
    let with = |volume: Value, mount: Value| {
        let mut body = job(&json!({"volumes": [volume]}));
        body["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([mount]);
        super::create(
            Kind::Job,
            Some("default"),
            &body,
            FieldValidation::Strict,
            &FRESH,
            ISOLATED,
        )
    };
    let mount = json!({"name": "v", "mountPath": "/v"});
    let admitted = with(json!({"name": "v"}), mount.clone()).unwrap();
    let volumes = &admitted.object["spec"]["template"]["spec"]["volumes"];
    assert_eq!(*volumes, json!([{"name": "v", "emptyDir": {}}]));
    let items = json!([{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]);
    for (source, becomes) in [
        (
            json!({"secret": {"secretName": "s"}}),
            json!({"secret": {"secretName": "s", "defaultMode": 420}}),
        ),
        (
            json!({"persistentVolumeClaim": {"claimName": "c"}}),
            json!({"persistentVolumeClaim": {"claimName": "c"}}),
        ),
        (
            json!({"downwardAPI": {"items": items}}),
            json!({"downwardAPI": {"defaultMode": 420, "items": [
                {"path": "p", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
            ]}}),
        ),
    ] {
        let named = |source: &Value| {
            let mut volume = source.clone();
            volume["name"] = json!("v");
            volume
        };
        let admitted = with(named(&source), mount.clone()).unwrap();
        assert_eq!(
            admitted.object["spec"]["template"]["spec"]["volumes"][0],
            named(&becomes)
        );
    }
    for (volume, mount, field) in [
        (
            json!({"name": "v", "hostPath": {"path": "/"}}),
            mount.clone(),
            "volumes[0].hostPath",
        ),
        (
            json!({"name": "v", "emptyDir": {"medium": "Memory"}}),
            mount.clone(),
            "volumes[0].emptyDir.medium",
        ),
        (
            json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
            mount.clone(),
            "volumes[0].projected.sources[0].serviceAccountToken",
        ),
        (
            json!({"name": "v"}),
            json!({"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}),
            "containers[0].volumeMounts[0].mountPropagation",
        ),
    ] {
        let refused = with(volume, mount).unwrap_err();
        let causes = refused.details.unwrap().causes;
        let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
        assert_eq!(fields, [format!("spec.template.spec.{field}")]);
    }
}
