from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from airflow_kjo import exceptions
from airflow_kjo._compat import AirflowException, AirflowFailException
from airflow_kjo._outcome import read
from airflow_kjo.exceptions import KjoError, KjoRefusedError, from_outcome


def outcome_of(tmp_path: Path, code: int, result: dict[str, Any] | str | None = None) -> Any:
    path = tmp_path / "result.json"
    if result is not None:
        path.write_text(result if isinstance(result, str) else json.dumps(result))
    return read(code, path)


@pytest.mark.parametrize(
    ("code", "outcome", "text"),
    [
        (1, "failed", "kjo: the Job failed: container exit code 1"),
        (3, "failed", "kjo: the Job failed: container exit code 3"),
        (137, "failed", "kjo: the Job failed: container exit code 137"),
        (255, "failed", "kjo: the Job failed: container exit code 255"),
        (120, "succeeded", "its log is known to be incomplete: exit code 120"),
        (121, "unknown", "not known how the Job ended: exit code 121"),
        (122, "start_failed", "nothing ran, and trying again may help: exit code 122"),
        (123, "infrastructure", "the Job was lost, without an exit code to pass on: exit code 123"),
        (124, "deadline", "the Job ran out of time: exit code 124"),
        (125, "refused", "refused, and would be refused again: exit code 125"),
        (130, "interrupted", "stopped by a signal: exit code 130"),
        (143, "interrupted", "stopped by a signal: exit code 143"),
    ],
)
def test_every_code_of_the_contract(tmp_path: Path, code: int, outcome: str, text: str) -> None:
    for result in (None, {"outcome": outcome, "exit_code": code, "job": {"name": "j"}}):
        got = outcome_of(tmp_path, code, result)
        error = from_outcome(got)
        assert not got.success
        assert text in str(error)
        assert (error.exit_code, error.outcome) == (code, outcome)
        assert isinstance(error, AirflowException)
        assert isinstance(error, AirflowFailException) == (code == 125)
        assert error.job == ({"name": "j"} if result else {})


def test_only_the_code_makes_a_success(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, 0).success
    assert outcome_of(tmp_path, 0, {"outcome": "failed"}).success
    assert not outcome_of(tmp_path, 1, {"outcome": "succeeded", "exit_code": 0}).success


@pytest.mark.parametrize("code", [122, 124, 125, 143])
def test_a_container_may_end_with_a_code_of_kjos(tmp_path: Path, code: int) -> None:
    got = outcome_of(tmp_path, code, {"outcome": "failed", "container_exit_code": code})
    assert str(got) == f"kjo: the Job failed: container exit code {code}"
    assert type(from_outcome(got)) is exceptions.KjoJobFailedError


def test_the_details_of_the_result_are_told(tmp_path: Path) -> None:
    result = {"outcome": "failed", "reason": "OOMKilled"}
    expected = "kjo: the Job failed: container exit code 137 (OOMKilled)"
    assert str(outcome_of(tmp_path, 137, result)) == expected
    result["message"] = "container base was OOMKilled"
    expected = "kjo: the Job failed: container exit code 137 (container base was OOMKilled)"
    assert str(outcome_of(tmp_path, 137, result)) == expected


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("succeeded", "KjoLogGapError"),
        ("failed", "KjoJobFailedError"),
        ("deadline", "KjoDeadlineError"),
        ("start_failed", "KjoStartError"),
        ("infrastructure", "KjoInfrastructureError"),
        ("deleted", "KjoDeletedError"),
        ("unknown", "KjoUnknownError"),
        ("interrupted", "KjoInterruptedError"),
        ("detached", "KjoDetachedError"),
        ("of a later version", "KjoError"),
    ],
)
def test_every_outcome_has_a_class(tmp_path: Path, outcome: str, kind: str) -> None:
    got = outcome_of(tmp_path, 121, {"outcome": outcome, "message": "why", "hint": "do"})
    error = from_outcome(got)
    assert type(error) is getattr(exceptions, kind)
    assert str(error).endswith("(why)\nhint: do")


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', '{"outcome": 5, "job": []}'])
def test_a_broken_result_file_takes_only_details_away(tmp_path: Path, content: str) -> None:
    got = outcome_of(tmp_path, 3, content)
    assert (got.exit_code, got.outcome, got.job) == (3, "failed", {})
    assert str(got).startswith("kjo: the Job failed: container exit code 3")


def test_the_program_itself_was_killed(tmp_path: Path) -> None:
    # Its last word was that the Job was there.
    got = outcome_of(tmp_path, -9, {"outcome": None, "job": {"name": "j"}})
    assert (got.exit_code, got.outcome, got.job) == (137, "unknown", {"name": "j"})
    assert str(got) == "kjo: the program itself was ended by signal 9 (SIGKILL)"


@pytest.mark.parametrize("kind", [KjoError, KjoRefusedError])
def test_exceptions_survive_pickling(kind: type[KjoError]) -> None:
    error = pickle.loads(pickle.dumps(kind("m", exit_code=7, outcome="failed", job={"name": "j"})))  # noqa: S301
    assert (str(error), error.exit_code, error.outcome, error.job) == (
        "m",
        7,
        "failed",
        {"name": "j"},
    )
