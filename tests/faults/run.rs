//! One run of the program: a Job, what its containers do, what goes wrong on the way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use kjo::{
    cluster::Cluster,
    core::{
        adoption::{Adopt, AdoptFailed},
        backoff::Jitter,
        exit,
        log::{
            choice::{Choice, Declared, Prefix},
            follow::Start,
        },
        machine::{DeletePolicy, Deleted, Identity, LogPlan, OnInterrupt, Plan, Task},
    },
    driver::{self, Shell},
    plane::{Output, Piece, Written},
    report::{
        Reporter,
        result::{Clock, ResultFile},
    },
    sandbox::{
        Sandbox, Settings,
        delete::{DeleteOptions, Propagation},
        faults::Seeded,
        kubelet::{
            runtime::ContainerStart,
            script::{Script, Scripted, Step},
        },
        meta,
        resource::Resource,
    },
    spec::{
        bundle::Bundle,
        identity::RunId,
        order::Order,
        prepare::{Overlay, Ttl, prepare},
    },
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};

/// No run takes as long as this, in virtual time.
const HANGS_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Monday, 2026-11-02.
const BEGAN: i64 = 1_793_577_600;

/// What is run, and what goes wrong.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) parallelism: u32,
    pub(crate) completions: u32,
    pub(crate) backoff_limit: u32,
    /// Attempts that fail, before one succeeds.
    pub(crate) fails: u32,
    pub(crate) code: i32,
    pub(crate) lines: u32,
    pub(crate) pace: Duration,
    /// Of 100 requests.
    pub(crate) rate: u32,
    pub(crate) within: Duration,
    /// No container ends before the faults do.
    pub(crate) hold: bool,
    /// What happens in the cluster, and when.
    pub(crate) events: Vec<(Duration, Event)>,
    /// The node's clock minus the server's, in seconds.
    pub(crate) skew: i64,
    /// Logs that are followed at once.
    pub(crate) streams: usize,
    pub(crate) form: Form,
}

/// What the Job's pods are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One container.
    Plain,
    /// One container, which is started again in its pod.
    Restarts,
    /// Two containers side by side.
    Several,
    /// An init container before the main one.
    Init,
    /// A native sidecar beside the main one.
    Sidecar,
}

/// What others do to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A running pod is deleted.
    KillPod,
    /// The Job is deleted.
    DeleteJob,
    /// The logs of all running containers are rotated.
    Rotate,
    /// The server forgets its history.
    Compact,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) hung: bool,
    pub(crate) code: u8,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    /// What each container wrote, by pod and container, in the order in which they started.
    pub(crate) written: Vec<(String, String)>,
    /// What was sent.
    pub(crate) requests: u64,
    /// How long the run took.
    pub(crate) took: Duration,
    pub(crate) jobs_made: usize,
    pub(crate) job_succeeded: bool,
    pub(crate) left: Vec<String>,
    /// The events that found something to happen to.
    pub(crate) disturbed: Vec<Event>,
}

impl Scenario {
    fn drawn(seed: u64) -> Self {
        let mut random = Jitter::new(seed);
        let parallelism = 1 + random.below(4).saturating_sub(1);
        let fails = if parallelism == 1 { random.below(3) } else { 0 };
        let form = match Jitter::new(seed ^ 0xf0_12).below(9) {
            0 | 1 if parallelism == 1 => Form::Restarts,
            2 if parallelism == 1 => Form::Several,
            3 if parallelism == 1 => Form::Init,
            4 => Form::Sidecar,
            5 => Form::Several,
            _ => Form::Plain,
        };
        // Of a container whose restarts are over the Job's limit the pod is deleted, and its log with it.
        let (backoff_limit, fails) = match form {
            Form::Restarts => (6, 1 + random.below(2)),
            Form::Plain | Form::Several | Form::Init | Form::Sidecar => (random.below(3), fails),
        };
        Self {
            seed,
            parallelism,
            completions: parallelism + random.below(3) * u32::from(parallelism > 1),
            backoff_limit,
            fails,
            code: i32::try_from(1 + random.below(255)).expect("a byte"),
            lines: [0, 1, 7, 60, 400].get(random.below(5) as usize).copied().unwrap_or(7),
            pace: Duration::from_millis([0, 1, 300, 7000].get(random.below(4) as usize).copied().unwrap_or(0)),
            rate: random.below(45),
            within: Duration::from_secs(u64::from(random.below(600))),
            hold: random.below(2) == 0,
            events: Vec::new(),
            skew: 0,
            streams: if random.below(4) == 0 { 1 } else { 200 },
            form,
        }
    }

    /// Faults that end while there is still time to make good for them.
    pub(crate) fn passing(seed: u64) -> Self {
        Self::drawn(seed)
    }

    /// Faults that never end.
    pub(crate) fn lasting(seed: u64) -> Self {
        let drawn = Self::drawn(seed);
        Self {
            rate: 20 + drawn.rate,
            within: HANGS_AFTER * 2,
            hold: false,
            ..drawn
        }
    }

    /// Things that happen in the cluster, on top of faults that pass.
    pub(crate) fn disturbed(seed: u64) -> Self {
        let drawn = Self::drawn(seed);
        let mut random = Jitter::new(seed ^ 0xd157);
        let events = (0..random.below(5)).map(|_| {
            let event = match random.below(8) {
                0 => Event::DeleteJob,
                1 | 2 => Event::KillPod,
                3 | 4 => Event::Compact,
                _ => Event::Rotate,
            };
            (Duration::from_millis(random.below(90_000).into()), event)
        });
        let mut events: Vec<_> = events.collect();
        events.sort_by_key(|(at, _)| *at);
        Self {
            backoff_limit: 6,
            fails: if drawn.form == Form::Restarts { drawn.fails } else { 0 },
            pace: Duration::from_millis(500),
            rate: drawn.rate / 3,
            within: Duration::from_secs(60),
            events,
            skew: i64::from(random.below(7)) * 40 - 120,
            ..drawn
        }
    }

    /// One pod that runs for hours, and writes a line now and then; nothing goes wrong.
    pub(crate) fn long(seed: u64, lines: u32, pace: Duration) -> Self {
        Self {
            parallelism: 1,
            completions: 1,
            fails: 0,
            lines,
            pace,
            rate: 0,
            hold: false,
            streams: 200,
            form: Form::Plain,
            ..Self::drawn(seed)
        }
    }

    /// The code that kjo has to exit with.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.fails <= self.backoff_limit {
            0
        } else {
            u8::try_from(self.code).expect("a byte")
        }
    }

    /// Lines say whose they are.
    pub(crate) fn prefixed(&self) -> bool {
        self.parallelism > 1 || !matches!(self.form, Form::Plain | Form::Restarts)
    }

    fn job(&self) -> Value {
        let container = |name: &str| json!({"name": name, "image": "scripted", "command": ["run"]});
        let mut pod = json!({
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [container("main")],
        });
        match self.form {
            Form::Plain => {}
            Form::Restarts => pod["restartPolicy"] = json!("OnFailure"),
            Form::Several => pod["containers"] = json!([container("main"), container("second")]),
            Form::Init => pod["initContainers"] = json!([container("first")]),
            Form::Sidecar => {
                pod["initContainers"] = json!([container("side")]);
                pod["initContainers"][0]["restartPolicy"] = json!("Always");
            }
        }
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "test"},
            "spec": {
                "backoffLimit": self.backoff_limit, "parallelism": self.parallelism, "completions": self.completions,
                "template": {"spec": pod},
            },
        })
    }

    /// What a container does that is not the main one: a few lines at once, and a sidecar stays.
    fn beside(&self, container: &str, pod: &str) -> (Script, String) {
        let text: String = (0..self.lines.min(40))
            .map(|n| format!("{container} {pod} {n}\n"))
            .collect();
        let mut steps = vec![Step::Out(text.clone().into())];
        if container == "side" {
            steps.push(Step::Sleep(HANGS_AFTER * 3));
        }
        let script = Script {
            steps,
            on_term: Some((Duration::from_millis(100), 0)),
        };
        (script, text)
    }

    /// What the container of this attempt does.
    fn script(&self, attempt: u32, pod: &str) -> (Script, String) {
        let mut random = Jitter::new(self.seed ^ u64::from(attempt) << 32);
        // No process writes its first line in the nanosecond of its predecessor's last, as it could here.
        let (mut steps, mut text) = (vec![Step::Sleep(Duration::from_millis(1))], String::new());
        for n in 0..self.lines {
            // Many lines are the same, as in real logs.
            let line = match random.below(4) {
                0 => "tick\n".to_owned(),
                1 => format!("{pod} {n}\n"),
                2 => format!("{n} {}\n", "x".repeat(random.below(300) as usize)),
                _ => "\n".to_owned(),
            };
            text.push_str(&line);
            steps.push(Step::Out(line.into_bytes().into()));
            if !self.pace.is_zero() {
                steps.push(Step::Sleep(self.pace * random.below(3)));
            }
        }
        if random.below(3) == 0 && self.fails == 0 {
            text.push_str("no newline");
            steps.push(Step::Out("no newline".into()));
        }
        if self.hold {
            steps.push(Step::Sleep(self.within + Duration::from_secs(60)));
        }
        let code = if attempt < self.fails { self.code } else { 0 };
        steps.push(Step::Exit(code));
        let script = Script {
            steps,
            ..Script::default()
        };
        (script, text)
    }
}

/// Runs it.
pub(crate) fn run(scenario: &Scenario) -> Came {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match tokio::time::timeout(HANGS_AFTER, ran(scenario)).await {
            Ok(came) => came,
            Err(_) => Came {
                hung: true,
                ..Came::default()
            },
        }
    })
}

async fn ran(scenario: &Scenario) -> Came {
    let written: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let runtime = {
        let (written, scenario) = (Arc::clone(&written), scenario.clone());
        Scripted::new(move |start: &ContainerStart| {
            let mut written = written.lock().expect("no panic");
            let attempts = written.iter().filter(|(log, _)| log.ends_with(" main"));
            let attempt = u32::try_from(attempts.count()).expect("few");
            let (script, text) = if start.container == "main" {
                scenario.script(attempt, &start.pod)
            } else {
                scenario.beside(&start.container, &start.pod)
            };
            written.push((format!("{} {}", start.pod, start.container), text));
            script
        })
    };
    let began = jiff::Timestamp::from_second(BEGAN).expect("a time");
    let mut settings = Settings::new(began, scenario.seed);
    settings.kubelet.skew = jiff::SignedDuration::from_secs(scenario.skew);
    let sandbox = Arc::new(Sandbox::start(settings, Arc::new(runtime)));
    let mut changes = sandbox.world().subscribe();
    let faults = Seeded::new(scenario.seed, scenario.rate, scenario.within);
    let client = Sandbox::client_of(sandbox.api().with_faults(Arc::new(faults)), "default");

    let disturbing = tokio::spawn(disturb(Arc::clone(&sandbox), scenario.events.clone()));
    let (began, cluster) = (Instant::now(), Cluster::new(client, "default"));
    let (code, stdout, stderr) = drive(scenario, cluster.clone()).await;
    let took = began.elapsed();
    // What is being deleted gets the time that its pods have.
    tokio::time::sleep(Duration::from_secs(120)).await;
    let disturbed = disturbing.await.expect("no panic");

    let mut came = Came {
        code,
        stdout,
        stderr,
        disturbed,
        took,
        requests: cluster.traffic().requests,
        written: written.lock().expect("no panic").clone(),
        ..Came::default()
    };
    while let Ok(change) = changes.try_recv() {
        if change.key.resource == Resource::Jobs {
            came.jobs_made += usize::from(change.before.is_none());
            let conditions = change.object["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            came.job_succeeded |= conditions
                .iter()
                .any(|c| c["type"] == "Complete" && c["status"] == "True");
        }
    }
    for resource in [Resource::Jobs, Resource::Pods] {
        let (objects, _) = sandbox.world().list(resource, None);
        came.left.extend(
            objects
                .iter()
                .map(|object| format!("{resource:?} {}", object["metadata"]["name"])),
        );
    }
    came
}

/// Lets things happen, and tells which of them did.
async fn disturb(sandbox: Arc<Sandbox>, events: Vec<(Duration, Event)>) -> Vec<Event> {
    let began = Instant::now();
    let mut happened = Vec::new();
    for (at, event) in events {
        tokio::time::sleep_until(began + at).await;
        let world = sandbox.world();
        let running = |object: &Value| {
            object["status"]["phase"] == "Running" && object["metadata"]["deletionTimestamp"].is_null()
        };
        let (pods, _) = world.list(Resource::Pods, None);
        let mut pods = pods.iter().filter(|pod| running(pod));
        let hit = match event {
            Event::KillPod => pods.next().is_some_and(|pod| {
                world
                    .delete(&meta::key(Resource::Pods, pod), &DeleteOptions::default())
                    .is_ok()
            }),
            Event::DeleteJob => world.list(Resource::Jobs, None).0.first().is_some_and(|job| {
                let unfinished = job["status"]["conditions"].as_array().is_none_or(Vec::is_empty);
                let options = DeleteOptions {
                    propagation: Some(Propagation::Background),
                    ..DeleteOptions::default()
                };
                unfinished && world.delete(&meta::key(Resource::Jobs, job), &options).is_ok()
            }),
            Event::Rotate => {
                pods.clone()
                    .for_each(|pod| sandbox.kubelet().rotate(meta::text(pod, "uid"), "main"));
                pods.next().is_some()
            }
            Event::Compact => {
                world.compact();
                true
            }
        };
        happened.extend(hit.then_some(event));
    }
    happened
}

async fn drive(scenario: &Scenario, cluster: Cluster) -> (u8, Vec<u8>, String) {
    let run_id = RunId::given("faults").expect("an id");
    let overlay = Overlay {
        name: None,
        exact_name: false,
        namespace: None,
        context_namespace: "default",
        ttl: Ttl::Default,
        deadline: None,
        pull_policy: None,
        run_id: &run_id,
    };
    let prepared = prepare(scenario.job(), &overlay).expect("a Job");
    let plan = Plan {
        job: prepared.name.clone(),
        namespace: prepared.namespace.clone(),
        identity: Identity {
            run_id: run_id.as_str().to_owned(),
            names: prepared.names.clone(),
            first: 1,
            look: scenario.seed.is_multiple_of(2),
            adopt: Adopt::Exact,
            adopt_failed: AdoptFailed::Report,
            replace: false,
        },
        task: Task::Run,
        companions: Vec::new(),
        logs: LogPlan {
            choice: Choice::default(),
            declared: Some(Declared::of(&prepared.job)),
            prefix: Prefix::Auto,
            streams: scenario.streams,
            start: Start::Beginning,
        },
        fail_on_log_gap: false,
        delete: DeletePolicy::Always,
        deleted: Deleted::Accepted,
        on_interrupt: OnInterrupt::Delete,
        on_orphaned: OnInterrupt::Delete,
        timeout: None,
        connect_timeout: Duration::from_secs(3600),
        // What passes changes nothing, however long it takes.
        schedule_timeout: Duration::from_secs(7200),
        startup_timeout: Duration::from_secs(7200),
        fail_fast: true,
        main_container: None,
        main_decides: false,
        outage_budget: Duration::from_secs(3600),
        seed: scenario.seed,
    };
    let (output, mut pieces) = Output::new();
    let stdout = tokio::spawn(async move {
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Bytes(piece) => bytes.extend_from_slice(&piece),
                Piece::Flush(done) => drop(done.send(Written::All)),
            }
        }
        bytes
    });
    let (reporter, mut gathered) = Reporter::gathered();
    let began = jiff::Timestamp::from_second(BEGAN).expect("a time");
    let mut result = ResultFile::begin(None, Clock::set(began)).expect("no file");
    result.about(&plan.namespace, Some(run_id.as_str()));
    let bundle = Bundle::alone("faults", prepared.job);
    let (order, _) = Order::new(bundle, prepared.names, run_id.clone(), "default", Vec::new()).expect("an order");
    let (_signals, mut signals) = mpsc::unbounded_channel();
    let shell = Shell {
        ears: kjo::plane::Ears::default(),
        cluster: cluster.clone(),
        order: Some(&order),
        run_id: Some(order.run_id()),
        timestamps: false,
        output,
        reporter: &reporter,
        result: &result,
    };
    let ended = driver::drive(plan, shell, &mut signals, Instant::now()).await;
    crate::schema::expect_valid(&result.of_ended(&ended, cluster.traffic()));
    (
        exit::code(&ended.verdict),
        stdout.await.expect("no panic"),
        gathered.take(),
    )
}

/// Lines by the pod and container of their prefix.
pub(crate) fn by_log(stdout: &str) -> Result<BTreeMap<String, String>, String> {
    let mut logs: BTreeMap<String, String> = BTreeMap::new();
    for line in stdout.lines() {
        let (log, rest) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("] "))
            .ok_or_else(|| format!("no prefix before {line:?}"))?;
        let log = logs.entry(log.to_owned()).or_default();
        *log += rest;
        *log += "\n";
    }
    Ok(logs)
}
