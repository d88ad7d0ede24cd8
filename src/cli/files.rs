//! `-f`: files, directories, stdin; read, and nothing more.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::spec::{
    Refusal,
    bundle::Bundle,
    read::{self, Document},
};

/// Flags that say which manifests to read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What to run")]
pub struct FileArgs {
    /// The manifest: a YAML or JSON file, a directory of them, or - for stdin; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE", value_delimiter = ',')]
    pub file: Vec<PathBuf>,

    /// Read directories given with -f with all that is below them
    #[arg(short = 'R', long, requires = "file")]
    pub recursive: bool,

    /// Run the template of a CronJob of the cluster, once, now
    #[arg(long, value_name = "cronjob/NAME", conflicts_with = "file")]
    pub from: Option<String>,

    /// Which object runs, where the manifests hold several Jobs, CronJobs, Pods or PodTemplates
    #[arg(long, value_name = "NAME", requires = "file")]
    pub job: Option<String>,
}

/// What kubectl reads of a directory.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];
/// Enough for any manifest, and an end where somebody pipes a disk.
const MAX_BYTES: u64 = 9 * 1024 * 1024;

/// Everything that was given, read and checked before anything is sent.
pub(super) fn bundle(args: &FileArgs) -> Result<Bundle, Refusal> {
    let mut documents = Vec::new();
    let mut stdin_read = false;
    for path in &args.file {
        if path.as_os_str() == "-" {
            if stdin_read {
                return Err(Refusal::new(
                    "-f - is given twice",
                    "stdin can be read once; leave one out",
                ));
            }
            stdin_read = true;
            documents.append(&mut read::documents("stdin", &stdin()?)?);
        } else {
            documents.append(&mut given(path, args.recursive)?);
        }
    }
    let named = match args.file.as_slice() {
        [one] if one.as_os_str() == "-" => "stdin".to_owned(),
        several => several
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join(", "),
    };
    Bundle::of(&named, documents, args.job.as_deref())
}

/// All of stdin, as a manifest.
pub(super) fn stdin() -> Result<Vec<u8>, Refusal> {
    use io::Read as _;
    let mut bytes = Vec::new();
    io::stdin().take(MAX_BYTES).read_to_end(&mut bytes).map_err(|e| {
        Refusal::new(
            format!("stdin cannot be read: {e}"),
            "pipe the manifest into 'kjo run -f -'",
        )
    })?;
    Ok(bytes)
}

fn given(path: &Path, recursive: bool) -> Result<Vec<Document>, Refusal> {
    if path.as_os_str().is_empty() {
        return Err(Refusal::new(
            "-f is empty",
            "name a file, or leave -f out; is a variable unset?",
        ));
    }
    if ["http://", "https://"]
        .iter()
        .any(|scheme| path.to_string_lossy().starts_with(scheme))
    {
        return Err(Refusal::new(
            format!("{} is an address, and kjo reads files", path.display()),
            format!("curl -fsS {} | kjo run -f -", path.display()),
        ));
    }
    if !path.is_dir() {
        return file(path);
    }
    let mut files = Vec::new();
    walk(path, recursive, &mut files)?;
    if files.is_empty() {
        return Err(Refusal::new(
            format!(
                "the directory {} holds no file ending in .json, .yaml or .yml",
                path.display()
            ),
            "name the file itself; -R also looks into the directories below",
        ));
    }
    let mut documents = Vec::new();
    for path in files {
        documents.append(&mut file(&path)?);
    }
    Ok(documents)
}

/// In the order of their names, as kubectl walks.
fn walk(directory: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> Result<(), Refusal> {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(|e| unreadable(directory, &e))?;
    entries.sort();
    for path in entries {
        // A link to a directory is not followed: it may lead back up.
        let is_directory = fs::symlink_metadata(&path).map_err(|e| unreadable(&path, &e))?.is_dir();
        if is_directory && recursive {
            walk(&path, recursive, files)?;
        } else if !is_directory
            && path
                .extension()
                .and_then(OsStr::to_str)
                .is_some_and(|e| EXTENSIONS.contains(&e))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn file(path: &Path) -> Result<Vec<Document>, Refusal> {
    let bytes = bounded(path).map_err(|e| unreadable(path, &e))?;
    read::documents(&path.display().to_string(), &bytes)
}

/// The bytes of a file, and an end where it has none.
pub(super) fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Refusal {
    Refusal::new(
        format!("{} cannot be read: {error}", path.display()),
        "check the path given with -f",
    )
}
