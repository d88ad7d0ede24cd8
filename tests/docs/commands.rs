//! The command lines that the documents show are ones that kjo takes.

use clap::{Parser as _, error::ErrorKind};
use kjo::cli::args::Cli;
use serde_json::Value;

use crate::{
    pages::{self, Block},
    shell,
};

/// Words that may stand before a command.
const BEFORE: [&str; 11] = [
    "exec", "if", "then", "else", "do", "while", "until", "time", "!", "{", "nohup",
];

/// The scripts of a block.
fn scripts(block: &Block) -> Vec<String> {
    match block.language.as_str() {
        "sh" | "bash" => vec![block.text.clone()],
        // What is typed, without what is answered.
        "console" => {
            let (mut typed, mut goes_on) = (String::new(), false);
            for line in block.text.lines() {
                if let Some(line) = line.strip_prefix("$ ").or(goes_on.then_some(line)) {
                    goes_on = line.ends_with('\\');
                    typed.push_str(line);
                    typed.push('\n');
                }
            }
            vec![typed]
        }
        "yaml" => {
            let value = kjo::spec::read::value("a block", &block.text);
            let value = value.unwrap_or_else(|e| panic!("line {}: {e}", block.line));
            let mut texts = Vec::new();
            gather(&value.unwrap_or_default(), &mut texts);
            texts
        }
        _ => Vec::new(),
    }
}

/// All texts of a value.
fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(members) => members.values().for_each(|member| gather(member, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A command of kjo's, or of its as kubectl's plugin; `None` for any other.
fn of_kjo(words: &[String]) -> Option<Vec<String>> {
    let sets = |word: &str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    let mut words = words
        .iter()
        .skip_while(|word| BEFORE.contains(&word.as_str()) || sets(word));
    let mut first = words.next()?;
    if first == "kubectl" {
        first = words.next()?;
    }
    (first == "kjo").then(|| words.cloned().collect())
}

/// `…` stands for arguments that are left out.
fn is_taken(words: &[String]) -> Result<(), String> {
    let cut = words.iter().any(|word| word == "…");
    let given = words.iter().filter(|word| *word != "…").map(String::as_str);
    match Cli::try_parse_from(std::iter::once("kjo").chain(given)) {
        Ok(_) => Ok(()),
        // Help and version.
        Err(e) if !e.use_stderr() => Ok(()),
        Err(e) if cut && e.kind() == ErrorKind::MissingRequiredArgument => Ok(()),
        Err(e) => Err(e.to_string()),
    }
}

#[test]
fn every_command_line_of_the_documents_is_taken() {
    let mut seen = 0;
    for page in pages::all() {
        for block in &page.blocks {
            for words in scripts(block).iter().flat_map(|script| shell::commands(script)) {
                let Some(args) = of_kjo(&words) else { continue };
                seen += 1;
                if let Err(e) = is_taken(&args) {
                    panic!(
                        "{}, the block from line {}: {}\n{e}",
                        page.name,
                        block.line,
                        words.join(" ")
                    );
                }
            }
        }
    }
    assert!(seen > 40, "only {seen} command lines were seen");
}

#[test]
fn a_command_line_that_is_wrong_is_found() {
    let parsed = |script: &str| -> Vec<Result<(), String>> {
        let commands = shell::commands(script);
        commands
            .iter()
            .filter_map(|words| of_kjo(words))
            .map(|args| is_taken(&args))
            .collect()
    };
    assert_eq!(
        parsed("echo kjo; A=1 exec kjo run -f j.yaml | tee kjo; if kubectl kjo check; then :; fi").len(),
        2
    );
    assert_eq!(parsed("kjo run … --timeout 3m"), [Ok(())]);
    for wrong in [
        "kjo run -f j.yaml --tiemout 3m",
        "kjo go",
        "kjo run",
        "x=$(kjo attach --no-such)",
    ] {
        assert!(
            parsed(wrong).iter().all(Result::is_err) && !parsed(wrong).is_empty(),
            "{wrong}"
        );
    }
}
