//! The API as a client sees it, under virtual time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{
    Sandbox, Settings,
    api::Body,
    kubelet::script::{Script, Scripted, Step},
};

/// A sandbox whose containers run for a minute.
pub(super) fn sandbox() -> Sandbox {
    let script = |_: &_| Script {
        steps: vec![Step::Sleep(Duration::from_secs(60)), Step::Exit(0)],
        ..Script::default()
    };
    let began = jiff::Timestamp::from_second(1_793_577_600).unwrap();
    Sandbox::start(Settings::new(began, 7), Arc::new(Scripted::new(script)))
}

impl Sandbox {
    async fn send(&self, method: Method, uri: &str, body: impl Into<Bytes>) -> (u16, http::Response<Body>) {
        let content = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, content);
        let answer = self.api().answer(request.body(body.into()).unwrap()).await.unwrap();
        (answer.status().as_u16(), answer)
    }

    pub(super) async fn json(&self, method: Method, uri: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (code, answer) = self.send(method, uri, body).await;
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap())
    }

    async fn config_map(&self, name: &str, labels: &Value) -> Value {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}});
        let (code, made) = self.json(Method::POST, MAPS, &body).await;
        assert_eq!(code, 201, "{made}");
        made
    }

    async fn watch(&self, query: &str) -> Events {
        let (code, answer) = self.send(Method::GET, &format!("{MAPS}?watch=true&{query}"), "").await;
        assert_eq!(code, 200);
        Events(answer.into_body())
    }
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

struct Events(Body);

impl Events {
    /// Kind, name and version of the next event; nothing at the end.
    async fn next(&mut self) -> Option<(String, String, String)> {
        let frame = self.0.frame().await?.unwrap().into_data().unwrap();
        let event: Value = serde_json::from_slice(&frame).unwrap();
        let object = &event["object"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = if event["type"] == "ERROR" {
            text(&object["reason"])
        } else {
            text(&object["metadata"]["name"])
        };
        Some((text(&event["type"]), name, text(&object["metadata"]["resourceVersion"])))
    }

    async fn expect(&mut self, kind: &str, name: &str) -> String {
        let (told, whose, version) = self.next().await.expect("an event");
        assert_eq!((told.as_str(), whose.as_str()), (kind, name));
        version
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_came_after_its_version() {
    let sandbox = sandbox();
    let first = sandbox.config_map("a", &json!({})).await;
    let (_, list) = sandbox.json(Method::GET, MAPS, &Value::Null).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    assert_eq!(list["items"][0]["metadata"], first["metadata"]);
    assert!(list["items"][0].get("kind").is_none() && list["kind"] == "ConfigMapList");

    let mut events = sandbox.watch(&format!("resourceVersion={version}")).await;
    sandbox.config_map("b", &json!({})).await;
    let patch = json!({"data": {"k": "v"}});
    sandbox.json(Method::PATCH, &format!("{MAPS}/a"), &patch).await;
    sandbox.json(Method::PATCH, &format!("{MAPS}/a"), &patch).await;
    sandbox.json(Method::DELETE, &format!("{MAPS}/b"), &Value::Null).await;
    let made: u64 = events.expect("ADDED", "b").await.parse().unwrap();
    let changed: u64 = events.expect("MODIFIED", "a").await.parse().unwrap();
    let gone: u64 = events.expect("DELETED", "b").await.parse().unwrap();
    assert!(
        made < changed && changed < gone,
        "the second patch changed nothing: {made} {changed} {gone}"
    );

    let mut again = sandbox.watch(&format!("resourceVersion={made}")).await;
    assert_eq!(again.expect("MODIFIED", "a").await, changed.to_string());
    let mut all = sandbox.watch("").await;
    all.expect("ADDED", "a").await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_into_sight_is_added_and_what_leaves_it_is_deleted() {
    let sandbox = sandbox();
    sandbox.config_map("a", &json!({"app": "x"})).await;
    let mut events = sandbox.watch("labelSelector=app%3Dy").await;
    for app in ["y", "y2", "y"] {
        let patch = json!({"metadata": {"labels": {"app": app}}});
        sandbox.json(Method::PATCH, &format!("{MAPS}/a"), &patch).await;
    }
    for kind in ["ADDED", "DELETED", "ADDED"] {
        events.expect(kind, "a").await;
    }
}

#[tokio::test(start_paused = true)]
async fn bookmarks_come_every_minute_and_a_watch_ends_in_time() {
    let sandbox = sandbox();
    let began = tokio::time::Instant::now();
    let mut events = sandbox.watch("allowWatchBookmarks=true&timeoutSeconds=150").await;
    events.expect("BOOKMARK", "").await;
    assert_eq!(began.elapsed().as_secs(), 60);
    sandbox.config_map("a", &json!({})).await;
    let version = events.expect("ADDED", "a").await;
    assert_eq!(events.expect("BOOKMARK", "").await, version);
    assert!(events.next().await.is_none());
    assert_eq!(began.elapsed().as_secs(), 150);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_what_is_compacted_says_that_it_expired() {
    let sandbox = sandbox();
    sandbox.config_map("a", &json!({})).await;
    let mut live = sandbox.watch("").await;
    live.expect("ADDED", "a").await;
    sandbox.config_map("b", &json!({})).await;
    sandbox.world().compact();
    let mut late = sandbox.watch("resourceVersion=2").await;
    late.expect("ERROR", "Expired").await;
    assert!(late.next().await.is_none());
    live.expect("ERROR", "Expired").await;
}

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn what_cannot_be_done_is_told_in_the_real_servers_words() {
    let sandbox = sandbox();
    sandbox.config_map("a", &json!({})).await;
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let conflict = json!({"metadata": {"resourceVersion": "1"}});
    let wrong = json!({"preconditions": {"uid": "other"}});
    let one = format!("{MAPS}/a");
    for (method, uri, body, code, reason, message) in [
        (
            Method::GET,
            "/api/v1/namespaces/default/configmaps/x",
            Value::Null,
            404,
            "NotFound",
            r#"configmaps "x" not found"#,
        ),
        (
            Method::GET,
            "/apis/batch/v1/namespaces/default/jobs/x",
            Value::Null,
            404,
            "NotFound",
            r#"jobs.batch "x" not found"#,
        ),
        (
            Method::GET,
            "/api/v1/nodes",
            Value::Null,
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (
            Method::PUT,
            MAPS,
            map("a"),
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
        (
            Method::POST,
            MAPS,
            map("a"),
            409,
            "AlreadyExists",
            r#"configmaps "a" already exists"#,
        ),
        (
            Method::POST,
            "/api/v1/namespaces/none/configmaps",
            map("a"),
            404,
            "NotFound",
            r#"namespaces "none" not found"#,
        ),
        (
            Method::PATCH,
            &one,
            conflict,
            409,
            "Conflict",
            "the object has been modified",
        ),
        (
            Method::DELETE,
            &one,
            wrong,
            409,
            "Conflict",
            "the UID in the precondition (other) does not match the UID in record",
        ),
        (
            Method::GET,
            "/api/v1/namespaces/default/configmaps?labelSelector=a%20b",
            Value::Null,
            400,
            "BadRequest",
            "unable to parse requirement",
        ),
        (
            Method::GET,
            "/api/v1/pods?resourceVersion=9999",
            Value::Null,
            504,
            "Timeout",
            "Too large resource version: 9999",
        ),
    ] {
        let (got, status) = sandbox.json(method.clone(), uri, &body).await;
        assert_eq!(
            (got, &status["reason"], &status["kind"]),
            (code, &json!(reason), &json!("Status")),
            "{method} {uri}"
        );
        assert!(
            status["message"].as_str().unwrap().contains(message),
            "{method} {uri}: {status}"
        );
        assert_eq!(status["code"], code);
    }
    let (code, answer) = sandbox.send(Method::POST, MAPS, "{not json").await;
    assert_eq!(code, 400);
    drop(answer);
    let dry = format!("{MAPS}?dryRun=All");
    assert_eq!(sandbox.json(Method::POST, &dry, &map("dry")).await.0, 201);
    assert_eq!(
        sandbox.json(Method::GET, &format!("{MAPS}/dry"), &Value::Null).await.0,
        404
    );
}

#[tokio::test(start_paused = true)]
async fn dependents_go_as_the_policy_says() {
    let sandbox = sandbox();
    for (policy, owner_stays, pod_ends_in) in [
        ("Background", false, Some(31)),
        ("Foreground", true, Some(31)),
        ("Orphan", false, None),
    ] {
        let jobs = "/apis/batch/v1/namespaces/default/jobs";
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": policy.to_lowercase()},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i", "command": ["x"]}]}}},
        });
        let (code, made) = sandbox.json(Method::POST, jobs, &job).await;
        assert_eq!(code, 201, "{made}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let selector = format!(
            "/api/v1/namespaces/default/pods?labelSelector=job-name%3D{}",
            policy.to_lowercase()
        );
        let pods = async || sandbox.json(Method::GET, &selector, &Value::Null).await.1["items"].clone();
        assert_eq!(pods().await[0]["status"]["phase"], "Running", "{policy}");

        let path = format!("{jobs}/{}", policy.to_lowercase());
        let options = json!({"propagationPolicy": policy, "preconditions": {"uid": made["metadata"]["uid"]}});
        let (code, answer) = sandbox.json(Method::DELETE, &path, &options).await;
        assert_eq!(
            (code, answer["kind"] == "Job"),
            (200, policy != "Background"),
            "{policy}"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        let there = sandbox.json(Method::GET, &path, &Value::Null).await.0 == 200;
        assert_eq!(there, owner_stays, "{policy}");
        match pod_ends_in {
            Some(seconds) => {
                assert!(pods().await[0]["metadata"]["deletionTimestamp"].is_string(), "{policy}");
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                assert_eq!(pods().await, json!([]), "{policy}");
                assert_eq!(sandbox.json(Method::GET, &path, &Value::Null).await.0, 404, "{policy}");
            }
            None => {
                let pod = pods().await[0].clone();
                assert!(
                    pod["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty),
                    "{pod}"
                );
                assert!(pod["metadata"]["deletionTimestamp"].is_null(), "{pod}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_takes_all_with_it() {
    let sandbox = sandbox();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    sandbox.json(Method::POST, "/api/v1/namespaces", &namespace).await;
    let pods = "/api/v1/namespaces/n/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", "command": ["x"]}]}});
    assert_eq!(sandbox.json(Method::POST, pods, &pod).await.0, 201);
    tokio::time::sleep(Duration::from_secs(3)).await;
    sandbox.json(Method::DELETE, "/api/v1/namespaces/n", &Value::Null).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (code, refused) = sandbox.json(Method::POST, pods, &pod).await;
    assert_eq!(
        (code, &refused["details"]["causes"][0]["reason"]),
        (403, &json!("NamespaceTerminating"))
    );
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(
        sandbox.json(Method::GET, "/api/v1/namespaces/n", &Value::Null).await.0,
        404
    );
}

#[tokio::test(start_paused = true)]
async fn a_finished_job_goes_after_its_time_to_live() {
    let sandbox = sandbox();
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
        "spec": {"ttlSecondsAfterFinished": 100, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i", "command": ["x"]}]}}},
    });
    assert_eq!(sandbox.json(Method::POST, jobs, &job).await.0, 201);
    let there = async || sandbox.json(Method::GET, &format!("{jobs}/j"), &Value::Null).await.0 == 200;
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert!(there().await);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!there().await);
}
