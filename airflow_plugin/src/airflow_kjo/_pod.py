"""Build a pod of KubernetesPodOperator's parameters, by its rules. No Airflow import.

The rules, which its users rely on: an argument that is falsy never overrides the template; in the
first container ``env``, ``envFrom``, ``ports``, ``volumeMounts`` and ``volumeDevices`` are appended to
the template's, init containers are merged by name, volumes are appended, labels and annotations are
merged by key, and all else is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from airflow_kjo._manifest import entries
from airflow_kjo._models import camel, environment, items, mapping, plain, strings, words

Plain = dict[str, Any]

_APPENDED = ("volumeMounts", "env", "envFrom", "ports", "volumeDevices")


@dataclass
class Parts:
    """The parameters that say what a pod looks like, in KubernetesPodOperator's names."""

    base_container_name: str
    image: Any = None
    cmds: Any = None
    arguments: Any = None
    ports: Any = None
    volume_mounts: Any = None
    volumes: Any = None
    env_vars: Any = None
    env_from: Any = None
    secrets: Any = None
    configmaps: Any = None
    pod_runtime_info_envs: Any = None
    labels: Any = None
    annotations: Any = None
    image_pull_policy: Any = None
    container_resources: Any = None
    container_security_context: Any = None
    termination_message_policy: Any = None
    affinity: Any = None
    runtime_class_name: Any = None
    node_selector: Any = None
    image_pull_secrets: Any = None
    service_account_name: Any = None
    automount_service_account_token: bool | None = None
    hostnetwork: bool = False
    host_aliases: Any = None
    tolerations: Any = None
    security_context: Any = None
    dnspolicy: Any = None
    dns_config: Any = None
    hostname: Any = None
    subdomain: Any = None
    schedulername: Any = None
    init_containers: Any = None
    priority_class_name: Any = None
    termination_grace_period: Any = None
    active_deadline_seconds: Any = None
    templates: Sequence[Any] = field(default_factory=list)


def build(parts: Parts) -> Plain:
    """Return the pod, ``{"metadata": …, "spec": …}``, in the words of the API.

    :raises ValueError: a parameter is not what it must be; the message says which.
    """
    pod: Plain = {
        "metadata": _filled(
            labels=strings("labels", parts.labels),
            annotations=strings("annotations", parts.annotations),
        ),
        "spec": _spec(parts),
    }
    base: Plain = {}
    for template in parts.templates:
        base = _merge_pods(base, _checked(camel(mapping("the pod template", template))))
    pod = _merge_pods(base, camel(pod))
    attach_secrets(pod["spec"], parts.secrets)
    return pod


def _checked(template: Plain) -> Plain:
    """Return a template whose lists can be merged.

    :raises ValueError: they cannot.
    """
    spec = _part(template, "spec")
    for kind in ("containers", "initContainers"):
        for container in entries(spec, kind, "the pod template's spec"):
            for key in _APPENDED:
                entries(container, key, f"the pod template's container {container.get('name')}")
    entries(spec, "volumes", "the pod template's spec")
    return template


def _spec(parts: Parts) -> Plain:
    return _filled(
        runtimeClassName=parts.runtime_class_name,
        nodeSelector=strings("node_selector", parts.node_selector),
        affinity=mapping("affinity", parts.affinity),
        tolerations=items("tolerations", parts.tolerations),
        initContainers=items("init_containers", parts.init_containers),
        hostAliases=items("host_aliases", parts.host_aliases),
        containers=[_container(parts)],
        imagePullSecrets=pull_secrets(parts.image_pull_secrets),
        serviceAccountName=parts.service_account_name,
        automountServiceAccountToken=parts.automount_service_account_token,
        hostNetwork=parts.hostnetwork or None,
        hostname=parts.hostname,
        subdomain=parts.subdomain,
        securityContext=mapping("security_context", parts.security_context),
        dnsPolicy=parts.dnspolicy,
        dnsConfig=mapping("dns_config", parts.dns_config),
        schedulerName=parts.schedulername,
        restartPolicy="Never",
        priorityClassName=parts.priority_class_name,
        volumes=items("volumes", parts.volumes),
        activeDeadlineSeconds=parts.active_deadline_seconds,
        terminationGracePeriodSeconds=parts.termination_grace_period,
    )


def _container(parts: Parts) -> Plain:
    configmaps = [{"configMapRef": {"name": name}} for name in words("configmaps", parts.configmaps)]
    return _filled(
        name=parts.base_container_name,
        image=parts.image,
        command=words("cmds", parts.cmds),
        args=words("arguments", parts.arguments),
        ports=items("ports", parts.ports),
        imagePullPolicy=parts.image_pull_policy,
        resources=resources(parts.container_resources),
        volumeMounts=items("volume_mounts", parts.volume_mounts),
        env=[
            *environment("env_vars", parts.env_vars),
            *environment("pod_runtime_info_envs", parts.pod_runtime_info_envs),
        ],
        envFrom=[*items("env_from", parts.env_from), *configmaps],
        securityContext=mapping("container_security_context", parts.container_security_context),
        terminationMessagePolicy=parts.termination_message_policy,
    )


def _filled(**members: Any) -> Plain:
    """Return what says something: neither None nor an empty list, dict or string.

    0 and False do say something, where there is no template to override.
    """
    return {key: value for key, value in members.items() if value not in (None, "", [], {})}


def _over(base: Plain, over: Plain) -> Plain:
    return {**base, **{key: value for key, value in over.items() if value or key not in base}}


def _merge_pods(base: Plain, over: Plain) -> Plain:
    metadata = _over(_part(base, "metadata"), _part(over, "metadata"))
    for key in ("labels", "annotations"):
        both = {**_part(_part(base, "metadata"), key), **_part(_part(over, "metadata"), key)}
        if both:
            metadata[key] = both
    old, new = _part(base, "spec"), _part(over, "spec")
    spec = _over(old, new)
    containers = _merge_containers(old.get("containers") or [], new.get("containers") or [])
    inits = _merge_by_name(old.get("initContainers") or [], new.get("initContainers") or [])
    volumes = [*(old.get("volumes") or []), *(new.get("volumes") or [])]
    return {
        **_over(base, over),
        "metadata": metadata,
        "spec": {
            **spec,
            **_filled(containers=containers, initContainers=inits, volumes=volumes),
        },
    }


def _part(whole: Plain, key: str) -> Plain:
    part = whole.get(key)
    return part if isinstance(part, dict) else {}


def _merge_containers(base: list[Plain], over: list[Plain]) -> list[Plain]:
    pairs = zip(base, over, strict=False)
    longer = base if len(base) > len(over) else over
    return [*(_merge_container(b, o) for b, o in pairs), *longer[min(len(base), len(over)) :]]


def _merge_by_name(base: list[Plain], over: list[Plain]) -> list[Plain]:
    named = {container.get("name"): container for container in over}
    merged = [
        _merge_container(container, named[container.get("name")])
        if container.get("name") in named
        else container
        for container in base
    ]
    there = {container.get("name") for container in base}
    return [*merged, *(container for container in over if container.get("name") not in there)]


def _merge_container(base: Plain, over: Plain) -> Plain:
    appended = {key: [*(base.get(key) or []), *(over.get(key) or [])] for key in _APPENDED}
    return {**_over(base, over), **_filled(**appended)}


def pull_secrets(value: Any) -> list[Any]:
    """Return ``image_pull_secrets``: objects, or the old spelling ``"one,two"``."""
    if isinstance(value, str):
        return [{"name": name} for part in value.split(",") if (name := part.strip())]
    return [
        {"name": item} if isinstance(item, str) else item for item in items("image_pull_secrets", value)
    ]


_OLD_RESOURCES = {
    "memory": "memory",
    "cpu": "cpu",
    "ephemeral_storage": "ephemeral-storage",
    "gpu": "nvidia.com/gpu",
}


def resources(value: Any) -> Plain:
    """Return ``container_resources``, also in the old spelling of ``resources`` (request_cpu…)."""
    given = mapping("container_resources", value)
    made: Plain = {}
    for key, amount in given.items():
        side, _, what = key.partition("_")
        if side in ("request", "limit") and what in _OLD_RESOURCES:
            if amount is not None:
                made.setdefault(f"{side}s", {})[_OLD_RESOURCES[what]] = amount
        elif amount is not None:
            made[key] = amount
    return made


def attach_secrets(spec: Plain, secrets: Iterable[Any] | None) -> None:
    """Put Airflow's ``Secret`` objects into the first container, known by their attributes.

    :raises ValueError: one of them is no such object.
    """
    if secrets is not None and (isinstance(secrets, str) or not isinstance(secrets, Iterable)):
        raise ValueError(f"secrets must be a list, not {type(secrets).__name__}")
    for i, secret in enumerate(secrets or ()):
        names = ("deploy_type", "deploy_target", "secret", "key")
        if not all(hasattr(secret, name) for name in names):
            raise ValueError(
                f"secrets[{i}] must be a Secret of Airflow's Kubernetes provider, "
                f"not {type(secret).__name__}"
            )
        container = spec["containers"][0]
        if secret.deploy_type == "volume":
            _mount_secret(spec, container, secret)
        elif secret.key is not None:
            reference = {"name": secret.secret, "key": secret.key}
            variable = {"name": secret.deploy_target, "valueFrom": {"secretKeyRef": reference}}
            container.setdefault("env", []).append(variable)
        else:
            source = {"secretRef": {"name": secret.secret}}
            container.setdefault("envFrom", []).append(source)


def _mount_secret(spec: Plain, container: Plain, secret: Any) -> None:
    # The same name in every try, so that the same task makes the same Job.
    digest = sha256(f"{secret.secret}\n{secret.deploy_target}".encode()).hexdigest()
    name = f"secretvol-{digest[:16]}"
    volume: Plain = {"name": name, "secret": {"secretName": secret.secret}}
    if chosen := camel(plain(getattr(secret, "items", None) or [])):
        volume["secret"]["items"] = chosen
    spec.setdefault("volumes", []).append(volume)
    mount = {"name": name, "mountPath": secret.deploy_target, "readOnly": True}
    container.setdefault("volumeMounts", []).append(mount)
