//! Flags about the main container.

use clap::Args;
use serde_json::{Value, json};

use super::Main;
use crate::spec::{
    Refusal,
    overlay::{At, Change, parse},
};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The main container")]
pub(super) struct ContainerArgs {
    /// An argument for the image's own entrypoint, in place of its own arguments; may be given several times
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    arg: Vec<String>,

    /// The directory it starts in
    #[arg(short = 'w', long, value_name = "DIR")]
    workdir: Option<String>,

    /// What it may count on: cpu=100m,memory=256Mi,nvidia.com/gpu=1
    #[arg(long, value_name = "NAME=QUANTITY", value_delimiter = ',')]
    requests: Vec<String>,

    /// What it may use at most: cpu=1,memory=1Gi,ephemeral-storage=2Gi
    #[arg(long, value_name = "NAME=QUANTITY", value_delimiter = ',')]
    limits: Vec<String>,

    /// A port that it listens on: 8080, 53/UDP, http=8080
    #[arg(long, value_name = "[NAME=]PORT[/PROTOCOL]")]
    port: Vec<String>,

    /// What its termination message is taken from
    #[arg(long, value_name = "POLICY", value_parser = ["File", "FallbackToLogsOnError"], ignore_case = true)]
    termination_message_policy: Option<String>,

    /// A container that runs to its end before the others start, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    init_container: Vec<String>,

    /// A container that runs beside the others and ends with them (an init container with restartPolicy
    /// Always), as YAML or JSON
    #[arg(long, value_name = "YAML")]
    sidecar: Vec<String>,
}

impl ContainerArgs {
    /// Its termination message may be the end of its log.
    pub(super) fn falls_back_to_logs(&self) -> bool {
        self.termination_message_policy.as_deref() == Some("FallbackToLogsOnError")
    }

    pub(super) fn changes(&self, main: &Main, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        if let Some(image) = &main.image {
            changes.push(Change::field(At::Container, "image", image.as_str()));
        }
        if !main.command.is_empty() {
            changes.push(Change::field(At::Container, "command", json!(main.command)));
            // They belonged to the command that is replaced.
            changes.push(Change::field(At::Container, "args", Value::Null));
        }
        if !self.arg.is_empty() {
            changes.push(Change::field(At::Container, "args", json!(self.arg)));
        }
        parse::not_empty("--workdir", self.workdir.as_deref())?;
        if let Some(directory) = &self.workdir {
            changes.push(Change::field(At::Container, "workingDir", directory.as_str()));
        }
        for (flag, field, given) in [
            ("--requests", "resources.requests", &self.requests),
            ("--limits", "resources.limits", &self.limits),
        ] {
            for argument in given {
                let (name, quantity) = parse::pair(flag, argument)?;
                changes.push(Change::entry(At::Container, field, name, quantity));
            }
        }
        for argument in &self.port {
            let port = Change::item(
                At::Container,
                "ports",
                &["containerPort", "protocol"],
                parse::port(argument)?,
            );
            changes.push(port.once(format!("--port {argument}")));
        }
        if let Some(policy) = &self.termination_message_policy {
            changes.push(Change::field(
                At::Container,
                "terminationMessagePolicy",
                policy.as_str(),
            ));
        }
        for argument in &self.init_container {
            let container = parse::map("--init-container", argument)?;
            changes.push(Change::item(At::Pod, "initContainers", &["name"], container).once("--init-container"));
        }
        for argument in &self.sidecar {
            let mut container = parse::map("--sidecar", argument)?;
            container["restartPolicy"] = json!("Always");
            changes.push(Change::item(At::Pod, "initContainers", &["name"], container).once("--sidecar"));
        }
        Ok(())
    }
}
