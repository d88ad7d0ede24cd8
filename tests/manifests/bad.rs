//! The mistakes that people really make, each with what kjo says of it. Nothing of this reaches a
//! cluster: there is none.

use std::{fs, process::Command};

const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: etl
  labels:
    team: data
spec:
  backoffLimit: 2
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: busybox:1.36
        command: [sh, -c, 'echo hello']
        env:
        - name: A
          value: \"1\"
        ports:
        - containerPort: 8080
        resources:
          limits: {memory: 64Mi}
        volumeMounts:
        - {name: data, mountPath: /data}
      volumes:
      - name: data
        emptyDir: {}
";

/// In the file above, this in place of that.
const CHANGED: &[(&str, &str)] = &[
    // Names of fields.
    ("command:", "comand:"),
    ("command:", "Command:"),
    ("command:", "cmd:"),
    ("containers:", "container:"),
    ("restartPolicy:", "restartpolicy:"),
    ("restartPolicy:", "restart_policy:"),
    ("backoffLimit:", "backofflimit:"),
    ("backoffLimit:", "backOffLimit:"),
    ("image:", "img:"),
    ("image:", "iamge:"),
    ("metadata:", "metdata:"),
    ("volumeMounts:", "volumesMounts:"),
    ("mountPath:", "path:"),
    ("containerPort:", "port:"),
    ("emptyDir:", "emptyDirectory:"),
    ("labels:", "label:"),
    // Fields at the wrong level.
    (
        "      restartPolicy: Never\n",
        "      restartPolicy: Never\n      backoffLimit: 1\n",
    ),
    ("  backoffLimit: 2\n", "  backoffLimit: 2\n  restartPolicy: Never\n"),
    ("  backoffLimit: 2\n", "  containers: [{name: a, image: b}]\n"),
    ("      restartPolicy: Never\n", "      image: busybox\n"),
    (
        "        image: busybox:1.36\n",
        "        image: busybox\n        volumes: []\n",
    ),
    (
        "        image: busybox:1.36\n",
        "        image: busybox\n        restartPolicies: Never\n",
    ),
    (
        "        image: busybox:1.36\n",
        "        image: busybox\n        nodeSelector: {a: b}\n",
    ),
    (
        "        image: busybox:1.36\n",
        "        image: busybox\n        serviceAccountName: robot\n",
    ),
    (
        "        image: busybox:1.36\n",
        "        image: busybox\n        limits: {memory: 1Gi}\n",
    ),
    (
        "        image: busybox:1.36\n",
        "        image: busybox\n        runAsUser: 1000\n",
    ),
    (
        "        image: busybox:1.36\n",
        "        image: busybox\n        configMapRef: {name: c}\n",
    ),
    ("  backoffLimit: 2\n", "  ttlSecondsAfterFinish: 60\n"),
    (
        "  backoffLimit: 2\n",
        "  schedule: '@daily'\n  activeDeadlineSecond: 3\n",
    ),
    ("kind: Job\n", "kind: Job\nlabels: {a: b}\n"),
    ("kind: Job\n", "kind: Job\ntemplate: {}\n"),
    // Values of the wrong type.
    ("[sh, -c, 'echo hello']", "echo hello"),
    ("[sh, -c, 'echo hello']", "[sleep, 30]"),
    ("[sh, -c, 'echo hello']", "[tool, --debug, true]"),
    ("[sh, -c, 'echo hello']", "[sh, -c, yes]"),
    ("value: \"1\"", "value: 1"),
    ("value: \"1\"", "value: true"),
    ("value: \"1\"", "value: on"),
    ("value: \"1\"", "value: {a: b}"),
    ("env:\n        - name: A\n          value: \"1\"", "env: {A: '1'}"),
    ("env:\n        - name: A\n          value: \"1\"", "env: [A=1]"),
    (
        "env:\n        - name: A\n          value: \"1\"",
        "env:\n          name: A\n          value: '1'",
    ),
    ("backoffLimit: 2", "backoffLimit: '2'"),
    ("backoffLimit: 2", "backoffLimit: two"),
    ("backoffLimit: 2", "backoffLimit: 1.5"),
    ("backoffLimit: 2", "suspend: 'no'"),
    ("containerPort: 8080", "containerPort: '8080'"),
    ("- containerPort: 8080", "- 8080"),
    ("team: data", "team: 1"),
    ("team: data", "team: no"),
    ("limits: {memory: 64Mi}", "limits: [memory]"),
    (
        "      - name: data\n        emptyDir: {}",
        "        data: {emptyDir: {}}",
    ),
    ("emptyDir: {}", "emptyDir: ''"),
    ("  name: etl", "  name: 42"),
    // Values that the API refuses.
    ("  name: etl", "  name: Nightly_ETL"),
    ("  name: etl", "  name: etl job"),
    ("  name: etl", "  name: ${JOB_NAME}"),
    ("- name: main", "- name: main.container"),
    ("- name: main", "- name: Main"),
    ("- name: main", "- name: ''"),
    ("        image: busybox:1.36\n", ""),
    ("image: busybox:1.36", "image: ''"),
    ("image: busybox:1.36", "image: ' busybox'"),
    ("image: busybox:1.36", "image: repo/app:${TAG}"),
    ("image: busybox:1.36", "image: '{{ .Values.image }}'"),
    ("image: busybox:1.36", "image: {{ .Values.image }}"),
    ("- name: A\n", "- name: A=B\n"),
    ("- name: A\n", "- name: ''\n"),
    (
        "value: \"1\"",
        "value: x\n          valueFrom: {fieldRef: {fieldPath: metadata.name}}",
    ),
    ("containerPort: 8080", "containerPort: 80800"),
    ("containerPort: 8080", "containerPort: 0"),
    ("team: data", "team: data and more"),
    (
        "team: data",
        "team: 0123456789012345678901234567890123456789012345678901234567890123456789",
    ),
    ("team: data", "Team Data: x"),
    ("64Mi", "64MB"),
    ("64Mi", "'64 Mi'"),
    ("64Mi", "lots"),
    ("64Mi", "'-1'"),
    ("      restartPolicy: Never\n", ""),
    ("restartPolicy: Never", "restartPolicy: Always"),
    ("restartPolicy: Never", "restartPolicy: never"),
    ("{name: data, mountPath: /data}", "{name: date, mountPath: /data}"),
    ("{name: data, mountPath: /data}", "{name: data}"),
    (
        "{name: data, mountPath: /data}",
        "{name: data, mountPath: /data}\n        - {name: data, mountPath: /data}",
    ),
    ("      volumes:\n      - name: data\n        emptyDir: {}\n", ""),
    ("emptyDir: {}", "emptyDir: {}\n        configMap: {name: c}"),
    ("emptyDir: {}", "emptyDir: {}\n      - name: data\n        emptyDir: {}"),
    (
        "        image: busybox:1.36\n",
        "        image: busybox:1.36\n      - name: main\n        image: b\n",
    ),
    (
        "  backoffLimit: 2\n",
        "  selector: {matchLabels: {controller-uid: x}}\n",
    ),
    ("  backoffLimit: 2\n", "  parallelism: -1\n"),
    ("  backoffLimit: 2\n", "  completionMode: Indexed\n"),
    // Fields of volumes and resources.
    ("emptyDir: {}", "secret: {name: s}"),
    ("emptyDir: {}", "persistentVolumeClaim: {name: c}"),
    ("limits: {memory: 64Mi}", "memory: 64Mi"),
    ("limits: {memory: 64Mi}", "limit: {memory: 64Mi}"),
    ("value: \"1\"", "valueFrom: {secretRef: {name: s, key: k}}"),
    ("value: \"1\"", "valueFrom: {secretKeyRef: {secretName: s, key: k}}"),
    ("env:\n", "envFrom: [{secret: {name: s}}]\n        env:\n"),
    // Words of another case.
    ("  backoffLimit: 2\n", "  completionMode: indexed\n  completions: 2\n"),
    ("  backoffLimit: 2\n", "  podReplacementPolicy: failed\n"),
    ("image: busybox:1.36", "image: busybox\n        imagePullPolicy: always"),
    (
        "image: busybox:1.36",
        "image: busybox\n        imagePullPolicy: IfNotPresents",
    ),
    (
        "image: busybox:1.36",
        "image: busybox\n        terminationMessagePolicy: fallbackToLogsOnError",
    ),
    ("containerPort: 8080", "{containerPort: 8080, protocol: tcp}"),
    (
        "restartPolicy: Never",
        "restartPolicy: Never\n      dnsPolicy: clusterFirst",
    ),
    (
        "restartPolicy: Never",
        "restartPolicy: Never\n      tolerations: [{key: a, operator: exists}]",
    ),
    (
        "restartPolicy: Never",
        "restartPolicy: Never\n      tolerations: [{key: a, effect: noExecute}]",
    ),
    ("emptyDir: {}", "emptyDir: {medium: memory}"),
    // What a Job's fields want of each other.
    (
        "  backoffLimit: 2\n",
        "  successPolicy: {rules: [{succeededCount: 1}]}\n",
    ),
    ("  backoffLimit: 2\n", "  backoffLimitPerIndex: 1\n"),
    (
        "  backoffLimit: 2\n",
        "  completionMode: Indexed\n  completions: 2\n  maxFailedIndexes: 1\n",
    ),
    (
        "  backoffLimit: 2\n",
        "  completionMode: Indexed\n  completions: 2\n  backoffLimitPerIndex: -1\n",
    ),
    (
        "  backoffLimit: 2\n",
        "  podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [3]}}]}\n",
    ),
    (
        "  backoffLimit: 2\n  template:\n    spec:\n      restartPolicy: Never\n",
        "  podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [3]}}]}\n  template:\n    spec:\n      restartPolicy: OnFailure\n",
    ),
    (
        "  backoffLimit: 2\n",
        "  podReplacementPolicy: TerminatingOrFailed\n  podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [3]}}]}\n",
    ),
    ("  backoffLimit: 2\n", "  parallelism: 3000000000\n"),
    ("backoffLimit: 2", "backoffLimit: -2"),
    // Amounts.
    (
        "limits: {memory: 64Mi}",
        "{requests: {memory: 1Gi}, limits: {memory: 512Mi}}",
    ),
    ("limits: {memory: 64Mi}", "{requests: {cpu: 2}, limits: {cpu: 1500m}}"),
    ("limits: {memory: 64Mi}", "{requests: {nvidia.com/gpu: 1}}"),
    (
        "limits: {memory: 64Mi}",
        "{requests: {nvidia.com/gpu: 1}, limits: {nvidia.com/gpu: 2}}",
    ),
    ("64Mi", "512m"),
    ("emptyDir: {}", "emptyDir: {sizeLimit: 64m}"),
    ("emptyDir: {}", "emptyDir: {sizeLimit: 64MB}"),
    // Names in the pod.
    ("restartPolicy: Never", "restartPolicy: Never\n      hostname: My_Host"),
    ("restartPolicy: Never", "restartPolicy: Never\n      subdomain: a.b"),
    (
        "restartPolicy: Never",
        "restartPolicy: Never\n      serviceAccountName: Robot_1",
    ),
    (
        "restartPolicy: Never",
        "restartPolicy: Never\n      priorityClassName: High Priority",
    ),
    (
        "restartPolicy: Never",
        "restartPolicy: Never\n      nodeSelector: {disk: 'ssd,nvme'}",
    ),
    (
        "restartPolicy: Never",
        "restartPolicy: Never\n      hostAliases: [{ip: db, hostnames: [10.0.0.1]}]",
    ),
    ("containerPort: 8080", "{containerPort: 8080, name: metrics-and-more}"),
    (
        "- containerPort: 8080",
        "- {containerPort: 80, name: http}\n        - {containerPort: 81, name: http}",
    ),
    ("value: \"1\"", "valueFrom: {fieldRef: {fieldPath: limits.cpu}}"),
    ("value: \"1\"", "valueFrom: {fieldRef: {fieldPath: nodeName}}"),
    // YAML.
    ("  backoffLimit: 2\n", "  backoffLimit: 2\n  backoffLimit: 3\n"),
    ("  backoffLimit: 2\n", "  backoffLimit:2\n"),
    ("  backoffLimit: 2\n", "\tbackoffLimit: 2\n"),
    ("  template:", " template:"),
    ("      containers:", "       containers:"),
    ("image: busybox:1.36", "image: \"busybox:1.36"),
    ("[sh, -c, 'echo hello']", "[sh, -c, 'echo hello'"),
    ("value: \"1\"", "value: a: b"),
    ("value: \"1\"", "value: @x"),
    ("value: \"1\"", "value: *"),
    ("value: \"1\"", "value: %x"),
    (
        "kind: Job\n",
        "<<<<<<< HEAD\nkind: Job\n=======\nkind: CronJob\n>>>>>>> main\n",
    ),
    ("kind: Job\n", "=======\nkind: CronJob\n"),
    ("kind: Job\n", "<<<<<<<\nkind: Job\n"),
    (
        "'echo hello'",
        "\"a\\n<<<<<<< HEAD\\nb\\n=======\\nc\\n>>>>>>> main\\n\"",
    ),
    ("kind: Job\n", "kind: Job\napiVersion: v1\n"),
    ("spec:\n  backoffLimit", "...\nspec:\n  backoffLimit"),
    ("apiVersion: batch/v1\n", "--- apiVersion: batch/v1\n"),
    // Kinds.
    ("batch/v1", "v1"),
    ("batch/v1", "batch/v2"),
    ("batch/v1", "batch/v1beta1"),
    ("apiVersion: batch/v1\n", ""),
    ("kind: Job\n", ""),
    ("kind: Job", "kind: job"),
    ("kind: Job", "Kind: Job"),
    ("apiVersion: batch/v1", "apiversion: batch/v1"),
    ("kind: Job", "kind: Deployment"),
    ("kind: Job", "kind: CronJob"),
    ("kind: Job", "kind: List\nitems: []"),
];

/// Flags over the file as it is.
const FLAGS: &[&[&str]] = &[
    &["--main-container", "nobody"],
    &["--main-container", "nobody", "-e", "A=1"],
    &["--job", "nobody"],
    &["--image", ""],
    &["--image", "{{ image }}"],
    &["--set", "spec.backoffLimit"],
    &["--set", "spec.backofLimit=2"],
    &["--set", "spec.backoffLimit=two"],
    &["--set", "spec.template.spec.containers[7].image=x"],
    &["--set", "spec.template.spec.containers[web].image=x"],
    &["--set", "metadata.name.first=x"],
    &["--patch", "nowhere.yaml"],
    &["-e", "=value"],
    &["-e", "NOT_SET_ANYWHERE"],
    &["--env-from", "settings"],
    &["--env-file", "nowhere.env"],
    &["--secret-env", "TOKEN=abc"],
    &["--requests", "cpu"],
    &["--limits", "memory=1GB"],
    &["--mount", "type=pvc,target=/x"],
    &["--mount", "data:/x"],
    &["--volume-mount", "{name: nowhere, mountPath: /x}"],
    &["--mount-file", "nowhere:/x"],
    &["--script", "nowhere.sh"],
    &["--port", "99999"],
    &["--label", "team"],
    &["--label", "team=a b"],
    &["--run-as", "root"],
    &["--toleration", ""],
    &["--affinity", "[a"],
    &["--indexed"],
    &["--restart-policy", "Always"],
    &["--parallelism", "-1"],
    &["--arg", "a", "--script", "b"],
    &["--exact-name", "--name", "Not_A_Name"],
    &[
        "--exact-name",
        "--name",
        "a-name-that-is-longer-than-the-sixty-three-letters-of-a-label-of-the-pods",
    ],
    &["--port", "a=80", "--port", "b=80"],
    &["--port", "a-name-too-long-for-a-port=80"],
    &[
        "--mount",
        "type=emptydir,target=/x",
        "--mount",
        "type=pvc,source=p,target=/x",
    ],
    &["--shm-size", "64m"],
    &["--shm-size", "64MB"],
    &["--shm-size", "1Gi", "--mount", "type=emptydir,target=/dev/shm"],
    &["--mount", "type=tmpfs,target=/x,size=64m"],
    &["--limits", "memory=512m"],
    &["--requests", "memory=1Gi"],
    &["--set", "kind=Pod"],
    &["--set", "apiVersion=batch/v2"],
    &["--set", "metadata.name=other"],
    &["--set", "metadata.namespace=other"],
    &["--set", "spec.template.spec.containers[1].image=x"],
    &["--set", "spec.template.spec.nodeSelector={a: b} # on ssd"],
    &[
        "--xcom",
        "termination",
        "--termination-message-policy",
        "FallbackToLogsOnError",
    ],
    &["-e", "A=1", "--env-secret", "A=s:k"],
    &["--env-field", "N=nodeName"],
    &["--env-field", "N="],
    &["--node-selector", "a=b,c"],
    &["--node-selector", "a=b c"],
    &["--scheduler", ""],
    &["--service-account", ""],
    &["--service-account", "Robot_1"],
    &["--image-pull-secret", "a,"],
    &["--hostname", "My_Host"],
    &["--host-alias", "db=10.0.0.1"],
    &["--host-alias", "db=other"],
    &["--success-policy", "{rules: [{succeededCount: 1}]}"],
    &["--backoff-limit", "3000000000"],
    &["-n", "Bad NS"],
    &["-f", "-", "-f", "-"],
    &["-f", ""],
    &["-f", "https://example.com/job.yaml"],
    &["-f", "nowhere"],
];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// What kjo says, which has to be a refusal before there is any cluster.
    fn refused(&self, manifest: &str, flags: &[&str]) -> String {
        fs::write(self.0.path().join("job.yaml"), manifest).expect("a manifest");
        let done = Command::new(env!("CARGO_BIN_EXE_kjo"))
            .args(["run", "-f", "job.yaml"])
            .args(flags)
            .env_clear()
            .env("HOME", self.0.path())
            .current_dir(self.0.path())
            .output()
            .expect("kjo");
        let said = String::from_utf8(done.stderr).expect("text");
        assert_eq!(
            (done.status.code(), done.stdout.as_slice()),
            (Some(125), &b""[..]),
            "{said}"
        );
        if said.contains("no cluster to talk to") {
            "NOT NOTICED\n".to_owned()
        } else {
            said
        }
    }
}

#[test]
fn bad_files_are_refused_in_these_words() {
    let folder = Folder::new();
    let mut said = String::new();
    for (from, to) in CHANGED {
        assert!(JOB.contains(from), "{from}");
        let refusal = folder.refused(&JOB.replacen(from, to, 1), &[]);
        said.extend(["# ", &to.replace('\n', "\\n"), "\n", &refusal, "\n"]);
    }
    insta::assert_snapshot!(said);
    assert!(!said.contains("NOT NOTICED"), "some reached for a cluster");
}

#[test]
fn bad_flags_are_refused_in_these_words() {
    let folder = Folder::new();
    let mut said = String::new();
    for flags in FLAGS {
        said.extend(["# ", &flags.join(" "), "\n", &folder.refused(JOB, flags), "\n"]);
    }
    insta::assert_snapshot!(said);
    assert!(!said.contains("NOT NOTICED"), "some reached for a cluster");
}

/// Without a slip the file is taken, and only the cluster is missing.
#[test]
fn the_file_itself_is_good() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("job.yaml"), JOB).expect("a manifest");
    let done = Command::new(env!("CARGO_BIN_EXE_kjo"))
        .args(["render", "-f", "job.yaml", "-n", "team", "--run-id", "r"])
        .env_clear()
        .env("HOME", folder.0.path())
        .current_dir(folder.0.path())
        .output()
        .expect("kjo");
    let text = String::from_utf8(done.stdout).expect("text");
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    insta::assert_snapshot!(text);
}

/// What is rendered is what would be sent: rendered again under its exact names, it stays as it is.
#[test]
fn what_is_rendered_renders_itself() {
    let folder = Folder::new();
    let settings = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: \"yes\", script: \"set -e\\necho hi\\n\"}\n";
    let job = JOB.replace("emptyDir: {}", "configMap: {name: settings}");
    fs::write(folder.0.path().join("job.yaml"), format!("{job}{settings}")).expect("a manifest");
    let render = |args: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_kjo"))
            .args(["render", "-n", "team", "--run-id", "r", "--show-secrets"])
            .args(args)
            .env_clear()
            .env("HOME", folder.0.path())
            .env("TOKEN", "a: b # no comment")
            .current_dir(folder.0.path())
            .output()
            .expect("kjo");
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    for format in ["yaml", "json"] {
        let flags = ["-f", "job.yaml", "--secret-env", "TOKEN", "--restricted", "-o", format];
        let once = render(&flags);
        fs::write(folder.0.path().join("rendered"), &once).expect("what was rendered");
        let again = render(&["-f", "rendered", "--exact-name", "-o", format]);
        assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&again));
    }
}

/// On a terminal and in CI the values of Secrets are not shown.
#[test]
fn secrets_are_masked_in_ci() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("job.yaml"), JOB).expect("a manifest");
    let render = |args: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_kjo"))
            .args(["render", "-f", "job.yaml", "--secret-env", "TOKEN"])
            .args(args)
            .env_clear()
            .envs([("HOME", "/nowhere"), ("CI", "true"), ("TOKEN", "sesame")])
            .current_dir(folder.0.path())
            .output()
            .expect("kjo");
        String::from_utf8(done.stdout).expect("text")
    };
    assert!(!render(&[]).contains("sesame") && render(&[]).contains("TOKEN: \"***\""));
    assert!(render(&["--show-secrets"]).contains("TOKEN: sesame"));
}
