"""KubernetesLegacyJobOperator: a Job from the parameters of KubernetesPodOperator."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_kjo import _compat
from airflow_kjo.operators._models import plain, text, words
from airflow_kjo.operators.job import KubernetesJobOperator

CONTAINER_NAME = "base"
"""The container's name in KubernetesPodOperator, by which logs and metrics are looked up."""

_LONGEST_NAME = 40
"""Characters of a name: kjo's suffix, and that of the pods, need the rest of their 63."""


class KubernetesLegacyJobOperator(KubernetesJobOperator):
    """Run a container as a Job, with the parameters that KubernetesPodOperator has for a pod.

    The Job has one pod that is never restarted and never replaced (``restartPolicy: Never``,
    ``backoffLimit: 0``): whether to try again is for the task's ``retries`` to say.

    :param image: the container's image. (templated)
    :param cmds: the command; by default the image's entrypoint. (templated)
    :param arguments: the arguments; by default the image's. (templated)
    :param env_vars: environment variables of the container: a dict, or a list of dicts or
        ``V1EnvVar``. They travel in the manifest and never on a command line. (templated)
    :param name: the beginning of the Job's name, made fit for Kubernetes; by default made of the
        task id. kjo adds a suffix that no other run has. (templated)
    :param is_delete_operator_pod: whether to delete the Job with its pods when it has ended,
        succeeded or not: True always, False never; by default always, as
        KubernetesPodOperator does (``on_finish_action="delete_pod"``).

    The other parameters are those of :class:`KubernetesJobOperator`, without ``job_yaml``.
    """

    template_fields: Sequence[str] = (
        "image",
        "cmds",
        "arguments",
        "env_vars",
        "name",
        *(field for field in KubernetesJobOperator.template_fields if field != "job_yaml"),
    )
    template_fields_renderers = {"env_vars": "json", "env": "json"}  # noqa: RUF012 (Airflow's own way)

    def __init__(
        self,
        *,
        image: str,
        cmds: Sequence[str] | None = None,
        arguments: Sequence[str] | None = None,
        env_vars: Mapping[str, str] | Sequence[Any] | None = None,
        name: str | None = None,
        is_delete_operator_pod: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if "job_yaml" in kwargs:
            raise TypeError(f"{type(self).__name__} makes the Job itself and takes no job_yaml")
        super().__init__(job_yaml=None, **kwargs)
        self.image = image
        self.cmds = cmds
        self.arguments = arguments
        # Model objects have no template fields of their own; their values shall be rendered too.
        self.env_vars = plain(env_vars)
        self.name = name
        self.is_delete_operator_pod = is_delete_operator_pod

    def build_job(self, context: _compat.Context) -> object:
        """Return the Job's manifest, made of the rendered parameters."""
        container: dict[str, Any] = {"name": CONTAINER_NAME, "image": self.image}
        if command := words("cmds", self.cmds):
            container["command"] = command
        if arguments := words("arguments", self.arguments):
            container["args"] = arguments
        if env := environment(self.env_vars):
            container["env"] = env
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": job_name(self.name or self.task_id)},
            "spec": {
                "backoffLimit": 0,
                "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
            },
        }

    def kjo_arguments(self) -> list[str]:
        """Return the arguments of ``kjo run``; ``extra_args`` come last."""
        policy = "never" if self.is_delete_operator_pod is False else "always"
        return ["--delete", policy, *super().kjo_arguments()]


def job_name(given: str) -> str:
    """Make a name for a Job of any text: lower-case letters, digits and single dashes.

    As KubernetesPodOperator's, but for the length, which leaves room for kjo's suffix.
    """
    name = re.sub("[^a-z0-9]+", "-", given.lower()).strip("-")
    return name[:_LONGEST_NAME].rstrip("-") or "task"


def environment(env_vars: object) -> list[dict[str, Any]]:
    """Return ``env_vars`` as a container's ``env``.

    A value None is left out, which Kubernetes takes for the empty one.

    :raises ValueError: it is no such thing; the message names the variable, never its value.
    """
    env_vars = plain(env_vars)
    if not env_vars:
        return []
    if isinstance(env_vars, Mapping):
        env_vars = [{"name": name, "value": value} for name, value in env_vars.items()]
    if isinstance(env_vars, str) or not isinstance(env_vars, Sequence):
        raise ValueError(
            f"env_vars must be a dict or a list of variables, not {type(env_vars).__name__}"
        )
    return [_variable(variable, i) for i, variable in enumerate(env_vars)]


def _variable(variable: object, index: int) -> dict[str, Any]:
    if not isinstance(variable, Mapping) or not isinstance(variable.get("name"), str):
        raise ValueError(f"env_vars[{index}] must have a name, as V1EnvVar has")
    kept = {key: value for key, value in variable.items() if value is not None}
    if "value" in kept:
        kept["value"] = text(f"env_vars: the value of {variable['name']}", kept["value"])
    return kept
