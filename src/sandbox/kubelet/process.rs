//! Containers as processes of this machine, each beneath a supervisor of its own.
//!
//! They see the machine's files and the user's rights; the working directory and HOME are a private
//! folder that goes with the container. In a bubblewrap the files are read-only and volumes and
//! termination message are where the pod has them. Without one there are no volumes, SIGTERM reaches
//! the whole process group, and the termination message is to be written to the file that the
//! variable KJO_TERMINATION_MESSAGE_PATH names, since `terminationMessagePath` is a path of the machine.

use std::{
    io,
    os::{fd::OwnedFd, unix::net},
    path::{Path, PathBuf},
    pin::pin,
    process::Stdio,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    time::timeout,
};

use super::{
    journal::Source,
    runtime::{ContainerStart, End, Kept, Running, Runtime, Signal},
    supervisor::{Order, Report, Task},
    volumes::{self, Volumes},
};

/// Read at a time.
const CHUNK: usize = 64 * 1024;
/// How long output is waited for that a process keeps open which could not be killed.
const OPEN_OUTPUT: Duration = Duration::from_secs(2);

/// The runtime of local processes.
#[derive(Debug)]
pub struct Processes {
    supervisor: PathBuf,
    args: Vec<String>,
    root: PathBuf,
    bubblewrap: Option<PathBuf>,
}

impl Processes {
    /// `supervisor` with `args` is a program that calls [`super::supervisor::supervise`]. Each
    /// container has a folder of its own below `root`, which is absolute; after the last one `root` is
    /// removed too.
    #[must_use]
    pub fn new(supervisor: PathBuf, args: Vec<String>, root: PathBuf) -> Self {
        Self {
            supervisor,
            args,
            root,
            bubblewrap: None,
        }
    }

    /// The same with each container in this bubblewrap.
    #[must_use]
    pub fn within(self, bubblewrap: PathBuf) -> Self {
        Self {
            bubblewrap: Some(bubblewrap),
            ..self
        }
    }

    /// Sees to it that `root` goes when this process has gone, however it goes. It may be made once this
    /// has come back; the keeper lives as long as what comes back.
    ///
    /// # Errors
    /// The keeper cannot be started.
    pub async fn keep(&self) -> io::Result<Keeper> {
        let mut command = Command::new(&self.supervisor);
        command.args(&self.args).env_clear();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = serde_json::to_vec(&Task::Keep(self.root.clone()))?;
        line.push(b'\n');
        input.write_all(&line).await?;
        Ok(Keeper { child, input })
    }
}

/// What removes the sandbox's files in the end.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    input: ChildStdin,
}

impl Keeper {
    /// Has it remove them now, and waits until they are gone.
    pub async fn remove(self) {
        let Self { mut child, input } = self;
        drop(input);
        // If it has failed there is nobody left to try.
        drop(child.wait().await);
    }
}

impl Runtime for Processes {
    fn start(&self, start: ContainerStart) -> BoxFuture<'static, Result<Running, String>> {
        let mut command = Command::new(&self.supervisor);
        // Its own environment is nobody's business: the container's comes with the order.
        command.args(&self.args).env_clear();
        let folder = Path::new(&start.uid)
            .join(&start.container)
            .join(start.attempt.to_string());
        let order = Order {
            root: self.root.clone(),
            folder,
            command: start.command,
            env: start.env,
            working_dir: start.working_dir,
            hostname: start.hostname,
            message_path: start.termination_path.into(),
            bubblewrap: self.bubblewrap.clone(),
            supervisor: self.args.clone(),
            mounts: Vec::new(),
        };
        let volumes = Volumes::new(&self.root, &start.uid, start.mounts);
        Box::pin(async move {
            let made = tokio::task::spawn_blocking(move || volumes.make()).await;
            let made = made.map_err(|error| error.to_string())?;
            let mounts = made.map_err(|error| format!("cannot make the pod's volumes: {error}"))?;
            let order = Task::Container(Box::new(Order { mounts, ..order }));
            let begun = begin(command, &order).await;
            let (container, report) = begun.map_err(|error| format!("cannot run the supervisor: {error}"))?;
            match report {
                Report::Started => Ok(container.running()),
                Report::Failed(why) => Err(why),
                Report::Exited { .. } => Err("the supervisor tells of an end without a beginning".to_owned()),
            }
        })
    }

    fn forget(&self, kept: Kept<'_>) {
        volumes::remove(&self.root, kept);
    }
}

struct Container {
    child: Child,
    reports: Lines<BufReader<OwnedReadHalf>>,
    /// Its end tells the supervisor that kjo is gone.
    commands: OwnedWriteHalf,
}

async fn begin(mut command: Command, order: &Task) -> io::Result<(Container, Report)> {
    let (ours, theirs) = net::UnixStream::pair()?;
    command.stdin(Stdio::from(OwnedFd::from(theirs)));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // The command holds the supervisor's end of the socket.
    drop(command);
    ours.set_nonblocking(true)?;
    let (reports, mut commands) = UnixStream::from_std(ours)?.into_split();
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    commands.write_all(&line).await?;
    let mut reports = BufReader::new(reports).lines();
    let first = reports.next_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let report = serde_json::from_str(&first)?;
    Ok((
        Container {
            child,
            reports,
            commands,
        },
        report,
    ))
}

impl Container {
    fn running(self) -> Running {
        let (sender, output) = mpsc::channel(16);
        let (signals, heard) = mpsc::unbounded_channel();
        let end = Box::pin(self.run(sender, heard));
        Running { output, signals, end }
    }

    async fn run(mut self, output: mpsc::Sender<(Source, Bytes)>, mut signals: mpsc::UnboundedReceiver<Signal>) -> End {
        let stdout = pump(self.child.stdout.take(), Source::Stdout, output.clone());
        let stderr = pump(self.child.stderr.take(), Source::Stderr, output);
        let mut pumps = pin!(async { tokio::join!(stdout, stderr) });
        let mut pumped = false;
        let end = loop {
            tokio::select! {
                Some(signal) = signals.recv() => {
                    let command: &[u8] = match signal {
                        Signal::Term => b"TERM\n",
                        Signal::Kill => b"KILL\n",
                    };
                    // A supervisor that has ended reports, or its socket does.
                    drop(self.commands.write_all(command).await);
                }
                report = self.reports.next_line() => break match report.ok().flatten().map(|line| serde_json::from_str(&line)) {
                    Some(Ok(Report::Exited { code, message })) => End { code, oom: false, message },
                    // The supervisor is gone, and nobody knows how the container ended.
                    Some(Ok(Report::Started | Report::Failed(_)) | Err(_)) | None => End { code: 137, ..End::default() },
                },
                _ = &mut pumps, if !pumped => pumped = true,
            }
        };
        if !pumped {
            drop(timeout(OPEN_OUTPUT, pumps).await);
        }
        // It has said its last word.
        drop(self.child.wait().await);
        end
    }
}

async fn pump(from: Option<impl AsyncRead + Unpin>, source: Source, to: mpsc::Sender<(Source, Bytes)>) {
    let Some(mut from) = from else {
        return;
    };
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK);
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if to.send((source, buffer.split().freeze())).await.is_err() {
            return;
        }
    }
}
