//! The objects that come along with a Job. ConfigMaps and Secrets belong to the run: they get the
//! suffix of the Job's name, and what refers to them in the pod follows. Others keep their names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Refusal,
    bundle::Bundle,
    identity::{MANAGED_BY_LABEL, RUN_ID_LABEL, RunId},
    mentions, references,
};

/// Names of ConfigMaps and Secrets are DNS subdomains.
const MAX_NAME: usize = 253;

/// What `kjo render` prints in the place of a Secret's values.
pub const MASK: &str = "***";

/// How the objects of this run are named.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// What the Job's name ends in (`hpc6z2z4`, or `hpc6z2z4-2` in the second generation), without a
    /// dash before it; `None` leaves all names as they are.
    pub suffix: Option<&'a str>,
    /// Who the run is.
    pub run_id: &'a RunId,
    /// Where the Job is made, and so everything else.
    pub namespace: &'a str,
    /// `--own KIND/NAME`: kinds besides ConfigMap and Secret that go with the run.
    pub own: &'a [String],
}

/// A bundle with the names it has in the cluster.
#[derive(Debug, Clone)]
pub struct Named {
    /// The Job, its references rewritten; not yet named itself.
    pub job: Value,
    /// What comes along, in the order of the file.
    pub companions: Vec<Companion>,
    /// Places that look as if they meant a renamed object and were left alone.
    pub warnings: Vec<String>,
}

/// An object to be made beside the Job.
#[derive(Debug, Clone)]
pub struct Companion {
    /// The whole object, named, labelled, in its namespace.
    pub object: Value,
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name in the cluster.
    pub name: String,
    /// The Job owns it: it is made anew for the run, and goes with it.
    pub owned: bool,
}

/// A renamed object: its kind and its name in the file.
pub(super) type Renamed = BTreeMap<(Kind, String), String>;

/// The kinds that are renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    fn of(api_version: &str, kind: &str) -> Option<Self> {
        match (api_version, kind) {
            ("v1", "ConfigMap") => Some(Self::ConfigMap),
            ("v1", "Secret") => Some(Self::Secret),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// Names and labels everything for one generation of the run. May be called again for another.
///
/// # Errors
/// Another namespace than the run's, an object without a name, an `--own` that is not in the file.
pub fn named(bundle: &Bundle, naming: &Naming<'_>) -> Result<Named, Refusal> {
    let suffix = naming.suffix.filter(|_| !bundle.exact_names);
    owned_are_there(bundle, naming.own)?;
    let mut renamed = Renamed::new();
    let mut companions = Vec::new();
    for document in &bundle.companions {
        same_namespace(document, naming.namespace)?;
        not_masked(document)?;
        let api_version = document.api_version().unwrap_or_default().to_owned();
        let kind = document.kind().unwrap_or_default().to_owned();
        let ours = Kind::of(&api_version, &kind);
        let given = document
            .value
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .filter(|n| !n.is_empty());
        let name = match (given, document.name(), ours, suffix) {
            (Some(name), _, Some(ours), Some(suffix)) => {
                let new = suffixed(name, suffix);
                renamed.insert((ours, name.to_owned()), new.clone());
                new
            }
            (None, Some(base), Some(_), Some(suffix)) => suffixed(base.trim_end_matches('-'), suffix),
            (Some(name), ..) => name.to_owned(),
            (None, ..) => {
                return Err(document.refuse(
                    &["metadata", "name"],
                    &format!("{} has no metadata.name", document.title()),
                    "give it a name: kjo must know it to create it once",
                ));
            }
        };
        let title = document.title();
        let object = labelled(&document.value, &name, naming).map_err(|field| {
            let path: Vec<&str> = field.split('.').collect();
            document.refuse(
                &path,
                &format!("{field} of {title} is not a map of fields"),
                "write each entry in a line of its own, NAME: VALUE",
            )
        })?;
        companions.push(Companion {
            object,
            owned: ours.is_some() || naming.own.iter().any(|own| means(own, &title)),
            api_version,
            kind,
            name,
        });
    }
    let mut job = bundle.job.clone();
    if let Some(pod) = job.pointer_mut("/spec/template/spec") {
        references::rewrite(pod, &renamed);
    }
    let warnings = mentions::of(&job, &companions, &renamed);
    Ok(Named {
        job,
        companions,
        warnings,
    })
}

/// `settings-hpc6z2z4`; a name that leaves no room is cut, and keeps apart from others cut alike.
#[must_use]
pub fn suffixed(name: &str, suffix: &str) -> String {
    let room = MAX_NAME - 1 - suffix.len();
    if name.len() <= room {
        return format!("{name}-{suffix}");
    }
    let hash = super::identity::hash(name, 8);
    let cut: String = name.chars().take(room - 1 - hash.len()).collect();
    let cut = cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{cut}-{hash}-{suffix}")
}

/// kubectl's short names of what is likely beside a Job (`kubectl api-resources`).
const SHORT: [(&str, &str); 6] = [
    ("cm", "configmap"),
    ("netpol", "networkpolicy"),
    ("pdb", "poddisruptionbudget"),
    ("pvc", "persistentvolumeclaim"),
    ("sa", "serviceaccount"),
    ("svc", "service"),
];

/// Whether `sa/robot`, `serviceaccounts/robot` and such mean `ServiceAccount/robot`, as they do for kubectl.
fn means(wanted: &str, title: &str) -> bool {
    let (Some((kind, name)), Some((its_kind, its_name))) = (wanted.split_once('/'), title.split_once('/')) else {
        return wanted.eq_ignore_ascii_case(title);
    };
    let (kind, its_kind) = (kind.to_ascii_lowercase(), its_kind.to_ascii_lowercase());
    let plural = match its_kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{its_kind}s"),
    };
    name == its_name && (kind == its_kind || kind == plural || SHORT.contains(&(&kind, &its_kind)))
}

fn owned_are_there(bundle: &Bundle, own: &[String]) -> Result<(), Refusal> {
    for wanted in own {
        if !bundle.companions.iter().any(|c| means(wanted, &c.title())) {
            let found: Vec<String> = bundle.companions.iter().map(super::read::Document::title).collect();
            let found = match found.as_slice() {
                [] => "nothing beside the Job".to_owned(),
                some => some.join(", "),
            };
            return Err(Refusal::new(
                format!("--own {wanted}: the file holds {found}"),
                "write it as KIND/NAME, with the name that stands in the file",
            ));
        }
    }
    Ok(())
}

/// A Secret that was rendered with its values masked would be made with the mask in it.
fn not_masked(document: &super::read::Document) -> Result<(), Refusal> {
    if document.kind() != Some("Secret") {
        return Ok(());
    }
    for field in ["stringData", "data"] {
        let values = document.value.get(field).and_then(Value::as_object);
        if let Some((key, _)) = values.into_iter().flatten().find(|(_, value)| *value == MASK) {
            return Err(document.refuse(
                &[field, key],
                &format!("{} holds {MASK} in place of the value of {key}", document.title()),
                "kjo render masks Secrets on a terminal and in CI; give it --show-secrets where its output is sent",
            ));
        }
    }
    Ok(())
}

fn same_namespace(document: &super::read::Document, namespace: &str) -> Result<(), Refusal> {
    let written = document
        .value
        .pointer("/metadata/namespace")
        .and_then(Value::as_str)
        .filter(|n| !n.is_empty());
    match written {
        Some(other) if other != namespace => Err(document.refuse(
            &["metadata", "namespace"],
            &format!("{} is for namespace {other:?}, and the Job runs in {namespace:?}", document.title()),
            "kjo creates objects in the Job's namespace only; create this one with 'kubectl apply', or choose the namespace with -n",
        )),
        Some(_) | None => Ok(()),
    }
}

/// The object as it is sent. The error is the field that is no map.
fn labelled(value: &Value, name: &str, naming: &Naming<'_>) -> Result<Value, &'static str> {
    let mut object = value.clone();
    let map = |value: &mut Value| -> Option<()> {
        if value.is_null() {
            *value = json!({});
        }
        value.is_object().then_some(())
    };
    map(&mut object["metadata"]).ok_or("metadata")?;
    map(&mut object["metadata"]["labels"]).ok_or("metadata.labels")?;
    map(&mut object["metadata"]["annotations"]).ok_or("metadata.annotations")?;
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("generateName");
        written_by_server(metadata);
    }
    let metadata = &mut object["metadata"];
    metadata["name"] = json!(name);
    metadata["namespace"] = json!(naming.namespace);
    metadata["labels"][RUN_ID_LABEL] = json!(naming.run_id.label());
    metadata["labels"][MANAGED_BY_LABEL] = json!("kjo");
    metadata["annotations"][RUN_ID_LABEL] = json!(naming.run_id.as_str());
    Ok(object)
}

/// What `kubectl get -o yaml` shows and a create must not bring: it is of the object that was read.
fn written_by_server(metadata: &mut Map<String, Value>) {
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
        "selfLink",
    ] {
        metadata.remove(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::read::documents;

    const FILE: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: etl}
spec:
  template:
    spec:
      imagePullSecrets: [{name: registry}]
      initContainers:
      - name: wait
        envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: registry}}, {configMapRef: {name: others}}]
      containers:
      - name: main
        args: [--config, settings, settings-2]
        env:
        - {name: A, valueFrom: {configMapKeyRef: {name: settings, key: a}}}
        - {name: B, valueFrom: {secretKeyRef: {name: registry, key: b}}}
        - {name: C, value: 'http://registry/'}
      volumes:
      - {name: a, configMap: {name: settings}}
      - {name: b, secret: {secretName: registry}}
      - name: c
        projected: {sources: [{configMap: {name: settings}}, {secret: {name: registry}}]}
      - {name: d, csi: {driver: x, nodePublishSecretRef: {name: registry}}}
      - {name: e, cephfs: {secretRef: {name: registry}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {mine: kept}, uid: x, resourceVersion: '1'}
data: {peer: see registry}
---
apiVersion: v1
kind: Secret
metadata: {name: registry}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
";

    fn bundle(text: &str) -> Bundle {
        Bundle::of("job.yaml", documents("job.yaml", text.as_bytes()).unwrap(), None).unwrap()
    }

    fn run_id() -> RunId {
        RunId::given("r1").unwrap()
    }

    fn naming<'a>(run_id: &'a RunId, suffix: Option<&'a str>, own: &'a [String]) -> Naming<'a> {
        Naming {
            suffix,
            run_id,
            namespace: "team",
            own,
        }
    }

    #[test]
    fn names_and_references_go_together() {
        let id = run_id();
        let named = named(&bundle(FILE), &naming(&id, Some("abc-2"), &[])).unwrap();
        let pod = serde_json::to_string_pretty(&named.job["spec"]["template"]["spec"]).unwrap();
        let objects: Vec<String> = named
            .companions
            .iter()
            .map(|c| format!("owned: {}, {}", c.owned, c.object))
            .collect();
        insta::assert_snapshot!(format!("{pod}\n{}\n{}", objects.join("\n"), named.warnings.join("\n")));
    }

    #[test]
    fn kinds_are_named_as_kubectl_has_them() {
        for wanted in ["sa/robot", "serviceaccounts/robot", "ServiceAccount/robot"] {
            assert!(super::means(wanted, "ServiceAccount/robot"), "{wanted}");
        }
        assert!(super::means("networkpolicies/deny", "NetworkPolicy/deny"));
        for wanted in ["sa/Robot", "svc/robot", "robot"] {
            assert!(!super::means(wanted, "ServiceAccount/robot"), "{wanted}");
        }
    }

    #[test]
    fn exact_names_change_nothing() {
        let id = run_id();
        let own = ["serviceaccount/robot".to_owned()];
        let file = bundle(FILE);
        let exact = named(&file, &naming(&id, None, &own)).unwrap();
        assert_eq!(exact.job, file.job);
        assert!(exact.warnings.is_empty());
        let names: Vec<(&str, bool)> = exact.companions.iter().map(|c| (c.name.as_str(), c.owned)).collect();
        assert_eq!(names, [("settings", true), ("registry", true), ("robot", true)]);
        let service = format!("{FILE}---\napiVersion: v1\nkind: Service\nmetadata: {{name: db}}\n");
        let kept = named(&bundle(&service), &naming(&id, Some("abc"), &[])).unwrap();
        assert_eq!(kept.companions[0].name, "settings");
    }

    #[test]
    fn generated_names_are_made_here() {
        let id = run_id();
        let file = FILE.replace("metadata: {name: registry}", "metadata: {generateName: registry-}");
        let named_ = named(&bundle(&file), &naming(&id, Some("abc"), &[])).unwrap();
        assert_eq!(named_.companions[1].name, "registry-abc");
        assert_eq!(named_.companions[1].object["metadata"].get("generateName"), None);
        assert!(named(&bundle(&file), &naming(&id, None, &[])).is_err());
    }

    #[test]
    fn long_names_keep_apart() {
        let long = "n".repeat(253);
        let other = format!("{}m", "n".repeat(252));
        let names = [suffixed(&long, "abcdefgh-10"), suffixed(&other, "abcdefgh-10")];
        assert!(
            names.iter().all(|n| n.len() <= MAX_NAME) && names[0] != names[1],
            "{names:?}"
        );
        assert_eq!(suffixed("a", "b"), "a-b");
    }

    #[test]
    fn what_cannot_come_along() {
        let id = run_id();
        let refused = |file: &str, own: &[String]| {
            let refusal = named(&bundle(file), &naming(&id, Some("abc"), own)).expect_err("refused");
            format!("{refusal}\nhint: {}", refusal.hint.as_deref().unwrap_or_default())
        };
        insta::assert_snapshot!(refused(
            &FILE.replace("{name: robot}", "{name: robot, namespace: other}"),
            &[]
        ));
        insta::assert_snapshot!(refused(&FILE.replace("{name: robot}", "{generateName: robot-}"), &[]));
        insta::assert_snapshot!(refused(
            &FILE.replace("{name: robot}", "{name: robot, labels: [a]}"),
            &[]
        ));
        insta::assert_snapshot!(refused(FILE, &["Role/robot".to_owned()]));
    }
}
