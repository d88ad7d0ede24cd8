//! The last words of a run: what Events still tell, the verdict, the report, the ledger.

use std::time::Duration;

use super::{Action, Cleanup, Machine, Stage, Task, ending::Basis};
use crate::core::{
    event::{self, EventView},
    failure::Failure,
    notice::{LogNotice, Notice},
    outcome::{Outcome, Verdict},
    record::{self, FailureReport},
    verdict,
};

/// Codes of containers that did not choose them: they were killed, or never came to run.
const UNEXPLAINED: [i32; 2] = [137, 128];
/// How long the end waits for Events.
const EVENTS_WITHIN: Duration = Duration::from_secs(3);

/// Where asking for Events stands, which comes last: by then the pods' ends are known as far as they will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathering {
    /// It has not come to that.
    Before,
    /// So many answers are waited for, until then.
    Asked(u32, Duration),
    /// All that there is was gathered.
    Over,
}

impl Machine {
    /// Where no exit code tells what happened, Events may. Whether they are still waited for.
    pub(super) fn gather(&mut self, now: Duration) -> (bool, Vec<Action>) {
        let verdict = self.verdict();
        let (uids, stopped) = (self.whose_events(&verdict), self.stopped.is_some());
        let Stage::Ending(ending) = &mut self.stage else {
            return (false, Vec::new());
        };
        match ending.gathering {
            Gathering::Before if !stopped && !uids.is_empty() => {
                let asked = u32::try_from(uids.len()).unwrap_or(u32::MAX);
                ending.gathering = Gathering::Asked(asked, now + EVENTS_WITHIN);
                let ask = uids.into_iter().map(|uid| Action::ListEvents { uid });
                (true, ask.collect())
            }
            Gathering::Asked(..) if !stopped => (true, Vec::new()),
            Gathering::Before | Gathering::Asked(..) | Gathering::Over => {
                ending.gathering = Gathering::Over;
                (false, Vec::new())
            }
        }
    }

    /// The objects whose Events may tell what the verdict does not.
    fn whose_events(&self, verdict: &Verdict) -> Vec<String> {
        let plain = verdict
            .container_exit_code
            .is_some_and(|code| !UNEXPLAINED.contains(&code));
        let failed = matches!(
            verdict.outcome,
            Outcome::Failed | Outcome::Deadline | Outcome::Infrastructure
        );
        let asked = matches!(&self.stage, Stage::Ending(e) if matches!(e.basis, Basis::Finished | Basis::Announced));
        if !failed || plain || !asked {
            return Vec::new();
        }
        let job = self.job.iter().map(|job| job.uid.clone());
        job.chain(self.pods.most_troubled()).collect()
    }

    pub(super) fn last_events(&mut self, answer: Result<Vec<EventView>, Failure>) {
        // Without them the report is shorter.
        if let Ok(events) = answer {
            self.note_warnings(&events);
        }
        if let Stage::Ending(ending) = &mut self.stage
            && let Gathering::Asked(left, until) = ending.gathering
        {
            ending.gathering = match left {
                0 | 1 => Gathering::Over,
                left => Gathering::Asked(left - 1, until),
            };
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let evidence = self.pods.evidence();
        let main = self.plan.main_container.as_deref();
        let job = self.job.as_ref();
        let verdict = match &self.stage {
            Stage::Ending(ending) => match &ending.basis {
                Basis::Given(verdict) | Basis::Main(verdict) => Some(verdict.clone()),
                Basis::Finished => job.and_then(|job| verdict::finished(job, &evidence, main)),
                Basis::Announced => job
                    .and_then(|job| verdict::announced(job, &evidence, main))
                    .map(|verdict| self.stuck(verdict)),
            },
            Stage::Looking(_)
            | Stage::Creating(_)
            | Stage::Equipping(_)
            | Stage::Attaching(_)
            | Stage::Following(_)
            | Stage::Over => None,
        };
        let mut verdict = verdict.unwrap_or_else(|| {
            Verdict::new(
                Outcome::Unknown,
                "NoVerdict",
                format!("job/{} has no outcome", self.plan.job),
            )
        });
        let shown = !self.plan.logs.choice.none;
        let gaps = record::gaps(&self.pods.records())
            + if shown { self.pods_unseen } else { 0 }
            + u32::from(self.stdout_failed);
        if self.plan.fail_on_log_gap && verdict.outcome == Outcome::Succeeded && gaps > 0 {
            verdict.log_gap = true;
            verdict.message = format!("{}, but lines of its logs are missing", verdict.message);
        }
        verdict
    }

    /// Names the pods that keep a Job from its announced end.
    fn stuck(&self, mut verdict: Verdict) -> Verdict {
        let pods: Vec<String> = self.pods.alive().map(|pod| format!("pod/{}", pod.name)).collect();
        if !pods.is_empty() {
            verdict.message = format!(
                "{}; it is not over, for {} will not go",
                verdict.message,
                pods.join(", ")
            );
        }
        verdict
    }

    /// What happened, where more is known than other lines tell.
    fn report(&self, verdict: &Verdict) -> Option<Notice> {
        let failed = matches!(
            verdict.outcome,
            Outcome::Failed | Outcome::Deadline | Outcome::Infrastructure | Outcome::StartFailed
        );
        // What the last line says already needs no saying here.
        let said = event::steady(&verdict.message, &self.plan.job);
        let said = |warning: &EventView| {
            let message = warning.steady();
            said.contains(message.strip_prefix("Error creating: ").unwrap_or(&message))
        };
        let report = FailureReport {
            failed: self.pods.failed(),
            limit: self.job.as_ref().and_then(verdict::limit),
            warnings: self.warnings.iter().filter(|warning| !said(warning)).cloned().collect(),
        };
        (failed && !report.is_dull()).then_some(Notice::Failure(report))
    }

    /// Says how it ended, and ends.
    pub(super) fn close(&mut self, cleanup: Cleanup) -> Vec<Action> {
        let verdict = self.verdict();
        let (job, namespace) = (self.plan.job.clone(), self.plan.namespace.clone());
        let about_job = match &cleanup {
            Cleanup::Nothing => None,
            Cleanup::Deleted if verdict.outcome == Outcome::Deleted => None,
            Cleanup::Deleted => Some(Notice::Deleted {
                job,
                ending: self.pods.unfinished(),
            }),
            // Whoever attached knows the Job, and has not made it.
            Cleanup::Kept if self.plan.task == Task::Attach && !verdict.job_unfinished => None,
            // Said when the signal came.
            Cleanup::Kept if self.plan.task == Task::Attach && matches!(verdict.outcome, Outcome::Detached(_)) => None,
            Cleanup::Kept => Some(Notice::Kept {
                job,
                namespace,
                unfinished: verdict.job_unfinished,
                pods: self.pods.alive().count(),
                ttl_seconds: self.job.as_ref().and_then(|job| job.ttl_seconds),
            }),
            Cleanup::Failed(why) => Some(Notice::DeleteFailed {
                job,
                namespace,
                why: why.clone(),
            }),
        };
        let records = self.pods.records();
        let read_any = record::logs(&records).next().is_some();
        let report = self.report(&verdict);
        let ledger = read_any.then_some(Notice::Log(LogNotice::Ledger(records)));
        let mut actions: Vec<Action> = report
            .into_iter()
            .chain(ledger)
            .chain(about_job)
            .map(Action::Say)
            .collect();
        actions.extend(self.finish(verdict, cleanup));
        actions
    }
}
