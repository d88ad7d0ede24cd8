"""Have kjo itself read manifests, so that they mean here what they mean to it. No Airflow import.

What is read without it (when a DAG is loaded, where there may be no kjo) is looked at, never run.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from airflow_kjo._process import StartError

WITHIN = 60
"""Seconds for a program that reads a text and needs milliseconds."""


def read(
    binary: str, text: str, what: str, env: Mapping[str, str], *, excerpt: bool = True
) -> list[Any]:
    """Return the objects of a YAML or JSON text, as ``kjo run`` would read them.

    :param binary: the path of kjo.
    :param what: what the text is called where something is wrong with it.
    :param env: the whole environment of kjo.
    :param excerpt: whether a complaint may quote the text: not what a template was rendered to, which
        nobody has seen and which may hold what is secret.
    :raises ValueError: it is no manifest; the message has the place, and the lines around it.
    :raises StartError: kjo cannot be started, or does not end.
    """
    try:
        done = subprocess.run(  # noqa: S603 (no shell; the program is kjo)
            # In words: events have no lines of the text.
            [binary, "read", "--message-format", "text", "--color", "never", "--", what],
            # Jinja takes the last newline away, which is part of a block scalar at the end.
            input=(text if text.endswith("\n") else text + "\n").encode(),
            capture_output=True,
            env=dict(env),
            start_new_session=True,
            timeout=WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"{binary} cannot be started: {error}") from error
    if done.returncode:
        raise ValueError(
            _refusal(done.stderr.decode(errors="replace"), excerpt=excerpt) or f"{what} cannot be read"
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _refusal(said: str, *, excerpt: bool) -> str:
    """Return what kjo said, without the words that every line of its begins with."""
    lines = [line.removeprefix("kjo: ") for line in said.strip().splitlines()]
    if not excerpt:
        lines = [line for line in lines if not line.startswith("    ")]
    return "\n".join(lines).removeprefix("error: ")
