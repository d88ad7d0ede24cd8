//! Where a pod refers to ConfigMaps and Secrets by name, and those references rewritten.

use serde_json::Value;

use super::companions::{Kind, Renamed};

/// Rewrites every reference of this pod spec to a renamed object.
pub(super) fn rewrite(pod: &mut Value, renamed: &Renamed) {
    let renamed = |kind, name: Option<&mut Value>| {
        let Some(name) = name else { return };
        let new = name.as_str().and_then(|old| renamed.get(&(kind, old.to_owned())));
        if let Some(new) = new {
            *name = new.clone().into();
        }
    };
    for secret in list(pod, "imagePullSecrets") {
        renamed(Kind::Secret, secret.get_mut("name"));
    }
    for volume in list(pod, "volumes") {
        renamed(Kind::ConfigMap, volume.pointer_mut("/configMap/name"));
        renamed(Kind::Secret, volume.pointer_mut("/secret/secretName"));
        renamed(Kind::Secret, volume.pointer_mut("/azureFile/secretName"));
        renamed(Kind::Secret, volume.pointer_mut("/csi/nodePublishSecretRef/name"));
        for source in volume.as_object_mut().into_iter().flat_map(|v| v.values_mut()) {
            // cephfs, flexVolume, iscsi, rbd, scaleIO, storageos
            renamed(Kind::Secret, source.pointer_mut("/secretRef/name"));
        }
        if let Some(projected) = volume.get_mut("projected") {
            for source in list(projected, "sources") {
                renamed(Kind::ConfigMap, source.pointer_mut("/configMap/name"));
                renamed(Kind::Secret, source.pointer_mut("/secret/name"));
            }
        }
    }
    for containers in ["initContainers", "containers", "ephemeralContainers"] {
        for container in list(pod, containers) {
            for from in list(container, "envFrom") {
                renamed(Kind::ConfigMap, from.pointer_mut("/configMapRef/name"));
                renamed(Kind::Secret, from.pointer_mut("/secretRef/name"));
            }
            for env in list(container, "env") {
                renamed(Kind::ConfigMap, env.pointer_mut("/valueFrom/configMapKeyRef/name"));
                renamed(Kind::Secret, env.pointer_mut("/valueFrom/secretKeyRef/name"));
            }
        }
    }
}

fn list<'a>(value: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}
