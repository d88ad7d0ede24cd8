//! What is in a pod's volumes, and where a container has them (pure; pkg/volume and
//! pkg/kubelet/kubelet_pods.go).

use std::{collections::BTreeMap, path::PathBuf};

use k8s_openapi::ByteString;
use serde_json::Value;

use super::{
    env::{self, Find},
    runtime::{Content, VolumeFile, VolumeMount},
};
use crate::sandbox::{meta, resource::Resource};

/// The mounts of a container.
///
/// # Errors
/// What is missing, in the words of a `FailedMount`.
pub(super) fn of(
    pod: &Value,
    container: &Value,
    variables: &BTreeMap<String, String>,
    find: &Find<'_>,
) -> Result<Vec<VolumeMount>, String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let volumes = list(&pod["spec"]["volumes"]);
    let mut mounts = Vec::new();
    for mount in list(&container["volumeMounts"]) {
        let Some(volume) = volumes.iter().find(|volume| volume["name"] == mount["name"]) else {
            // Admission lets none pass.
            continue;
        };
        let text = |field: &str| mount[field].as_str().filter(|text| !text.is_empty());
        let expanded = text("subPathExpr").map(|path| env::expand(path, variables));
        mounts.push(VolumeMount {
            volume: meta_name(volume).to_owned(),
            content: content(pod, volume, find)?,
            path: text("mountPath").unwrap_or_default().into(),
            sub_path: expanded.or(text("subPath").map(str::to_owned)).map(PathBuf::from),
            read_only: mount["readOnly"] == true || volume["persistentVolumeClaim"]["readOnly"] == true,
        });
    }
    Ok(mounts)
}

fn meta_name(volume: &Value) -> &str {
    volume["name"].as_str().unwrap_or_default()
}

fn content(pod: &Value, volume: &Value, find: &Find<'_>) -> Result<Content, String> {
    if volume["emptyDir"].is_object() {
        return Ok(Content::Empty);
    }
    if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
        let found = find(Resource::PersistentVolumeClaims, claim);
        let found = found.ok_or_else(|| format!("persistentvolumeclaim {claim:?} not found"))?;
        return Ok(Content::Claim(meta::text(&found, "uid").to_owned()));
    }
    let files = files(pod, volume, find).map_err(|why| {
        let name = meta_name(volume);
        format!("MountVolume.SetUp failed for volume {name:?} : {why}")
    })?;
    Ok(Content::Files(files))
}

fn files(pod: &Value, volume: &Value, find: &Find<'_>) -> Result<Vec<VolumeFile>, String> {
    let mut files = Vec::new();
    match volume["projected"]["sources"].as_array() {
        Some(sources) => {
            let mode = volume["projected"]["defaultMode"].as_u64();
            for source in sources {
                from_source(pod, source, mode, find, &mut files)?;
            }
        }
        None => from_source(pod, volume, None, find, &mut files)?,
    }
    // Of what is projected to one place twice the last counts.
    let by_place: BTreeMap<PathBuf, VolumeFile> = files.iter().map(|file| (file.path.clone(), file.clone())).collect();
    files.retain(|file| by_place.get(&file.path) == Some(file));
    files.dedup();
    Ok(files)
}

fn from_source(
    pod: &Value,
    source: &Value,
    mode: Option<u64>,
    find: &Find<'_>,
    files: &mut Vec<VolumeFile>,
) -> Result<(), String> {
    for (field, name, resource) in [
        ("configMap", "name", Resource::ConfigMaps),
        (
            "secret",
            if source["secret"]["secretName"].is_string() {
                "secretName"
            } else {
                "name"
            },
            Resource::Secrets,
        ),
    ] {
        if source[field].is_object() {
            of_object(resource, &source[field], name, mode, find, files)?;
        }
    }
    let own = &source["downwardAPI"];
    for item in own["items"].as_array().into_iter().flatten() {
        let path = item["fieldRef"]["fieldPath"].as_str().unwrap_or_default();
        let text = match path {
            "metadata.labels" => pairs(&pod["metadata"]["labels"]),
            "metadata.annotations" => pairs(&pod["metadata"]["annotations"]),
            path => env::field(pod, path)?,
        };
        files.push(file(item, own, mode, text.into_bytes()));
    }
    Ok(())
}

fn of_object(
    resource: Resource,
    source: &Value,
    name: &str,
    mode: Option<u64>,
    find: &Find<'_>,
    files: &mut Vec<VolumeFile>,
) -> Result<(), String> {
    let name = source[name].as_str().unwrap_or_default();
    let optional = source["optional"] == true;
    let Some(object) = find(resource, name) else {
        let kind = resource.kind().to_ascii_lowercase();
        return if optional {
            Ok(())
        } else {
            Err(format!("{kind} {name:?} not found"))
        };
    };
    let data = data(resource, &object);
    let Some(items) = source["items"].as_array().filter(|items| !items.is_empty()) else {
        let all = data
            .into_iter()
            .map(|(key, bytes)| file(&serde_json::json!({"path": key}), source, mode, bytes));
        files.extend(all);
        return Ok(());
    };
    for item in items {
        let key = item["key"].as_str().unwrap_or_default();
        match data.get(key) {
            Some(bytes) => files.push(file(item, source, mode, bytes.clone())),
            None if optional => {}
            None => return Err(format!("references non-existent {} key: {key}", key_of(resource))),
        }
    }
    Ok(())
}

fn key_of(resource: Resource) -> &'static str {
    if resource == Resource::Secrets {
        "secret"
    } else {
        "config"
    }
}

fn file(item: &Value, source: &Value, mode: Option<u64>, bytes: Vec<u8>) -> VolumeFile {
    let mode = item["mode"].as_u64().or(source["defaultMode"].as_u64()).or(mode);
    VolumeFile {
        path: item["path"].as_str().unwrap_or_default().into(),
        mode: mode.and_then(|mode| mode.try_into().ok()).unwrap_or(0o644),
        bytes,
    }
}

/// Keys and values, those in base64 decoded.
fn data(resource: Resource, object: &Value) -> BTreeMap<String, Vec<u8>> {
    let bytes = |value: &Value| {
        let ByteString(bytes) = serde_json::from_value(value.clone()).unwrap_or_default();
        bytes
    };
    let mut data = BTreeMap::new();
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        let plain = value.as_str().unwrap_or_default().as_bytes().to_vec();
        data.insert(
            key.clone(),
            if resource == Resource::Secrets {
                bytes(value)
            } else {
                plain
            },
        );
    }
    for (key, value) in object["binaryData"].as_object().into_iter().flatten() {
        data.insert(key.clone(), bytes(value));
    }
    data
}

/// `fieldpath.FormatMap`: sorted, each value as Go quotes it.
fn pairs(map: &Value) -> String {
    let pairs = map.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn objects(resource: Resource, name: &str) -> Option<Arc<Value>> {
        Some(Arc::new(match (resource, name) {
            (Resource::ConfigMaps, "cm") => json!({"data": {"a": "1", "b": "2"}, "binaryData": {"c": "AAE="}}),
            (Resource::Secrets, "s") => json!({"data": {"key": "aHVzaA=="}}),
            (Resource::PersistentVolumeClaims, "claim") => json!({"metadata": {"uid": "UID"}}),
            _ => return None,
        }))
    }

    fn mounted(volume: &Value, mount: &Value) -> Result<VolumeMount, String> {
        let (mut volume, mut mount) = (volume.clone(), mount.clone());
        volume["name"] = json!("v");
        mount["name"] = json!("v");
        let pod =
            json!({"metadata": {"name": "p", "labels": {"x": "1", "y": "a \"b\""}}, "spec": {"volumes": [volume]}});
        let container = json!({"volumeMounts": [mount]});
        let env = BTreeMap::from([("NAME".to_owned(), "n".to_owned())]);
        of(&pod, &container, &env, &objects).map(|mut mounts| mounts.remove(0))
    }

    fn files(volume: &Value) -> Result<Vec<(String, u32, String)>, String> {
        let mount = mounted(volume, &json!({"mountPath": "/m"}))?;
        let Content::Files(files) = mount.content else {
            panic!("{mount:?}");
        };
        let shown = |file: VolumeFile| {
            let text = String::from_utf8_lossy(&file.bytes).into_owned();
            (file.path.display().to_string(), file.mode, text)
        };
        Ok(files.into_iter().map(shown).collect())
    }

    fn file(path: &str, mode: u32, text: &str) -> (String, u32, String) {
        (path.to_owned(), mode, text.to_owned())
    }

    #[test]
    fn files_come_from_objects_and_from_the_pod() {
        let all = files(&json!({"configMap": {"name": "cm", "defaultMode": 0o600}}));
        assert_eq!(
            all,
            Ok(vec![
                file("a", 0o600, "1"),
                file("b", 0o600, "2"),
                file("c", 0o600, "\u{0}\u{1}")
            ])
        );
        let one =
            files(&json!({"secret": {"secretName": "s", "items": [{"key": "key", "path": "x/y", "mode": 0o400}]}}));
        assert_eq!(one, Ok(vec![file("x/y", 0o400, "hush")]));
        let own = json!({"items": [
            {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        ]});
        let own_files = vec![
            file("name", 0o644, "p"),
            file("labels", 0o644, "x=\"1\"\ny=\"a \\\"b\\\"\""),
        ];
        assert_eq!(files(&json!({"downwardAPI": own})), Ok(own_files.clone()));
        let projected = files(&json!({"projected": {"defaultMode": 0o440, "sources": [
            {"downwardAPI": own}, {"secret": {"name": "s"}}, {"configMap": {"name": "none", "optional": true}},
        ]}}));
        let mut expected: Vec<_> = own_files
            .into_iter()
            .map(|(path, _, text)| (path, 0o440, text))
            .collect();
        expected.push(file("key", 0o440, "hush"));
        assert_eq!(projected, Ok(expected));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (volume, why) in [
            (json!({"configMap": {"name": "none"}}), "configmap \"none\" not found"),
            (
                json!({"secret": {"secretName": "s", "items": [{"key": "no", "path": "x"}]}}),
                "references non-existent secret key: no",
            ),
        ] {
            let why = format!("MountVolume.SetUp failed for volume \"v\" : {why}");
            assert_eq!(files(&volume), Err(why));
        }
        let none = mounted(&json!({"persistentVolumeClaim": {"claimName": "none"}}), &json!({}));
        assert_eq!(none.unwrap_err(), "persistentvolumeclaim \"none\" not found");
    }

    #[test]
    fn places_are_as_told() {
        let claim = json!({"persistentVolumeClaim": {"claimName": "claim"}});
        let mount = mounted(
            &claim,
            &json!({"mountPath": "/m", "subPathExpr": "a/$(NAME)", "readOnly": true}),
        )
        .unwrap();
        assert_eq!(
            (mount.content, mount.sub_path, mount.read_only),
            (Content::Claim("UID".to_owned()), Some("a/n".into()), true)
        );
        let empty = mounted(&json!({"emptyDir": {}}), &json!({"mountPath": "/m"})).unwrap();
        assert_eq!(
            (empty.content, empty.path, empty.read_only),
            (Content::Empty, "/m".into(), false)
        );
    }
}
