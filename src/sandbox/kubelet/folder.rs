//! Folders below the sandbox's root: a container attempt's own, and the removal of what a container
//! has closed to itself.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The kubelet reads no more of a termination message.
const MESSAGE_LIMIT: i64 = 4096;

/// A container attempt's own folder; goes when this does.
pub(super) struct Folder {
    root: PathBuf,
    path: PathBuf,
}

impl Folder {
    /// Makes the folder `path` below `root`.
    pub(super) fn new(root: &Path, path: &Path) -> io::Result<Self> {
        let folder = Self {
            root: root.to_owned(),
            path: root.join(path),
        };
        let make = || make(&folder.work());
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

    /// The working directory and HOME.
    pub(super) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Where the termination message is on this machine.
    pub(super) fn message_path(&self) -> PathBuf {
        self.path.join("termination-log")
    }

    /// The end of the termination message.
    pub(super) fn message(&self) -> io::Result<Vec<u8>> {
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
        remove(&self.path, &self.root);
    }
}

/// Makes a folder, and those above it, for this user only.
pub(super) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Removes a folder with all that is in it, and the folders above it that this leaves empty, up to and
/// with `root`.
pub(super) fn remove(path: &Path, root: &Path) {
    if fs::remove_dir_all(path).is_err() {
        unlock(path);
        // What still cannot be removed stays: there is nobody to tell.
        drop(fs::remove_dir_all(path));
    }
    for parent in path.ancestors().skip(1).take_while(|p| p.starts_with(root)) {
        if fs::remove_dir(parent).is_err() {
            return;
        }
    }
}

/// Removes a folder in which others may still be at work for a moment.
pub(super) fn remove_for_good(path: &Path) {
    for _ in 0..200 {
        remove(path, path);
        // The ends of containers, which are told at the same time, take a few milliseconds.
        thread::sleep(Duration::from_millis(25));
        if !path.exists() {
            return;
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
