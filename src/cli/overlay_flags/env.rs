//! Flags about the main container's environment. Secret values never stand on a command line, which
//! every user of the machine can read: they come from kjo's own environment or a file, and go into a
//! Secret that belongs to the run.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    cli::settings::Env,
    spec::{
        Refusal,
        overlay::{At, Change, parse},
        read::Document,
    },
};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Environment")]
pub(super) struct EnvArgs {
    /// Variables from a file, a NAME=VALUE a line, as docker reads it; flags that name one variable win over it
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,

    /// Pass kjo's own variable on in a Secret that belongs to the run
    #[arg(long, value_name = "NAME")]
    secret_env: Vec<String>,

    /// Variables from a file, in a Secret that belongs to the run; wins over --env-file, and flags that name one
    /// variable win over both
    #[arg(long, value_name = "FILE")]
    secret_env_file: Vec<PathBuf>,

    /// All variables of a ConfigMap or Secret
    #[arg(long, value_name = "KIND/NAME")]
    env_from: Vec<String>,

    /// A variable from a field of the pod: NODE=spec.nodeName; or from what the container may use: CPUS=limits.cpu
    #[arg(long, value_name = "NAME=FIELD")]
    env_field: Vec<String>,

    /// A variable from a key of a Secret
    #[arg(long, value_name = "NAME=SECRET:KEY")]
    env_secret: Vec<String>,

    /// A variable from a key of a ConfigMap
    #[arg(long, value_name = "NAME=CONFIGMAP:KEY")]
    env_configmap: Vec<String>,
}

impl EnvArgs {
    /// The changes, and the Secret that some of them need. What a single flag says of a variable holds against
    /// files, and of files the secret ones.
    pub(super) fn changes(
        &self,
        given: &[(String, String)],
        base: &str,
        own: Env<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<Vec<Document>, Refusal> {
        let mut set = Variables::default();
        for path in &self.env_file {
            let text = super::text(path, "--env-file")?;
            for (name, value) in parse::env_file(&path.display().to_string(), &text, own)? {
                set.of_file(name, Source::Plain(value));
            }
        }
        for path in &self.secret_env_file {
            let text = super::text(path, "--secret-env-file")?;
            for (name, value) in parse::env_file(&path.display().to_string(), &text, own)? {
                set.of_file(name, Source::Secret(value));
            }
        }
        for (name, value) in given {
            set.of_flag("-e", name, Source::Plain(value.clone()))?;
        }
        for name in &self.secret_env {
            set.of_flag("--secret-env", name, Source::Secret(secret(name, own)?))?;
        }
        for (flag, arguments) in [
            ("--env-field", &self.env_field),
            ("--env-secret", &self.env_secret),
            ("--env-configmap", &self.env_configmap),
        ] {
            for argument in arguments {
                let variable = match flag {
                    "--env-field" => parse::env_field(argument)?,
                    "--env-secret" => parse::env_key(flag, "secretKeyRef", argument)?,
                    _ => parse::env_key(flag, "configMapKeyRef", argument)?,
                };
                let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
                set.of_flag(flag, name, Source::Made(variable.clone()))?;
            }
        }
        for argument in &self.env_from {
            changes.push(Change::item(At::Container, "envFrom", &[], parse::env_from(argument)?));
        }
        Ok(set.laid(&format!("{base}-env"), changes).into_iter().collect())
    }
}

/// The variable of kjo's own that goes into a Secret.
fn secret(name: &str, own: Env<'_>) -> Result<String, Refusal> {
    if let Some((name, _)) = name.split_once('=') {
        return Err(Refusal::new(
            format!("--secret-env {name}: a secret value on a command line can be read by everybody"),
            format!("export {name} first and write --secret-env {name}, or use --secret-env-file"),
        ));
    }
    own(name).ok_or_else(|| {
        Refusal::new(
            format!("--secret-env {name}: kjo's own environment has no variable of that name"),
            format!("export {name} first"),
        )
    })
}

/// What a variable is set to.
enum Source {
    Plain(String),
    /// A value that goes into the run's Secret.
    Secret(String),
    /// An item of `env`.
    Made(Value),
}

/// The variables of all flags, in the order in which they come into the container.
#[derive(Default)]
struct Variables(Vec<(String, &'static str, Source)>);

impl Variables {
    fn of_file(&mut self, name: String, source: Source) {
        self.put(name, "", source);
    }

    /// The later of two equal flags holds. Of two different ones nobody can tell which was meant.
    fn of_flag(&mut self, flag: &'static str, name: &str, source: Source) -> Result<(), Refusal> {
        let other = self.0.iter().find(|(known, by, _)| known == name && !by.is_empty());
        if let Some((_, by, _)) = other.filter(|(_, by, _)| *by != flag) {
            return Err(Refusal::new(
                format!("{by} and {flag} both set the variable {name}"),
                "leave one of the two out",
            ));
        }
        self.put(name.to_owned(), flag, source);
        Ok(())
    }

    fn put(&mut self, name: String, flag: &'static str, source: Source) {
        self.0.retain(|(known, ..)| *known != name);
        self.0.push((name, flag, source));
    }

    /// The changes, and the Secret of this name if it holds anything.
    fn laid(self, secret_name: &str, changes: &mut Vec<Change>) -> Option<Document> {
        let mut secret = Map::new();
        for (name, _, source) in self.0 {
            let item = match source {
                Source::Plain(value) => json!({"name": name, "value": value}),
                Source::Made(item) => item,
                Source::Secret(value) => {
                    let reference = json!({"secretKeyRef": {"name": secret_name, "key": name}});
                    secret.insert(name.clone(), value.into());
                    json!({"name": name, "valueFrom": reference})
                }
            };
            changes.push(Change::item(At::Container, "env", &["name"], item));
        }
        if secret.is_empty() {
            return None;
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret_name},
            "type": "Opaque",
            "stringData": secret,
        });
        Some(Document::made("--secret-env", object))
    }
}
