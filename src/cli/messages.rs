//! Flags about what kjo says on stderr, the same for every command that follows a Job.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};

use super::settings::Env;
use crate::report::{Face, Form, Volume};

/// What kjo says on stderr, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Messages")]
pub struct MessageArgs {
    /// Say nothing but errors and why the run failed [env: KJO_QUIET]
    #[arg(short, long, overrides_with = "verbose")]
    pub quiet: bool,

    /// Show requests, reconnects, and why a log is opened again [env: KJO_VERBOSE]
    #[arg(short, long, overrides_with = "quiet")]
    pub verbose: bool,

    /// Say it in lines for people, or as one JSON object a line
    #[arg(
        long,
        value_name = "FORMAT",
        env = "KJO_MESSAGE_FORMAT",
        hide_env_values = true,
        default_value = "text"
    )]
    pub message_format: MessageFormat,

    /// Colour kjo's lines; auto does so on a terminal, and minds NO_COLOR and CLICOLOR_FORCE
    #[arg(
        long,
        value_name = "WHEN",
        env = "KJO_COLOR",
        hide_env_values = true,
        default_value = "auto"
    )]
    pub color: ColorWhen,
}

/// `--message-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// Lines that begin with kjo:
    Text,
    /// The events of docs/messages.md
    Json,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal
    Auto,
    /// Also elsewhere
    Always,
    /// Not at all
    Never,
}

impl MessageArgs {
    /// The face that stderr gets, as it is.
    #[must_use]
    pub fn face(&self, env: Env<'_>) -> Face {
        self.face_on(std::io::stderr().is_terminal(), env)
    }

    fn face_on(&self, terminal: bool, env: Env<'_>) -> Face {
        let set = |name| env(name).filter(|value| !value.is_empty());
        let able = terminal && set("TERM").is_some_and(|term| term != "dumb");
        let volume = self.volume(env);
        let text = self.message_format == MessageFormat::Text;
        let color = match self.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto if set("NO_COLOR").is_some() => false,
            ColorWhen::Auto if set("CLICOLOR_FORCE").is_some_and(|force| force != "0") => true,
            ColorWhen::Auto => able && set("CLICOLOR").is_none_or(|color| color != "0"),
        };
        Face {
            volume,
            form: if text { Form::Text } else { Form::Json },
            color: color && text,
            status_line: able && text && volume == Volume::Normal,
            ci: None,
        }
    }

    /// On the command line the later of the two flags holds; a flag holds against either variable.
    fn volume(&self, env: Env<'_>) -> Volume {
        let set = |name| env(name).is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false" | "no" | "off"));
        match (self.quiet, self.verbose) {
            (true, _) => Volume::Quiet,
            (false, true) => Volume::Verbose,
            (false, false) if set("KJO_QUIET") => Volume::Quiet,
            (false, false) if set("KJO_VERBOSE") => Volume::Verbose,
            (false, false) => Volume::Normal,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn face(args: &[&str], terminal: bool, env: &[(&str, &str)]) -> Face {
        let argv = ["kjo", "attach", "job"].iter().chain(args);
        let Command::Attach(args) = Cli::try_parse_from(argv).unwrap().command else {
            panic!("another command");
        };
        let variable = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        args.messages.face_on(terminal, &variable)
    }

    #[test]
    fn a_status_line_is_for_terminals_that_can_show_it() {
        let xterm = [("TERM", "xterm")];
        assert!(face(&[], true, &xterm).status_line);
        assert!(face(&["--color", "never"], true, &xterm).status_line);
        for (args, terminal, env) in [
            (&[] as &[&str], false, &xterm as &[_]),
            (&[], true, &[]),
            (&[], true, &[("TERM", "dumb")]),
            (&["-v"], true, &xterm),
            (&["-q"], true, &xterm),
            (&["--message-format", "json"], true, &xterm),
        ] {
            assert!(!face(args, terminal, env).status_line, "{args:?} {terminal} {env:?}");
        }
    }

    #[test]
    fn colours_are_used_where_they_are_wanted() {
        let xterm = ("TERM", "xterm");
        for (args, terminal, env, expected) in [
            (&[] as &[&str], true, &[xterm] as &[_], true),
            (&[], false, &[xterm], false),
            (&[], true, &[("TERM", "dumb")], false),
            (&[], true, &[xterm, ("NO_COLOR", "1")], false),
            (&[], true, &[xterm, ("NO_COLOR", "")], true),
            (&[], true, &[xterm, ("CLICOLOR", "0")], false),
            (&[], false, &[("CLICOLOR_FORCE", "1")], true),
            (&[], false, &[("CLICOLOR_FORCE", "0")], false),
            (&[], false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
            (&["--color", "always"], false, &[("NO_COLOR", "1")], true),
            (&["--color", "never"], true, &[xterm, ("CLICOLOR_FORCE", "1")], false),
            (
                &["--color", "always", "--message-format", "json"],
                true,
                &[xterm],
                false,
            ),
        ] {
            assert_eq!(face(args, terminal, env).color, expected, "{args:?} {terminal} {env:?}");
        }
    }

    #[test]
    fn the_last_flag_holds() {
        for (args, expected) in [
            (&[] as &[&str], Volume::Normal),
            (&["-q"], Volume::Quiet),
            (&["-v"], Volume::Verbose),
            (&["-v", "--quiet"], Volume::Quiet),
            (&["-q", "--verbose"], Volume::Verbose),
        ] {
            assert_eq!(face(args, false, &[]).volume, expected, "{args:?}");
        }
    }
}
