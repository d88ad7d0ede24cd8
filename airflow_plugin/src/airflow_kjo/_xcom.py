"""What a Job hands on to the next task. No Airflow import."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_kjo._outcome import Outcome

RETURN_VALUE = "return_value"


@dataclass(frozen=True)
class KubeApiEvent:
    """A marker line of the Job's log: ``::kube_api:NAME=VALUE``."""

    name: str
    value: str

    @property
    def line(self) -> str:
        """Return the line as it was printed, without white space before it."""
        return f"::kube_api:{self.name}={self.value}"


@dataclass
class Handed:
    """What is to be pushed: ``keys`` one by one, and ``value`` as the task's return value.

    ``errors`` says what was handed on and could not be read, ``faults`` which of the user's callables
    raised what.
    """

    keys: dict[str, Any] = field(default_factory=dict)
    value: Any = None
    errors: list[str] = field(default_factory=list)
    faults: list[tuple[str, Exception]] = field(default_factory=list)
    events: list[KubeApiEvent] = field(default_factory=list)


def handed(outcome: Outcome, parse: Callable[[str], Any] | None = None) -> Handed:
    """Read what the result file says of markers and of the file.

    The file's value is the return value where there is a file. Otherwise it is what the markers
    made under the key ``return_value``, or else all that they made.

    :param parse: makes a dict of the value of an ``xcom`` marker, in place of JSON.
    """
    made = Handed()
    _markers(made, outcome.markers or {}, parse)
    if made.keys:
        made.value = made.keys.get(RETURN_VALUE, dict(made.keys))
    file = outcome.xcom or {}
    if error := file.get("error"):
        made.errors.append(str(error))
    elif file.get("found"):
        made.value = file.get("value")
    return made


def _markers(made: Handed, markers: Mapping[str, Any], parse: Callable[[str], Any] | None) -> None:
    for event in markers.get("events") or []:
        if isinstance(event, Mapping):
            made.events.append(KubeApiEvent(str(event.get("name")), str(event.get("value"))))
    errors = [str(error) for error in markers.get("errors") or []]
    # That a value is no JSON object is kjo's complaint alone where somebody else parses it.
    made.errors += [e for e in errors if parse is None or not _OF_JSON.search(e)]
    if parse is None:
        xcom = markers.get("xcom")
        made.keys.update(xcom if isinstance(xcom, Mapping) else {})
        return
    for event in made.events:
        if event.name == "xcom":
            try:
                made.keys.update(_parsed(event.value, parse))
            except Exception as error:  # noqa: BLE001 (somebody else's program; the outcome is the Job's)
                made.faults.append(("parse_xcom_event", error))


_OF_JSON = re.compile(r" is not JSON: | is JSON, but no object$")


def _parsed(value: str, parse: Callable[[str], Any]) -> Mapping[str, Any]:
    parsed = parse(value)
    if not isinstance(parsed, Mapping):
        raise ValueError(f"parse_xcom_event must return a dict, not {type(parsed).__name__}")
    return parsed


def parse_json(value: str) -> dict[str, Any]:
    """Parse the value of a marker as it is parsed where ``parse_xcom_event`` is not given."""
    parsed = json.loads(value)
    if not isinstance(parsed, dict):
        raise ValueError("the value of an xcom marker must be a JSON object")
    return parsed
