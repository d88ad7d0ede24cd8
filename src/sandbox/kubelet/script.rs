//! Containers that do what a script says, under tokio's clock: for tests of everything around them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{
    journal::Source,
    runtime::{ContainerStart, End, Kept, Running, Runtime, Signal},
};

/// One thing a scripted container does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes to standard output.
    Out(Bytes),
    /// Writes to standard error.
    Err(Bytes),
    /// Leaves this as its termination message.
    Message(Bytes),
    /// Does nothing for this long.
    Sleep(Duration),
    /// Ends with this code.
    Exit(i32),
    /// Is killed for want of memory.
    Oom,
}

/// What a scripted container does; it ends with code 0 after its last step.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Its steps.
    pub steps: Vec<Step>,
    /// What it does on SIGTERM: ends with this code after this long. `None` ignores it, as a program
    /// without a handler does that runs as PID 1.
    pub on_term: Option<(Duration, i32)>,
}

type Choose = dyn Fn(&ContainerStart) -> Result<Script, String> + Send + Sync;

/// The runtime of scripted containers.
pub struct Scripted {
    choose: Box<Choose>,
}

impl Scripted {
    /// Asks `choose` what each container does.
    #[must_use]
    pub fn new(choose: impl Fn(&ContainerStart) -> Script + Send + Sync + 'static) -> Self {
        Self::fallible(move |start| Ok(choose(start)))
    }

    /// The same, for containers that cannot all be started.
    #[must_use]
    pub fn fallible(choose: impl Fn(&ContainerStart) -> Result<Script, String> + Send + Sync + 'static) -> Self {
        Self {
            choose: Box::new(choose),
        }
    }
}

impl Runtime for Scripted {
    fn start(&self, start: ContainerStart) -> BoxFuture<'static, Result<Running, String>> {
        let script = (self.choose)(&start);
        Box::pin(async move {
            let script = script?;
            let (output, lines) = mpsc::channel(16);
            let (signals, heard) = mpsc::unbounded_channel();
            Ok(Running {
                output: lines,
                signals,
                end: Box::pin(run(script, output, heard)),
            })
        })
    }

    fn forget(&self, _: Kept<'_>) {
        // A script has no files.
    }
}

async fn run(
    script: Script,
    output: mpsc::Sender<(Source, Bytes)>,
    mut signals: mpsc::UnboundedReceiver<Signal>,
) -> End {
    let mut message = Vec::new();
    let mut leave: Option<(Instant, i32)> = None;
    let on_term = script.on_term;
    let (code, oom) = {
        // In a block of its own: what it has written is complete when its end is told.
        let steps = play(script.steps, output, &mut message);
        tokio::pin!(steps);
        loop {
            let leaving = async {
                match leave {
                    Some((at, code)) => {
                        sleep_until(at).await;
                        code
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                signal = signals.recv() => match signal {
                    Some(Signal::Term) => {
                        leave = leave.or_else(|| on_term.map(|(after, code)| (Instant::now() + after, code)));
                    }
                    // Nobody holds it any more.
                    Some(Signal::Kill) | None => break (137, false),
                },
                code = leaving => break (code, false),
                end = &mut steps => break end,
            }
        }
    };
    End { code, oom, message }
}

async fn play(steps: Vec<Step>, output: mpsc::Sender<(Source, Bytes)>, message: &mut Vec<u8>) -> (i32, bool) {
    for step in steps {
        let written = match step {
            Step::Out(bytes) => output.send((Source::Stdout, bytes)).await,
            Step::Err(bytes) => output.send((Source::Stderr, bytes)).await,
            Step::Message(bytes) => {
                *message = bytes.to_vec();
                Ok(())
            }
            Step::Sleep(time) => {
                sleep(time).await;
                Ok(())
            }
            Step::Exit(code) => return (code, false),
            Step::Oom => return (137, true),
        };
        if written.is_err() {
            return (141, false);
        }
    }
    (0, false)
}
