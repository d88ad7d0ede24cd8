//! Which logs are shown, and in what form.

use serde_json::Value;

use crate::core::pod::{ContainerKind, ContainerView};

/// What the user wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Nothing: only the outcome counts.
    pub none: bool,
    /// These containers only; empty for all of the manifest.
    pub only: Vec<String>,
    /// Also containers that the cluster has added to the pods.
    pub all: bool,
    /// No init containers. Native sidecars are none.
    pub no_init: bool,
    /// This container's log is read whatever else is wanted, and is not shown.
    pub heard: Option<String>,
}

/// When lines say whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefix {
    /// Where the manifest has several pods at once, or several containers that are shown.
    #[default]
    Auto,
    /// On every line.
    Always,
    /// On none.
    Never,
}

/// A container of a pod template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// An init container that is no sidecar.
    pub init: bool,
}

impl Declared {
    /// The containers of a Job as it is sent, init containers first.
    #[must_use]
    pub fn of(job: &Value) -> Vec<Self> {
        let list = |name: &str| {
            let path = format!("/spec/template/spec/{name}");
            job.pointer(&path).and_then(Value::as_array).into_iter().flatten()
        };
        let declared = |container: &Value, init: bool| {
            let text = |field: &str| container.get(field).and_then(Value::as_str);
            Some(Self {
                name: text("name")?.to_owned(),
                init: init && text("restartPolicy") != Some("Always"),
            })
        };
        let init = list("initContainers").filter_map(|c| declared(c, true));
        init.chain(list("containers").filter_map(|c| declared(c, false)))
            .collect()
    }
}

impl Choice {
    /// Whether the log of this container is shown, where the manifest declares these.
    #[must_use]
    pub fn takes(&self, container: &ContainerView, declared: &[Declared]) -> bool {
        if self.heard.as_ref() == Some(&container.name) {
            return true;
        }
        let init = match container.kind {
            ContainerKind::Init => true,
            ContainerKind::Sidecar | ContainerKind::Main => false,
        };
        let known = self.all || declared.iter().any(|d| d.name == container.name);
        self.wants(&container.name, init, known)
    }

    /// Names that were asked for and that no declared container has.
    #[must_use]
    pub fn unknown(&self, declared: &[Declared]) -> Vec<&str> {
        let known = |name: &str| declared.iter().any(|container| container.name == name);
        self.only
            .iter()
            .map(String::as_str)
            .filter(|name| !known(name))
            .collect()
    }

    fn wants(&self, name: &str, init: bool, known: bool) -> bool {
        if self.none || (self.no_init && init) {
            return false;
        }
        if self.only.is_empty() {
            known
        } else {
            self.only.iter().any(|only| only == name)
        }
    }

    /// Whether lines get a prefix. Judged by the manifest alone: what a cluster adds changes nothing.
    #[must_use]
    pub fn prefixed(&self, prefix: Prefix, declared: &[Declared], parallelism: i64) -> bool {
        match prefix {
            Prefix::Always => true,
            Prefix::Never => false,
            Prefix::Auto => {
                let shown = declared.iter().filter(|d| self.wants(&d.name, d.init, true)).count();
                parallelism > 1 || shown > 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::pod::State;

    fn declared() -> Vec<Declared> {
        Declared::of(&json!({"spec": {"template": {"spec": {
            "initContainers": [{"name": "setup"}],
            "containers": [{"name": "main"}],
        }}}}))
    }

    fn view(name: &str, kind: ContainerKind) -> ContainerView {
        ContainerView {
            name: name.into(),
            kind,
            state: State::Waiting {
                reason: String::new(),
                message: String::new(),
            },
            last: None,
            memory_limit: None,
            restarts: false,
            restart_count: 0,
        }
    }

    #[test]
    fn containers_are_chosen_as_by_kubectl() {
        let pod = [
            view("setup", ContainerKind::Init),
            view("main", ContainerKind::Main),
            view("istio-proxy", ContainerKind::Sidecar),
        ];
        let shown = |choice: &Choice| -> Vec<String> {
            let taken = pod.iter().filter(|c| choice.takes(c, &declared()));
            taken.map(|c| c.name.clone()).collect()
        };
        let only = |name: &str| Choice {
            only: vec![name.to_owned()],
            ..Choice::default()
        };
        assert_eq!(shown(&Choice::default()), ["setup", "main"]);
        assert_eq!(
            shown(&Choice {
                all: true,
                ..Choice::default()
            })
            .len(),
            3
        );
        assert_eq!(
            shown(&Choice {
                no_init: true,
                ..Choice::default()
            }),
            ["main"]
        );
        assert_eq!(shown(&only("istio-proxy")), ["istio-proxy"], "named, so meant");
        assert!(
            shown(&Choice {
                none: true,
                ..only("main")
            })
            .is_empty()
        );
    }

    #[test]
    fn lines_say_whose_they_are_where_it_could_be_mistaken() {
        let prefixed = |choice: &Choice, parallelism| choice.prefixed(Prefix::Auto, &declared(), parallelism);
        assert!(prefixed(&Choice::default(), 1));
        let no_init = Choice {
            no_init: true,
            ..Choice::default()
        };
        assert!(!prefixed(&no_init, 1) && prefixed(&no_init, 2));
        assert!(no_init.prefixed(Prefix::Always, &declared(), 1));
        assert!(!Choice::default().prefixed(Prefix::Never, &declared(), 9));
    }
}
