"""The only place that knows Airflow's versions: 3.x has ``airflow.sdk``, 2.11 has not."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("airflow.sdk") is not None:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
else:
    from airflow.configuration import conf
    from airflow.exceptions import AirflowException, AirflowFailException
    from airflow.models import BaseOperator
    from airflow.utils.context import Context

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "BaseOperator",
    "Context",
    "configured_binary",
]


def configured_binary() -> str | None:
    """Return the Airflow option ``[kjo] binary``; None where it is unset or empty."""
    return conf.get("kjo", "binary", fallback=None) or None
