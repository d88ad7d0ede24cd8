"""A manifest that an operator is given: its file is found and rendered, its Secrets are hidden."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from airflow_kjo import _compat, _secrets
from airflow_kjo._manifest import JobYaml, Plain, choose, documents, is_path, option, the_job
from airflow_kjo._models import plain, words
from airflow_kjo._process import StartError
from airflow_kjo.exceptions import KjoRefusedError
from airflow_kjo.operators._base import KjoOperator
from airflow_kjo.operators._template import read_template


class ManifestOperator(KjoOperator):
    """A task whose Job may come from a manifest.

    :param job_yaml: the manifest: YAML text; the path of a file (one line that ends in .yaml, .yml,
        .json or one of these and .j2; relative to the DAG's folder or its
        ``template_searchpath``), whose text is a template like any other and may include others; a
        dict; or a list of dicts, for a Job with ConfigMaps, Secrets and the like. A CronJob, Pod or
        PodTemplate among them, where there is no Job, becomes one; of several things that run,
        ``extra_args=["--job", "NAME"]`` chooses. Where it says nothing of them, ``restartPolicy`` is
        Never and ``backoffLimit`` 0. (templated)
    :param job_yaml_filepath: the path of such a file, whatever its ending. (templated)
    :param body: another name of ``job_yaml``. (templated)
    :param body_filepath: another name of ``job_yaml_filepath``. (templated)
    :param validate_body_on_init: whether a manifest without templates is read when the DAG is.
    """

    template_fields: Sequence[str] = ("job_yaml", "job_yaml_filepath", *KjoOperator.template_fields)

    def __init__(
        self,
        *,
        job_yaml: JobYaml | os.PathLike[str] | None = None,
        job_yaml_filepath: str | os.PathLike[str] | None = None,
        body: JobYaml | os.PathLike[str] | None = None,
        body_filepath: str | os.PathLike[str] | None = None,
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
        manifest = job_yaml if job_yaml is not None else body
        file = job_yaml_filepath if job_yaml_filepath is not None else body_filepath
        if isinstance(manifest, os.PathLike):
            # A path, whatever it ends in.
            manifest, file = None, manifest
        self.job_yaml = manifest
        self.job_yaml_filepath = os.fspath(file) if isinstance(file, os.PathLike) else file
        self.validate_body_on_init = validate_body_on_init
        self._validate()

    def resolve_template_files(self) -> None:
        """Put the file's text in place of its path, and of nothing else.

        Called when the DAG is loaded. A file that cannot be read there, or whose path is itself a
        template, is looked for again when the task runs, and missed there.
        """
        try:
            self._read_file()
        except OSError as error:
            if self.validate_body_on_init and not self._is_template(self._path()):
                raise KjoRefusedError(f"{self.task_id}: {error}") from error
            self.log.debug("Left for the run of the task: %s", error)
        else:
            self._validate()
        super().resolve_template_files()

    def _is_template(self, text: object) -> bool:
        return self.enable_jinja and isinstance(text, str) and ("{{" in text or "{%" in text)

    def _path(self) -> str | None:
        if isinstance(self.job_yaml_filepath, str) and self.job_yaml is None:
            return self.job_yaml_filepath
        return self.job_yaml if is_path(self.job_yaml) else None

    def _read_file(self) -> bool:
        path = self._path()
        if path is None:
            return False
        name = "job_yaml_filepath" if self.job_yaml is None else "job_yaml"
        try:
            self.job_yaml = read_template(path, self.get_template_env())
        except OSError as error:
            raise OSError(f"{name}: {error}") from error
        return True

    def _validate(self) -> None:
        """Have a bad manifest be an error of the DAG, where that is wanted."""
        body = self.job_yaml
        if not self.validate_body_on_init or body is None or is_path(body):
            return
        if self._is_template(body):
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
        written: list[str] = []
        found: Any = []
        if not isinstance(body, str):
            found = plain(body)
        elif not _secrets.mentioned(body):
            return
        else:
            # As it is written, and what it means; where it means nothing, the task will say so.
            written = _secrets.of_text(body)
            with suppress(ValueError):
                found = self._looked_at(body)
        values = dict.fromkeys([*written, *_secrets.of_objects(found)])
        if len(values) > _secrets.MOST:
            manifest = [body] if isinstance(body, str) else []
            values = dict.fromkeys([*manifest, *_secrets.of_objects(found, whole=True)])
        for value in values:
            _compat.mask_secret(value)

    def _looked_at(self, body: str) -> list[Plain]:
        try:
            return documents(body, load=self.load)
        except (OSError, StartError):
            # Rendered where there is no kjo, to be looked at.
            return documents(body)

    def given_documents(self) -> list[Plain]:
        """Return the manifest's documents, or a Job that says nothing where there is none.

        The one that ``--job`` of ``extra_args`` names is the first, and a Job.
        """
        file = self.job_yaml_filepath
        if file is not None and not isinstance(file, str):
            raise ValueError(f"job_yaml_filepath must be a path, not {type(file).__name__}")
        self._read_file()
        if self.job_yaml is None:
            return [{"apiVersion": "batch/v1", "kind": "Job"}]
        found = documents(self.job_yaml, file or "job_yaml", self.load)
        chosen = option(words("extra_args", self.extra_args), "--job")
        self.job_is_chosen = chosen is not None and choose(found, chosen)
        return found
