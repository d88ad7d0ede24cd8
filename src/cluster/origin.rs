//! Where the configuration of a connection is from.

use std::{fmt, path::PathBuf};

/// Where the configuration of a connection is from, and the flags that changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What the flags were laid over.
    pub source: Source,
    /// The flags.
    pub flags: Vec<&'static str>,
}

/// Where the configuration of a connection is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Kubeconfigs.
    Kubeconfig {
        /// The files.
        files: Vec<PathBuf>,
        /// The context's name; none if flags say which cluster.
        context: Option<String>,
        /// The name of the cluster, if it is not the context's.
        cluster: Option<String>,
        /// The name of the user.
        user: Option<String>,
    },
    /// Nothing but flags.
    Flags,
    /// The account of the pod that kjo runs in.
    Pod,
    /// kjo made the server itself.
    Given,
}

impl Origin {
    /// The same without names.
    #[must_use]
    pub fn redacted(&self) -> String {
        let source = match &self.source {
            Source::Kubeconfig { files, .. } if files.len() > 1 => {
                format!("a context of {} merged kubeconfigs", files.len())
            }
            Source::Kubeconfig { .. } => "a context of a kubeconfig".to_owned(),
            Source::Flags | Source::Pod | Source::Given => self.source.to_string(),
        };
        self.with_flags(&source)
    }

    fn with_flags(&self, source: &str) -> String {
        match self.flags.as_slice() {
            [] => source.to_owned(),
            flags if self.source == Source::Flags => flags.join(", "),
            flags => format!("{source}, with {}", flags.join(", ")),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_flags(&self.source.to_string()))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubeconfig {
                files,
                context,
                cluster,
                user,
            } => {
                let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
                let names: Vec<_> = [("context", context), ("cluster", cluster), ("user", user)]
                    .into_iter()
                    .filter_map(|(kind, name)| Some(format!("{kind} {}", name.as_ref()?)))
                    .collect();
                if let Some((first, rest)) = names.split_first() {
                    f.write_str(first)?;
                    for (n, name) in rest.iter().enumerate() {
                        write!(f, " {} {name}", if n == 0 { "with" } else { "and" })?;
                    }
                    f.write_str(" of ")?;
                }
                f.write_str(&files.join(", "))
            }
            Self::Flags => f.write_str("flags"),
            Self::Pod => f.write_str("the service account of this pod"),
            Self::Given => f.write_str("kjo itself"),
        }
    }
}
