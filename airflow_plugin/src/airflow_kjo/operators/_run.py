"""One execution of a task: what to run and where, the run, and what comes of it."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow_kjo import (
    _compat,
    _connection,
    _hook,
    _identity,
    _manifest,
    _outcome,
    _stop,
    _xcom,
    links,
)
from airflow_kjo._messages import Messages, Output, opens
from airflow_kjo._models import words
from airflow_kjo._process import NotStartedError, Process, StartError
from airflow_kjo.exceptions import KjoError, KjoInterruptedError, KjoXComError, from_outcome

if TYPE_CHECKING:
    from airflow_kjo.operators._base import KjoOperator

DEFAULT_CONNECTION = "kubernetes_default"
"""The one connection that need not exist."""


class Run:
    """One execution of a task."""

    def __init__(self, operator: KjoOperator, context: _compat.Context) -> None:
        self.operator = operator
        self.context = context
        self.ti: Any = context["ti"]
        self.log = operator.log
        self.namespace = ""
        self.binary = ""
        self.manifest = b""
        self.where: list[str] = []
        self.descriptors: list[int] = []
        self.extra: list[str] = []
        self.folder = Path()
        self.xcom_flags: list[str] = []
        self.arguments: list[str] = []
        self.formatter: Callable[[str, str], str] | None = None
        self.messages = Messages(self.log, self._heard)
        self._pushed: dict[str, Any] = {}
        deployment, warning = _identity.deployment(_compat.option("deployment_id"), _compat.base_url())
        if warning:
            self.log.warning("%s", warning)
        # Airflow adds the tries that were made to max_tries when a task is cleared.
        retries = int(operator.retries or 0)
        self.identity = _identity.TaskIdentity(
            deployment=deployment,
            dag_id=self.ti.dag_id,
            task_id=self.ti.task_id,
            run_id=self.ti.run_id,
            map_index=-1 if self.ti.map_index is None else self.ti.map_index,
            generation=max(0, (self.ti.max_tries or 0) - retries),
            try_number=self.ti.try_number,
            max_tries=self.ti.max_tries or 0,
        )

    # --- Before the run ----------------------------------------------------------------------------

    def prepare(self, stack: ExitStack) -> None:
        """Find out what to run, where and with what. Nothing is asked of the cluster."""
        operator = self.operator
        self.binary = operator.binary()
        where = self._where()
        self.extra = words("extra_args", operator.extra_args)
        found = operator.build_documents(self.context)
        job = _manifest.the_job(found)
        template = _manifest.part(job, "spec", "template")
        metadata = _manifest.part(job, "metadata")
        labels = self.identity.labels(_compat.airflow_version())
        for labelled in (metadata, _manifest.part(template, "metadata")):
            _manifest.part(labelled, "labels").update(labels)
        if operator.job_is_chosen:
            # By its name, which may be another now.
            self.extra = _manifest.with_option(self.extra, "--job", f"job/{metadata['name']}")
        own = metadata.get("namespace")
        chosen = operator.namespace or own or where.namespace
        environ = operator.environment()
        if hook := _compat.pod_mutation_hook():
            chosen = self._mutate(job, hook, chosen, lambda: _connection.namespace(where, environ))
        self.manifest = _manifest.encode(found)
        self.xcom_flags = self._sidecar(where)
        self.arguments = operator.kjo_arguments()
        self.formatter = operator.log_formatter_of_lines()
        if where.ignored:
            self.log.warning(
                "Extras of the connection %r that mean nothing for kjo: %s",
                operator.kubernetes_conn_id,
                ", ".join(where.ignored),
            )
        cluster, self.descriptors = _connection.arguments(where, environ, stack)
        self.where = [*cluster, "-n", str(chosen)] if chosen else cluster
        # Only this user may enter it. What cannot be removed is no reason to fail the task.
        self.folder = Path(
            stack.enter_context(TemporaryDirectory(prefix="kjo-", ignore_cleanup_errors=True))
        )

    def _mutate(self, job: _manifest.Plain, hook: Any, chosen: Any, otherwise: Callable[[], str]) -> Any:
        """Put the Job's pods through the site's hook; return the namespace that is chosen then."""
        metadata = job["metadata"]
        namespace = _manifest.option(self.extra, "--namespace", "-n") or chosen or otherwise()
        name = metadata.get("name") or metadata.get("generateName") or self.operator.task_id
        job["spec"]["template"], after = _hook.mutated(
            job["spec"]["template"], hook, name=str(name), namespace=str(namespace)
        )
        if after == str(namespace):
            return chosen
        metadata["namespace"] = after
        return after

    def _where(self) -> _connection.Where:
        operator = self.operator
        extras: Mapping[str, Any] = {}
        if conn_id := operator.kubernetes_conn_id:
            connection = _compat.find_connection(conn_id)
            if connection is not None:
                extras = connection.extra_dejson
            elif conn_id != DEFAULT_CONNECTION:
                raise ValueError(f"there is no Airflow connection {conn_id!r}")
        return _connection.merged(
            extras,
            in_cluster=operator.in_cluster,
            config_file=operator.config_file,
            cluster_context=operator.cluster_context,
        )

    def delete_former(self) -> None:
        """Delete the Jobs of the generations before a clear, which nobody waits for any more."""
        for run_id in self.identity.former:
            argv = [self.binary, "delete", "--run-id", run_id, *self.where]
            argv += ["--message-format", "json"]
            if "--sandbox" in self.extra:
                # A cluster of its own for each run: there is nothing of a former one.
                return
            returncode = self._process(argv, b"")
            if returncode == _outcome.REFUSED:
                self.log.warning(
                    "Whether a Job of the task before it was cleared still runs is not known"
                )
            elif returncode:
                raise KjoError(
                    "kjo: the Job of the task before it was cleared could not be deleted: exit code "
                    f"{returncode}. Nothing new was started",
                    exit_code=returncode,
                )

    # --- The run -----------------------------------------------------------------------------------

    def run(self) -> _outcome.Outcome:
        """Run the Job to its end."""
        result_file = self.folder / "result.json"
        argv = [
            self.binary,
            "run",
            "-f",
            "-",
            "--result-file",
            str(result_file),
            *self._identity_arguments(),
            "--die-with-parent",
            "detach",
            "--message-format",
            "json",
            *self.arguments,
            *self.xcom_flags,
            *self.where,
            *self.extra,
        ]
        outcome = _outcome.read(self._process(argv, self.manifest), result_file)
        if outcome.success or outcome.detail:
            return outcome
        # Refused before there could be a result file: arguments that kjo does not know.
        return replace(outcome, detail=self.messages.last_error, hint=self.messages.last_hint)

    def _sidecar(self, where: _connection.Where) -> list[str]:
        """Return what the sidecar that hands over a file is to be like."""
        if self.operator.xcom != "sidecar":
            return []
        flags = ["--xcom-image", where.xcom_image] if where.xcom_image else []
        members = {**where.xcom_container, **self.operator.sidecar_members()}
        return [*flags, "--xcom-container", json.dumps(members)] if members else flags

    def _identity_arguments(self) -> list[str]:
        return [
            "--run-id",
            self.identity.kjo_run_id,
            "--adopt",
            self.operator.adopt,
            "--adopt-failed",
            "rerun",
        ]

    def _process(self, argv: list[str], manifest: bytes) -> int:
        operator = self.operator
        self.log.info("Running %s", shlex.join(argv))
        self.messages = Messages(self.log, self._heard)
        process = Process(
            argv,
            env=operator.environment(),
            stdin=manifest,
            on_stdout=Output(self.log, self.formatter) if operator.shows_logs() else _unseen,
            on_stderr=self.messages,
            kill_timeout=operator.kill_timeout,
            opens=opens,
            choose_signal=self._choose_signal,
            orphaned=_stop.supervised(),
            pass_fds=self.descriptors,
        )
        operator.process = process
        if operator.killed:
            process.terminate()
        try:
            return process.run()
        except NotStartedError as error:
            raise KjoInterruptedError(
                "kjo: the task was killed before the Job was made",
                exit_code=143,
                outcome="interrupted",
            ) from error
        except StartError as error:
            raise KjoError(f"kjo: {error}") from error

    def _heard(self, message: dict[str, Any]) -> None:
        """Hand on early what kjo says of the Job, so that it is known also if all else fails."""
        event = message.get("event")
        if event == "target":
            self.namespace = str(message.get("namespace") or "")
        elif name := message.get("job") if event in ("created", "adopted", "attached") else None:
            self._push({"job_name": name, "job_namespace": self.namespace})
            if template := _compat.option("job_url"):
                address = links.url(template, self.namespace, str(name))
                self._push({links.XCOM_KEY: address})
        elif event == "finished" and message.get("container_exit_code") in self._skipping():
            # A failure that is wanted is no error.
            message["level"] = "info"
        elif event in ("pod_scheduled", "container_started") and (pod := message.get("pod")):
            self._push({"pod_name": pod, "pod_namespace": self.namespace})

    def _push(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if self._pushed.get(key) == value:
                continue
            try:
                self.ti.xcom_push(key=key, value=value)
            except Exception as error:  # noqa: BLE001 (an outage of Airflow must not end the Job)
                self.log.warning("XCom %s could not be pushed: %s", key, error)
            else:
                self._pushed[key] = value

    def _choose_signal(self, error: BaseException | None) -> int:
        """Decide whether the Job goes or stays, outside of any signal handler."""
        operator = self.operator
        if error is not None and not operator.killed and not isinstance(error, Exception):
            # A time-out of the task, or Ctrl-C: somebody's decision.
            action, why = "delete", f"{type(error).__name__}: the Job is deleted"
        else:
            overridden = operator.on_worker_shutdown
            action, why = _stop.action(
                self._state,
                try_left=self.identity.try_left,
                overridden=None if overridden == "auto" else overridden,
            )
        if operator.keep_on_kill:
            action, why = "detach", "on_kill_action: the Job runs on"
        with suppress(Exception):
            # Also where there is no log any more.
            self.log.info("Asked to end. %s", why)
        return signal.SIGTERM if action == "delete" else signal.SIGUSR1

    def _state(self) -> str | None:
        ti = self.identity
        return _compat.task_state(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)

    # --- After the run ------------------------------------------------------------------------------

    def conclude(self, outcome: _outcome.Outcome) -> Any:
        """Hand on what the Job handed on, and end as it did.

        An error of a callable that the user gave, or of Airflow's XComs, never takes the place of the
        Job's own failure.
        """
        operator = self.operator
        handed = _xcom.handed(outcome, operator.parse_xcom_event)
        faults = [*handed.faults, *self._told(handed)]
        if operator.do_xcom_push:
            faults += self._handed_on(handed, also_value=not outcome.success)
        if not outcome.success:
            for what, error in faults:
                self.log.warning("%s failed: %s", what, _described(error))
            if outcome.container_code is not None and outcome.container_code in self._skipping():
                raise _compat.AirflowSkipException(
                    f"kjo: the container ended with {outcome.container_code}, which skips the task"
                )
            raise from_outcome(outcome)
        for _, error in faults:
            if isinstance(error, _compat.AirflowSkipException | _compat.AirflowFailException):
                # Not a mistake, but what the callable decided.
                raise error
        unread = handed.errors if operator.do_xcom_push or operator.xcom else []
        wrong = [f"what it hands on cannot be read: {'; '.join(unread)}"] if unread else []
        wrong += [f"{what} failed: {_described(error)}" for what, error in faults]
        if wrong:
            raise KjoXComError(
                "kjo: the Job succeeded, but " + "; ".join(wrong),
                exit_code=outcome.exit_code,
                outcome=outcome.outcome,
                job=outcome.job,
            ) from (faults[0][1] if faults else None)
        return handed.value if operator.do_xcom_push else None

    def _told(self, handed: _xcom.Handed) -> list[tuple[str, Exception]]:
        """Call ``on_kube_api_event`` for each event; return what went wrong."""
        faults: list[tuple[str, Exception]] = []
        tell = self.operator.on_kube_api_event
        if tell is None:
            return faults
        for event in handed.events:
            try:
                tell(event, self.context)
            except Exception as error:  # noqa: BLE001 (the user's; what the Job did comes first)
                faults.append(("on_kube_api_event", error))
        return faults

    def _handed_on(self, handed: _xcom.Handed, *, also_value: bool) -> list[tuple[str, Exception]]:
        """Push what the Job handed on; return what went wrong."""
        values = {k: v for k, v in handed.keys.items() if k != _xcom.RETURN_VALUE}
        if also_value and handed.value is not None:
            values[_xcom.RETURN_VALUE] = handed.value
        faults: list[tuple[str, Exception]] = []
        for key, value in values.items():
            try:
                self.ti.xcom_push(key=key, value=value)
            except Exception as error:  # noqa: BLE001 (Airflow's; what the Job did comes first)
                faults.append((f"pushing the XCom {key!r}", error))
        return faults

    def _skipping(self) -> Collection[int]:
        codes = self.operator.skip_on_exit_code
        if codes is None:
            return ()
        return (codes,) if isinstance(codes, int) else codes


def _unseen(_: list[str]) -> None:
    """Take lines that are only read for what kjo finds in them."""


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
