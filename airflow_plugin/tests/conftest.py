"""What the tests share: a private Airflow home, a fake ``kjo``, and ``--without-cluster``."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
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
def say(text, stream=sys.stdout):
    stream.write(text + "\\n"); stream.flush()
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
