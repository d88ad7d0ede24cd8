//! One pod's life on the node: a task that starts, watches and stops its containers and tells the
//! API of it. What to do is decided in `pod`, what to tell in `status`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::OptionFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    Kubelet, env, image,
    journal::{Journal, Writer},
    logs,
    pod::{self, Attempt, Container, Ended, Next},
    runtime::{ContainerStart, End, Running, Signal},
    status::{self, Stage, View},
};
use crate::sandbox::{delete::DeleteOptions, meta, resource::Resource, store::Key};

/// Containers get at least this long to end (pkg/kubelet/kuberuntime/kuberuntime_manager.go).
const GRACE_MINIMUM: SignedDuration = SignedDuration::from_secs(2);

/// What the kubelet has seen of a pod.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) pod: Arc<Value>,
    /// The API has it no more.
    pub(super) gone: bool,
}

pub(super) struct Worker {
    kubelet: Arc<Kubelet>,
    updates: watch::Receiver<Seen>,
    key: Key,
    uid: String,
    /// Stamp of the first look, on the node's clock.
    seen: Timestamp,
    stage: Stage,
    expired: bool,
    containers: Vec<Container>,
    /// Where running containers take signals.
    signals: BTreeMap<usize, mpsc::UnboundedSender<Signal>>,
    running: JoinSet<(usize, Ended)>,
}

impl Worker {
    pub(super) fn new(kubelet: Arc<Kubelet>, updates: watch::Receiver<Seen>) -> Self {
        let pod = Arc::clone(&updates.borrow().pod);
        Self {
            key: meta::key(Resource::Pods, &pod),
            uid: meta::text(&pod, "uid").to_owned(),
            seen: kubelet.now(),
            stage: Stage::Seen,
            expired: false,
            containers: pod::containers(&pod),
            signals: BTreeMap::new(),
            running: JoinSet::new(),
            kubelet,
            updates,
        }
    }

    /// From the first look to the pod's going.
    pub(super) async fn run(mut self) {
        if !self.pod()["status"]["phase"].as_str().is_some_and(status::is_final) {
            self.write();
            self.stage = Stage::Ready;
            self.write();
            self.live().await;
            self.stage = Stage::Stopping;
            self.write();
            self.stop().await;
            self.stage = Stage::Stopped;
            self.write();
            let containers = &self.containers;
            self.kubelet.write(&self.key, &self.uid, |pod| {
                let mut status = pod["status"].take();
                status::terminate(&mut status, containers);
                status
            });
        }
        // The object may outlive its containers; what it wrote can be read until it goes.
        while !self.updates.borrow_and_update().gone {
            if meta::deleted(&self.pod()) && self.pod()["metadata"]["deletionGracePeriodSeconds"] != 0 {
                let options = DeleteOptions {
                    grace: Some(0),
                    uid: Some(self.uid.clone()),
                    ..DeleteOptions::default()
                };
                // It may have gone meanwhile.
                drop(self.kubelet.world.delete(&self.key, &options));
            }
            if self.updates.changed().await.is_err() {
                return;
            }
        }
    }

    fn pod(&self) -> Arc<Value> {
        Arc::clone(&self.updates.borrow().pod)
    }

    /// Until nothing is to run any more.
    async fn live(&mut self) {
        loop {
            let seen = self.updates.borrow_and_update().clone();
            let now = self.kubelet.now();
            let deadline = seen.pod["spec"]["activeDeadlineSeconds"]
                .as_i64()
                .and_then(|limit| self.seen.checked_add(SignedDuration::from_secs(limit)).ok());
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.expired = true;
                let (reason, message) = status::DEADLINE;
                self.kubelet.event(&seen.pod, "Normal", reason, message);
                return;
            }
            let Next::Start(due) = pod::next(&self.containers) else {
                return;
            };
            if seen.gone || meta::deleted(&seen.pod) || status::is_final(status::comes_to(&self.view(&seen.pod))) {
                return;
            }
            let mut wake = deadline;
            for place in due {
                if let Some(retry) = self.try_start(place, &seen.pod).await {
                    wake = Some(wake.map_or(retry, |wake| wake.min(retry)));
                }
            }
            self.write();
            self.wait(wake).await;
        }
    }

    /// Until a container ends, the pod changes, or this time comes.
    async fn wait(&mut self, wake: Option<Timestamp>) {
        let pause: OptionFuture<_> = wake.map(|wake| sleep(until(self.kubelet.now(), wake))).into();
        let ended = tokio::select! {
            Some(ended) = self.running.join_next() => ended.ok(),
            // Without its kubelet the worker ends at its next await.
            _ = self.updates.changed() => None,
            Some(()) = pause => None,
        };
        let Some((place, ended)) = ended else {
            return;
        };
        self.signals.remove(&place);
        if let Some(container) = self.containers.get_mut(place) {
            container.waiting = None;
            if let Some(attempt) = &mut container.current {
                attempt.ended = Some(ended);
            }
        }
        if self.stage == Stage::Ready {
            self.write();
        }
    }

    /// Starts a container, or says when to try again.
    async fn try_start(&mut self, place: usize, pod: &Arc<Value>) -> Option<Timestamp> {
        let kubelet = Arc::clone(&self.kubelet);
        let now = kubelet.now();
        let base = kubelet.settings.backoff_base;
        let later = |pause: Duration| now.checked_add(pause).unwrap_or(now);
        let container = self.containers.get_mut(place)?;
        if let Some(ended) = container.ended() {
            let at = ended.at;
            if let Some(until) = container.restarts.until(at, now) {
                let delay = container.restarts.delay(at);
                let name = &container.name;
                let whole = format!("{}_{}({})", self.key.name, self.key.namespace, self.uid);
                let message = format!("back-off {} restarting failed container={name} pod={whole}", go(delay));
                if container
                    .waiting
                    .as_ref()
                    .is_none_or(|(reason, _)| *reason != "CrashLoopBackOff")
                {
                    let message = format!("Back-off restarting failed container {name} in pod {whole}");
                    kubelet.event(pod, "Warning", "BackOff", &message);
                }
                container.waiting = Some(("CrashLoopBackOff", message));
                return Some(until);
            }
            container.restarts.count(at, now, base);
        }
        if let Err((reason, message, retry)) = pull(&kubelet, container, pod, now) {
            kubelet.event(pod, "Warning", "Failed", &format!("Error: {reason}"));
            container.waiting = Some((reason, message));
            return Some(retry);
        }
        let find = |resource, name: &str| kubelet.world.get(&Key::new(resource, &self.key.namespace, name));
        let variables = match env::variables(pod, &container.spec, &find) {
            Ok(variables) => variables,
            Err(message) => {
                kubelet.event(pod, "Warning", "Failed", &format!("Error: {message}"));
                container.waiting = Some(("CreateContainerConfigError", message));
                return Some(later(base));
            }
        };
        let id = format!("sandbox://{}{}", kubelet.world.uid(), kubelet.world.uid()).replace('-', "");
        let (journal, writer) = Journal::new(kubelet.settings.log_limit);
        kubelet.keep(&self.uid, &container.name, &id, &journal);
        kubelet.event(pod, "Normal", "Created", "Container created");
        let start = start(container, pod, variables);
        let started = kubelet.runtime.start(start).await;
        let now = kubelet.now();
        let mut attempt = Attempt {
            id,
            started: Some(now),
            ended: None,
        };
        match started {
            Ok(running) => {
                container.begin(attempt);
                container.waiting = None;
                kubelet.event(pod, "Normal", "Started", "Container started");
                self.signals.insert(place, running.signals.clone());
                let fallback = container.spec["terminationMessagePolicy"] == "FallbackToLogsOnError";
                let task = Task {
                    kubelet: Arc::clone(&kubelet),
                    journal,
                    fallback,
                };
                self.running
                    .spawn(async move { (place, task.run(running, writer).await) });
                None
            }
            Err(message) => {
                kubelet.event(pod, "Warning", "Failed", &format!("Error: {message}"));
                attempt.started = None;
                attempt.ended = Some(Ended {
                    code: 128,
                    reason: "StartError",
                    message: message.clone(),
                    at: now,
                });
                container.begin(attempt);
                container.waiting = Some(("RunContainerError", message));
                Some(now)
            }
        }
    }

    /// Stops what still runs: SIGTERM, and SIGKILL when the grace is over.
    async fn stop(&mut self) {
        let place_of = |place: &usize| self.containers.get(*place);
        for container in self.signals.keys().filter_map(place_of) {
            let message = format!("Stopping container {}", container.name);
            self.kubelet.event(&self.pod(), "Normal", "Killing", &message);
        }
        let mut grace = self.grace();
        let mut began = self.kubelet.now();
        let mut kill_at: BTreeMap<usize, Timestamp> = BTreeMap::new();
        while !self.signals.is_empty() {
            let now = self.kubelet.now();
            let asked = self.grace();
            if asked < grace {
                (grace, began) = (asked, now);
                kill_at.clear();
            }
            let waited = SignedDuration::from_secs(now.duration_since(began).as_secs());
            let left = grace.saturating_sub(waited);
            for (place, signals) in &self.signals {
                let signal = match kill_at.get(place) {
                    Some(at) if *at <= now => Signal::Kill,
                    Some(_) => continue,
                    None if left.is_positive() && !pod::turn(&self.containers, *place) => continue,
                    None => {
                        let at = now.checked_add(left.max(GRACE_MINIMUM)).unwrap_or(now);
                        kill_at.insert(*place, at);
                        Signal::Term
                    }
                };
                // It may have ended already.
                signals.send(signal).ok();
            }
            let next = kill_at.values().filter(|at| **at > now).min().copied();
            let turns = began.checked_add(grace).ok().filter(|at| *at > now);
            self.wait(next.into_iter().chain(turns).min()).await;
        }
    }

    /// The grace that now counts.
    fn grace(&self) -> SignedDuration {
        let seen = self.updates.borrow();
        let metadata = &seen.pod["metadata"]["deletionGracePeriodSeconds"];
        let spec = &seen.pod["spec"]["terminationGracePeriodSeconds"];
        let seconds = metadata.as_i64().or_else(|| spec.as_i64()).unwrap_or(30);
        SignedDuration::from_secs(if seen.gone { 0 } else { seconds })
    }

    /// Writes the status.
    fn write(&self) {
        let now = self.kubelet.now();
        self.kubelet
            .write(&self.key, &self.uid, |pod| status::status(&self.view(pod), now));
    }

    fn view<'a>(&'a self, pod: &'a Value) -> View<'a> {
        View {
            pod,
            containers: &self.containers,
            stage: self.stage,
            expired: self.expired,
            seen: self.seen,
        }
    }
}

/// Sees that the image is there: reason, message and the time of the next try if it is not
/// (pkg/kubelet/images/image_manager.go).
fn pull(
    kubelet: &Kubelet,
    container: &mut Container,
    pod: &Value,
    now: Timestamp,
) -> Result<(), (&'static str, String, Timestamp)> {
    let image = container.spec["image"].as_str().unwrap_or_default().to_owned();
    let base = kubelet.settings.backoff_base;
    let later = |pause: Duration| now.checked_add(pause).unwrap_or(now);
    let whole = match image::normalize(&image) {
        Ok(whole) => whole,
        Err(why) => {
            let message =
                format!("Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: {why}");
            kubelet.event(pod, "Warning", "InspectFailed", &message);
            return Err(("InvalidImageName", message, later(base)));
        }
    };
    let missing = |name: &String| image::normalize(name).is_ok_and(|name| name == whole);
    if !kubelet.settings.missing_images.iter().any(missing) {
        let message = format!("Container image {image:?} is not used: the sandbox runs the command on this machine");
        kubelet.event(pod, "Normal", "Pulled", &message);
        return Ok(());
    }
    if container.spec["imagePullPolicy"] == "Never" {
        let message = format!("Container image {image:?} is not present with pull policy of Never");
        kubelet.event(pod, "Warning", "ErrImageNeverPull", &message);
        return Err(("ErrImageNeverPull", message, later(base)));
    }
    let why =
        format!("failed to pull and unpack image {whole:?}: failed to resolve reference {whole:?}: {whole}: not found");
    if let Some(until) = container.pulls.pending(now) {
        let message = format!("Back-off pulling image {image:?}");
        kubelet.event(pod, "Normal", "BackOff", &message);
        return Err(("ImagePullBackOff", format!("{message}: ErrImagePull: {why}"), until));
    }
    kubelet.event(pod, "Normal", "Pulling", &format!("Pulling image {image:?}"));
    kubelet.event(
        pod,
        "Warning",
        "Failed",
        &format!("Failed to pull image {image:?}: {why}"),
    );
    let delay = container.pulls.count(now, now, base);
    // The kubelet looks again before the back-off is over, and says so.
    Err(("ErrImagePull", why, later(delay.min(base) / 2)))
}

fn start(container: &Container, pod: &Value, variables: BTreeMap<String, String>) -> ContainerStart {
    let spec = &container.spec;
    let (mut command, args) = env::command(spec, &variables);
    if !command.is_empty() {
        command.extend(args);
    }
    let mut env = BTreeMap::from([("HOSTNAME".to_owned(), env::hostname(pod).to_owned())]);
    env.extend(variables);
    let text = |field: &str| spec[field].as_str().filter(|text| !text.is_empty());
    ContainerStart {
        uid: meta::text(pod, "uid").to_owned(),
        namespace: meta::text(pod, "namespace").to_owned(),
        pod: meta::text(pod, "name").to_owned(),
        container: container.name.clone(),
        attempt: container.attempts,
        command,
        env: env.into_iter().collect(),
        working_dir: text("workingDir").map(PathBuf::from),
        termination_path: text("terminationMessagePath")
            .unwrap_or("/dev/termination-log")
            .to_owned(),
    }
}

/// What keeps a running container's log and waits for its end.
struct Task {
    kubelet: Arc<Kubelet>,
    journal: Journal,
    /// Its log's end stands for a termination message that it did not leave.
    fallback: bool,
}

impl Task {
    async fn run(self, running: Running, mut writer: Writer) -> Ended {
        let Running {
            mut output,
            mut end,
            signals: _held,
        } = running;
        let end = loop {
            tokio::select! {
                biased;
                Some((source, bytes)) = output.recv() => writer.write(self.kubelet.now(), source, &bytes),
                end = &mut end => break end,
            }
        };
        let at = self.kubelet.now();
        while let Some((source, bytes)) = output.recv().await {
            writer.write(at, source, &bytes);
        }
        writer.finish(at);
        let End { code, oom, mut message } = end;
        if message.is_empty() && self.fallback && code != 0 {
            message = logs::ending(&self.journal);
        }
        // pkg/kubelet/container/runtime.go: the last 4096 bytes.
        let message = message.split_off(message.len().saturating_sub(4096));
        Ended {
            code,
            reason: match (oom, code) {
                (true, _) => "OOMKilled",
                (false, 0) => "Completed",
                (false, _) => "Error",
            },
            message: String::from_utf8_lossy(&message).into_owned(),
            at,
        }
    }
}

/// A duration as Go prints it, in milliseconds at the finest.
fn go(time: Duration) -> String {
    let (whole, millis) = (time.as_secs(), time.subsec_millis());
    match (whole / 60, whole % 60, millis) {
        (0, 0, millis) => format!("{millis}ms"),
        (0, seconds, 0) => format!("{seconds}s"),
        (0, seconds, millis) => format!("{}s", format!("{seconds}.{millis:03}").trim_end_matches('0')),
        (minutes, seconds, _) => format!("{minutes}m{seconds}s"),
    }
}

/// What is left until then.
fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}
