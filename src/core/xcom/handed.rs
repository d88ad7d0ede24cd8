//! What was handed on, when the run is over: of the pods of a Job, one counts.

use serde_json::{Value, json};

use super::{
    file::{self, Source},
    markers::{Found, Markers},
};
use crate::core::record::{AttemptRecord, ContainerRecord, PodRecord};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Marker lines.
    pub markers: Markers,
    /// The file.
    pub file: Option<Source>,
    /// The container that hands on.
    pub main: String,
}

/// What was heard of one log, of those that are listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The pod's UID.
    pub pod: String,
    /// The markers of one start of the main container, or the log of the sidecar.
    pub what: What,
}

/// See [`Heard`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Marker lines.
    Markers(Found),
    /// The log of the sidecar.
    File(Vec<u8>),
}

/// The members `xcom` and `markers` of the result document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handed {
    /// The file; null where none was asked for.
    pub xcom: Value,
    /// The marker lines; null where they were not read.
    pub markers: Value,
}

/// What the Job handed on. `heard` is in the order in which the logs were opened.
#[must_use]
pub fn of(wanted: &Wanted, pods: &[PodRecord], heard: &[Heard]) -> Handed {
    let pod = speaker(pods, &wanted.main);
    let of_pod = || {
        heard
            .iter()
            .rev()
            .filter(|heard| pod.is_some_and(|pod| pod.uid == heard.pod))
    };
    let found = of_pod().find_map(|heard| match &heard.what {
        What::Markers(found) => Some(found),
        What::File(_) => None,
    });
    let log = of_pod().find_map(|heard| match &heard.what {
        What::File(log) => Some(log.as_slice()),
        What::Markers(_) => None,
    });
    Handed {
        xcom: wanted.file.map_or(Value::Null, |source| {
            let read = match (source, pod) {
                // Nothing ran, so nothing was written.
                (_, None) => Ok(None),
                (Source::Termination, Some(pod)) => match last(pod, &wanted.main) {
                    Some(attempt) if spoken(attempt) => file::termination(&attempt.message),
                    Some(_) | None => Ok(None),
                },
                (Source::Sidecar, Some(_)) => file::sidecar(log.unwrap_or_default()),
            };
            document(source, read)
        }),
        markers: match wanted.markers {
            Markers::Off => Value::Null,
            Markers::Read | Markers::Hide => markers(&found.cloned().unwrap_or_default()),
        },
    }
}

fn document(source: Source, read: file::Read) -> Value {
    let (found, value, error) = match read {
        Ok(Some(value)) => (true, value, None),
        Ok(None) => (false, Value::Null, None),
        Err(why) => (true, Value::Null, Some(why)),
    };
    json!({"source": source.name(), "found": found, "value": value, "error": error})
}

fn markers(found: &Found) -> Value {
    let events: Vec<Value> = found
        .events
        .iter()
        .map(|event| json!({"name": event.name, "value": event.value}))
        .collect();
    json!({"xcom": found.xcom, "events": events, "errors": found.errors})
}

/// The pod whose main container succeeded, else the one whose was the last to end; of several the later.
fn speaker<'a>(pods: &'a [PodRecord], main: &str) -> Option<&'a PodRecord> {
    let ran = pods.iter().filter_map(|pod| Some((pod, last(pod, main)?)));
    ran.max_by_key(|(_, attempt)| (attempt.exit_code == Some(0), attempt.finished_at, attempt.started_at))
        .map(|(pod, _)| pod)
}

fn last<'a>(pod: &'a PodRecord, main: &str) -> Option<&'a AttemptRecord> {
    let named = |container: &&ContainerRecord| container.name == main;
    pod.containers.iter().find(named)?.attempts.last()
}

/// The message is the container's own, and not the runtime's about one that it could not start.
fn spoken(attempt: &AttemptRecord) -> bool {
    matches!(attempt.reason.as_str(), "" | "Completed" | "Error" | "OOMKilled")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::core::pod::ContainerKind;

    fn pod(uid: &str, exit_code: i32, finished: i64, message: &str) -> PodRecord {
        let attempt = AttemptRecord {
            exit_code: Some(exit_code),
            finished_at: Timestamp::from_second(finished).ok(),
            message: message.into(),
            ..AttemptRecord::default()
        };
        PodRecord {
            name: uid.into(),
            uid: uid.into(),
            node: String::new(),
            index: None,
            containers: vec![ContainerRecord {
                name: "main".into(),
                kind: ContainerKind::Main,
                attempts: vec![attempt],
                attempts_unseen: 0,
            }],
        }
    }

    fn wanted(file: Source) -> Wanted {
        Wanted {
            markers: Markers::Hide,
            file: Some(file),
            main: "main".into(),
        }
    }

    fn heard(pod: &str, key: &str) -> Heard {
        let mut found = Found::default();
        found.xcom.insert(key.into(), json!(1));
        Heard {
            pod: pod.into(),
            what: What::Markers(found),
        }
    }

    fn value(handed: &Handed) -> &Value {
        &handed.xcom["value"]
    }

    #[test]
    fn the_pod_that_succeeded_counts_else_the_last_to_end() {
        let three = [pod("a", 1, 9, "1"), pod("b", 0, 5, "2"), pod("c", 0, 7, "3")];
        assert_eq!(value(&of(&wanted(Source::Termination), &three, &[])), 3);
        let failed = [pod("a", 1, 9, "1"), pod("b", 2, 5, "2")];
        assert_eq!(value(&of(&wanted(Source::Termination), &failed, &[])), 1);
        let handed = of(&wanted(Source::Termination), &[], &[]);
        assert_eq!(
            handed.xcom,
            json!({"source": "termination", "found": false, "value": null, "error": null})
        );
    }

    #[test]
    fn of_its_starts_the_last_one_counts() {
        let pods = [pod("a", 0, 9, "")];
        let heard = [heard("a", "first"), heard("a", "second"), heard("z", "other")];
        let handed = of(&wanted(Source::Sidecar), &pods, &heard);
        assert_eq!(
            handed.markers,
            json!({"xcom": {"second": 1}, "events": [], "errors": []})
        );
        assert!(handed.xcom["error"].as_str().unwrap().contains("has not printed"));
    }

    #[test]
    fn the_sidecars_log_is_that_of_the_pod() {
        let pods = [pod("a", 1, 9, ""), pod("b", 0, 5, "")];
        let file = |pod: &str, text: &str| Heard {
            pod: pod.into(),
            what: What::File(format!("kjo-xcom begin\n{text}\nkjo-xcom end\n").into_bytes()),
        };
        let handed = of(&wanted(Source::Sidecar), &pods, &[file("b", "[2]"), file("a", "[1]")]);
        assert_eq!(
            handed.xcom,
            json!({"source": "sidecar", "found": true, "value": [2], "error": null})
        );
    }

    #[test]
    fn what_the_runtime_says_is_no_file() {
        let mut pods = [pod("a", 128, 9, "exec: no such file")];
        pods[0].containers[0].attempts[0].reason = "StartError".into();
        assert_eq!(of(&wanted(Source::Termination), &pods, &[]).xcom["found"], false);
    }

    #[test]
    fn what_was_not_asked_for_is_null() {
        let handed = of(&Wanted::default(), &[pod("a", 0, 9, "1")], &[heard("a", "x")]);
        assert_eq!(handed, Handed::default());
    }
}
