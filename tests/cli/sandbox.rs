//! `--sandbox`: the program on a machine that has no cluster.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    refused,
    support::{Kjo, Running, by_words, eventually, result, without_times},
};

/// `kjo run --sandbox …` with a folder of its own for temporary files.
pub(crate) fn sandbox(args: &[&str]) -> (Kjo, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let kjo = Kjo::new(["run", "--sandbox", "--isolation", "none", "--run-id", "cli"])
        .args(args.iter().copied())
        .env("TMPDIR", folder.path());
    (kjo, folder)
}

pub(crate) fn script(text: &str) -> (Kjo, tempfile::TempDir) {
    sandbox(&["--image", "busybox", "--", "sh", "-c", text])
}

fn manifest(name: &str) -> String {
    format!("{}/manifests/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// No file is left, and no process that bears this word in its command line.
#[track_caller]
pub(crate) fn nothing_left(folder: &Path, word: &str) {
    let files = || -> Vec<_> {
        std::fs::read_dir(folder)
            .expect("a folder")
            .flatten()
            .map(|f| f.path())
            .collect()
    };
    let gone = eventually(Duration::from_secs(10), || files().is_empty() && !runs(word));
    assert!(gone, "left: {:?}, process {}", files(), runs(word));
}

pub(crate) fn runs(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter(|p| p.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .filter(|p| p.file_name().to_string_lossy() != std::process::id().to_string())
        .filter_map(|p| std::fs::read(p.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(word))
}

#[test]
fn the_first_command_of_the_readme() {
    let (kjo, folder) = sandbox(&["-f", &manifest("hello.yaml")]);
    let done = kjo.run();
    done.expect(0, "hello from a Job\n");
    let said = steady(&done.stderr);
    insta::assert_snapshot!(said);
    nothing_left(folder.path(), "hello from a Job");
}

/// What differs from run to run is replaced: user, port, names of pods, times, and whether the end of a log
/// was seen before its container's.
pub(crate) fn steady(said: &str) -> String {
    let user = nix_user();
    let said = said
        .replace(&format!("as user {user},"), "as user USER,")
        .replace(", 1 reconnect", "");
    let said = by_words(&said, |word| match word {
        _ if word.starts_with("https://127.0.0.1:") => Some("https://127.0.0.1:PORT"),
        _ if word.starts_with("pod/") => Some("pod/POD"),
        _ => None,
    });
    without_times(&said)
}

fn nix_user() -> String {
    let out = std::process::Command::new("id").arg("-un").output().expect("id");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

#[test]
fn the_seeds_own_file() {
    let (kjo, folder) = sandbox(&["-f", &manifest("test-job.yaml")]);
    kjo.run().expect(0, "OK\n");
    nothing_left(folder.path(), "no such word");
}

#[test]
fn exit_codes_and_a_clean_environment() {
    let (kjo, _folder) = script("env; exit 7");
    let done = kjo.env("SECRET_OF_THE_CALLER", "x").run();
    assert_eq!(done.code, 7, "{}", done.stderr);
    assert!(!done.text().contains("SECRET_OF_THE_CALLER"), "{}", done.text());
    assert!(done.text().contains("HOSTNAME=busybox-"), "{}", done.text());
}

#[test]
fn isolation_is_about_the_sandbox() {
    let said = refused(Kjo::new(["run", "--image", "busybox", "--isolation", "none"]));
    assert!(said.contains("--isolation is about the sandbox"), "{said}");
}

#[test]
fn an_image_without_a_command() {
    let (kjo, _folder) = sandbox(&["--image", "busybox"]);
    let done = kjo.run();
    assert_ne!(done.code, 0);
    done.expect_said("give the container a command");
}

#[test]
fn fields_that_it_does_not_honour() {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "etl"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{"name": "main", "image": "busybox", "command": ["true"], "resources": {"limits": {"cpu": "1"}}}],
        }}},
    });
    let (kjo, _folder) = sandbox(&["-f", "-"]);
    let said = refused(kjo.stdin(job.to_string()));
    assert!(
        said.contains("spec.template.spec.volumes") && said.contains("sandbox"),
        "{said}"
    );
    job["spec"]["template"]["spec"]
        .as_object_mut()
        .expect("a map")
        .remove("volumes");
    let (kjo, _folder) = sandbox(&["-f", "-"]);
    let done = kjo.stdin(job.to_string()).run();
    done.expect(0, "").expect_said("resources");
}

fn begun(kjo: Kjo) -> Running {
    let mut running = kjo.start();
    let mut line = String::new();
    BufReader::new(running.stdout()).read_line(&mut line).expect("a line");
    assert_eq!(line, "begun\n");
    running
}

#[test]
fn a_signal_ends_every_process() {
    // One in the container's group, one that has left it.
    let (kjo, folder) = script("echo begun; setsid sleep 3141 & sleep 3141");
    let mut running = begun(kjo);
    running.signal(Signal::SIGTERM);
    let (code, stderr) = running.wait(Duration::from_secs(5));
    assert_eq!(code, 143, "{stderr}");
    nothing_left(folder.path(), "sleep\x003141");
}

#[test]
fn killed_with_9_it_leaves_no_process_and_no_file() {
    let (kjo, folder) = script("trap '' TERM; echo x > file; echo begun; setsid sleep 2718 & sleep 2718");
    let running = begun(kjo);
    assert!(runs("sleep\x002718"));
    running.signal(Signal::SIGKILL);
    nothing_left(folder.path(), "sleep\x002718");
}

#[test]
fn plain_processes_hand_a_file_over_as_their_termination_message() {
    let (kjo, folder) = sandbox(&["--xcom", "sidecar", "--image", "busybox", "--", "true"]);
    kjo.run()
        .expect(125, "")
        .expect_said("--xcom sidecar: without bubblewrap the containers of the sandbox share no folder")
        .expect_said("use --xcom termination and write to $KJO_TERMINATION_MESSAGE_PATH");
    nothing_left(folder.path(), "no such word");

    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("result.json");
    let (kjo, folder) = sandbox(&["--xcom", "termination", "--image", "busybox", "--result-file"]);
    let text = "echo '{\"rows\": 3}' > $KJO_TERMINATION_MESSAGE_PATH";
    kjo.arg(&file).args(["--", "sh", "-c", text]).run().expect(0, "");
    let result = result(std::fs::read(&file).expect("a result"));
    assert_eq!(result["xcom"]["value"], json!({"rows": 3}), "{result}");
    nothing_left(folder.path(), "no such word");
}
