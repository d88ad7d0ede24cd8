"""What a signal to the task means for its Job."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator, _compat, _stop
from airflow_kjo.exceptions import KjoDetachedError, KjoError, KjoInterruptedError
from conftest import FakeKjo, FakeTaskInstance, run

JOB = "kind: Job\nmetadata: {name: j}\n"

Make = Callable[..., FakeKjo]

SIGNALLED = (
    "def clean_up(*_):\n"
    "    say('deleting job'); time.sleep(0.2); say('job deleted')\n"
    "    result(outcome='interrupted'); sys.exit(143)\n"
    "def detach(*_):\n"
    "    result(outcome='detached'); sys.exit(121)\n"
    "signal.signal(signal.SIGTERM, clean_up)\n"
    "signal.signal(signal.SIGUSR1, detach)\n"
    f"os.kill({os.getpid()}, signal.SIGTERM)\n"
    "while True: signal.pause()\n"
)


class TaskTimeout(BaseException):
    """As AirflowTaskTimeout is: no Exception."""


@pytest.fixture
def airflow_says(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[Any]]:
    """Set the answer to the question for the state of the task; note who is asked about."""
    asked: list[Any] = []

    def set_answer(answer: Any) -> list[Any]:
        def state(*who: Any) -> Any:
            asked.append(who)
            if isinstance(answer, Exception):
                raise answer
            return answer() if callable(answer) else answer

        monkeypatch.setattr(_compat, "task_state", state)
        return asked

    return set_answer


@pytest.fixture
def signalled() -> Any:
    """Run an operator as a task runner does: SIGTERM calls on_kill, and then goes on or raises."""

    def do(operator: Any, ti: FakeTaskInstance, after: BaseException | None = None) -> Any:
        def handler(*_: Any) -> None:
            operator.on_kill()
            if after is not None:
                raise after

        before = signal.signal(signal.SIGTERM, handler)
        try:
            return run(operator, ti)
        finally:
            signal.signal(signal.SIGTERM, before)

    return do


class Terminated(BaseException):
    """As AirflowTaskTerminated of Airflow 2 is."""


def test_a_kill_before_the_start_starts_nothing(fake_kjo: Make) -> None:
    fake = fake_kjo()
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB)
    operator.on_kill()
    operator.on_kill()
    with pytest.raises(KjoInterruptedError, match="killed before the Job was made") as caught:
        run(operator)
    assert (caught.value.exit_code, caught.value.outcome) == (143, "interrupted")
    assert not fake.called


@pytest.mark.parametrize(
    ("answer", "max_tries", "shutdown", "deletes"),
    [
        ("failed", 1, "auto", True),
        ("success", 1, "detach", True),
        ("skipped", 1, "auto", True),
        ("removed", 1, "auto", True),
        ("restarting", 1, "auto", True),
        (None, 1, "auto", True),
        ("running", 1, "auto", False),
        ("running", 0, "auto", True),
        ("running", 1, "delete", True),
        ("running", 0, "detach", False),
        ("up_for_retry", 1, "auto", False),
        (OSError("gone"), 1, "auto", False),
        (OSError("gone"), 0, "auto", True),
        (OSError("gone"), 0, "detach", False),
    ],
)
@pytest.mark.parametrize("airflow", ["2", "3"])
def test_who_sent_the_signal_decides(
    fake_kjo: Make,
    task_log: list[str],
    airflow_says: Any,
    signalled: Any,
    answer: Any,
    max_tries: int,
    shutdown: Any,
    deletes: bool,
    airflow: str,
) -> None:
    fake_kjo(SIGNALLED)
    asked = airflow_says(answer)
    operator = KubernetesJobOperator(
        task_id="t", job_yaml=JOB, on_worker_shutdown=shutdown, retries=max_tries
    )
    ti = FakeTaskInstance(max_tries=max_tries)
    # Airflow 3's handler returns into the task, that of Airflow 2 raises there.
    after = Terminated() if airflow == "2" else None
    expected = (KjoInterruptedError if deletes else KjoDetachedError) if airflow == "3" else Terminated
    with pytest.raises(expected):
        signalled(operator, ti, after)
    assert asked == [("d", "manual__1", "t", -1)]
    assert ("deleting job" in task_log) == deletes
    assert ("job deleted" in task_log) == deletes
    assert len([line for line in task_log if line.startswith("Asked to end.")]) == 1
    operator.on_kill()


def test_a_silent_airflow_is_not_waited_for(
    fake_kjo: Make, airflow_says: Any, signalled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    fake_kjo(SIGNALLED)
    airflow_says(answered.wait)
    monkeypatch.setattr(_stop, "ANSWER_WITHIN", 0.05)
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB)
    try:
        with pytest.raises(KjoInterruptedError):
            signalled(operator, FakeTaskInstance())
    finally:
        answered.set()


def test_a_time_out_of_the_task_deletes_and_asks_nobody(
    fake_kjo: Make, task_log: list[str], airflow_says: Any
) -> None:
    asked = airflow_says("running")
    fake_kjo(SIGNALLED.replace("SIGTERM)\nwhile", "SIGALRM)\nwhile"))
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB, retries=1)

    def time_out(*_: Any) -> None:
        raise TaskTimeout

    before = signal.signal(signal.SIGALRM, time_out)
    try:
        with pytest.raises(TaskTimeout):
            run(operator, FakeTaskInstance(max_tries=1))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert task_log[-2:] == ["deleting job", "job deleted"]
    assert asked == []


def test_only_a_supervisor_at_descriptor_0_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    saved = os.dup(0)
    with ours, theirs:
        try:
            os.dup2(ours.fileno(), 0)
            orphaned = _stop.supervised()
            assert not orphaned()
            monkeypatch.setattr(os, "getppid", lambda: 1)
            assert orphaned()
        finally:
            os.dup2(saved, 0)
            os.close(saved)
    assert not _stop.supervised()()


def test_keep_pod_leaves_the_job_whoever_kills(
    fake_kjo: Make, airflow_says: Any, signalled: Any
) -> None:
    fake_kjo(SIGNALLED)
    airflow_says("failed")
    operator = KubernetesLegacyJobOperator(task_id="t", image="i", on_kill_action="keep_pod")
    with pytest.raises(KjoDetachedError):
        signalled(operator, FakeTaskInstance())


def test_the_first_try_after_a_clear_deletes_the_former_job(fake_kjo: Make) -> None:
    fake = fake_kjo(
        "pathlib.Path(__file__).with_name('log').open('a').write(repr(sys.argv[1:]) + '\\n')"
    )
    calls = fake.path.with_name("log")
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB, namespace="ns", retries=1)
    # Cleared after its second try.
    run(operator, FakeTaskInstance(try_number=3, max_tries=3))
    deleted, also_deleted, ran = (eval(line) for line in calls.read_text().splitlines())  # noqa: S307
    tail = ["-n", "ns", "--message-format", "json"]
    assert deleted == ["delete", "--run-id", "site/d/t/manual__1/-1/1", *tail]
    assert also_deleted == ["delete", "--run-id", "site/d/t/manual__1/-1/0", *tail]
    assert ran[ran.index("--run-id") + 1] == "site/d/t/manual__1/-1/2"
    # Its retry has nothing more to delete.
    calls.unlink()
    run(operator, FakeTaskInstance(try_number=4, max_tries=3))
    (again,) = calls.read_text().splitlines()
    assert eval(again)[0] == "run"  # noqa: S307


def test_nothing_starts_while_the_former_job_may_run(fake_kjo: Make) -> None:
    fake_kjo("sys.exit(121 if sys.argv[1] == 'delete' else 0)")
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB)
    with pytest.raises(KjoError, match="could not be deleted: exit code 121"):
        run(operator, FakeTaskInstance(try_number=2, max_tries=1))


def test_who_may_not_delete_is_told(fake_kjo: Make, task_log: list[str]) -> None:
    fake_kjo("sys.exit(125 if sys.argv[1] == 'delete' else 0)")
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB)
    run(operator, FakeTaskInstance(try_number=2, max_tries=1))
    assert any(line.startswith("WARNING Whether a Job") for line in task_log)
