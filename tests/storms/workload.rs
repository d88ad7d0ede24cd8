//! Jobs whose output is known to the byte.

use std::fmt::Write as _;

use k8s_openapi::ByteString;
use kjo::core::backoff::Jitter;
use serde_json::{Value, json};

/// What a Job writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// 6,000 lines over half a minute.
    Spread,
    /// 8 pods at once.
    Pods,
    /// One line of 5 MB.
    LongLine,
    /// A line that grows, piece by piece.
    Growing,
    /// Random bytes, and no newline at the end.
    Bytes,
    /// A container that fails and is started again in its pod.
    Restart,
    /// 1,000,000 lines in one go, 98 MB. The node must not rotate them.
    Million,
}

/// What is drawn; [`Workload::Million`] never is.
pub(crate) const DRAWN: [Workload; 6] = [
    Workload::Spread,
    Workload::Pods,
    Workload::LongLine,
    Workload::Growing,
    Workload::Bytes,
    Workload::Restart,
];

/// What is to come out.
pub(crate) enum Expected {
    /// These bytes.
    One(Vec<u8>),
    /// The logs of attempts one after the other, each of which may be late.
    Attempts(Vec<Vec<u8>>),
    /// A log for each pod, every line behind a prefix.
    Pods(Vec<Vec<u8>>),
}

impl Expected {
    /// All of it, one log after the other.
    pub(crate) fn concat(&self) -> Vec<u8> {
        match self {
            Self::One(log) => log.clone(),
            Self::Attempts(logs) | Self::Pods(logs) => logs.concat(),
        }
    }
}

/// A Job, and what has to come of it.
pub(crate) struct Task {
    pub(crate) job: Value,
    pub(crate) expected: Expected,
    pub(crate) code: i32,
}

/// How long a Job takes, and where it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// On the sandbox, which has no volumes and this machine's files, and where everything is shorter.
    pub(crate) sandbox: bool,
    /// Everything is longer.
    pub(crate) long: bool,
}

const ECHO: &str = "n=0; while [ $n -lt COUNT ]; do n=$((n+1)); echo \"line $n of TAG, one of those that are counted\"; \
                    [ $((n % STEP)) -ne 0 ] || sleep 0.1; done";

fn echo(count: u32, step: u32, tag: &str) -> String {
    let script = ECHO.replace("COUNT", &count.to_string());
    script.replace("STEP", &step.to_string()).replace("TAG", tag)
}

fn echoed(count: u32, tag: &str) -> Vec<u8> {
    let mut text = String::new();
    for n in 1..=count {
        writeln!(text, "line {n} of {tag}, one of those that are counted").expect("a string");
    }
    text.into_bytes()
}

/// Words in the i-th piece of a line that grows: 8 bytes to 16 KiB.
fn words(i: u32) -> u32 {
    (i * i * 37) % 2048 + 1
}

impl Workload {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Pods => "pods",
            Self::LongLine => "long-line",
            Self::Growing => "growing",
            Self::Bytes => "bytes",
            Self::Restart => "restart",
            Self::Million => "million",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = DRAWN.iter().copied().chain([Self::Million]);
        all.find(|workload| workload.name() == name)
    }

    /// The Job with this name. `state` is a folder that outlives a container.
    pub(crate) fn task(self, name: &str, form: Form, state: &str, random: &mut Jitter) -> Task {
        let code = [0, 0, 0, 1, 3, 42, 255]
            .get(random.below(7) as usize)
            .copied()
            .unwrap_or(0);
        match self {
            Self::Spread => {
                let step = if form.sandbox { 100 } else { 20 };
                let script = echo(6000, step, name);
                plain(name, &script, code, Expected::One(echoed(6000, name)))
            }
            Self::Million => {
                let line = "a line of which there are a million, as long as lines in the logs of real programs are, ok";
                let script = format!("awk 'BEGIN{{while(i++<1000000) printf \"%07d {line}\\n\", i}}'");
                let mut text = String::new();
                (1..=1_000_000).for_each(|n| writeln!(text, "{n:07} {line}").expect("a string"));
                plain(name, &script, code, Expected::One(text.into_bytes()))
            }
            Self::LongLine => {
                let script = "echo before; awk 'BEGIN{for(i=0;i<100000;i++) printf \"%050d\", i; print \"\"}'; sleep 6; echo behind";
                let mut text = "before\n".to_owned();
                (0..100_000).for_each(|i| write!(text, "{i:050}").expect("a string"));
                text.push_str("\nbehind\n");
                plain(name, script, code, Expected::One(text.into_bytes()))
            }
            Self::Growing => {
                let pieces = match form {
                    Form { sandbox: true, .. } => 30,
                    Form { long: true, .. } => 300,
                    Form { .. } => 80,
                };
                let script = format!(
                    "awk 'BEGIN{{for(i=0;i<{pieces};i++){{n=(i*i*37)%2048+1; for(j=0;j<n;j++) printf \"%07d \", i*2048+j; \
                     fflush(); system(\"sleep 0.2\")}}; print \"\"}}'; echo behind"
                );
                let mut text = String::new();
                for i in 0..pieces {
                    (0..words(i)).for_each(|j| write!(text, "{:07} ", i * 2048 + j).expect("a string"));
                }
                text.push_str("\nbehind\n");
                plain(name, &script, code, Expected::One(text.into_bytes()))
            }
            Self::Bytes => bytes(name, code, random),
            Self::Pods => pods(name, code),
            Self::Restart => restart(name, form, state),
        }
    }
}

fn plain(name: &str, script: &str, code: i32, expected: Expected) -> Task {
    // What containerd 1.6 has not read of the pipe by then is lost with the container.
    let script = format!("{script}; sleep 1; exit {code}");
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", script]}],
        }}},
    });
    Task { job, expected, code }
}

/// The same random bytes five times.
fn bytes(name: &str, code: i32, random: &mut Jitter) -> Task {
    let mut bytes: Vec<u8> = (0..60_000)
        .map(|_| u8::try_from(random.below(256)).unwrap_or(0))
        .collect();
    bytes.extend_from_slice(b"\x1b[31mred\x1b[0m 10%\r20%\r\xff\xfe\0\n\n  \nno newline");
    // containerd 1.6 itself takes the CR before a newline away.
    for i in 1..bytes.len() {
        if bytes.get(i - 1..=i) == Some(b"\r\n") {
            bytes[i - 1] = b'.';
        }
    }
    // A variable of the environment holds at most 128 KiB.
    let encoded = serde_json::to_value(ByteString(bytes.clone())).expect("base64");
    let script = "for i in 1 2 3 4 5; do echo $B | base64 -d; sleep 2; done";
    let mut task = plain(name, script, code, Expected::One(bytes.repeat(5)));
    task.job["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "B", "value": encoded}]);
    task
}

fn pods(name: &str, code: i32) -> Task {
    const PODS: u32 = 8;
    let tag = |index: &str| format!("{name} {index}");
    let logs = (0..PODS).map(|index| echoed(600, &tag(&index.to_string())));
    let expected = Expected::Pods(logs.collect());
    // Only one of them fails, and after the others have ended: the Job ends with the first that fails.
    let script = format!(
        "{}; [ $JOB_COMPLETION_INDEX -eq 3 ] || exit 0; [ {code} -eq 0 ] || sleep 8",
        echo(600, 5, &tag("$JOB_COMPLETION_INDEX"))
    );
    let mut task = plain(name, &script, code, expected);
    let spec = &mut task.job["spec"];
    spec["completionMode"] = json!("Indexed");
    spec["parallelism"] = json!(PODS);
    spec["completions"] = json!(PODS);
    task
}

fn restart(name: &str, form: Form, state: &str) -> Task {
    let tag = |attempt: &str| format!("{name} attempt {attempt}");
    let script = format!(
        "A=2; [ -e $STATE/{name} ] || A=1; touch $STATE/{name}; {}; [ $A -eq 2 ] || exit 4; sleep {}",
        echo(400, 10, &tag("$A")),
        // With the end of the second attempt the kubelet throws the first one's log away.
        if form.sandbox { 10 } else { 25 }
    );
    let expected = Expected::Attempts(vec![echoed(400, &tag("1")), echoed(400, &tag("2"))]);
    // A last attempt that fails is deleted with its pod, and its log with both.
    let mut task = plain(name, &script, 0, expected);
    task.job["spec"]["backoffLimit"] = json!(3);
    let pod = &mut task.job["spec"]["template"]["spec"];
    pod["restartPolicy"] = json!("OnFailure");
    pod["containers"][0]["env"] = json!([{"name": "STATE", "value": state}]);
    if !form.sandbox {
        pod["volumes"] = json!([{"name": "state", "emptyDir": {}}]);
        pod["containers"][0]["volumeMounts"] = json!([{"name": "state", "mountPath": state}]);
    }
    task
}
