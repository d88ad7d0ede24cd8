"""KubernetesJobOperator: run the Job of a manifest to its end."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_kjo import _binary, _compat, _outcome
from airflow_kjo._manifest import JobYaml, encode, is_path
from airflow_kjo._process import NotStartedError, Process, StartError, child_environment
from airflow_kjo.exceptions import KjoError, KjoRefusedError, from_outcome
from airflow_kjo.operators._models import words
from airflow_kjo.operators._template import read_template


class KubernetesJobOperator(_compat.BaseOperator):
    """Run a Kubernetes Job to its end with ``kjo``; the task ends as the Job does.

    The logs of all its containers, and what kjo says of the Job, become the task's log, line by
    line as they come. When the task is killed or times out, the Job is deleted.

    :param job_yaml: the manifest: YAML text; the path of a file (one line that ends in .yaml,
        .yml or .json; relative to the DAG's folder or its ``template_searchpath``), whose text is
        a template like any other; a dict; or a list of dicts, for a Job with ConfigMaps, Secrets
        and the like. (templated)
    :param namespace: where to run; by default the manifest's, or that of the context. (templated)
    :param config_file: path of a kubeconfig; by default kubectl's rules apply: ``KUBECONFIG``,
        the home directory's file, the service account of the worker's pod. (templated)
    :param cluster_context: the context of the kubeconfig to use. (templated)
    :param in_cluster: True takes the worker's ``KUBECONFIG`` away from kjo, which then, where
        there is no file in the home directory either, takes the service account of the pod that
        it runs in. As in KubernetesPodOperator it excludes ``config_file``, and
        ``cluster_context`` means nothing with it. None and False change nothing.
    :param extra_args: further arguments of ``kjo run``; they are shown in the log. (templated)
    :param env: environment variables of kjo itself, beside the worker's (not of the Job's
        containers). ``AIRFLOW__*`` of the worker is kept from kjo. (templated)
    :param kill_timeout: seconds that kjo is given to delete the Job when the task is killed or
        times out; then it is killed, and the Job may stay.
    :param kjo_bin: path of kjo; by default the option ``[kjo] binary``, ``KJO_BIN``, this
        Python's folders of scripts, and ``PATH``.

    :raises KjoError: the Job did not succeed; carries ``exit_code``, ``outcome`` and ``job``.
    :raises KjoRefusedError: the same, but a retry would not help, and there is none: a bad
        manifest, no permission, no kjo.
    """

    template_fields: Sequence[str] = (
        "job_yaml",
        "namespace",
        "config_file",
        "cluster_context",
        "extra_args",
        "env",
    )
    # Empty on purpose: Airflow would look for a file under any string of any field above that
    # ends in one of these, `extra_args=["--kubeconfig", "x.yaml"]` included.
    template_ext: Sequence[str] = ()
    template_fields_renderers = {"job_yaml": "yaml", "env": "json"}  # noqa: RUF012 (Airflow's own way)
    ui_color = "#d7e8fb"

    def __init__(
        self,
        *,
        job_yaml: JobYaml | os.PathLike[str] | None,
        namespace: str | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
        in_cluster: bool | None = None,
        extra_args: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        kill_timeout: float = 30,
        kjo_bin: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_yaml = os.fspath(job_yaml) if isinstance(job_yaml, os.PathLike) else job_yaml
        self.namespace = namespace
        self.config_file = config_file
        self.cluster_context = cluster_context
        self.in_cluster = in_cluster
        self.extra_args = extra_args
        self.env = env
        self.kill_timeout = kill_timeout
        self.kjo_bin = kjo_bin
        self._process: Process | None = None
        self._killed = False
        if in_cluster and config_file:
            raise ValueError(f"{self.task_id}: in_cluster and config_file exclude each other")

    def resolve_template_files(self) -> None:
        """Put the file's text in place of a path in ``job_yaml``, and of nothing else.

        Called when the DAG is loaded. A file that cannot be read there, or whose path is itself a
        template, is looked for again when the task runs, and missed there.
        """
        if is_path(self.job_yaml):
            try:
                self.job_yaml = read_template(self.job_yaml, self.get_template_env())
            except OSError as error:
                self.log.debug("Left for the run of the task: %s", error)
        super().resolve_template_files()

    def execute(self, context: _compat.Context) -> None:
        """Run the Job; return when it has succeeded, raise when it has not."""
        try:
            binary = _binary.find(self.kjo_bin, _compat.configured_binary())
            manifest = encode(self.build_job(context))
            arguments = self.kjo_arguments()
        except (OSError, ValueError) as error:
            raise KjoRefusedError(f"{self.task_id}: {error}") from error
        # Only this user may enter it. What cannot be removed is no reason to fail the task.
        with TemporaryDirectory(prefix="kjo-", ignore_cleanup_errors=True) as folder:
            result_file = Path(folder, "result.json")
            argv = [binary, "run", "-f", "-", "--result-file", str(result_file), *arguments]
            returncode = self._run(argv, manifest)
            outcome = _outcome.read(returncode, result_file)
        if not outcome.success:
            raise from_outcome(outcome)

    def on_kill(self) -> None:
        """Have kjo delete the Job and end. Airflow calls this in a signal handler: no waiting."""
        self._killed = True
        if self._process is not None:
            self._process.terminate()

    def build_job(self, context: _compat.Context) -> object:
        """Return the manifest to run, as :func:`airflow_kjo._manifest.encode` takes it."""
        if is_path(self.job_yaml):
            # Known only now: the path was a template, or comes from `.expand()`.
            env = self.get_template_env()
            self.job_yaml = self.render_template(
                read_template(self.job_yaml, env), context, jinja_env=env
            )
        return self.job_yaml

    def kjo_arguments(self) -> list[str]:
        """Return the arguments of ``kjo run``. They are visible to everyone: nothing secret."""
        named = {
            "-n": self.namespace,
            "--kubeconfig": self.config_file,
            "--context": None if self.in_cluster else self.cluster_context,
        }
        return [
            *(part for flag, value in named.items() if value for part in (flag, value)),
            *words("extra_args", self.extra_args),
        ]

    def _run(self, argv: list[str], manifest: bytes) -> int:
        inherited = dict(os.environ)
        if self.in_cluster:
            inherited.pop("KUBECONFIG", None)
        self.log.info("Running %s", shlex.join(argv))
        self._process = Process(
            argv,
            env=child_environment(inherited, self.env),
            stdin=manifest,
            on_line=lambda line: self.log.info("%s", line),
            kill_timeout=self.kill_timeout,
        )
        if self._killed:
            self._process.terminate()
        try:
            return self._process.run()
        except NotStartedError as error:
            raise KjoError(
                "kjo: the task was killed before the Job was made",
                exit_code=143,
                outcome="interrupted",
            ) from error
        except StartError as error:
            raise KjoError(f"kjo: {error}") from error
