"""What the operators raise: ``AirflowException``s all.

A task is retried after each but :class:`KjoRefusedError`.
"""

from __future__ import annotations

from typing import Any

from airflow_kjo._compat import AirflowException, AirflowFailException
from airflow_kjo._outcome import REFUSED, Outcome


class KjoError(AirflowException):
    """The Job did not succeed.

    ``exit_code`` is kjo's exit code (the container's where the Job failed by a container),
    ``outcome`` the word of its result file (``failed``, ``deadline``, ``start_failed``,
    ``infrastructure``, ``deleted``, ``unknown``, ``interrupted``, ``detached``, ``refused``), and
    ``job`` what it says of the Job (``name``, ``namespace``, ``uid``; empty if there was none).
    """

    def __init__(
        self,
        message: str,
        *,
        exit_code: int | None = None,
        outcome: str | None = None,
        job: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.outcome = outcome
        self.job = job or {}


class KjoRefusedError(KjoError, AirflowFailException):
    """It would fail the same way again, so that the task fails without a further try."""

    def __init__(
        self,
        message: str,
        *,
        exit_code: int | None = REFUSED,
        outcome: str | None = "refused",
        job: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, exit_code=exit_code, outcome=outcome, job=job)


def from_outcome(outcome: Outcome) -> KjoError:
    """Return the exception for an outcome that is not a success."""
    kind = KjoRefusedError if outcome.refused else KjoError
    return kind(str(outcome), exit_code=outcome.exit_code, outcome=outcome.outcome, job=outcome.job)
