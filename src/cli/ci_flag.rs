//! The flag about the log of a CI runner.

use clap::{Args, ValueEnum};

use super::settings::Env;
use crate::report::{Face, Runner};

/// What is done for a CI runner.
#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub struct CiArgs {
    /// On GitHub Actions and GitLab CI, fold what is said before the first log line; on GitHub, end a failed
    /// run with an annotation
    #[arg(
        long,
        value_name = "WHEN",
        env = "KJO_CI",
        hide_env_values = true,
        default_value = "auto"
    )]
    ci: CiWhen,
}

/// `--ci`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CiWhen {
    /// Where GITHUB_ACTIONS or GITLAB_CI is true
    Auto,
    /// Not at all
    None,
}

impl CiArgs {
    /// The face that stderr gets on this runner.
    pub(super) fn on(&self, face: Face, env: Env<'_>) -> Face {
        let set = |name: &str| env(name).is_some_and(|value| value == "true");
        let runners = [("GITHUB_ACTIONS", Runner::GitHub), ("GITLAB_CI", Runner::GitLab)];
        let ci = match self.ci {
            CiWhen::Auto => runners
                .into_iter()
                .find_map(|(name, runner)| set(name).then_some(runner)),
            CiWhen::None => None,
        };
        Face { ci, ..face }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_is_known_by_its_variable_unless_nobody_asks() {
        let on = |ci: CiWhen, name: &'static str, value: &'static str| {
            let env = move |asked: &str| (asked == name).then(|| value.to_owned());
            CiArgs { ci }.on(Face::default(), &env).ci
        };
        assert_eq!(on(CiWhen::Auto, "GITHUB_ACTIONS", "true"), Some(Runner::GitHub));
        assert_eq!(on(CiWhen::Auto, "GITLAB_CI", "true"), Some(Runner::GitLab));
        assert_eq!(on(CiWhen::Auto, "GITHUB_ACTIONS", ""), None);
        assert_eq!(on(CiWhen::Auto, "CI", "true"), None);
        assert_eq!(on(CiWhen::None, "GITHUB_ACTIONS", "true"), None);
    }
}
