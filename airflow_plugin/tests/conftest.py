"""What the tests share: a private Airflow home, a fake ``kjo``, and ``--without-cluster``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Before Airflow is imported, or it makes a home in the user's own.
_HOME = tempfile.mkdtemp(prefix="kjo-airflow-tests-")
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
# Lets tests call `execute` without a task runner around it.
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-cluster",
        action="store_true",
        help="leave out the tests that need a Kubernetes cluster and the real kjo",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--without-cluster"):
        return
    left_out = [item for item in items if item.get_closest_marker("cluster")]
    items[:] = [item for item in items if item not in left_out]
    config.stash[_LEFT_OUT] = [item.nodeid for item in left_out]
    config.hook.pytest_deselected(items=left_out)


_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for nodeid in config.stash.get(_LEFT_OUT, []):
        terminalreporter.write_line(f"LEFT OUT by --without-cluster: {nodeid}", yellow=True)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@dataclass
class FakeKjo:
    """A program that notes how it was called and then does what ``body`` says."""

    path: Path
    notes: Path

    @property
    def called(self) -> bool:
        return self.notes.exists()

    @property
    def call(self) -> dict[str, Any]:
        return json.loads(self.notes.read_text())


_FAKE = """#!{python} -IS
import json, os, pathlib, signal, stat, sys, time
def say(text, fd=1):
    os.write(fd, (text + "\\n").encode())
def result(**document):
    path = pathlib.Path(sys.argv[sys.argv.index("--result-file") + 1])
    path.write_text(json.dumps(document))
fd0 = os.fstat(0)
call = dict(argv=sys.argv[1:], env=dict(os.environ), pid=os.getpid(), session=os.getsid(0),
            fd0=("fifo" if stat.S_ISFIFO(fd0.st_mode) else oct(fd0.st_mode)))
if {read_stdin}:
    call["stdin"] = sys.stdin.buffer.read().decode()
notes = pathlib.Path({notes!r})
notes.with_suffix(".new").write_text(json.dumps(call))
notes.with_suffix(".new").rename(notes)
{body}
"""


@pytest.fixture
def fake_kjo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeKjo]:
    """Make the fake ``kjo`` that the operators will find."""

    def make(body: str = "", *, read_stdin: bool = True) -> FakeKjo:
        folder = tmp_path / "fake"
        folder.mkdir(exist_ok=True)
        fake = FakeKjo(folder / "kjo", folder / "notes.json")
        text = _FAKE.format(
            python=sys.executable, notes=str(fake.notes), body=body, read_stdin=read_stdin
        )
        fake.path.write_text(text)
        fake.path.chmod(0o755)
        monkeypatch.setenv("KJO_BIN", str(fake.path))
        return fake

    return make


@pytest.fixture
def task_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gather the lines that the operators write to the task's log, as text."""
    from airflow_kjo import KubernetesJobOperator

    lines: list[str] = []

    class Log:
        def info(self, text: str, *args: object) -> None:
            lines.append(text % args)

        debug = info

    monkeypatch.setattr(KubernetesJobOperator, "log", Log())
    return lines


ROOT = Path(__file__).parent.parent


def run_python(text: str) -> None:
    """Run a Python text in a fresh interpreter that finds the package; it must succeed."""
    subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=True,
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it, as an installer does with a pure one."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"
