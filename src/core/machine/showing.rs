//! What the status line tells, from the state of the run.

use super::{Action, Machine, Stage, Task, milestones::Stands};
use crate::core::progress::{Phase, Progress};

impl Machine {
    /// Shows where the run stands, if that has changed.
    pub(super) fn show(&mut self) -> Option<Action> {
        let phase = self.phase()?;
        let job = self.job.as_ref();
        let count = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
        let progress = Progress {
            phase,
            wanted: count(job.and_then(|job| job.completions)),
            active: count(job.map(|job| job.active)).unwrap_or(0),
            succeeded: count(job.map(|job| job.succeeded)).unwrap_or(0),
            failed: count(job.map(|job| job.failed)).unwrap_or(0),
            lines: self.pods.logs.lines(),
        };
        let news = self.shown != Some(progress);
        self.shown = Some(progress);
        news.then_some(Action::Show(progress))
    }

    /// `None` once the run is over.
    fn phase(&self) -> Option<Phase> {
        Some(match &self.stage {
            Stage::Looking(_) | Stage::Creating(_) | Stage::Equipping(_) => Phase::Creating,
            Stage::Attaching(_) => Phase::Looking,
            Stage::Following(following) if following.out_of_reach() => Phase::OutOfReach,
            Stage::Following(_) => match self.milestones.furthest() {
                Some(Stands::Started) => Phase::Running,
                Some(Stands::Scheduled) => Phase::Starting,
                Some(Stands::Unscheduled) => Phase::NoNode,
                Some(Stands::Lost | Stands::Succeeded) | None if self.suspended() => Phase::Suspended,
                Some(Stands::Lost | Stands::Succeeded) | None => Phase::NoPod,
            },
            Stage::Ending(ending) if self.plan.task == Task::Run && ending.deleting() => Phase::Deleting,
            Stage::Ending(_) => Phase::Draining,
            Stage::Over => return None,
        })
    }

    fn suspended(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.suspended)
    }
}
