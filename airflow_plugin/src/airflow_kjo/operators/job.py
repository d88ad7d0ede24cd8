"""KubernetesJobOperator: run the Job of a manifest, or of an image, to its end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_kjo import _compat, _manifest
from airflow_kjo._manifest import JobYaml, Plain, documents, is_path, job_name, part, the_job
from airflow_kjo._models import environment, mapping, strings, text, words
from airflow_kjo._pod import pull_secrets
from airflow_kjo.exceptions import KjoRefusedError
from airflow_kjo.operators._base import KjoOperator
from airflow_kjo.operators._template import read_template

_MAIN_CONTAINER = "kubernetes_job_operator.main_container"


class KubernetesJobOperator(KjoOperator):
    """Run a Kubernetes Job to its end with ``kjo``, given a manifest or an image.

    :param job_yaml: the manifest: YAML text; the path of a file (one line that ends in .yaml, .yml,
        .json or one of these and .j2; relative to the DAG's folder or its
        ``template_searchpath``), whose text is a template like any other and may include others; a
        dict; or a list of dicts, for a Job with ConfigMaps, Secrets and the like. A Pod among
        them, where there is no Job, becomes one. Where it says nothing of them, ``restartPolicy`` is
        Never and ``backoffLimit`` 0. (templated)
    :param job_yaml_filepath: the path of such a file, whatever its ending. (templated)
    :param body: another name of ``job_yaml``. (templated)
    :param body_filepath: another name of ``job_yaml_filepath``. (templated)
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
    :param validate_body_on_init: whether a manifest without templates is read when the DAG is.

    All other parameters are those of :class:`KjoOperator`.
    """

    template_fields: Sequence[str] = (
        "job_yaml",
        "job_yaml_filepath",
        "image",
        "command",
        "arguments",
        "envs",
        "image_pull_secrets",
        "labels",
        "annotations",
        "mount_files_from_secret",
        "name_prefix",
        *KjoOperator.template_fields,
    )
    template_fields_renderers = {"job_yaml": "yaml", "env": "json", "envs": "json"}  # noqa: RUF012 (Airflow's own way)

    def __init__(
        self,
        *,
        job_yaml: JobYaml | os.PathLike[str] | None = None,
        job_yaml_filepath: str | os.PathLike[str] | None = None,
        body: JobYaml | os.PathLike[str] | None = None,
        body_filepath: str | os.PathLike[str] | None = None,
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
        validate_body_on_init: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given = {
            "job_yaml": job_yaml,
            "body": body,
            "job_yaml_filepath": job_yaml_filepath,
            "body_filepath": body_filepath,
        }
        named = [name for name, value in given.items() if value is not None]
        if len(named) > 1:
            raise ValueError(f"{self.task_id}: {' and '.join(named)} exclude each other")
        if not named and image is None:
            raise ValueError(f"{self.task_id}: one of job_yaml, job_yaml_filepath and image is needed")
        manifest = job_yaml if job_yaml is not None else body
        self.job_yaml = os.fspath(manifest) if isinstance(manifest, os.PathLike) else manifest
        file = job_yaml_filepath if job_yaml_filepath is not None else body_filepath
        self.job_yaml_filepath = os.fspath(file) if isinstance(file, os.PathLike) else file
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
        self.validate_body_on_init = validate_body_on_init
        self._main_container: str | None = None
        if random_name_postfix_length is not None:
            self.not_applied.append("random_name_postfix_length")
        if startup_timeout_seconds is not None:
            self.not_applied.append("startup_timeout_seconds")
        self._validate()

    def resolve_template_files(self) -> None:
        """Put the file's text in place of its path, and of nothing else.

        Called when the DAG is loaded. A file that cannot be read there, or whose path is itself a
        template, is looked for again when the task runs, and missed there.
        """
        try:
            self._read_file()
        except OSError as error:
            self.log.debug("Left for the run of the task: %s", error)
        else:
            self._validate()
        super().resolve_template_files()

    def _path(self) -> str | None:
        if isinstance(self.job_yaml_filepath, str) and self.job_yaml is None:
            return self.job_yaml_filepath
        return self.job_yaml if is_path(self.job_yaml) else None

    def _read_file(self) -> bool:
        path = self._path()
        if path is None:
            return False
        self.job_yaml = read_template(path, self.get_template_env())
        return True

    def _validate(self) -> None:
        """Have a bad manifest be an error of the DAG, where that is wanted."""
        body = self.job_yaml
        if not self.validate_body_on_init or body is None or is_path(body):
            return
        if self.enable_jinja and isinstance(body, str) and ("{{" in body or "{%" in body):
            return
        if isinstance(body, str | Mapping | list | tuple):
            try:
                the_job(documents(body))
            except ValueError as error:
                raise KjoRefusedError(f"{self.task_id}: {error}") from error

    def render_files(self, context: Any) -> None:
        """Render the text of a file whose path was a template, or comes from ``.expand()``."""
        try:
            found = self._read_file()
        except OSError:
            # Missed by the task itself, which says so in its own words.
            return
        if found:
            self.job_yaml = self.render_template(
                self.job_yaml, context, jinja_env=self.get_template_env()
            )

    def mask_secrets(self) -> None:
        """Have Airflow hide the values of the manifest's Secrets."""
        body = self.job_yaml
        if body is None or (isinstance(body, str) and "Secret" not in body):
            return
        try:
            values = _manifest.secret_values(documents(body))
        except ValueError:
            # Told when the task runs, with the place.
            return
        for value in values:
            _compat.mask_secret(value)

    def build_documents(self, context: _compat.Context) -> list[Plain]:
        """Return the manifest's documents with the parameters laid over them."""
        self._read_file()
        if self.job_yaml is None:
            found = [{"apiVersion": "batch/v1", "kind": "Job"}]
        else:
            found = documents(self.job_yaml)
        job = the_job(found)
        spec = part(job, "spec")
        pod = part(spec, "template", "spec")
        if spec.get("backoffLimit") is None and spec.get("backoffLimitPerIndex") is None:
            spec["backoffLimit"] = 0
        if pod.get("restartPolicy") is None:
            pod["restartPolicy"] = "Never"
        self._lay_over_containers(pod)
        self._lay_over_metadata(found, job)
        self._name(job)
        annotations = part(spec, "template", "metadata").get("annotations") or {}
        self._main_container = annotations.get(_MAIN_CONTAINER)
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
                there = container.get("env") or []
                kept = [v for v in there if v.get("name") != variable["name"]]
                container["env"] = [*kept, variable]
        if secrets := pull_secrets(self.image_pull_secrets):
            pod["imagePullSecrets"] = [*(pod.get("imagePullSecrets") or []), *secrets]
        self._mount_files(pod, first)

    def _mount_files(self, pod: Plain, first: Plain) -> None:
        secrets = mapping("mount_files_from_secret", self.mount_files_from_secret)
        for i, (secret, files) in enumerate(secrets.items()):
            name = f"files-from-secret-{i}"
            volume = {"name": name, "secret": {"secretName": secret}}
            pod["volumes"] = [*(pod.get("volumes") or []), volume]
            mounts = [
                {"name": name, "mountPath": path, "subPath": key, "readOnly": True}
                for key, path in strings(f"mount_files_from_secret[{secret}]", files).items()
            ]
            first["volumeMounts"] = [*(first.get("volumeMounts") or []), *mounts]

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
