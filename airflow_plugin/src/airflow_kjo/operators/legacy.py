"""KubernetesLegacyJobOperator: a Job from the parameters of KubernetesPodOperator."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from airflow_kjo import _compat, _pod, _policy
from airflow_kjo._manifest import Plain, job_name, part, the_job
from airflow_kjo._models import camel, mapping, plain, seconds
from airflow_kjo.operators._body import ManifestOperator
from airflow_kjo.operators._template import read_file

_OF_THE_OTHER = (
    "await_pod_completion",
    "await_pod_start",
    "build_pod_request_obj",
    "cleanup",
    "execute_async",
    "execute_sync",
    "extract_xcom",
    "find_pod",
    "get_or_create_pod",
    "process_pod_deletion",
    "trigger_reentry",
)
"""Methods that subclasses of KubernetesPodOperator override."""


class KubernetesLegacyJobOperator(ManifestOperator):
    """Run a container as a Job, with the parameters that KubernetesPodOperator has for a pod.

    The Job has one pod that is never restarted and never replaced (``restartPolicy: Never``,
    ``backoffLimit: 0``): whether to try again is for the task's ``retries`` to say.

    What the pod looks like follows KubernetesPodOperator's rules: a parameter over
    ``full_pod_spec`` over ``pod_template_file`` (a path, or the text itself) or
    ``pod_template_dict``; a falsy parameter never overrides them. Also taken are its older spellings
    (``resources``, ``node_selectors``, ``xcom_push``, ``"one,two"`` as ``image_pull_secrets``, the
    helper objects of Airflow 1.10).

    With ``job_yaml`` (or ``body``, ``job_yaml_filepath``, ``body_filepath``) the parameters are laid
    over a whole Job, whose pod template is the lowest of these layers: its first container becomes
    the base container.

    :param is_delete_operator_pod: whether to delete the Job with its pods when it has ended,
        succeeded or not: True always, False never; by default ``on_finish_action`` says, which is
        ``"delete_pod"``: always.
    :param on_kill_action: ``"keep_pod"`` leaves the Job running when the task is killed.
    :param startup_timeout_seconds: from a node being found to the first container's start; by
        default kjo's ten minutes, in which pulling an image does not count.
    :param schedule_timeout_seconds: until a node is found; by default ``startup_timeout_seconds``,
        or else kjo's thirty minutes.
    :param do_xcom_push: whether ``/airflow/xcom/return.json`` becomes the return value (by a sidecar,
        or as ``xcom`` says), and marker lines become XComs; by default not.
    :param container_logs: whose logs are shown: names, or True for all. By default those of all
        containers and init containers of the pod.
    :param init_container_logs: the same for init containers.
    :param container_name_log_prefix_enabled: False leaves out the prefix that tells containers
        apart where there are several.
    :param log_formatter: makes of a container's name and a line what is logged.
    :param durable: False starts a new Job where one of the same run is found, instead of adopting
        it; ``reattach_on_restart`` is the older name.
    :param backoff_limit: how often the Job replaces a pod that failed, within one try of the task;
        by default 0, or what ``job_yaml`` says.
    :param ttl_seconds_after_finished: when Kubernetes deletes a Job that was kept.
    :param parallelism: pods at once.
    :param completions: pods that have to succeed.

    What means nothing here (``callbacks``, ``progress_callback``, the polling intervals, what
    belongs to ``deferrable``) is accepted and named in the task's log. All other parameters are those
    of KubernetesPodOperator and of :class:`KjoOperator`.
    """

    BASE_CONTAINER_NAME = "base"
    """The container's name in KubernetesPodOperator, by which logs and metrics are looked up."""

    template_fields: Sequence[str] = (
        "image",
        "name",
        "hostname",
        "cmds",
        "annotations",
        "arguments",
        "env_vars",
        "labels",
        "pod_template_file",
        "pod_template_dict",
        "container_resources",
        "volumes",
        "volume_mounts",
        "env_from",
        "configmaps",
        "node_selector",
        "base_container_name",
        *ManifestOperator.template_fields,
    )
    template_fields_renderers = {"env_vars": "json", "env": "json"}  # noqa: RUF012 (Airflow's own way)

    def __init__(
        self,
        *,
        image: str | None = None,
        name: str | None = None,
        random_name_suffix: bool = True,
        cmds: Sequence[str] | None = None,
        arguments: Sequence[str] | None = None,
        ports: Iterable[Any] | None = None,
        volume_mounts: Iterable[Any] | None = None,
        volumes: Iterable[Any] | None = None,
        env_vars: Mapping[str, str] | Sequence[Any] | None = None,
        env_from: Iterable[Any] | None = None,
        secrets: Iterable[Any] | None = None,
        labels: Mapping[str, str] | None = None,
        reattach_on_restart: bool | None = None,
        durable: bool | None = None,
        startup_timeout_seconds: float | None = None,
        startup_check_interval_seconds: float | None = None,
        schedule_timeout_seconds: float | None = None,
        base_container_name: str | None = None,
        base_container_status_polling_interval: float | None = None,
        init_container_logs: Iterable[str] | str | bool | None = None,
        container_logs: Iterable[str] | str | bool | None = None,
        image_pull_policy: str | None = None,
        annotations: Mapping[str, str] | None = None,
        container_resources: Any = None,
        resources: Any = None,
        affinity: Any = None,
        runtime_class_name: str | None = None,
        node_selector: Mapping[str, str] | None = None,
        node_selectors: Mapping[str, str] | None = None,
        image_pull_secrets: Sequence[Any] | str | None = None,
        service_account_name: str | None = None,
        automount_service_account_token: bool | None = None,
        hostnetwork: bool = False,
        host_aliases: Iterable[Any] | None = None,
        tolerations: Iterable[Any] | None = None,
        security_context: Any = None,
        container_security_context: Any = None,
        xcom_sidecar_container_security_context: Any = None,
        dnspolicy: str | None = None,
        dns_config: Any = None,
        hostname: str | None = None,
        subdomain: str | None = None,
        schedulername: str | None = None,
        full_pod_spec: Any = None,
        init_containers: Iterable[Any] | None = None,
        log_events_on_failure: bool = False,
        log_events_on_startup: bool = True,
        do_xcom_push: bool = False,
        xcom_push: bool | None = None,
        pod_template_file: str | os.PathLike[str] | None = None,
        pod_template_dict: Mapping[str, Any] | None = None,
        priority_class_name: str | None = None,
        pod_runtime_info_envs: Iterable[Any] | None = None,
        termination_grace_period: int | None = None,
        configmaps: Sequence[str] | None = None,
        poll_interval: float | None = None,
        log_pod_spec_on_failure: bool = True,
        on_finish_action: Any = "delete_pod",
        on_kill_action: Any = "delete_pod",
        is_delete_operator_pod: bool | None = None,
        termination_message_policy: str = "File",
        active_deadline_seconds: int | None = None,
        callbacks: Any = None,
        progress_callback: Callable[[str], None] | None = None,
        logging_interval: int | None = None,
        trigger_kwargs: Mapping[str, Any] | None = None,
        container_name_log_prefix_enabled: bool = True,
        log_formatter: Callable[[str, str], str] | None = None,
        backoff_limit: int | None = None,
        ttl_seconds_after_finished: int | None = None,
        parallelism: int | None = None,
        completions: int | None = None,
        delete_policy: _policy.JobRunnerDeletePolicy | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(delete_policy=delete_policy, **kwargs)
        with self.names_task():
            if delete_policy is None:
                self.delete_policy = _delete_policy(is_delete_operator_pod, on_finish_action)
            self.keep_on_kill = _keeps(on_kill_action)
        # Of BaseOperator, whose own default is another.
        self.do_xcom_push = do_xcom_push if xcom_push is None else xcom_push
        self.image = image
        self.name = name
        self.random_name_suffix = random_name_suffix
        self.cmds = cmds
        self.arguments = arguments
        self.ports = _kept(ports)
        self.volume_mounts = _kept(volume_mounts)
        self.volumes = _kept(volumes)
        self.env_vars = env_vars
        self.env_from = _kept(env_from)
        self.secrets = _kept(secrets)
        self.labels = labels
        self.durable = durable if durable is not None else reattach_on_restart
        self.reattach_on_restart = self.durable
        self.startup_timeout_seconds = startup_timeout_seconds
        self.schedule_timeout_seconds = schedule_timeout_seconds
        # The class attribute may be a subclass's.
        self.base_container_name = base_container_name or self.BASE_CONTAINER_NAME
        self.init_container_logs = _kept(init_container_logs)
        self.container_logs = _kept(container_logs)
        self.image_pull_policy = image_pull_policy
        self.annotations = annotations
        self.container_resources = container_resources or resources
        self.affinity = affinity
        self.runtime_class_name = runtime_class_name
        self.node_selector = node_selector or node_selectors
        self.image_pull_secrets = image_pull_secrets
        self.service_account_name = service_account_name
        self.automount_service_account_token = automount_service_account_token
        self.hostnetwork = hostnetwork
        self.host_aliases = _kept(host_aliases)
        self.tolerations = _kept(tolerations)
        self.security_context = security_context
        self.container_security_context = container_security_context
        self.xcom_sidecar_container_security_context = xcom_sidecar_container_security_context
        self.dnspolicy = dnspolicy
        self.dns_config = dns_config
        self.hostname = hostname
        self.subdomain = subdomain
        self.schedulername = schedulername
        self.full_pod_spec = full_pod_spec
        self.init_containers = _kept(init_containers)
        # What these ask for kjo does anyway, but for the whole pod in an error, which may show
        # what is secret.
        self.log_events_on_failure = log_events_on_failure
        self.log_events_on_startup = log_events_on_startup
        self.log_pod_spec_on_failure = log_pod_spec_on_failure
        self.pod_template_file = (
            os.fspath(pod_template_file)
            if isinstance(pod_template_file, os.PathLike)
            else pod_template_file
        )
        self.pod_template_dict = pod_template_dict
        self.priority_class_name = priority_class_name
        self.pod_runtime_info_envs = _kept(pod_runtime_info_envs)
        self.termination_grace_period = termination_grace_period
        self.configmaps = configmaps
        self.on_finish_action = on_finish_action
        self.on_kill_action = on_kill_action
        self.is_delete_operator_pod = is_delete_operator_pod
        self.termination_message_policy = termination_message_policy
        self.active_deadline_seconds = active_deadline_seconds
        self.container_name_log_prefix_enabled = container_name_log_prefix_enabled
        self.log_formatter = log_formatter
        self.backoff_limit = backoff_limit
        self.ttl_seconds_after_finished = ttl_seconds_after_finished
        self.parallelism = parallelism
        self.completions = completions
        self.not_applied += [
            name
            for name, value in {
                "startup_check_interval_seconds": startup_check_interval_seconds,
                "base_container_status_polling_interval": base_container_status_polling_interval,
                "poll_interval": poll_interval,
                "logging_interval": logging_interval,
                "trigger_kwargs": trigger_kwargs,
                "callbacks": callbacks,
                "progress_callback": progress_callback,
                "random_name_suffix": None if random_name_suffix else False,
            }.items()
            if value is not None
        ]
        if self.durable is False:
            self.adopt = "never"
        if self.do_xcom_push and self.xcom is None:
            self.xcom = "sidecar"
        self._pod: Plain = {"spec": {}}
        self._one_pod = True

    def before_rendering(self) -> None:
        """Make plain data of model objects, which have no template fields of their own."""
        for field in ("volumes", "volume_mounts", "env_from", "container_resources", "env_vars"):
            setattr(self, field, plain(getattr(self, field)))
        if isinstance(self.env_vars, Mapping):
            # The names may be templates as well as the values.
            self.env_vars = [{"name": k, "value": v} for k, v in self.env_vars.items()]

    def never_called(self) -> list[str]:
        """Return the names of KubernetesPodOperator's methods that a subclass has overridden in vain."""
        return [name for name in _OF_THE_OTHER if callable(getattr(self, name, None))]

    def build_documents(self, context: _compat.Context) -> list[Plain]:
        """Return the Job's manifest: the rendered parameters, over ``job_yaml`` where it is given."""
        found = self.given_documents()
        job = the_job(found)
        spec = part(job, "spec")
        self._pod = pod = self.build_pod(part(spec, "template"))
        metadata = part(job, "metadata")
        of_pod = pod["metadata"]
        name = self.name or metadata.get("name") or of_pod.pop("name", None) or self.task_id
        namespace = metadata.get("namespace") or of_pod.pop("namespace", None)
        for key in ("name", "namespace", "generateName"):
            of_pod.pop(key, None)
            metadata.pop(key, None)
        metadata["name"] = job_name(str(name))
        if namespace:
            # The parameter's wins, as all do.
            metadata["namespace"] = self.namespace or namespace
        for key in ("labels", "annotations"):
            if of_pod.get(key):
                part(metadata, key).update(of_pod[key])
        knobs = {
            "backoffLimit": self.backoff_limit,
            "ttlSecondsAfterFinished": self.ttl_seconds_after_finished,
            "parallelism": self.parallelism,
            "completions": self.completions,
        }
        spec.update({key: value for key, value in knobs.items() if value is not None})
        if spec.get("backoffLimit") is None and spec.get("backoffLimitPerIndex") is None:
            spec["backoffLimit"] = 0
        self._one_pod = all(spec.get(key) in (None, 1) for key in ("parallelism", "completions"))
        spec["template"] = {key: pod[key] for key in ("metadata", "spec") if pod.get(key)}
        self._warn_of_unknown()
        return found

    def build_pod(self, template: Plain | None = None) -> Plain:
        """Return the pod of the parameters, laid over a template: ``metadata`` and ``spec``."""
        names = (name for name in _pod.Parts.__dataclass_fields__ if name != "templates")
        parts: dict[str, Any] = {name: getattr(self, name) for name in names}
        return _pod.build(_pod.Parts(**parts, templates=[template or {}, *self._templates()]))

    def _templates(self) -> list[Any]:
        templates: list[Any] = []
        if file := self.pod_template_file:
            text, what = file, "pod_template_file"
            if "\n" not in file:
                try:
                    text, what = read_file(file, self.get_template_env()), file
                except OSError as error:
                    raise OSError(f"pod_template_file: {error}") from error
            templates += self.load(text, what)
        elif self.pod_template_dict:
            templates.append(self.pod_template_dict)
        if self.full_pod_spec:
            templates.append(self.full_pod_spec)
        return templates

    def kjo_arguments(self) -> list[str]:
        """Return the arguments of ``kjo run``."""
        arguments = super().kjo_arguments()
        startup = _duration("startup_timeout_seconds", self.startup_timeout_seconds)
        if schedule := _duration("schedule_timeout_seconds", self.schedule_timeout_seconds) or startup:
            arguments += ["--schedule-timeout", schedule]
        if startup:
            arguments += ["--startup-timeout", startup]
        containers = self._names("containers")
        if len(containers) + len(self._names("initContainers")) > 1:
            arguments += ["--main-container", self.base_container_name]
        arguments += self._shown()
        if self.log_formatter_of_lines() is not None:
            arguments += ["--prefix", "always"]
        elif not self.container_name_log_prefix_enabled:
            arguments += ["--prefix", "never"]
        return arguments

    def sidecar_members(self) -> Plain:
        """Return the parameter ``xcom_sidecar_container_security_context``, also where it is empty."""
        given = self.xcom_sidecar_container_security_context
        if given is None:
            return {}
        name = "xcom_sidecar_container_security_context"
        return {"securityContext": camel(mapping(name, given))}

    def log_formatter_of_lines(self) -> Callable[[str, str], str] | None:
        """Return the parameter ``log_formatter``, or what tells the containers of one pod apart."""
        if self.log_formatter is not None or not self.container_name_log_prefix_enabled:
            return self.log_formatter
        names = self._shown()[1::2] or [*self._names("containers"), *self._names("initContainers")]
        if self._one_pod and self.shows_logs() and len(names) > 1:
            # The pod's name, which is long, would tell nothing.
            return "[{}] {}".format
        return None

    def shows_logs(self) -> bool:
        """Return whether any container's log becomes the task's."""
        return bool(self.get_logs) and self._chosen_names() != []

    def _shown(self) -> list[str]:
        """Return the flags for the containers whose logs are shown."""
        chosen = self._chosen_names() if self.get_logs else None
        return [word for name in chosen or () for word in ("-c", name)]

    def _chosen_names(self) -> list[str] | None:
        """Return the names of the containers whose logs are shown; None where these are all."""
        if self.container_logs is None and self.init_container_logs is None:
            return None
        containers, inits = self._names("containers"), self._names("initContainers")
        shown = _chosen(self.container_logs, containers, [self.base_container_name])
        shown += _chosen(self.init_container_logs, inits, [])
        there = {*containers, *inits}
        return None if there and set(shown) >= there else [n for n in dict.fromkeys(shown) if n in there]

    def _warn_of_unknown(self) -> None:
        for name, value, kind in (
            ("container_logs", self.container_logs, "containers"),
            ("init_container_logs", self.init_container_logs, "initContainers"),
        ):
            there = self._names(kind)
            if unknown := [n for n in _chosen(value, [], []) if n not in there]:
                self.log.warning(
                    "%s: the pod has no such container: %s (it has %s)",
                    name,
                    ", ".join(unknown),
                    ", ".join(there) or "none",
                )

    def _names(self, kind: str) -> list[str]:
        return [str(container.get("name")) for container in self._pod["spec"].get(kind) or []]


def _duration(name: str, value: Any) -> str | None:
    """Return a number of seconds as kjo takes it; None for none at all, and for 0."""
    number = seconds(name, value) if value is not None else 0
    return f"{number:.3f}".rstrip("0").rstrip(".") + "s" if number else None


def _chosen(value: Any, every: list[str], default: list[str]) -> list[str]:
    if value is True:
        return list(every)
    if value is None:
        return list(default)
    if value is False:
        return []
    return [value] if isinstance(value, str) else [str(name) for name in value]


def _kept(value: Any) -> Any:
    """Return an iterator's items as a list: a task may be rendered, and run, more than once."""
    if value is None or isinstance(value, str | Mapping | Sequence | Collection):
        return value
    return list(value) if isinstance(value, Iterable) and hasattr(value, "__next__") else value


def _keeps(on_kill_action: Any) -> bool:
    action = str(getattr(on_kill_action, "value", on_kill_action))
    if action not in ("delete_pod", "keep_pod"):
        raise ValueError(f"on_kill_action must be delete_pod or keep_pod, not {on_kill_action!r}")
    return action == "keep_pod"


def _delete_policy(
    is_delete_operator_pod: bool | None, on_finish_action: Any
) -> _policy.JobRunnerDeletePolicy:
    if is_delete_operator_pod is None:
        return _policy.on_finish(on_finish_action)
    always, never = _policy.JobRunnerDeletePolicy.Always, _policy.JobRunnerDeletePolicy.Never
    return always if is_delete_operator_pod else never
