use super::*;
use crate::core::pod::{ContainerKind, ContainerView, Phase, State};

fn job() -> JobView {
    JobView {
        name: "etl".into(),
        uid: "job".into(),
        parallelism: 1,
        ..JobView::default()
    }
}

fn waits(reason: &str, message: &str) -> PodView {
    PodView {
        name: "etl-abc".into(),
        uid: "pod".into(),
        node: "node1".into(),
        phase: Phase::Unfinished,
        containers: vec![ContainerView {
            name: "main".into(),
            kind: ContainerKind::Main,
            state: State::Waiting {
                reason: reason.into(),
                message: message.into(),
            },
            last: None,
            memory_limit: None,
            restart_count: 0,
            restarts: false,
        }],
        ..PodView::default()
    }
}

fn event(uid: &str, reason: &str, message: &str, second: i64) -> EventView {
    EventView {
        uid: uid.into(),
        reason: reason.into(),
        message: message.into(),
        warning: true,
        count: 1,
        last: Timestamp::from_second(second).ok(),
        ..EventView::default()
    }
}

fn told(diagnosis: Option<Diagnosis>) -> String {
    let Some(diagnosis) = diagnosis else {
        return "nothing is wrong\n".to_owned();
    };
    format!(
        "{} {:?}: {}\n  {}\n",
        diagnosis.category.name(),
        diagnosis.cure,
        diagnosis.sentence(),
        diagnosis.hint.unwrap_or_default()
    )
}

fn by_pod(pod: PodView, events: &[EventView]) -> String {
    let seen = Seen {
        events,
        ..Seen::default()
    };
    told(of(&job(), [pod].iter(), &seen))
}

fn without_pod(job: &JobView, message: &str) -> String {
    let events = [event("job", "FailedCreate", message, 9)];
    let events = if message.is_empty() { &[] } else { events.as_slice() };
    let seen = Seen {
        events,
        ..Seen::default()
    };
    told(of(job, [].iter(), &seen))
}

#[test]
fn what_pods_say_of_themselves() {
    let unscheduled = |why: &str| PodView {
        unscheduled: Some(why.into()),
        node: String::new(),
        ..waits("", "")
    };
    let mut text = String::new();
    for (reason, message) in [
        (
            "InvalidImageName",
            r#"Failed to apply default image tag "UPPER:": couldn't parse image name"#,
        ),
        (
            "ErrImageNeverPull",
            r#"Container image "x" is not present with pull policy of Never"#,
        ),
        (
            "ErrImagePull",
            "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/nope:1\": not found",
        ),
        (
            "ImagePullBackOff",
            "Back-off pulling image \"x\": ErrImagePull: pull access denied, repository does not exist or may require authorization",
        ),
        ("ErrImagePull", "toomanyrequests: You have reached your pull rate limit"),
        ("ErrImagePull", "dial tcp 127.0.0.1:1: connect: connection refused"),
        ("CreateContainerConfigError", r#"secret "db" not found"#),
        (
            "CreateContainerConfigError",
            "couldn't find key password in Secret team/db",
        ),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
        ),
        ("CreateContainerError", "context deadline exceeded"),
        ("ContainerCreating", ""),
    ] {
        text += &by_pod(waits(reason, message), &[]);
    }
    for why in [
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available",
        "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: true}",
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector",
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims",
    ] {
        text += &by_pod(unscheduled(why), &[]);
    }
    text += &by_pod(
        unscheduled("1 Insufficient cpu"),
        &[event("pod", "TriggeredScaleUp", "", 1)],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn what_only_events_tell() {
    let creating = || waits("ContainerCreating", "");
    let mut text = String::new();
    for (reason, message) in [
        (
            "FailedMount",
            r#"MountVolume.SetUp failed for volume "v" : secret "x" not found"#,
        ),
        ("FailedAttachVolume", "Multi-Attach error for volume \"pvc-1\""),
        ("FailedCreatePodSandBox", "plugin type=\"bridge\" failed (add)"),
        ("NodeNotReady", "Node is not ready"),
        ("Pulling", "Pulling image \"large\""),
    ] {
        text += &by_pod(creating(), &[event("pod", reason, message, 5)]);
    }
    let pulled = [event("pod", "Pulling", "", 5), event("pod", "Pulled", "", 6)];
    text += &by_pod(creating(), &pulled);
    text += &by_pod(creating(), &[event("another", "FailedMount", "of another pod", 5)]);
    insta::assert_snapshot!(text);
}

#[test]
fn why_a_job_has_no_pod() {
    let mut text = String::new();
    for message in [
        r#"Error creating: pods "etl-" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1"#,
        r#"Error creating: pods "etl-" is forbidden: failed quota: small: must specify limits.cpu for: main"#,
        r#"Error creating: pods "etl-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false"#,
        r#"Error creating: pods "etl-x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi"#,
        r#"Error creating: pods "etl-" is forbidden: error looking up service account team/bot: serviceaccount "bot" not found"#,
        r#"Error creating: admission webhook "policy.example.com" denied the request: no"#,
        r#"Error creating: pods "etl-x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"#,
        r#"Error creating: Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: Post"#,
        "Error creating: something new",
        "",
    ] {
        text += &without_pod(&job(), message);
    }
    let suspended = JobView {
        suspended: true,
        ..job()
    };
    text += &without_pod(&suspended, "");
    let queued = JobView {
        queue: Some("batch".into()),
        ..suspended
    };
    text += &without_pod(&queued, "");
    let elsewhere = JobView {
        managed_elsewhere: true,
        ..job()
    };
    text += &without_pod(&elsewhere, "");
    insta::assert_snapshot!(text);
}

#[test]
fn between_two_attempts_an_old_event_says_nothing() {
    let events = [event("job", "FailedCreate", "Error creating: exceeded quota", 5)];
    let seen = |second| Seen {
        events: &events,
        denied: false,
        failed: 1,
        last_end: Timestamp::from_second(second).ok(),
    };
    let category = |second| of(&job(), [].iter(), &seen(second)).unwrap().category;
    assert_eq!((category(9), category(3)), (Category::BackOff, Category::Quota));
}
