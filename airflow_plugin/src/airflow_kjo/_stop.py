"""What a signal to the task means for its Job. No Airflow import.

A SIGTERM says neither who sent it nor why: somebody marked the task in the web interface (then the
Job has to go), or the worker is drained, or Airflow's own API was out of reach for too long (then the
Job shall run on, and the next try adopts it). Airflow itself knows: it is asked for the task's state.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from typing import Literal

Action = Literal["delete", "detach"]

ANSWER_WITHIN = 1.0
"""Seconds for Airflow to answer: five seconds after the signal everything is killed."""

_BY_THE_USER = frozenset(
    {"failed", "success", "skipped", "removed", "restarting", "upstream_failed", None}
)
"""States that only somebody's decision gives to a task that runs. None: it was cleared."""


def supervised() -> Callable[[], bool]:
    """Return what tells whether the supervisor of this process is gone.

    Airflow 3's is at the other end of descriptor 0. When it is killed its runner goes on, unheard, until
    it writes its next line, which may be hours: meanwhile another try runs. Who runs a task in another
    way (``airflow dags test``, a test) may leave it to itself.
    """
    parent = os.getppid()
    try:
        watched = stat.S_ISSOCK(os.fstat(0).st_mode)
    except OSError:
        watched = False
    return lambda: watched and os.getppid() != parent


class NoAnswerError(Exception):
    """Airflow did not say, in time, in which state the task is."""


def ask(question: Callable[[], str | None]) -> str | None:
    """Return the answer to a question that may block.

    :raises NoAnswerError: there was none in time, or an error instead.
    """
    answers: list[str | None] = []
    errors: list[Exception] = []

    def answer() -> None:
        try:
            answers.append(question())
        except Exception as error:  # noqa: BLE001 (whatever it is, there is no answer)
            errors.append(error)

    thread = threading.Thread(target=answer, name="kjo-task-state", daemon=True)
    thread.start()
    thread.join(ANSWER_WITHIN)
    if answers:
        return answers[0]
    if errors:
        # Of a database's complaint the first line says what there is to say.
        raise NoAnswerError((str(errors[0]) or type(errors[0]).__name__).splitlines()[0])
    raise NoAnswerError(f"no answer within {ANSWER_WITHIN:g} s")


def action(
    question: Callable[[], str | None], *, try_left: bool, overridden: Action | None
) -> tuple[Action, str]:
    """Return what to do about a signal, and why, in words.

    :param question: asks Airflow for the state of the task.
    :param try_left: whether Airflow will try again, so that a Job that runs on is adopted.
    :param overridden: what the operator's ``on_worker_shutdown`` says, if anything.
    """
    try:
        state = ask(question)
    except NoAnswerError as error:
        why = f"Airflow does not say in which state the task is ({error})"
    else:
        if state in _BY_THE_USER:
            return "delete", f"the task is {state or 'cleared'} by now: the Job is deleted"
        why = f"the task is {state}: the signal is the worker's"
    if overridden:
        return overridden, f"{why}; on_worker_shutdown={overridden!r}"
    if try_left:
        return "detach", f"{why}: the Job runs on, and the next try adopts it"
    return "delete", f"{why}, and no try is left that could adopt the Job: it is deleted"
