use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Duration, sleep},
};

use super::*;
use crate::sandbox::{
    delete::DeleteOptions,
    kubelet::{
        runtime::ContainerStart,
        script::{Script, Scripted, Step},
    },
    store::Change,
};

const BEGAN: i64 = 1_800_000_000;

/// A node and a pod on it, and all that is heard of the pod.
struct Node {
    world: Arc<World>,
    kubelet: Arc<Kubelet>,
    task: JoinHandle<()>,
    changes: mpsc::UnboundedReceiver<Change>,
    told: String,
}

impl Node {
    fn new(
        settings: Settings,
        choose: impl Fn(&ContainerStart) -> Result<Script, String> + Send + Sync + 'static,
    ) -> Self {
        let world = World::new(Timestamp::from_second(BEGAN).unwrap(), 1, 10_000);
        let namespace = Key::new(Resource::Namespaces, "", "ns");
        world
            .insert(namespace, json!({"metadata": {"name": "ns"}}), false)
            .unwrap();
        let kubelet = Kubelet::new(Arc::clone(&world), Arc::new(Scripted::fallible(choose)), settings);
        let changes = world.subscribe();
        Self {
            task: tokio::spawn(Arc::clone(&kubelet).run()),
            changes,
            world,
            kubelet,
            told: String::new(),
        }
    }

    /// A node whose containers do what their `args` say.
    fn of_args(settings: Settings) -> Self {
        Self::new(settings, script)
    }

    fn create(&self, spec: &Value) {
        let pod = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "p", "namespace": "ns", "uid": "uid-1", "generation": 1}, "spec": spec,
            "status": {"phase": "Pending"},
        });
        self.world.insert(key(), pod, false).unwrap();
    }

    fn pod(&self) -> Option<Arc<Value>> {
        self.world.get(&key())
    }

    fn delete(&self, grace: Option<i64>) {
        let options = DeleteOptions {
            grace,
            ..DeleteOptions::default()
        };
        self.world.delete(&key(), &options).unwrap();
    }

    /// Lets time pass, and adds what changed to the tale.
    async fn pass(&mut self, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
        while let Ok(change) = self.changes.try_recv() {
            if change.key.resource == Resource::Pods
                && (change.gone
                    || change
                        .before
                        .as_ref()
                        .is_some_and(|b| b["status"] != change.object["status"]))
            {
                let line = tale(&change);
                if !self.told.ends_with(&line) {
                    self.told += &line;
                }
            }
        }
    }

    async fn tale(mut self, seconds: u64) -> String {
        self.pass(seconds).await;
        self.task.abort();
        self.told
    }

    fn events(&self) -> String {
        let events = self.world.list(Resource::Events, Some("ns")).0;
        let mut lines: Vec<String> = events
            .iter()
            .map(|e| {
                let text = |field: &str| e[field].as_str().unwrap_or_default();
                format!(
                    "{} {} x{}: {}\n",
                    text("type"),
                    text("reason"),
                    e["count"],
                    text("message")
                )
            })
            .collect();
        lines.sort();
        lines.concat()
    }

    async fn log(&self, options: LogOptions) -> Result<String, String> {
        let stream = self.kubelet.log(&self.pod().unwrap(), &options).map_err(|refused| {
            assert_eq!(refused.code, 400);
            refused.message
        })?;
        let bytes: Vec<Bytes> = stream.collect().await;
        Ok(String::from_utf8(bytes.concat()).unwrap())
    }
}

fn key() -> Key {
    Key::new(Resource::Pods, "ns", "p")
}

/// One line: phase, reasons of conditions, states of containers.
fn tale(change: &Change) -> String {
    let status = &change.object["status"];
    let mut line = status["phase"].as_str().unwrap_or_default().to_owned();
    if let Some(reason) = status["reason"].as_str() {
        write!(line, "/{reason}").unwrap();
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let kind = condition["type"].as_str().unwrap();
        let short = match kind {
            "PodReadyToStartContainers" => "up",
            "Initialized" => "init",
            "Ready" => "ready",
            _ => continue,
        };
        let yes = if condition["status"] == "True" { "+" } else { "-" };
        write!(
            line,
            " {yes}{short}{}",
            condition["reason"]
                .as_str()
                .map(|r| format!("({r})"))
                .unwrap_or_default()
        )
        .unwrap();
    }
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in status[list].as_array().into_iter().flatten() {
            write!(
                line,
                " {}={}",
                container["name"].as_str().unwrap(),
                state(&container["state"])
            )
            .unwrap();
            let last = state(&container["lastState"]);
            let restarts = container["restartCount"].as_i64().unwrap();
            if restarts > 0 || !last.is_empty() {
                write!(line, "#{restarts}<{last}").unwrap();
            }
        }
    }
    if change.gone {
        line = "gone".to_owned();
    }
    line + "\n"
}

fn state(state: &Value) -> String {
    let at = |value: &Value| {
        let at: Timestamp = value.as_str().unwrap_or("1970-01-01T00:00:00Z").parse().unwrap();
        at.as_second() - BEGAN
    };
    if let Some(reason) = state["waiting"]["reason"].as_str() {
        reason.to_owned()
    } else if state["running"].is_object() {
        format!("running@{}", at(&state["running"]["startedAt"]))
    } else if state["terminated"].is_object() {
        let ended = &state["terminated"];
        let at = if ended["finishedAt"].is_null() {
            0
        } else {
            at(&ended["finishedAt"])
        };
        format!("{}({})@{at}", ended["reason"].as_str().unwrap(), ended["exitCode"])
    } else {
        String::new()
    }
}

/// The little language of these tests: `sleep 3`, `out text`, `err text`, `message text`, `exit 1`,
/// `oom`, `for ever`, `term 2 0` (ends 2 s after SIGTERM with 0), `fail why` (cannot be started).
fn script(start: &ContainerStart) -> Result<Script, String> {
    let mut script = Script::default();
    for word in &start.command {
        let (verb, rest) = word.split_once(' ').unwrap_or((word, ""));
        let number = |text: &str| text.parse::<u64>().unwrap();
        script.steps.push(match verb {
            "sleep" => Step::Sleep(Duration::from_secs(number(rest))),
            "for" => Step::Sleep(Duration::from_secs(1_000_000)),
            "out" => Step::Out(format!("{rest}\n").into()),
            "err" => Step::Err(format!("{rest}\n").into()),
            "part" => Step::Out(rest.to_owned().into()),
            "env" => Step::Out(format!("{:?}\n", start.env).into()),
            "message" => Step::Message(rest.to_owned().into()),
            "exit" => Step::Exit(rest.parse().unwrap()),
            "oom" => Step::Oom,
            "term" => {
                let (after, code) = rest.split_once(' ').unwrap();
                script.on_term = Some((Duration::from_secs(number(after)), code.parse().unwrap()));
                continue;
            }
            "fail" => return Err(rest.to_owned()),
            _ => panic!("{word}"),
        });
    }
    Ok(script)
}

fn container(name: &str, does: &[&str]) -> Value {
    json!({"name": name, "image": "busybox", "command": does})
}

fn one(policy: &str, does: &[&str]) -> Value {
    json!({"restartPolicy": policy, "containers": [container("c", does)]})
}

fn sidecar(name: &str, does: &[&str]) -> Value {
    json!({"name": name, "image": "busybox", "command": does, "restartPolicy": "Always"})
}

async fn told(spec: &Value, seconds: u64) -> String {
    let node = Node::of_args(Settings::default());
    node.create(spec);
    node.tale(seconds).await
}

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "one status, whole")]
async fn a_pod_that_succeeds() {
    let mut node = Node::of_args(Settings::default());
    node.create(&one("Never", &["out hi", "sleep 2", "part bye"]));
    node.pass(5).await;
    assert_snapshot!(node.told, @r"
    Pending
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Running +up +init +ready c=running@0
    Running +up +init(PodCompleted) -ready(PodCompleted) c=Completed(0)@2
    Succeeded -up +init(PodCompleted) -ready(PodCompleted) c=Completed(0)@2
    ");
    assert_snapshot!(node.events(), @r#"
    Normal Created x1: Container created
    Normal Pulled x1: Container image "busybox" is not used: the sandbox runs the command on this machine
    Normal Scheduled x1: Successfully assigned ns/p to sandbox
    Normal Started x1: Container started
    "#);
    let pod = node.pod().unwrap();
    assert_snapshot!(serde_json::to_string_pretty(&pod["status"]).unwrap(), @r#"
    {
      "conditions": [
        {
          "lastProbeTime": null,
          "lastTransitionTime": "2027-01-15T08:00:02Z",
          "observedGeneration": 1,
          "status": "False",
          "type": "PodReadyToStartContainers"
        },
        {
          "lastProbeTime": null,
          "lastTransitionTime": "2027-01-15T08:00:00Z",
          "observedGeneration": 1,
          "reason": "PodCompleted",
          "status": "True",
          "type": "Initialized"
        },
        {
          "lastProbeTime": null,
          "lastTransitionTime": "2027-01-15T08:00:02Z",
          "observedGeneration": 1,
          "reason": "PodCompleted",
          "status": "False",
          "type": "Ready"
        },
        {
          "lastProbeTime": null,
          "lastTransitionTime": "2027-01-15T08:00:02Z",
          "observedGeneration": 1,
          "reason": "PodCompleted",
          "status": "False",
          "type": "ContainersReady"
        },
        {
          "lastProbeTime": null,
          "lastTransitionTime": "2027-01-15T08:00:00Z",
          "observedGeneration": 1,
          "status": "True",
          "type": "PodScheduled"
        }
      ],
      "containerStatuses": [
        {
          "containerID": "sandbox://2be8102113b245bfacba6e272f42b2ef003d458d6005462382a335d4df46f16c",
          "image": "docker.io/library/busybox:latest",
          "imageID": "",
          "lastState": {},
          "name": "c",
          "ready": false,
          "resources": {},
          "restartCount": 0,
          "started": false,
          "state": {
            "terminated": {
              "containerID": "sandbox://2be8102113b245bfacba6e272f42b2ef003d458d6005462382a335d4df46f16c",
              "exitCode": 0,
              "finishedAt": "2027-01-15T08:00:02Z",
              "reason": "Completed",
              "startedAt": "2027-01-15T08:00:00Z"
            }
          }
        }
      ],
      "hostIP": "127.0.0.1",
      "hostIPs": [
        {
          "ip": "127.0.0.1"
        }
      ],
      "observedGeneration": 1,
      "phase": "Succeeded",
      "podIP": "127.0.0.1",
      "podIPs": [
        {
          "ip": "127.0.0.1"
        }
      ],
      "qosClass": "BestEffort",
      "startTime": "2027-01-15T08:00:00Z"
    }
    "#);
    assert_eq!(node.log(LogOptions::default()).await.unwrap(), "hi\nbye");
}

#[tokio::test(start_paused = true)]
async fn failures_show_their_reason() {
    for (does, expected) in [
        (vec!["exit 3"], "Error(3)"),
        (vec!["oom"], "OOMKilled(137)"),
        (vec!["sleep 1", "exit 143"], "Error(143)"),
    ] {
        let told = told(&one("Never", &does), 5).await;
        let last = told.lines().last().unwrap();
        assert!(
            last.starts_with("Failed -up +init -ready(PodFailed)") && last.contains(expected),
            "{last}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn restarts_back_off() {
    let node = Node::of_args(Settings::default());
    node.create(&one("OnFailure", &["exit 4"]));
    assert_snapshot!(node.tale(100).await, @r"
    Pending
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Running +up +init +ready c=running@0
    Running +up +init -ready(ContainersNotReady) c=Error(4)@0
    Running +up +init +ready c=running@0#1<Error(4)@0
    Running +up +init -ready(ContainersNotReady) c=Error(4)@0#1<Error(4)@0
    Running +up +init -ready(ContainersNotReady) c=CrashLoopBackOff#1<Error(4)@0
    Running +up +init +ready c=running@10#2<Error(4)@0
    Running +up +init -ready(ContainersNotReady) c=Error(4)@10#2<Error(4)@0
    Running +up +init -ready(ContainersNotReady) c=CrashLoopBackOff#2<Error(4)@10
    Running +up +init +ready c=running@30#3<Error(4)@10
    Running +up +init -ready(ContainersNotReady) c=Error(4)@30#3<Error(4)@10
    Running +up +init -ready(ContainersNotReady) c=CrashLoopBackOff#3<Error(4)@30
    Running +up +init +ready c=running@70#4<Error(4)@30
    Running +up +init -ready(ContainersNotReady) c=Error(4)@70#4<Error(4)@30
    Running +up +init -ready(ContainersNotReady) c=CrashLoopBackOff#4<Error(4)@70
    ");
}

#[tokio::test(start_paused = true)]
async fn the_back_off_is_at_most_five_minutes_and_ends_after_ten_of_running() {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&starts);
    let began = tokio::time::Instant::now();
    let node = Node::new(Settings::default(), move |start| {
        seen.lock().unwrap().push(began.elapsed().as_secs());
        let time = if start.attempt == 9 { 700 } else { 0 };
        Ok(Script {
            steps: vec![Step::Sleep(Duration::from_secs(time)), Step::Exit(1)],
            on_term: None,
        })
    });
    node.create(&one("Always", &["-"]));
    sleep(Duration::from_secs(3000)).await;
    let starts = starts.lock().unwrap();
    let gaps: Vec<u64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(
        gaps,
        [
            0, 10, 20, 40, 80, 160, 300, 300, 300, 700, 10, 20, 40, 80, 160, 300, 300
        ]
    );
    node.task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_started() {
    let fail = |policy| one(policy, &["fail no such file"]);
    assert_snapshot!(told(&fail("Never"), 5).await, @r"
    Pending
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(PodFailed) c=StartError(128)@0
    Failed -up +init -ready(PodFailed) c=StartError(128)@0
    ");
    assert_snapshot!(told(&fail("OnFailure"), 15).await, @r"
    Pending
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Running +up +init -ready(ContainersNotReady) c=RunContainerError#0<StartError(128)@0
    Running +up +init -ready(ContainersNotReady) c=RunContainerError#1<StartError(128)@0
    Running +up +init -ready(ContainersNotReady) c=CrashLoopBackOff#1<StartError(128)@0
    Running +up +init -ready(ContainersNotReady) c=RunContainerError#2<StartError(128)@10
    Running +up +init -ready(ContainersNotReady) c=CrashLoopBackOff#2<StartError(128)@10
    ");
}

#[tokio::test(start_paused = true)]
async fn images_that_are_not_there_and_names_that_are_none() {
    let mut node = Node::of_args(Settings {
        missing_images: vec!["docker.io/library/nope:1".to_owned()],
        ..Settings::default()
    });
    let mut spec = one("Never", &["exit 0"]);
    spec["containers"][0]["image"] = json!("nope:1");
    node.create(&spec);
    node.pass(40).await;
    assert_snapshot!(node.told, @r"
    Pending
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ErrImagePull
    Pending +up +init -ready(ContainersNotReady) c=ImagePullBackOff
    Pending +up +init -ready(ContainersNotReady) c=ErrImagePull
    Pending +up +init -ready(ContainersNotReady) c=ImagePullBackOff
    Pending +up +init -ready(ContainersNotReady) c=ErrImagePull
    Pending +up +init -ready(ContainersNotReady) c=ImagePullBackOff
    ");
    assert_snapshot!(node.events(), @r#"
    Normal BackOff x6: Back-off pulling image "nope:1"
    Normal Pulling x3: Pulling image "nope:1"
    Normal Scheduled x1: Successfully assigned ns/p to sandbox
    Warning Failed x3: Error: ErrImagePull
    Warning Failed x3: Failed to pull image "nope:1": failed to pull and unpack image "docker.io/library/nope:1": failed to resolve reference "docker.io/library/nope:1": docker.io/library/nope:1: not found
    Warning Failed x6: Error: ImagePullBackOff
    "#);
    assert_snapshot!(node.log(LogOptions::default()).await.unwrap_err(), @r#"
    container "c" in pod "p" is waiting to start: trying and failing to pull image
    "#);

    let mut node = Node::of_args(Settings::default());
    spec["containers"][0]["image"] = json!("Nope");
    node.create(&spec);
    node.pass(3).await;
    let status = &node.pod().unwrap()["status"]["containerStatuses"][0];
    assert_snapshot!(status["state"], @r#"
    {"waiting":{"message":"Failed to apply default image tag \"Nope\": couldn't parse image name \"Nope\": invalid reference format: repository name (library/Nope) must be lowercase","reason":"InvalidImageName"}}
    "#);
    assert_snapshot!(node.log(LogOptions::default()).await.unwrap_err(), @r#"
    container "c" in pod "p" is waiting to start: InvalidImageName
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_config_map_that_comes_later_heals() {
    let mut node = Node::of_args(Settings::default());
    let mut spec = one("Never", &["env"]);
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "cm"}}]);
    node.create(&spec);
    node.pass(15).await;
    let map = Key::new(Resource::ConfigMaps, "ns", "cm");
    let object = json!({"metadata": {"name": "cm"}, "data": {"A": "1"}});
    node.world.insert(map, object, false).unwrap();
    node.pass(10).await;
    assert_snapshot!(node.told, @r"
    Pending
    Pending -up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=ContainerCreating
    Pending +up +init -ready(ContainersNotReady) c=CreateContainerConfigError
    Running +up +init +ready c=running@20
    Running +up +init(PodCompleted) -ready(PodCompleted) c=Completed(0)@20
    Succeeded -up +init(PodCompleted) -ready(PodCompleted) c=Completed(0)@20
    ");
    assert_snapshot!(node.log(LogOptions::default()).await.unwrap(), @r#"
    [("A", "1"), ("HOSTNAME", "p")]
    "#);
    assert!(
        node.events()
            .contains("Warning Failed x3: Error: configmap \"cm\" not found"),
        "{}",
        node.events()
    );
}

#[tokio::test(start_paused = true)]
async fn init_containers_run_first() {
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [container("i", &["sleep 1"]), container("j", &["sleep 1"])],
        "containers": [container("c", &["sleep 1"])],
    });
    assert_snapshot!(told(&spec, 10).await, @r"
    Pending
    Pending -up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=PodInitializing j=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=PodInitializing j=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=running@0 j=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=Completed(0)@1 j=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=Completed(0)@1 j=running@1 c=PodInitializing
    Pending +up +init -ready(ContainersNotReady) i=Completed(0)@1 j=Completed(0)@2 c=PodInitializing
    Running +up +init +ready i=Completed(0)@1 j=Completed(0)@2 c=running@2
    Running +up +init(PodCompleted) -ready(PodCompleted) i=Completed(0)@1 j=Completed(0)@2 c=Completed(0)@3
    Succeeded -up +init(PodCompleted) -ready(PodCompleted) i=Completed(0)@1 j=Completed(0)@2 c=Completed(0)@3
    ");
}

#[tokio::test(start_paused = true)]
async fn an_init_container_that_fails() {
    let spec = |policy| {
        json!({
            "restartPolicy": policy,
            "initContainers": [container("i", &["exit 2"])], "containers": [container("c", &["sleep 1"])],
        })
    };
    assert_snapshot!(told(&spec("Never"), 10).await, @r"
    Pending
    Pending -up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=running@0 c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(PodFailed) i=Error(2)@0 c=PodInitializing
    Failed -up -init(ContainersNotInitialized) -ready(PodFailed) i=Error(2)@0 c=PodInitializing
    ");
    assert_snapshot!(told(&spec("OnFailure"), 11).await, @r"
    Pending
    Pending -up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=PodInitializing c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=running@0 c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=Error(2)@0 c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=running@0#1<Error(2)@0 c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=Error(2)@0#1<Error(2)@0 c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=CrashLoopBackOff#1<Error(2)@0 c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=running@10#2<Error(2)@0 c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=Error(2)@10#2<Error(2)@0 c=PodInitializing
    Pending +up -init(ContainersNotInitialized) -ready(ContainersNotReady) i=CrashLoopBackOff#2<Error(2)@10 c=PodInitializing
    ");
}

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
    assert_snapshot!(node.log(previous.clone()).await.unwrap_err(), @r#"
    previous terminated container "c" in pod "p" not found
    "#);
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
    assert_snapshot!(node.log(of("a")).await.unwrap_err(), @r#"
    container "a" in pod "p" is waiting to start: PodInitializing
    "#);
    assert_eq!(node.log(of("i")).await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_no_node_suits_stays_pending() {
    let mut node = Node::of_args(Settings::default());
    node.create(&json!({"nodeSelector": {"disk": "ssd"}, "containers": [container("c", &[])]}));
    node.pass(5).await;
    assert_snapshot!(node.pod().unwrap()["status"], @r#"
    {"conditions":[{"lastProbeTime":null,"lastTransitionTime":"2027-01-15T08:00:00Z","message":"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.","observedGeneration":1,"reason":"Unschedulable","status":"False","type":"PodScheduled"}],"phase":"Pending"}
    "#);
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
