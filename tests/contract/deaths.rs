//! kjo is killed, stopped and doubled at moments that nobody chose. `KJO_DEATHS` says how often (6); the seed
//! of every moment is in the message of a failure, and `KJO_DEATH_SEED` repeats it.

use std::{os::unix::process::ExitStatusExt as _, sync::Mutex, thread, time::Duration};

use kjo::core::backoff::Jitter;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    namespace::Namespace,
    outcome::job,
    support::{Kjo, Running, eventually},
};

const MINUTE: Duration = Duration::from_secs(60);
/// The contract's own figure, and a second for a machine that does other things.
const SOON: Duration = Duration::from_secs(5);
/// A run takes about this long: moments are drawn from it.
const WHOLE: u32 = 7000;
const AT_ONCE: usize = 3;

fn lines() -> String {
    (1..=60).map(|i| format!("line {i}\n")).collect()
}

/// What is run: now and then with a ConfigMap and a Secret.
fn documents(companions: bool) -> String {
    let mut job = job("i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; sleep 0.05; done; sleep 1; exit 7");
    let pod = &mut job["spec"]["template"]["spec"];
    pod["terminationGracePeriodSeconds"] = json!(2);
    if !companions {
        return job.to_string();
    }
    pod["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}]);
    let of = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    format!(
        "{job}\n---\n{}\n---\n{}",
        of("ConfigMap", "settings"),
        of("Secret", "keys")
    )
}

/// One death.
struct Moment<'a> {
    ns: &'a Namespace,
    seed: u64,
    after: Duration,
    companions: bool,
}

impl Moment<'_> {
    fn id(&self) -> String {
        format!("death-{}", self.seed)
    }

    fn kjo(&self, args: &[&str]) -> Kjo {
        self.ns
            .run(["-f", "-", "--run-id", &self.id()])
            .args(args.iter().copied())
            .stdin(documents(self.companions))
    }

    /// Everything of this run in the cluster.
    fn of_run(&self, resource: &str) -> Vec<Value> {
        let id = self.id();
        let mut all = self.ns.list(resource);
        all.retain(|object| object["metadata"]["labels"]["kjo.dev/run-id"] == id.as_str());
        all
    }

    fn context(&self, stderr: &str) -> String {
        format!("KJO_DEATH_SEED={} after {:?}: {stderr}", self.seed, self.after)
    }
}

/// Starts a run and reads it, and lets the moment come.
fn until(moment: &Moment<'_>) -> (Running, thread::JoinHandle<String>) {
    let mut running = moment.kjo(&[]).start();
    let stdout = running.stdout();
    let reader = thread::spawn(move || std::io::read_to_string(stdout).unwrap_or_default());
    thread::sleep(moment.after);
    (running, reader)
}

/// As many as wanted, some at once, each at a moment of its own.
fn at_any_moment(default: u64, each: impl Fn(&Moment<'_>) + Sync) {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let count = number("KJO_DEATHS").unwrap_or(default);
    let (first, count) = match number("KJO_DEATH_SEED") {
        Some(seed) => (seed, 1),
        None => (u64::from(std::process::id()) << 16, count),
    };
    let ns = Namespace::new();
    let seeds = Mutex::new(first..first + count);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.lock().expect("no panic while it is held").next() else {
                        break;
                    };
                    let mut random = Jitter::new(seed);
                    each(&Moment {
                        ns: &ns,
                        seed,
                        after: Duration::from_millis(random.below(WHOLE).into()),
                        companions: random.below(2) == 0,
                    });
                }
            });
        }
    });
}

#[test]
fn killed_at_any_moment_and_run_again() {
    at_any_moment(6, |moment| {
        let (mut first, reader) = until(moment);
        first.signal(Signal::SIGKILL);
        first.gone();
        let seen = reader.join().expect("no panic");
        let delivered = moment
            .of_run("jobs")
            .iter()
            .any(|job| job["metadata"]["labels"]["kjo.dev/delivered"] == "true");
        if delivered {
            // Nothing is left for a second run to tell.
            assert_eq!(seen, lines(), "{}", moment.context(""));
            return;
        }
        let done = moment.kjo(&[]).run();
        assert_eq!(
            (done.code, done.text(), moment.of_run("jobs").len()),
            (7, lines().as_str(), 1),
            "{}",
            moment.context(&done.stderr)
        );
    });
}

#[test]
fn stopped_at_any_moment() {
    at_any_moment(6, |moment| {
        let (mut running, reader) = until(moment);
        running.signal(Signal::SIGTERM);
        let (status, stderr) = running.ended(SOON);
        drop(reader.join());
        let context = moment.context(&stderr);
        let status = status.unwrap_or_else(|| panic!("it has not ended: {context}"));
        // What comes before kjo listens ends it as it ends any program.
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        if code == 7 {
            // It had ended: its outcome is delivered, and it stays by policy.
            let jobs = moment.of_run("jobs");
            assert_eq!(jobs[0]["metadata"]["labels"]["kjo.dev/delivered"], "true", "{context}");
            return;
        }
        assert_eq!(code, 143, "{context}");
        let left = || {
            let resources = ["jobs", "pods", "configmaps", "secrets"];
            resources.map(|resource| moment.of_run(resource).len())
        };
        assert!(eventually(MINUTE, || left() == [0; 4]), "left: {:?}: {context}", left());
    });
}

#[test]
fn two_at_the_same_instant_make_one_job() {
    at_any_moment(3, |moment| {
        let mut both = [(); 2].map(|()| moment.kjo(&[]).start());
        let readers = both.each_mut().map(|running| {
            let stdout = running.stdout();
            thread::spawn(move || std::io::read_to_string(stdout).unwrap_or_default())
        });
        for (running, reader) in both.iter_mut().zip(readers) {
            let (code, stderr) = running.wait(MINUTE);
            let text = reader.join().expect("no panic");
            assert_eq!((code, text), (7, lines()), "{}", moment.context(&stderr));
        }
        assert_eq!(moment.of_run("jobs").len(), 1, "{}", moment.context(""));
    });
}
