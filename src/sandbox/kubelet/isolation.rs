//! Whether bubblewrap is here and works.

use std::{
    env,
    ffi::OsStr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use super::bubblewrap;

/// It takes some milliseconds; what hangs does not work.
const WITHIN: Duration = Duration::from_secs(10);

/// The bubblewrap of this machine, where it can do what the sandbox needs of it. `path` is the value
/// of `PATH`.
///
/// # Errors
/// Why not.
pub async fn find(path: &OsStr) -> Result<PathBuf, String> {
    if !cfg!(target_os = "linux") {
        return Err("bubblewrap is for Linux".to_owned());
    }
    let runs = |file: &Path| {
        file.metadata()
            .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    let bwrap = env::split_paths(path)
        .map(|folder| folder.join("bwrap"))
        .find(|file| runs(file));
    let bwrap = bwrap.ok_or("there is no bwrap on the PATH: install the package bubblewrap")?;
    let mut tries = 1;
    loop {
        match attempt(&bwrap).await {
            Ok(()) => return Ok(bwrap),
            Err(why) if tries < bubblewrap::TRIES && why.contains(bubblewrap::UNMOUNTED) => tries += 1,
            Err(why) => return Err(format!("{} does not work here: {why}", bwrap.display())),
        }
    }
}

async fn attempt(bwrap: &Path) -> Result<(), String> {
    let mut command = Command::new(bwrap);
    command
        .args(bubblewrap::trial())
        .args(["--", "/bin/sh", "-c", ":"])
        .env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(WITHIN, command.output()).await;
    let output = output
        .map_err(|late| late.to_string())?
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it fails without a word").to_owned())
}
