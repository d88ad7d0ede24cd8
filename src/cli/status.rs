//! `kjo status`: the result document of a Job as it stands, on stdout.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::time::Instant;

use super::{
    args::ClusterArgs,
    ask::Ask,
    messages::MessageArgs,
    settings::Env,
    target::{Target, Which, WhichArgs},
};
use crate::{
    cluster::Cluster,
    core::{
        event::{self, EventView},
        exit,
        failure::Failure,
        job::JobView,
        machine::look,
        notice::Notice,
        outcome::Verdict,
        pod::PodView,
        seek,
    },
    report::{
        self, Reporter,
        document::{self, Facts, Times},
        result::Clock,
    },
    spec::Refusal,
};

/// `kjo status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Which Job.
    #[command(flatten)]
    pub which: WhichArgs,

    /// The format
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "json")]
    pub output: Format,

    /// The container whose exit code counts, where a pod has several [default: the first that failed]
    #[arg(long, value_name = "NAME")]
    pub main_container: Option<String>,

    /// How long to try while the API server is out of reach
    #[arg(long, value_name = "DURATION", default_value = "30s",
          value_parser = crate::core::duration::parse)]
    pub connect_timeout: Duration,

    /// What kjo says.
    #[command(flatten)]
    pub messages: MessageArgs,

    /// Where the Job is.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Formats of the result document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON, as docs/result.schema.json describes it
    Json,
}

/// Prints the document; the exit code says whether the Job could be read, not how it ended.
pub async fn status(args: StatusArgs, env: Env<'_>, started: Instant) -> u8 {
    let clock = Clock::set(jiff::Timestamp::now());
    let reporter = Reporter::stderr(args.messages.face(env), started);
    let code = attempt(args, env, started, clock, &reporter)
        .await
        .unwrap_or_else(|refusal| {
            reporter.refuse(&refusal);
            exit::REFUSED
        });
    reporter.flush().await;
    code
}

async fn attempt(
    args: StatusArgs,
    env: Env<'_>,
    started: Instant,
    clock: Clock,
    reporter: &Reporter,
) -> Result<u8, Refusal> {
    let which = args.which.which(env)?;
    let target = Target::find(args.cluster, env).await?;
    target.tell(reporter);
    let asking = Asking {
        cluster: &target.cluster,
        which: &which,
        namespace: &target.namespace,
        main: args.main_container.as_deref(),
        ask: Ask::new(args.connect_timeout, started)?,
        reporter,
    };
    let seen = match asking.see().await {
        Ok(seen) => seen,
        Err(verdict) => {
            let code = exit::code(&verdict);
            reporter.say(&Notice::Verdict(verdict));
            return Ok(code);
        }
    };
    let (job, pods, warnings) = seen;
    let document = document::of(&Facts {
        verdict: pods.verdict.as_ref(),
        job: Some(&job),
        namespace: &target.namespace,
        pods: &pods.pods,
        warnings: &warnings,
        traffic: Some(target.cluster.traffic()),
        times: Times {
            started: Some(clock.began()),
            created: None,
            ended: Some(clock.now()),
        },
        ..Facts::default()
    });
    let written = report::json(&document).and_then(|text| report::product(&text));
    written.map_err(|e| {
        Refusal::new(
            format!("stdout cannot be written: {e}"),
            "the status of the Job was read; give it a place to go",
        )
    })?;
    Ok(exit::SUCCESS)
}

/// Questions about one Job.
struct Asking<'a> {
    cluster: &'a Cluster,
    which: &'a Which,
    namespace: &'a str,
    main: Option<&'a str>,
    ask: Ask,
    reporter: &'a Reporter,
}

impl Asking<'_> {
    /// Reads the Job, its pods, and what the cluster says about them.
    async fn see(&self) -> Result<(JobView, look::Look, Vec<EventView>), Verdict> {
        let what = self.which.what();
        let found = self
            .ask
            .until_answered(&what, || self.which.find(self.cluster))
            .await?
            .map_err(|failure| seek::unreadable(&what, self.namespace, &failure))?;
        let job = seek::newest(found).ok_or_else(|| self.which.absent(self.namespace))?;
        let pods = self.pods(&job).await?;
        let look = look::look(&job, pods, self.main);
        let warnings = self.warnings(&look.telling).await;
        Ok((job, look, warnings))
    }

    async fn pods(&self, job: &JobView) -> Result<Vec<PodView>, Verdict> {
        let what = format!("the pods of job/{}", job.name);
        let list = || self.cluster.list_pods(&job.uid);
        match self.ask.until_answered(&what, list).await? {
            Ok((pods, _)) => Ok(pods),
            Err(failure) if failure.is(403) => {
                self.reporter.say(&Notice::PodsDenied(failure));
                Ok(Vec::new())
            }
            Err(failure) => Err(seek::unreadable(&what, self.namespace, &failure)),
        }
    }

    /// The last warnings about these objects; they explain, and decide nothing.
    async fn warnings(&self, uids: &[String]) -> Vec<EventView> {
        let until = self.ask.until();
        let mut events = Vec::new();
        for uid in uids {
            let answer = tokio::time::timeout_at(until, self.cluster.list_events(uid)).await;
            match answer.unwrap_or_else(|_| Err(Failure::Lost("no answer in time".to_owned()))) {
                Ok(more) => events.extend(more),
                Err(failure) => {
                    self.reporter.say(&if failure.is(403) {
                        Notice::EventsDenied(failure)
                    } else {
                        Notice::EventsUnread(failure)
                    });
                    break;
                }
            }
        }
        event::last_warnings(events)
    }
}
