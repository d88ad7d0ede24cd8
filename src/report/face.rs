//! How kjo speaks on stderr: how much, in which form, with what around it. Chosen on the command line.

use super::{
    ci::Runner,
    event::{Facts, Level},
};

/// How kjo speaks on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Face {
    /// How much is said.
    pub volume: Volume,
    /// In which form.
    pub form: Form,
    /// Lines are coloured by how serious they are.
    pub color: bool,
    /// One line at the end of the terminal says where the run stands.
    pub status_line: bool,
    /// The CI runner whose log this is.
    pub ci: Option<Runner>,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Volume {
    /// Errors and why a run failed.
    Quiet,
    /// What happens.
    #[default]
    Normal,
    /// And how: requests, reconnects.
    Verbose,
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Face {
    /// The runner for whom the start is folded: where there are lines about it for people.
    pub(super) fn folding(self) -> Option<Runner> {
        let lines = self.form == Form::Text && self.volume != Volume::Quiet && !self.status_line;
        self.ci.filter(|_| lines)
    }

    /// Whether this is said at all.
    pub(super) fn takes(self, facts: &Facts) -> bool {
        if self.volume == Volume::Quiet {
            // That nothing is isolated has to be known, whoever asks for silence.
            return facts.level == Level::Error || facts.event == "sandbox";
        }
        // The status line tells these steps.
        !(self.status_line && matches!(facts.event, "pod_scheduled" | "container_started"))
    }
}
