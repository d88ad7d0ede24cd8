//! Volumes as folders of this machine: a pod's below the pod's own folder, a claim's beside them.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    folder,
    runtime::{Content, Kept, VolumeMount},
    supervisor::Mount,
};

/// No container can have this name.
const OF_POD: &str = ".volumes";
/// No pod's UID is this.
const CLAIMS: &str = ".claims";

/// The volumes that a container wants.
pub(super) struct Volumes {
    root: PathBuf,
    pod: PathBuf,
    wanted: Vec<VolumeMount>,
}

impl Volumes {
    pub(super) fn new(root: &Path, uid: &str, wanted: Vec<VolumeMount>) -> Self {
        Self {
            root: root.to_owned(),
            pod: root.join(uid).join(OF_POD),
            wanted,
        }
    }

    /// Makes what is not there yet.
    pub(super) fn make(self) -> io::Result<Vec<Mount>> {
        self.wanted.iter().map(|wanted| self.one(wanted)).collect()
    }

    fn one(&self, wanted: &VolumeMount) -> io::Result<Mount> {
        let folder = match &wanted.content {
            Content::Empty => self.pod.join(&wanted.volume),
            Content::Files(files) => {
                let folder = self.pod.join(&wanted.volume);
                if !folder.exists() {
                    folder::make(&folder)?;
                    for file in files {
                        write(&folder.join(&file.path), file.mode, &file.bytes)?;
                    }
                }
                folder
            }
            Content::Claim(uid) => self.root.join(CLAIMS).join(uid),
        };
        let source = match &wanted.sub_path {
            Some(sub) => folder.join(sub),
            None => folder,
        };
        if !source.exists() {
            // Also a part that is not there: it becomes a folder.
            folder::make(&source)?;
        }
        let files = matches!(wanted.content, Content::Files(_));
        Ok(Mount {
            source,
            path: wanted.path.clone(),
            read_only: wanted.read_only || files,
        })
    }
}

fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        folder::make(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    fs::set_permissions(path, Permissions::from_mode(mode & 0o777))
}

/// Removes what is kept no longer.
pub(super) fn remove(root: &Path, kept: Kept<'_>) {
    let path = match kept {
        Kept::Pod(uid) => root.join(uid).join(OF_POD),
        Kept::Claim(uid) => root.join(CLAIMS).join(uid),
    };
    if path.exists() {
        folder::remove(&path, root);
    }
}
