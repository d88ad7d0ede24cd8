//! What clients other than kjo ask of the API: tables, discovery, streamed lists, protobuf.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{Sandbox, api_tests::sandbox};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

impl Sandbox {
    /// Asks for this form; code and body.
    async fn as_form(&self, accept: &str, uri: &str) -> (u16, Value) {
        let request = Request::get(uri)
            .header(header::ACCEPT, accept)
            .body(Bytes::new())
            .unwrap();
        let answer = self.api().answer(request).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap())
    }

    async fn map(&self, name: &str) {
        let body = json!({"metadata": {"name": name}, "data": {"a": "1", "b": "2"}});
        assert_eq!(self.json(Method::POST, MAPS, &body).await.0, 201);
    }

    /// The first events of a watch.
    async fn events(&self, accept: &str, query: &str, count: usize) -> Vec<Value> {
        let uri = format!("{MAPS}?watch=true&{query}");
        let request = Request::get(uri)
            .header(header::ACCEPT, accept)
            .body(Bytes::new())
            .unwrap();
        let mut body = self.api().answer(request).await.unwrap().into_body();
        let mut events = Vec::new();
        while events.len() < count {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            events.push(serde_json::from_slice(&frame).unwrap());
        }
        events
    }
}

#[tokio::test(start_paused = true)]
async fn objects_come_as_rows_or_as_their_metadata() {
    let sandbox = sandbox();
    sandbox.map("one").await;
    tokio::time::sleep(Duration::from_secs(150)).await;
    for uri in [MAPS.to_owned(), format!("{MAPS}/one")] {
        let (code, table) = sandbox.as_form(TABLE, &uri).await;
        assert_eq!((code, &table["kind"]), (200, &json!("Table")), "{table}");
        assert_eq!(table["rows"][0]["cells"], json!(["one", 2, "2m30s"]));
        assert_eq!(table["rows"][0]["object"]["metadata"]["name"], "one");
        assert!(table["rows"][0]["object"].get("data").is_none());
        let names: Vec<_> = table["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| &c["name"])
            .collect();
        assert_eq!(names, ["Name", "Data", "Age"]);
    }
    let (_, list) = sandbox
        .as_form("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", MAPS)
        .await;
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert!(list["items"][0].get("data").is_none() && list["items"][0]["metadata"]["name"] == "one");
    let events = sandbox.events(TABLE, "", 1).await;
    assert_eq!(events[0]["object"]["rows"][0]["cells"], json!(["one", 2, "2m30s"]));
    sandbox.map("two").await;
    let events = sandbox.events(TABLE, "", 2).await;
    assert!(events[0]["object"]["columnDefinitions"].is_array());
    assert!(
        events[1]["object"]["columnDefinitions"].is_null(),
        "only the first says what the columns are"
    );
    let (code, status) = sandbox.as_form("application/vnd.kubernetes.protobuf", MAPS).await;
    assert_eq!((code, &status["reason"]), (406, &json!("NotAcceptable")));
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_ends_with_a_bookmark_that_says_so() {
    let sandbox = sandbox();
    sandbox.map("one").await;
    let query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&resourceVersion=1";
    let events = sandbox.events("*/*", query, 2).await;
    assert_eq!(
        (&events[0]["type"], &events[0]["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!("one"))
    );
    let mark = &events[1]["object"]["metadata"];
    assert_eq!(
        (&events[1]["type"], &mark["annotations"]["k8s.io/initial-events-end"]),
        (&json!("BOOKMARK"), &json!("true"))
    );
    assert_eq!(
        mark["resourceVersion"],
        events[0]["object"]["metadata"]["resourceVersion"]
    );
    let (code, status) = sandbox
        .as_form("*/*", &format!("{MAPS}?watch=true&sendInitialEvents=true"))
        .await;
    assert_eq!((code, &status["reason"]), (422, &json!("Invalid")), "{status}");
}

#[tokio::test(start_paused = true)]
async fn discovery_comes_in_pieces_and_at_once() {
    let sandbox = sandbox();
    let at_once = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let (_, all) = sandbox.as_form(at_once, "/apis").await;
    assert_eq!(all["kind"], "APIGroupDiscoveryList");
    let batch = &all["items"][0]["versions"][0]["resources"];
    let (_, pieces) = sandbox.as_form("application/json", "/apis/batch/v1").await;
    let plural = |list: &Value, field: &str| -> Vec<Value> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|resource| resource[field].clone())
            .collect()
    };
    let mut names = plural(&pieces["resources"], "name");
    names.retain(|name| !name.as_str().unwrap().contains('/'));
    assert_eq!(plural(batch, "resource"), names);
    assert_eq!(names, ["cronjobs", "jobs"]);
    // By these clients see that the server checks fields itself.
    let (_, index) = sandbox.as_form("application/json", "/openapi/v3").await;
    let url = index["paths"]["apis/batch/v1"]["serverRelativeURL"].as_str().unwrap();
    let (_, document) = sandbox.as_form("application/json", url).await;
    let patch = &document["paths"]["/apis/batch/v1/namespaces/{namespace}/jobs/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Job");
    assert!(patch["parameters"].to_string().contains("fieldValidation"));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_in_may_do_everything() {
    let sandbox = sandbox();
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let asked = json!({"spec": {"resourceAttributes": {"verb": "create", "resource": "jobs", "group": "batch"}}});
    let (code, answer) = sandbox.json(Method::POST, path, &asked).await;
    assert_eq!(
        (code, &answer["status"]["allowed"], &answer["spec"]),
        (201, &json!(true), &asked["spec"])
    );
    assert_eq!(sandbox.json(Method::GET, path, &Value::Null).await.0, 405);
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (code, answer) = sandbox
        .json(Method::POST, path, &json!({"kind": "SelfSubjectReview"}))
        .await;
    assert_eq!(
        (code, &answer["status"]["userInfo"]["username"]),
        (201, &json!("sandbox"))
    );
    assert_eq!(sandbox.json(Method::POST, path, &json!({"kind": "Pod"})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_pod_needs_its_account() {
    let sandbox = sandbox();
    let pod = json!({"metadata": {"name": "p"}, "spec": {"serviceAccountName": "etl",
        "containers": [{"name": "c", "image": "i", "command": ["x"]}]}});
    let pods = "/api/v1/namespaces/default/pods";
    let (code, status) = sandbox.json(Method::POST, pods, &pod).await;
    let words =
        "pods \"p\" is forbidden: error looking up service account default/etl: serviceaccount \"etl\" not found";
    assert_eq!((code, &status["message"]), (403, &json!(words)));
    let account = json!({"metadata": {"name": "etl"}});
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(sandbox.json(Method::POST, accounts, &account).await.0, 201);
    assert_eq!(sandbox.json(Method::POST, pods, &pod).await.0, 201);
    // Every namespace has one from the beginning.
    sandbox
        .json(Method::POST, "/api/v1/namespaces", &json!({"metadata": {"name": "n"}}))
        .await;
    let path = "/api/v1/namespaces/n/serviceaccounts/default";
    assert_eq!(sandbox.json(Method::GET, path, &Value::Null).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn bodies_in_protobuf_are_read() {
    let sandbox = sandbox();
    // A ConfigMap called pb with the pair k: v, and the envelope around it.
    let body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x0e\x0a\x04\x0a\x02pb\x12\x06\x0a\x01k\x12\x01v";
    let request = Request::post(MAPS)
        .header(header::CONTENT_TYPE, "application/vnd.kubernetes.protobuf")
        .body(Bytes::from_static(body))
        .unwrap();
    let answer = sandbox.api().answer(request).await.unwrap();
    assert_eq!(answer.status(), 201);
    let (_, made) = sandbox.json(Method::GET, &format!("{MAPS}/pb"), &Value::Null).await;
    assert_eq!(made["data"], json!({"k": "v"}));
    let request = Request::post(MAPS)
        .header(header::CONTENT_TYPE, "application/vnd.kubernetes.protobuf")
        .body(Bytes::from_static(b"{}"))
        .unwrap();
    assert_eq!(sandbox.api().answer(request).await.unwrap().status(), 400);
}
