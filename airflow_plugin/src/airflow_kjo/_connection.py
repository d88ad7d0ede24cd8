"""The cluster that a task's parameters and its Airflow connection name, in kjo's words.

No Airflow import. Nothing of a kubeconfig is ever on a command line or left on a disk.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_kjo._models import camel, text
from airflow_kjo._yaml import load_all

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts the credentials of a pod's service account."""

_OLD_PREFIX = "extra__kubernetes__"


@dataclass
class Where:
    """Which cluster, and where in it; what is None is left to kjo."""

    in_cluster: bool = False
    path: str | None = None
    content: Any = None
    context: str | None = None
    namespace: str | None = None
    skip_tls_verify: bool = False
    xcom_image: str | None = None
    xcom_container: dict[str, Any] = field(default_factory=dict)
    """Members of the sidecar that hands over a file, in place of its own."""
    ignored: list[str] = field(default_factory=list)
    """Extras of the connection that mean nothing here."""


def merged(
    extras: Mapping[str, Any],
    *,
    in_cluster: bool | None,
    config_file: str | None,
    cluster_context: str | None,
) -> Where:
    """Lay the operator's parameters over the extras of a connection of type ``kubernetes``.

    :raises ValueError: more than one of ``in_cluster``, a path and a content is given by the one
        or by the other.
    """
    config_file = text("config_file", config_file) if config_file else None
    cluster_context = text("cluster_context", cluster_context) if cluster_context else None
    where = Where(
        path=_text(extras, "kube_config_path"),
        content=_extra(extras, "kube_config"),
        in_cluster=_true(_extra(extras, "in_cluster")),
        context=cluster_context or _text(extras, "cluster_context"),
        namespace=_text(extras, "namespace"),
        skip_tls_verify=_true(_extra(extras, "disable_verify_ssl")),
        xcom_image=_text(extras, "xcom_sidecar_container_image"),
        xcom_container={
            member: _object(extras, name)
            for member, name in (
                ("resources", "xcom_sidecar_container_resources"),
                ("securityContext", "xcom_sidecar_container_security_context"),
            )
            if _extra(extras, name)
        },
        ignored=[name for name in ("disable_tcp_keepalive",) if _extra(extras, name)],
    )
    if in_cluster and config_file:
        raise ValueError("in_cluster and config_file exclude each other")
    if sum(map(bool, (where.in_cluster, where.path, where.content))) > 1:
        raise ValueError(
            "the Kubernetes connection has more than one of in_cluster, kube_config_path and "
            "kube_config; these exclude each other"
        )
    if in_cluster or config_file:
        where.in_cluster, where.path, where.content = bool(in_cluster), config_file, None
    elif in_cluster is False:
        where.in_cluster = False
    if where.in_cluster:
        where.context = None
    return where


def _extra(extras: Mapping[str, Any], name: str) -> Any:
    value = extras[name] if name in extras else extras.get(_OLD_PREFIX + name)
    return value or None


def _text(extras: Mapping[str, Any], name: str) -> str | None:
    value = _extra(extras, name)
    return None if value is None else text(f"{name} of the Kubernetes connection", value)


def _object(extras: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an extra that is an object, or the JSON text of one, in the words of the API.

    :raises ValueError: it is neither.
    """
    value = _extra(extras, name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{name} of the Kubernetes connection is no JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} of the Kubernetes connection must be a JSON object")
    made: dict[str, Any] = camel(dict(value))
    return made


def _true(value: Any) -> bool:
    return value.strip().lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)


def arguments(where: Where, environ: Mapping[str, str], stack: ExitStack) -> tuple[list[str], list[int]]:
    """Return kjo's flags for a cluster, and the descriptors that it must inherit.

    :param stack: closes and removes what was opened.
    :raises ValueError: a kubeconfig cannot be understood.
    """
    flags = ["--context", where.context] if where.context else []
    if where.skip_tls_verify:
        flags.append("--insecure-skip-tls-verify")
    config: Any = None
    if where.in_cluster:
        config = _of_the_pod(environ)
    elif where.content is not None:
        config = _parsed(where.content, "kube_config of the Kubernetes connection")
    if config is None:
        if where.path:
            flags += ["--kubeconfig", str(Path(where.path).expanduser())]
        return flags, []
    path, descriptors = _handed_over(json.dumps(config).encode(), stack)
    return [*flags, "--kubeconfig", path], descriptors


def namespace(where: Where, environ: Mapping[str, str]) -> str:
    """Return the namespace that applies where nobody names one: the context's, or the pod's own.

    What cannot be read is left to kjo, which says so.
    """
    configs: list[dict[str, Any]] = []
    if not where.in_cluster:
        with suppress(OSError, ValueError):
            if where.content is not None:
                configs = [_parsed(where.content, "kube_config")]
            else:
                configs = [
                    _parsed(file.read_text(encoding="utf-8"), "") for file in _files(where, environ)
                ]
    if not configs:
        file = ACCOUNT / "namespace"
        return (file.read_text().strip() if file.exists() else "") or "default"
    current = where.context or next(
        (c["current-context"] for c in configs if c.get("current-context")), ""
    )
    for config in configs:
        for entry in config.get("contexts") or ():
            if isinstance(entry, dict) and entry.get("name") == current:
                context = entry.get("context")
                return str((context.get("namespace") if isinstance(context, dict) else "") or "default")
    return "default"


def _files(where: Where, environ: Mapping[str, str]) -> list[Path]:
    """Return the kubeconfigs that there are, by kubectl's rules."""
    if where.path:
        paths = [where.path]
    elif listed := environ.get("KUBECONFIG"):
        paths = [path for path in listed.split(os.pathsep) if path]
    else:
        paths = ["~/.kube/config"]
    return [file for path in paths if (file := Path(path).expanduser()).exists()]


def _parsed(content: Any, what: str) -> dict[str, Any]:
    if isinstance(content, str):
        documents = load_all(content, what)
        content = documents[0] if len(documents) == 1 else None
    if not isinstance(content, Mapping):
        raise ValueError(f"{what} must be one kubeconfig, as text or as a dict")
    copy: dict[str, Any] = json.loads(json.dumps(content))
    return copy


def _of_the_pod(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return a kubeconfig for the service account of the pod that this runs in."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (ACCOUNT / "token").exists():
        raise ValueError(
            "in_cluster=True, but this worker runs in no pod that has a service account: "
            f"KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT or {ACCOUNT / 'token'} is missing"
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    context = {"cluster": "pod", "user": "pod"}
    if (file := ACCOUNT / "namespace").exists():
        context["namespace"] = file.read_text().strip()
    authority = str(ACCOUNT / "ca.crt")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "pod", "cluster": {"server": server, "certificate-authority": authority}}],
        # The file and not its content: the kubelet renews the token there.
        "users": [{"name": "pod", "user": {"tokenFile": str(ACCOUNT / "token")}}],
        "contexts": [{"name": "pod", "context": context}],
        "current-context": "pod",
    }


def _handed_over(content: bytes, stack: ExitStack) -> tuple[str, list[int]]:
    """Put secret content where the child can read it: in memory, or in a file of this user's."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kubeconfig", 0)
        stack.callback(os.close, descriptor)
        os.write(descriptor, content)
        return f"/proc/self/fd/{descriptor}", [descriptor]
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kjo-"))
    path = Path(folder, "kubeconfig")
    path.touch(mode=0o600)
    path.write_bytes(content)
    return str(path), []
