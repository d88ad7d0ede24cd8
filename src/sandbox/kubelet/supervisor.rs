//! The process between kjo and one container's processes: it outlives signals meant for kjo, and its
//! containers never outlive kjo. kjo's program plays this part when told so; it blocks, and knows
//! nothing of tokio.
//!
//! It speaks over the socket that is its standard input, in lines: first comes its order in JSON,
//! then `TERM` or `KILL`; it answers with reports in JSON. The socket's end kills everything.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::PathBuf,
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, setsid},
};
use serde::{Deserialize, Serialize};

use super::{
    folder::{self, Folder},
    launch::{self, Inside},
};

/// What this process is there for; comes first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// To hold a container.
    Container(Box<Order>),
    /// To remove this folder when kjo has gone, however it went.
    Keep(PathBuf),
    /// To become the container's program, once inside its bubblewrap.
    Inside(Inside),
}

/// What to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Holds the folders of all containers.
    pub(super) root: PathBuf,
    /// This one's, below `root`.
    pub(super) folder: PathBuf,
    pub(super) command: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) working_dir: Option<PathBuf>,
    pub(super) hostname: String,
    /// Where the termination message is, as the container sees it.
    pub(super) message_path: PathBuf,
    /// In which bubblewrap it runs, if in any.
    pub(super) bubblewrap: Option<PathBuf>,
    /// Arguments that make kjo's program this one.
    pub(super) supervisor: Vec<String>,
    /// What is put where, in bubblewrap only.
    pub(super) mounts: Vec<Mount>,
}

/// A folder or file of this machine at another place in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mount {
    pub(super) source: PathBuf,
    pub(super) path: PathBuf,
    pub(super) read_only: bool,
}

/// What has become of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    Started,
    /// It could not be started, in the words of runc.
    Failed(String),
    Exited {
        code: i32,
        message: Vec<u8>,
    },
}

/// Does what standard input says first. Returns an exit code.
#[must_use]
pub fn supervise() -> u8 {
    u8::from(serve().is_err())
}

fn serve() -> io::Result<()> {
    let mut input = BufReader::new(fs::File::from(io::stdin().as_fd().try_clone_to_owned()?));
    let mut line = String::new();
    input.read_line(&mut line)?;
    match serde_json::from_str(&line)? {
        Task::Container(order) => {
            // Nothing of what follows the order can have been read with it: kjo waits for an answer.
            drop(input);
            hold(&order)
        }
        Task::Keep(folder) => {
            away();
            // Its end, or an error, is that of kjo.
            drop(input.read_to_end(&mut Vec::new()));
            folder::remove_for_good(&folder);
            Ok(())
        }
        Task::Inside(inside) => launch::become_it(&inside),
    }
}

/// Away from the terminal and from kjo's process group.
fn away() {
    // It fails only where that is so already.
    let _leader: Result<Pid, Errno> = setsid();
}

fn hold(order: &Order) -> io::Result<()> {
    away();
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let commands = BufReader::new(socket.try_clone()?);
    let started = Folder::new(&order.root, &order.folder)
        .map_err(|error| format!("cannot make a folder below {}: {error}", order.root.display()))
        .and_then(|folder| Ok((launch::start(order, &folder)?, folder)));
    let (container, folder) = match started {
        Ok(started) => started,
        Err(why) => return report(&mut socket, &Report::Failed(why)),
    };
    let main = Pid::from_raw(i32::try_from(container.child.id()).unwrap_or(i32::MAX));
    let inside = container.inside;
    // If kjo is gone already, the thread below hears of it.
    drop(report(&mut socket, &Report::Started));
    thread::spawn(move || obey(commands, main, inside));
    let code = wait(main);
    sweep(main);
    let message = folder.message().unwrap_or_default();
    drop((folder, container));
    report(&mut socket, &Report::Exited { code, message })
}

fn report(socket: &mut UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// Follows kjo's commands, to the end of kjo.
fn obey(commands: BufReader<UnixStream>, main: Pid, inside: bool) {
    for command in commands.lines().map_while(Result::ok) {
        match command.as_str() {
            // As in a container runtime, the first process there hears it, and nobody else.
            "TERM" if inside => {
                if let Some(first) = below(&main.to_string()).first() {
                    signal(|| kill(*first, Signal::SIGTERM));
                }
            }
            "TERM" => signal(|| killpg(main, Signal::SIGTERM)),
            "KILL" => kill_all(main),
            _ => {}
        }
    }
    kill_all(main);
}

/// What is there to be signalled may end at any moment; that it has is no error.
fn signal(send: impl FnOnce() -> nix::Result<()>) {
    let _gone: nix::Result<()> = send();
}

/// Waits for the main process, and buries whom it left behind meanwhile.
fn wait(main: Pid) -> i32 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => return code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => return 128 + signal as i32,
            Ok(_) | Err(Errno::EINTR) => {}
            // A signal that nix has no name for has ended one of them.
            Err(Errno::EINVAL) if kill(main, None).is_ok() => {}
            Err(_) => return 255,
        }
    }
}

/// Ends what the main process has left over, as the end of a container's PID 1 does.
fn sweep(main: Pid) {
    // What sits in the kernel may take a while; what never ends must not hold kjo up.
    for _ in 0..2000 {
        kill_all(main);
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(1)),
            Err(Errno::ECHILD) => return,
            Ok(_) | Err(_) => {}
        }
    }
}

fn kill_all(main: Pid) {
    signal(|| killpg(main, Signal::SIGKILL));
    for pid in below(&std::process::id().to_string()) {
        signal(|| kill(pid, Signal::SIGKILL));
    }
}

/// All processes beneath this one, also those with a session of their own. Where there is no /proc,
/// none.
fn below(pid: &str) -> Vec<Pid> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            found.extend(child.parse().ok().map(Pid::from_raw));
            found.extend(below(child));
        }
    }
    found
}
