//! Flags about what the pod may do.

use clap::Args;
use serde_json::json;

use crate::spec::{
    Refusal,
    overlay::{At, Change, parse},
};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Security")]
pub(super) struct SecurityArgs {
    /// The user of the main container, by number
    #[arg(short = 'u', long, value_name = "UID[:GID]")]
    run_as: Option<String>,

    /// The security context of the main container, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    security_context: Option<String>,

    /// The security context of the pod, as YAML or JSON
    #[arg(long, value_name = "YAML")]
    pod_security_context: Option<String>,

    /// What the Pod Security level "restricted" wants, in every container: no root, no new privileges, no
    /// capabilities, the runtime's seccomp profile; what contradicts it is refused
    #[arg(long)]
    restricted: bool,
}

impl SecurityArgs {
    pub(super) fn restricted(&self) -> bool {
        self.restricted
    }

    pub(super) fn changes(&self, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        if let Some(context) = &self.pod_security_context {
            let context = parse::map("--pod-security-context", context)?;
            changes.push(Change::field(At::Pod, "securityContext", context));
        }
        if let Some(context) = &self.security_context {
            let context = parse::map("--security-context", context)?;
            changes.push(Change::field(At::Container, "securityContext", context));
        }
        if let Some(user) = &self.run_as {
            let (user, group) = parse::user(user)?;
            changes.push(Change::field(At::Container, "securityContext.runAsUser", user));
            if let Some(group) = group {
                changes.push(Change::field(At::Container, "securityContext.runAsGroup", group));
            }
        }
        Ok(())
    }

    /// What `--restricted` lays over the Job.
    pub(super) fn wanted() -> Vec<Change> {
        vec![
            Change::field(At::Pod, "securityContext.runAsNonRoot", true),
            Change::field(
                At::Pod,
                "securityContext.seccompProfile",
                json!({"type": "RuntimeDefault"}),
            ),
            Change::field(At::EveryContainer, "securityContext.allowPrivilegeEscalation", false),
            Change::field(At::EveryContainer, "securityContext.capabilities.drop", json!(["ALL"])),
        ]
    }
}
