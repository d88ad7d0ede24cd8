"""How a run of ``kjo`` ended: its result file and its exit code. No Airflow import."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_kjo._messages import without_place

REFUSED = 125
"""The exit code for what would fail the same way again: arguments, manifest, permissions."""

_BY_CODE = {
    # What an exit code says where there is no result file.
    120: "succeeded",
    121: "unknown",
    122: "start_failed",
    123: "infrastructure",
    124: "deadline",
    REFUSED: "refused",
    130: "interrupted",
    143: "interrupted",
}

_SENTENCES = {
    "succeeded": "the Job succeeded, but its log is known to be incomplete",
    "failed": "the Job failed",
    "deadline": "the Job ran out of time",
    "start_failed": "nothing ran, and trying again may help",
    "infrastructure": "the Job was lost, without an exit code to pass on",
    "deleted": "the Job was deleted by somebody",
    "unknown": "it is not known how the Job ended",
    "interrupted": "stopped by a signal",
    "detached": "left the Job to itself, with its outcome unknown",
    "refused": "refused, and would be refused again",
}


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    ``exit_code`` is 128 + N where signal N ended the program, as in a shell. ``job`` is what the
    result file says of the Job (``name``, ``namespace``, ``uid``…); empty where there is none.
    """

    exit_code: int
    outcome: str
    job: dict[str, Any] = field(default_factory=dict)
    container_exit_code: int | None = None
    detail: str = ""
    hint: str = ""
    signal: int | None = None
    xcom: dict[str, Any] | None = None
    markers: dict[str, Any] | None = None

    @property
    def success(self) -> bool:
        """Whether the Job succeeded; nothing but exit code 0 means that."""
        return self.exit_code == 0

    @property
    def container_code(self) -> int | None:
        """The exit code of the container that made the Job fail, where there is one."""
        if self.outcome != "failed":
            return None
        return self.exit_code if self.container_exit_code is None else self.container_exit_code

    @property
    def refused(self) -> bool:
        """Whether it would fail the same way again. A container may end with 125 as well."""
        return self.exit_code == REFUSED and self.outcome == "refused"

    def __str__(self) -> str:
        """Return kjo's report in a line, and its hint, if there is one, in another.

        Such as ``kjo: the Job failed: container exit code 3 (…)``.
        """
        if self.signal is not None:
            return f"kjo: the program itself was ended by {_signal_name(self.signal)}"
        sentence = _SENTENCES.get(self.outcome, self.outcome)
        if self.outcome == "failed" and self.container_exit_code in (None, self.exit_code):
            code = f"container exit code {self.exit_code}"
        else:
            code = f"exit code {self.exit_code}"
        report = f"kjo: {sentence}: {code}" + (f" ({self.detail})" if self.detail else "")
        return f"{report}\nhint: {self.hint}" if self.hint else report


def read(returncode: int, result_file: Path) -> Outcome:
    """Put the return code of the process and its result file together.

    The code alone decides over success. A file that is missing or cannot be understood (the
    program was killed before it could write one) only takes the details away; what was wrong with
    an unreadable one goes to ``detail``.
    """
    exit_code = returncode if returncode >= 0 else 128 - returncode
    result, trouble = _load(result_file)
    outcome, job, code = (result.get(k) for k in ("outcome", "job", "container_exit_code"))
    if not isinstance(outcome, str):
        # Also while the Job still runs: the file is written when there is a Job, and at the end.
        outcome = _BY_CODE.get(returncode, "failed" if returncode else "succeeded")
    # The message is a sentence that has the reason in it.
    detail = result.get("message") or result.get("reason") or trouble
    if isinstance(detail, str):
        detail = without_place(detail)
    hint, xcom, markers = (result.get(k) for k in ("hint", "xcom", "markers"))
    return Outcome(
        exit_code,
        outcome if returncode >= 0 else "unknown",
        job if isinstance(job, dict) else {},
        code if isinstance(code, int) else None,
        detail if isinstance(detail, str) else "",
        hint if isinstance(hint, str) else "",
        -returncode if returncode < 0 else None,
        xcom if isinstance(xcom, dict) else None,
        markers if isinstance(markers, dict) else None,
    )


def _load(path: Path) -> tuple[dict[str, Any], str]:
    """Return what a result file says (nothing, if there is none), and what is wrong with it."""
    try:
        result = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:
        return {}, f"its result file cannot be read: {error}"
    if not isinstance(result, dict):
        return {}, "its result file is not a JSON object"
    return result, ""


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
