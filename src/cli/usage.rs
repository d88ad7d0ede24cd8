//! Arguments that mean nothing, told in the form that was asked for: by them or by the environment, since nothing else
//! is known yet.

use std::ffi::OsString;

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

/// clap's own words, less the usage that it shows people.
pub(super) fn refusal(text: &str) -> Refusal {
    let joined = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(text) = text.strip_prefix("error: ") else {
        return Refusal::new("no command is given", "see 'kjo --help'");
    };
    let message = joined(text.split("\n\n").next().unwrap_or_default());
    let tips: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("tip: "))
        .collect();
    if tips.is_empty() {
        Refusal::new(message, "see 'kjo --help', or the command with --help")
    } else {
        Refusal::new(message, tips.join("; "))
    }
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
        let told = refusal(
            "error: unexpected argument '--imgae' found\n\n  tip: a similar argument exists: '--image'\n  tip: quote it\n\nUsage: kjo run\n",
        );
        assert_eq!(told.message, "unexpected argument '--imgae' found");
        assert_eq!(
            told.hint.as_deref(),
            Some("a similar argument exists: '--image'; quote it")
        );
        let told =
            refusal("error: the following required arguments were not provided:\n  <--filename>\n\nUsage: kjo run\n");
        assert_eq!(
            told.message,
            "the following required arguments were not provided: <--filename>"
        );
    }
}
