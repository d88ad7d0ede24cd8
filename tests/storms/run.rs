//! One run of kjo through a storm.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kjo::core::backoff::Jitter;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    backend::BACKEND,
    compare::{Difference, compare},
    kind::{Drawn, Kind},
    namespace::Namespace,
    proxy::{
        http::Http,
        server_of,
        tcp::Tcp,
        token::{By, Tokens},
        with_port,
    },
    support::{Kjo, eventually},
    workload::{Form, Workload},
};

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// All else is drawn from it.
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) workload: Workload,
    pub(crate) form: Form,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) plan: Plan,
    pub(crate) kind: Kind,
    pub(crate) expected_code: i32,
    /// None: it hung.
    pub(crate) code: Option<i32>,
    pub(crate) difference: Difference,
    /// Logs that kjo says are not whole, or not proven to be.
    pub(crate) gaps: u64,
    pub(crate) left: Vec<String>,
    pub(crate) reconnects: u64,
    pub(crate) folder: PathBuf,
}

impl Report {
    /// Nothing lost untold, repeated, invented, wrong or left behind.
    pub(crate) fn holds(&self) -> bool {
        let Difference {
            lost, repeated, wrong, ..
        } = self.difference;
        // A line that is cut at a gap is there in part.
        let told = self.gaps > 0 && repeated == 0 && wrong <= self.gaps;
        let whole = (lost, repeated, wrong) == (0, 0, 0);
        (whole || told) && self.code == Some(self.expected_code) && self.left.is_empty()
    }
}

/// What stands between kjo and the server.
enum Between {
    Nothing,
    Tcp(Tcp, Arc<Drawn>),
    Http(Http, Arc<Drawn>),
}

impl Plan {
    pub(crate) fn name(&self) -> String {
        format!("chaos-{}", self.seed)
    }

    /// Longer than any run takes that does not hang.
    fn hangs_after(&self) -> Duration {
        Duration::from_secs(if self.form.long { 900 } else { 240 })
    }

    /// Runs kjo to its end. Whether something is left is not looked for yet.
    pub(crate) fn run(self, ns: &Namespace, runtime: &Runtime) -> Report {
        let mut random = Jitter::new(self.seed);
        let name = self.name();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos").join(&name);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).expect("a folder");
        let task = self.workload.task(&name, self.form, &ns.state_folder(), &mut random);
        let between = runtime.block_on(between(self.kind, &folder, &mut random));
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, between.kubeconfig(random.below(2) == 0)).expect("a kubeconfig");
        let result = folder.join("result.json");
        let mut running = Kjo::new(["run", "-f", "-", "--delete", "always", "-n", &ns.name])
            // A storm may last longer than a create is tried for by default; it is the logs that are tested.
            .args(["--connect-timeout", "10m"])
            .arg("--result-file")
            .arg(&result)
            .env("KUBECONFIG", &kubeconfig)
            .stdin(task.job.to_string())
            .start();
        let mut pipe = running.stdout();
        let stdout = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).expect("stdout");
            bytes
        });
        let torment = runtime.spawn(torment(self.kind, between, random));
        let ended = running.try_wait(self.hangs_after());
        torment.abort();
        let stdout = stdout.join().expect("stdout");
        let (code, stderr) = ended;
        let report = Report {
            plan: self,
            kind: self.kind,
            expected_code: task.code,
            code,
            difference: compare(&task.expected, &stdout),
            gaps: told(&stderr),
            left: Vec::new(),
            reconnects: reconnects(&result),
            folder,
        };
        report.keep("stdout", &stdout);
        report.keep("stderr", stderr.as_bytes());
        report.keep("expected", &task.expected.concat());
        report
    }
}

impl Report {
    fn keep(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).expect(name);
    }

    /// Looks for what is left of the run in the cluster; pods get the time that they have to end.
    pub(crate) fn look_for_rests(mut self, ns: &Namespace) -> Self {
        let prefix = format!("{}-", self.plan.name());
        let rests = || -> Vec<String> {
            let names = [ns.names("jobs"), ns.names("pods")].concat();
            names.into_iter().filter(|name| name.starts_with(&prefix)).collect()
        };
        let mut left = Vec::new();
        eventually(Duration::from_secs(45), || {
            left = rests();
            left.is_empty()
        });
        self.left = left;
        if self.holds() && self.gaps == 0 {
            // What went well needs no looking at.
            drop(fs::remove_dir_all(&self.folder));
        }
        self
    }

    /// A line about it.
    pub(crate) fn line(&self) -> String {
        let Difference {
            expected,
            lost,
            repeated,
            wrong,
        } = self.difference;
        let state = if self.holds() { "ok  " } else { "FAIL" };
        let code = self.code.map_or("none: it hangs".to_owned(), |code| code.to_string());
        let mut line = format!(
            "{state} {:<10} {:<9} code {code}, {expected} lines, {} reconnects",
            self.kind.name(),
            self.plan.workload.name(),
            self.reconnects
        );
        if !self.holds() || self.gaps > 0 {
            write!(
                line,
                "; lost {lost}, repeated {repeated}, wrong {wrong}, code should be {}, told {}, left {:?}\n     again: \
                 tests/chaos --runs 1 --seed {} --kind {} --workload {}; see {}",
                self.expected_code,
                self.gaps,
                self.left,
                self.plan.seed,
                self.kind.name(),
                self.plan.workload.name(),
                self.folder.display()
            )
            .expect("a string");
        }
        line
    }
}

async fn between(kind: Kind, folder: &Path, random: &mut Jitter) -> Between {
    if kind.alone() {
        return Between::Nothing;
    }
    let drawn = Arc::new(Drawn::new(kind, random.fork()));
    let draw = Arc::clone(&drawn);
    if kind.below_tls() {
        let server = server_of(BACKEND.kubeconfig());
        let tcp = Tcp::start(server, Arc::new(move |_| draw.of_connection())).await;
        return Between::Tcp(tcp.expect("a proxy"), drawn);
    }
    let tokens = Tokens::new(folder).expect("a token");
    let draw = Arc::new(move |request: &_| draw.of_request(request));
    let http = Http::start(BACKEND.kubeconfig(), tokens, draw).await;
    Between::Http(http.expect("a proxy"), drawn)
}

impl Between {
    fn kubeconfig(&self, plugin: bool) -> String {
        match self {
            Self::Nothing => fs::read_to_string(BACKEND.kubeconfig()).expect("a kubeconfig"),
            Self::Tcp(tcp, _) => with_port(BACKEND.kubeconfig(), tcp.port),
            Self::Http(http, _) => {
                let by = if plugin { By::Plugin } else { By::File };
                http.tokens.kubeconfig(by, &http.server, &http.pem).to_string()
            }
        }
    }
}

/// What happens in the course of a run, until it is dropped.
async fn torment(kind: Kind, between: Between, mut random: Jitter) {
    let mut wait = async |from: u32, to: u32| {
        let time = Duration::from_millis(u64::from(from + random.below(to - from)));
        tokio::time::sleep(time).await;
        time
    };
    let drawn = match &between {
        Between::Nothing => return,
        Between::Tcp(_, drawn) | Between::Http(_, drawn) => Arc::clone(drawn),
    };
    while drawn.goes_on() {
        match (&between, kind) {
            (Between::Tcp(tcp, _), Kind::Reset) => {
                wait(300, 5000).await;
                tcp.reset_all();
            }
            (Between::Tcp(tcp, _), Kind::Stall) => {
                if wait(2000, 8000).await < Duration::from_secs(5) {
                    tcp.stall_all();
                } else {
                    tcp.stall(true);
                }
                wait(20_000, 30_000).await;
                tcp.reset_all();
                tcp.stall(false);
            }
            (Between::Tcp(tcp, _), Kind::Refuse) => {
                wait(1000, 8000).await;
                tcp.refuse(true);
                tcp.reset_all();
                wait(2000, 8000).await;
                tcp.refuse(false);
            }
            (Between::Tcp(tcp, _), Kind::HalfOpen) => {
                wait(4000, 12_000).await;
                tcp.stall_all();
                break;
            }
            (Between::Http(http, _), Kind::Expired) => {
                let cut = wait(4000, 15_000).await.as_millis() % 3 > 0;
                http.tokens.next().expect("a token");
                if cut {
                    http.reset_all();
                }
            }
            (Between::Http(http, _), Kind::Forbidden) => {
                wait(1500, 6000).await;
                drawn.forbid(Duration::from_secs(1));
                http.reset_all();
            }
            // Who is not interrupted asks nothing again that could be refused.
            (Between::Http(http, _), Kind::Gone | Kind::Throttled | Kind::Errors | Kind::Unanswered | Kind::Mixed) => {
                wait(1000, 8000).await;
                http.reset_all();
            }
            (Between::Nothing | Between::Tcp(..) | Between::Http(..), _) => break,
        }
    }
    // The proxy lasts as long as the run.
    std::future::pending::<()>().await;
}

/// How many logs kjo says are not whole, or not proven to be.
fn told(stderr: &str) -> u64 {
    const WORDS: [&str; 6] = [
        "log gap in",
        "not proven to be complete",
        "may be missing",
        "going on without it",
        "giving up on the rest",
        "came and went unseen",
    ];
    let tells = |line: &&str| WORDS.iter().any(|words| line.contains(words));
    stderr.lines().filter(tells).count() as u64
}

fn reconnects(result: &Path) -> u64 {
    let text = fs::read(result).unwrap_or_default();
    let result: Value = serde_json::from_slice(&text).unwrap_or_default();
    result["api"]["reconnects"].as_u64().unwrap_or(0)
}
