//! What `--xcom` changes in a Job: where the file is written, and the sidecar that hands it over.

use serde_json::{Map, Value, json};

use super::Refusal;
use crate::core::xcom::file::{BEGIN, END, FILE, FOLDER, NONE, SIDECAR, Source};

/// What the sidecar is to have that it would not have of itself.
#[derive(Debug, Default)]
pub struct Wishes<'a> {
    /// Its image, in place of the main container's.
    pub image: Option<&'a str>,
    /// Members of the container ([`OPEN`]), each in place of what it would have.
    pub members: Map<String, Value>,
}

/// The members of the sidecar that may be wished for: all others are what makes it work.
pub const OPEN: [&str; 3] = ["resources", "securityContext", "imagePullPolicy"];

/// Has the container `main`, or else the first, hand over the file; returns what of the manifest is overruled.
///
/// # Errors
/// The Job has something of its own in the way.
pub fn apply(job: &mut Value, main: Option<&str>, source: Source, wishes: &Wishes<'_>) -> Result<Vec<String>, Refusal> {
    let mut told = Vec::new();
    let Some(pod) = job.pointer_mut("/spec/template/spec").and_then(Value::as_object_mut) else {
        // A structure that no Job has is refused where that is judged.
        return Ok(told);
    };
    let Some(container) = container(pod, main) else {
        return Ok(told);
    };
    match source {
        Source::Termination => {
            // The end of the log in place of a file that is missing would be taken for the value.
            for (field, value) in [("terminationMessagePath", FILE), ("terminationMessagePolicy", "File")] {
                let before = container.insert(field.into(), json!(value));
                let before = before.filter(|before| !before.is_null() && before != value);
                told.extend(before.map(|before| format!("--xcom termination sets {field} {value}, and not {before}")));
            }
            Ok(told)
        }
        Source::Sidecar => {
            let mounted = list(container.get("volumeMounts"), "mountPath");
            if mounted.iter().any(|path| path.trim_end_matches('/') == FOLDER) {
                return Err(Refusal::new(
                    format!("--xcom sidecar: the Job mounts a volume of its own at {FOLDER}"),
                    "leave that volume out, or use --xcom termination",
                ));
            }
            let sidecar = sidecar(container, wishes);
            push(container, "volumeMounts", mount());
            add(pod, sidecar).map(|()| told)
        }
    }
}

/// The name of the container that hands on: `main`, or else the first.
#[must_use]
pub fn speaker(job: &Value, main: Option<&str>) -> String {
    let first = || {
        job.pointer("/spec/template/spec/containers/0/name")
            .and_then(Value::as_str)
    };
    main.or_else(first).unwrap_or_default().to_owned()
}

fn container<'a>(pod: &'a mut Map<String, Value>, main: Option<&str>) -> Option<&'a mut Map<String, Value>> {
    let containers = pod.get_mut("containers")?.as_array_mut()?;
    let chosen = match main {
        None => containers.first_mut(),
        Some(name) => containers.iter_mut().find(|c| c.get("name").is_some_and(|n| n == name)),
    };
    chosen.and_then(Value::as_object_mut)
}

fn list<'a>(items: Option<&'a Value>, member: &str) -> Vec<&'a str> {
    let items = items.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.get(member)?.as_str()).collect()
}

fn mount() -> Value {
    json!({"name": SIDECAR, "mountPath": FOLDER})
}

fn push(object: &mut Map<String, Value>, member: &str, item: Value) {
    match object.entry(member).or_insert_with(|| json!([])) {
        Value::Array(items) => items.push(item),
        // Null is the other way to say that there is nothing; anything else the API server refuses.
        Value::Null => {
            object.insert(member.to_owned(), json!([item]));
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {}
    }
}

fn add(pod: &mut Map<String, Value>, sidecar: Value) -> Result<(), Refusal> {
    for (member, what) in [
        ("containers", "container"),
        ("initContainers", "container"),
        ("volumes", "volume"),
    ] {
        if list(pod.get(member), "name").contains(&SIDECAR) {
            return Err(Refusal::new(
                format!("--xcom sidecar: the Job has a {what} named {SIDECAR} of its own"),
                "give it another name",
            ));
        }
    }
    push(pod, "volumes", json!({"name": SIDECAR, "emptyDir": {}}));
    push(pod, "initContainers", sidecar);
    Ok(())
}

/// A native sidecar: the kubelet starts it before the main container and stops it after that has ended, which
/// is when it prints the file. It is process 1 of its container, so it has no default for SIGTERM.
fn sidecar(main: &Map<String, Value>, wishes: &Wishes<'_>) -> Value {
    let script = format!(
        "out() {{ if [ -s {FILE} ]; then echo '{BEGIN}'; cat {FILE}; echo; echo '{END}'; else echo '{NONE}'; fi; \
         exit 0; }}; trap out TERM INT; while :; do sleep 3600 & wait $!; done"
    );
    let mut sidecar = json!({
        "name": SIDECAR,
        "image": wishes.image.map_or_else(|| main.get("image").cloned().unwrap_or_default(), |image| json!(image)),
        "restartPolicy": "Always",
        "command": ["sh", "-c", script],
        "resources": {"requests": {"cpu": "1m", "memory": "10Mi"}},
        "volumeMounts": [mount()],
    });
    let limits = limits(main);
    if let Some(made) = sidecar.as_object_mut() {
        // An image of its own is pulled as Kubernetes pulls by default.
        let pull = main.get("imagePullPolicy").filter(|_| wishes.image.is_none());
        for (member, value) in [
            ("securityContext", main.get("securityContext")),
            ("imagePullPolicy", pull),
        ] {
            if let Some(value) = value {
                made.insert(member.into(), value.clone());
            }
        }
    }
    if !limits.is_empty()
        && let Some(resources) = sidecar.get_mut("resources")
    {
        resources["limits"] = Value::Object(limits);
    }
    if let Some(made) = sidecar.as_object_mut() {
        made.extend(wishes.members.clone());
    }
    sidecar
}

/// A namespace whose quota wants limits of the main container wants them of every one.
fn limits(main: &Map<String, Value>) -> Map<String, Value> {
    let given = main
        .get("resources")
        .and_then(|r| r.get("limits"))
        .and_then(Value::as_object);
    [("cpu", "100m"), ("memory", "64Mi")]
        .into_iter()
        .filter(|(name, _)| given.is_some_and(|limits| limits.contains_key(*name)))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(pod: &Value) -> Value {
        json!({"spec": {"template": {"spec": pod}}})
    }

    fn pod(job: &Value) -> &Value {
        &job["spec"]["template"]["spec"]
    }

    fn with_image(image: &str) -> Wishes<'_> {
        Wishes {
            image: Some(image),
            ..Wishes::default()
        }
    }

    #[test]
    fn what_is_wished_for_stands_in_place_of_the_sidecars_own() {
        let main = json!({"name": "main", "image": "i", "securityContext": {"runAsUser": 1},
            "resources": {"limits": {"memory": "1Gi"}}});
        let mut made = job(&json!({"containers": [main]}));
        let members = json!({"securityContext": {}, "resources": {"requests": {"cpu": "5m"}}});
        let wishes = Wishes {
            members: members.as_object().cloned().unwrap(),
            ..Wishes::default()
        };
        apply(&mut made, None, Source::Sidecar, &wishes).unwrap();
        let sidecar = &pod(&made)["initContainers"][0];
        for name in ["securityContext", "resources"] {
            assert_eq!(sidecar[name], members[name]);
        }
        assert_eq!(sidecar["image"], "i");
    }

    #[test]
    fn the_termination_message_of_the_main_container_is_the_file() {
        let mut made = job(&json!({"containers": [{"name": "a"}, {"name": "b", "terminationMessagePolicy": "X"}]}));
        let told = apply(&mut made, Some("b"), Source::Termination, &Wishes::default()).unwrap();
        assert_eq!(
            told,
            ["--xcom termination sets terminationMessagePolicy File, and not \"X\""]
        );
        assert_eq!(
            pod(&made)["containers"],
            json!([{"name": "a"}, {
                "name": "b", "terminationMessagePolicy": "File", "terminationMessagePath": "/airflow/xcom/return.json"
            }])
        );
        assert_eq!(speaker(&made, None), "a");
        assert_eq!(speaker(&made, Some("b")), "b");
    }

    #[test]
    fn the_sidecar_is_made_of_the_main_container() {
        let mut made = job(&json!({
            "initContainers": [{"name": "setup"}],
            "volumes": null,
            "containers": [{
                "name": "main", "image": "i", "imagePullPolicy": "Never", "securityContext": {"runAsUser": 1},
                "resources": {"limits": {"memory": "1Gi"}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }],
        }));
        apply(&mut made, None, Source::Sidecar, &Wishes::default()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(pod(&made)).unwrap(), @r#"
        {
          "containers": [
            {
              "image": "i",
              "imagePullPolicy": "Never",
              "name": "main",
              "resources": {
                "limits": {
                  "memory": "1Gi"
                }
              },
              "securityContext": {
                "runAsUser": 1
              },
              "volumeMounts": [
                {
                  "mountPath": "/v",
                  "name": "v"
                },
                {
                  "mountPath": "/airflow/xcom",
                  "name": "kjo-xcom"
                }
              ]
            }
          ],
          "initContainers": [
            {
              "name": "setup"
            },
            {
              "command": [
                "sh",
                "-c",
                "out() { if [ -s /airflow/xcom/return.json ]; then echo 'kjo-xcom begin'; cat /airflow/xcom/return.json; echo; echo 'kjo-xcom end'; else echo 'kjo-xcom none'; fi; exit 0; }; trap out TERM INT; while :; do sleep 3600 & wait $!; done"
              ],
              "image": "i",
              "imagePullPolicy": "Never",
              "name": "kjo-xcom",
              "resources": {
                "limits": {
                  "memory": "64Mi"
                },
                "requests": {
                  "cpu": "1m",
                  "memory": "10Mi"
                }
              },
              "restartPolicy": "Always",
              "securityContext": {
                "runAsUser": 1
              },
              "volumeMounts": [
                {
                  "mountPath": "/airflow/xcom",
                  "name": "kjo-xcom"
                }
              ]
            }
          ],
          "volumes": [
            {
              "emptyDir": {},
              "name": "kjo-xcom"
            }
          ]
        }
        "#);
    }

    #[test]
    fn an_image_of_its_own_is_pulled_by_its_own_rules() {
        let mut made = job(&json!({"containers": [{"name": "m", "image": "i", "imagePullPolicy": "Never"}]}));
        apply(&mut made, None, Source::Sidecar, &with_image("alpine:3")).unwrap();
        let sidecar = &pod(&made)["initContainers"][0];
        assert_eq!(
            (&sidecar["image"], sidecar.get("imagePullPolicy")),
            (&json!("alpine:3"), None)
        );
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let mounts = json!([{"name": "v", "mountPath": "/airflow/xcom/"}]);
        let refused: Vec<String> = [
            json!({"containers": [{"name": "m", "volumeMounts": mounts}]}),
            json!({"containers": [{"name": "m"}, {"name": SIDECAR}]}),
            json!({"containers": [{"name": "m"}], "volumes": [{"name": SIDECAR}]}),
        ]
        .iter()
        .map(|pod| {
            let refusal = apply(&mut job(pod), None, Source::Sidecar, &Wishes::default()).unwrap_err();
            format!("{}\n  {}", refusal.message, refusal.hint.unwrap_or_default())
        })
        .collect();
        insta::assert_snapshot!(refused.join("\n"), @r"
        --xcom sidecar: the Job mounts a volume of its own at /airflow/xcom
          leave that volume out, or use --xcom termination
        --xcom sidecar: the Job has a container named kjo-xcom of its own
          give it another name
        --xcom sidecar: the Job has a volume named kjo-xcom of its own
          give it another name
        ");
    }

    #[test]
    fn what_is_no_job_is_left_to_whoever_judges_that() {
        for mut odd in [
            json!({}),
            job(&json!({"containers": []})),
            job(&json!({"containers": 5})),
        ] {
            let before = odd.clone();
            apply(&mut odd, Some("x"), Source::Sidecar, &Wishes::default()).unwrap();
            assert_eq!(odd, before);
        }
    }
}
