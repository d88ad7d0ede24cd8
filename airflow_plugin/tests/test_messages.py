"""At which level, and in which records, what kjo and the containers say is logged."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_kjo._messages import Messages, Output, opens, without_place


class Log:
    """Gathers what is logged, with its level."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda text, *args: self.records.append((level, text % args))


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("loading", "info"),
        ("ERROR: no such table", "error"),
        ("  [ERROR] no such table", "error"),
        ("FATAL no such table", "error"),
        ("error: no such table", "error"),
        ("[warn]: slow", "warning"),
        ("WARNING - slow", "warning"),
        ("[pod-1 base] WARNING - slow", "warning"),
        ("[pod-1 base] fine", "info"),
        # A sentence that begins with such a word, and what would be lost at the usual level.
        ("Errors: 0", "info"),
        ("error handling is set up", "info"),
        ("ERRORS 5", "info"),
        ("DEBUG: details", "info"),
        ("", "info"),
    ],
)
def test_a_line_is_logged_at_its_own_level(line: str, level: str) -> None:
    log = Log()
    Output(log)([line])
    assert log.records == [(level, line)]


def test_lines_of_a_level_stay_together_and_what_folds_stands_alone() -> None:
    log = Log()
    Output(log)(["a", "b", "ERROR: c", "::group::d", "::endgroup::", "e"])
    assert log.records == [
        ("info", "a\nb"),
        ("error", "ERROR: c"),
        ("info", "::group::d"),
        ("info", "::endgroup::"),
        ("info", "e"),
    ]


def test_a_formatter_sees_the_container_and_the_line() -> None:
    log = Log()
    Output(log, lambda container, line: f"{container}> {line}")(["[pod-1 base] ERROR: x", "odd"])
    assert log.records == [("error", "base> ERROR: x"), ("info", "odd")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"event": "created", "message": "m"}', True),
        ('{"event": "finished", "message": "m"}', False),
        ("kjo: plain words", False),
        ("[]", False),
    ],
)
def test_what_comes_before_all_output(line: str, expected: bool) -> None:
    assert opens(line) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'error: stdin, line 1, column 7: unknown field "x"\n    {"x": 1}\n     ^',
            'error: unknown field "x"',
        ),
        (
            "job.yaml, line 1, column 7: bad\n    a\n    ^",
            "job.yaml, line 1, column 7: bad\n    a\n    ^",
        ),
        ("the Job failed", "the Job failed"),
    ],
)
def test_a_place_in_what_the_operator_wrote_is_left_out(text: str, expected: str) -> None:
    assert without_place(text) == expected


def test_messages_have_their_own_level_and_no_second_word_for_it() -> None:
    log = Log()
    Messages(log, lambda _: None)(
        [
            '{"level": "error", "message": "error: no", "hint": "mend it"}',
            '{"level": "info", "message": "m"}',
        ]
    )
    assert log.records == [("error", "kjo: no"), ("error", "kjo: hint: mend it"), ("info", "kjo: m")]
