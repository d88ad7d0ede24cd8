//! What the documents say is what the program does.
#![expect(clippy::expect_used, reason = "a test says what it expects")]

use std::{fs, path::Path};

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

/// The table of events is made from the events. `KJO_UPDATE_DOCS=1` writes it.
#[test]
fn the_events_are_documented() {
    held(
        "docs/messages.md",
        "<!-- events: generated from src/report/event.rs -->\n",
        "<!-- end of events -->",
        &kjo::report::markdown_table(),
    );
}

/// The README's table is made by the function that makes the codes. `KJO_UPDATE_DOCS=1` writes it.
#[test]
fn the_readme_has_the_table_of_exit_codes() {
    held(
        "README.md",
        "<!-- exit codes: generated from src/core/exit.rs -->\n",
        "<!-- end of exit codes -->",
        &kjo::core::exit::markdown_table(),
    );
}

/// What stands between these marks is what the code says.
#[track_caller]
fn held(name: &str, begin: &str, end: &str, expected: &str) {
    let text = file(name);
    let (before, rest) = text.split_once(begin).expect("the begin mark");
    let (table, after) = rest.split_once(end).expect("the end mark");
    if std::env::var_os("KJO_UPDATE_DOCS").is_some() {
        let updated = format!("{before}{begin}{expected}{end}{after}");
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), updated).expect(name);
        return;
    }
    assert_eq!(table, expected, "run KJO_UPDATE_DOCS=1 cargo test --test docs");
}

/// What `kjo check` asks for is what the Role of the manifests grants.
#[test]
fn the_role_grants_what_is_checked() {
    let text = file("manifests/rbac.yaml");
    let role = kjo::spec::read::value("rbac.yaml", &text)
        .expect("YAML")
        .expect("a value");
    let words = |value: &serde_json::Value| -> Vec<String> {
        let list = value.as_array().expect("a list");
        list.iter()
            .map(|word| word.as_str().expect("a word").to_owned())
            .collect()
    };
    let mut granted: Vec<String> = Vec::new();
    for rule in role["rules"].as_array().expect("rules") {
        for (group, resource) in words(&rule["apiGroups"]).iter().zip(words(&rule["resources"])) {
            granted.extend(
                words(&rule["verbs"])
                    .iter()
                    .map(|verb| format!("{verb} {resource} {group}")),
            );
        }
    }
    let asked = kjo::core::access::ALL
        .iter()
        .map(|p| format!("{} {} {}", p.verb, p.resource, p.group));
    let mut asked: Vec<String> = asked.collect();
    granted.sort();
    asked.sort();
    assert_eq!(granted, asked);
}

/// Every reason that kjo can give for a Job that does not run is explained.
#[test]
fn every_reason_is_explained() {
    let text = file("docs/reasons.md");
    for category in kjo::core::diagnosis::Category::ALL {
        let row = format!("| `{}` |", category.name());
        assert_eq!(text.matches(&row).count(), 1, "docs/reasons.md: {row}");
    }
}

/// The pure modules stay pure: no runtime, client, clock, randomness or environment in them.
#[test]
fn the_core_never_waits() {
    let banned = [
        "tokio",
        "kube::",
        "Instant::now",
        "SystemTime",
        "Timestamp::now",
        "std::env",
        "getrandom",
        "std::fs",
        "std::thread",
        "async fn",
        ".await",
    ];
    let mut folders: Vec<String> = ["src/core", "src/spec", "src/sandbox/admit", "src/sandbox/controller"]
        .map(str::to_owned)
        .into();
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).expect(&folder) {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
            if path.is_dir() {
                folders.push(format!("{folder}/{name}"));
            } else if path.extension().is_some_and(|e| e == "rs") {
                seen += 1;
                let text = file(&format!("{folder}/{name}"));
                for (n, line) in text
                    .lines()
                    .enumerate()
                    .filter(|(_, l)| !l.trim_start().starts_with("//"))
                {
                    for word in banned {
                        assert!(
                            !line.contains(word),
                            "{folder}/{name}:{}: {word} in a pure module: {line}",
                            n + 1
                        );
                    }
                }
            }
        }
    }
    assert!(seen > 20, "the folders have moved: only {seen} files seen");
}

/// The reference is made by the program. `KJO_UPDATE_DOCS=1` writes it.
#[cfg(feature = "sandbox")]
#[test]
fn the_reference_is_what_the_program_prints() {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_kjo"))
        .args(["generate", "reference"])
        .env_clear()
        .output()
        .expect("kjo");
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).expect("text");
    if std::env::var_os("KJO_UPDATE_DOCS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
        fs::write(path, &printed).expect("docs/reference.md");
    }
    assert_eq!(
        file("docs/reference.md"),
        printed,
        "run KJO_UPDATE_DOCS=1 cargo test --test docs"
    );
}
