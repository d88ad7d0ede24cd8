//! Runs the real binary: arguments, environment and stdin in; exit code, stdout and stderr out.
#![allow(dead_code, reason = "shared by two suites, each of which uses most of it")]

pub(crate) mod schema;

use std::{
    ffi::OsString,
    io::{Read, Write as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// No run of the tests takes this long; one that does hangs.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// A command line to be run.
pub(crate) struct Kjo {
    command: Command,
    stdin: Vec<u8>,
    home: tempfile::TempDir,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// A run that goes on.
pub(crate) struct Running {
    child: Child,
    stderr: Option<JoinHandle<String>>,
    home: tempfile::TempDir,
}

impl Kjo {
    /// The binary with these arguments, an empty home and nothing of the caller's environment but
    /// PATH.
    pub(crate) fn new<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Self {
        let home = tempfile::tempdir().expect("a home");
        // A caller in the background of a shell, or below nohup, hands SIGINT or SIGHUP on as ignored, and
        // kjo keeps them so.
        let mut command = Command::new("env");
        command
            .args(["--default-signal", env!("CARGO_BIN_EXE_kjo")])
            .args(args.into_iter().map(Into::into))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .current_dir(home.path());
        Self {
            command,
            stdin: Vec::new(),
            home,
        }
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.command.arg(arg.into());
        self
    }

    /// An argument before all others but the command's name: behind `--` it would be the container's.
    pub(crate) fn arg_first(mut self, arg: &str) -> Self {
        let mut command = Command::new(self.command.get_program());
        let args: Vec<OsString> = self.command.get_args().map(ToOwned::to_owned).collect();
        // `env --default-signal kjo run`.
        let (before, after) = args.split_at(3);
        command.args(before).arg(arg).args(after).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.home.path());
        self.command = command;
        self
    }

    /// Starts it on terminals or files of the caller's: stdout and stderr.
    pub(crate) fn start_on(mut self, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Running {
        let child = self
            .command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .expect("kjo starts");
        // The caller's ends of the terminals go with the command.
        drop(self.command);
        Running {
            child,
            stderr: None,
            home: self.home,
        }
    }

    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// The folder it runs in, its home.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file into the folder it runs in.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder().join(name), content).expect(name);
        self
    }

    /// Starts it; stdout is the caller's to read.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kjo starts");
        let mut stdin = child.stdin.take().expect("stdin");
        // A run that refuses its arguments does not read the manifest.
        drop(stdin.write_all(&self.stdin));
        drop(stdin);
        let mut pipe = child.stderr.take().expect("stderr");
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).expect("stderr");
            String::from_utf8_lossy(&text).into_owned()
        });
        Running {
            child,
            stderr: Some(stderr),
            home: self.home,
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Done {
        let mut running = self.start();
        let mut pipe = running.stdout();
        let stdout = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).expect("stdout");
            bytes
        });
        let (code, stderr) = running.wait(HANGS_AFTER);
        Done {
            code,
            stdout: stdout.join().expect("stdout"),
            stderr,
        }
    }
}

impl Running {
    /// The folder it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&mut self) -> std::process::ChildStdout {
        self.child.stdout.take().expect("stdout is read once")
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("kill");
    }

    /// Waits for its end: exit code and stderr.
    #[track_caller]
    pub(crate) fn wait(&mut self, within: Duration) -> (i32, String) {
        let (code, stderr) = self.try_wait(within);
        let Some(code) = code else {
            panic!("kjo did not end by itself within {within:?}; stderr:\n{stderr}");
        };
        (code, stderr)
    }

    /// The same; no exit code if it did not end by itself.
    pub(crate) fn try_wait(&mut self, within: Duration) -> (Option<i32>, String) {
        let (status, stderr) = self.ended(within);
        (status.and_then(|s| s.code()), stderr)
    }

    /// How it ended, if it did by itself or by a signal of the test's, and stderr.
    pub(crate) fn ended(&mut self, within: Duration) -> (Option<ExitStatus>, String) {
        let status = self.status(within);
        let stderr = self.stderr.take().map(|stderr| stderr.join().expect("stderr"));
        (status, stderr.unwrap_or_default())
    }

    /// Waits until it has gone, by a signal that nothing survives.
    pub(crate) fn gone(&mut self) {
        self.child.wait().expect("wait");
    }

    fn status(&mut self, within: Duration) -> Option<ExitStatus> {
        let ended = eventually(within, || self.child.try_wait().expect("wait").is_some());
        if !ended {
            self.child.kill().expect("kill");
        }
        let status = self.child.wait().expect("wait");
        ended.then_some(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended, which is as well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether the condition comes true in time; looks ten times a second.
#[expect(
    clippy::disallowed_methods,
    reason = "a test against real processes has a real clock"
)]
pub(crate) fn eventually(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A result document, held to its schema.
#[track_caller]
pub(crate) fn result(text: impl AsRef<[u8]>) -> serde_json::Value {
    let document = serde_json::from_slice(text.as_ref()).expect("JSON");
    schema::expect_valid(&document);
    document
}

/// Times differ from run to run.
pub(crate) fn without_times(text: &str) -> String {
    let is_time = |word: &str| {
        let clock = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
        clock.is_some_and(|clock| clock.contains(':') && clock.chars().all(|c| c == ':' || c.is_ascii_digit()))
    };
    by_words(text, |word| is_time(word).then_some("[TIME]"))
}

/// Puts these words in the place of others.
pub(crate) fn by_words(text: &str, instead: impl Fn(&str) -> Option<&'static str>) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').map(|word| instead(word).unwrap_or(word)).collect();
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

impl Done {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is text")
    }

    /// Asserts exit code and stdout, with stderr in the message.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, stdout: impl AsRef<[u8]>) -> &Self {
        let stdout = stdout.as_ref();
        assert!(
            self.code == code && self.stdout == stdout,
            "exit code {} (not {code}), {} bytes of stdout (not {}): {:?}\nstderr:\n{}",
            self.code,
            self.stdout.len(),
            stdout.len(),
            String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(500)]),
            self.stderr
        );
        self
    }

    #[track_caller]
    pub(crate) fn expect_said(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "stderr lacks {words:?}:\n{}", self.stderr);
        self
    }
}
