//! Less than the Role of `manifests/rbac.yaml`: each permission that is missing is named once, with what
//! is lost, and the outcome stays true. On a real cluster only: the sandbox knows no Roles.

use std::path::PathBuf;

use kjo::core::access::{self, Permission};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    backend::{own_cluster, script},
    namespace::Namespace,
    outcome::job,
    support::{Done, Kjo, eventually, result, without_times},
};

/// A user with every permission but these, in a namespace of its own.
struct Limited {
    ns: Namespace,
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
}

impl Limited {
    fn without(name: &str, lacks: impl Fn(&Permission) -> bool) -> Self {
        Self::with(name, lacks, &[])
    }

    /// With these rules beside the rest.
    fn with(name: &str, lacks: impl Fn(&Permission) -> bool, more: &[Value]) -> Self {
        let ns = Namespace::new();
        let folder = tempfile::tempdir().expect("a folder");
        let rules = access::ALL.iter().filter(|p| !lacks(p)).map(rule);
        let rules: Vec<_> = rules.chain(more.iter().cloned()).collect();
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules,
        });
        let file = folder.path().join("role.json");
        std::fs::write(&file, role.to_string()).expect("a file");
        let kubeconfig = script("user", &[name, &ns.name, &file.display().to_string()]).into();
        Self { ns, kubeconfig, folder }
    }

    fn result_path(&self) -> PathBuf {
        self.folder.path().join("r.json")
    }

    fn manifest(&self, job: &Value) -> Kjo {
        self.ns
            .manifest(job)
            .args(["--name=limited", "--result-file"])
            .arg(self.result_path())
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
    }

    /// Runs a script to its end, and keeps the Job: what it came to, and its result.
    fn run(&self, script: &str) -> (Done, Value) {
        let done = self.manifest(&job(script)).arg("--delete=never").run();
        let result = result(std::fs::read(self.result_path()).expect("a result file"));
        assert_eq!(result["exit_code"], done.code, "{}", done.stderr);
        (done, result)
    }

    fn kjo(&self, args: &[&str]) -> Done {
        let kjo = Kjo::new(args.iter().copied()).args(["-n", self.ns.name.as_str(), "--kubeconfig"]);
        kjo.arg(&self.kubeconfig).run()
    }

    /// `kjo status` of the only Job.
    fn status(&self) -> (Done, Value) {
        let jobs = self.ns.names("jobs");
        let [name] = jobs.as_slice() else {
            panic!("Jobs: {jobs:?}")
        };
        let done = self.kjo(&["status", name]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let document = result(&done.stdout);
        (done, document)
    }

    /// What is said about permissions, less the names that differ from run to run.
    fn denials(&self, done: &Done) -> Vec<String> {
        let said = without_times(&done.stderr).replace(&self.ns.name, "NAMESPACE");
        let mut lines = said.lines().peekable();
        let mut denials = Vec::new();
        while let Some(line) = lines.next() {
            if line.contains("HTTP 403") {
                let hint = lines.next_if(|next| next.starts_with("kjo: hint: "));
                denials.extend([Some(line), hint].into_iter().flatten().map(|l| self.unnamed(l)));
            }
        }
        denials
    }

    fn unnamed(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (kind, stands) in [("pods", "POD"), ("jobs", "JOB")] {
            for name in self.ns.names(kind) {
                line = line.replace(&name, stands);
            }
        }
        line
    }
}

fn rule(permission: &Permission) -> Value {
    json!({"apiGroups": [permission.group], "resources": [permission.resource], "verbs": [permission.verb]})
}

fn is(verb: &'static str, resource: &'static str) -> impl Fn(&Permission) -> bool {
    move |p| p.verb == verb && p.resource == resource
}

#[test]
fn without_events() {
    if !own_cluster() {
        return;
    }
    let limited = Limited::without("no-events", is("list", "events"));
    let (done, result) = limited.run("echo hello; exit 7");
    done.expect(7, "hello\n");
    assert_eq!(
        (&result["outcome"], &result["container_exit_code"]),
        (&json!("failed"), &json!(7))
    );
    let (done, document) = limited.status();
    assert_eq!((&document["exit_code"], &document["warnings"]), (&json!(7), &json!([])));
    insta::assert_snapshot!(limited.denials(&done).join("\n"));

    // Where only Events would tell: the code is the same, and what keeps the reason away is told once.
    let mut nobody = job("true");
    nobody["spec"]["template"]["spec"]["serviceAccountName"] = json!("nobody");
    let done = limited.manifest(&nobody).arg("--schedule-timeout=20s").run();
    done.expect(122, "");
    assert_eq!(limited.denials(&done).len(), 2, "{}", done.stderr);
}

#[test]
fn without_logs() {
    if !own_cluster() {
        return;
    }
    let limited = Limited::without("no-logs", |p| p.resource == "pods/log");
    let mut several = job("echo hello; [ $JOB_COMPLETION_INDEX != 1 ] || exit 7");
    several["spec"]["completionMode"] = json!("Indexed");
    several["spec"]["completions"] = json!(3);
    several["spec"]["parallelism"] = json!(3);
    let done = limited.manifest(&several).run();
    done.expect(7, "");
    insta::assert_snapshot!(
        limited
            .denials(&done)
            .join("\n")
            .replace("POD-0", "POD-N")
            .replace("POD-1", "POD-N")
    );
    let result = result(std::fs::read(limited.result_path()).expect("a result file"));
    let log = &result["pods"][0]["containers"][0]["attempts"][0]["log"];
    assert_eq!(log["complete"], "unproven", "{result:#}");
}

#[test]
fn without_pods() {
    if !own_cluster() {
        return;
    }
    let limited = Limited::without("no-pods", |p| p.resource.starts_with("pods"));
    let (done, result) = limited.run("echo hello; sleep 3; exit 7");
    done.expect(123, "");
    assert_eq!((&result["outcome"], &result["pods"]), (&json!("failed"), &json!([])));
    insta::assert_snapshot!(limited.denials(&done).join("\n"));
    let (done, document) = limited.status();
    assert_eq!(
        (&document["outcome"], &document["exit_code"]),
        (&json!("failed"), &json!(123))
    );
    assert_eq!(limited.denials(&done).len(), 2, "{}", done.stderr);
    let (done, result) = limited.run("sleep 3");
    done.expect(0, "");
    assert_eq!(result["outcome"], "succeeded");
}

#[test]
fn without_watch_on_jobs() {
    if !own_cluster() {
        return;
    }
    let limited = Limited::without("no-job-watch", is("watch", "jobs"));
    let (done, result) = limited.run("echo hello; sleep 8; echo end; exit 7");
    done.expect(7, "hello\nend\n");
    assert_eq!(result["outcome"], "failed");
    insta::assert_snapshot!(limited.denials(&done).join("\n"));
    limited.run("sleep 8; echo end").0.expect(0, "end\n");
}

#[test]
fn without_watch_on_pods() {
    if !own_cluster() {
        return;
    }
    let limited = Limited::without("no-pod-watch", is("watch", "pods"));
    let (done, result) = limited.run("echo hello; sleep 8; echo end; exit 7");
    done.expect(7, "hello\nend\n");
    assert_eq!(result["outcome"], "failed");
    insta::assert_snapshot!(limited.denials(&done).join("\n"));
    // One that is over before anybody has looked.
    limited.run("echo short").0.expect(0, "short\n");
}

#[test]
fn without_any_watch() {
    if !own_cluster() {
        return;
    }
    let limited = Limited::without("no-watch", |p| p.verb == "watch");
    let (done, _) = limited.run("echo hello; sleep 8; exit 7");
    done.expect(7, "hello\n");
    assert_eq!(limited.denials(&done).len(), 4, "{}", done.stderr);
    limited.run("echo short").0.expect(0, "short\n");
}

#[test]
fn without_delete() {
    if !own_cluster() {
        return;
    }
    let limited = Limited::without("no-delete", is("delete", "jobs"));
    for (script, code) in [("echo x", 0), ("echo x; exit 7", 7)] {
        let done = limited.manifest(&job(script)).arg("--delete=always").run();
        done.expect(code, "x\n");
        let result = result(std::fs::read(limited.result_path()).expect("a result file"));
        assert_eq!(
            (&result["exit_code"], &result["cleanup"]["deleted"]),
            (&json!(code), &json!(false))
        );
        let error = result["cleanup"]["error"].as_str().expect("an error");
        assert!(error.contains(r#"cannot delete resource "jobs""#), "{error}");
        if code == 0 {
            insta::assert_snapshot!(limited.denials(&done).join("\n"));
        }
    }
    assert_eq!(limited.ns.names("jobs").len(), 2);

    let mut running = limited
        .manifest(&job("echo begun; exec sleep 60"))
        .arg("--delete=always")
        .start();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(running.stdout());
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
    running.signal(Signal::SIGTERM);
    let (code, stderr) = running.wait(std::time::Duration::from_secs(6));
    assert_eq!(code, 143, "{stderr}");
    let result = result(std::fs::read(limited.result_path()).expect("a result file"));
    assert_eq!(result["job"]["still_running"], true, "{result:#}");
    assert!(stderr.contains("could not be deleted"), "{stderr}");
    assert!(eventually(std::time::Duration::from_secs(1), || limited
        .ns
        .names("jobs")
        .len()
        == 3));
}

#[test]
fn without_patch() {
    if !own_cluster() {
        return;
    }
    let maps = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get"]});
    let limited = Limited::with("no-patch", is("patch", "jobs"), &[maps]);
    let of_id = |script: &str| limited.manifest(&job(script)).arg("--run-id=patchless");
    let done = of_id("echo one; sleep 1; exit 7").run();
    done.expect(7, "one\n");
    insta::assert_snapshot!(limited.denials(&done).join("\n"));
    // What has ended is passed over, for nobody could have marked it.
    of_id("sleep 9; echo two")
        .arg("--detach")
        .run()
        .expect_said("cannot be told without patch on jobs");
    // What runs is adopted all the same.
    let done = of_id("sleep 9; echo two").arg("--rm").run();
    done.expect(0, "two\n").expect_said("adopted job/");

    // What comes along with a Job comes after it.
    let mut needs = job("echo $GREETING; sleep 1");
    needs["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"GREETING": "hi"}});
    let done = limited
        .manifest(&json!({"apiVersion": "v1", "kind": "List", "items": [needs, map]}))
        .run();
    done.expect(0, "hi\n")
        .expect_said("the Job is created before what comes with it");
}

#[test]
fn what_check_says_about_it() {
    if !own_cluster() {
        return;
    }
    // What differs from machine to machine is cut off.
    let words = |done: &Done| {
        let line = |line: &str| match line.split_whitespace().next() {
            Some(title @ ("kjo" | "server" | "found" | "version" | "namespace")) => format!("{title} …\n"),
            _ => format!("{line}\n"),
        };
        done.text().lines().map(line).collect::<String>()
    };
    let all = Limited::without("check-all", |_| false);
    let done = all.kjo(&["check"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    insta::assert_snapshot!("check_with_the_role", words(&done));
    let some = Limited::without("check-some", |p| p.verb == "watch" || p.resource.starts_with("pods"));
    let done = some.kjo(&["check"]);
    assert_eq!(done.code, 0);
    insta::assert_snapshot!("check_with_less", words(&done));
    let none = Limited::without("check-none", |p| p.needed);
    let done = none.kjo(&["check", "--redact"]);
    assert_eq!(done.code, 125);
    let text = done.text();
    assert!(
        !text.contains("check-none") && !text.contains(&none.ns.name) && !text.contains("127.0.0.1"),
        "{text}"
    );
    insta::assert_snapshot!("check_without_what_is_needed", words(&done));
    let elsewhere = none.kjo(&["check", "-n", "no-such-namespace"]);
    assert_eq!(elsewhere.code, 125);
}
