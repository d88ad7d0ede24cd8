"""The ways to install it: from its folder, and from its sdist."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import airflow_kjo
from conftest import ROOT

pytestmark = pytest.mark.deep

# As for development: an optimized program takes many minutes and is installed no differently.
BUILD = "--config-settings=build-args=--profile dev --locked"


def test_pip_installs_program_and_package_from_source_and_from_the_sdist(tmp_path: Path) -> None:
    target = os.environ.get("CARGO_TARGET_DIR") or str(ROOT.parent / "target")
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "KJO_BIN")}
    env["CARGO_TARGET_DIR"] = target

    def run(*command: Any, **changed: str) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env={**env, **changed},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    run(sys.executable, "-m", "maturin", "sdist", "--out", tmp_path)
    (sdist,) = tmp_path.glob("*.tar.gz")
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    for source in (ROOT, sdist):
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", BUILD, source)
        program = python.parent / "kjo"
        assert run(program, "--version") == f"kjo {airflow_kjo.__version__}\n"
        # Found beside its interpreter, also where nothing is on PATH.
        find = "from airflow_kjo import _binary; print(_binary.find())"
        assert run(python, "-c", find, PATH="") == f"{program}\n"
        run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "airflow-kjo")
        assert not program.exists()
