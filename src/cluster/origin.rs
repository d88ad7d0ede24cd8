//! Where the configuration of a connection is from.

use std::{fmt, path::PathBuf};

/// Where the configuration of a connection is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A context of a kubeconfig.
    Kubeconfig {
        /// The files it was read from.
        files: Vec<PathBuf>,
        /// The context's name.
        context: String,
        /// The name of the context's user.
        user: Option<String>,
    },
    /// The account of the pod that kjo runs in.
    Pod,
    /// kjo made the server itself.
    Given,
}

impl Origin {
    /// The same without names.
    #[must_use]
    pub fn redacted(&self) -> String {
        match self {
            Self::Kubeconfig { files, .. } if files.len() > 1 => {
                format!("a context of {} merged kubeconfigs", files.len())
            }
            Self::Kubeconfig { .. } => "a context of a kubeconfig".to_owned(),
            Self::Pod | Self::Given => self.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubeconfig { files, context, user } => {
                let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
                let user = user
                    .as_ref()
                    .map(|user| format!(" with user {user}"))
                    .unwrap_or_default();
                write!(f, "context {context}{user} of {}", files.join(", "))
            }
            Self::Pod => f.write_str("the service account of this pod"),
            Self::Given => f.write_str("kjo itself"),
        }
    }
}
