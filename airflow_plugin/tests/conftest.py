"""What the tests share: a private Airflow home, a fake ``kjo``, and ``--without-cluster``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator

# Before Airflow is imported, or it makes a home in the user's own.
_HOME = tempfile.mkdtemp(prefix="kjo-airflow-tests-")
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
# Lets tests call `execute` without a task runner around it.
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"

from airflow_kjo._compat import SDK  # noqa: E402 (after the environment is set)

if TYPE_CHECKING or SDK:
    from airflow.sdk import DAG
else:
    from airflow import DAG

__all__ = ["DAG", "FakeKjo", "FakeTaskInstance", "run", "run_python"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-cluster",
        action="store_true",
        help="leave out the tests that need a Kubernetes cluster and the real kjo",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons = {}
    if not os.environ.get("KJO_AIRFLOW_DEEP"):
        reasons["deep"] = "without KJO_AIRFLOW_DEEP"
    if config.getoption("--without-cluster"):
        reasons["cluster"] = "by --without-cluster"
    left_out = {
        item.nodeid: reason
        for item in items
        for marker, reason in reasons.items()
        if item.get_closest_marker(marker)
    }
    config.stash[_LEFT_OUT] = left_out
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
    items[:] = [item for item in items if item.nodeid not in left_out]


_LEFT_OUT = pytest.StashKey[dict[str, str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for nodeid, reason in config.stash.get(_LEFT_OUT, {}).items():
        terminalreporter.write_line(f"LEFT OUT {reason}: {nodeid}", yellow=True)


def pytest_configure() -> None:
    # tests/run passes on what ends it, and a background process of a shell is deaf to SIGINT: a headless
    # Airflow must not outlive its test.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


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
def event(name, level="info", message=None, **fields):
    say(json.dumps(dict(event=name, level=level, message=message or name, **fields)), 2)
def result(**document):
    path = pathlib.Path(sys.argv[sys.argv.index("--result-file") + 1])
    path.write_text(json.dumps(document))
if sys.argv[1] == "read":
    # As the real one, as far as tests without it go.
    sys.path[:0] = {path!r}
    from airflow_kjo import _yaml
    try:
        read = _yaml.load_all(sys.stdin.buffer.read().decode(), sys.argv[-1])
    except ValueError as error:
        say(f"kjo: error: {{error}}\\nkjo: hint: mend it", 2)
        sys.exit(125)
    for one in read: say(json.dumps(one))
    sys.exit(0)
fd0 = os.fstat(0)
call = dict(argv=sys.argv[1:], env=dict(os.environ), pid=os.getpid(), session=os.getsid(0),
            fd0=("fifo" if stat.S_ISFIFO(fd0.st_mode) else oct(fd0.st_mode)))
if "--kubeconfig" in sys.argv:
    path = sys.argv[sys.argv.index("--kubeconfig") + 1]
    if path.startswith("/proc/"):
        call["kubeconfig"] = pathlib.Path(path).read_text()
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
            python=sys.executable,
            notes=str(fake.notes),
            body=body,
            read_stdin=read_stdin,
            path=[path for path in sys.path if path],
        )
        fake.path.write_text(text)
        fake.path.chmod(0o755)
        monkeypatch.setenv("KJO_BIN", str(fake.path))
        return fake

    return make


class FakeTaskInstance:
    """As much of a running task instance as the operators look at."""

    def __init__(self, **changed: Any) -> None:
        self.dag_id = "d"
        self.task_id = "t"
        self.run_id = "manual__1"
        self.map_index = -1
        self.try_number = 1
        self.max_tries = 0
        self.pushed: dict[str, Any] = {}
        vars(self).update(changed)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def run(
    operator: KubernetesJobOperator | KubernetesLegacyJobOperator,
    ti: FakeTaskInstance | None = None,
    **context: Any,
) -> Any:
    """Do with a task what Airflow's task runner does."""
    whole: Any = {"ti": ti or FakeTaskInstance(), **context}
    operator.render_template_fields(whole)
    return operator.execute(whole)


@pytest.fixture(autouse=True)
def no_connections(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let there be only the connections that a test names."""
    from airflow_kjo import _compat

    connections: dict[str, Any] = {}
    if "keeps_compat" not in request.keywords:
        monkeypatch.setattr(_compat, "find_connection", connections.get)
        monkeypatch.setenv("AIRFLOW__KJO__DEPLOYMENT_ID", "site")
    return connections


@pytest.fixture
def task_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gather the lines that the operators write to the task's log, as text."""
    from airflow_kjo.operators._base import KjoOperator

    lines: list[str] = []

    class Log:
        def info(self, text: str, *args: object) -> None:
            lines.append(text % args)

        def warning(self, text: str, *args: object) -> None:
            lines.append("WARNING " + text % args)

        def error(self, text: str, *args: object) -> None:
            lines.append("ERROR " + text % args)

        debug = info

    monkeypatch.setattr(KjoOperator, "log", Log())
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
    """Unpack the wheel, with a kjo that was not optimized; tests/run has built it for all."""
    site = tmp_path_factory.mktemp("wheel")
    folder = Path(os.environ.get("KJO_AIRFLOW_WHEEL") or site)
    if folder == site:
        command = [sys.executable, "-m", "maturin", "build", "--locked", "--profile", "dev"]
        subprocess.run([*command, "--interpreter", sys.executable, "-o", folder], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site / "site")
    return site / "site"
