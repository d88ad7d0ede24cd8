//! What is said on stderr, by the flags that choose it.

use serde_json::Value;

use crate::{
    sandbox::{sandbox, script, steady},
    support::Kjo,
};

const SANDBOX: &str = "kjo: sandbox: images are NOT used; commands run from this machine's own files, as user USER, as \
                       plain processes without isolation\n";

/// A container that fails and is started again.
const FLAKY: &str = r#"{
    "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "flaky"},
    "spec": {"backoffLimit": 6, "template": {"spec": {
        "restartPolicy": "OnFailure",
        "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c",
            "n=$(cat FILE 2>/dev/null); echo x > FILE; echo tried; [ x = \"$n\" ]"]}]
    }}}
}"#;

fn events(stderr: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?} in\n{stderr}"));
    stderr.lines().map(parse).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|e| e["event"].as_str().expect("a name")).collect()
}

#[test]
fn quiet_says_nothing_of_a_success_but_that_nothing_is_isolated() {
    for kjo in [
        script("echo out; echo err >&2").0.arg_first("--quiet"),
        script("echo out; echo err >&2").0.env("KJO_QUIET", "1"),
    ] {
        let done = kjo.run();
        assert_eq!((done.code, done.stdout.len()), (0, 8));
        assert_eq!(steady(&done.stderr), SANDBOX);
    }
}

#[test]
fn quiet_says_why_a_run_failed() {
    let (kjo, _folder) = script("exit 7");
    let done = kjo.arg_first("-q").run();
    assert_eq!(done.code, 7);
    insta::assert_snapshot!(steady(&done.stderr));
    let refused = Kjo::new(["run", "-q", "-f", "nowhere.yaml"]).run();
    refused.expect(125, "").expect_said("nowhere.yaml cannot be read");
}

#[test]
fn milestones_come_in_order_with_their_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tries");
    let (kjo, _folder) = sandbox(&["-f", "-"]);
    let done = kjo.stdin(FLAKY.replace("FILE", &file.display().to_string())).run();
    done.expect(0, "tried\ntried\n");
    let said = steady(&done.stderr);
    let steps: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("[TIME]") && !line.contains("is waiting"))
        .collect();
    insta::assert_snapshot!(steps.join("\n"));
}

#[test]
fn every_line_of_json_is_an_event() {
    let (kjo, _folder) = script("echo out; exit 3");
    let done = kjo.arg_first("--message-format=json").run();
    done.expect(3, "out\n");
    let said = events(&done.stderr);
    assert_eq!(
        names(&said),
        [
            "sandbox",
            "target",
            "created",
            "pod_scheduled",
            "container_started",
            "container_failed",
            "log_ledger",
            "deleted",
            "finished"
        ]
    );
    let last = said.last().expect("an event");
    assert_eq!(
        (&last["outcome"], &last["exit_code"], &last["level"]),
        (&"failed".into(), &3.into(), &"error".into())
    );
    let times: Vec<f64> = said.iter().filter_map(|e| e["elapsed_seconds"].as_f64()).collect();
    assert!(times.len() == said.len() && times.is_sorted(), "{times:?}");

    let refused = Kjo::new(["run", "--message-format=json", "-f", "-"])
        .stdin("kind: Job\n  password: sesame {\n")
        .run();
    assert_eq!((refused.code, names(&events(&refused.stderr))), (125, vec!["refused"]));
    assert!(!refused.stderr.contains("sesame"), "{}", refused.stderr);
}

#[test]
fn verbose_shows_requests_and_no_secrets() {
    let (kjo, _folder) = sandbox(&[
        "--image",
        "busybox",
        "-e",
        "SECRET=sesame",
        "--",
        "sh",
        "-c",
        "echo out",
    ]);
    let done = kjo.arg_first("-v").env("KJO_MESSAGE_FORMAT", "json").run();
    done.expect(0, "out\n");
    let said = events(&done.stderr);
    let requests: Vec<&Value> = said.iter().filter(|e| e["event"] == "request").collect();
    let create = requests.iter().find(|e| e["method"] == "POST").expect("a request");
    assert_eq!(
        (&create["method"], &create["status"], create["milliseconds"].is_u64()),
        (&"POST".into(), &201.into(), true)
    );
    assert!(
        create["path"]
            .as_str()
            .is_some_and(|p| p.starts_with("/apis/batch/v1/namespaces/default/jobs?"))
    );
    assert!(names(&said).contains(&"log_reopened"));
    assert!(!done.stderr.contains("sesame"), "{}", done.stderr);

    let (kjo, _folder) = script("true");
    let done = kjo.arg_first("-v").run();
    done.expect(0, "")
        .expect_said("kjo: [0:00] POST /apis/batch/v1/namespaces/default/jobs");
}

#[test]
fn colours_stand_where_they_were_asked_for() {
    let (kjo, _folder) = script("true");
    let done = kjo.arg_first("--color=always").run();
    done.expect(0, "")
        .expect_said("\u{1b}[2mkjo:\u{1b}[0m [0:00] created job/");
    let (kjo, _folder) = script("true");
    let done = kjo.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").run();
    done.expect(0, "");
    assert!(!done.stderr.contains('\u{1b}'), "{}", done.stderr);
}

/// Whoever reads JSON gets JSON also when the arguments mean nothing.
#[test]
fn arguments_that_mean_nothing_are_told_in_the_form_that_was_asked_for() {
    let told = |kjo: Kjo| {
        let done = kjo.run();
        done.expect(125, "");
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
        let line: serde_json::Value = serde_json::from_str(&done.stderr).expect("JSON");
        assert_eq!(
            (&line["event"], &line["level"]),
            (&"refused".into(), &"error".into()),
            "{line}"
        );
        format!("{}\n{}", line["message"], line["hint"])
    };
    let flag = told(Kjo::new(["run", "--imgae", "x", "--message-format", "json"]));
    assert!(
        flag.contains("unexpected argument '--imgae' found") && flag.contains("--image"),
        "{flag}"
    );
    let variable = told(Kjo::new(["run"]).env("KJO_MESSAGE_FORMAT", "json"));
    assert!(variable.contains("required arguments were not provided"), "{variable}");
    let none = told(Kjo::new(Vec::<&str>::new()).env("KJO_MESSAGE_FORMAT", "json"));
    assert!(none.contains("no command"), "{none}");
    let help = Kjo::new(["--help"]).env("KJO_MESSAGE_FORMAT", "json").run();
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
}
