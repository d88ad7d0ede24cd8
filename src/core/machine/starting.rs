//! Whether anything runs, and if nothing does, why: told once within a quarter of a minute, and the end of
//! the run where waiting cannot heal it or has been long enough.
//!
//! Pods tell some of it by their status. Where they do not, Events are asked for, seldom: a run that starts
//! in the ordinary way costs no request.

use std::{collections::BTreeMap, time::Duration};

use super::{Action, Machine, Plan, Stage, Task};
use crate::core::{
    clock::Clock,
    diagnosis::{self, Category, Cure, Diagnosis},
    duration,
    event::EventView,
    failure::Failure,
    notice::Notice,
    outcome::{Outcome, Verdict},
    pod::PodView,
};

/// What pods say of themselves changes back and forth in their first moments.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Two tries of the kubelet more: it pulls again after 10 s, then after 20 s (pkg/kubelet, `imageBackOff`).
const RETRY_FOR: Duration = Duration::from_secs(15);
/// What somebody has to make may be made by a pipeline that is a little slower.
const GRACE_FOR_SOMEBODY: Duration = Duration::from_secs(120);
/// Events are asked for this long after nothing has run, and then each third minute.
const LOOK_AT: [Duration; 4] = [
    Duration::from_secs(8),
    Duration::from_secs(20),
    Duration::from_secs(60),
    Duration::from_secs(120),
];
const LOOK_EVERY: Duration = Duration::from_secs(180);
/// Warnings that are kept for the result.
const WARNINGS: usize = 10;

/// How the Job gets to run.
#[derive(Debug)]
pub(super) struct Starting {
    /// Until a node is found.
    scheduling: Clock,
    /// From then until a container runs.
    running_up: Clock,
    /// A main container has run.
    ran: bool,
    /// Nothing has run since then; `None` while something does.
    still: Option<Duration>,
    /// What is the matter, and since when.
    trouble: Option<(Diagnosis, Duration)>,
    /// What was told last.
    told: Option<Diagnosis>,
    looks: u32,
    look: Look,
    /// Of the objects that were looked at.
    events: Vec<EventView>,
    events_denied: bool,
    /// Nobody could see it until now.
    hidden: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// There is nothing to look for.
    No,
    At(Duration),
    /// The answer is waited for.
    Asked,
}

impl Starting {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            scheduling: Clock::default(),
            running_up: Clock::default(),
            ran: false,
            still: Some(now),
            trouble: None,
            told: None,
            looks: 0,
            look: Look::No,
            events: Vec::new(),
            events_denied: false,
            hidden: false,
        }
    }

    pub(super) fn due(&self, plan: &Plan) -> Option<(Duration, &'static str)> {
        let look = match self.look {
            Look::At(at) => Some((at, "look at the Events")),
            Look::No | Look::Asked => None,
        };
        let tell = self.tell_at().map(|at| (at, "tell why nothing runs"));
        let fail = self.fail_at(plan).map(|at| (at, "what does not heal"));
        let limits = self
            .limits(plan)
            .map(|(clock, limit, flag)| clock.due(limit).map(|at| (at, flag)));
        let limits = limits.into_iter().flatten();
        [look, tell, fail].into_iter().flatten().chain(limits).min()
    }

    fn limits(&self, plan: &Plan) -> [(Clock, Duration, &'static str); 2] {
        [
            (self.scheduling, plan.schedule_timeout, "--schedule-timeout"),
            (self.running_up, plan.startup_timeout, "--startup-timeout"),
        ]
    }

    /// When the trouble is told, if it has not been.
    fn tell_at(&self) -> Option<Duration> {
        let (diagnosis, since) = self.trouble.as_ref()?;
        if self.told.as_ref().is_some_and(|told| told.is_as(diagnosis)) {
            return None;
        }
        // What is concluded from silence is told once Events were asked for.
        (!diagnosis.category.is_silence() || self.looks > 0).then_some(*since + SETTLED_AFTER)
    }

    /// Why nothing of it has run yet.
    pub(super) fn unstarted(&self) -> Option<&Diagnosis> {
        let (diagnosis, _) = self.trouble.as_ref()?;
        (!self.ran).then_some(diagnosis)
    }

    /// When the run fails of its trouble.
    fn fail_at(&self, plan: &Plan) -> Option<Duration> {
        if self.ran || !plan.fail_fast || plan.task == Task::Attach {
            return None;
        }
        let (diagnosis, since) = self.trouble.as_ref()?;
        match diagnosis.cure {
            Cure::Patience | Cure::Time => None,
            Cure::Somebody => Some(*since + GRACE_FOR_SOMEBODY),
            Cure::Retry => Some(*since + RETRY_FOR),
            Cure::Never => Some(*since),
        }
    }

    fn still(&mut self, runs: bool, now: Duration) {
        if std::mem::take(&mut self.hidden) {
            self.still = None;
        }
        if runs {
            self.still = None;
            self.looks = 0;
            self.look = Look::No;
        } else if self.still.is_none() {
            self.still = Some(now);
        }
    }

    /// The API server is out of reach: clocks stand still, and silence means nothing.
    fn out_of_sight(&mut self, now: Duration) {
        self.scheduling.run(false, now);
        self.running_up.run(false, now);
        self.hidden = true;
        self.trouble = None;
        if self.look != Look::Asked {
            self.look = Look::No;
        }
    }

    fn troubled(&mut self, found: Option<Diagnosis>, now: Duration) {
        // Older kubelets say in their back-off that they wait, and not for what.
        let known = self.trouble.as_ref().map(|(known, _)| known.clone());
        let found = match (found, known) {
            (Some(found), Some(known)) if found.is_bare_backoff() && known.category.is_image() => Some(known),
            (found, _) => found,
        };
        let since = match (&self.trouble, &found) {
            (Some((known, since)), Some(found)) if known.is_as(found) => *since,
            _ => now,
        };
        if found.is_none() {
            // What comes again later is told again.
            self.told = None;
        }
        self.trouble = found.map(|found| (found, since));
    }

    /// When Events are to be asked for next: while nothing runs and no pod says why.
    fn plan_look(&mut self, wanted: bool) {
        let Some(still) = self.still.filter(|_| wanted) else {
            if self.look != Look::Asked {
                self.look = Look::No;
            }
            return;
        };
        if self.look == Look::No {
            let past = u32::try_from(LOOK_AT.len()).unwrap_or(u32::MAX);
            let after = usize::try_from(self.looks).ok().and_then(|n| LOOK_AT.get(n).copied());
            let after = after.unwrap_or_else(|| Duration::from_secs(120) + LOOK_EVERY * (self.looks + 1 - past));
            self.look = Look::At(still + after);
        }
    }
}

impl Machine {
    /// Takes stock of what runs, and does what is due about it.
    pub(super) fn consider(&mut self, now: Duration) -> Vec<Action> {
        let Some(job) = self.job.clone() else { return Vec::new() };
        let (runs, ran) = (self.pods.any_runs(), self.pods.any_ran());
        let waiting = |pod: &&PodView| !pod.finished() && pod.asked_to_go.is_none();
        let scheduled = self.pods.alive().filter(waiting).any(|pod| !pod.node.is_empty());
        let (failed, last_end) = (self.pods.failed_pods(), self.pods.last_end());
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        if following.out_of_sight() {
            // What nobody can see is no reason, and what it takes is the outage budget's.
            following.starting.out_of_sight(now);
            return Vec::new();
        }
        let counted = job.active + job.succeeded + job.failed > 0;
        if job.deleting || (following.blind() && counted) {
            // It goes; or it has pods, and nobody may see what they do.
            following.starting.out_of_sight(now);
            following.starting.ran |= job.succeeded + job.failed > 0;
            return Vec::new();
        }
        let starting = &mut following.starting;
        starting.still(runs, now);
        starting.ran |= ran || job.succeeded + job.failed > 0;
        let seen = diagnosis::Seen {
            events: &starting.events,
            denied: starting.events_denied,
            failed,
            last_end,
        };
        let found = diagnosis::of(&job, self.pods.alive(), &seen)
            // While others run, a pod may take its time.
            .filter(|found| !runs || found.by_status())
            .map(|found| diagnosis::with_commands(found, &self.plan.namespace));
        starting.troubled(found, now);

        let idle = job.suspended || job.managed_elsewhere;
        let patience = matches!(&starting.trouble, Some((diagnosis, _)) if diagnosis.cure == Cure::Patience);
        let counts = !starting.ran && !idle && self.plan.task == Task::Run;
        starting.scheduling.run(counts && !scheduled, now);
        starting.running_up.run(counts && scheduled && !runs && !patience, now);
        let told_by_status = matches!(&starting.trouble, Some((diagnosis, _)) if diagnosis.container.is_some());
        starting.plan_look(!idle && !told_by_status);

        self.act_on_start(now)
    }

    fn act_on_start(&mut self, now: Duration) -> Vec<Action> {
        let looked_at = self.looked_at();
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        let starting = &mut following.starting;
        let over = starting
            .limits(&self.plan)
            .into_iter()
            .find(|(clock, limit, _)| clock.counted(now) >= *limit);
        if let Some((_, limit, flag)) = over {
            let verdict = did_not_start(&self.plan.job, starting.trouble.as_ref(), Some((flag, limit)));
            return self.conclude(verdict, now);
        }
        if starting.fail_at(&self.plan).is_some_and(|at| now >= at) {
            let verdict = did_not_start(&self.plan.job, starting.trouble.as_ref(), None);
            return self.conclude(verdict, now);
        }
        let mut actions = Vec::new();
        if starting.tell_at().is_some_and(|at| now >= at)
            && let Some((diagnosis, _)) = &starting.trouble
        {
            starting.told = Some(diagnosis.clone());
            let nothing_runs = starting.still.is_some();
            let diagnosis = diagnosis.clone();
            actions.push(Action::Say(Notice::Stalled {
                diagnosis,
                nothing_runs,
            }));
        }
        if matches!(starting.look, Look::At(at) if now >= at) {
            starting.look = Look::Asked;
            actions.push(Action::ListEvents { uid: looked_at });
        }
        actions
    }

    /// Whose Events tell why nothing runs: the first pod's that does not, or the Job's where there is none.
    fn looked_at(&self) -> String {
        let pod = self.pods.alive().find(|pod| !pod.finished()).map(|pod| pod.uid.clone());
        pod.or_else(|| self.job.as_ref().map(|job| job.uid.clone()))
            .unwrap_or_default()
    }

    /// The answer to [`Action::ListEvents`] while the Job is followed.
    pub(super) fn events_seen(&mut self, answer: Result<Vec<EventView>, Failure>) -> Vec<Action> {
        if let Ok(events) = &answer {
            self.note_warnings(events);
        }
        let Stage::Following(following) = &mut self.stage else {
            return Vec::new();
        };
        let starting = &mut following.starting;
        starting.look = Look::No;
        starting.looks += 1;
        match answer {
            Ok(events) => {
                let known = |event: &EventView| events.iter().any(|new| new.uid == event.uid);
                starting.events.retain(|event| !known(event));
                starting.events.extend(events);
                Vec::new()
            }
            Err(failure) if failure.is(403) && !starting.events_denied => {
                starting.events_denied = true;
                vec![Action::Say(Notice::EventsDenied(failure))]
            }
            // The next look may tell.
            Err(_) => Vec::new(),
        }
    }

    /// Keeps the newest warnings, each once.
    pub(super) fn note_warnings(&mut self, events: &[EventView]) {
        let key = |event: &EventView| (event.uid.clone(), event.reason.clone(), event.steady());
        let mut newest: BTreeMap<_, EventView> = BTreeMap::new();
        // An object that was looked at again tells all that it told before.
        let looked_at = |uid: &str| events.iter().any(|event| event.uid == uid);
        let known = self.warnings.iter().filter(|event| !looked_at(&event.uid));
        for event in known.chain(events.iter().filter(|event| event.warning)) {
            let kept = newest.entry(key(event)).or_insert_with(|| EventView {
                count: 0,
                ..event.clone()
            });
            let count = kept.count.saturating_add(event.count);
            if event.last >= kept.last {
                *kept = event.clone();
            }
            kept.count = count;
        }
        self.warnings = newest.into_values().collect();
        self.warnings.sort_by_key(|event| event.last);
        let surplus = self.warnings.len().saturating_sub(WARNINGS);
        self.warnings.drain(..surplus);
    }
}

/// The verdict on a Job of which nothing has run.
fn did_not_start(job: &str, trouble: Option<&(Diagnosis, Duration)>, limit: Option<(&str, Duration)>) -> Verdict {
    let over = limit.map(|(flag, limit)| format!(" within {flag} {}", duration::show(limit)));
    let over = over.unwrap_or_default();
    let Some((diagnosis, _)) = trouble else {
        return Verdict::new(
            Outcome::StartFailed,
            Category::Slow.name(),
            format!("job/{job} did not start{over}"),
        )
        .on_unfinished_job();
    };
    Verdict::new(
        Outcome::StartFailed,
        diagnosis.category.name(),
        format!("job/{job} did not start{over}: {}", diagnosis.of(&format!("job/{job}"))),
    )
    .with_hint(diagnosis.hint.clone())
    .on_unfinished_job()
}
