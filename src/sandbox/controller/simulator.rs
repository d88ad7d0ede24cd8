//! A store and a kubelet of a few lines for the tests: plans are applied to a list of pods, and pods
//! run and end as the test says.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec, JobStatus, UncountedTerminatedPods},
        core::v1::{
            ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStatus, Pod, PodCondition,
            PodStatus,
        },
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use serde_json::{Value, json};

use super::{EventKind, Memory, Plan, Settings, TRACKING_FINALIZER, count, orphaned, pods, sync};

pub(super) struct Simulator {
    pub(super) job: Job,
    pub(super) pods: Vec<Pod>,
    pub(super) memory: Memory,
    pub(super) settings: Settings,
    pub(super) now: Timestamp,
    /// When the last plan wants to look again.
    pub(super) again: Option<Timestamp>,
    /// Each status written, in short.
    pub(super) written: Vec<String>,
    /// "second: type reason: message"
    pub(super) events: Vec<String>,
    /// The ends of the names of pods to come.
    pub(super) suffixes: Vec<String>,
    created: usize,
}

const GRACE: i64 = 30;

/// What happens to a pod, named by the begin or the end of its name, or to the Job.
#[derive(Clone, Copy)]
pub(super) enum Do<'a> {
    Running(&'a str),
    Unready(&'a str),
    Ends(&'a str, i32),
    Delete(&'a str),
    Gone(&'a str),
    /// One look before the next of these steps.
    Look,
    Suspend(bool),
    Parallelism(i32),
}

impl Simulator {
    /// A Job of this name and spec, created at second 0; the template is filled in.
    pub(super) fn new(name: &str, mut spec: Value) -> Self {
        if spec["template"].is_null() {
            spec["template"] = json!({
                "metadata": {"labels": {"job-name": name}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]},
            });
        }
        let job = json!({
            "metadata": {"name": name, "namespace": "default", "uid": "job-uid"},
            "spec": spec,
        });
        Self {
            job: serde_json::from_value(job).unwrap(),
            pods: Vec::new(),
            memory: Memory::default(),
            settings: Settings::default(),
            now: Timestamp::UNIX_EPOCH,
            again: None,
            written: Vec::new(),
            events: Vec::new(),
            suffixes: Vec::new(),
            created: 0,
        }
    }

    pub(super) fn spec(&mut self) -> &mut JobSpec {
        self.job.spec.as_mut().unwrap()
    }

    pub(super) fn status(&self) -> JobStatus {
        self.job.status.clone().unwrap_or_default()
    }

    /// Looks once and does what the plan says.
    pub(super) fn look(&mut self) -> Plan {
        let Self { suffixes, created, .. } = self;
        let mut suffix = || {
            *created += 1;
            if suffixes.is_empty() {
                format!("pod-{created}")
            } else {
                suffixes.remove(0)
            }
        };
        let plan = sync(
            &self.job,
            &self.pods,
            &mut self.memory,
            &self.settings,
            self.now,
            &mut suffix,
        );
        if let Some(status) = &plan.status {
            assert_ne!(Some(status), self.job.status.as_ref(), "written for nothing");
            assert!(
                status.ready <= status.active.or(Some(0)),
                "the API server refuses {status:?}"
            );
            // Through JSON, as the store would keep it.
            let status = serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap();
            self.written.push(short(&status));
            self.job.status = Some(status);
        }
        for name in &plan.release {
            self.drop_finalizer(name);
        }
        for name in &plan.delete {
            self.delete(name);
        }
        for pod in &plan.create {
            let mut pod = pod.clone();
            pod.metadata.uid = Some(format!("uid of {}", pods::name(&pod)));
            pod.metadata.creation_timestamp = Some(Time(self.now));
            pod.status = serde_json::from_value(json!({"phase": "Pending"})).unwrap();
            self.pods.push(pod);
        }
        for event in &plan.events {
            let kind = match event.kind {
                EventKind::Normal => "Normal",
                EventKind::Warning => "Warning",
            };
            let second = self.now.as_second();
            self.events
                .push(format!("{second}: {kind} {}: {}", event.reason, event.message));
        }
        self.again = plan.again.map(|after| self.now + after);
        plan
    }

    /// Looks until nothing more is to be done now.
    pub(super) fn settle(&mut self) {
        for _ in 0..20 {
            let plan = self.look();
            let idle = Plan {
                again: plan.again,
                ..Plan::default()
            };
            if plan == idle && plan.again != Some(Duration::ZERO) {
                return;
            }
        }
        panic!("no end of looks: {:#?}", self.written);
    }

    /// Goes to this second, and settles.
    pub(super) fn at(&mut self, second: i64) {
        self.now = Timestamp::from_second(second).unwrap();
        self.settle();
    }

    /// At each of these seconds, all of this happens at once, and the controller settles.
    pub(super) fn play(&mut self, script: &[(i64, &[Do<'_>])]) {
        for (second, steps) in script {
            self.now = Timestamp::from_second(*second).unwrap();
            for step in *steps {
                match *step {
                    Do::Running(pod) => self.running(pod),
                    Do::Unready(pod) => self.unready(pod),
                    Do::Ends(pod, code) => self.ends(pod, code),
                    Do::Delete(pod) => self.delete(pod),
                    Do::Gone(pod) => self.gone(pod),
                    Do::Look => drop(self.look()),
                    Do::Suspend(suspend) => self.spec().suspend = Some(suspend),
                    Do::Parallelism(parallelism) => self.spec().parallelism = Some(parallelism),
                }
            }
            self.settle();
        }
    }

    /// Goes to when the last plan wanted to look again, and settles. Gives the second.
    pub(super) fn wait(&mut self) -> i64 {
        self.now = self.again.expect("nothing to wait for");
        self.settle();
        self.now.as_second()
    }

    /// The names of the pods that run or are to run.
    pub(super) fn active(&self) -> Vec<String> {
        let active = self.pods.iter().filter(|pod| pods::is_active(pod));
        active.map(pods::name).collect()
    }

    /// The pod of this name, or the youngest whose name begins or ends so.
    pub(super) fn pod(&mut self, name: &str) -> &mut Pod {
        let names: Vec<_> = self.pods.iter().map(pods::name).collect();
        let exact = names.iter().position(|n| n == name);
        let found = exact.or_else(|| names.iter().rposition(|n| n.starts_with(name) || n.ends_with(name)));
        &mut self.pods[found.unwrap_or_else(|| panic!("no pod {name}"))]
    }

    pub(super) fn running(&mut self, name: &str) {
        let started = ContainerStateRunning {
            started_at: Some(Time(self.now)),
        };
        let state = ContainerState {
            running: Some(started),
            ..ContainerState::default()
        };
        self.set(name, "Running", state, true);
    }

    /// The container has ended, and the pod's phase does not say so yet.
    pub(super) fn unready(&mut self, name: &str) {
        let state = self.terminated(0);
        self.set(name, "Running", state, false);
    }

    pub(super) fn ends(&mut self, name: &str, code: i32) {
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let state = self.terminated(code);
        self.set(name, phase, state, false);
    }

    /// A pod that was deleted has ended, and goes as soon as no finalizer holds it.
    pub(super) fn gone(&mut self, name: &str) {
        self.ends(name, 137);
        let pod = self.pod(name);
        assert!(pods::is_deleted(pod), "{name} was not deleted");
        pod.metadata.deletion_grace_period_seconds = Some(0);
        self.collect();
    }

    /// Someone, or the controller, deletes a pod.
    pub(super) fn delete(&mut self, name: &str) {
        let end = self.now + SignedDuration::from_secs(GRACE);
        let pod = self.pod(name);
        pod.metadata.deletion_timestamp.get_or_insert(Time(end));
        pod.metadata.deletion_grace_period_seconds.get_or_insert(GRACE);
        if pods::is_terminal(pod) {
            pod.metadata.deletion_grace_period_seconds = Some(0);
        }
        self.collect();
    }

    fn drop_finalizer(&mut self, name: &str) {
        let finalizers = self.pod(name).metadata.finalizers.as_mut().unwrap();
        let before = finalizers.len();
        finalizers.retain(|f| f != TRACKING_FINALIZER);
        assert_eq!(finalizers.len() + 1, before, "{name} released twice");
        self.collect();
    }

    fn collect(&mut self) {
        self.pods
            .retain(|pod| pod.metadata.deletion_grace_period_seconds != Some(0) || pods::has_finalizer(pod));
    }

    fn terminated(&self, code: i32) -> ContainerState {
        let terminated = ContainerStateTerminated {
            exit_code: code,
            finished_at: Some(Time(self.now)),
            ..ContainerStateTerminated::default()
        };
        ContainerState {
            terminated: Some(terminated),
            ..ContainerState::default()
        }
    }

    fn set(&mut self, name: &str, phase: &str, state: ContainerState, ready: bool) {
        let now = self.now;
        let pod = self.pod(name);
        pod.spec.as_mut().unwrap().node_name = Some("node".to_owned());
        pod.status = Some(PodStatus {
            phase: Some(phase.to_owned()),
            conditions: Some(vec![PodCondition {
                type_: "Ready".to_owned(),
                status: if ready { "True" } else { "False" }.to_owned(),
                last_transition_time: Some(Time(now)),
                ..PodCondition::default()
            }]),
            container_statuses: Some(vec![ContainerStatus {
                name: "main".to_owned(),
                state: Some(state),
                ..ContainerStatus::default()
            }]),
            ..PodStatus::default()
        });
    }

    /// The Job is over: nothing is left to count, to hold or to do.
    pub(super) fn assert_over(&mut self, condition: &str) {
        let status = self.status();
        let last = status.conditions.unwrap_or_default().pop().expect("no condition");
        assert_eq!((last.type_.as_str(), last.status.as_str()), (condition, "True"));
        assert_eq!(
            status.uncounted_terminated_pods,
            Some(UncountedTerminatedPods::default())
        );
        assert!(
            self.pods.iter().all(|pod| !orphaned(pod, Some(&self.job))),
            "a finalizer is left"
        );
        assert!(self.active().is_empty(), "a pod is left running");
        assert_eq!(self.look(), Plan::default());
    }
}

/// A status in short: counts that are not zero, numbers of uncounted pods, conditions.
pub(super) fn short(status: &JobStatus) -> String {
    let uncounted = status.uncounted_terminated_pods.clone().unwrap_or_default();
    let many = |uids: &Option<Vec<String>>| Some(count(uids.as_deref().unwrap_or_default()));
    let counts = [
        ("active", status.active),
        ("ready", status.ready),
        ("terminating", status.terminating),
        ("succeeded", status.succeeded),
        ("failed", status.failed),
        ("uncounted-succeeded", many(&uncounted.succeeded)),
        ("uncounted-failed", many(&uncounted.failed)),
    ];
    let counts = counts.into_iter().filter_map(|(word, count)| {
        let count = count.filter(|count| *count != 0)?;
        Some(format!("{word}={count}"))
    });
    let completed = status.completed_indexes.iter().map(|s| format!("completedIndexes={s}"));
    let failed = status.failed_indexes.iter().map(|s| format!("failedIndexes={s}"));
    let conditions = status.conditions.iter().flatten();
    let conditions = conditions.map(|c| format!("{}:{}", c.type_, c.status));
    let words: Vec<_> = counts.chain(completed).chain(failed).chain(conditions).collect();
    words.join(" ")
}

/// A status as JSON: "time" in the place of its times, and none in its conditions.
pub(super) fn timeless(status: &JobStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap();
    for (key, value) in value.as_object_mut().unwrap() {
        if key.ends_with("Time") {
            *value = "time".into();
        }
    }
    for condition in value["conditions"].as_array_mut().into_iter().flatten() {
        for key in ["lastProbeTime", "lastTransitionTime"] {
            condition.as_object_mut().unwrap().remove(key).expect("no time");
        }
    }
    value
}
