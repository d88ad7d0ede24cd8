//! The reference of the command line as Markdown, from its definition. docs/reference.md is held to it.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// The heading of flags that belong to no other.
const OTHER: &str = "Options";

/// All commands and their flags.
pub(super) fn markdown(definition: &Command) -> String {
    let mut definition = definition.clone();
    definition.build();
    let mut text = "# Commands and flags\n\n\
        What `kjo --help` and `kjo COMMAND --help` say, in one page; `kjo generate reference` prints it.\n"
        .to_owned();
    section(&mut text, &mut definition);
    text
}

fn section(text: &mut String, command: &mut Command) {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let lines = usage.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    // Writing into a string does not fail.
    write!(text, "\n## {name}\n\n{}\n\n```text\n{lines}\n```\n", sentence(&about)).unwrap_or_default();
    commands(text, command);
    let mut headings: Vec<&str> = Vec::new();
    for arg in shown(command) {
        let heading = arg.get_help_heading().unwrap_or(OTHER);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        write!(text, "\n### {name}: {heading}\n\n| flag | meaning |\n|---|---|\n").unwrap_or_default();
        for arg in shown(command).filter(|arg| arg.get_help_heading().unwrap_or(OTHER) == heading) {
            writeln!(text, "| `{}` | {} |", cell(&flag(arg)), cell(&meaning(arg))).unwrap_or_default();
        }
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        write!(text, "\n```text\n{after}\n```\n").unwrap_or_default();
    }
    for inner in command.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
        section(text, inner);
    }
}

fn commands(text: &mut String, command: &Command) {
    let inner: Vec<_> = command.get_subcommands().filter(|c| !c.is_hide_set()).collect();
    if inner.is_empty() {
        return;
    }
    text.push_str("\n| command | what it does |\n|---|---|\n");
    for command in inner {
        let name = command.get_bin_name().unwrap_or(command.get_name());
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(text, "| [`{name}`](#{}) | {} |", name.replace(' ', "-"), cell(&about)).unwrap_or_default();
    }
}

/// All but what every command has.
fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version"))
}

fn flag(arg: &Arg) -> String {
    let names: Vec<&str> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(AsRef::as_ref)
        .collect();
    let value = if arg.get_action().takes_values() {
        names.join(" ")
    } else {
        String::new()
    };
    let dashed = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, Some(long)) => format!("--{long}"),
        (None, None) => return value,
    };
    format!("{dashed} {value}").trim_end().to_owned()
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    let mut meaning = sentence(&help.map(ToString::to_string).unwrap_or_default());
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| arg.get_action().takes_values() && !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), lower(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        write!(meaning, " Values: {}.", values.join(", ")).unwrap_or_default();
    }
    if let (Some(default), true) = (arg.get_default_values().first(), arg.get_action().takes_values()) {
        write!(meaning, " Default: `{}`.", default.display()).unwrap_or_default();
    }
    if let Some(variable) = arg.get_env() {
        write!(meaning, " Variable: `{}`.", variable.display()).unwrap_or_default();
    }
    meaning
}

/// A help text ends without a full stop; further sentences follow it here.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '?', ':', '!']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

/// Text in a table: `<` would begin a tag outside of code, and a line is a row.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, builder::PossibleValuesParser};

    use super::*;

    #[test]
    fn every_part_of_a_flag_is_told() {
        let definition = Command::new("prog").about("Does it").subcommand(
            Command::new("inner")
                .about("Does a part of it")
                .after_long_help("Examples:\n  prog inner")
                .arg(
                    Arg::new("how")
                        .short('w')
                        .long("how")
                        .value_name("HOW")
                        .help("In a|b way")
                        .value_parser(PossibleValuesParser::new(["x", "y"]))
                        .default_value("x")
                        .env("PROG_HOW")
                        .help_heading("Ways"),
                )
                .arg(
                    Arg::new("plain")
                        .long("plain")
                        .action(ArgAction::SetTrue)
                        .help("No more"),
                )
                .arg(Arg::new("what").value_name("WHAT").help("On this"))
                .arg(Arg::new("never").long("never").hide(true)),
        );
        insta::assert_snapshot!(markdown(&definition));
    }
}
