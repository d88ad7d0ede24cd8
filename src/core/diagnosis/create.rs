//! Why a Job has no pod. Only its Events tell: the Job controller tries again and again, and no condition
//! says so.

use super::{Category, Cure, Diagnosis, Seen, newest};
use crate::core::job::JobView;

pub(super) fn of(job: &JobView, seen: &Seen<'_>) -> Diagnosis {
    // What kept an earlier pod from being made has passed.
    let event = newest(seen.events, &job.uid, &["FailedCreate"]).filter(|event| event.last >= seen.last_end);
    let Some(event) = event else {
        return silent(job, seen);
    };
    let words = event.message.strip_prefix("Error creating: ").unwrap_or(&event.message);
    let (category, cure, hint) = judged(words);
    Diagnosis {
        category,
        object: format!("job/{}", job.name),
        container: None,
        words: words.to_owned(),
        hint: Some(hint.to_owned()),
        cure,
    }
}

fn silent(job: &JobView, seen: &Seen<'_>) -> Diagnosis {
    let failed = seen.failed;
    let (category, words, hint, cure) = if failed > 0 {
        let attempts = match failed {
            1 => "one attempt has failed".to_owned(),
            n => format!("{n} attempts have failed"),
        };
        (
            Category::BackOff,
            format!("{attempts}, the next starts after a back-off"),
            "the Job controller waits 10 s before the second attempt, and twice as long before each further one",
            Cure::Patience,
        )
    } else {
        (
            Category::NoPod,
            format!("it has no pod yet, and {}", seen.silence()),
            "is the cluster's Job controller at work (kube-controller-manager)? Allow list on events to see more",
            Cure::Time,
        )
    };
    Diagnosis {
        category,
        object: format!("job/{}", job.name),
        container: None,
        words,
        hint: Some(hint.to_owned()),
        cure,
    }
}

/// By the words of the admission plugins (plugin/pkg/admission, k8s.io/pod-security-admission,
/// apiserver/pkg/admission/plugin/webhook).
fn judged(words: &str) -> (Category, Cure, &'static str) {
    let has = |text: &str| words.contains(text);
    if has("exceeded quota") {
        (
            Category::Quota,
            Cure::Time,
            "it starts when others end, if the quota leaves room for it at all; see 'kubectl describe resourcequota'",
        )
    } else if has("failed quota") {
        // "must specify limits.cpu": the quota wants a field that the manifest lacks.
        (
            Category::Quota,
            Cure::Never,
            "set the requests and limits that the quota asks for",
        )
    } else if has("violates PodSecurity") {
        (
            Category::PodSecurity,
            Cure::Never,
            "set the fields named above in the pod's securityContext, or use a namespace with another level",
        )
    } else if has("usage per ") || has("max limit to request ratio per ") {
        (
            Category::LimitRange,
            Cure::Never,
            "keep requests and limits within 'kubectl describe limitrange'",
        )
    } else if has("service account") && has("not found") || has("serviceaccount \"") && has("not found") {
        (
            Category::ServiceAccount,
            Cure::Somebody,
            "create the ServiceAccount, or correct serviceAccountName",
        )
    } else if has("failed calling webhook") || has("failed to call webhook") {
        (
            Category::WebhookDown,
            Cure::Time,
            "ask whoever runs the cluster: the webhook's own pods may be down",
        )
    } else if has("denied the request") || has("denied request") {
        (
            Category::Admission,
            Cure::Never,
            "change the manifest as the policy asks, or ask whoever runs it",
        )
    } else {
        (
            Category::PodNotCreated,
            Cure::Time,
            "see 'kubectl describe job', under Events",
        )
    }
}
