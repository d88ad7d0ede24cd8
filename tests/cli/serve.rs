//! `kjo sandbox`: a small cluster for others, of which nothing is left when it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    sandbox::{nothing_left, runs},
    support::{Done, Kjo, Running, eventually},
};

/// `kjo sandbox …` with a folder of its own for temporary files.
fn sandbox(args: &[&str]) -> (Kjo, tempfile::TempDir) {
    isolated("none", args)
}

fn isolated(how: &str, args: &[&str]) -> (Kjo, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let kjo = Kjo::new(["sandbox", "--isolation", how])
        .args(args.iter().copied())
        .env("TMPDIR", folder.path());
    (kjo, folder)
}

/// `kjo run` against the cluster of this kubeconfig.
pub(crate) fn run(kubeconfig: &Path, script: &str) -> Kjo {
    Kjo::new(["run", "--image", "busybox"])
        .env("KUBECONFIG", kubeconfig)
        .args(["--", "sh", "-c", script])
}

/// `kjo sandbox`, until it is stopped.
pub(crate) struct Serving {
    pub(crate) kjo: Running,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) folder: tempfile::TempDir,
}

impl Serving {
    fn new() -> Self {
        Self::within("none")
    }

    pub(crate) fn within(isolation: &str) -> Self {
        let (kjo, folder) = isolated(isolation, &[]);
        let mut kjo = kjo.start();
        let mut line = String::new();
        BufReader::new(kjo.stdout()).read_line(&mut line).expect("a line");
        let path = line.strip_prefix("export KUBECONFIG=").expect("a line for a shell");
        Self {
            kjo,
            kubeconfig: path.trim_end().into(),
            folder,
        }
    }

    pub(crate) fn run(&self, script: &str) -> Done {
        run(&self.kubeconfig, script).run()
    }

    fn port(&self) -> u16 {
        let config = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let (_, rest) = config.split_once("https://127.0.0.1:").expect("a server");
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        port.parse().expect("a port")
    }

    #[track_caller]
    pub(crate) fn stop(mut self, signal: Signal, code: i32) {
        self.kjo.signal(signal);
        let (ended, stderr) = self.kjo.wait(Duration::from_secs(10));
        assert_eq!(ended, code, "{stderr}");
        nothing_left(self.folder.path(), "no such word");
    }
}

#[test]
fn it_serves_until_it_is_stopped() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let serving = Serving::new();
        let about = serving.kubeconfig.metadata().expect("a kubeconfig");
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        let folder = serving
            .kubeconfig
            .parent()
            .expect("a folder")
            .metadata()
            .expect("a folder");
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        serving.run("echo hello; exit 3").expect(3, "hello\n");
        serving.stop(signal, 0);
    }
}

#[test]
fn a_command_is_run_with_it() {
    let (kjo, folder) = sandbox(&[
        "--",
        "sh",
        "-c",
        "echo $KUBECONFIG; echo ${KJO_CONTEXT-unset}; cat; test -s $KUBECONFIG && exit 7",
    ]);
    let done = kjo.env("KJO_CONTEXT", "elsewhere").stdin("input\n").run();
    assert_eq!(done.code, 7, "{}", done.stderr);
    let lines: Vec<&str> = done.text().lines().collect();
    let path = folder.path().display().to_string();
    assert!(lines[0].starts_with(&path), "{lines:?}");
    // A command has the caller's standard input.
    assert_eq!(lines[1..], ["unset", "input"]);
    nothing_left(folder.path(), "no such word");

    let (kjo, folder) = sandbox(&["--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(kjo.run().code, 137);
    nothing_left(folder.path(), "no such word");
    let (kjo, folder) = sandbox(&["--", "/no/such/program"]);
    let done = kjo.run();
    done.expect(125, "").expect_said("/no/such/program cannot be started");
    nothing_left(folder.path(), "no such word");
}

#[test]
fn a_command_hears_signals() {
    let (kjo, folder) = sandbox(&[
        "--",
        "sh",
        "-c",
        "trap 'exit 5' TERM; echo begun; while :; do sleep 0.05; done",
    ]);
    let mut kjo = kjo.start();
    let mut line = String::new();
    BufReader::new(kjo.stdout()).read_line(&mut line).expect("a line");
    kjo.signal(Signal::SIGTERM);
    let (code, stderr) = kjo.wait(Duration::from_secs(10));
    assert_eq!(code, 5, "{stderr}");
    nothing_left(folder.path(), "no such word");
}

#[test]
fn killed_with_9_it_leaves_nothing() {
    let serving = Serving::new();
    let mut running = run(
        &serving.kubeconfig,
        "trap '' TERM; echo begun; setsid sleep 1618 & sleep 1618",
    )
    .start();
    let mut line = String::new();
    BufReader::new(running.stdout()).read_line(&mut line).expect("a line");
    assert!(runs("sleep\x001618"));
    serving.kjo.signal(Signal::SIGKILL);
    nothing_left(serving.folder.path(), "sleep\x001618");
}

#[test]
fn two_side_by_side_are_two() {
    let (one, other) = (Serving::new(), Serving::new());
    assert_ne!(one.port(), other.port());
    one.run("echo one").expect(0, "one\n");
    other.run("echo other").expect(0, "other\n");
    // The token of one is none of the other's.
    let config = std::fs::read_to_string(&one.kubeconfig).expect("a kubeconfig");
    let mixed = config.replace(&format!(":{}", one.port()), &format!(":{}", other.port()));
    let file = one.folder.path().join("mixed");
    std::fs::write(&file, mixed).expect("a file");
    let done = run(&file, "echo never").run();
    assert_eq!((done.code, done.text()), (125, ""), "{}", done.stderr);
    std::fs::remove_file(&file).expect("the file");
    one.stop(Signal::SIGINT, 0);
    other.run("echo other").expect(0, "other\n");
    other.stop(Signal::SIGINT, 0);
}

#[test]
fn strangers_at_its_port_disturb_nothing_that_runs() {
    let serving = Serving::new();
    let mut running = run(&serving.kubeconfig, "echo begun; sleep 2; echo done").start();
    let mut stdout = BufReader::new(running.stdout());
    let mut text = String::new();
    stdout.read_line(&mut text).expect("a line");

    let knock = || TcpStream::connect(("127.0.0.1", serving.port())).expect("a connection");
    // Not a word, half of one, and what is no TLS at all.
    let idle: Vec<TcpStream> = (0..1000).map(|_| knock()).collect();
    let noise: Vec<u8> = (0..4096_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    for length in [1, 5, 64, 4096] {
        let mut stranger = knock();
        stranger.write_all(&noise[..length]).expect("bytes are taken");
        if length == 4096 {
            let mut answer = Vec::new();
            // It is hung up on, with or without an alert.
            drop(stranger.read_to_end(&mut answer));
        }
    }
    let mut plain = knock();
    plain
        .write_all(b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("bytes are taken");
    serving.run("echo meanwhile").expect(0, "meanwhile\n");
    drop(idle);

    while stdout.read_line(&mut text).expect("a line") > 0 {}
    let (code, stderr) = running.wait(Duration::from_secs(30));
    assert_eq!((code, text.as_str()), (0, "begun\ndone\n"), "{stderr}");
    serving.stop(Signal::SIGTERM, 0);
}

#[test]
fn only_this_machine_reaches_it() {
    let serving = Serving::new();
    // Somebody else may have the same port on every other address.
    let elsewhere = TcpListener::bind(("127.0.0.2", serving.port()));
    assert!(elsewhere.is_ok(), "{elsewhere:?}");
    serving.stop(Signal::SIGINT, 0);
}

#[test]
fn a_closed_stdout_does_not_end_it() {
    let (kjo, folder) = sandbox(&[]);
    let mut kjo = kjo.start();
    drop(kjo.stdout());
    let kubeconfig = || {
        let inside = std::fs::read_dir(folder.path()).expect("a folder").flatten().next()?;
        Some(inside.path().join("kubeconfig")).filter(|path| path.exists())
    };
    assert!(eventually(Duration::from_secs(10), || kubeconfig().is_some()));
    run(&kubeconfig().expect("a kubeconfig"), "echo hello")
        .run()
        .expect(0, "hello\n");
    kjo.signal(Signal::SIGINT);
    let (code, stderr) = kjo.wait(Duration::from_secs(10));
    assert_eq!(code, 0, "{stderr}");
    nothing_left(folder.path(), "no such word");
}

#[test]
fn what_it_cannot_do_it_says() {
    let (kjo, _folder) = sandbox(&[]);
    let done = kjo.env("TMPDIR", "/no/such/folder").run();
    done.expect(125, "").expect_said("the sandbox cannot start");
    let (folder, programs) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    std::os::unix::fs::symlink("/usr/bin/env", programs.path().join("env")).expect("a link");
    let without = |how: &str| {
        Kjo::new(["sandbox", "--isolation", how])
            .env("TMPDIR", folder.path())
            .env("PATH", programs.path())
    };
    let done = without("bwrap").run();
    done.expect(125, "").expect_said("there is no bwrap on the PATH");
    let done = without("auto").args(["--", "/bin/sh", "-c", "exit 4"]).run();
    done.expect(4, "")
        .expect_said("as plain processes without isolation (there is no bwrap on the PATH");
    nothing_left(folder.path(), "no such word");
}
