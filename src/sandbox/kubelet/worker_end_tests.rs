//! Sidecars, and how pods end: deletion, deadlines, messages, logs of what has ended.

use super::*;

#[tokio::test(start_paused = true)]
async fn sidecars_run_beside_and_end_last_in_reverse() {
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [
            container("i", &["exit 0"]), sidecar("s", &["term 2 0", "for ever"]), sidecar("t", &["term 3 7", "for ever"]),
        ],
        "containers": [container("c", &["sleep 4"])],
    });
    assert_snapshot!(told(&spec, 30).await, @r"
    Pending
    Pending -up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=PodInitializing s=PodInitializing t=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=PodInitializing s=PodInitializing t=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=running@0 s=PodInitializing t=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=Completed(0)@0 s=PodInitializing t=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=Completed(0)@0 s=running@0 t=PodInitializing c=PodInitializing
    Pending +up +init -ready(ContainersNotReady) i=Completed(0)@0 s=running@0 t=running@0 c=PodInitializing
    Running +up +init +ready i=Completed(0)@0 s=running@0 t=running@0 c=running@0
    Running +up +init -ready(ContainersNotReady) i=Completed(0)@0 s=running@0 t=running@0 c=Completed(0)@4
    Succeeded -up +init(PodCompleted) -ready(PodCompleted) i=Completed(0)@0 s=Completed(0)@9 t=Error(7)@7 c=Completed(0)@4
    ");
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_ends_is_restarted_and_decides_nothing() {
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [sidecar("s", &["sleep 1", "exit 2"])], "containers": [container("c", &["sleep 8"])],
    });
    assert_snapshot!(told(&spec, 30).await, @r"
    Pending
    Pending -up -init(ContainersNotInitialized) -ready(ContainersNotReady) s=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) s=PodInitializing c=PodInitializing
    Pending +up +init -ready(ContainersNotReady) s=running@0 c=PodInitializing
    Running +up +init +ready s=running@0 c=running@0
    Running +up +init -ready(ContainersNotReady) s=Error(2)@1 c=running@0
    Running +up +init +ready s=running@1#1<Error(2)@1 c=running@0
    Running +up +init -ready(ContainersNotReady) s=Error(2)@2#1<Error(2)@1 c=running@0
    Running +up +init -ready(ContainersNotReady) s=CrashLoopBackOff#1<Error(2)@2 c=running@0
    Running +up +init(PodCompleted) -ready(PodCompleted) s=CrashLoopBackOff#1<Error(2)@2 c=Completed(0)@8
    Succeeded -up +init(PodCompleted) -ready(PodCompleted) s=CrashLoopBackOff#1<Error(2)@2 c=Completed(0)@8
    Succeeded -up +init(PodCompleted) -ready(PodCompleted) s=ContainerStatusUnknown(137)@0#1<Error(2)@2 c=Completed(0)@8
    ");
}

#[tokio::test(start_paused = true)]
async fn deletion_gives_the_grace_that_was_asked_for() {
    for (does, grace, end, seconds) in [
        ("term 1 0", None, "Completed(0)@6", 1),
        ("term 9 0", Some(3), "Error(137)@8", 3),
        ("out deaf", None, "Error(137)@35", 30),
        ("out deaf", Some(1), "Error(137)@7", 2),
    ] {
        let mut node = Node::of_args(Settings::default());
        let mut spec = one("Always", &[does, "for ever"]);
        spec["terminationGracePeriodSeconds"] = json!(30);
        node.create(&spec);
        node.pass(5).await;
        node.delete(grace);
        node.pass(seconds - 1).await;
        assert!(node.pod().is_some(), "{does}");
        node.pass(2).await;
        assert!(node.pod().is_none(), "{does}");
        assert!(node.events().contains("Normal Killing x1: Stopping container c"));
        let lines: Vec<&str> = node.told.lines().rev().take(2).collect();
        assert!(lines[0] == "gone" && lines[1].contains(end), "{does}: {lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_grace_can_be_shortened() {
    let mut node = Node::of_args(Settings::default());
    node.create(&one("Never", &["for ever"]));
    node.pass(5).await;
    node.delete(None);
    node.pass(10).await;
    node.delete(Some(4));
    node.pass(3).await;
    assert!(node.pod().is_some());
    node.pass(2).await;
    assert!(node.pod().is_none());
}

#[tokio::test(start_paused = true)]
async fn deletion_stops_main_containers_before_sidecars() {
    let mut node = Node::of_args(Settings::default());
    node.create(&json!({
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 30,
        "initContainers": [sidecar("s", &["term 1 0", "for ever"])],
        "containers": [container("c", &["term 5 0", "for ever"]), container("d", &["exit 1"])],
    }));
    node.pass(10).await;
    node.delete(None);
    assert_snapshot!(node.tale(20).await.lines().rev().take(2).collect::<Vec<_>>().join("\n"), @r"
    gone
    Failed -up +init -ready(PodFailed) s=Completed(0)@16 c=Completed(0)@15 d=Error(1)@0
    ");
}

#[tokio::test(start_paused = true)]
async fn a_pod_held_by_a_finalizer_keeps_its_log_until_it_goes() {
    let mut node = Node::of_args(Settings::default());
    node.create(&one("Never", &["out last words", "term 0 0", "for ever"]));
    node.world
        .modify(&key(), false, |pod| {
            pod["metadata"]["finalizers"] = json!(["a/b"]);
            Ok(())
        })
        .unwrap();
    node.pass(5).await;
    node.delete(Some(3));
    node.pass(100).await;
    let pod = node.pod().unwrap();
    assert_eq!(pod["status"]["phase"], "Succeeded");
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(node.log(LogOptions::default()).await.unwrap(), "last words\n");
    node.world
        .modify(&key(), false, |pod| {
            meta::set_finalizer(pod, "a/b", false);
            Ok(())
        })
        .unwrap();
    node.pass(1).await;
    assert!(node.told.ends_with("gone\n"));
    assert!(lock(&node.kubelet.logs).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_never_ran_fails_when_it_is_deleted() {
    let mut node = Node::of_args(Settings::default());
    let mut spec = one("Never", &["exit 0"]);
    spec["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "none"}}]);
    node.create(&spec);
    node.pass(5).await;
    node.delete(None);
    node.pass(1).await;
    assert_snapshot!(node.told, @r"
    Pending
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=CreateContainerConfigError
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Failed -up +init -ready(ContainersNotReady) c=ContainerStatusUnknown(137)@0
    gone
    ");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_is_killed_and_its_name_is_free() {
    let mut node = Node::of_args(Settings::default());
    node.create(&one("Never", &["for ever"]));
    node.pass(5).await;
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let log = node.kubelet.log(&node.pod().unwrap(), &follow).unwrap();
    node.delete(Some(0));
    assert!(node.pod().is_none());
    node.world
        .insert(key(), json!({"metadata": {"name": "p", "namespace": "ns", "uid": "uid-2"}, "spec": {"nodeSelector": {"no": "way"}}, "status": {}}), false)
        .unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(log.collect::<Vec<_>>().await.len(), 0);
    assert_eq!(before.elapsed().as_secs(), 2, "SIGKILL comes after the least grace");
    let status = &node.pod().unwrap()["status"];
    assert!(status["containerStatuses"].is_null(), "of another pod: {status}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_pod_with_its_grace() {
    let mut spec = one("OnFailure", &["for ever"]);
    spec["activeDeadlineSeconds"] = json!(4);
    spec["terminationGracePeriodSeconds"] = json!(3);
    assert_snapshot!(told(&spec, 20).await, @r"
    Pending
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Running +up +init +ready c=running@0
    Running +up +init -ready(PodFailed) c=running@0
    Failed/DeadlineExceeded -up +init -ready(PodFailed) c=Error(137)@7
    ");
    let mut waits = one("Never", &["fail"]);
    waits["containers"][0]["image"] = json!("A");
    waits["activeDeadlineSeconds"] = json!(4);
    let told = told(&waits, 20).await;
    assert_snapshot!(told.lines().last().unwrap(), @"Failed/DeadlineExceeded -up +init -ready(PodFailed) c=ContainerStatusUnknown(137)@0");
}

#[tokio::test(start_paused = true)]
async fn termination_messages_come_from_the_file_or_the_log() {
    for (policy, does, expected) in [
        ("File", vec!["out log", "message why", "exit 1"], Some("why".to_owned())),
        ("File", vec!["out log", "exit 1"], None),
        (
            "FallbackToLogsOnError",
            vec!["out log", "part end", "exit 1"],
            Some("log\nend".to_owned()),
        ),
        (
            "FallbackToLogsOnError",
            vec!["out log", "message why", "exit 1"],
            Some("why".to_owned()),
        ),
        ("FallbackToLogsOnError", vec!["out log", "exit 0"], None),
    ] {
        let mut node = Node::of_args(Settings::default());
        let mut spec = one("Never", &does);
        spec["containers"][0]["terminationMessagePolicy"] = json!(policy);
        node.create(&spec);
        node.pass(2).await;
        let state = node.pod().unwrap()["status"]["containerStatuses"][0]["state"]["terminated"]["message"].clone();
        assert_eq!(state.as_str().map(str::to_owned), expected, "{policy} {does:?}");
    }
    let node = Node::new(Settings::default(), |_| {
        let line = |n| Step::Out(format!("{n}-{}\n", "x".repeat(38)).into());
        let mut steps: Vec<Step> = (100..200).map(line).collect();
        steps.push(Step::Exit(1));
        Ok(Script { steps, on_term: None })
    });
    let mut spec = one("Never", &["-"]);
    spec["containers"][0]["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    node.create(&spec);
    sleep(Duration::from_secs(2)).await;
    let status = node.pod().unwrap()["status"].clone();
    let message = status["containerStatuses"][0]["state"]["terminated"]["message"]
        .as_str()
        .unwrap();
    assert_eq!(message.len(), 2048);
    assert!(message.ends_with(&format!("199-{}\n", "x".repeat(38))));
}

#[tokio::test(start_paused = true)]
async fn the_nodes_clock_may_be_wrong() {
    let node = Node::of_args(Settings {
        skew: SignedDuration::from_secs(-100),
        ..Settings::default()
    });
    node.create(&one("OnFailure", &["out hi", "sleep 1", "exit 1"]));
    sleep(Duration::from_millis(13_500)).await;
    let pod = node.pod().unwrap();
    let state = state(&pod["status"]["containerStatuses"][0]["lastState"]);
    assert_eq!(state, "Error(1)@-87", "the third try ended by the node's clock");
    let stamped = LogOptions {
        timestamps: true,
        ..LogOptions::default()
    };
    let at = Timestamp::from_second(BEGAN - 88).unwrap();
    assert_eq!(node.log(stamped).await.unwrap(), format!("{at:.9} hi\n"));
}

#[tokio::test(start_paused = true)]
async fn the_previous_log_can_be_read_and_no_older_one() {
    let mut node = Node::new(Settings::default(), |start| {
        let line = Step::Out(format!("try {}\n", start.attempt).into());
        let steps = vec![line, Step::Sleep(Duration::from_secs(1)), Step::Exit(1)];
        Ok(Script { steps, on_term: None })
    });
    node.create(&one("Always", &["-"]));
    let previous = LogOptions {
        previous: true,
        ..LogOptions::default()
    };
    sleep(Duration::from_millis(500)).await;
    assert_snapshot!(node.log(previous.clone()).await.unwrap_err(), @r#"previous terminated container "c" in pod "p" not found"#);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(node.log(LogOptions::default()).await.unwrap(), "try 1\n");
    assert_eq!(node.log(previous.clone()).await.unwrap(), "try 0\n");
    // Waiting for its restart, the last one that ended is both.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(node.log(LogOptions::default()).await.unwrap(), "try 1\n");
    assert_eq!(node.log(previous.clone()).await.unwrap(), "try 1\n");
    node.pass(60).await;
    assert_eq!(lock(&node.kubelet.logs)["uid-1"]["c"].len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_log_begins_anew() {
    let node = Node::of_args(Settings::default());
    node.create(&one("Never", &["out old", "sleep 5", "out new"]));
    sleep(Duration::from_secs(1)).await;
    node.kubelet.rotate("uid-1", "c");
    assert_eq!(node.log(LogOptions::default()).await.unwrap(), "");
    sleep(Duration::from_secs(9)).await;
    let last_seconds = |seconds| LogOptions {
        since_seconds: Some(seconds),
        ..LogOptions::default()
    };
    assert_eq!(node.log(last_seconds(6)).await.unwrap(), "new\n");
    assert_eq!(node.log(last_seconds(4)).await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn which_container_a_log_is_asked_of() {
    let node = Node::of_args(Settings::default());
    node.create(&json!({
        "restartPolicy": "Never", "initContainers": [container("i", &["sleep 5"])],
        "containers": [container("a", &[]), container("b", &[])],
    }));
    sleep(Duration::from_secs(1)).await;
    let of = |name: &str| LogOptions {
        container: Some(name.to_owned()),
        ..LogOptions::default()
    };
    assert_snapshot!(node.log(LogOptions::default()).await.unwrap_err(), @"a container name must be specified for pod p, choose one of: [i a b]");
    assert_snapshot!(node.log(of("x")).await.unwrap_err(), @"container x is not valid for pod p");
    assert_snapshot!(node.log(of("a")).await.unwrap_err(), @r#"container "a" in pod "p" is waiting to start: PodInitializing"#);
    assert_eq!(node.log(of("i")).await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_no_node_suits_stays_pending() {
    let mut node = Node::of_args(Settings::default());
    node.create(&json!({"nodeSelector": {"disk": "ssd"}, "containers": [container("c", &[])]}));
    node.pass(5).await;
    assert_snapshot!(node.pod().unwrap()["status"], @r#"{"conditions":[{"lastProbeTime":null,"lastTransitionTime":"2027-01-15T08:00:00Z","message":"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.","observedGeneration":1,"reason":"Unschedulable","status":"False","type":"PodScheduled"}],"phase":"Pending"}"#);
    assert_snapshot!(node.events(), @"Warning FailedScheduling x1: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.");
    assert_eq!(node.log(LogOptions::default()).await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_kubelet_ends_all_containers() {
    let node = Node::of_args(Settings::default());
    node.create(&one("Never", &["out hi", "for ever"]));
    sleep(Duration::from_secs(1)).await;
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let log = node.kubelet.log(&node.pod().unwrap(), &follow).unwrap();
    node.task.abort();
    assert_eq!(
        log.collect::<Vec<_>>().await.concat(),
        b"hi\n",
        "its end is told to followers"
    );
}
