"""The link from a task to its Job in whatever shows the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_kjo import _compat

XCOM_KEY = "job_url"


def url(template: str, namespace: str, name: str) -> str:
    """Return the address of a Job: the option ``[kjo] job_url`` with its place and name filled in."""
    return template.replace("{namespace}", namespace).replace("{name}", name)


class KjoJobLink(_compat.BaseOperatorLink):
    """A link "Kubernetes Job", where ``[kjo] job_url`` is set."""

    if TYPE_CHECKING:
        name: str
    else:
        name = "Kubernetes Job"

    @property
    def xcom_key(self) -> str:
        """The key of the address: Airflow 3 reads it itself, also while the task runs."""
        return XCOM_KEY

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address that the task has pushed; nothing where it has not."""
        return _compat.xcom_value(XCOM_KEY, ti_key) or ""
