"""What both operators share: a task that runs one Job to its end with ``kjo``."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Literal

from airflow_kjo import _binary, _compat, _hook, _manifest, _policy, _read, _xcom, links
from airflow_kjo._models import seconds, strings
from airflow_kjo._process import Process, StartError, child_environment
from airflow_kjo.exceptions import KjoError, KjoRefusedError
from airflow_kjo.operators._run import DEFAULT_CONNECTION, Run

_DEFERRABLE = "deferrable (it runs in the ordinary way)"

XCom = Literal["sidecar", "termination"]
OnWorkerShutdown = Literal["auto", "delete", "detach"]


class KjoOperator(_compat.BaseOperator):
    """A task that runs a Job to its end with ``kjo``; it ends as the Job does.

    The logs of all the Job's containers, and what kjo says of it, become the task's log as they
    come. What the task is killed for decides what becomes of the Job: see ``on_worker_shutdown``.

    :param namespace: where to run; by default the manifest's, the connection's, or that of the
        context. (templated)
    :param kubernetes_conn_id: an Airflow connection of type ``kubernetes``; what it says is laid
        under the parameters below. The default one need not exist. (templated)
    :param in_cluster: use the service account of the pod that the worker runs in. Excludes
        ``config_file``, and ``cluster_context`` means nothing with it.
    :param config_file: path of a kubeconfig; where neither it nor the connection names a cluster,
        kubectl's rules apply: ``KUBECONFIG``, the home directory's file, the service account of the
        worker's pod. (templated)
    :param cluster_context: the context of the kubeconfig to use. (templated)
    :param get_logs: whether the containers' logs become the task's. Without them marker lines are read
        only where ``on_kube_api_event`` or ``parse_xcom_event`` is given.
    :param delete_policy: when to delete the Job at its end: a :class:`JobRunnerDeletePolicy` or its
        name in any case.
    :param skip_on_exit_code: an exit code of the container, or several, that skip the task.
    :param xcom: how a file ``/airflow/xcom/return.json`` becomes the return value: ``"sidecar"`` for
        values of any size, ``"termination"`` for at most 4096 bytes and without a further
        container.
    :param parse_xcom_event: makes a dict of the text after ``::kube_api:xcom=``; by default it is
        parsed as a JSON object.
    :param on_kube_api_event: called with each marker line (``name``, ``value``) and the context
        when the Job has ended.
    :param on_worker_shutdown: what becomes of the Job when a signal ends the task though nobody has
        decided so: a worker is drained, Airflow's API is out of reach. ``"detach"`` leaves it to
        the next try, which adopts it; ``"delete"`` deletes it; ``"auto"`` detaches if a try is left
        and else deletes. A task that is marked, cleared or out of time deletes its Job in any case.
    :param adopt: how alike a Job of this run that is found must be (``kjo run --adopt``):
        ``"loose"``, ``"exact"`` or ``"never"``.
    :param enable_jinja: whether the fields are templates.
    :param jinja_job_args: available to templates as ``job``.
    :param deferrable: not there yet: the task waits in its worker, which costs it a small program.
    :param extra_args: further arguments of ``kjo run``; they are shown in the log. (templated)
    :param env: environment variables of kjo itself, beside the worker's (not of the Job's
        containers). ``AIRFLOW__*`` of the worker is kept from kjo. (templated)
    :param kill_timeout: seconds that kjo is given to delete the Job when the task is killed or
        times out; then it is killed, and the Job may stay.
    :param kjo_bin: path of kjo; by default the option ``[kjo] binary``, ``KJO_BIN``, this
        Python's folders of scripts, and ``PATH``.

    :raises KjoError: the Job did not succeed; a class for each outcome, all in
        :mod:`airflow_kjo.exceptions`.
    :raises KjoRefusedError: the same, but a retry would not help, and there is none: a bad
        manifest, no permission, no kjo.
    """

    template_fields: Sequence[str] = (
        "namespace",
        "kubernetes_conn_id",
        "config_file",
        "cluster_context",
        "extra_args",
        "env",
    )
    # Empty on purpose: Airflow would look for a file under any string of any field above that
    # ends in one of these, `extra_args=["--kubeconfig", "x.yaml"]` included.
    template_ext: Sequence[str] = ()
    operator_extra_links = (links.KjoJobLink(),)
    ui_color = "#d7e8fb"

    default_delete_policy: ClassVar[str] = "IfSucceeded"
    """When the Job is deleted where the operator does not say."""

    def __init__(
        self,
        *,
        namespace: str | None = None,
        kubernetes_conn_id: str | None = DEFAULT_CONNECTION,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
        get_logs: bool = True,
        delete_policy: _policy.JobRunnerDeletePolicy | str | None = None,
        skip_on_exit_code: int | Collection[int] | None = None,
        xcom: XCom | None = None,
        parse_xcom_event: Callable[[str], Any] | None = None,
        on_kube_api_event: Callable[[_xcom.KubeApiEvent, Any], Any] | None = None,
        on_worker_shutdown: OnWorkerShutdown = "auto",
        adopt: Literal["loose", "exact", "never"] = "loose",
        enable_jinja: bool = True,
        jinja_job_args: Mapping[str, Any] | None = None,
        deferrable: bool = False,
        extra_args: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        kill_timeout: float = 30,
        kjo_bin: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.namespace = namespace
        self.kubernetes_conn_id = kubernetes_conn_id
        self.in_cluster = in_cluster
        self.config_file = config_file
        self.cluster_context = cluster_context
        self.get_logs = get_logs
        with self.names_task():
            self.delete_policy = _policy.policy(delete_policy or self.default_delete_policy)
            self.skip_on_exit_code = _codes(skip_on_exit_code)
            self.xcom = _one_of("xcom", xcom, (None, "sidecar", "termination"))
            self.on_worker_shutdown = _one_of(
                "on_worker_shutdown", on_worker_shutdown, ("auto", "delete", "detach")
            )
            self.adopt = _one_of("adopt", adopt, ("loose", "exact", "never"))
            self.kill_timeout = seconds("kill_timeout", kill_timeout)
        self.parse_xcom_event = parse_xcom_event
        self.on_kube_api_event = on_kube_api_event
        self.enable_jinja = enable_jinja
        self.jinja_job_args = jinja_job_args
        self.deferrable = deferrable
        self.extra_args = extra_args
        self.env = env
        self.kjo_bin = kjo_bin
        self.keep_on_kill = False
        self.job_is_chosen = False
        self.not_applied: list[str] = [_DEFERRABLE] if deferrable else []
        self.process: Process | None = None
        self.killed = False
        # Texts that a template was rendered to.
        self._rendered: set[str] = set()
        if in_cluster and config_file:
            raise ValueError(f"{self.task_id}: in_cluster and config_file exclude each other")

    @contextmanager
    def names_task(self) -> Iterator[None]:
        """Have what is wrong with a parameter name the task, of which a DAG may have many."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.task_id}: {error}") from error

    # --- What the operators say of themselves -----------------------------------------------------

    def build_documents(self, context: _compat.Context) -> list[_manifest.Plain]:
        """Return the documents to run, made of the rendered parameters.

        :raises ValueError: a parameter is not what it must be.
        :raises OSError: a file cannot be read.
        """
        raise NotImplementedError

    def kjo_arguments(self) -> list[str]:
        """Return the operator's own arguments of ``kjo run``, before ``extra_args``.

        They are visible to everyone on the machine: nothing secret.
        """
        arguments = ["--delete", _policy.flag(self.delete_policy)]
        reads = self.on_kube_api_event is not None or self.parse_xcom_event is not None
        if not self.shows_logs() and not reads:
            arguments += ["--logs", "none"]
        elif self.do_xcom_push or reads:
            # Marker lines are read from the logs, which are not shown for it.
            arguments += ["--markers", "hide"]
        if self.xcom:
            arguments += ["--xcom", self.xcom]
        return arguments

    def shows_logs(self) -> bool:
        """Return whether any container's log becomes the task's."""
        return bool(self.get_logs)

    def sidecar_members(self) -> dict[str, Any]:
        """Return members of the sidecar that hands over a file; they win over the connection's."""
        return {}

    def log_formatter_of_lines(self) -> Callable[[str, str], str] | None:
        """Return what makes a line of the log of a container's name and a line of its."""
        return None

    def binary(self) -> str:
        """Return the path of kjo.

        :raises OSError: there is none; the message lists every place that was looked at.
        """
        return _binary.find(self.kjo_bin, _compat.option("binary"))

    def environment(self) -> dict[str, str]:
        """Return the environment of kjo."""
        return child_environment(os.environ, strings("env", self.env))

    def load(self, text: str, what: str) -> list[Any]:
        """Return the objects of a text, as kjo reads it.

        :raises ValueError: it is no manifest; the message has the place.
        :raises OSError: there is no kjo.
        :raises StartError: it cannot be started.
        """
        return _read.read(
            self.binary(), text, what, self.environment(), excerpt=text not in self._rendered
        )

    # --- What Airflow calls -------------------------------------------------------------------------

    def execute(self, context: _compat.Context) -> Any:
        """Run the Job; return what it hands on, raise where it has not succeeded."""
        run = Run(self, context)
        if self.not_applied:
            self.log.warning(
                "Not applied, because it means nothing for a Job that kjo runs: %s",
                ", ".join(sorted(self.not_applied)),
            )
        if overridden := self.never_called():
            self.log.warning(
                "Methods of KubernetesPodOperator that %s has, and that are never called here: %s",
                type(self).__name__,
                ", ".join(overridden),
            )
        with ExitStack() as stack:
            # A task may be copied after its run, as what it was.
            stack.callback(setattr, self, "process", None)
            try:
                run.prepare(stack)
            except StartError as error:
                raise KjoError(f"kjo: {error}") from error
            except _hook.HookError as error:
                if isinstance(error.__cause__, _compat.AirflowSkipException):
                    raise error.__cause__ from None
                raise self._of_the_hook(error) from error
            except (OSError, ValueError, ImportError) as error:
                raise KjoRefusedError(f"{self.task_id}: {error}") from error
            except (TypeError, AttributeError, LookupError) as error:
                raise KjoRefusedError(
                    f"{self.task_id}: a parameter or the manifest is not what it must be: "
                    f"{type(error).__name__}: {error}"
                ) from error
            run.delete_former()
            outcome = run.run()
        return run.conclude(outcome)

    def _of_the_hook(self, error: _hook.HookError) -> KjoError:
        decided = error.__cause__
        kind = KjoRefusedError if isinstance(decided, _compat.AirflowFailException) else KjoError
        return kind(f"{self.task_id}: {error}")

    def on_kill(self) -> None:
        """Have the run end. Airflow calls this in a signal handler: no waiting."""
        self.killed = True
        if self.process is not None:
            self.process.terminate()

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Render; also for mapped tasks, whose rendering begins here."""
        if parent is not self:
            super()._do_render_template_fields(parent, template_fields, context, *args, **kwargs)
            return
        self.before_rendering()
        if self.enable_jinja:
            had = context.get("job")
            before = {name: getattr(self, name, None) for name in template_fields}
            if self.jinja_job_args is not None:
                context["job"] = self.jinja_job_args
            try:
                super()._do_render_template_fields(parent, template_fields, context, *args, **kwargs)
                self.render_files(context)
                for name, value in before.items():
                    after = getattr(self, name, None)
                    if isinstance(value, str) and isinstance(after, str) and not _same(value, after):
                        self._rendered.add(after)
            finally:
                if self.jinja_job_args is not None:
                    context["job"] = had
        self.mask_secrets()

    def never_called(self) -> list[str]:
        """Return the names of methods of another operator that a subclass has overridden in vain."""
        return []

    def before_rendering(self) -> None:
        """Make of the fields what templates can be rendered in."""

    def render_files(self, context: Any) -> None:
        """Render the text of files whose names are known only now."""

    def mask_secrets(self) -> None:
        """Have Airflow hide what is secret among the rendered fields, before it shows them."""


def _same(template: str, rendered: str) -> bool:
    # Jinja takes the last newline away.
    return template.rstrip("\n") == rendered.rstrip("\n")


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, not {value!r}")
    return value


def _codes(value: Any) -> int | tuple[int, ...] | None:
    """Return ``skip_on_exit_code`` as numbers.

    :raises ValueError: it is none.
    """
    if value is None:
        return None
    if isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping):
        return tuple(_code(item) for item in value)
    return _code(value)


def _code(value: Any) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"skip_on_exit_code must be an exit code or a list of them, not {value!r}")
    return value
