"""What kjo says, as records of the task's log. No Airflow import."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import groupby
from typing import Any, Protocol


class Log(Protocol):
    """What is needed of a task's log."""

    def debug(self, text: str, /, *args: Any) -> Any:
        """Log a detail."""

    def info(self, text: str, /, *args: Any) -> Any:
        """Log what is usual."""

    def warning(self, text: str, /, *args: Any) -> Any:
        """Log what is not."""

    def error(self, text: str, /, *args: Any) -> Any:
        """Log a failure."""


_OPENING = frozenset(
    {
        "target",
        "sandbox",
        "adjusted",
        "server_warning",
        "companion",
        "created",
        "adopted",
        "pod_scheduled",
        "container_started",
    }
)


def opens(line: str) -> bool:
    """Tell whether a line of kjo's standard error is said before there is any output of a container.

    All else is said of what has been printed by then.
    """
    message = _parsed(line)
    return message is not None and message.get("event") in _OPENING


def without_place(text: str) -> str:
    """Return a text of kjo's without a place in its input, and what stands there.

    The operator made it: nobody has seen it.
    """
    shorter, places = _PLACE.subn("", text)
    return _EXCERPT.sub("", shorter) if places else text


_PLACE = re.compile(r"\bstdin, line \d+, column \d+: ")
_EXCERPT = re.compile(r"\n {4}.*")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and "message" in message else None


class Messages:
    """Log each message of ``--message-format json`` at its own level.

    ``last_error`` and ``last_hint`` are those of the last message that is an error.

    :param log: the task's log.
    :param on_event: called with each message, before it is logged.
    """

    def __init__(self, log: Log, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._log = log
        self._on_event = on_event
        self.last_error = ""
        self.last_hint = ""
        self._levels = {
            "debug": log.debug,
            "info": log.info,
            "warning": log.warning,
            "error": log.error,
        }

    def __call__(self, lines: list[str]) -> None:
        """Take lines of kjo's standard error."""
        for line in lines:
            message = _parsed(line)
            if message is None:
                # Arguments that kjo cannot read are refused in plain words; a panic is not JSON.
                said = line.removeprefix("kjo: ")
                if said.startswith("error: "):
                    self.last_error, self.last_hint = said.removeprefix("error: "), ""
                elif said.startswith("hint: "):
                    self.last_hint = said.removeprefix("hint: ")
                self._log.warning("kjo: %s", said)
                continue
            try:
                self._on_event(message)
            finally:
                self._say(message)

    def _say(self, message: dict[str, Any]) -> None:
        say = self._levels.get(str(message.get("level")), self._log.info)
        # The record has a level of its own.
        said = without_place(str(message["message"]).removeprefix("error: "))
        for line in said.splitlines():
            say("kjo: %s", line)
        hint = message.get("hint")
        if message.get("level") == "error":
            self.last_error, self.last_hint = said, str(hint or "")
        if hint:
            say("kjo: hint: %s", hint)


# As KubernetesPodOperator knows a level, but for DEBUG: a line must not be lost to the log's own level.
_LEVEL = re.compile(
    r"\s*(?:\[?(?P<word>WARN|WARNING|ERROR|CRITICAL|FATAL)\b"
    r"|\[?(?P<any>(?i:warn|warning|error|critical|fatal))\]?\s*:)"
)
_PREFIX = re.compile(r"\[\S+ \S+\] ")
_GROUP = ("::group::", "::endgroup::")


def _level(line: str) -> str:
    """Return the level that a container's line begins with, or "group" for what folds others."""
    if prefix := _PREFIX.match(line):
        line = line[prefix.end() :]
    if line.startswith(_GROUP):
        return "group"
    found = _LEVEL.match(line)
    if found is None:
        return "info"
    word = found["word"] or found["any"]
    return "warning" if word.lower().startswith("warn") else "error"


class Output:
    """Log the containers' lines, at the level that a line begins with.

    :param log: the task's log.
    :param formatter: makes of a container's name and a line what is logged, as
        KubernetesPodOperator's ``log_formatter`` does. It needs kjo's ``--prefix always``.
    """

    def __init__(self, log: Log, formatter: Callable[[str, str], str] | None = None) -> None:
        self._say: dict[str, Callable[..., Any]] = {
            "info": log.info,
            "warning": log.warning,
            "error": log.error,
            "group": log.info,
        }
        self._formatter = formatter

    def __call__(self, lines: list[str]) -> None:
        """Take lines of kjo's standard output."""
        for level, group in groupby(lines, _level):
            several = list(group)
            if self._formatter is not None:
                several = [self._formatted(self._formatter, line) for line in several]
            # What folds is known by the beginning of its record.
            records = several if level == "group" else ["\n".join(several)]
            for record in records:
                self._say[level]("%s", record)

    @staticmethod
    def _formatted(formatter: Callable[[str, str], str], line: str) -> str:
        prefix, found, rest = line.partition("] ")
        if not found or not prefix.startswith("["):
            return line
        return formatter(prefix.rpartition(" ")[2], rest)
