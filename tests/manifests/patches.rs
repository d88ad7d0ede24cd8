//! Patches as kubectl applies them, and as kjo does. What kubectl made of them is kept in
//! `patched.json`; `KJO_UPDATE_GOLDEN=1` asks it again.

use std::{fs, process::Command};

use kjo::spec::{
    overlay::{self, Change, parse},
    read,
};
use serde_json::Value;

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: etl, labels: {a: b, c: d}, finalizers: [example.com/x]}
spec:
  backoffLimit: 2
  podFailurePolicy: {rules: [{action: Ignore, onExitCodes: {operator: In, values: [1]}}]}
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {disk: ssd}
      tolerations: [{key: a}]
      hostAliases: [{ip: 10.0.0.1, hostnames: [a]}]
      imagePullSecrets: [{name: s}]
      containers:
      - name: main
        image: x
        command: [a, b]
        env: [{name: A, value: '1'}, {name: B, value: '2'}]
        ports: [{containerPort: 80, name: http}]
        resources: {limits: {memory: 1Gi}}
        volumeMounts: [{name: v, mountPath: /v}]
      - {name: side, image: y}
      volumes: [{name: v, emptyDir: {}}, {name: w, configMap: {name: c}}]
";

/// Of the pod, if not said otherwise.
const PATCHES: &[&str] = &[
    "{metadata: {labels: {a: null, e: f}}}",
    "{metadata: {labels: null}}",
    "{metadata: {finalizers: [example.com/y]}}",
    "{metadata: {finalizers: [example.com/x]}}",
    "{metadata: {$deleteFromPrimitiveList/finalizers: [example.com/x]}}",
    "{spec: {backoffLimit: 3, suspend: true}}",
    "{spec: {backoffLimit: null}}",
    "{spec: {podFailurePolicy: {rules: [{action: FailJob}]}}}",
    "{spec: {template: {spec: {nodeSelector: {arch: arm64}}}}}",
    "{spec: {template: {spec: {nodeSelector: {$patch: replace, arch: arm64}}}}}",
    "{spec: {template: {spec: {tolerations: [{key: b}]}}}}",
    "{spec: {template: {spec: {tolerations: []}}}}",
    "{spec: {template: {spec: {hostAliases: [{ip: 10.0.0.1, hostnames: [b]}, {ip: 10.0.0.2, hostnames: [c]}]}}}}",
    "{spec: {template: {spec: {imagePullSecrets: [{name: t}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, image: z}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, command: [c]}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, command: null}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, env: [{name: B, value: '3'}, {name: C, value: '4'}]}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, env: [{name: A, $patch: delete}]}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, env: [{$patch: replace}, {name: C, value: '4'}]}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, ports: [{containerPort: 80, protocol: UDP}, {containerPort: 81}]}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, resources: {limits: {cpu: 1}, requests: {cpu: 1}}}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, volumeMounts: [{mountPath: /v, readOnly: true}]}]}}}}",
    "{spec: {template: {spec: {containers: [{name: side, $patch: delete}]}}}}",
    "{spec: {template: {spec: {containers: [{name: third, image: z}]}}}}",
    "{spec: {template: {spec: {containers: [{$patch: replace}, {name: only, image: z}]}}}}",
    "{spec: {template: {spec: {volumes: [{name: w, configMap: {name: d}}, {name: u, emptyDir: {}}]}}}}",
    "{spec: {template: {spec: {volumes: [{name: v, $patch: delete}]}}}}",
    "{spec: {template: {spec: {volumes: [{name: v, emptyDir: null, secret: {secretName: s}}]}}}}",
    "{spec: {template: {spec: {volumes: [{$retainKeys: [name, secret], name: v, secret: {secretName: s}}]}}}}",
    "{spec: {template: {spec: {securityContext: {$patch: delete}}}}}",
    "{spec: {template: {spec: {nodeSelector: {$patch: delete}}}}}",
    "{spec: {template: {spec: {$setElementOrder/containers: [{name: side}, {name: main}], containers: [{name: main, image: z}]}}}}",
    "{spec: {template: {spec: {$setElementOrder/containers: [{name: side}, {name: third}, {name: main}], containers: [{name: third}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, $setElementOrder/env: [{name: B}, {name: A}]}]}}}}",
    "{spec: {template: {spec: {containers: [{name: main, $setElementOrder/env: [{name: C}, {name: A}], env: [{name: C, value: '3'}]}]}}}}",
    "{spec: {template: {spec: {$setElementOrder/volumes: [{name: new}, {name: v}], volumes: [{name: new, emptyDir: {}}]}}}}",
    "{metadata: {$setElementOrder/finalizers: [example.com/y, example.com/x], finalizers: [example.com/y]}}",
    "{spec: {template: {spec: {initContainers: [{name: init, image: i}]}}}}",
    "{spec: {template: {spec: {securityContext: {runAsUser: 1}, affinity: {nodeAffinity: {}}}}}}",
];

fn kubectl(patch: &str) -> Value {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), JOB).expect("the Job");
    // It takes a brace for JSON.
    let json = parse::map("--patch", patch).expect("a patch").to_string();
    let done = Command::new("kubectl")
        .args(["patch", "--local", "--type=strategic", "-o", "json", "-p", &json, "-f"])
        .arg(file.path())
        .output()
        .expect("kubectl in PATH");
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{patch}: {}", String::from_utf8_lossy(&done.stderr)))
}

fn kjo(patch: &str) -> Value {
    let mut job = read::value("job.yaml", JOB).expect("YAML").expect("a Job");
    let patch = parse::map("--patch", patch).expect("a patch");
    overlay::apply(&mut job, &[Change::Patch(patch)], None).expect("it fits");
    job
}

/// Without the fields that are null, the order of lists kept.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(in_order).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), in_order(value)))
            .filter(|(_, value)| !value.is_null())
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Lists by what is in them: where a new item comes to stand is nobody's promise. Empty values are none.
fn ordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(ordered).collect();
            items.sort_by_key(Value::to_string);
            items.into()
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), ordered(value)))
            .filter(|(_, value)| !value.is_null())
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn patches_do_what_they_do_in_kubectl() {
    let golden = super::folder().join("patched.json");
    if std::env::var_os("KJO_UPDATE_GOLDEN").is_some() {
        let answers: Vec<Value> = PATCHES.iter().map(|patch| kubectl(patch)).collect();
        let text = serde_json::to_string_pretty(&answers).expect("JSON");
        fs::write(&golden, text + "\n").expect("the golden file");
    }
    let answers: Vec<Value> = serde_json::from_slice(&fs::read(&golden).expect("patched.json")).expect("JSON");
    assert_eq!(answers.len(), PATCHES.len());
    let different: Vec<String> = PATCHES
        .iter()
        .zip(&answers)
        .filter(|(patch, theirs)| {
            let ours = kjo(patch);
            // Where it says in which order items stand, they stand so.
            let kept = !patch.contains("$setElementOrder") || in_order(&ours) == in_order(theirs);
            ordered(&ours) != ordered(theirs) || !kept
        })
        .map(|(patch, theirs)| {
            format!(
                "{patch}\n  kubectl: {}\n  kjo:     {}",
                ordered(theirs),
                ordered(&kjo(patch))
            )
        })
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}
