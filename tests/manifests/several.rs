//! Several files: given one by one, with commas, as a directory, over stdin.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata: {name: etl}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}}}
";

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

/// The names of what `kjo render` shows, in their order; or what it says of its refusal.
fn names(folder: &tempfile::TempDir, args: &[&str], stdin: &str) -> Result<String, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kjo"))
        .args(["render", "--exact-name", "-o", "json"])
        .args(args)
        .env_clear()
        .env("HOME", "/nowhere")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kjo");
    let mut pipe = child.stdin.take().expect("stdin");
    // A run that does not read it may have gone.
    drop(pipe.write_all(stdin.as_bytes()));
    drop(pipe);
    let done = child.wait_with_output().expect("its end");
    if done.status.code() != Some(0) {
        assert_eq!(done.status.code(), Some(125));
        return Err(String::from_utf8(done.stderr).expect("text"));
    }
    let names: Vec<String> = serde_json::Deserializer::from_slice(&done.stdout)
        .into_iter::<serde_json::Value>()
        .map(|object| {
            object.expect("JSON")["metadata"]["name"]
                .as_str()
                .expect("a name")
                .to_owned()
        })
        .collect();
    Ok(names.join(" "))
}

#[test]
fn all_of_them_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("all/below")).expect("folders");
    for (name, text) in [
        ("all/b.yml", config_map("b")),
        ("all/c.yaml", JOB.to_owned()),
        (
            "all/d.json",
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}}"#.to_owned(),
        ),
        ("all/e.txt", "no manifest: [".to_owned()),
        ("all/below/a.yaml", config_map("a")),
    ] {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let names = |args: &[&str]| names(&folder, args, &config_map("stdin"));
    for (args, expected) in [
        (&["-f", "all"][..], "b d etl"),
        (&["-f", "all", "-R"], "b a d etl"),
        (&["-f", "all/c.yaml,all/b.yml"], "b etl"),
        (&["-f", "all/c.yaml", "-f", "all/b.yml", "-f", "-"], "b stdin etl"),
    ] {
        let found = names(args).expect("they are read");
        let sorted = |text: &str| {
            let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            words.sort();
            words
        };
        assert_eq!(sorted(&found), sorted(expected), "{args:?}");
        assert!(found.ends_with("etl"), "the Job comes last: {found}");
    }
    let again = names(&["-f", "all/c.yaml", "-f", "all"]).expect_err("two Jobs");
    assert!(
        again.contains("holds 2 things that run: Job/etl and Job/etl"),
        "{again}"
    );
    let endless = names(&["-f", "/dev/zero"]).expect_err("no end");
    assert!(endless.contains("larger than 8 MiB"), "{endless}");
}
