//! What kjo refuses before it has a cluster: one clear message, exit code 125, nothing on stdout.
#![expect(clippy::expect_used, reason = "a test says what it expects")]

#[cfg(feature = "sandbox")]
mod ci;
mod connection;
#[cfg(target_os = "linux")]
mod core_dump;
mod generated;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
mod isolation;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
mod load;
mod looks;
#[cfg(feature = "sandbox")]
mod messages;
#[cfg(feature = "sandbox")]
mod sandbox;
mod scripted;
#[cfg(feature = "sandbox")]
mod serve;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "sandbox")]
mod terminal;

use std::net::TcpListener;

use support::{Done, Kjo, without_times};

const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}
";
const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:PORT'}}]
users: [{name: u, user: {token: sesame}}]
contexts: [{name: here, context: {cluster: c, user: u, namespace: team}}, {name: there, context: {cluster: c, user: u}}]
";

/// stderr of a refusal: nothing on stdout, exit code 125.
#[track_caller]
fn refused(kjo: Kjo) -> String {
    let folder = kjo.folder().display().to_string();
    let done = kjo.run();
    done.expect(125, "");
    assert!(
        !done.stderr.contains("sesame") && !done.stderr.contains("panicked"),
        "{}",
        done.stderr
    );
    done.stderr.replace(&folder, "FOLDER")
}

fn run(args: &[&str]) -> Kjo {
    Kjo::new(["run"]).args(args.iter().copied())
}

/// A port where nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

fn with_kubeconfig(kjo: Kjo) -> Kjo {
    kjo.file("kubeconfig", KUBECONFIG.replace("PORT", &closed_port().to_string()))
        .file("job.yaml", JOB)
        .env("KUBECONFIG", "kubeconfig")
}

#[test]
fn files_that_cannot_be_read() {
    insta::assert_snapshot!(refused(run(&["-f", "nowhere.yaml"])));
    insta::assert_snapshot!(refused(run(&["-f", "."])));
    insta::assert_snapshot!(refused(run(&["-f", "-"])));
}

#[test]
fn yaml_that_does_not_parse() {
    let kjo = run(&["-f", "job.yaml"]).file("job.yaml", "kind: Job\n  spec: {\n");
    insta::assert_snapshot!(refused(kjo));
    insta::assert_snapshot!(refused(run(&["-f", "-"]).stdin("kind: [Job\n")));
}

#[test]
fn files_without_a_job_or_with_more() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";
    insta::assert_snapshot!(refused(run(&["-f", "x.yaml"]).file("x.yaml", pod)));
    insta::assert_snapshot!(refused(
        run(&["-f", "x.yaml"]).file("x.yaml", format!("{JOB}---\n{JOB}"))
    ));
}

#[test]
fn arguments() {
    insta::assert_snapshot!(refused(run(&[])));
    insta::assert_snapshot!(refused(run(&["--image", ""])));
    insta::assert_snapshot!(refused(run(&["-f", "a", "--image", "b"])));
    insta::assert_snapshot!(refused(run(&["--image", "b", "-e", "UNSET_HERE"])));
    insta::assert_snapshot!(refused(run(&["--image", "b", "--timeout", "soon"])));
    insta::assert_snapshot!(refused(run(&["--image", "b", "--run-id", ""])));
    insta::assert_snapshot!(refused(run(&["--image", "b", "-n", ""])));
    insta::assert_snapshot!(refused(run(&["--image", "b", "--delete", "sometimes"])));
}

#[test]
fn no_cluster_to_talk_to() {
    insta::assert_snapshot!(refused(run(&["--image", "busybox"])));
    insta::assert_snapshot!(refused(run(&["--image", "busybox"]).env("KUBECONFIG", "nowhere")));
    insta::assert_snapshot!(refused(run(&["--image", "busybox", "--kubeconfig", "nowhere"])));
    insta::assert_snapshot!(refused(run(&["--image", "busybox", "--sandbox", "--kubeconfig", "k"])));
}

#[test]
fn kubeconfigs_that_cannot_be_used() {
    let garbage = run(&["--image", "busybox", "--kubeconfig", "k"]).file("k", "token: sesame\n: [");
    let said = refused(garbage);
    assert!(said.contains("the kubeconfig k cannot be used"), "{said}");
    insta::assert_snapshot!(refused(with_kubeconfig(run(&[
        "--image",
        "busybox",
        "--context",
        "nowhere"
    ]))));
    let none = KUBECONFIG.replace("current-context: here", "");
    insta::assert_snapshot!(refused(
        run(&["--image", "busybox", "--kubeconfig", "k"]).file("k", none)
    ));
}

#[test]
fn manifests_that_contradict_the_flags() {
    let other = JOB.replace("name: etl", "name: etl\n  namespace: other");
    insta::assert_snapshot!(refused(
        with_kubeconfig(run(&["-f", "o.yaml", "-n", "team"])).file("o.yaml", other)
    ));
    let generated = JOB.replace("name:", "generateName:");
    insta::assert_snapshot!(refused(
        with_kubeconfig(run(&["-f", "g.yaml", "--exact-name"])).file("g.yaml", generated)
    ));
    insta::assert_snapshot!(refused(
        with_kubeconfig(run(&["-f", "l.yaml"])).file("l.yaml", JOB.replace("  template:\n    spec:", "-"))
    ));
}

#[test]
fn a_server_out_of_reach_is_122_and_leaves_a_result() {
    let kjo = with_kubeconfig(run(&[
        "-f",
        "job.yaml",
        "--run-id",
        "words",
        "--connect-timeout",
        "1s",
        "--result-file",
        "result.json",
    ]));
    let kjo = kjo.file("result.json", "yesterday's");
    let running = kjo.start();
    let (done, result) = finish(running);
    done.expect(122, "");
    let said = without_times(&without_ports(&done.stderr));
    insta::assert_snapshot!(said);
    assert_eq!(result["outcome"], "start_failed");
    assert_eq!(
        (&result["exit_code"], &result["job"]),
        (&serde_json::json!(122), &serde_json::Value::Null)
    );
}

#[test]
fn a_refusal_leaves_a_result() {
    let (done, result) = finish(run(&["-f", "nowhere.yaml", "--result-file", "result.json"]).start());
    done.expect(125, "");
    assert_eq!(result["schema"], "kjo.result/v1");
    assert_eq!(result["outcome"], "refused");
    let done = run(&["--image", "b", "--result-file", "no/such/folder/r.json"]).run();
    done.expect(125, "")
        .expect_said("the result file no/such/folder/r.json cannot be written");
}

#[test]
fn a_file_by_termination_has_no_sidecar() {
    let done = run(&["--image", "b", "--xcom", "termination", "--xcom-image", "alpine"]).run();
    done.expect(125, "")
        .expect_said("--xcom-image alpine is for a sidecar, and --xcom termination has none");
    let done = run(&["--image", "b", "--xcom", "termination", "--xcom-container", "{}"]).run();
    done.expect(125, "")
        .expect_said("--xcom-container {} is for a sidecar, and --xcom termination has none");
    for needs_xcom in ["--xcom-image", "--xcom-container"] {
        let done = run(&["--image", "b", needs_xcom, "alpine"]).run();
        done.expect(125, "").expect_said("--xcom");
    }
}

#[test]
fn of_the_sidecar_only_some_members_may_be_changed() {
    for (text, said) in [
        ("[1]", "--xcom-container \"[1]\" is not a JSON object"),
        (
            r#"{"command": []}"#,
            "--xcom-container cannot change command of the sidecar",
        ),
    ] {
        let done = run(&["--image", "b", "--xcom", "sidecar", "--xcom-container", text]).run();
        done.expect(125, "").expect_said(said);
    }
}

#[test]
fn objects_are_read_for_another_program() {
    let text = "a: yes\n---\nkind: List\nitems: [{b: 0644}]\n";
    let done = Kjo::new(["read"]).stdin(text).run();
    done.expect(0, "{\"a\":true}\n{\"b\":420}\n");
    let done = Kjo::new(["read", "dags/job.yaml"]).stdin("a: 1\n  b: 2\n").run();
    done.expect(125, "").expect_said("dags/job.yaml");
}

#[test]
fn version() {
    let done = Kjo::new(["--version"]).run();
    done.expect(0, format!("kjo {}\n", env!("CARGO_PKG_VERSION")));
}

/// Every help text, at the width of a narrow terminal.
#[cfg(feature = "sandbox")]
#[test]
fn help_fits_into_80_columns() {
    let commands = [
        "",
        "run",
        "render",
        "attach",
        "status",
        "delete",
        "check",
        "sandbox",
        "generate",
        "generate completions",
        "generate man",
        "generate reference",
    ];
    for command in commands {
        for flag in ["-h", "--help"] {
            let done = Kjo::new(command.split_whitespace().chain([flag]))
                .env("COLUMNS", "80")
                .run();
            assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{command} {flag}");
            let long: Vec<&str> = done.text().lines().filter(|line| line.chars().count() > 80).collect();
            assert!(long.is_empty(), "{command} {flag}: {long:?}");
            let length = if flag == "-h" { "short" } else { "long" };
            let name = format!("help_{}_{length}", if command.is_empty() { "kjo" } else { command });
            insta::assert_snapshot!(name.replace(' ', "_"), done.text());
        }
    }
}

#[test]
fn help_into_a_closed_pipe_is_no_panic() {
    let mut running = Kjo::new(["run", "--help"]).start();
    drop(running.stdout());
    let (code, stderr) = running.wait(std::time::Duration::from_secs(20));
    assert_eq!((code, stderr.as_str()), (0, ""));
}

/// Waits for the end and reads `result.json` before the folder goes.
fn finish(mut running: support::Running) -> (Done, serde_json::Value) {
    use std::io::Read as _;
    let mut stdout = Vec::new();
    running.stdout().read_to_end(&mut stdout).expect("stdout");
    let (code, stderr) = running.wait(std::time::Duration::from_secs(60));
    let text = std::fs::read(running.folder().join("result.json")).expect("a result file");
    (Done { code, stdout, stderr }, support::result(text))
}

/// Ports differ from run to run.
fn without_ports(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("127.0.0.1:") {
        shown.push_str(before);
        shown.push_str("127.0.0.1:PORT");
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    shown.push_str(rest);
    shown
}
