//! The process between kjo and one container's processes: it outlives signals meant for kjo, and its
//! containers never outlive kjo. kjo's program plays this part when told so; it blocks, and knows
//! nothing of tokio.
//!
//! It speaks over the socket that is its standard input, in lines: first comes its order in JSON,
//! then `TERM` or `KILL`; it answers with reports in JSON. The socket's end kills everything.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, Permissions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            fs::{DirBuilderExt as _, PermissionsExt as _},
            net::UnixStream,
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
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

/// As container images have it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The kubelet reads no more of a termination message.
const MESSAGE_LIMIT: i64 = 4096;

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

/// Runs one container, whose order comes over standard input. Returns an exit code.
#[must_use]
pub fn supervise() -> u8 {
    u8::from(serve().is_err())
}

fn serve() -> io::Result<()> {
    // Away from the terminal and from kjo's process group. It fails only where that is so already.
    let _leader: Result<Pid, Errno> = setsid();
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut commands = BufReader::new(socket.try_clone()?);
    let mut order = String::new();
    commands.read_line(&mut order)?;
    let order: Order = serde_json::from_str(&order)?;
    let started = Folder::new(&order)
        .map_err(|error| format!("cannot make a folder below {}: {error}", order.root.display()))
        .and_then(|folder| Ok((start(&order, &folder)?, folder)));
    let (child, folder) = match started {
        Ok(started) => started,
        Err(why) => return report(&mut socket, &Report::Failed(why)),
    };
    let main = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    // If kjo is gone already, the thread below hears of it.
    drop(report(&mut socket, &Report::Started));
    thread::spawn(move || obey(commands, main));
    let code = wait(main);
    sweep(main);
    let message = folder.message().unwrap_or_default();
    drop(folder);
    report(&mut socket, &Report::Exited { code, message })
}

fn report(socket: &mut UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// Follows kjo's commands, to the end of kjo.
fn obey(commands: BufReader<UnixStream>, main: Pid) {
    for command in commands.lines().map_while(Result::ok) {
        match command.as_str() {
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

fn start(order: &Order, folder: &Folder) -> Result<Child, String> {
    let Some((program, args)) = order.command.split_first() else {
        return Err("the sandbox does not use images: give the container a command".to_owned());
    };
    let work = folder.work();
    let dir = order.working_dir.as_ref().unwrap_or(&work);
    let mut env: BTreeMap<&str, &str> = BTreeMap::from([("PATH", PATH)]);
    let (home, message) = (work.to_string_lossy(), folder.message_path());
    let message = message.to_string_lossy();
    env.extend([
        ("HOME", home.as_ref()),
        ("KJO_TERMINATION_MESSAGE_PATH", message.as_ref()),
    ]);
    env.extend(order.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let failed = |why: String| format!("unable to start container process: {why}");
    if !dir.is_absolute() {
        return Err("Cwd must be an absolute path".to_owned());
    }
    if let Err(error) = fs::read_dir(dir) {
        let (dir, why) = (dir.display().to_string(), words(&error));
        let chdir = format!("error during container init: chdir to cwd ({dir:?}) set in config.json failed: {why}");
        return Err(failed(chdir));
    }
    let path = env.get("PATH").copied().unwrap_or_default();
    let file = look_up(program, path, dir).map_err(|why| failed(format!("exec: {program:?}: {why}")))?;
    let mut command = Command::new(file);
    command.arg0(program).args(args).env_clear().envs(env).current_dir(dir);
    command.stdin(Stdio::null()).process_group(0);
    command
        .spawn()
        .map_err(|error| failed(format!("exec: {program:?}: {}", words(&error))))
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

/// A container attempt's own folder; goes when this does.
struct Folder {
    root: PathBuf,
    path: PathBuf,
}

impl Folder {
    fn new(order: &Order) -> io::Result<Self> {
        let folder = Self {
            root: order.root.clone(),
            path: order.root.join(&order.folder),
        };
        let make = || DirBuilder::new().mode(0o700).recursive(true).create(folder.work());
        let mut tries = 0;
        while let Err(error) = make() {
            // Another container's end may take the folders above away at this moment.
            tries += 1;
            if error.kind() != io::ErrorKind::NotFound || tries > 100 {
                return Err(error);
            }
        }
        File::create(folder.message_path())?;
        Ok(folder)
    }

    fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    fn message_path(&self) -> PathBuf {
        self.path.join("termination-log")
    }

    /// The end of the termination message.
    fn message(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.message_path())?;
        let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
        file.seek(SeekFrom::End(-length.min(MESSAGE_LIMIT)))?;
        let mut message = Vec::new();
        file.read_to_end(&mut message)?;
        Ok(message)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if fs::remove_dir_all(&self.path).is_err() {
            unlock(&self.path);
            // What still cannot be removed stays: there is nobody to tell.
            drop(fs::remove_dir_all(&self.path));
        }
        for parent in self.path.ancestors().skip(1).take_while(|p| p.starts_with(&self.root)) {
            if fs::remove_dir(parent).is_err() {
                return;
            }
        }
    }
}

/// Makes folders removable that a container has closed to itself.
fn unlock(folder: &Path) {
    drop(fs::set_permissions(folder, Permissions::from_mode(0o700)));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
        }
    }
}
