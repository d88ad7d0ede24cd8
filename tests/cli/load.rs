//! A sandbox that others live in: much work, little room, and ends that nobody announced.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::signal::Signal,
};

use crate::{
    isolation::WORKS,
    sandbox::{nothing_left, runs},
    serve::{Serving, run},
    support::eventually,
};

fn best() -> &'static str {
    if *WORKS { "bwrap" } else { "none" }
}

/// Kilobytes of a process that are in memory.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().next()).expect("a figure");
    figure.parse().expect("a number")
}

/// `KJO_SANDBOX_RUNS` says how many runs; `tests/deep` makes a thousand.
#[test]
fn runs_one_after_the_other_leave_nothing_behind() {
    let count = std::env::var("KJO_SANDBOX_RUNS").ok();
    let count: u32 = count.map_or(10, |text| text.parse().expect("KJO_SANDBOX_RUNS is a number"));
    let serving = Serving::within(best());
    let lines: String = (0..200).map(|n| format!("line {n} of two hundred\n")).collect();
    let script = "i=0; while [ $i -lt 200 ]; do echo line $i of two hundred; i=$((i+1)); done";
    let begun = resident(serving.kjo.id());
    let mut settled = 0;
    for n in 1..=count {
        serving.run(script).expect(0, &lines);
        // By then it keeps as many changes and Events as it ever does.
        if n == 300 {
            settled = resident(serving.kjo.id());
        }
    }
    let ended = resident(serving.kjo.id());
    if settled > 0 {
        assert!(
            ended < settled + 8 * 1024,
            "{begun} kB at the start, {settled} kB after 300 runs, {ended} kB after {count}"
        );
    }
    serving.stop(Signal::SIGINT, 0);
}

/// Containers' files and the sandbox's own on a disk of 2 MB, which is bubblewrap's to make.
#[test]
fn a_full_disk_is_told_and_ends_nothing_else() {
    if !*WORKS {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let kjo = env!("CARGO_BIN_EXE_kjo");
    // A container fills it; a second one has no room for a file, and writes to its log all the same.
    let script = format!(
        "{kjo} run --quiet --image i -- sh -c 'head -c 5000000 /dev/zero 2>/dev/null > $TMPDIR/fill || echo full' 2>/dev/null
         {kjo} run --quiet --image i -- sh -c '(echo more > file) 2>/dev/null || echo no room; seq 100000 | tail -n 1; exit 3' 2>/dev/null
         echo code $?; rm $TMPDIR/fill
         {kjo} run --quiet --image i -- sh -c 'echo more > file && echo room'"
    )
    .replace("$TMPDIR", &folder.path().display().to_string());
    let output = Command::new("bwrap")
        .args(["--dev-bind", "/", "/", "--size", "2097152", "--tmpfs"])
        .arg(folder.path())
        .args([kjo, "sandbox", "--isolation", "none", "--", "sh", "-c", &script])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("bwrap");
    let said = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, ["full", "no room", "100000", "code 3", "room"], "{text}{said}");
}

/// A terminal of the sandbox's own goes with all that the sandbox has.
#[test]
fn a_closed_terminal_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    // Nobody else may inherit it.
    let terminal = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).expect("a terminal");
    grantpt(&terminal).expect("a terminal");
    unlockpt(&terminal).expect("a terminal");
    let name = ptsname_r(&terminal).expect("its name");
    let end = || {
        let end = File::options()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(&name);
        Stdio::from(end.expect("its end"))
    };
    let mut kjo = Command::new("setsid")
        .args(["--ctty", env!("CARGO_BIN_EXE_kjo"), "sandbox", "--isolation", "none"])
        .env("TMPDIR", folder.path())
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .expect("setsid");
    let mut lines = BufReader::new(terminal).lines();
    let path = lines.by_ref().map(|line| line.expect("a line")).find_map(|line| {
        let path = line.split_once("export KUBECONFIG=")?.1;
        Some(path.trim_end().to_owned())
    });
    let path = path.expect("a line for a shell");
    let script = "trap '' TERM HUP; echo begun; setsid sleep 1620 & sleep 1620";
    let mut running = run(Path::new(&path), script).start();
    let mut line = String::new();
    BufReader::new(running.stdout()).read_line(&mut line).expect("a line");
    assert!(runs("sleep\x001620"));
    running.signal(Signal::SIGUSR1);
    running.wait(Duration::from_secs(30));
    drop(lines);
    let ended = eventually(Duration::from_secs(20), || {
        kjo.try_wait().is_ok_and(|end| end.is_some())
    });
    if !ended {
        kjo.kill().expect("it runs");
    }
    assert!(ended, "it lives without its terminal");
    nothing_left(folder.path(), "sleep\x001620");
}
