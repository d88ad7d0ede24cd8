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
    assert_eq!(node.log(LogOptions::default()).await.unwrap(), "hi\nbye");
}

#[tokio::test(start_paused = true)]
async fn the_whole_status_of_a_pod_that_succeeded() {
    let mut node = Node::of_args(Settings::default());
    node.create(&one("Never", &["sleep 2"]));
    node.pass(5).await;
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
          "containerID": "sandbox://cb2c3b9b17534e33a5d9172919ec08e2be8102113b254bf68ba6e272f42b2ef0",
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
              "containerID": "sandbox://cb2c3b9b17534e33a5d9172919ec08e2be8102113b254bf68ba6e272f42b2ef0",
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
    Normal BackOff x3: Back-off pulling image "nope:1"
    Normal Pulling x3: Pulling image "nope:1"
    Normal Scheduled x1: Successfully assigned ns/p to sandbox
    Warning Failed x3: Error: ErrImagePull
    Warning Failed x3: Error: ImagePullBackOff
    Warning Failed x3: Failed to pull image "nope:1": failed to pull and unpack image "docker.io/library/nope:1": failed to resolve reference "docker.io/library/nope:1": docker.io/library/nope:1: not found
    "#);
    assert_snapshot!(node.log(LogOptions::default()).await.unwrap_err(), @r#"container "c" in pod "p" is waiting to start: trying and failing to pull image"#);

    let mut node = Node::of_args(Settings::default());
    spec["containers"][0]["image"] = json!("Nope");
    node.create(&spec);
    node.pass(3).await;
    let status = &node.pod().unwrap()["status"]["containerStatuses"][0];
    assert_snapshot!(status["state"], @r#"{"waiting":{"message":"Failed to apply default image tag \"Nope\": couldn't parse image name \"Nope\": invalid reference format: repository name (library/Nope) must be lowercase","reason":"InvalidImageName"}}"#);
    assert_snapshot!(node.log(LogOptions::default()).await.unwrap_err(), @r#"container "c" in pod "p" is waiting to start: InvalidImageName"#);
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
    assert_snapshot!(node.log(LogOptions::default()).await.unwrap(), @r#"[("A", "1"), ("HOSTNAME", "p")]"#);
    assert!(
        node.events()
            .contains("Warning Failed x2: Error: configmap \"cm\" not found"),
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

#[path = "worker_end_tests.rs"]
mod ends;
