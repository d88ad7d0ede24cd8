//! bubblewrap: a container's view of this machine. Everything is there, read-only; `/tmp`, `/dev` and
//! the processes are its own, and its volumes are at their true paths.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use super::supervisor::{Mount, Order};

/// What the container has of its own; whatever this machine has there is out of sight.
const OWN: [&str; 3] = ["/dev", "/proc", "/tmp"];

/// How often it is tried on a machine whose mounts come and go.
pub(super) const TRIES: u32 = 20;
/// What it says when something was unmounted while it was being bound.
pub(super) const UNMOUNTED: &str = "Unable to apply mount flags";

/// The arguments before the command.
///
/// # Errors
/// A mount at a place where nothing can be mounted.
pub(super) fn arguments(order: &Order, work: &Path, message: &Path) -> Result<Vec<OsString>, String> {
    let own = |source: &Path, path: &Path| Mount {
        source: source.to_owned(),
        path: path.to_owned(),
        read_only: false,
    };
    let mut mounts = vec![own(work, work), own(message, &order.message_path)];
    mounts.extend(order.mounts.iter().cloned());
    let mut view = View::of_this_machine();
    view.mount(mounts)?;
    Ok(view.with_processes_of_its_own(&order.hostname))
}

/// The arguments for a container with nothing of its own, to see whether they work.
pub(super) fn trial() -> Vec<OsString> {
    View::of_this_machine().with_processes_of_its_own("trial")
}

struct View {
    args: Vec<OsString>,
}

impl View {
    fn of_this_machine() -> Self {
        let mut view = Self { args: Vec::new() };
        view.open_up(Path::new("/"));
        for (flag, place) in [("--proc", "/proc"), ("--dev", "/dev"), ("--tmpfs", "/tmp")] {
            view.say(flag, [place]);
        }
        view
    }

    fn with_processes_of_its_own(mut self, hostname: &str) -> Vec<OsString> {
        for flag in ["--unshare-pid", "--as-pid-1", "--die-with-parent", "--unshare-uts"] {
            self.args.push(flag.into());
        }
        self.say("--hostname", [hostname]);
        self.args
    }

    fn say<A: AsRef<OsStr>>(&mut self, flag: &str, args: impl IntoIterator<Item = A>) {
        self.args.push(flag.into());
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
    }

    /// Puts an empty folder over one of this machine, with what is in that, read-only: new places can be
    /// made beside it.
    fn open_up(&mut self, folder: &Path) {
        self.say("--tmpfs", [folder]);
        let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if OWN.iter().any(|own| path == Path::new(own)) {
                continue;
            }
            let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            match fs::read_link(&path).ok().filter(|_| link) {
                Some(target) => self.say("--symlink", [target.as_path(), path.as_path()]),
                // What has gone meanwhile is not missed.
                None => self.say("--ro-bind-try", [&path, &path]),
            }
        }
    }

    fn mount(&mut self, mut mounts: Vec<Mount>) -> Result<(), String> {
        for mount in &mut mounts {
            mount.path = plain(&mount.path).ok_or_else(|| {
                let path = mount.path.display();
                format!("cannot mount at {path}: it is no plain absolute path of the container's")
            })?;
        }
        // As containerd does: what is further down comes later.
        mounts.sort_by_key(|mount| mount.path.components().count());
        let holders: BTreeSet<PathBuf> = mounts.iter().filter_map(|mount| holder(&mount.path, &mounts)).collect();
        for holder in holders {
            self.open_up(&holder);
        }
        for mount in mounts {
            let flag = if mount.read_only { "--ro-bind" } else { "--bind" };
            self.say(flag, [&mount.source, &mount.path]);
        }
        Ok(())
    }
}

/// The folder of this machine that must be opened up for a place that is not there.
fn holder(path: &Path, mounts: &[Mount]) -> Option<PathBuf> {
    let within = |other: &Path| path != other && path.starts_with(other);
    let has_place = path.exists()
        || OWN.iter().any(|own| within(Path::new(own)))
        || mounts.iter().any(|mount| mount.source.is_dir() && within(&mount.path));
    let holder = path.ancestors().skip(1).find(|path| path.exists())?;
    (!has_place && holder != Path::new("/")).then(|| holder.to_owned())
}

/// The path without what is superfluous; nothing for one that is relative, leads upwards, or is the
/// system's.
fn plain(path: &Path) -> Option<PathBuf> {
    let upwards = path.components().any(|part| part.as_os_str() == "..");
    let own = path.starts_with("/proc") || path == Path::new("/");
    (path.is_absolute() && !upwards && !own).then(|| path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(paths: &[&str]) -> String {
        let mounts = paths.iter().map(|path| Mount {
            source: "/".into(),
            path: path.into(),
            read_only: path.contains("read-only"),
        });
        let mut view = View { args: Vec::new() };
        if let Err(why) = view.mount(mounts.collect()) {
            return why;
        }
        let args: Vec<_> = view.args.iter().map(|arg| arg.to_string_lossy()).collect();
        args.join(" ")
    }

    #[test]
    fn places_are_made_where_there_are_none() {
        assert_eq!(mounted(&["/no-such/a/"]), "--bind / /no-such/a");
        assert_eq!(
            mounted(&["/tmp/x/y", "/dev/read-only"]),
            "--ro-bind / /dev/read-only --bind / /tmp/x/y"
        );
        // What is there is mounted over.
        assert_eq!(mounted(&["/usr"]), "--bind / /usr");
        let opened = mounted(&["/usr/no-such/a", "/usr/bin"]);
        assert!(
            opened.starts_with("--tmpfs /usr ") && opened.contains("--ro-bind-try /usr/lib /usr/lib"),
            "{opened}"
        );
        assert!(
            opened.ends_with("--bind / /usr/bin --bind / /usr/no-such/a"),
            "{opened}"
        );
        // Once is enough, and what is in a volume is the volume's.
        let twice = mounted(&["/usr/no-such/a/c/d", "/usr/no-such/a", "/usr/no-such/b"]);
        assert_eq!(twice.matches("--tmpfs").count(), 1, "{twice}");
    }

    #[test]
    fn what_cannot_be_mounted_is_named() {
        for path in ["relative", "/a/../b", "/proc/self", "/"] {
            assert!(mounted(&[path]).starts_with("cannot mount at"), "{path}");
        }
    }
}
