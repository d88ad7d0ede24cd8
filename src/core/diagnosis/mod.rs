//! Why nothing runs: one reason, taken from what the Job, its pods and their Events say.
//!
//! A stable category for scripts, the object, the cluster's own words, what to do next, and whether
//! waiting can heal it.

mod create;
mod pod;

use jiff::Timestamp;

use super::{event::EventView, job::JobView, pod::PodView};

/// What keeps a Job from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The kind of trouble.
    pub category: Category,
    /// What has it, for example `pod/etl-x` or `job/etl`.
    pub object: String,
    /// The container, where it is one's.
    pub container: Option<String>,
    /// The cluster's own words.
    pub words: String,
    /// What the user can do, or what the cluster does already.
    pub hint: Option<String>,
    /// Whether waiting can heal it.
    pub cure: Cure,
}

/// Whether waiting can heal something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cure {
    /// It is not even trouble: a queue, a suspended Job, an image that is being pulled. The clocks stand
    /// still.
    Patience,
    /// It may heal by itself, and the clocks run.
    Time,
    /// Only if somebody makes what is missing; it gets a short grace.
    Somebody,
    /// It may have been a hiccup of the registry: two tries more.
    Retry,
    /// Nothing but another manifest.
    Never,
}

/// The kinds of trouble, by the names that results and messages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Suspended, and waiting for a queue to admit it.
    Queued,
    /// Suspended by its manifest or by somebody.
    Suspended,
    /// No pod: a ResourceQuota is used up.
    Quota,
    /// No pod: the namespace's Pod Security level refuses it.
    PodSecurity,
    /// No pod: a LimitRange refuses it.
    LimitRange,
    /// No pod: an admission webhook or policy refuses it.
    Admission,
    /// No pod: an admission webhook does not answer.
    WebhookDown,
    /// No pod: its ServiceAccount does not exist.
    ServiceAccount,
    /// No pod, for another reason.
    PodNotCreated,
    /// No pod, and nobody says why.
    NoPod,
    /// No node takes the pod.
    Unschedulable,
    /// The image's name is none.
    ImageName,
    /// The registry knows no such image, or the node may not look for it.
    ImageNotFound,
    /// The registry refuses the node.
    ImageDenied,
    /// The registry has had enough of the node for now.
    ImageRateLimit,
    /// The image cannot be pulled, for another reason.
    ImagePull,
    /// The image is being pulled, and that takes its time.
    Pulling,
    /// A Secret, a ConfigMap, or a key of one, is missing.
    ConfigMissing,
    /// The container's settings contradict each other or its image.
    ConfigInvalid,
    /// The runtime cannot make or start the container.
    ContainerStart,
    /// A volume cannot be mounted.
    Mount,
    /// The pod's sandbox or network cannot be made.
    PodNetwork,
    /// The node does not answer.
    Node,
    /// The pod starts slowly, and nobody says why.
    Slow,
    /// An attempt has failed, and the next is not due yet.
    BackOff,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::Queued,
        Self::Suspended,
        Self::Quota,
        Self::PodSecurity,
        Self::LimitRange,
        Self::Admission,
        Self::WebhookDown,
        Self::ServiceAccount,
        Self::PodNotCreated,
        Self::NoPod,
        Self::Unschedulable,
        Self::ImageName,
        Self::ImageNotFound,
        Self::ImageDenied,
        Self::ImageRateLimit,
        Self::ImagePull,
        Self::Pulling,
        Self::ConfigMissing,
        Self::ConfigInvalid,
        Self::ContainerStart,
        Self::Mount,
        Self::PodNetwork,
        Self::Node,
        Self::Slow,
        Self::BackOff,
    ];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Suspended => "Suspended",
            Self::Quota => "QuotaExceeded",
            Self::PodSecurity => "PodSecurity",
            Self::LimitRange => "LimitRange",
            Self::Admission => "AdmissionDenied",
            Self::WebhookDown => "WebhookUnavailable",
            Self::ServiceAccount => "ServiceAccountMissing",
            Self::PodNotCreated => "PodNotCreated",
            Self::NoPod => "NoPod",
            Self::Unschedulable => "Unschedulable",
            Self::ImageName => "InvalidImageName",
            Self::ImageNotFound => "ImageNotFound",
            Self::ImageDenied => "ImageDenied",
            Self::ImageRateLimit => "ImageRateLimited",
            Self::ImagePull => "ImagePullFailed",
            Self::Pulling => "PullingImage",
            Self::ConfigMissing => "ConfigMissing",
            Self::ConfigInvalid => "ConfigInvalid",
            Self::ContainerStart => "ContainerNotStarted",
            Self::Mount => "MountFailed",
            Self::PodNetwork => "PodNetworkFailed",
            Self::Node => "NodeNotReady",
            Self::Slow => "StartsSlowly",
            Self::BackOff => "BackOff",
        }
    }

    /// It is about an image.
    #[must_use]
    pub fn is_image(self) -> bool {
        matches!(
            self,
            Self::ImageNotFound | Self::ImageDenied | Self::ImageRateLimit | Self::ImagePull
        )
    }

    /// Nobody has said so: it is concluded from the time that has passed.
    #[must_use]
    pub fn is_silence(self) -> bool {
        matches!(self, Self::NoPod | Self::Slow | Self::BackOff)
    }
}

impl Diagnosis {
    /// The same trouble as another, though an attempt, a number or a pod's random name may differ.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        self.category == other.category && self.container == other.container
    }

    /// A back-off of the kubelet that does not say what it is about.
    #[must_use]
    pub fn is_bare_backoff(&self) -> bool {
        self.category == Category::ImagePull
            && self.words.starts_with("ImagePullBackOff: Back-off pulling image")
            && !self.words.contains("ErrImagePull")
    }

    /// It is the status of a pod or a Job that says so, and no Event is needed.
    #[must_use]
    pub fn by_status(&self) -> bool {
        self.container.is_some() || self.category == Category::Unschedulable
    }

    /// The cluster's words, behind the object's name unless that is the one named before.
    #[must_use]
    pub fn of(&self, named: &str) -> String {
        if self.object == named && self.container.is_none() {
            self.words.clone()
        } else {
            self.sentence()
        }
    }

    /// Which object, and the cluster's words.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.container {
            Some(container) => format!("{} container {container}: {}", self.object, self.words),
            None => format!("{}: {}", self.object, self.words),
        }
    }
}

/// What else is known of a Job and its pods.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// Events of the Job and of pods that were looked at.
    pub events: &'a [EventView],
    /// Events may not be read, so that there are none says nothing.
    pub denied: bool,
    /// Pods that failed.
    pub failed: usize,
    /// When the last container of them ended.
    pub last_end: Option<Timestamp>,
}

/// Why nothing runs, as far as Job, pods and Events tell. `None` where nothing is wrong, or where somebody
/// else runs the Job (`managedBy`).
#[must_use]
pub fn of<'a>(job: &JobView, pods: impl Iterator<Item = &'a PodView>, seen: &Seen<'_>) -> Option<Diagnosis> {
    if job.managed_elsewhere {
        return None;
    }
    if job.suspended {
        return Some(suspended(job));
    }
    let mut waiting = pods
        .filter(|pod| !pod.finished() && pod.asked_to_go.is_none())
        .peekable();
    if waiting.peek().is_none() {
        return Some(create::of(job, seen));
    }
    let found = waiting.filter_map(|pod| pod::of(pod, seen));
    // What waiting cannot heal decides; of equals the first pod's.
    found.reduce(|worst, next| if next.cure > worst.cure { next } else { worst })
}

/// The same with commands that can be copied: with the object's name and the namespace.
#[must_use]
pub fn with_commands(mut diagnosis: Diagnosis, namespace: &str) -> Diagnosis {
    let object = diagnosis.object.replacen('/', " ", 1);
    diagnosis.hint = diagnosis.hint.map(|hint| {
        let hint = hint.replace("'kubectl describe pod'", &format!("'kubectl describe {object}'"));
        let hint = hint.replace("'kubectl describe job'", &format!("'kubectl describe {object}'"));
        let parts: Vec<&str> = hint.split('\'').collect();
        let parts = parts.iter().enumerate().map(|(n, part)| {
            let nodes = part.contains("get nodes");
            let command = n % 2 == 1 && part.starts_with("kubectl ") && !nodes;
            if command {
                format!("{part} -n {namespace}")
            } else {
                (*part).to_owned()
            }
        });
        parts
            .collect::<Vec<_>>()
            .join("'")
            .replace("-n NAMESPACE", &format!("-n {namespace}"))
    });
    diagnosis
}

fn suspended(job: &JobView) -> Diagnosis {
    let object = format!("job/{}", job.name);
    let (category, words, hint) = match &job.queue {
        Some(queue) => (
            Category::Queued,
            format!("it waits in queue {queue}"),
            "it starts when the queue admits it; see 'kubectl get workloads'".to_owned(),
        ),
        None => (
            Category::Suspended,
            "spec.suspend is true".to_owned(),
            format!(
                "resume it with: kubectl patch job {} -n NAMESPACE -p '{{\"spec\":{{\"suspend\":false}}}}'",
                job.name
            ),
        ),
    };
    Diagnosis {
        category,
        object,
        container: None,
        words,
        hint: Some(hint),
        cure: Cure::Patience,
    }
}

impl Seen<'_> {
    /// What stands for an Event where there is none.
    fn silence(&self) -> &'static str {
        if self.denied {
            "its Events may not be read"
        } else {
            "no Event says why"
        }
    }
}

/// The newest Event of these about an object, among those with one of these reasons.
fn newest<'a>(events: &'a [EventView], uid: &str, reasons: &[&str]) -> Option<&'a EventView> {
    let about = events.iter().filter(|e| e.uid == uid);
    about
        .filter(|e| reasons.contains(&e.reason.as_str()))
        .max_by_key(|e| e.last)
}

#[cfg(test)]
mod tests;
