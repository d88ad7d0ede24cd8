//! Why a pod that exists does not run: from its status, and where that says nothing from its Events.

use super::{Category, Cure, Diagnosis, Seen, newest};
use crate::core::{
    event::EventView,
    pod::{ContainerView, PodView, State},
};

/// Waiting reasons that every container passes through.
const ORDINARY: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

pub(super) fn of(pod: &PodView, seen: &Seen<'_>) -> Option<Diagnosis> {
    let events = seen.events;
    if let Some(why) = &pod.unscheduled {
        return Some(unscheduled(pod, why, events));
    }
    let again = |c: &&ContainerView| match &c.state {
        State::Terminated(_) => c.restarts,
        State::Waiting { reason, .. } => reason == "CrashLoopBackOff",
        State::Running { .. } => false,
    };
    let runs = |c: &ContainerView| matches!(c.state, State::Running { .. });
    if let Some(container) = pod
        .containers
        .iter()
        .find(again)
        .filter(|_| !pod.containers.iter().any(runs))
    {
        return Some(back_off(pod, container));
    }
    let waits = |container: &ContainerView| match &container.state {
        State::Waiting { reason, message } if !ORDINARY.contains(&reason.as_str()) => {
            Some((reason.clone(), message.clone()))
        }
        State::Waiting { .. } | State::Running { .. } | State::Terminated(_) => None,
    };
    let waiting = pod.containers.iter().find_map(|c| waits(c).map(|why| (c, why)));
    if let Some((container, (reason, message))) = waiting {
        return Some(container_waits(pod, container, &reason, &message));
    }
    let runs = pod.containers.iter().any(|c| match c.state {
        State::Running { .. } => true,
        State::Waiting { .. } | State::Terminated(_) => false,
    });
    (!runs).then(|| by_events(pod, seen))
}

/// The kubelet starts a container again after 10 s, and twice as long each further time, up to 5 min.
fn back_off(pod: &PodView, container: &ContainerView) -> Diagnosis {
    let last = container.terminations().last();
    let code = last.map_or_else(String::new, |t| format!(" with {}", t.exit_code));
    let words = format!("it has exited{code}, and the kubelet starts it again after a back-off");
    let hint = "each start waits twice as long as the one before, from 10 s to 5 min";
    Diagnosis {
        container: Some(container.name.clone()),
        ..found(pod, Category::BackOff, Cure::Patience, &words, hint)
    }
}

fn unscheduled(pod: &PodView, why: &str, events: &[EventView]) -> Diagnosis {
    let scaling = newest(events, &pod.uid, &["TriggeredScaleUp"]);
    let hint = if scaling.is_some() {
        "the cluster autoscaler adds a node for it"
    } else if why.contains("Insufficient") {
        "ask for less (requests), wait for others to end, or add nodes"
    } else if why.contains("taint") {
        "add a toleration for the taint, or choose other nodes"
    } else if why.contains("node affinity") || why.contains("node selector") {
        "no node has the labels that nodeSelector or affinity ask for: see 'kubectl get nodes --show-labels'"
    } else if why.contains("PersistentVolumeClaim") || why.contains("persistentvolumeclaim") {
        "see 'kubectl get pvc': the claim is missing or not bound"
    } else {
        "see 'kubectl get nodes'"
    };
    found(pod, Category::Unschedulable, Cure::Time, why, hint)
}

fn container_waits(pod: &PodView, container: &ContainerView, reason: &str, message: &str) -> Diagnosis {
    let (category, cure, hint) = match reason {
        "InvalidImageName" => (Category::ImageName, Cure::Never, "correct the image's name"),
        "ErrImageNeverPull" => (
            Category::ImageNotFound,
            Cure::Never,
            "bring the image to the node, or set another imagePullPolicy than Never",
        ),
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "SignatureValidationFailed"
        | "ImageInspectError" => image(message),
        "CreateContainerConfigError" => config(message),
        // CreateContainerError, RunContainerError, PostStartHookError, CrashLoopBackOff and what is to come.
        _ => (
            Category::ContainerStart,
            Cure::Time,
            "see 'kubectl describe pod', under Events",
        ),
    };
    let words = if message.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason}: {message}")
    };
    Diagnosis {
        container: Some(container.name.clone()),
        ..found(pod, category, cure, &words, hint)
    }
}

/// By the words of container runtimes and registries.
fn image(message: &str) -> (Category, Cure, &'static str) {
    // Names of images and hosts may hold any word.
    let lower: String = message.to_lowercase().split('"').step_by(2).collect();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["toomanyrequests", "too many requests", "rate limit", "pull limit"]) {
        (
            Category::ImageRateLimit,
            Cure::Time,
            "wait, log the node in to the registry (imagePullSecrets), or use a mirror",
        )
    } else if has(&[
        "denied",
        "unauthorized",
        "forbidden",
        "no basic auth",
        "authorization failed",
        "authentication required",
    ]) {
        (
            Category::ImageDenied,
            Cure::Retry,
            "check the image's name; a private image needs imagePullSecrets",
        )
    } else if has(&[
        "not found",
        "manifest unknown",
        "does not exist",
        "code = notfound",
        "no match for platform",
    ]) {
        (
            Category::ImageNotFound,
            Cure::Retry,
            "check the image's name and tag, and that it was pushed",
        )
    } else {
        (
            Category::ImagePull,
            Cure::Time,
            "check the registry's address, and that the nodes reach it; they try again",
        )
    }
}

/// By the words of pkg/kubelet/kuberuntime and pkg/kubelet/kubelet_pods.go.
fn config(message: &str) -> (Category, Cure, &'static str) {
    if message.contains("not found") || message.contains("couldn't find key") {
        (
            Category::ConfigMissing,
            Cure::Somebody,
            "create it in the Job's namespace, or correct the reference to it",
        )
    } else if ["runAsNonRoot", "non-numeric user", "runAsUser"]
        .iter()
        .any(|words| message.contains(words))
    {
        (
            Category::ConfigInvalid,
            Cure::Never,
            "correct the container's settings in the manifest",
        )
    } else {
        // "failed to sync secret cache", "services have not yet been read": a node that has just started.
        (
            Category::ConfigInvalid,
            Cure::Time,
            "the node tries again; see 'kubectl describe pod', under Events",
        )
    }
}

fn by_events(pod: &PodView, seen: &Seen<'_>) -> Diagnosis {
    let events = seen.events;
    let about = |reasons: &[&str]| newest(events, &pod.uid, reasons);
    // What the pod has come past is healed.
    let past = about(&["Pulling", "Pulled", "Created", "Started"]).map(|event| event.last);
    let trouble = |reasons: &[&str]| about(reasons).filter(|event| past.is_none_or(|past| event.last > past));
    let mount = trouble(&["FailedMount", "FailedAttachVolume", "FailedMapVolume"]);
    let network = trouble(&["FailedCreatePodSandBox", "FailedPodSandBoxStatus", "NetworkNotReady"]);
    let node = trouble(&["NodeNotReady"]);
    let pulling = about(&["Pulling"]);
    let after = about(&["Pulled", "Failed", "BackOff"]);
    if let Some(event) = mount {
        let missing = event.message.contains("not found") || event.message.contains("references non-existent");
        let (cure, hint) = if missing {
            (
                Cure::Somebody,
                "create it in the Job's namespace, or correct the volume in the manifest",
            )
        } else {
            (
                Cure::Time,
                "see 'kubectl describe pod', under Events, and 'kubectl get pvc'",
            )
        };
        return found(pod, Category::Mount, cure, &event.message, hint);
    }
    if let Some(event) = network {
        return found(
            pod,
            Category::PodNetwork,
            Cure::Time,
            &event.message,
            "ask whoever runs the cluster: the node's network or runtime is not well",
        );
    }
    if let Some(event) = node {
        let hint = "see 'kubectl get nodes'; the Job makes another pod when the node is given up";
        return found(pod, Category::Node, Cure::Time, &event.message, hint);
    }
    if let Some(event) = pulling.filter(|p| after.is_none_or(|after| after.last < p.last)) {
        let hint = "large images take their time; --startup-timeout stands still meanwhile";
        return found(pod, Category::Pulling, Cure::Patience, &event.message, hint);
    }
    if pod.node.is_empty() {
        let words = format!("it has no node, and no scheduler says why; {}", seen.silence());
        let hint = "is its scheduler at work? See spec.schedulerName";
        return found(pod, Category::Unschedulable, Cure::Time, &words, hint);
    }
    let words = format!("it has a node ({}) and does not run yet; {}", pod.node, seen.silence());
    found(
        pod,
        Category::Slow,
        Cure::Time,
        &words,
        if seen.denied {
            "see 'kubectl describe pod'; allow list on events to see more here"
        } else {
            "see 'kubectl describe pod'"
        },
    )
}

fn found(pod: &PodView, category: Category, cure: Cure, words: &str, hint: &str) -> Diagnosis {
    Diagnosis {
        category,
        object: format!("pod/{}", pod.name),
        container: None,
        words: words.to_owned(),
        hint: Some(hint.to_owned()),
        cure,
    }
}
