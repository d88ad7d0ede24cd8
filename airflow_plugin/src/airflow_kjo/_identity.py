"""Who a run is: its run id, and the labels that Airflow's dashboards filter by. No Airflow import."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import md5
from urllib.parse import quote, urlsplit

_LONGEST_LABEL = 63
_HASH = 9


@dataclass(frozen=True)
class TaskIdentity:
    """A task instance and the generation of its run.

    ``generation`` is 0 until somebody clears the task and another number after each time; a retry
    does not change it. ``deployment`` tells apart the Airflows that share a namespace.
    """

    deployment: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    generation: int
    try_number: int
    max_tries: int

    @property
    def kjo_run_id(self) -> str:
        """Return the ``--run-id``: the same for every try of a generation, on every worker."""
        return self.of_generation(self.generation)

    @property
    def former(self) -> list[str]:
        """Return the run ids that former generations may have had, the latest first.

        A generation has the number of the try after which the task was cleared, so that not every
        number is one. There are none to ask for but in a generation's first try.
        """
        if self.generation <= 0 or self.try_number != self.generation + 1:
            return []
        numbers = range(self.generation - 1, -1, -1)
        return [self.of_generation(number) for number in numbers[:_MOST_FORMER]]

    @property
    def try_left(self) -> bool:
        """Whether Airflow will try again if this try fails."""
        return self.try_number <= self.max_tries

    def of_generation(self, generation: int) -> str:
        """Return the ``--run-id`` of a generation."""
        parts = (self.deployment, self.dag_id, self.task_id, self.run_id)
        names = "/".join(quote(part, safe=" :+@,=") for part in parts)
        whole = f"{names}/{self.map_index}/{generation}"
        if len(whole) <= _LONGEST_RUN_ID:
            return whole
        # Airflow's own ids may have 250 characters each, which quoting may triple.
        return f"{whole[: _LONGEST_RUN_ID - 33]}-{_hex(whole)}"

    def labels(self, airflow_version: str) -> dict[str, str]:
        """Return the labels for the Job and its pods, those of KubernetesPodOperator.

        All but ``kubernetes_pod_operator``: by that one the other operator finds pods of its own.
        """
        labels = {
            "dag_id": self.dag_id,
            "task_id": self.task_id,
            "run_id": self.run_id,
            "try_number": str(self.try_number),
        }
        if self.map_index >= 0:
            labels["map_index"] = str(self.map_index)
        safe = {name: safe_label(value) for name, value in labels.items()}
        return {**safe, "airflow_version": airflow_version.replace("+", "-")}


_LONGEST_RUN_ID = 1000
_MOST_FORMER = 10


def safe_label(value: str) -> str:
    """Make a label's value of any text, the way KubernetesPodOperator does: filters rely on it."""
    safe = re.sub(r"^[^a-z0-9A-Z]*|[^a-zA-Z0-9_\-\.]|[^a-z0-9A-Z]*$", "", value)
    if len(safe) > _LONGEST_LABEL or safe != value:
        safe = safe[: _LONGEST_LABEL - _HASH - 1] + "-" + _hex(value)[:_HASH]
    return safe


def deployment(configured: str | None, base_url: str | None) -> tuple[str, str | None]:
    """Return the deployment's id, and what there is to warn of.

    :param configured: the option ``[kjo] deployment_id``.
    :param base_url: the configured address of the web interface.
    """
    if configured:
        return configured, None
    host = urlsplit(base_url or "").hostname
    if base_url and host not in (None, "localhost", "127.0.0.1", "::1", "0.0.0.0"):  # noqa: S104
        return base_url.rstrip("/"), None
    return base_url or "airflow", (
        "Neither [kjo] deployment_id is set nor a public base_url: another Airflow that has the same "
        "DAG and runs its Jobs in the same namespace could be given this task's Job. Set "
        "[kjo] deployment_id to a name of this Airflow (AIRFLOW__KJO__DEPLOYMENT_ID)."
    )


def _hex(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
