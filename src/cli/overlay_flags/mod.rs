//! Flags that are laid over a manifest, or over the Job that is made of `--image`.
//!
//! `--patch` is laid first, then the flags, then `--set`: the shorter the way to a field, the later.

mod brought;
mod container;
mod env;
mod job;
mod mounts;
mod pod;
mod security;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::{files::bounded, settings::Env};
use crate::spec::{
    Refusal,
    bundle::Bundle,
    check::restricted,
    overlay::{self, At, Change},
    read,
};

/// All flags that change what is sent.
#[derive(Debug, Clone, Default, Args)]
pub struct OverlayArgs {
    #[command(flatten)]
    container: container::ContainerArgs,
    #[command(flatten)]
    env: env::EnvArgs,
    #[command(flatten)]
    mounts: mounts::MountArgs,
    #[command(flatten)]
    pod: pod::PodArgs,
    #[command(flatten)]
    security: security::SecurityArgs,
    #[command(flatten)]
    job: job::JobArgs,

    // Not a comment of documentation, where brackets are links.
    #[arg(
        long,
        help = "Set any field of the Job, by its path: spec.template.spec.containers[0].image=busybox. The \
          value is YAML; null takes the field away",
        value_name = "PATH=VALUE",
        help_heading = "Any field"
    )]
    set: Vec<String>,

    /// Merge this YAML or JSON file into the Job, as kubectl patch does (strategic merge)
    #[arg(long, value_name = "FILE", help_heading = "Any field")]
    patch: Vec<PathBuf>,

    /// Leave all judgement of the manifest to the API server, which may be newer than kjo
    #[arg(long, help_heading = "Any field")]
    skip_checks: bool,
}

/// What stands on the command line beside these flags and is laid over a manifest too.
#[derive(Debug, Clone, Default)]
pub struct Main {
    /// `--image`, where there is a manifest.
    pub image: Option<String>,
    /// `-e`, values taken over.
    pub env: Vec<(String, String)>,
    /// The words behind `--`.
    pub command: Vec<String>,
}

impl OverlayArgs {
    /// Manifests are judged before they are sent.
    pub(super) fn checks(&self) -> bool {
        !self.skip_checks
    }

    /// Indexes have tries of their own.
    pub(super) fn per_index(&self) -> bool {
        self.job.per_index()
    }

    /// Lays the flags over what was read. `container` is `--main-container`, `name` is `--name`.
    pub(super) fn lay(
        &self,
        bundle: &mut Bundle,
        main: &Main,
        container: Option<&str>,
        name: Option<&str>,
        env: Env<'_>,
    ) -> Result<(), Refusal> {
        self.patched(bundle)?;
        let mut changes = Vec::new();
        let base = name.map_or_else(|| base(bundle), str::to_owned);
        if let Some(name) = name {
            changes.push(Change::field(At::JobMetadata, "name", name));
        }
        self.container.changes(main, &mut changes)?;
        let mut made = self.env.changes(&main.env, &base, env, &mut changes)?;
        self.pod.changes(&mut changes)?;
        self.job.changes(&mut changes)?;
        self.security.changes(&mut changes)?;
        overlay::apply(&mut bundle.job, &changes, container)?;
        changes.clear();
        if self.security.restricted() {
            // Before what it wants is laid over what contradicts it.
            restricted::contradicted(&bundle.job)?;
            overlay::apply(&mut bundle.job, &security::SecurityArgs::wanted(), container)?;
        }
        // They look at what the Job has by now.
        let told = &mut bundle.told;
        made.append(
            &mut self
                .mounts
                .changes(&base, &main.command, &bundle.job, told, &mut changes)?,
        );
        for argument in &self.set {
            changes.push(Change::set(argument)?);
        }
        overlay::apply(&mut bundle.job, &changes, container)?;
        if self.security.restricted() {
            restricted::check(&bundle.job)?;
        }
        bundle.companions.append(&mut made);
        bundle.unique()
    }

    /// Whether `--set` sets this field, or one of this name at the end of its path.
    pub(super) fn sets(&self, field: &str) -> bool {
        let paths = self.set.iter().filter_map(|argument| argument.split('=').next());
        paths.map(str::trim).any(|path| {
            path.strip_suffix(field)
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }

    /// Lays the patches over the Job, one after another.
    fn patched(&self, bundle: &mut Bundle) -> Result<(), Refusal> {
        for path in &self.patch {
            let name = format!("--patch {}", path.display());
            let documents = read::documents(&name, &bytes(path, "--patch")?)?;
            let patch = match documents.as_slice() {
                [one] => one.value.clone(),
                [] => {
                    return Err(Refusal::new(
                        format!("{name} is empty"),
                        "leave --patch out, or name the file that holds the patch",
                    ));
                }
                several => {
                    return Err(Refusal::new(
                        format!("{name} holds {} documents, and a patch is one", several.len()),
                        "put each into a file of its own and give --patch several times",
                    ));
                }
            };
            overlay::apply(&mut bundle.job, &[Change::Patch(patch)], None).map_err(|refusal| Refusal {
                message: format!("{name}: {}", refusal.message),
                ..refusal
            })?;
        }
        Ok(())
    }

    /// The termination message may be the end of the log, which no value can be taken from.
    pub(super) fn falls_back_to_logs(&self) -> bool {
        self.container.falls_back_to_logs()
    }
}

/// The Job's name in the file, from which objects made of flags are named.
fn base(bundle: &Bundle) -> String {
    let name = |field: &str| {
        bundle
            .job
            .pointer(&format!("/metadata/{field}"))
            .and_then(Value::as_str)
    };
    let base = name("name").or_else(|| name("generateName")).unwrap_or("kjo");
    base.trim_end_matches('-').to_owned()
}

/// The text of a file that a flag names.
fn text(path: &std::path::Path, flag: &str) -> Result<String, Refusal> {
    let bytes = bytes(path, flag)?;
    String::from_utf8(bytes).map_err(|_| {
        Refusal::new(
            format!("{flag} {}: the file is not UTF-8 text", path.display()),
            "save the file as UTF-8",
        )
    })
}

fn bytes(path: &std::path::Path, flag: &str) -> Result<Vec<u8>, Refusal> {
    bounded(path).map_err(|e| {
        Refusal::new(
            format!("{flag} {}: the file cannot be read: {e}", path.display()),
            format!("check the path given with {flag}"),
        )
    })
}
