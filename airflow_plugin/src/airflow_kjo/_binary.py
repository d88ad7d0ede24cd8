"""Find the ``kjo`` program. No Airflow import."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

NAME = "kjo"


class BinaryNotFoundError(FileNotFoundError):
    """No ``kjo`` could be found; the message lists every place that was looked at."""


def find(argument: str | None = None, configured: str | None = None) -> str:
    """Return the path of the ``kjo`` to run.

    A path that somebody has chosen, by ``argument``, the Airflow option ``[kjo] binary``
    (``configured``) or the environment variable ``KJO_BIN``, in this order, is the only one that
    is tried: falling back to another program than the chosen one would hide the mistake.
    Otherwise the folders of scripts that belong to this Python are searched, then ``PATH``.

    :raises BinaryNotFoundError: with every place that was looked at.
    """
    chosen = (
        ("the operator's kjo_bin", argument),
        ("the Airflow option [kjo] binary", configured),
        ("the environment variable KJO_BIN", os.environ.get("KJO_BIN")),
    )
    for origin, value in chosen:
        if not value:
            continue
        path = Path(value).expanduser()
        if _is_program(path):
            return str(path)
        raise BinaryNotFoundError(f"kjo: {path}, given by {origin}, is not an executable file")

    looked_at = []
    for folder in _script_folders():
        path = folder / NAME
        if _is_program(path):
            return str(path)
        looked_at.append(str(path))
    if found := shutil.which(NAME):
        return found
    looked_at += [f"{folder} (PATH)" for folder in os.get_exec_path()]
    raise BinaryNotFoundError(
        "kjo: the program is not installed here. Nothing was given by "
        + ", ".join(origin for origin, _ in chosen)
        + "; looked at: "
        + ", ".join(looked_at)
    )


def _script_folders() -> Iterator[Path]:
    """Yield, once each, the folders where an installer of this Python may put programs."""
    folders = [
        # A virtual environment that is used by the path of its interpreter, without activation.
        Path(sys.executable).parent,
        Path(sysconfig.get_path("scripts")),
        Path(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))),
        # `pip install --target T` puts packages into T and programs into T/bin.
        Path(__file__).resolve().parent.parent / "bin",
    ]
    yield from dict.fromkeys(folders)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
