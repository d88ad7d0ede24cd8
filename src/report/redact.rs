//! Text without the names of servers, users and places, for bug reports.

use std::net::{IpAddr, SocketAddr};

/// Hides names in what kjo did not say itself.
pub(super) struct Hide {
    on: bool,
    /// What stands for what, the longest first: a name may be part of another.
    names: Vec<(String, String)>,
}

impl Hide {
    /// Hides these names, each behind its kind, if it is `on`.
    pub(super) fn new(names: Vec<(&'static str, String)>, on: bool) -> Self {
        let mut names: Vec<_> = names
            .into_iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(kind, name)| (name, format!("[{kind}]")))
            .collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { on, names }
    }

    /// The text without them.
    pub(super) fn of(&self, text: &str) -> String {
        if !self.on {
            return text.to_owned();
        }
        let named = self
            .names
            .iter()
            .fold(text.to_owned(), |text, (name, instead)| replaced(&text, name, instead));
        // The server's words name the user also where it could not be asked for.
        let named = match named
            .split_once("User \"")
            .and_then(|(a, b)| Some((a, b.split_once('"')?.1)))
        {
            Some((before, after)) => format!("{before}User \"[user]\"{after}"),
            None => named,
        };
        named.split_inclusive(' ').map(without_address).collect()
    }
}

/// Whole names only: `team` is not part of `teammate`.
fn replaced(text: &str, name: &str, instead: &str) -> String {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(name) {
        let whole = !before.ends_with(part_of_name) && !after.starts_with(part_of_name);
        shown.push_str(before);
        shown.push_str(if whole { instead } else { name });
        rest = after;
    }
    shown + rest
}

/// Addresses that no name stands for: what a host name was resolved to, a proxy.
fn without_address(word: &str) -> String {
    let around = |c: char| !c.is_alphanumeric() && c != '[' && c != ']' || c == '.' || c == ',';
    let bare = word.trim_matches(around).trim_end_matches([',', ':', ';', ')', '(']);
    let is_address = bare.contains("://") || bare.parse::<IpAddr>().is_ok() || bare.parse::<SocketAddr>().is_ok();
    if is_address && !bare.is_empty() {
        word.replace(bare, "[address]")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_and_addresses_are_hidden() {
        let hide = Hide::new(
            vec![("namespace", "team".into()), ("file", "/home/team/k".into())],
            true,
        );
        for (text, hidden) in [
            ("team, teammate team", "[namespace], teammate [namespace]"),
            ("/home/team/k: no", "[file]: no"),
            (r#"User "ann@x.org" cannot"#, r#"User "[user]" cannot"#),
            (
                "at https://p:1/x (10.1.2.3:6443), [fd00::1]:443",
                "at [address] ([address]), [address]",
            ),
            ("nothing: 1.36 of 10.2", "nothing: 1.36 of 10.2"),
        ] {
            assert_eq!(hide.of(text), hidden);
        }
        assert_eq!(Hide::new(vec![("x", "team".into())], false).of("team"), "team");
    }
}
