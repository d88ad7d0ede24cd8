//! Flags about volumes, and about local files that are brought into the pod.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::brought;
use crate::spec::{
    Refusal,
    overlay::{At, Change, parse},
    read::Document,
};

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

    /// The size of /dev/shm, as Kubernetes writes it: 64Mi, 1Gi
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,

    /// Bring a file of this machine into the pod, in a ConfigMap that belongs to the run
    #[arg(long, value_name = "LOCAL:PATH")]
    mount_file: Vec<String>,

    /// Bring a private file of this machine into the pod, in a Secret that belongs to the run; MODE is what may be
    /// done with it there, such as 0400
    #[arg(long, value_name = "LOCAL:PATH[:MODE]")]
    secret_file: Vec<String>,

    /// Run this file of this machine in the image; the words behind -- are its arguments. Without a line #! an
    /// interpreter is chosen by the ending (.py, .rb, .js, .pl, .bash, else sh). Line ends of Windows become LF
    #[arg(long, value_name = "FILE", conflicts_with = "arg")]
    script: Option<PathBuf>,
}

impl MountArgs {
    /// The changes, and the objects that some of them need. `command` is what stands behind `--`; `job` has all
    /// other flags laid over it.
    pub(super) fn changes(
        &self,
        base: &str,
        command: &[String],
        job: &Value,
        told: &mut Vec<String>,
        changes: &mut Vec<Change>,
    ) -> Result<Vec<Document>, Refusal> {
        let mut taken = Vec::new();
        for (n, argument) in self.mount.iter().enumerate() {
            let named = |path: &str| free(&format!("mount-{}", n + 1), path, job, &mut taken);
            let (volume, mount) = parse::mount(argument, named)?;
            add(changes, &format!("--mount {argument}"), volume, mount);
        }
        for argument in &self.volume {
            let volume = parse::map("--volume", argument)?;
            changes.push(Change::item(At::Pod, "volumes", &["name"], volume).once(format!("--volume {argument}")));
        }
        for argument in &self.volume_mount {
            let mount = parse::map("--volume-mount", argument)?;
            let mount = Change::item(At::Container, "volumeMounts", &["mountPath"], mount);
            changes.push(mount.once(format!("--volume-mount {argument}")));
        }
        if let Some(size) = &self.shm_size {
            let size = parse::size("--shm-size", size)?;
            let name = free("shm", SHM, job, &mut taken);
            let volume = json!({"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": size}});
            let mount = json!({"name": name, "mountPath": SHM});
            add(changes, &format!("--shm-size {size}"), volume, mount);
        }
        let mut public = self
            .mount_file
            .iter()
            .map(|argument| brought::public(argument))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(path) = &self.script {
            public.push(brought::script(path, command, told, changes)?);
        }
        let secret = self
            .secret_file
            .iter()
            .map(|argument| brought::secret(argument, job))
            .collect::<Result<Vec<_>, _>>()?;
        let mut made = Vec::new();
        for (holder, files) in [(brought::CONFIG_MAP, public), (brought::SECRET, secret)] {
            made.extend(holder.filled(base, files, changes)?);
        }
        Ok(made)
    }
}

const SHM: &str = "/dev/shm";

fn add(changes: &mut Vec<Change>, flag: &str, volume: Value, mount: Value) {
    changes.push(Change::item(At::Pod, "volumes", &["name"], volume).once(flag));
    changes.push(Change::item(At::Container, "volumeMounts", &["mountPath"], mount).once(flag));
}

/// A name for a volume that takes none of the manifest's away: with a number behind it where the manifest has one
/// of that name, unless that is mounted at this very place and nowhere else.
fn free(wanted: &str, path: &str, job: &Value, taken: &mut Vec<String>) -> String {
    let list = |of: &Value, field: &str| of.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let pod = job.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    let known = |name: &str| list(pod, "volumes").iter().any(|volume| volume["name"] == name);
    let mounts: Vec<Value> = ["initContainers", "containers"]
        .iter()
        .flat_map(|field| list(pod, field))
        .flat_map(|container| list(&container, "volumeMounts"))
        .collect();
    let only_there = |name: &str| mounts.iter().all(|m| m["name"] != name || m["mountPath"] == path);
    let names = std::iter::once(wanted.to_owned()).chain((2..).map(|n| format!("{wanted}-{n}")));
    let mut free = names.filter(|name| !taken.contains(name) && (!known(name) || only_there(name)));
    let name = free.next().unwrap_or_default();
    taken.push(name.clone());
    name
}
