//! A core dump would hold a token.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{scripted::heard, support::eventually};

/// Whether SIGQUIT, once `begun`, leaves a core of this program.
fn dumps(program: &str, args: &[&str], kubeconfig: &str, begun: impl Fn() -> bool) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!("ulimit -S -c unlimited 2>/dev/null; exec {program} {}", args.join(" "));
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    assert!(eventually(Duration::from_secs(30), begun));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, Signal::SIGQUIT).expect("it runs");
    let status = child.wait().expect("its end");
    assert_eq!(status.signal(), Some(Signal::SIGQUIT as i32), "{status}");
    status.core_dumped()
}

#[test]
fn kjo_leaves_none() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let heard_it = std::sync::Arc::clone(&asked);
    // It never answers: kjo waits with its token in memory.
    let port = heard(move |_, _| {
        heard_it.store(true, std::sync::atomic::Ordering::Relaxed);
        loop {
            std::thread::park();
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kubeconfig");
    let kubeconfig = crate::KUBECONFIG.replace("https://127.0.0.1:PORT", &format!("http://127.0.0.1:{port}"));
    std::fs::write(&file, kubeconfig).expect("a kubeconfig");
    let file = file.display().to_string();
    let kjo = env!("CARGO_BIN_EXE_kjo");
    assert!(!dumps(kjo, &["check"], &file, || asked
        .load(std::sync::atomic::Ordering::Relaxed)));
}
