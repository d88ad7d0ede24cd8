//! The Job exists: watch it until a verdict can be given.

use std::time::Duration;

use super::{Action, Input, LogNews, Machine, Plan, Seen, Stage, StreamId, starting::Starting};
use crate::core::{
    backoff::Backoff,
    duration,
    failure::Failure,
    job::JobView,
    log::follow::Complete,
    notice::{LogNotice, Notice},
    outcome::{Outcome, Verdict},
    pod::PodView,
    watch::DEAD_AFTER,
};

/// What is waited for beyond the pods' grace when a Job has announced its end.
const STUCK_AFTER: Duration = Duration::from_secs(30);
const TELL_ANNOUNCED_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Following {
    /// Whether anything runs.
    pub(super) starting: Starting,
    /// Watches that are out of order now.
    lost: Lost,
    /// It was told that the pods may not be watched.
    pods_denied: bool,
    outage: Option<Duration>,
    /// Until when an announced end is waited for.
    announced: Option<Announced>,
    /// When the main container, which has ended, will have been alone with its proxies for long enough.
    pub(super) main_alone: Option<Duration>,
    /// The watch has told that the Job was deleted.
    seen_to_go: bool,
    /// Somebody has asked for the Job's deletion: until when its pods are waited for.
    deleting: Option<Duration>,
    /// The Job seems gone: it is read to be sure, again at this time.
    missing: Option<Missing>,
}

/// The Job has said how it will end.
#[derive(Debug)]
struct Announced {
    until: Duration,
    /// When to tell, if it is still waiting then; most are done in a second.
    tell: Option<(Duration, Notice)>,
}

#[derive(Debug, Default)]
struct Lost {
    job: bool,
    pods: bool,
}

#[derive(Debug)]
struct Missing {
    backoff: Backoff,
    next: Option<Duration>,
    since: Duration,
    told: bool,
}

impl Following {
    /// The API server does not answer now.
    pub(super) fn out_of_reach(&self) -> bool {
        self.outage.is_some()
    }

    pub(super) fn new(now: Duration) -> Self {
        Self {
            starting: Starting::new(now),
            lost: Lost::default(),
            pods_denied: false,
            outage: None,
            announced: None,
            main_alone: None,
            seen_to_go: false,
            deleting: None,
            missing: None,
        }
    }

    /// The pods may not be seen.
    pub(super) fn blind(&self) -> bool {
        self.pods_denied
    }

    /// The pods cannot be watched at present.
    pub(super) fn pods_lost(&self) -> bool {
        self.lost.pods
    }

    /// The Job, or its pods, cannot be seen at present.
    pub(super) fn out_of_sight(&self) -> bool {
        self.outage.is_some()
    }

    pub(super) fn due(&self, plan: &Plan) -> Option<(Duration, &'static str)> {
        let read = self
            .missing
            .as_ref()
            .and_then(|m| m.next)
            .map(|at| (at, "read the Job"));
        let unseen = self.outage.or(self.missing.as_ref().map(|m| m.since));
        let outage = unseen.map(|since| (since + plan.outage_budget, "outage budget"));
        let deleting = self
            .deleting
            .filter(|_| self.outage.is_none())
            .map(|at| (at, "deleted by somebody"));
        let announced = self
            .announced
            .as_ref()
            // What is announced is not concluded from what nobody can see.
            .filter(|_| self.outage.is_none())
            .map(|a| (a.tell.as_ref().map_or(a.until, |(at, _)| *at), "announced end"));
        let main = self.main_alone.map(|at| (at, "the main container is alone"));
        let starting = self.starting.due(plan);
        [read, outage, announced, main, starting, deleting]
            .into_iter()
            .flatten()
            .min()
    }
}

fn watch_denied(resource: &'static str, failure: Failure) -> Vec<Action> {
    vec![Action::Say(Notice::WatchDenied { resource, failure })]
}

/// The verdict when `--timeout` has passed.
pub(super) fn out_of_time(job: &str, limit: Duration) -> Verdict {
    Verdict::new(
        Outcome::Deadline,
        "Timeout",
        format!("job/{job} was not done within --timeout {}", duration::show(limit)),
    )
    .on_unfinished_job()
}

impl Machine {
    pub(super) fn following(&mut self, input: Input, now: Duration) -> Vec<Action> {
        let mut actions = self.follow_on(input, now);
        actions.extend(self.consider(now));
        actions.extend(self.consider_main(now));
        actions
    }

    fn follow_on(&mut self, input: Input, now: Duration) -> Vec<Action> {
        match input {
            Input::Job(seen) => self.job_seen(seen, now),
            Input::Pods(seen) => self.pods_seen(seen, now),
            Input::Log(stream, news) => self.log_news(stream, news),
            Input::Read(answer) => self.job_read(answer, now),
            Input::Events(answer) => self.events_seen(answer),
            Input::Due => self.following_due(now),
            // Late answers to requests of other stages.
            Input::Warning(_)
            | Input::Created(_)
            | Input::Found(_)
            | Input::MayPatch(_)
            | Input::FoundPods(_)
            | Input::Marked(_)
            | Input::Companion { .. }
            | Input::Released(_)
            | Input::Listed(_)
            | Input::Deleted(_)
            | Input::Flushed(_)
            | Input::Signal(_) => Vec::new(),
        }
    }

    fn job_seen(&mut self, seen: Seen<JobView>, now: Duration) -> Vec<Action> {
        if let (Seen::Gone(job), Stage::Following(following)) = (&seen, &mut self.stage)
            && self.job.as_ref().is_some_and(|ours| ours.uid == job.uid)
        {
            following.seen_to_go = true;
        }
        match seen {
            Seen::One(job) if self.is_ours(&job) => self.job_is(job, now),
            // It was deleted with its end on it: by its TTL, or by somebody who had waited for it.
            Seen::Gone(job) if self.is_ours(&job) && job.terminal().is_some() => self.job_is(job, now),
            // The name was given to another Job: ours is gone.
            Seen::One(_) | Seen::Gone(_) => self.job_missing(now),
            Seen::All(jobs) => match jobs.into_iter().find(|j| self.is_ours(j)) {
                Some(job) => self.job_is(job, now),
                None => self.job_missing(now),
            },
            Seen::Lost(failure) => self.lost(|lost| &mut lost.job, failure, now),
            Seen::Back => self.back(|lost| &mut lost.job, now),
            Seen::Polled(failure) => watch_denied("jobs", failure),
        }
    }

    /// A Job of our name is ours only with our UID.
    pub(super) fn is_ours(&self, job: &JobView) -> bool {
        self.job.as_ref().is_some_and(|ours| ours.uid == job.uid)
    }

    pub(super) fn job_is(&mut self, job: JobView, now: Duration) -> Vec<Action> {
        let announced = job.announced().cloned();
        let (finished, deleting) = (job.terminal().is_some(), job.deleting);
        self.job = Some(job);
        if finished {
            return self.conclude_finished(now);
        }
        let grace = Duration::from_secs(self.pods.longest_grace());
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        match announced {
            Some(condition) if following.announced.is_none() => {
                let notice = Notice::Announced {
                    reason: condition.reason,
                    message: condition.message,
                };
                following.announced = Some(Announced {
                    until: now + grace + STUCK_AFTER,
                    tell: Some((now + TELL_ANNOUNCED_AFTER, notice)),
                });
            }
            Some(_) | None => {}
        }
        if deleting && following.deleting.is_none() {
            following.deleting = Some(now + grace + STUCK_AFTER);
            let job = self.plan.job.clone();
            return vec![Action::Say(Notice::BeingDeleted { job })];
        }
        Vec::new()
    }

    /// Deleted is believed only from a fresh read.
    fn job_missing(&mut self, now: Duration) -> Vec<Action> {
        let jitter = self.jitter.fork();
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        if following.missing.is_some() {
            return Vec::new();
        }
        following.missing = Some(Missing {
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5), jitter),
            next: None,
            since: now,
            told: false,
        });
        vec![Action::ReadJob]
    }

    fn job_read(&mut self, answer: Result<Option<JobView>, Failure>, now: Duration) -> Vec<Action> {
        match answer {
            Ok(Some(job)) if self.is_ours(&job) => {
                let missing = match &mut self.stage {
                    Stage::Following(following) => following.missing.take(),
                    Stage::Looking(_)
                    | Stage::Creating(_)
                    | Stage::Equipping(_)
                    | Stage::Attaching(_)
                    | Stage::Ending(_)
                    | Stage::Over => None,
                };
                let told = missing
                    .filter(|missing| missing.told)
                    .map(|missing| Notice::ConnectionBack {
                        after: now.saturating_sub(missing.since),
                    });
                let mut actions: Vec<Action> = told.map(Action::Say).into_iter().collect();
                actions.extend(self.job_is(job, now));
                actions
            }
            Ok(_) => {
                let verdict = self.vanished(now);
                self.conclude(verdict, now)
            }
            // With its namespace the permission to read it went.
            Err(failure) if failure.is(403) && self.seen_to_go() => {
                let verdict = self.vanished(now);
                self.conclude(verdict, now)
            }
            Err(failure) => {
                let budget = self.plan.outage_budget;
                let Stage::Following(following) = &mut self.stage else {
                    return Vec::new();
                };
                let untold = following.outage.is_none();
                let Some(missing) = &mut following.missing else {
                    return Vec::new();
                };
                missing.next = Some(now + missing.backoff.next(failure.retry_after()));
                if std::mem::replace(&mut missing.told, true) || !untold {
                    return Vec::new();
                }
                vec![Action::Say(Notice::ConnectionLost { failure, budget })]
            }
        }
    }

    /// The Job does not exist any more. After an outage that was longer than its TTL it may have finished
    /// meanwhile, and nothing tells how.
    fn vanished(&self, now: Duration) -> Verdict {
        let job = &self.plan.job;
        let outage = match &self.stage {
            Stage::Following(following) => following.outage.map(|since| now.saturating_sub(since)),
            Stage::Looking(_)
            | Stage::Creating(_)
            | Stage::Equipping(_)
            | Stage::Attaching(_)
            | Stage::Ending(_)
            | Stage::Over => None,
        };
        let ttl = self.job.as_ref().and_then(|job| job.ttl_seconds);
        let ttl = ttl
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs);
        let out_of_sight = outage.map(|outage| outage + DEAD_AFTER);
        match (out_of_sight, ttl) {
            (Some(outage), Some(ttl)) if outage >= ttl && !self.seen_to_go() => Verdict::new(
                Outcome::Unknown,
                "GoneAfterOutage",
                format!(
                    "job/{job} is gone, and it cannot be told how it ended: the API server was out of reach for \
                     longer than the Job's ttlSecondsAfterFinished of {}",
                    duration::show(ttl)
                ),
            )
            .with_hint(Some("a longer --ttl keeps finished Jobs for longer".to_owned())),
            _ => Verdict::new(
                Outcome::Deleted,
                "Deleted",
                format!("job/{job} was deleted by somebody before it had finished"),
            ),
        }
    }

    /// Its deletion was seen, and no end on it.
    fn seen_to_go(&self) -> bool {
        matches!(&self.stage, Stage::Following(following) if following.seen_to_go)
    }

    pub(super) fn pods_seen(&mut self, seen: Seen<PodView>, now: Duration) -> Vec<Action> {
        if let (Stage::Following(following), Seen::All(_) | Seen::One(_) | Seen::Gone(_)) = (&mut self.stage, &seen) {
            following.pods_denied = false;
        }
        match seen {
            Seen::One(pod) => self.pod_is(pod),
            Seen::Gone(pod) => {
                let uid = pod.uid.clone();
                let mut actions = self.pod_is(pod);
                actions.extend(self.pods.gone(&uid));
                actions
            }
            Seen::All(pods) => {
                let mut actions = self.pods.listed(&pods);
                self.pods.logs.listing(true);
                for pod in pods {
                    actions.extend(self.pod_is(pod));
                }
                self.pods.logs.listing(false);
                actions
            }
            // Without sight of the pods the Job's conditions still tell the outcome.
            Seen::Lost(failure) if failure.is(403) => self.pods_denied(failure),
            Seen::Lost(failure) => self.lost(|lost| &mut lost.pods, failure, now),
            Seen::Back => self.back(|lost| &mut lost.pods, now),
            Seen::Polled(failure) => watch_denied("pods", failure),
        }
    }

    /// Told once; the watch goes on trying, for a Role may be mended.
    fn pods_denied(&mut self, failure: Failure) -> Vec<Action> {
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        if std::mem::replace(&mut following.pods_denied, true) {
            return Vec::new();
        }
        vec![Action::Say(Notice::PodsDenied(failure))]
    }

    fn pod_is(&mut self, pod: PodView) -> Vec<Action> {
        let uid = self.job.as_ref().map_or("", |job| job.uid.as_str());
        self.pods.saw(pod, uid)
    }

    pub(super) fn log_news(&mut self, stream: StreamId, news: LogNews) -> Vec<Action> {
        let logs = &mut self.pods.logs;
        let (pod, container) = logs.whose(stream);
        let notice = match news {
            LogNews::Progress(counts) => {
                logs.counted(stream, counts);
                if !logs.works(stream) {
                    return Vec::new();
                }
                Notice::Log(LogNotice::ReadAgain { pod, container })
            }
            // The watches tell of an outage; at the end of a run `quiet` does.
            LogNews::OutOfReach(failure) => {
                let answered = failure.status().is_some();
                if !(logs.fails(stream) && answered) {
                    return Vec::new();
                }
                Notice::Log(LogNotice::Unreadable {
                    pod,
                    container,
                    failure,
                })
            }
            LogNews::Blocked(blocked) => {
                logs.set_blocked(stream, blocked);
                return Vec::new();
            }
            LogNews::Gap(gap) => {
                logs.gap(stream);
                Notice::Log(LogNotice::Gap { pod, container, gap })
            }
            LogNews::Marker(why) => Notice::Log(LogNotice::Marker { pod, container, why }),
            // Each try may bring the same words.
            LogNews::Kubelet(text) if !logs.hears(stream, &text) => return Vec::new(),
            LogNews::Kubelet(text) => Notice::Log(LogNotice::Kubelet { pod, container, text }),
            LogNews::Denied(_) if !logs.denied() => return Vec::new(),
            LogNews::Denied(failure) => Notice::Log(LogNotice::Denied {
                pod,
                container,
                failure,
            }),
            LogNews::Done { complete, counts } => {
                logs.counted(stream, counts);
                let mut actions = logs.done(stream, complete);
                let notice = match complete {
                    // A denied log was told when it was denied.
                    Complete::Yes | Complete::Denied => None,
                    Complete::Torn => Some(Notice::Log(LogNotice::Torn { pod, container })),
                    Complete::Unproven => Some(Notice::Log(LogNotice::Unproven { pod, container })),
                    Complete::LateStart => Some(Notice::Log(LogNotice::LateStart { pod, container })),
                };
                actions.extend(notice.map(Action::Say));
                return actions;
            }
        };
        vec![Action::Say(notice)]
    }

    fn lost(&mut self, which: fn(&mut Lost) -> &mut bool, failure: Failure, now: Duration) -> Vec<Action> {
        let budget = self.plan.outage_budget;
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        *which(&mut following.lost) = true;
        if following.outage.is_some() {
            return Vec::new();
        }
        following.outage = Some(now);
        vec![Action::Say(Notice::ConnectionLost { failure, budget })]
    }

    fn back(&mut self, which: fn(&mut Lost) -> &mut bool, now: Duration) -> Vec<Action> {
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        *which(&mut following.lost) = false;
        if following.lost.job || following.lost.pods {
            return Vec::new();
        }
        let since = following.outage.take();
        // What has happened meanwhile takes a moment to be seen.
        let gone_by = since.map(|since| now.saturating_sub(since)).unwrap_or_default();
        if let Some(announced) = &mut following.announced {
            announced.until += gone_by;
        }
        following.deleting = following.deleting.map(|at| at + gone_by);
        since
            .map(|since| {
                Action::Say(Notice::ConnectionBack {
                    after: now.saturating_sub(since),
                })
            })
            .into_iter()
            .collect()
    }

    fn following_due(&mut self, now: Duration) -> Vec<Action> {
        let job = self.plan.job.clone();
        if let Some(limit) = self.plan.timeout.filter(|limit| now >= *limit) {
            let mut verdict = out_of_time(&job, limit);
            if let Stage::Following(following) = &self.stage
                && let Some(trouble) = following.starting.unstarted()
            {
                let trouble_of_it = trouble.of(&format!("job/{job}"));
                verdict.message = format!("{}: nothing of it ran: {trouble_of_it}", verdict.message);
                verdict.hint.clone_from(&trouble.hint);
            }
            return self.conclude(verdict, now);
        }
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        let unseen = following.outage.or(following.missing.as_ref().map(|m| m.since));
        if unseen.is_some_and(|since| now >= since + self.plan.outage_budget) {
            let verdict = Verdict::new(
                Outcome::Unknown,
                "OutageBudget",
                format!(
                    "the API server was out of reach for {}; job/{job} was left as it is",
                    duration::show(self.plan.outage_budget)
                ),
            )
            .with_hint(Some(format!(
                "see how it ended with 'kubectl get job {job} -n {}'",
                self.plan.namespace
            )))
            .on_unfinished_job();
            return self.conclude(verdict, now);
        }
        let in_sight = following.outage.is_none();
        if in_sight && following.deleting.is_some_and(|at| now >= at) {
            let verdict = Verdict::new(
                Outcome::Deleted,
                "Deleted",
                format!("job/{job} is being deleted by somebody, and its pods or a finalizer keep it from going"),
            )
            .on_unfinished_job();
            return self.conclude(verdict, now);
        }
        if let Some(announced) = following.announced.as_mut().filter(|_| in_sight) {
            if now >= announced.until {
                return self.conclude_announced(now);
            }
            if let Some((_, notice)) = announced.tell.take_if(|(at, _)| now >= *at) {
                return vec![Action::Say(notice)];
            }
        }
        if let Some(missing) = following
            .missing
            .as_mut()
            .filter(|m| m.next.is_some_and(|at| now >= at))
        {
            missing.next = None;
            return vec![Action::ReadJob];
        }
        Vec::new()
    }
}
