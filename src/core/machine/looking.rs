//! Before anything is created: is there a Job of this run id already? One whose outcome nobody has been
//! given is adopted; pods of an older generation that are still ending are waited for.

use std::time::Duration;

use super::{
    Action, Cleanup, Input, Machine, Plan, Stage, Task,
    creating::Creating,
    following::out_of_time,
    io::{OnInterrupt, Origin},
    pods::Pods,
};
use crate::core::{
    adoption::{AdoptFailed, Decision, Difference, Found, decide, still_ending},
    backoff::Jitter,
    failure::Failure,
    job::{ConditionKind, JobView},
    log::follow::Start,
    notice::{AdoptionNotice, Notice},
    outcome::{Outcome, Signal, Verdict},
    pod::{self, PodView},
    seek::{self, Seek},
};

/// Beyond their grace, for the cluster to tell that pods have ended.
const ENDED_WITHIN: Duration = Duration::from_secs(30);
/// How often pods that are ending are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Looking {
    seek: Seek,
    until: Duration,
    step: Step,
    found: Vec<Found>,
    /// The name that a create request found taken.
    taken: Option<String>,
    told: bool,
}

/// What was asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Which Jobs bear the run id.
    Jobs,
    /// Whether finished ones can have been marked.
    Marks,
    /// Which pods of older generations are ending, before this one begins.
    Pods {
        generation: u32,
        /// When it was asked first to be waited for.
        limit: Option<Duration>,
        /// When to look again.
        next: Option<Duration>,
        /// Those that are waited for.
        ending: Vec<String>,
    },
}

impl Looking {
    pub(super) fn new(plan: &Plan, taken: Option<String>, now: Duration, jitter: Jitter) -> Self {
        let until = plan.connect_by(now);
        Self {
            seek: Seek::new(until, jitter),
            until,
            step: Step::Jobs,
            found: Vec::new(),
            taken,
            told: false,
        }
    }

    pub(super) fn due(&self, plan: &Plan) -> (Duration, &'static str) {
        match &self.step {
            Step::Jobs | Step::Marks => (self.seek.due(), "look for Jobs"),
            Step::Pods { limit, next, .. } => {
                let times = [*next, *limit, plan.timeout, limit.is_none().then_some(self.until)];
                let at = times.into_iter().flatten().min();
                (at.unwrap_or(self.until), "pods of an older generation")
            }
        }
    }
}

pub(super) fn say(notice: AdoptionNotice) -> Action {
    Action::Say(Notice::Adoption(notice))
}

impl Machine {
    /// Looks for Jobs of the run id; `taken` is a name that turned out to be taken.
    pub(super) fn look(&mut self, taken: Option<String>, now: Duration) -> Vec<Action> {
        let looking = Looking::new(&self.plan, taken, now, self.jitter.fork());
        self.stage = Stage::Looking(Box::new(looking));
        vec![Action::FindJobs]
    }

    pub(super) fn looking(&mut self, input: Input, now: Duration) -> Vec<Action> {
        match input {
            Input::Found(Ok(found)) => self.found(found, None, now),
            Input::Found(Err(failure)) if failure.is(403) => {
                let mut actions = vec![say(AdoptionNotice::LookDenied(failure))];
                actions.extend(self.start_generation(self.plan.identity.first, now));
                actions
            }
            Input::Found(Err(failure)) | Input::MayPatch(Err(failure)) if failure.may_heal() => {
                self.look_later(failure, now)
            }
            Input::Found(Err(failure)) => self.not_looked(&failure),
            Input::MayPatch(answer) => {
                let found = match &mut self.stage {
                    Stage::Looking(looking) => std::mem::take(&mut looking.found),
                    Stage::Creating(_)
                    | Stage::Equipping(_)
                    | Stage::Attaching(_)
                    | Stage::Following(_)
                    | Stage::Ending(_)
                    | Stage::Over => {
                        return Vec::new();
                    }
                };
                // Who may not even ask is better told an old outcome than run twice.
                let may = answer.unwrap_or(true);
                self.may_patch = Some(may);
                self.found(found, Some(may), now)
            }
            Input::FoundPods(answer) => self.found_pods(answer, now),
            Input::Due => self.looking_due(now),
            // Nothing else was asked for yet.
            Input::Warning(_)
            | Input::Created(_)
            | Input::Read(_)
            | Input::Marked(_)
            | Input::Companion { .. }
            | Input::Released(_)
            | Input::Job(_)
            | Input::Pods(_)
            | Input::Listed(_)
            | Input::Log(..)
            | Input::Deleted(_)
            | Input::Events(_)
            | Input::Flushed(_)
            | Input::Signal(_) => Vec::new(),
        }
    }

    fn found(&mut self, found: Vec<Found>, may_mark: Option<bool>, now: Duration) -> Vec<Action> {
        let decision = decide(&found, self.plan.identity.adopt, may_mark.or(self.may_patch));
        if let Some((signal, _)) = self.stopped {
            return self.found_too_late(decision, signal, now);
        }
        let Stage::Looking(looking) = &mut self.stage else {
            return Vec::new();
        };
        match decision {
            Decision::AskMayPatch => {
                looking.step = Step::Marks;
                looking.found = found;
                vec![Action::AskMayPatch]
            }
            Decision::Adopt {
                job,
                difference,
                others,
            } => self.adopt(*job, difference, others, now),
            Decision::Differs { job, difference } => self.differs(&job, &difference),
            Decision::Start { generation, unmarkable } => {
                let run_id = self.plan.identity.run_id.clone();
                let told = (!unmarkable.is_empty()).then_some(AdoptionNotice::Unmarkable {
                    jobs: unmarkable,
                    run_id,
                });
                let mut actions: Vec<Action> = told.map(say).into_iter().collect();
                // Also where there is no Job: whoever deleted it may have left its pods to end.
                looking.step = Step::Pods {
                    generation: generation.max(self.plan.identity.first),
                    limit: None,
                    next: None,
                    ending: Vec::new(),
                };
                looking.found = found;
                actions.push(Action::FindPods);
                actions
            }
        }
    }

    /// A signal came before it was known whether there is a Job: what runs of this run is stopped too.
    fn found_too_late(&mut self, decision: Decision, signal: Signal, now: Duration) -> Vec<Action> {
        match decision {
            Decision::Adopt { job, .. } if job.terminal().is_none() => self.adopt(*job, None, Vec::new(), now),
            Decision::Adopt { .. } | Decision::Start { .. } | Decision::AskMayPatch | Decision::Differs { .. } => {
                let verdict = self.stopped_by(signal);
                self.finish(verdict, Cleanup::Nothing)
            }
        }
    }

    fn adopt(
        &mut self,
        job: JobView,
        difference: Option<Difference>,
        others: Vec<String>,
        now: Duration,
    ) -> Vec<Action> {
        let failed = job.terminal().is_some_and(|end| end.kind == ConditionKind::Failed);
        self.origin = if failed && self.plan.identity.adopt_failed == AdoptFailed::Rerun {
            Origin::Rerun
        } else {
            Origin::Adopted
        };
        if self.origin == Origin::Rerun && self.plan.task == Task::Detach {
            // Nobody waits to be told.
            self.origin = Origin::Made;
            return self.start_generation(job.generation.saturating_add(1), now);
        }
        self.plan.job.clone_from(&job.name);
        let notice = Notice::Adoption(AdoptionNotice::Adopted {
            job: job.name.clone(),
            finished: job.terminal().is_some(),
            difference: difference.map(|d| d.field),
            others,
        });
        self.take_up(job, notice, now)
    }

    fn differs(&mut self, job: &JobView, difference: &Difference) -> Vec<Action> {
        let (name, namespace) = (&job.name, &self.plan.namespace);
        let verdict = Verdict::new(
            Outcome::Refused,
            "AdoptionRefused",
            format!(
                "job/{name} bears run id {} and is not what would be sent: {} differs",
                self.plan.identity.run_id, difference.field
            ),
        );
        let loose = if difference.loose && job.terminal().is_none() {
            ", adopt it all the same with --adopt loose"
        } else {
            ""
        };
        let hint = format!(
            "give this run another --run-id{loose}, start beside it with --adopt never, or delete it with \
             'kjo delete {name} -n {namespace}'"
        );
        self.finish(verdict.with_hint(Some(hint)), Cleanup::Nothing)
    }

    /// Pods of older generations that are still ending come first.
    fn found_pods(&mut self, answer: Result<(Vec<PodView>, String), Failure>, now: Duration) -> Vec<Action> {
        let stopped = self.stopped;
        let Stage::Looking(looking) = &mut self.stage else {
            return Vec::new();
        };
        let Step::Pods {
            generation,
            limit,
            next,
            ending: waited_for,
        } = &mut looking.step
        else {
            return Vec::new();
        };
        let generation = *generation;
        let (pods, version) = match answer {
            Ok((pods, version)) => (pods, Some(version)),
            Err(failure) if failure.may_heal() => {
                *next = Some(now + LOOK_EVERY);
                return Vec::new();
            }
            // What may not be seen is not waited for.
            Err(_) => (Vec::new(), None),
        };
        let ending: Vec<&PodView> = still_ending(&pods, &looking.found).collect();
        if let Some((signal, _)) = stopped {
            let verdict = self.stopped_by(signal);
            return self.finish(verdict, Cleanup::Nothing);
        }
        if ending.is_empty() {
            self.pods_from = version;
            return self.start_generation(generation, now);
        }
        *next = Some(now + LOOK_EVERY);
        if limit.is_some() {
            return Vec::new();
        }
        let left = pod::longest_grace(ending.iter().copied()) + ENDED_WITHIN;
        *limit = Some(now + left);
        let pods: Vec<String> = ending.iter().map(|pod| pod.name.clone()).collect();
        waited_for.clone_from(&pods);
        vec![say(AdoptionNotice::StillEnding { pods, left })]
    }

    fn looking_due(&mut self, now: Duration) -> Vec<Action> {
        if self.stopped.is_some_and(|(_, by)| now >= by) {
            return self.leave();
        }
        let over = self.plan.timeout.filter(|limit| now >= *limit);
        let Stage::Looking(looking) = &mut self.stage else {
            return Vec::new();
        };
        if let Step::Pods {
            generation,
            limit,
            next,
            ending,
        } = &mut looking.step
        {
            if let Some(timeout) = over {
                let verdict = out_of_time(&self.plan.job, timeout);
                return self.finish(verdict, Cleanup::Nothing);
            }
            if now >= limit.unwrap_or(looking.until) {
                let (generation, pods) = (*generation, std::mem::take(ending));
                let mut actions = vec![say(AdoptionNotice::NotWaiting { pods })];
                actions.extend(self.start_generation(generation, now));
                return actions;
            }
            if next.is_some_and(|at| now >= at) {
                *next = None;
                return vec![Action::FindPods];
            }
            return Vec::new();
        }
        if looking.seek.again(now) {
            return vec![match looking.step {
                Step::Marks => Action::AskMayPatch,
                Step::Jobs | Step::Pods { .. } => Action::FindJobs,
            }];
        }
        let verdict = match over {
            Some(timeout) => out_of_time(&self.plan.job, timeout),
            None => looking
                .seek
                .over(&seek::of_run(&self.plan.identity.run_id))
                .nothing_made(),
        };
        self.finish(verdict, Cleanup::Nothing)
    }

    fn look_later(&mut self, failure: Failure, now: Duration) -> Vec<Action> {
        let Stage::Looking(looking) = &mut self.stage else {
            return Vec::new();
        };
        looking.seek.failed(failure.clone(), now);
        if std::mem::replace(&mut looking.told, true) {
            return Vec::new();
        }
        vec![Action::Say(Notice::CreateDelayed {
            failure,
            left: looking.until.saturating_sub(now),
        })]
    }

    fn not_looked(&mut self, failure: &Failure) -> Vec<Action> {
        let what = seek::of_run(&self.plan.identity.run_id);
        let verdict = Verdict::new(
            Outcome::Refused,
            failure.status().map_or("Setup", |s| s.reason.as_str()),
            format!("{what} could not be looked for: {failure}"),
        )
        .with_hint(failure.hint(&self.plan.namespace));
        self.finish(verdict, Cleanup::Nothing)
    }

    /// Nothing was made by this run. Whether a Job of its run id exists is asked once more, for that one
    /// has to go too, unless signals leave Jobs alone.
    pub(super) fn stop_looking(&mut self, signal: Signal) -> Vec<Action> {
        let asking = match &mut self.stage {
            Stage::Looking(looking) => looking.step == Step::Jobs,
            Stage::Creating(_)
            | Stage::Equipping(_)
            | Stage::Attaching(_)
            | Stage::Following(_)
            | Stage::Ending(_)
            | Stage::Over => false,
        };
        if self.on(signal) == OnInterrupt::Detach || !asking {
            let verdict = self.stopped_by(signal);
            return self.finish(verdict, Cleanup::Nothing);
        }
        vec![Action::Say(Notice::Stopping(signal)), Action::FindJobs]
    }

    /// The time is over before it was known whether there is a Job.
    pub(super) fn give_up_looking(&mut self) -> Vec<Action> {
        let Some((signal, _)) = self.stopped else {
            return Vec::new();
        };
        let selector = self.plan.identity.run_id.clone();
        let hint = format!(
            "whether a Job of run id {selector} runs could not be told: look with 'kubectl get jobs -n {}' and \
             delete it with 'kjo delete --run-id' if it is there",
            self.plan.namespace
        );
        let verdict = self.stopped_by(signal).with_hint(Some(hint));
        self.finish(verdict, Cleanup::Nothing)
    }

    /// Creates the Job of this generation, unless its name has just turned out to be somebody else's.
    fn start_generation(&mut self, generation: u32, now: Duration) -> Vec<Action> {
        let name = self.plan.identity.names.of(generation);
        let taken = match &self.stage {
            Stage::Looking(looking) => looking.taken.as_ref() == Some(&name),
            Stage::Creating(_)
            | Stage::Equipping(_)
            | Stage::Attaching(_)
            | Stage::Following(_)
            | Stage::Ending(_)
            | Stage::Over => false,
        };
        self.plan.job = name;
        // What is adopted may be shown from now on only; what is made is shown from its beginning.
        self.plan.logs.start = Start::Beginning;
        self.pods = Pods::new(self.plan.logs.clone());
        let creating = Creating::new(&self.plan, generation, now, self.jitter.fork());
        let creating = creating.conflicting(taken).suspended(&self.plan, self.may_patch);
        let first = creating.first(&self.plan, self.may_patch);
        self.stage = Stage::Creating(creating);
        vec![if taken { Action::ReadJob } else { first }]
    }

    /// The Job exists: it is followed from now on, or left to itself if that is the task.
    pub(super) fn take_up(&mut self, job: JobView, notice: Notice, now: Duration) -> Vec<Action> {
        let mut actions = vec![
            Action::Record {
                job: Box::new(job.clone()),
                adopted: self.origin.adopted(),
            },
            Action::Say(notice),
        ];
        self.job = Some(job.clone());
        // One that is left is left whole.
        let leaves = self
            .stopped
            .is_none_or(|(signal, _)| self.on(signal) == OnInterrupt::Detach);
        if self.lacks_companions(&job) && leaves {
            actions.extend(self.equip(job, now));
            return actions;
        }
        actions.extend(self.begin_following(job, now));
        actions
    }

    /// The Job has all that it needs: it is followed, or left to itself if that is the task.
    pub(super) fn begin_following(&mut self, job: JobView, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.plan.task == Task::Detach && self.stopped.is_none() {
            let verdict = |message: String| Verdict::new(Outcome::Detached(None), "Detached", message);
            let verdict = match job.terminal() {
                // Nobody is given its outcome by this.
                Some(end) => verdict(format!(
                    "job/{} had ended before ({}); 'kjo run' without --detach tells how",
                    job.name,
                    end.kind.name()
                )),
                None => verdict(format!("job/{} runs on by itself", job.name)).on_unfinished_job(),
            };
            actions.extend(self.finish(verdict, Cleanup::Kept));
            return actions;
        }
        let watches = [
            Action::WatchJob {
                version: job.resource_version.clone(),
            },
            Action::WatchPods {
                job_uid: job.uid.clone(),
                version: self.pods_from.take().filter(|_| !self.origin.adopted()),
            },
        ];
        actions.extend(self.pods.logs.of_job(&job));
        self.follow_from(now);
        if let Some((signal, _)) = self.stopped {
            // The delete goes first; watching tells when the pods have ended.
            let verdict = self.stopped_by(signal);
            actions.extend(self.conclude(verdict, now));
            actions.extend(watches);
        } else {
            actions.extend(watches);
            // It may have finished by now, and a watch tells only what is new.
            actions.extend(self.job_is(job, now));
        }
        actions
    }
}
