"""What operators are given, as plain data. No Airflow import.

The objects of the Kubernetes client, and Airflow's old helper objects, are known by duck typing:
neither is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

FREE = frozenset(
    {
        "annotations",
        "labels",
        "limits",
        "matchLabels",
        "match_labels",
        "nodeSelector",
        "node_selector",
        "options",
        "overhead",
        "requests",
        "userAnnotations",
        "user_annotations",
        "volumeAttributes",
        "volume_attributes",
    }
)
"""The members of a pod whose keys are the user's own: not words of the API."""

# The words of the API whose capitals do not follow from the client's name for them.
_IRREGULAR = {
    "_continue": "continue",
    "_exec": "exec",
    "_from": "from",
    "container_id": "containerID",
    "dataset_uuid": "datasetUUID",
    "disk_uri": "diskURI",
    "downward_api": "downwardAPI",
    "host_ip": "hostIP",
    "host_ipc": "hostIPC",
    "host_ips": "hostIPs",
    "host_pid": "hostPID",
    "image_id": "imageID",
    "pd_id": "pdID",
    "pod_ip": "podIP",
    "pod_ips": "podIPs",
    "resource_id": "resourceID",
    "scale_io": "scaleIO",
    "set_hostname_as_fqdn": "setHostnameAsFQDN",
    "storage_policy_id": "storagePolicyID",
    "target_wwns": "targetWWNs",
    "volume_id": "volumeID",
}


def plain(value: Any) -> Any:
    """Return ``value`` with every model object in it as a dict in the words of the API.

    A model is known by its ``attribute_map`` (attribute → API name), as the client's own
    serialiser does it, unset attributes left out; Airflow's old objects by the method that makes a
    model of them, or by their attributes; anything else by ``to_dict()``. All else, also what a
    template or another task will give a value to, is returned as it is.
    """
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(names := getattr(value, "attribute_map", None), Mapping):
        items = ((name, getattr(value, attribute)) for attribute, name in names.items())
        return {name: plain(item) for name, item in items if item is not None}
    if callable(convert := getattr(value, "to_k8s_client_obj", None)):
        return plain(convert())
    for attributes, build in _OLD:
        if all(hasattr(value, attribute) for attribute in attributes):
            return build(value)
    if callable(to_dict := getattr(value, "to_dict", None)):
        return plain(to_dict())
    return value


def _mount(value: Any) -> dict[str, Any]:
    mount = {
        "name": value.name,
        "mountPath": value.mount_path,
        "subPath": getattr(value, "sub_path", None),
        "readOnly": getattr(value, "read_only", None),
    }
    return {key: item for key, item in mount.items() if item is not None}


# Volume, Port, VolumeMount and PodRuntimeInfoEnv of Airflow 1.10.
_OLD: tuple[tuple[tuple[str, ...], Callable[[Any], dict[str, Any]]], ...] = (
    (("name", "configs"), lambda v: {"name": v.name, **plain(v.configs or {})}),
    (("name", "container_port"), lambda v: {"name": v.name, "containerPort": v.container_port}),
    (("name", "mount_path"), _mount),
    (
        ("name", "field_path"),
        lambda v: {"name": v.name, "valueFrom": {"fieldRef": {"fieldPath": v.field_path}}},
    ),
)


def camel(value: Any) -> Any:
    """Return plain data with the client's names (``run_as_user``) as those of the API.

    The keys of maps that are the user's own (:data:`FREE`) stay as they are.
    """
    if isinstance(value, Mapping):
        return {camel_name(key): item if key in FREE else camel(item) for key, item in value.items()}
    if isinstance(value, list):
        return [camel(item) for item in value]
    return value


def camel_name(name: Any) -> Any:
    """Return the API's name for an attribute of the client; an API name is returned as it is."""
    if not isinstance(name, str) or "_" not in name:
        return name
    return _IRREGULAR.get(name) or re.sub("_([a-z0-9])", lambda match: match[1].upper(), name)


def text(what: str, value: object) -> str:
    """Return a string as it is, and a number as text.

    Where templates are rendered to native objects, "5" becomes 5. A bool is refused: nobody can
    tell whether True or true was meant.

    :raises ValueError: it is neither; the message says ``what``, and never the value.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{what} must be text, not {type(value).__name__}")


def seconds(name: str, value: object) -> float:
    """Return a number of seconds: a number, its text, or a timedelta.

    :raises ValueError: it is none, or negative.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be a number of seconds, not {value}")
    return float(value)


def words(name: str, value: object) -> list[str]:
    """Return the list of strings that the parameter ``name`` must be; None is the empty one.

    :raises ValueError: it is something else, above all one string, which Python takes for a list
        of its letters.
    """
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{name} must be a list of strings, not {type(value).__name__}")
    return [text(f"{name}[{i}]", word) for i, word in enumerate(value)]


def items(name: str, value: object) -> list[Any]:
    """Return the list that the parameter ``name`` must be, as plain data; None is the empty one.

    :raises ValueError: it is no list, tuple or other iterable of things.
    """
    if value is None:
        return []
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ValueError(f"{name} must be a list, not {type(value).__name__}")
    return [plain(item) for item in value]


def mapping(name: str, value: object) -> dict[str, Any]:
    """Return the dict that the parameter ``name`` must be, as plain data; None is the empty one.

    :raises ValueError: it is none.
    """
    if value is None:
        return {}
    made = plain(value)
    if not isinstance(made, Mapping):
        raise ValueError(f"{name} must be a dict, not {type(value).__name__}")
    return dict(made)


def strings(name: str, value: object) -> dict[str, str]:
    """Return a dict of strings, such as labels; None as a value is the empty string.

    :raises ValueError: it is no such thing.
    """
    made = mapping(name, value)
    return {str(key): "" if item is None else text(f"{name}[{key}]", item) for key, item in made.items()}


def environment(name: str, value: object) -> list[dict[str, Any]]:
    """Return the parameter ``name``, a dict or a list of variables, as a container's ``env``.

    A value None is left out, which Kubernetes takes for the empty one.

    :raises ValueError: it is no such thing; the message names the variable, never its value.
    """
    value = plain(value)
    if not value:
        return []
    if isinstance(value, Mapping):
        value = [{"name": key, "value": item} for key, item in value.items()]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{name} must be a dict or a list of variables, not {type(value).__name__}")
    return [_variable(name, variable, i) for i, variable in enumerate(value)]


def _variable(name: str, variable: object, index: int) -> dict[str, Any]:
    if not isinstance(variable, Mapping) or not isinstance(variable.get("name"), str):
        raise ValueError(f"{name}[{index}] must have a name, as V1EnvVar has")
    kept = {key: value for key, value in variable.items() if value is not None}
    if "value" in kept:
        kept["value"] = text(f"{name}: the value of {variable['name']}", kept["value"])
    return kept
