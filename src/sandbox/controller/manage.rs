//! As many pods as the Job needs now (`manageJob`).

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::{EventKind, backoff, indexed::Indexed, indexes::Indexes, look::Look, pods, template};

impl<'a> Look<'a> {
    /// Deletes all active pods of a Job that ends. They keep their finalizers until they are counted.
    pub(super) fn delete_active(&mut self) {
        for pod in self.active_pods.clone() {
            self.delete(pod);
        }
    }

    /// Deletes active pods or creates some, never both in one look.
    pub(super) fn manage(&mut self, suffix: &mut dyn FnMut() -> String) {
        let wanted = self.wanted();
        let excess = self.excess(usize::try_from(self.active - wanted).unwrap_or_default());
        for pod in &excess {
            // These pods count for nothing, so nothing is waited for.
            self.plan.release.push(pods::name(pod));
            self.delete(pod);
        }
        if excess.is_empty() && !self.is_suspended() {
            let leaving = if pods::replaces_only_failed(self.spec) {
                self.terminating
            } else {
                0
            };
            let missing = usize::try_from(wanted - leaving - self.active).unwrap_or_default();
            self.create(missing, suffix);
        }
    }

    /// How many active pods there should be.
    fn wanted(&self) -> i32 {
        if self.is_suspended() {
            return 0;
        }
        let parallelism = self.spec.parallelism.unwrap_or(1);
        match self.spec.completions {
            // One success, and the others are left to end.
            None if self.succeeded > 0 => self.active,
            None => parallelism,
            Some(completions) => (completions - self.succeeded).min(parallelism).max(0),
        }
    }

    fn delete(&mut self, pod: &Pod) {
        let name = pods::name(pod);
        self.plan
            .event(EventKind::Normal, "SuccessfulDelete", format!("Deleted pod: {name}"));
        self.plan.delete.push(name);
        self.active -= 1;
        self.terminating += 1;
        self.ready -= i32::from(pods::is_ready(pod));
    }

    /// The active pods to delete: those without a valid index or with one that another pod has, and
    /// at least this many (`activePodsForRemoval`).
    fn excess(&self, at_least: usize) -> Vec<&'a Pod> {
        let mut rest = self.active_pods.clone();
        pods::sort_for_removal(&mut rest);
        let mut excess = Vec::new();
        if self.indexed.is_some() {
            // The last of each index stays.
            let mut seen = Vec::new();
            rest.reverse();
            rest.retain(|pod| {
                let index = pods::index(pod, self.job);
                let keep = index.is_some() && !seen.contains(&index);
                seen.push(index);
                if !keep {
                    excess.push(*pod);
                }
                keep
            });
            rest.reverse();
        }
        let more = at_least.saturating_sub(excess.len());
        excess.extend(rest.into_iter().take(more));
        excess
    }

    fn create(&mut self, missing: usize, suffix: &mut dyn FnMut() -> String) {
        let per_index = self.indexed.as_ref().is_some_and(|indexed| indexed.failed.is_some());
        let mut wait = Duration::ZERO;
        if missing > 0 && !per_index {
            wait = self.backoff.remaining(self.settings, self.now);
        }
        let mut indexes = vec![None; missing];
        if let Some(indexed) = &self.indexed {
            let pending = self.pending(indexed, missing);
            let of_index = |index: &i32| match indexed.waiting.get(index) {
                Some(failed) => backoff::remaining_for_index(failed, self.settings, self.now),
                None => Duration::ZERO,
            };
            let ready: Vec<i32> = pending
                .iter()
                .copied()
                .filter(|index| of_index(index).is_zero())
                .collect();
            wait = wait.max(pending.iter().map(of_index).min().unwrap_or_default());
            indexes = ready.into_iter().map(Some).collect();
        }
        if !wait.is_zero() {
            self.plan.look_again(wait);
            return;
        }
        for index in indexes {
            self.create_one(index, suffix);
        }
    }

    /// The first indexes that have neither ended nor a pod (`firstPendingIndexes`).
    fn pending(&self, indexed: &Indexed<'_>, count: usize) -> Vec<i32> {
        let wait_for_end = pods::replaces_only_failed(self.spec);
        let busy = self
            .pods
            .iter()
            .filter(|pod| pods::is_active(pod) || wait_for_end && pods::is_terminating(pod));
        let busy = Indexes::of(busy.filter_map(|pod| pods::index(pod, self.job)));
        let failed = indexed.failed.clone().unwrap_or_default();
        let taken = busy.union(&indexed.succeeded).union(&failed);
        taken.gaps(self.spec.completions.unwrap_or_default(), count)
    }

    fn create_one(&mut self, index: Option<i32>, suffix: &mut dyn FnMut() -> String) {
        let replaced = index.and_then(|index| self.indexed.as_ref()?.waiting.get(&index).copied());
        let pod = template::pod(self.job, index, replaced, &suffix());
        let message = format!("Created pod: {}", pods::name(&pod));
        self.plan.event(EventKind::Normal, "SuccessfulCreate", message);
        self.plan.create.push(pod);
        self.active += 1;
    }
}
