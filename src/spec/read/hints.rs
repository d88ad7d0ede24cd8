//! What is probably wrong where YAML does not parse: the parser says what it met, not what was done.

/// Advice for this error of the parser, in this line of this text.
pub(super) fn of(said: &str, line: &str, text: &str) -> Option<&'static str> {
    let mark = |line: &str, sign: &str| {
        let behind = line.strip_prefix(sign);
        behind.is_some_and(|behind| behind.trim_end().is_empty() || behind.starts_with(' '))
    };
    // A lone row of `=` may underline a heading; where the text breaks, it is a mark that was left.
    let left = line.trim_end() == "=======";
    if left || text.lines().any(|line| mark(line, "<<<<<<<") || mark(line, ">>>>>>>")) {
        return Some("the file has the marks of a merge conflict (<<<<<<<, >>>>>>>): resolve it first");
    }
    if line.contains("{{") {
        return Some("this looks like a template that was not rendered ({{ }}); put text with braces in quotes");
    }
    let hint = [
        ("tab", "indent with spaces; YAML takes no tabs there"),
        (
            "mapping values are not allowed",
            "put text that holds ': ' in quotes; else see the indentation of this line, and whether a space is \
             missing behind a ':' above",
        ),
        (
            "did not find expected key",
            "see the indentation of this line and of those above",
        ),
        (
            "unexpected character",
            "put text that begins with this character in quotes",
        ),
        ("anchor or alias", "put text that begins with '*' or '&' in quotes"),
        ("after double-quoted", "a quote above was not closed"),
        ("after single-quoted", "a quote above was not closed"),
        ("illegal placement of ':'", "a bracket above was not closed"),
        ("simple key expected ':'", "this line has no ':' behind a name"),
    ];
    hint.iter().find(|(part, _)| said.contains(part)).map(|(_, hint)| *hint)
}
