//! Arguments that mean nothing, told in the form that was asked for: by them or by the environment, since nothing else
//! is known yet.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::settings::Env;
use crate::spec::Refusal;

/// `--message-format json` before any `--`, else `KJO_MESSAGE_FORMAT`.
pub(super) fn wants_json(argv: &[OsString], env: Env<'_>) -> bool {
    let words = argv
        .iter()
        .filter_map(|word| word.to_str())
        .take_while(|word| *word != "--");
    let mut asked = None;
    let mut next_is = false;
    for word in words {
        if next_is {
            asked = Some(word.to_owned());
        }
        next_is = word == "--message-format";
        if let Some(format) = word.strip_prefix("--message-format=") {
            asked = Some(format.to_owned());
        }
    }
    asked.or_else(|| env("KJO_MESSAGE_FORMAT")).as_deref() == Some("json")
}

/// What is wrong with arguments, what they should look like, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Usage {
    message: String,
    form: Vec<String>,
    hints: Vec<String>,
}

impl Usage {
    /// clap's own words, with better advice for the mistakes that people make.
    pub(super) fn new(error: &clap::Error, argv: &[OsString]) -> Self {
        let advice = advice(error, argv);
        Self::of(&error.render().to_string(), advice)
    }

    fn of(text: &str, advice: Option<&str>) -> Self {
        let text = text.strip_prefix("error: ").unwrap_or(text);
        let (mut message, mut usage, mut tips): (Vec<&str>, Vec<String>, Vec<String>) = Default::default();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let tip = line.trim_start().strip_prefix("tip: ");
            if let Some(tip) = tip {
                // It would be right for a command, which stands behind `--` anyway.
                if !tip.starts_with("to pass '") {
                    tips.push(tip.to_owned());
                }
            } else if line.starts_with("Usage:") || !usage.is_empty() {
                if !line.starts_with("For more information") {
                    usage.push(line.to_owned());
                }
            } else if !line.starts_with("For more information") {
                message.push(line);
            }
        }
        let joined = message.join(" ");
        let hints = match advice {
            Some(advice) => vec![advice.to_owned()],
            None if tips.is_empty() => vec!["see --help".to_owned()],
            None => tips,
        };
        Self {
            message: joined.split_whitespace().collect::<Vec<_>>().join(" "),
            form: usage,
            hints,
        }
    }

    /// As people read it.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![format!("error: {}", self.message)];
        lines.extend(self.form.iter().cloned());
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines.join("\n")
    }

    /// For programs.
    pub(super) fn refusal(&self) -> Refusal {
        Refusal::new(self.message.clone(), self.hints.join("; "))
    }
}

/// What somebody meant who wrote this.
fn advice(error: &clap::Error, argv: &[OsString]) -> Option<&'static str> {
    let context = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let words: Vec<&str> = argv.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let runs = matches!(words.first(), Some(&("run" | "render")));
    let kind = error.kind();
    if kind == ErrorKind::InvalidSubcommand {
        return Some(match context(ContextKind::InvalidSubcommand)? {
            "logs" | "log" | "wait" | "follow" | "tail" => {
                "'kjo attach NAME' shows the log of a Job from its first line, and follows it to its end"
            }
            "get" | "describe" | "ps" | "ls" | "list" => {
                "'kjo status NAME' tells how one Job stands; 'kubectl get jobs' lists them"
            }
            "apply" | "create" | "start" => "'kjo run -f FILE' creates the Job and follows it to its end",
            "rm" | "stop" | "kill" | "cancel" => "'kjo delete NAME' takes a Job away with its pods",
            _ => return None,
        });
    }
    if kind == ErrorKind::UnknownArgument {
        return match context(ContextKind::InvalidArg)? {
            "--token" => {
                Some("a token among the arguments can be read by everybody here; put it into a file: --token-file FILE")
            }
            "-i" | "-t" | "--stdin" | "--tty" | "--interactive" => {
                Some("stdin is not forwarded to the pod; for a session in one use 'kubectl run -it'")
            }
            flag if flag.starts_with('-') || !runs => None,
            file if [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end)) => {
                Some("a manifest is named by -f FILE")
            }
            _ => Some("a command stands behind '--': kjo run --image IMAGE -- COMMAND ARG..."),
        };
    }
    let sandbox_alone = words.contains(&"--sandbox") && words.contains(&"--detach");
    if kind == ErrorKind::ArgumentConflict && sandbox_alone {
        return Some("this sandbox ends with the run; keep one with 'kjo sandbox', and detach in it");
    }
    (kind == ErrorKind::MissingRequiredArgument && runs)
        .then_some("say what to run: -f FILE, --image IMAGE, or --from cronjob/NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_looked_for_where_it_may_stand() {
        let json = |argv: &[&str], variable: Option<&str>| {
            let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
            wants_json(&argv, &|name: &str| {
                (name == "KJO_MESSAGE_FORMAT").then(|| variable.map(str::to_owned))?
            })
        };
        assert!(json(&["kjo", "run", "--message-format", "json"], None));
        assert!(json(&["kjo", "--message-format=json", "run"], Some("text")));
        assert!(json(&["kjo"], Some("json")));
        assert!(!json(
            &["kjo", "--message-format", "json", "--message-format=text"],
            None
        ));
        assert!(!json(&["kjo", "run", "--", "--message-format", "json"], None));
        assert!(!json(&["kjo", "run"], None));
    }

    #[test]
    fn what_is_wrong_and_what_to_do() {
        let text = "error: unexpected argument '--imgae' found\n\n  tip: a similar argument exists: '--image'\n  \
                    tip: to pass '--imgae' as a value, use '-- --imgae'\n\nUsage: kjo run\n       kjo run -f\n\n\
                    For more information, try '--help'.\n";
        let told = Usage::of(text, None);
        assert_eq!(
            told.text(),
            "error: unexpected argument '--imgae' found\nUsage: kjo run\n       kjo run -f\n\
             hint: a similar argument exists: '--image'"
        );
        assert_eq!(told.refusal().message, "unexpected argument '--imgae' found");
        let text = "error: the following required arguments were not provided:\n  <--filename>\n\nUsage: kjo run\n";
        let told = Usage::of(text, Some("say what to run"));
        assert_eq!(
            told.text(),
            "error: the following required arguments were not provided: <--filename>\nUsage: kjo run\n\
             hint: say what to run"
        );
    }

    #[test]
    fn mistakes_that_people_make() {
        let hint = |argv: &[&str]| {
            let argv: Vec<OsString> = std::iter::once(&"kjo").chain(argv).map(OsString::from).collect();
            let error = super::super::help::definition()
                .try_get_matches_from(&argv)
                .expect_err("it is one");
            format!(
                "{} -> {}",
                argv[1..].join(&OsString::from(" ")).display(),
                Usage::new(&error, &argv).hints.join("; ")
            )
        };
        let all = [
            hint(&["run", "job.yaml"]),
            hint(&["run", "--image", "busybox", "echo", "hi"]),
            hint(&["run", "-it", "--image", "busybox", "--", "sh"]),
            hint(&["run", "--imgae", "x"]),
            hint(&["run", "--token", "abc", "-f", "x"]),
            hint(&["run"]),
            hint(&["logs", "etl"]),
            hint(&["get", "jobs"]),
            hint(&["apply", "-f", "x"]),
            hint(&["cancel", "etl"]),
            hint(&["nonsense"]),
            hint(&["attach", "one", "two"]),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
