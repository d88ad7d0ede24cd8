//! Flags about what a Job hands on to whoever runs it.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use crate::{
    core::xcom::{
        file::{SIDECAR, Source},
        handed::Wanted,
        markers::Markers,
    },
    plane::Ears,
    spec::{Refusal, xcom},
};

/// Flags of `kjo run`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Values handed on")]
pub struct XComArgs {
    /// Lines "::kube_api:NAME=VALUE" in the main container's log: read them for the result file, and hide
    /// them from stdout
    #[arg(long, value_name = "HOW", default_value = "off")]
    pub markers: MarkersArg,

    /// Bring /airflow/xcom/return.json of the main container into the result file: as its termination message
    /// (less than 4096 bytes), or by a sidecar that prints it to its own log
    #[arg(long, value_name = "HOW")]
    pub xcom: Option<XComArg>,

    /// The sidecar's image, which must have a shell [default: the main container's]
    #[arg(long, value_name = "IMAGE", requires = "xcom")]
    pub xcom_image: Option<String>,

    /// Members of the sidecar in place of its own, as JSON: resources, securityContext, imagePullPolicy
    #[arg(long, value_name = "JSON", requires = "xcom")]
    pub xcom_container: Option<String>,
}

/// `--markers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MarkersArg {
    /// They are lines like any other
    Off,
    /// Read, and shown
    Read,
    /// Read, and not shown
    Hide,
}

/// `--xcom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum XComArg {
    /// The container's termination message
    Termination,
    /// The log of a further container
    Sidecar,
}

impl XComArgs {
    /// Has the Job hand on what is asked for, and says what of it is overruled. `main` is `--main-container`;
    /// `of_logs` says that a flag wants the end of the log as termination message.
    ///
    /// # Errors
    /// The Job, or that flag, has something of its own in the way.
    pub fn lay(&self, job: &mut Value, main: Option<&str>, of_logs: bool) -> Result<Vec<String>, Refusal> {
        let Some(source) = self.source() else {
            return Ok(Vec::new());
        };
        if source == Source::Termination && of_logs {
            return Err(Refusal::new(
                "--xcom termination takes the value from a file, and --termination-message-policy \
                 FallbackToLogsOnError would take the end of the log for it",
                "leave one of the two out, or use --xcom sidecar",
            ));
        }
        let given = [("image", &self.xcom_image), ("container", &self.xcom_container)];
        let of_sidecar = given.iter().find_map(|(name, value)| Some((name, (*value).as_ref()?)));
        if let (Source::Termination, Some((name, value))) = (source, of_sidecar) {
            return Err(Refusal::new(
                format!("--xcom-{name} {value} is for a sidecar, and --xcom termination has none"),
                "leave one of the two out",
            ));
        }
        let wishes = xcom::Wishes {
            image: self.xcom_image.as_deref(),
            members: self
                .xcom_container
                .as_deref()
                .map(members)
                .transpose()?
                .unwrap_or_default(),
        };
        xcom::apply(job, main, source, &wishes)
    }

    /// What is asked for, of this Job.
    #[must_use]
    pub fn wanted(&self, job: &Value, main: Option<&str>) -> Wanted {
        Wanted {
            markers: match self.markers {
                MarkersArg::Off => Markers::Off,
                MarkersArg::Read => Markers::Read,
                MarkersArg::Hide => Markers::Hide,
            },
            file: self.source(),
            main: xcom::speaker(job, main),
        }
    }

    fn source(&self) -> Option<Source> {
        self.xcom.map(|source| match source {
            XComArg::Termination => Source::Termination,
            XComArg::Sidecar => Source::Sidecar,
        })
    }
}

/// What `--xcom-container` says.
fn members(text: &str) -> Result<Map<String, Value>, Refusal> {
    let open = xcom::OPEN.join(", ");
    let members: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        Refusal::new(
            format!("--xcom-container {text:?} is not a JSON object: {error}"),
            format!("it is an object with members of a container, of {open}"),
        )
    })?;
    match members.keys().find(|name| !xcom::OPEN.contains(&name.as_str())) {
        Some(name) => Err(Refusal::new(
            format!("--xcom-container cannot change {name} of the sidecar"),
            format!("of its members, {open} may be changed; --xcom-image sets its image"),
        )),
        None => Ok(members),
    }
}

/// The sidecar's name, where there is one: it is none of the manifest's, and its log is read whatever is shown.
#[must_use]
pub(super) fn sidecar(wanted: &Wanted) -> Option<String> {
    (wanted.file == Some(Source::Sidecar)).then(|| SIDECAR.to_owned())
}

/// Refuses a sidecar where containers are plain processes, which share no folder.
pub(super) fn check(wanted: &Wanted, lacks_volumes: bool) -> Result<(), Refusal> {
    if wanted.file == Some(Source::Sidecar) && lacks_volumes {
        return Err(Refusal::new(
            "--xcom sidecar: without bubblewrap the containers of the sandbox share no folder",
            "install bubblewrap, or use --xcom termination and write to $KJO_TERMINATION_MESSAGE_PATH",
        ));
    }
    Ok(())
}

/// What listens for it in one run.
#[must_use]
pub(super) fn ears(wanted: &Wanted) -> Ears {
    Ears::new(wanted.clone())
}
