"""What the operators raise: ``AirflowException``s all, one class for each outcome.

A task is retried after each but :class:`KjoRefusedError`; a ``retry_policy`` may tell them apart.
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


class KjoJobFailedError(KjoError):
    """A container of the Job ended with the code ``exit_code``."""


class KjoDeadlineError(KjoError):
    """The Job ran out of time."""


class KjoStartError(KjoError):
    """Nothing ran, and trying again may help: image, node, quota, API server."""


class KjoInfrastructureError(KjoError):
    """The Job was lost and there is no exit code: evicted, node lost, collected."""


class KjoDeletedError(KjoInfrastructureError):
    """Somebody deleted the Job, its pod or its namespace."""


class KjoUnknownError(KjoError):
    """It is not known how the Job ended; it may still run."""


class KjoInterruptedError(KjoError):
    """The run was stopped, and its Job deleted."""


class KjoDetachedError(KjoError):
    """The run was stopped and its Job left running; the task's next try adopts it."""


class KjoLogGapError(KjoError):
    """The Job succeeded, but its log is known to be incomplete (``--fail-on-log-gap``)."""


class KjoXComError(KjoError):
    """The Job succeeded, but the value that it hands on is cut or cannot be read."""


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


_BY_OUTCOME: dict[str, type[KjoError]] = {
    "succeeded": KjoLogGapError,
    "failed": KjoJobFailedError,
    "deadline": KjoDeadlineError,
    "start_failed": KjoStartError,
    "infrastructure": KjoInfrastructureError,
    "deleted": KjoDeletedError,
    "unknown": KjoUnknownError,
    "interrupted": KjoInterruptedError,
    "detached": KjoDetachedError,
}


def from_outcome(outcome: Outcome) -> KjoError:
    """Return the exception for an outcome that is not a success."""
    kind = KjoRefusedError if outcome.refused else _BY_OUTCOME.get(outcome.outcome, KjoError)
    return kind(str(outcome), exit_code=outcome.exit_code, outcome=outcome.outcome, job=outcome.job)
