//! Where a document is put: a file of its own that is replaced as a whole, or something that has to be
//! written into (a pipe, a device, a file that is mounted by itself).

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Where a document is put.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Replaced by renaming: a reader sees the old or the new document, never half of one.
    Replaced(PathBuf),
    /// Written into, once.
    WrittenInto(PathBuf),
}

impl Place {
    /// Prepares a path: what an earlier run has left there is gone, so that nobody reads yesterday's.
    ///
    /// # Errors
    /// It is there and cannot be taken away.
    pub(super) fn cleared(path: PathBuf) -> io::Result<Self> {
        let kind = fs::metadata(&path).map(|meta| meta.file_type());
        let own = match &kind {
            Ok(kind) => kind.is_file() && !of_the_system(&path),
            Err(_) => true,
        };
        if !own {
            return match kind {
                // Removing it would not make it a file; writing will tell.
                Ok(kind) if kind.is_dir() => Ok(Self::Replaced(path)),
                Ok(_) | Err(_) => Ok(Self::WrittenInto(path)),
            };
        }
        match fs::remove_file(&path) {
            Ok(()) => Ok(Self::Replaced(path)),
            // A file that is a mount of its own (a container's `-v file:file`) stays and is emptied.
            Err(e) if e.kind() == ErrorKind::ResourceBusy => {
                fs::OpenOptions::new().write(true).truncate(true).open(&path)?;
                Ok(Self::WrittenInto(path))
            }
            // No file, or no such folder: writing will tell.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Self::Replaced(path)),
            Err(e) => Err(e),
        }
    }

    /// The path, for messages.
    pub(super) fn path(&self) -> &Path {
        let (Self::Replaced(path) | Self::WrittenInto(path)) = self;
        path
    }

    /// Whether a document may be followed by another.
    pub(super) fn takes_several(&self) -> bool {
        match self {
            Self::Replaced(_) => true,
            Self::WrittenInto(_) => false,
        }
    }

    /// Puts a document there. Mode 0600 where it is a file of its own.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn put(&self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Replaced(path) => replace(path, text),
            Self::WrittenInto(path) => fs::OpenOptions::new()
                .write(true)
                // A pipe that nobody reads is an error, not a reason to wait.
                .custom_flags(NONBLOCK)
                .open(path)?
                .write_all(text),
        }
    }
}

/// `O_NONBLOCK` of this platform.
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = 0o4000;
#[cfg(not(target_os = "linux"))]
const NONBLOCK: i32 = 0x4;

/// Names that the system made, not a run: /dev/stdout (a link), /dev/fd/3, /dev/termination-log.
fn of_the_system(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(Path::new(""));
    folder == Path::new("/dev") || folder == Path::new("/dev/fd") || path.starts_with("/proc")
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(text)?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The first error is the one to tell; a leftover may or may not exist.
        drop(fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        fs::write(&path, "yesterday's").unwrap();
        let place = Place::cleared(path.clone()).unwrap();
        assert!(!path.exists() && place.takes_several());
        for text in ["first", "second"] {
            place.put(text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing beside it");
    }

    #[test]
    fn what_cannot_be_written_is_told_when_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("no/such/r.json")] {
            assert!(Place::cleared(path).unwrap().put(b"x").is_err());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn pipes_and_devices_are_written_into_and_stay() {
        let place = Place::cleared("/dev/null".into()).unwrap();
        assert!(!place.takes_several());
        place.put(b"x").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        assert!(!Place::cleared("/dev/stdout".into()).unwrap().takes_several());

        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let place = Place::cleared(pipe.clone()).unwrap();
        assert!(place.put(b"x").is_err(), "nobody reads");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }
}
