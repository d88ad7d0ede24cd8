//! Flags about volumes, and local files that are brought into the pod in a ConfigMap or Secret of the
//! run.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::spec::{
    Refusal,
    overlay::{At, Change, parse},
    private,
    read::Document,
};

/// What a ConfigMap or Secret may hold, less room for names.
const MAX_BYTES: usize = 1024 * 1024 - 4096;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Files and volumes")]
pub(super) struct MountArgs {
    /// A volume and where it is mounted, as docker has it: type=pvc,source=NAME,target=/PATH,readonly. Types:
    /// emptydir, configmap, secret, pvc, hostpath
    #[arg(long, value_name = "SPEC")]
    mount: Vec<String>,

    /// A volume of any type, as YAML or JSON (projected, csi, …)
    #[arg(long, value_name = "YAML")]
    volume: Vec<String>,

    /// A mount in the main container, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    volume_mount: Vec<String>,

    /// The size of /dev/shm
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,

    /// Bring a file of this machine into the pod, in a ConfigMap that belongs to the run
    #[arg(long, value_name = "LOCAL:PATH")]
    mount_file: Vec<String>,

    /// Bring a private file of this machine into the pod, in a Secret that belongs to the run
    #[arg(long, value_name = "LOCAL:PATH")]
    secret_file: Vec<String>,

    /// Run this file of this machine in the image; the words behind -- are its arguments. Without a line #! an
    /// interpreter is chosen by the ending (.py, .rb, .js, .pl, .bash, else sh)
    #[arg(long, value_name = "FILE", conflicts_with = "arg")]
    script: Option<PathBuf>,
}

/// A local file on its way into the pod.
struct Brought {
    key: String,
    target: String,
    bytes: Vec<u8>,
}

impl MountArgs {
    /// The changes, and the objects that some of them need. `command` is what stands behind `--`.
    pub(super) fn changes(
        &self,
        base: &str,
        command: &[String],
        changes: &mut Vec<Change>,
    ) -> Result<Vec<Document>, Refusal> {
        for (n, argument) in self.mount.iter().enumerate() {
            let (volume, mount) = parse::mount(argument, n + 1)?;
            add(changes, volume, mount);
        }
        for argument in &self.volume {
            changes.push(Change::item(
                At::Pod,
                "volumes",
                "name",
                parse::map("--volume", argument)?,
            ));
        }
        for argument in &self.volume_mount {
            let mount = parse::map("--volume-mount", argument)?;
            changes.push(Change::item(At::Container, "volumeMounts", "mountPath", mount));
        }
        if let Some(size) = &self.shm_size {
            let volume = json!({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}});
            add(changes, volume, json!({"name": "shm", "mountPath": "/dev/shm"}));
        }
        let mut public = self
            .mount_file
            .iter()
            .map(|a| brought("--mount-file", a))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(path) = &self.script {
            public.push(script(path, command, changes)?);
        }
        let secret = self
            .secret_file
            .iter()
            .map(|a| brought("--secret-file", a))
            .collect::<Result<Vec<_>, _>>()?;
        let mut made = Vec::new();
        made.extend(files(
            "ConfigMap",
            &format!("{base}-files"),
            "--mount-file",
            public,
            changes,
        )?);
        made.extend(files(
            "Secret",
            &format!("{base}-secret-files"),
            "--secret-file",
            secret,
            changes,
        )?);
        Ok(made)
    }
}

fn add(changes: &mut Vec<Change>, volume: Value, mount: Value) {
    changes.push(Change::item(At::Pod, "volumes", "name", volume));
    changes.push(Change::item(At::Container, "volumeMounts", "mountPath", mount));
}

fn brought(flag: &str, argument: &str) -> Result<Brought, Refusal> {
    let (local, target) = argument
        .rsplit_once(':')
        .filter(|(local, target)| !local.is_empty() && target.starts_with('/'))
        .ok_or_else(|| {
            Refusal::new(
                format!("{flag} {argument} does not say where the file goes"),
                format!("write {flag} LOCAL:/PATH/IN/THE/POD"),
            )
        })?;
    let path = Path::new(local);
    let bytes = super::bytes(path, flag)?;
    if flag == "--mount-file" {
        seems_public(path, &bytes)?;
    }
    Ok(Brought {
        key: key(path),
        target: target.to_owned(),
        bytes,
    })
}

/// A ConfigMap can be read by many who may not read Secrets.
fn seems_public(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)
        .map(|m| m.permissions().mode())
        .unwrap_or_default();
    let Some(why) = private::looks_private(&path.to_string_lossy(), mode, bytes) else {
        return Ok(());
    };
    Err(Refusal::new(
        format!(
            "--mount-file {}: {why}, and a ConfigMap is no place for what is private",
            path.display()
        ),
        "bring it in a Secret with --secret-file",
    ))
}

fn script(path: &Path, command: &[String], changes: &mut Vec<Change>) -> Result<Brought, Refusal> {
    let bytes = super::bytes(path, "--script")?;
    seems_public(path, &bytes)?;
    let key = key(path);
    let target = format!("/kjo/{key}");
    let run = if bytes.starts_with(b"#!") {
        json!([target])
    } else {
        json!([interpreter(path), target])
    };
    changes.push(Change::field(At::Container, "command", run));
    let arguments = if command.is_empty() {
        Value::Null
    } else {
        json!(command)
    };
    changes.push(Change::field(At::Container, "args", arguments));
    Ok(Brought { key, target, bytes })
}

/// What runs a file without an interpreter line, by the ending of its name.
fn interpreter(path: &Path) -> &'static str {
    match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some("py") => "python3",
        Some("rb") => "ruby",
        Some("js" | "mjs") => "node",
        Some("pl") => "perl",
        Some("bash") => "bash",
        Some(_) | None => "sh",
    }
}

/// A key of a ConfigMap: letters, digits, `-`, `_` and `.`.
fn key(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect()
}

fn files(
    kind: &str,
    name: &str,
    flag: &str,
    files: Vec<Brought>,
    changes: &mut Vec<Change>,
) -> Result<Option<Document>, Refusal> {
    if files.is_empty() {
        return Ok(None);
    }
    let total: usize = files.iter().map(|f| f.bytes.len()).sum();
    if total > MAX_BYTES {
        return Err(Refusal::new(
            format!("{flag}: the files have {total} bytes, and a {kind} holds {MAX_BYTES}"),
            "put large files into the image, or into a volume with --mount",
        ));
    }
    let volume = if kind == "Secret" {
        "kjo-secret-files"
    } else {
        "kjo-files"
    };
    let source = if kind == "Secret" {
        json!({"secret": {"secretName": name, "defaultMode": 0o555}})
    } else {
        json!({"configMap": {"name": name, "defaultMode": 0o555}})
    };
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    let (mut text, mut binary) = (Map::new(), Map::new());
    for (n, file) in files.into_iter().enumerate() {
        // Two files of one name in different folders.
        let key = if text.contains_key(&file.key) || binary.contains_key(&file.key) {
            format!("{}-{n}", file.key)
        } else {
            file.key
        };
        let mount = json!({"name": volume, "mountPath": file.target, "subPath": key, "readOnly": true});
        changes.push(Change::item(At::Container, "volumeMounts", "mountPath", mount));
        match String::from_utf8(file.bytes) {
            Ok(content) => text.insert(key, content.into()),
            Err(bytes) => binary.insert(key, private::base64(bytes.as_bytes()).into()),
        };
    }
    let (text_field, binary_field) = if kind == "Secret" {
        ("stringData", "data")
    } else {
        ("data", "binaryData")
    };
    for (field, content) in [(text_field, text), (binary_field, binary)] {
        if !content.is_empty() {
            object[field] = content.into();
        }
    }
    let mut with_name = source;
    with_name["name"] = json!(volume);
    changes.push(Change::item(At::Pod, "volumes", "name", with_name));
    Ok(Some(Document::made(flag, object)))
}
