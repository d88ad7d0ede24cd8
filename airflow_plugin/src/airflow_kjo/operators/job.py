"""KubernetesJobOperator: run the Job of a manifest, or of an image, to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_kjo import _compat
from airflow_kjo._manifest import Plain, entries, job_name, part, the_job
from airflow_kjo._models import environment, mapping, strings, text, words
from airflow_kjo._pod import pull_secrets
from airflow_kjo.operators._body import ManifestOperator

_MAIN_CONTAINER = "kubernetes_job_operator.main_container"


class KubernetesJobOperator(ManifestOperator):
    """Run a Kubernetes Job to its end with ``kjo``, given a manifest or an image.

    :param image: the image of the first container; alone it makes a Job of one container.
        (templated)
    :param command: its command. (templated)
    :param arguments: its arguments. (templated)
    :param envs: environment variables of all containers: a dict, or a list of variables.
        (templated)
    :param image_pull_policy: of the first container.
    :param image_pull_secrets: names of Secrets, added to those of the manifest. (templated)
    :param labels: added to every object and to the pods. (templated)
    :param annotations: added to the Job and its pods. (templated)
    :param mount_files_from_secret: for the first container: a Secret's name, and for each of its
        keys the path of a file. (templated)
    :param name_prefix: the beginning of the Job's name, before the manifest's; without a manifest's
        the task id. (templated)
    :param name_postfix: the end of that name.
    :param random_name_postfix_length: accepted; kjo's suffix is made of the run's id.
    :param startup_timeout_seconds: accepted; it bounded only the other operator's own watches. What
        bounds the wait for a pod are kjo's ``--schedule-timeout`` and ``--startup-timeout``.

    The manifest's parameters (``job_yaml``…) are those of :class:`ManifestOperator`, all others those of
    :class:`KjoOperator`.
    """

    template_fields: Sequence[str] = (
        "image",
        "command",
        "arguments",
        "envs",
        "image_pull_secrets",
        "labels",
        "annotations",
        "mount_files_from_secret",
        "name_prefix",
        *ManifestOperator.template_fields,
    )
    template_fields_renderers = {"job_yaml": "yaml", "env": "json", "envs": "json"}  # noqa: RUF012 (Airflow's own way)

    def __init__(
        self,
        *,
        image: str | None = None,
        command: Sequence[str] | None = None,
        arguments: Sequence[str] | None = None,
        envs: Mapping[str, str] | Sequence[Any] | None = None,
        image_pull_policy: str | None = None,
        image_pull_secrets: Sequence[Any] | str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        mount_files_from_secret: Mapping[str, Mapping[str, str]] | None = None,
        name_prefix: str | None = None,
        name_postfix: str | None = None,
        random_name_postfix_length: int | None = None,
        startup_timeout_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.job_yaml is None and self.job_yaml_filepath is None and image is None:
            raise ValueError(f"{self.task_id}: one of job_yaml, job_yaml_filepath and image is needed")
        self.image = image
        self.command = command
        self.arguments = arguments
        self.envs = envs
        self.image_pull_policy = image_pull_policy
        self.image_pull_secrets = image_pull_secrets
        self.labels = labels
        self.annotations = annotations
        self.mount_files_from_secret = mount_files_from_secret
        self.name_prefix = name_prefix
        self.name_postfix = name_postfix
        self.random_name_postfix_length = random_name_postfix_length
        self._main_container: str | None = None
        if random_name_postfix_length is not None:
            self.not_applied.append("random_name_postfix_length")
        if startup_timeout_seconds is not None:
            self.not_applied.append("startup_timeout_seconds")

    def build_documents(self, context: _compat.Context) -> list[Plain]:
        """Return the manifest's documents with the parameters laid over them."""
        found = self.given_documents()
        job = the_job(found)
        spec = part(job, "spec")
        pod = part(spec, "template", "spec")
        self._main_container = None
        if spec.get("backoffLimit") is None and spec.get("backoffLimitPerIndex") is None:
            spec["backoffLimit"] = 0
        if pod.get("restartPolicy") is None:
            pod["restartPolicy"] = "Never"
        self._lay_over_containers(pod)
        self._lay_over_metadata(found, job)
        self._name(job)
        of_pod = part(spec, "template", "metadata")
        if of_pod.get("annotations") is not None:
            name = part(of_pod, "annotations").get(_MAIN_CONTAINER)
            self._main_container = None if name is None else text(_MAIN_CONTAINER, name)
        return found

    def kjo_arguments(self) -> list[str]:
        """Return the arguments of ``kjo run``."""
        main = ["--main-container", self._main_container] if self._main_container else []
        return [*super().kjo_arguments(), *main]

    def _lay_over_containers(self, pod: Plain) -> None:
        if self.image is not None and not pod.get("containers"):
            pod["containers"] = [{"name": "main"}]
        containers = pod.get("containers")
        if not isinstance(containers, list) or not all(isinstance(c, dict) for c in containers):
            # What is wrong with it, kjo says.
            return
        first = containers[0] if containers else {}
        if self.image is not None:
            first["image"] = text("image", self.image)
        if command := words("command", self.command):
            first["command"] = command
        if arguments := words("arguments", self.arguments):
            first["args"] = arguments
        if self.image_pull_policy:
            first["imagePullPolicy"] = self.image_pull_policy
        for variable in environment("envs", self.envs):
            for container in containers:
                there = entries(container, "env", "the manifest's container")
                kept = [v for v in there if v.get("name") != variable["name"]]
                container["env"] = [*kept, variable]
        if secrets := pull_secrets(self.image_pull_secrets):
            pod["imagePullSecrets"] = [*entries(pod, "imagePullSecrets", "the manifest's pod"), *secrets]
        self._mount_files(pod, first)

    def _mount_files(self, pod: Plain, first: Plain) -> None:
        secrets = mapping("mount_files_from_secret", self.mount_files_from_secret)
        for i, (secret, files) in enumerate(secrets.items()):
            name = f"files-from-secret-{i}"
            volume = {"name": name, "secret": {"secretName": secret}}
            pod["volumes"] = [*entries(pod, "volumes", "the manifest's pod"), volume]
            mounts = [
                {"name": name, "mountPath": path, "subPath": key, "readOnly": True}
                for key, path in strings(f"mount_files_from_secret[{secret}]", files).items()
            ]
            first["volumeMounts"] = [
                *entries(first, "volumeMounts", "the manifest's container"),
                *mounts,
            ]

    def _lay_over_metadata(self, found: list[Plain], job: Plain) -> None:
        labels = strings("labels", self.labels)
        for document in found:
            if labels:
                part(document, "metadata", "labels").update(labels)
        template = part(job, "spec", "template")
        if labels:
            part(template, "metadata", "labels").update(labels)
        if annotations := strings("annotations", self.annotations):
            part(job, "metadata", "annotations").update(annotations)
            part(template, "metadata", "annotations").update(annotations)

    def _name(self, job: Plain) -> None:
        metadata = part(job, "metadata")
        own = metadata.get("name") or str(metadata.get("generateName") or "").rstrip("-")
        pieces = (self.name_prefix or ("" if own else self.task_id), own, self.name_postfix)
        if self.name_prefix or self.name_postfix or not own:
            metadata.pop("generateName", None)
            metadata["name"] = job_name("-".join(str(piece) for piece in pieces if piece))
