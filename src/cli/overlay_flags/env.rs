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
    /// Variables from a file, a NAME=VALUE a line, as docker reads it; -e wins over it
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,

    /// Pass kjo's own variable on in a Secret that belongs to the run
    #[arg(long, value_name = "NAME")]
    secret_env: Vec<String>,

    /// Variables from a file, in a Secret that belongs to the run
    #[arg(long, value_name = "FILE")]
    secret_env_file: Vec<PathBuf>,

    /// All variables of a ConfigMap or Secret
    #[arg(long, value_name = "KIND/NAME")]
    env_from: Vec<String>,

    /// A variable from a field of the pod: NODE=spec.nodeName
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
    /// The changes, and the Secret that some of them need.
    pub(super) fn changes(
        &self,
        given: &[(String, String)],
        base: &str,
        own: Env<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<Vec<Document>, Refusal> {
        let mut add = |variable: Value| changes.push(Change::item(At::Container, "env", "name", variable));
        for path in &self.env_file {
            let text = super::text(path, "--env-file")?;
            for (name, value) in parse::env_file(&path.display().to_string(), &text, own)? {
                add(json!({"name": name, "value": value}));
            }
        }
        for (name, value) in given {
            add(json!({"name": name, "value": value}));
        }
        for argument in &self.env_field {
            let (name, field) = parse::pair("--env-field", argument)?;
            add(json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}}));
        }
        for argument in &self.env_secret {
            add(parse::env_key("--env-secret", "secretKeyRef", argument)?);
        }
        for argument in &self.env_configmap {
            add(parse::env_key("--env-configmap", "configMapKeyRef", argument)?);
        }
        let secret = self.secret(own)?;
        let name = format!("{base}-env");
        for variable in secret.keys() {
            add(json!({"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": variable}}}));
        }
        for argument in &self.env_from {
            changes.push(Change::item(At::Container, "envFrom", "", parse::env_from(argument)?));
        }
        if secret.is_empty() {
            return Ok(Vec::new());
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "Opaque",
            "stringData": secret,
        });
        Ok(vec![Document::made("--secret-env", object)])
    }

    fn secret(&self, own: Env<'_>) -> Result<Map<String, Value>, Refusal> {
        let mut secret = Map::new();
        for path in &self.secret_env_file {
            let text = super::text(path, "--secret-env-file")?;
            for (name, value) in parse::env_file(&path.display().to_string(), &text, own)? {
                secret.insert(name, value.into());
            }
        }
        for name in &self.secret_env {
            if let Some((name, _)) = name.split_once('=') {
                return Err(Refusal::new(
                    format!("--secret-env {name}: a secret value on a command line can be read by everybody"),
                    format!("export {name} first and write --secret-env {name}, or use --secret-env-file"),
                ));
            }
            let value = own(name).ok_or_else(|| {
                Refusal::new(
                    format!("--secret-env {name}: kjo's own environment has no variable of that name"),
                    format!("export {name} first"),
                )
            })?;
            secret.insert(name.clone(), value.into());
        }
        Ok(secret)
    }
}
