from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from airflow_kjo import _binary


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only folders of the test's own be searched."""
    monkeypatch.delenv("KJO_BIN", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path1'}{os.pathsep}{tmp_path / 'path2'}")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    monkeypatch.setattr(
        sysconfig, "get_path", lambda name, scheme="here": str(tmp_path / f"{name}-{scheme}")
    )
    monkeypatch.setattr(sysconfig, "get_preferred_scheme", lambda key: key)
    monkeypatch.setattr(_binary, "__file__", str(tmp_path / "target" / "airflow_kjo" / "x.py"))


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "path2/kjo",
        "path1/kjo",
        "target/bin/kjo",
        "scripts-user/kjo",
        "scripts-here/kjo",
        "venv/kjo",
    ):
        expected = program(tmp_path / place)
        assert _binary.find() == str(expected)
    monkeypatch.setenv("KJO_BIN", str(program(tmp_path / "env")))
    assert _binary.find() == str(tmp_path / "env")
    configured = str(program(tmp_path / "configured"))
    assert _binary.find(None, configured) == configured
    argument = str(program(tmp_path / "argument"))
    assert _binary.find(argument, configured) == argument


def test_what_is_not_executable_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "venv" / "kjo").chmod(0o644)
    (tmp_path / "scripts-here" / "kjo").mkdir(parents=True)
    on_path = program(tmp_path / "path1" / "kjo")
    assert _binary.find() == str(on_path)


def test_the_error_names_every_place(tmp_path: Path) -> None:
    with pytest.raises(_binary.BinaryNotFoundError) as caught:
        _binary.find()
    message = str(caught.value)
    for place in (
        "kjo_bin",
        "[kjo] binary",
        "KJO_BIN",
        *(str(tmp_path / p) for p in ("venv/kjo", "scripts-here/kjo", "scripts-user/kjo")),
        *(str(tmp_path / p) for p in ("target/bin/kjo", "path1", "path2")),
    ):
        assert place in message


def test_a_chosen_path_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "path1" / "kjo")
    monkeypatch.setenv("KJO_BIN", str(tmp_path / "gone"))
    with pytest.raises(_binary.BinaryNotFoundError, match=r"gone, given by .* KJO_BIN"):
        _binary.find()
