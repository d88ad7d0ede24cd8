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
    let mut command = Command::new(&bwrap);
    command
        .args(bubblewrap::trial())
        .args(["--", "/bin/sh", "-c", ":"])
        .env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let cannot = |why: &dyn std::fmt::Display| format!("{} does not work here: {why}", bwrap.display());
    match tokio::time::timeout(WITHIN, command.output()).await {
        Err(late) => Err(cannot(&late)),
        Ok(Err(error)) => Err(cannot(&error)),
        Ok(Ok(output)) if output.status.success() => Ok(bwrap),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(cannot(&said.lines().last().unwrap_or("it fails without a word")))
        }
    }
}
