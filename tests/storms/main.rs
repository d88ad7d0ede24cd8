//! Chaos: the real program on a cluster, through broken connections, with Jobs whose output is known to
//! the byte. `tests/chaos` is its command line; a plain `cargo test` makes a few runs on the sandbox.
#![expect(clippy::expect_used, reason = "a test says what it expects")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

#[allow(dead_code, reason = "shared with the contract, which uses all of it")]
#[path = "../contract/backend.rs"]
mod backend;
mod compare;
mod kind;
#[allow(dead_code, reason = "shared with the contract, which uses all of it")]
#[path = "../contract/namespace.rs"]
mod namespace;
#[path = "../proxy/mod.rs"]
mod proxy;
mod run;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod workload;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kjo::core::backoff::Jitter;
use tokio::{runtime::Runtime, time::Instant};

use backend::{BACKEND, own_cluster, script};
use kind::{BY_PROXY, Kind};
use namespace::Namespace;
use run::{Plan, Report};
use table::Table;
use workload::{DRAWN, Form, Workload};

/// What `tests/chaos` was asked for, in variables.
struct Wish {
    runs: u64,
    seed: u64,
    kind: Option<Kind>,
    workload: Option<Workload>,
    at_once: usize,
    long: bool,
}

impl Wish {
    fn of_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let number = |name: &str| text(name).map(|text| text.parse::<u64>().expect(name));
        let drawn = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |time| time.as_secs() % 1_000_000);
        Self {
            runs: number("KJO_CHAOS_RUNS").unwrap_or(if BACKEND.is_sandbox() { 6 } else { 12 }),
            seed: number("KJO_CHAOS_SEED").unwrap_or(drawn),
            kind: text("KJO_CHAOS_KIND").map(|name| Kind::named(&name).unwrap_or_else(|| panic!("no kind {name:?}"))),
            workload: text("KJO_CHAOS_WORKLOAD")
                .map(|name| Workload::named(&name).unwrap_or_else(|| panic!("no workload {name:?}"))),
            at_once: usize::try_from(number("KJO_CHAOS_AT_ONCE").unwrap_or(12)).expect("a number"),
            long: number("KJO_CHAOS_LONG").is_some_and(|on| on > 0),
        }
    }

    /// The n-th run. It hangs on its seed alone, and on what was wished.
    fn plan(&self, n: u64) -> Plan {
        let seed = self.seed + n;
        let mut kinds = BY_PROXY.to_vec();
        if BACKEND.is_sandbox() || own_cluster() {
            kinds.push(Kind::ApiServer);
        }
        if own_cluster() {
            kinds.push(Kind::Kubelet);
        }
        if self.long {
            kinds.push(Kind::HalfOpen);
        }
        let mut random = Jitter::new(seed ^ 0x000c_4a05);
        let place = usize::try_from(seed % kinds.len() as u64).unwrap_or(0);
        let drawn = DRAWN.get(random.below(6) as usize).copied().unwrap_or(Workload::Spread);
        let million = self.long && own_cluster() && seed % 100 == 50;
        Plan {
            seed,
            kind: self.kind.or(kinds.get(place).copied()).unwrap_or(Kind::Reset),
            workload: self.workload.unwrap_or(if million { Workload::Million } else { drawn }),
            form: Form {
                sandbox: BACKEND.is_sandbox(),
                long: self.long,
            },
        }
    }
}

#[test]
fn every_line_once_through_every_storm() {
    let wish = Wish::of_environment();
    let began = Instant::now();
    println!("{} runs from seed {} on", wish.runs, wish.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let plans: Vec<Plan> = (0..wish.runs).map(|n| wish.plan(n)).collect();
    let (millions, plans): (Vec<Plan>, Vec<Plan>) = plans.into_iter().partition(|p| p.workload == Workload::Million);
    let (alone, beside): (Vec<Plan>, Vec<Plan>) = plans.into_iter().partition(|p| p.kind.alone());
    // Nothing else is in this process.
    let ns = Namespace::new();
    let _state = BACKEND.is_sandbox().then(|| State::new(ns.state_folder()));
    let mut reports = side_by_side(&beside, &ns, &runtime, wish.at_once);
    for kind in [Kind::ApiServer, Kind::Kubelet] {
        let of_kind: Vec<Plan> = alone.iter().copied().filter(|p| p.kind == kind).collect();
        for batch in of_kind.chunks(wish.at_once) {
            reports.extend(together(batch, &ns, &runtime));
        }
    }
    if !millions.is_empty() {
        let _rotation = Rotation::large();
        for plan in &millions {
            reports.extend(together(std::slice::from_ref(plan), &ns, &runtime));
        }
    }
    let mut table = Table::default();
    for report in &reports {
        table.add(report);
    }
    println!("\n{table}\n{} s", began.elapsed().as_secs());
    let failed: Vec<String> = reports.iter().filter(|r| !r.holds()).map(Report::line).collect();
    assert!(failed.is_empty(), "{} runs fail:\n{}", failed.len(), failed.join("\n"));
}

/// Several at a time; each on connections of its own.
fn side_by_side(plans: &[Plan], ns: &Namespace, runtime: &Runtime, at_once: usize) -> Vec<Report> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(plans.len()) {
            scope.spawn(|| {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = plan.run(ns, runtime).look_for_rests(ns);
                    println!("{}", report.line());
                    done.lock().expect("no panic").push(report);
                }
            });
        }
    });
    done.into_inner().expect("no panic")
}

/// All at a time, while a part of the cluster goes away and comes back, twice.
fn together(plans: &[Plan], ns: &Namespace, runtime: &Runtime) -> Vec<Report> {
    let mut reports: Vec<Report> = std::thread::scope(|scope| {
        let runs: Vec<_> = plans
            .iter()
            .map(|plan| scope.spawn(move || plan.run(ns, runtime)))
            .collect();
        let kind = plans.first().map(|plan| plan.kind).filter(|kind| kind.alone());
        if let Some(kind) = kind {
            // Amid what the Jobs write, however long their pods take to start.
            for seconds in [6, 9] {
                std::thread::sleep(Duration::from_secs(seconds));
                break_down(kind);
            }
        }
        runs.into_iter().map(|run| run.join().expect("no panic")).collect()
    });
    reports = reports.into_iter().map(|report| report.look_for_rests(ns)).collect();
    for report in &reports {
        println!("{}", report.line());
    }
    reports
}

fn break_down(kind: Kind) {
    if kind == Kind::Kubelet {
        drop(script("ctl", &["kubelet", "restart"]));
        return;
    }
    BACKEND.kill_api_server();
    std::thread::sleep(Duration::from_secs(3));
    BACKEND.start_api_server();
}

/// On the sandbox, whose containers see this machine's files, a folder of theirs.
struct State(String);

impl State {
    fn new(folder: String) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The node keeps large logs, until this is dropped.
struct Rotation;

impl Rotation {
    fn large() -> Self {
        drop(script("ctl", &["kubelet", "log-rotation", "1Gi"]));
        Self
    }
}

impl Drop for Rotation {
    fn drop(&mut self) {
        drop(script("ctl", &["kubelet", "log-rotation"]));
    }
}
