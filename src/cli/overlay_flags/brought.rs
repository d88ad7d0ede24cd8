//! Local files that are brought into the pod in a ConfigMap or Secret of the run.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Map, Value, json};

use crate::spec::{
    Refusal,
    check::conflict,
    overlay::{At, Change},
    private,
    read::Document,
};

/// What a ConfigMap or Secret may hold, less room for names.
const MAX_BYTES: usize = 1024 * 1024 - 4096;
/// All may read it, and run it.
const OPEN: u32 = 0o555;

/// A local file on its way into the pod.
pub(super) struct Brought {
    /// The flag as it was typed.
    flag: String,
    key: String,
    target: String,
    bytes: Vec<u8>,
    /// What may be done with it in the pod.
    mode: u32,
}

/// `--mount-file LOCAL:PATH`.
pub(super) fn public(argument: &str) -> Result<Brought, Refusal> {
    let (local, target) = parts("--mount-file", argument)?;
    let path = Path::new(local);
    let bytes = super::bytes(path, "--mount-file")?;
    if let Some(why) = seems_private(path, &bytes) {
        return Err(Refusal::new(
            format!(
                "--mount-file {}: {why}, and a ConfigMap is no place for what is private",
                path.display()
            ),
            "bring it in a Secret with --secret-file",
        ));
    }
    Ok(Brought {
        flag: format!("--mount-file {argument}"),
        key: key(path),
        target: target.to_owned(),
        bytes,
        mode: OPEN,
    })
}

/// `--secret-file LOCAL:PATH[:MODE]`.
pub(super) fn secret(argument: &str, job: &Value) -> Result<Brought, Refusal> {
    let last = argument.rsplit_once(':').filter(|(_, last)| !last.contains('/'));
    let octal = |text: &str| u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    let (rest, given) = match last {
        Some((rest, mode)) => {
            let mode = octal(mode).ok_or_else(|| {
                Refusal::new(
                    format!("--secret-file {argument}: {mode} is no octal number that says who may read the file"),
                    "write --secret-file LOCAL:/PATH/IN/THE/POD:0400",
                )
            })?;
            (rest, Some(mode))
        }
        None => (argument, None),
    };
    let (local, target) = parts("--secret-file", rest)?;
    let path = Path::new(local);
    let bytes = super::bytes(path, "--secret-file")?;
    let runs = local_mode(path) & 0o111 != 0;
    let mode = match (owner_reads(job), runs) {
        (true, true) => 0o500,
        (true, false) => 0o400,
        (false, true) => OPEN,
        (false, false) => 0o444,
    };
    Ok(Brought {
        flag: format!("--secret-file {argument}"),
        key: key(path),
        target: target.to_owned(),
        bytes,
        mode: given.unwrap_or(mode),
    })
}

/// The files of a volume belong to root. With an fsGroup the kubelet lets that group read them too; without one a
/// user that is not root, as the image may name one, reads only what everybody may.
fn owner_reads(job: &Value) -> bool {
    let pod = job.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    let groups = pod.pointer("/securityContext/fsGroup").is_some_and(Value::is_number);
    let of_pod = pod.pointer("/securityContext/runAsUser");
    let mut containers = pod.get("containers").and_then(Value::as_array).into_iter().flatten();
    let root = |container: &Value| container.pointer("/securityContext/runAsUser").or(of_pod) == Some(&json!(0));
    groups || (containers.clone().count() > 0 && containers.all(root))
}

/// `--script FILE`, and that it is what runs.
pub(super) fn script(
    path: &Path,
    command: &[String],
    told: &mut Vec<String>,
    changes: &mut Vec<Change>,
) -> Result<Brought, Refusal> {
    let mut bytes = super::bytes(path, "--script")?;
    let (shown, key) = (path.display(), key(path));
    let target = format!("/kjo/{key}");
    let with_line = bytes.starts_with(b"#!");
    let run = if with_line {
        json!([target])
    } else {
        json!([interpreter(path), target])
    };
    if let Some(why) = seems_private(path, &bytes) {
        let run = if with_line {
            target
        } else {
            format!("{} {target}", interpreter(path))
        };
        return Err(Refusal::new(
            format!("--script {shown}: {why}, and a ConfigMap is no place for what is private"),
            format!(
                "if nothing in it is private, 'chmod go+r {shown}'; else bring it in a Secret: --secret-file \
                 {shown}:/kjo/{key} -- {run}"
            ),
        ));
    }
    if let Some(line) = std::str::from_utf8(&bytes).ok().and_then(conflict::marks) {
        return Err(Refusal::new(
            format!("--script {shown}, line {line}: the file has the marks of a merge conflict"),
            "resolve it first",
        ));
    }
    if memchr::memmem::find(&bytes, b"\r\n").is_some() {
        // No system has an interpreter `/bin/sh\r`, and a shell takes the return for a part of each last word.
        bytes = unix(&bytes);
        told.push(format!(
            "--script {shown}: its line ends, CR LF as Windows has them, become LF"
        ));
    }
    changes.push(Change::field(At::Container, "command", run));
    let arguments = if command.is_empty() {
        Value::Null
    } else {
        json!(command)
    };
    changes.push(Change::field(At::Container, "args", arguments));
    Ok(Brought {
        flag: format!("--script {shown}"),
        key,
        target,
        bytes,
        mode: OPEN,
    })
}

/// Without the carriage returns before line feeds.
fn unix(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    for (n, byte) in bytes.iter().enumerate() {
        if !(*byte == b'\r' && bytes.get(n + 1) == Some(&b'\n')) {
            kept.push(*byte);
        }
    }
    kept
}

/// The local path, and the one in the pod.
fn parts<'a>(flag: &str, argument: &'a str) -> Result<(&'a str, &'a str), Refusal> {
    argument
        .rsplit_once(':')
        .filter(|(local, target)| !local.is_empty() && target.starts_with('/'))
        .ok_or_else(|| {
            Refusal::new(
                format!("{flag} {argument} does not say where the file goes"),
                format!("write {flag} LOCAL:/PATH/IN/THE/POD"),
            )
        })
}

fn local_mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .map(|m| m.permissions().mode())
        .unwrap_or_default()
}

/// A ConfigMap can be read by many who may not read Secrets.
fn seems_private(path: &Path, bytes: &[u8]) -> Option<&'static str> {
    private::looks_private(&path.to_string_lossy(), local_mode(path), bytes)
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

/// What files are brought in.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    kind: &'static str,
    flag: &'static str,
    /// Behind the Job's name, its own.
    name: &'static str,
    volume: &'static str,
    /// The volume's source, and the field with the object's name in it.
    source: (&'static str, &'static str),
    /// Its fields for text, and for other bytes.
    fields: (&'static str, &'static str),
}

pub(super) const CONFIG_MAP: Holder = Holder {
    kind: "ConfigMap",
    flag: "--mount-file",
    name: "files",
    volume: "kjo-files",
    source: ("configMap", "name"),
    fields: ("data", "binaryData"),
};
pub(super) const SECRET: Holder = Holder {
    kind: "Secret",
    flag: "--secret-file",
    name: "secret-files",
    volume: "kjo-secret-files",
    source: ("secret", "secretName"),
    fields: ("stringData", "data"),
};

impl Holder {
    /// The object with these files, and the changes that mount them; none without files.
    pub(super) fn filled(
        self,
        base: &str,
        files: Vec<Brought>,
        changes: &mut Vec<Change>,
    ) -> Result<Option<Document>, Refusal> {
        let total: usize = files.iter().map(|f| f.bytes.len()).sum();
        if total > MAX_BYTES {
            return Err(Refusal::new(
                format!(
                    "{}: the files have {total} bytes, and a {} holds {MAX_BYTES}",
                    self.flag, self.kind
                ),
                "put large files into the image, or into a volume with --mount",
            ));
        }
        let Some(mode) = files.first().map(|file| file.mode) else {
            return Ok(None);
        };
        let name = format!("{base}-{}", self.name);
        let alike = files.iter().all(|file| file.mode == mode);
        let mut source = json!({self.source.1: name, "defaultMode": mode});
        let mut items = Vec::new();
        let (mut text, mut binary) = (Map::new(), Map::new());
        for (n, file) in files.into_iter().enumerate() {
            // Two files of one name in different folders.
            let key = if text.contains_key(&file.key) || binary.contains_key(&file.key) {
                format!("{}-{n}", file.key)
            } else {
                file.key
            };
            let mount = json!({"name": self.volume, "mountPath": file.target, "subPath": key, "readOnly": true});
            changes.push(Change::item(At::Container, "volumeMounts", &["mountPath"], mount).once(file.flag));
            items.push(json!({"key": key, "path": key, "mode": file.mode}));
            match String::from_utf8(file.bytes) {
                Ok(content) => text.insert(key, content.into()),
                Err(bytes) => binary.insert(key, private::base64(bytes.as_bytes()).into()),
            };
        }
        if !alike {
            source["items"] = items.into();
        }
        let mut object = json!({"apiVersion": "v1", "kind": self.kind, "metadata": {"name": name}});
        for (field, content) in [(self.fields.0, text), (self.fields.1, binary)] {
            if !content.is_empty() {
                object[field] = content.into();
            }
        }
        let volume = json!({"name": self.volume, self.source.0: source});
        changes.push(Change::item(At::Pod, "volumes", &["name"], volume));
        Ok(Some(Document::made(self.flag, object)))
    }
}
