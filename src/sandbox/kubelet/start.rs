//! Starting a container: back-off, image, environment, the runtime; and the task that keeps its log
//! and waits for its end (`startContainer` of pkg/kubelet/kuberuntime/kuberuntime_container.go).

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Kubelet, env, image,
    journal::{Journal, Writer},
    logs, mounts,
    pod::{Attempt, Container, Ended},
    runtime::{ContainerStart, End, Running, VolumeMount},
    worker::Worker,
};
use crate::sandbox::{meta, store::Key};

impl Worker {
    /// Starts a container, or says when to try again.
    pub(super) async fn try_start(&mut self, place: usize, pod: &Arc<Value>) -> Option<Timestamp> {
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
        let mounts = match mounts::of(pod, &container.spec, &variables, &find) {
            Ok(mounts) => mounts,
            // The kubelet waits with the whole pod for what it cannot mount, as if nothing had begun.
            Err(message) => {
                kubelet.event(pod, "Warning", "FailedMount", &message);
                return Some(later(base));
            }
        };
        let id = format!("sandbox://{}{}", kubelet.world.uid(), kubelet.world.uid()).replace('-', "");
        let (journal, writer) = Journal::new(kubelet.settings.log_limit);
        kubelet.keep(&self.uid, &container.name, &id, &journal);
        kubelet.event(pod, "Normal", "Created", "Container created");
        let start = start(container, pod, variables, mounts);
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

fn start(
    container: &Container,
    pod: &Value,
    variables: BTreeMap<String, String>,
    mounts: Vec<VolumeMount>,
) -> ContainerStart {
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
        hostname: env::hostname(pod).to_owned(),
        mounts,
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
