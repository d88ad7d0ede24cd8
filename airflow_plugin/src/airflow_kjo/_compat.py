"""The only place that knows Airflow's versions: 3.x has ``airflow.sdk``, 2.11 has not.

What a DAG file does not need when it is parsed is imported by the functions that need it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or find_spec("airflow.sdk") is not None:
    from airflow.sdk import BaseOperator, BaseOperatorLink, Context
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
    )

    SDK = True
else:
    from airflow.configuration import conf
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
    from airflow.models import BaseOperator
    from airflow.models.baseoperatorlink import BaseOperatorLink
    from airflow.utils.context import Context

    SDK = False

__all__ = [
    "SDK",
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "BaseOperator",
    "BaseOperatorLink",
    "Context",
    "airflow_version",
    "base_url",
    "find_connection",
    "mask_secret",
    "option",
    "pod_mutation_hook",
    "policies",
    "task_state",
    "xcom_value",
]


def option(name: str) -> str | None:
    """Return the Airflow option ``[kjo] name``; None where it is unset or empty."""
    return conf.get("kjo", name, fallback=None) or None


def base_url() -> str | None:
    """Return the address of the site's web interface, as it is configured; None where it is not."""
    section = "api" if SDK else "webserver"
    return conf.get(section, "base_url", fallback=None) or None


def airflow_version() -> str:
    """Return the version of Airflow."""
    from airflow import __version__

    return str(__version__)


def find_connection(conn_id: str) -> Any:
    """Return the connection of this name; None where there is none."""
    if TYPE_CHECKING or SDK:
        from airflow.sdk import BaseHook
        from airflow.sdk.exceptions import AirflowNotFoundException
    else:
        from airflow.exceptions import AirflowNotFoundException
        from airflow.hooks.base import BaseHook
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None


def mask_secret(value: str) -> None:
    """Have Airflow hide a value in its logs and in the rendered templates."""
    if TYPE_CHECKING or SDK:
        from airflow.sdk.log import mask_secret as mask
    else:
        from airflow.utils.log.secrets_masker import mask_secret as mask
    mask(value)


def task_state(dag_id: str, run_id: str, task_id: str, map_index: int) -> str | None:
    """Ask Airflow for the state of a task instance. It may take its time, and raise anything."""
    if TYPE_CHECKING or SDK:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        states = RuntimeTaskInstance.get_task_states(
            dag_id=dag_id, map_index=map_index, task_ids=[task_id], run_ids=[run_id]
        )
        # A mapped one is under the name of the task with its index.
        found = list(states.get(run_id, {}).values())
        if not found:
            # The row is gone: removed by a new version of the DAG, or with the run.
            return "removed"
        return None if found[0] is None else str(getattr(found[0], "value", found[0]))

    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        row = (
            session.query(TaskInstance.state)
            .filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
            .one_or_none()
        )
    return "removed" if row is None else row[0]


def pod_mutation_hook() -> Any:
    """Return the site's ``pod_mutation_hook``; None where the site has none."""
    from airflow import settings

    if not policies().hook.pod_mutation_hook.get_hookimpls():
        return None
    return settings.pod_mutation_hook


def policies() -> Any:
    """Return the manager of the site's policies."""
    from airflow import settings

    if SDK:
        return settings.get_policy_plugin_manager()
    return vars(settings)["POLICY_PLUGIN_MANAGER"]


def xcom_value(key: str, ti_key: Any) -> Any:
    """Return what a task instance has pushed under a key; None where it has not."""
    if TYPE_CHECKING or SDK:
        from airflow.sdk.execution_time.xcom import XCom
    else:
        from airflow.models.xcom import XCom
    return XCom.get_value(key=key, ti_key=ti_key)
