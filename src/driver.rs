//! The only select loop: signals, timers and the cluster's answers go into the machine, its actions
//! go out. No decision is made here, and no log byte passes through.

use std::{collections::HashMap, future::Future};

use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use crate::{
    cluster::{self, Cluster},
    core::{
        access,
        adoption::Found,
        backoff::Jitter,
        failure::Failure,
        job::JobView,
        log::follow::LogState,
        machine::{Action, Ended, Input, LogNews, LogSource, Machine, Plan, StreamId},
        notice::Notice,
        outcome::Signal,
    },
    plane::{self, Ears, Lanes, Output, Read, Reader, Written},
    report::{Reporter, result::ResultFile},
    spec::{identity::RunId, order::Order},
};

/// What a run acts on.
pub struct Shell<'a> {
    /// The cluster.
    pub cluster: Cluster,
    /// What may be created.
    pub order: Option<&'a Order>,
    /// Its run id, or that of the Job that is looked for.
    pub run_id: Option<&'a RunId>,
    /// Every line of a log bears its stamp.
    pub timestamps: bool,
    /// What is listened for in the logs.
    pub ears: Ears,
    /// Where container bytes go.
    pub output: Output,
    /// Where kjo's own lines go.
    pub reporter: &'a Reporter,
    /// Where the result goes.
    pub result: &'a ResultFile,
}

/// Runs by this plan to the end. `started` is the start of the program, from which `now` counts.
pub async fn drive(
    plan: Plan,
    shell: Shell<'_>,
    signals: &mut mpsc::UnboundedReceiver<Signal>,
    started: Instant,
) -> Ended {
    let (inputs, mut arrived) = mpsc::unbounded_channel();
    let mut tasks = Tasks {
        jitter: Jitter::new(plan.seed).fork(),
        name: plan.job.clone(),
        shell,
        inputs,
        set: JoinSet::new(),
        states: HashMap::new(),
        streams: Vec::new(),
        lanes: Lanes::default(),
    };
    let (mut machine, first) = Machine::start(plan, started.elapsed());
    let mut actions = first;
    loop {
        for action in actions {
            if let Some(ended) = tasks.perform(action) {
                return ended;
            }
        }
        let due = machine.due().map(|(at, _)| started + at);
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // In this order, so that a flood of news cannot keep a signal waiting.
        let input = tokio::select! {
            biased;
            Some(signal) = signals.recv() => Input::Signal(signal),
            () = timer => Input::Due,
            Some(input) = arrived.recv() => input,
        };
        if let Input::Log(stream, LogNews::Done { .. }) = &input {
            tasks.states.remove(stream);
        }
        // What is over is let go: a long run makes many requests.
        while tasks.set.try_join_next().is_some() {}
        actions = machine.handle(input, started.elapsed());
    }
}

struct Tasks<'a> {
    shell: Shell<'a>,
    inputs: mpsc::UnboundedSender<Input>,
    jitter: Jitter,
    /// The Job that requests are about.
    name: String,
    /// Dropping the set ends every task.
    set: JoinSet<()>,
    states: HashMap<StreamId, watch::Sender<LogState>>,
    streams: Vec<(StreamId, AbortHandle, Read)>,
    lanes: Lanes,
}

impl Tasks<'_> {
    fn perform(&mut self, action: Action) -> Option<Ended> {
        let cluster = self.shell.cluster.clone();
        let name = self.name.clone();
        match action {
            Action::FindJobs => self.find(cluster),
            Action::AskMayPatch => {
                self.answer(async move { Input::MayPatch(cluster.may(&access::PATCH_JOBS).await) });
            }
            Action::FindPods => {
                let label = self.label();
                self.answer(async move { Input::FoundPods(cluster.find_pods(&label).await) });
            }
            Action::Mark { uid } => {
                self.answer(async move { Input::Marked(cluster.mark_job(&name, &uid).await) });
            }
            Action::Create { generation, suspended } => self.create(cluster, generation, suspended),
            Action::CreateCompanion {
                index,
                generation,
                owner_uid,
            } => self.create_companion(cluster, index, generation, &owner_uid),
            Action::Release { uid } => {
                let patch = self.shell.order.map(|order| order.release(&uid)).unwrap_or_default();
                self.answer(async move { Input::Released(cluster.release_job(&name, &patch).await) });
            }
            Action::ReadJob => self.answer(async move { Input::Read(cluster.read_job(&name).await) }),
            Action::WatchJob { version } => {
                let (jitter, tell) = (self.jitter.fork(), self.teller(Input::Job));
                self.set
                    .spawn(async move { cluster.watch_job(&name, version, jitter, tell).await });
            }
            Action::WatchPods { job_uid, version } => {
                let (jitter, tell) = (self.jitter.fork(), self.teller(Input::Pods));
                self.set
                    .spawn(async move { cluster.watch_pods(&job_uid, version, jitter, tell).await });
            }
            Action::ListPods { job_uid } => {
                self.answer(async move { Input::Listed(cluster.list_pods(&job_uid).await.map(|(pods, _)| pods)) });
            }
            Action::ListEvents { uid } => self.answer(async move { Input::Events(cluster.list_events(&uid).await) }),
            Action::Follow(source) => self.follow(source),
            Action::Life { stream, state } => {
                if let Some(sender) = self.states.get(&stream) {
                    sender.send_replace(state);
                }
            }
            Action::Delete { uid, propagation } => {
                self.answer(async move { Input::Deleted(cluster.delete_job(&name, &uid, propagation).await) });
            }
            Action::Flush => {
                for (stream, task, read) in std::mem::take(&mut self.streams) {
                    if !task.is_finished() {
                        task.abort();
                        self.tell(Input::Log(stream, LogNews::Progress(read.counts())));
                    }
                }
                let output = self.shell.output.clone();
                self.answer(async move {
                    Input::Flushed(match output.flush().await {
                        Written::All | Written::Closed => None,
                        Written::Failed(why) => Some(why),
                    })
                });
            }
            Action::Record { job, adopted } => {
                self.name.clone_from(&job.name);
                if let Err(e) = self.shell.result.created(&job, adopted) {
                    self.result_failed(&e);
                }
            }
            Action::Deliver(ended) => {
                if let Err(e) = self.shell.result.delivered(&ended, self.shell.cluster.traffic()) {
                    self.result_failed(&e);
                }
            }
            Action::Say(notice) => self.shell.reporter.say(&notice),
            Action::Show(progress) => self.shell.reporter.show(progress),
            Action::Finish(ended) => return Some(*ended),
        }
        None
    }

    fn result_failed(&self, error: &std::io::Error) {
        self.shell
            .reporter
            .say(&Notice::result_file(self.shell.result.path(), error));
    }

    /// Runs a request and hands its answer to the machine.
    fn answer(&mut self, request: impl Future<Output = Input> + Send + 'static) {
        let inputs = self.inputs.clone();
        self.set.spawn(async move {
            // The machine may be over by now; then nobody wants the answer.
            drop(inputs.send(request.await));
        });
    }

    fn tell(&self, input: Input) {
        // After the end nobody listens.
        drop(self.inputs.send(input));
    }

    fn teller<T: 'static>(&self, wrap: fn(T) -> Input) -> impl Fn(T) + Send + 'static {
        let inputs = self.inputs.clone();
        // As above: after the end nobody listens.
        move |news| drop(inputs.send(wrap(news)))
    }

    fn label(&self) -> String {
        self.shell.run_id.map(RunId::label).unwrap_or_default()
    }

    fn find(&mut self, cluster: Cluster) {
        let label = self.label();
        let run_id = self.shell.run_id.map(|id| id.as_str().to_owned()).unwrap_or_default();
        let order = self.shell.order.cloned();
        self.answer(async move {
            let compared = |live: &Value, view: JobView| match &order {
                Some(order) => order.compare(live, view),
                None => Found {
                    job: view,
                    difference: None,
                },
            };
            Input::Found(cluster.find_jobs(&label, &run_id).await.and_then(|jobs| {
                let views = jobs.iter().map(|live| Ok(compared(live, cluster::job_view(live)?)));
                views.collect()
            }))
        });
    }

    fn create(&mut self, cluster: Cluster, generation: u32, suspended: bool) {
        let Some(order) = self.shell.order else { return };
        self.name = order.names().of(generation);
        let job = order.job(generation, suspended);
        let inputs = self.inputs.clone();
        self.set.spawn(async move {
            let answer = match job {
                Ok(job) => cluster.create_job(&job).await.map(|created| {
                    for warning in created.warnings {
                        drop(inputs.send(Input::Warning(warning)));
                    }
                    created.job
                }),
                Err(refusal) => Err(Failure::Setup(refusal.message)),
            };
            drop(inputs.send(Input::Created(answer)));
        });
    }

    fn create_companion(&mut self, cluster: Cluster, index: usize, generation: u32, uid: &str) {
        let Some(order) = self.shell.order else { return };
        let companion = order.companion(index, generation, uid);
        let (uid, job) = (uid.to_owned(), self.name.clone());
        self.answer(async move {
            match companion {
                Ok((path, companion)) => Input::Companion {
                    index,
                    object: format!("{}/{}", companion.kind, companion.name),
                    made: cluster.create_companion(&path, &companion, &job, &uid).await,
                },
                Err(refusal) => Input::Companion {
                    index,
                    object: String::new(),
                    made: Err(Failure::Setup(refusal.message)),
                },
            }
        });
    }

    fn follow(&mut self, source: LogSource) {
        let (sender, state) = watch::channel(source.state);
        let (stream, counts) = (source.stream, Read::default());
        self.states.insert(stream, sender);
        let inputs = self.inputs.clone();
        let prefix = source
            .prefixed
            .then(|| format!("[{} {}] ", source.pod, source.container).into_bytes());
        let ear = self.shell.ears.listen(&source);
        let reader = Reader {
            ear,
            cluster: self.shell.cluster.clone(),
            source,
            state,
            timestamps: self.shell.timestamps,
            lanes: self.lanes.clone(),
            counts: counts.clone(),
            pen: self.shell.output.pen(),
            prefix,
            jitter: self.jitter.fork(),
            tell: move |news| drop(inputs.send(Input::Log(stream, news))),
        };
        self.streams.retain(|(_, task, _)| !task.is_finished());
        let task = self.set.spawn(plane::read(reader));
        self.streams.push((stream, task, counts));
    }
}
