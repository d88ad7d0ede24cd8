//! The start of a container's first process: as it is, or in a bubblewrap, in the words of runc where
//! it cannot be.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd, RawFd},
        unix::{fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    unistd::{close, pipe},
};
use serde::{Deserialize, Serialize};

use super::{
    bubblewrap,
    folder::Folder,
    supervisor::{Order, Task},
};

/// As container images have it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A container that has been started.
pub(super) struct Started {
    pub(super) child: Child,
    /// The container's first process is the child's child.
    pub(super) inside: bool,
    /// What bubblewrap itself may write to, as long as it runs.
    _words: Option<OwnedFd>,
}

/// What a program is, and where it starts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Program {
    command: Vec<String>,
    env: BTreeMap<String, String>,
    dir: PathBuf,
}

impl Program {
    fn new(order: &Order, work: &Path, message: &Path) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), PATH.to_owned()),
            ("HOME".to_owned(), text(work)),
            ("KJO_TERMINATION_MESSAGE_PATH".to_owned(), text(message)),
        ]);
        env.extend(order.env.iter().cloned());
        Self {
            command: order.command.clone(),
            env,
            dir: order.working_dir.clone().unwrap_or_else(|| work.to_owned()),
        }
    }

    /// The command that runs it.
    fn prepare(&self) -> Result<(Command, &str), String> {
        let Some((program, args)) = self.command.split_first() else {
            return Err("the sandbox does not use images: give the container a command".to_owned());
        };
        let dir = &self.dir;
        if !dir.is_absolute() {
            return Err("Cwd must be an absolute path".to_owned());
        }
        if let Err(error) = fs::read_dir(dir) {
            let (dir, why) = (dir.display().to_string(), words(&error));
            return Err(failed(&format!(
                "error during container init: chdir to cwd ({dir:?}) set in config.json failed: {why}"
            )));
        }
        let path = self.env.get("PATH").map(String::as_str).unwrap_or_default();
        let file = look_up(program, path, dir).map_err(|why| failed(&format!("exec: {program:?}: {why}")))?;
        let mut command = Command::new(file);
        command.arg0(program).args(args).env_clear().envs(&self.env);
        command.current_dir(dir).stdin(Stdio::null());
        Ok((command, program))
    }
}

/// Starts the container.
pub(super) fn start(order: &Order, folder: &Folder) -> Result<Started, String> {
    match &order.bubblewrap {
        None => plain(order, folder),
        Some(bwrap) => {
            let mut tries = 1;
            loop {
                match wrapped(bwrap, order, folder) {
                    Ok(started) => return Ok(started),
                    // Something was unmounted on this machine while it was being bound: nothing of the
                    // container has run yet.
                    Err(NotStarted::Bubblewrap(why))
                        if tries < bubblewrap::TRIES && why.contains(bubblewrap::UNMOUNTED) =>
                    {
                        tries += 1;
                    }
                    Err(NotStarted::Bubblewrap(why)) => return Err(failed(&why)),
                    Err(NotStarted::Program(why)) => return Err(why),
                }
            }
        }
    }
}

/// Why a container did not start.
enum NotStarted {
    /// Bubblewrap failed.
    Bubblewrap(String),
    /// The program cannot be started.
    Program(String),
}

fn plain(order: &Order, folder: &Folder) -> Result<Started, String> {
    let program = Program::new(order, &folder.work(), &folder.message_path());
    let (mut command, name) = program.prepare()?;
    let child = command
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&format!("exec: {name:?}: {}", words(&error))))?;
    Ok(Started {
        child,
        inside: false,
        _words: None,
    })
}

/// Who starts a program from within: the files that it was handed, by their numbers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inside {
    program: Program,
    /// Where it tells how it goes.
    report: RawFd,
    /// The container's standard error; its own is bubblewrap's.
    stderr: RawFd,
    /// kjo's program.
    executable: RawFd,
}

/// In a bubblewrap, this program looks the command up among the files that are there, and becomes it.
fn wrapped(bwrap: &Path, order: &Order, folder: &Folder) -> Result<Started, NotStarted> {
    let cannot = |error: io::Error| NotStarted::Bubblewrap(format!("cannot start bubblewrap: {}", words(&error)));
    let handed = |fd: &OwnedFd| {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))
            .map(drop)
            .map_err(io::Error::from)
    };
    let executable = OwnedFd::from(File::open("/proc/self/exe").map_err(cannot)?);
    let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(cannot)?;
    let (told, report) = private_pipe().map_err(cannot)?;
    let (heard, own_words) = private_pipe().map_err(cannot)?;
    for fd in [&executable, &stderr, &report] {
        handed(fd).map_err(cannot)?;
    }
    let inside = Task::Inside(Inside {
        program: Program::new(order, &folder.work(), &order.message_path),
        report: report.as_raw_fd(),
        stderr: stderr.as_raw_fd(),
        executable: executable.as_raw_fd(),
    });
    let mut line = serde_json::to_vec(&inside).map_err(|error| cannot(error.into()))?;
    line.push(b'\n');
    let arguments = bubblewrap::arguments(order, &folder.work(), &folder.message_path());
    let mut command = Command::new(bwrap);
    command
        .args(arguments.map_err(NotStarted::Program)?)
        .arg("--")
        .arg(format!("/proc/self/fd/{}", executable.as_raw_fd()))
        .args(&order.supervisor)
        .env_clear()
        .stdin(Stdio::piped())
        .stderr(own_words)
        .process_group(0);
    let mut child = command.spawn().map_err(cannot)?;
    drop(command);
    drop((executable, stderr, report));
    if let Some(mut stdin) = child.stdin.take() {
        // A bubblewrap that has failed reads nothing, and says why below.
        drop(stdin.write_all(&line));
    }
    let mut answer = String::new();
    File::from(told).read_to_string(&mut answer).map_err(cannot)?;
    match answer.strip_prefix(READY) {
        Some("") => Ok(Started {
            child,
            inside: true,
            _words: Some(heard),
        }),
        Some(why) => {
            drop(child.wait());
            Err(NotStarted::Program(why.to_owned()))
        }
        None => {
            drop(child.wait());
            let mut said = String::new();
            drop(File::from(heard).take(4096).read_to_string(&mut said));
            Err(NotStarted::Bubblewrap(said.trim().to_owned()))
        }
    }
}

/// The mark of a program that got as far as to be started from within.
const READY: &str = "ready\n";

fn private_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe()?;
    for end in [&read, &write] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    Ok((read, write))
}

/// Becomes the container's program. Comes back only if that fails.
pub(super) fn become_it(inside: &Inside) -> io::Result<()> {
    // Opened anew they are closed by themselves when the program begins.
    let reopen = |fd: RawFd| OpenOptions::new().write(true).open(format!("/proc/self/fd/{fd}"));
    let (mut report, stderr) = (reopen(inside.report)?, reopen(inside.stderr)?);
    for fd in [inside.report, inside.stderr, inside.executable] {
        close(fd)?;
    }
    report.write_all(READY.as_bytes())?;
    let why = match inside.program.prepare() {
        Ok((mut command, name)) => {
            let error = command.stderr(stderr).exec();
            failed(&format!("exec: {name:?}: {}", words(&error)))
        }
        Err(why) => why,
    };
    report.write_all(why.as_bytes())
}

fn failed(why: &str) -> String {
    format!("unable to start container process: {why}")
}

/// `exec.LookPath` of Go, which runc uses.
fn look_up(program: &str, path: &str, dir: &Path) -> Result<PathBuf, String> {
    let executable = |file: &Path| -> Result<(), String> {
        let about = fs::metadata(file).map_err(|error| format!("stat {}: {}", file.display(), words(&error)))?;
        if about.is_dir() || about.permissions().mode() & 0o111 == 0 {
            return Err("permission denied".to_owned());
        }
        Ok(())
    };
    if program.contains('/') {
        let file = dir.join(program);
        return executable(&file).map(|()| file);
    }
    let mut files = std::env::split_paths(path).map(|folder| dir.join(folder).join(program));
    files
        .find(|file| !program.is_empty() && executable(file).is_ok())
        .ok_or_else(|| "executable file not found in $PATH".to_owned())
}

/// An error as C and Go word it.
fn words(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(errno) => errno.desc().to_lowercase(),
        None => error.to_string(),
    }
}
