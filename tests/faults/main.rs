//! The whole program against the sandbox, in one process and under virtual time, while connections
//! break in every way that a seed can draw. Hours of waiting cost milliseconds.
//!
//! `KJO_FAULT_SEEDS` is the number of seeds (1,000), `KJO_FAULT_SEED` a single one to look at.
#![expect(clippy::expect_used, reason = "a test says what it expects")]

mod laws;
mod run;
#[path = "../support/schema.rs"]
mod schema;

use run::{Scenario, run};

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    match (number("KJO_FAULT_SEED"), number("KJO_FAULT_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(1000),
    }
}

/// Runs every seed, on as many threads as there are cores; tells all that fail.
fn for_every_seed(test: impl Fn(u64) -> Result<(), String> + Sync) {
    let next = std::sync::atomic::AtomicU64::new(seeds().start);
    let failed = std::sync::Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds().end {
                        return;
                    }
                    if let Err(why) = test(seed) {
                        failed.lock().expect("no panic").push((seed, why));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    let told: String = failed
        .iter()
        .take(5)
        .map(|(seed, why)| format!("\n== seed {seed} (KJO_FAULT_SEED={seed}): {why}"))
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} seeds fail:{told}",
        failed.len(),
        seeds().count()
    );
}

#[test]
fn what_passes_changes_nothing() {
    for_every_seed(|seed| {
        let scenario = Scenario::passing(seed);
        let came = run(&scenario);
        laws::always(&scenario, &came)?;
        laws::whole(&scenario, &came)
    });
}

#[test]
fn what_does_not_pass_is_never_hidden() {
    for_every_seed(|seed| {
        let scenario = Scenario::lasting(seed);
        laws::always(&scenario, &run(&scenario))
    });
}

#[test]
fn what_happens_in_the_cluster_is_told() {
    for_every_seed(|seed| {
        let scenario = Scenario::disturbed(seed);
        let came = run(&scenario);
        laws::always(&scenario, &came)?;
        laws::disturbed(&scenario, &came)
    });
}

#[test]
fn a_long_run_makes_few_requests() {
    let seconds = std::time::Duration::from_secs;
    for (seed, lines, pace) in [(1, 5, seconds(4 * 3600)), (2, 600, seconds(60)), (3, 4000, seconds(9))] {
        let scenario = Scenario::long(seed, lines, pace);
        let came = run(&scenario);
        laws::always(&scenario, &came).expect("the laws of every run");
        laws::whole(&scenario, &came).expect("the whole log");
        let hours = came.took.as_secs() / 3600;
        assert!(hours >= 4, "{hours} hours");
        assert!(
            came.requests <= 8 + 40 * hours,
            "{} requests in {hours} hours",
            came.requests
        );
    }
}
