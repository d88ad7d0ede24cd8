//! Why a run ends as it does: real causes, each with its code and its words. The words of one cause are the
//! same on every cluster that can produce it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::{
    backend::{BACKEND, kubectl, real},
    namespace::Namespace,
    outcome::job,
    support::{Done, Running, eventually, without_times},
};

/// What was said, less what differs from run to run: names of namespaces, pods and servers, lengths of time;
/// and less the steps of pods that begin in the ordinary way.
fn words(ns: &Namespace, done: &Done) -> String {
    let stable = |word: &str| {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        let pod = core.rsplit_once('-').is_some_and(|(head, tail)| {
            head.contains("cause-") && tail.len() == 5 && tail.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if let Some((kind, name)) = core
            .split_once('/')
            .filter(|(kind, _)| matches!(*kind, "pod" | "NAMESPACE"))
        {
            let name = if name.contains("cause-") { "POD" } else { name };
            return word.replace(core, &format!("{kind}/{name}"));
        }
        if pod {
            word.replace(core, "POD")
        } else {
            word.to_owned()
        }
    };
    let text = done.stderr.replace(&ns.name, "NAMESPACE");
    let text = without_times(&text).replace("kjo: [TIME] ", "kjo: ");
    let steps = |line: &&str| line.contains(" is scheduled on node ") || line.ends_with(" has started");
    let lines = text.lines().filter(|line| !steps(line)).map(|line| {
        let line = line.split(" on https://").next().unwrap_or_default();
        let line = line.split("; still ending").next().unwrap_or_default();
        let line = line.split(" within a second").next().unwrap_or_default();
        let line = line.split(" after ").next().unwrap_or_default();
        let words: Vec<String> = line.split(' ').map(stable).collect();
        words.join(" ") + "\n"
    });
    lines.collect()
}

/// Runs this manifest under a stable name, and says what came of it.
fn cause(ns: &Namespace, name: &str, manifest: &Value, args: &[&str]) -> Done {
    let mut manifest = manifest.clone();
    manifest["metadata"]["name"] = json!(format!("cause-{name}"));
    ns.manifest(&manifest)
        .args(["--run-id", "causes"])
        .args(args.iter().copied())
        .run()
}

/// The code, and the words in a snapshot of this name; nothing of it is left behind but what is kept.
fn expect(ns: &Namespace, name: &str, done: &Done, code: i32) {
    assert_eq!(done.code, code, "{}", done.stderr);
    insta::assert_snapshot!(name, words(ns, done));
}

/// The same where the lines before the last come in an order of their own. Whether the log's end could be read before
/// its pod went is a race that both may win.
fn expect_end(ns: &Namespace, name: &str, done: &Done, code: i32) {
    assert_eq!(done.code, code, "{}", done.stderr);
    let words = words(ns, done);
    let lines = words.lines().filter(|line| !line.contains("went away before its end"));
    let words: String = lines
        .map(|line| line.replace("not proven to be complete", "complete") + "\n")
        .collect();
    let end = words.find("kjo: job/").or_else(|| words.find("kjo: error: "));
    insta::assert_snapshot!(name, words.get(end.expect("the verdict")..).unwrap_or_default());
}

/// Starts this manifest and waits for the first line of its log.
fn begun(ns: &Namespace, name: &str, manifest: &Value, args: &[&str]) -> Running {
    let mut manifest = manifest.clone();
    manifest["metadata"]["name"] = json!(format!("cause-{name}"));
    let mut running = ns
        .manifest(&manifest)
        .args(["--run-id", "causes"])
        .args(args.iter().copied())
        .start();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(running.stdout());
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
    assert_eq!(line, "begun\n");
    running
}

fn ended(mut running: Running) -> Done {
    let (code, stderr) = running.wait(Duration::from_secs(90));
    Done {
        code,
        stdout: Vec::new(),
        stderr,
    }
}

fn pod(job: &mut Value) -> &mut Value {
    &mut job["spec"]["template"]["spec"]
}

fn container(job: &mut Value) -> &mut Value {
    &mut pod(job)["containers"][0]
}

#[test]
fn an_image_that_is_none() {
    let ns = Namespace::new();
    let mut job = job("true");
    container(&mut job)["image"] = json!("UPPER::case");
    let done = cause(&ns, "image-name", &job, &[]);
    expect(&ns, "cause_image_name", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn an_image_that_the_node_may_not_pull() {
    if !real("it has every image, and pulls none") {
        return;
    }
    let ns = Namespace::new();
    let mut job = job("true");
    container(&mut job)["image"] = json!("nobody-has-this");
    container(&mut job)["imagePullPolicy"] = json!("Never");
    let done = cause(&ns, "image-never", &job, &[]);
    expect(&ns, "cause_image_never", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn an_image_that_cannot_be_pulled() {
    if !real("it has every image, and pulls none") {
        return;
    }
    let ns = Namespace::new();
    let mut job = job("true");
    container(&mut job)["image"] = json!("nobody-has-this");
    let done = cause(&ns, "image-pull", &job, &["--startup-timeout=6s"]);
    expect(&ns, "cause_image_pull", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn a_key_of_a_secret_that_is_not_there() {
    let ns = Namespace::new();
    let mut job = job("true");
    let key = json!({"secretKeyRef": {"name": "database", "key": "password"}});
    container(&mut job)["env"] = json!([{"name": "PASSWORD", "valueFrom": key}]);
    let done = cause(&ns, "secret", &job, &["--startup-timeout=6s"]);
    expect(&ns, "cause_secret", &done, 122);
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database"}, "data": {"user": "eA=="}});
    BACKEND
        .request(&Method::POST, &ns.path("secrets"), &secret)
        .expect("a Secret");
    let done = cause(&ns, "secret-key", &job, &["--startup-timeout=6s"]);
    expect(&ns, "cause_secret_key", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn settings_that_contradict_the_image() {
    if !real("its containers have no security context") {
        return;
    }
    let ns = Namespace::new();
    let mut job = job("true");
    container(&mut job)["securityContext"] = json!({"runAsNonRoot": true});
    let done = cause(&ns, "non-root", &job, &[]);
    assert_eq!(done.code, 122, "{}", done.stderr);
    done.expect_said("container has runAsNonRoot and image will run as root");
    ns.expect_nothing_left();
}

#[test]
fn a_volume_that_is_not_there() {
    if !real("it has no volumes") {
        return;
    }
    let ns = Namespace::new();
    let mut job = job("true");
    pod(&mut job)["volumes"] = json!([{"name": "v", "configMap": {"name": "missing"}}]);
    container(&mut job)["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    let done = cause(&ns, "volume", &job, &["--startup-timeout=14s"]);
    expect(&ns, "cause_volume", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn a_program_that_is_not_in_the_image() {
    let ns = Namespace::new();
    let mut job = job("true");
    container(&mut job)["command"] = json!(["no-such-program"]);
    let done = cause(&ns, "start-error", &job, &["--delete=always"]);
    assert_eq!(done.code, 128, "{}", done.stderr);
    done.expect_said("it never ran: StartError");
    ns.expect_nothing_left();
}

#[test]
fn no_node_is_large_enough() {
    if !real("it has no resources to run out of") {
        return;
    }
    let ns = Namespace::new();
    let mut job = job("true");
    container(&mut job)["resources"] = json!({"requests": {"cpu": "1000"}});
    let done = cause(&ns, "unschedulable", &job, &["--schedule-timeout=5s"]);
    expect(&ns, "cause_unschedulable", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn a_quota_for_pods_is_used_up() {
    if !real("it has no quotas") {
        return;
    }
    let ns = Namespace::new();
    kubectl(&["create", "quota", "none", "--hard=pods=0", "-n", &ns.name]);
    let counted = || !kubectl(&["get", "quota", "none", "-n", &ns.name, "-o", "jsonpath={.status.hard}"]).is_empty();
    assert!(eventually(Duration::from_secs(30), counted));
    let done = cause(&ns, "quota", &job("true"), &["--schedule-timeout=13s"]);
    expect(&ns, "cause_quota", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn the_pod_security_level_refuses() {
    if !real("it has no Pod Security") {
        return;
    }
    let ns = Namespace::new();
    let level = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&["label", "namespace", &ns.name, level]);
    let done = cause(&ns, "pod-security", &job("true"), &[]);
    expect_end(&ns, "cause_pod_security", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn a_limit_range_refuses() {
    if !real("it has no LimitRanges") {
        return;
    }
    let ns = Namespace::new();
    let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": [
        {"type": "Container", "max": {"memory": "64Mi"}}]}});
    BACKEND
        .request(&Method::POST, &ns.path("limitranges"), &range)
        .expect("a LimitRange");
    let mut job = job("true");
    container(&mut job)["resources"] = json!({"limits": {"memory": "1Gi"}});
    let done = cause(&ns, "limit-range", &job, &[]);
    expect(&ns, "cause_limit_range", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn a_service_account_that_is_not_there() {
    let ns = Namespace::new();
    let mut job = job("true");
    pod(&mut job)["serviceAccountName"] = json!("nobody");
    let done = cause(&ns, "account", &job, &["--schedule-timeout=13s"]);
    expect(&ns, "cause_account", &done, 122);
    ns.expect_nothing_left();
}

#[test]
fn a_suspended_job_waits_and_says_so() {
    let ns = Namespace::new();
    let mut job = job("true");
    job["spec"]["suspend"] = json!(true);
    let args = ["--schedule-timeout=1s", "--startup-timeout=1s", "--timeout=6s"];
    let done = cause(&ns, "suspended", &job, &args);
    expect(&ns, "cause_suspended", &done, 124);
    ns.expect_nothing_left();
}

#[test]
fn out_of_memory() {
    if !real("its containers have no limits") {
        return;
    }
    let ns = Namespace::new();
    let mut job = job("x=a; while :; do x=$x$x; done");
    container(&mut job)["resources"] = json!({"limits": {"memory": "32Mi"}});
    let done = cause(&ns, "memory", &job, &["--delete=always"]);
    expect(&ns, "cause_memory", &done, 137);
    ns.expect_nothing_left();
}

#[test]
fn the_deadline_of_a_pod() {
    let ns = Namespace::new();
    let mut job = job("exec sleep 60");
    pod(&mut job)["activeDeadlineSeconds"] = json!(2);
    let done = cause(&ns, "pod-deadline", &job, &["--delete=always"]);
    expect_end(&ns, "cause_pod_deadline", &done, 124);
    ns.expect_nothing_left();
}

#[test]
fn a_policy_names_the_pod_that_fails_the_job() {
    let ns = Namespace::new();
    let mut job = job("exit 42");
    job["spec"]["backoffLimit"] = json!(6);
    job["spec"]["podFailurePolicy"] = json!({"rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]});
    let done = cause(&ns, "policy", &job, &["--delete=always"]);
    expect(&ns, "cause_policy", &done, 42);
    ns.expect_nothing_left();
}

fn indexed(script: &str, completions: u32) -> Value {
    let mut job = job(script);
    job["spec"]["completionMode"] = json!("Indexed");
    job["spec"]["completions"] = json!(completions);
    job["spec"]["parallelism"] = json!(completions);
    job
}

#[test]
fn one_index_is_enough() {
    let ns = Namespace::new();
    let mut job = indexed("[ $JOB_COMPLETION_INDEX = 0 ] || exec sleep 60", 2);
    job["spec"]["successPolicy"] = json!({"rules": [{"succeededIndexes": "0"}]});
    let done = cause(&ns, "success-policy", &job, &[]);
    expect_end(&ns, "cause_success_policy", &done, 0);
    ns.expect_nothing_left();
}

#[test]
fn some_indexes_fail() {
    let ns = Namespace::new();
    let mut job = indexed("[ $JOB_COMPLETION_INDEX = 0 ] || exit 5", 2);
    job["spec"].as_object_mut().expect("a map").remove("backoffLimit");
    job["spec"]["backoffLimitPerIndex"] = json!(0);
    let done = cause(&ns, "indexes", &job, &["--delete=always"]);
    expect_end(&ns, "cause_indexes", &done, 5);
    ns.expect_nothing_left();
}

#[test]
fn too_many_indexes_fail() {
    let ns = Namespace::new();
    let mut job = indexed("exit 5", 3);
    job["spec"].as_object_mut().expect("a map").remove("backoffLimit");
    job["spec"]["backoffLimitPerIndex"] = json!(0);
    job["spec"]["maxFailedIndexes"] = json!(1);
    let done = cause(&ns, "max-indexes", &job, &["--delete=always"]);
    // How many of the three were counted by then differs.
    assert_eq!(done.code, 5, "{}", done.stderr);
    done.expect_said("MaxFailedIndexesExceeded");
    done.expect_said("the limit that ended it: maxFailedIndexes: 1");
    ns.expect_nothing_left();
}

#[test]
fn restarts_in_place_are_counted_too() {
    let ns = Namespace::new();
    let mut job = job("exit 4");
    job["spec"]["backoffLimit"] = json!(1);
    pod(&mut job)["restartPolicy"] = json!("OnFailure");
    let done = cause(&ns, "restarts", &job, &["--delete=always"]);
    expect_end(&ns, "cause_restarts", &done, 4);
    ns.expect_nothing_left();
}

#[test]
fn a_pod_that_somebody_deletes() {
    let ns = Namespace::new();
    let script = |end: &str| {
        job(&format!(
            "trap '{end}' TERM; echo begun; while :; do sleep 1 & wait $!; done"
        ))
    };
    // It takes its time to end with 0: the Job counts it as failed, and there is no code to pass on.
    let mut slow = script("sleep 3; exit 0");
    pod(&mut slow)["terminationGracePeriodSeconds"] = json!(10);
    let running = begun(&ns, "pod-deleted", &slow, &["--delete=always"]);
    ns.delete_all("pods");
    let done = ended(running);
    expect_end(&ns, "cause_pod_deleted", &done, 123);
    ns.expect_nothing_left();
}

#[test]
fn a_pod_that_is_evicted() {
    if !real("it evicts nobody") {
        return;
    }
    let ns = Namespace::new();
    let running = begun(&ns, "evicted", &job("echo begun; exec sleep 60"), &["--delete=always"]);
    for pod in ns.names("pods") {
        let eviction =
            json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": ns.name}});
        let path = format!("{}/{pod}/eviction", ns.path("pods"));
        BACKEND.request(&Method::POST, &path, &eviction).expect("an eviction");
    }
    let done = ended(running);
    expect_end(&ns, "cause_evicted", &done, 123);
    ns.expect_nothing_left();
}

#[test]
fn a_namespace_that_somebody_deletes() {
    if !real("its namespaces are there for ever") {
        return;
    }
    let ns = Namespace::new();
    let running = begun(&ns, "namespace", &job("echo begun; exec sleep 60"), &[]);
    kubectl(&["delete", "namespace", &ns.name, "--wait=false"]);
    // Whether the Job fails before it goes differs.
    let done = ended(running);
    assert_eq!(done.code, 123, "{}", done.stderr);
    done.expect_said("deleted by somebody");
}

#[test]
fn a_job_that_somebody_deletes() {
    let ns = Namespace::new();
    let running = begun(&ns, "deleted", &job("echo begun; exec sleep 60"), &[]);
    ns.delete_all("jobs");
    expect_end(&ns, "cause_deleted", &ended(running), 123);
    ns.expect_nothing_left();
}

#[test]
fn the_deadline_of_a_job_and_of_a_run() {
    let ns = Namespace::new();
    let mut job = job("exec sleep 60");
    let done = cause(&ns, "timeout", &job, &["--timeout=4s"]);
    expect_end(&ns, "cause_timeout", &done, 124);
    job["spec"]["activeDeadlineSeconds"] = json!(2);
    let done = cause(&ns, "deadline", &job, &["--delete=always"]);
    expect_end(&ns, "cause_deadline", &done, 124);
    ns.expect_nothing_left();
}

#[test]
fn a_field_that_does_not_exist() {
    let ns = Namespace::new();
    let mut job = job("true");
    container(&mut job)["comand"] = json!(["true"]);
    let done = cause(&ns, "refused", &job, &["--skip-checks"]);
    expect_end(&ns, "cause_refused", &done, 125);
    ns.expect_nothing_left();
}

#[test]
fn a_proxy_that_never_ends() {
    let ns = Namespace::new();
    let mut job = job("echo work; exit 3");
    let proxy = json!({"name": "proxy", "image": "busybox", "command": ["sh", "-c", "echo proxy; exec sleep 600"]});
    pod(&mut job)["containers"]
        .as_array_mut()
        .expect("containers")
        .push(proxy);
    let done = cause(
        &ns,
        "proxy",
        &job,
        &["--main-container=main", "--main-decides", "-c", "main"],
    );
    expect(&ns, "cause_proxy", &done, 3);
    assert_eq!(done.text(), "work\n");
    ns.expect_nothing_left();
    job["spec"]["parallelism"] = json!(2);
    let done = cause(&ns, "proxies", &job, &["--main-decides"]);
    done.expect(125, "")
        .expect_said("--main-decides is for Jobs of one pod");
    ns.expect_nothing_left();
}

#[test]
fn a_webhook_that_does_not_answer() {
    if !real("it has no webhooks") {
        return;
    }
    let ns = Namespace::new();
    let name = format!("{}.example.com", ns.name);
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": ns.name},
        "webhooks": [{
            "name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.name}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        }],
    });
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    BACKEND.request(&Method::POST, path, &webhook).expect("a webhook");
    // It takes a moment until the API server knows it.
    let known = eventually(Duration::from_secs(30), || {
        let probe = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
            "spec": {"containers": [{"name": "c", "image": "busybox"}]}});
        BACKEND
            .request(&Method::POST, &format!("{}?dryRun=All", ns.path("pods")), &probe)
            .is_err()
    });
    let done = cause(&ns, "webhook", &job("true"), &["--schedule-timeout=13s"]);
    let path = format!("{path}/{}", ns.name);
    BACKEND
        .request(&Method::DELETE, &path, &Value::Null)
        .expect("a deletion");
    assert!(known, "the webhook is not called");
    done.expect_said("WebhookUnavailable");
    expect_end(&ns, "cause_webhook", &done, 122);
    ns.expect_nothing_left();
}
