"""A headless Airflow 3 of a test's own: API server, scheduler and DAG processor, on SQLite."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def eventually(what: str, check: Callable[[], T], within: float = 120) -> T:
    """Wait until something is there, and return it."""
    deadline = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(0.3)
    return found


class Airflow:
    """Its API, and what its processes are."""

    def __init__(self, home: Path, dags: Path, env: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        options = {
            "CORE__DAGS_FOLDER": str(dags),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "4",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "API__HOST": "127.0.0.1",
            "API__PORT": str(port),
            "API__WORKERS": "1",
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            # A supervisor gives up sooner on an API that is gone.
            "WORKERS__EXECUTION_API_RETRIES": "2",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "KJO__DEPLOYMENT_ID": f"test-{port}",
        }
        self.env = {
            **inherited,
            "AIRFLOW_HOME": str(home),
            "PYTHONDONTWRITEBYTECODE": "1",
            **{f"AIRFLOW__{name}": value for name, value in options.items()},
            **env,
        }
        self._token = ""
        self._processes: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def without_api(self) -> Iterator[None]:
        """Let the API server be gone for the time of the block."""
        server = next(process for process in self._processes if "api-server" in process.args)  # type: ignore[operator]
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=20)
        self._processes.remove(server)
        try:
            yield
        finally:
            self._start("api-server")
            eventually("the API", self._log_in)

    @contextmanager
    def running(self) -> Iterator[Airflow]:
        """Run it; all of it ends with the block."""
        self.home.mkdir(exist_ok=True)
        self._start("db", "migrate").wait(timeout=120)
        try:
            for part in ("api-server", "scheduler", "dag-processor"):
                self._start(part)
            self._token = eventually("the API", self._log_in)["access_token"]
            yield self
        finally:
            for process in self._processes:
                # The whole group: the workers of the executor shrug off a SIGTERM of their own.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
            for process in self._processes:
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{arguments[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                env=self.env,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _log_in(self) -> Any:
        with suppress(OSError):
            return self.call("GET", "/auth/token")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make a request of the API; return what is in its answer, None where there is no such thing."""
        request = urllib.request.Request(  # noqa: S310 (http, to ourselves)
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from error

    def trigger(self, dag: str, run: str, conf: dict[str, Any] | None = None) -> Run:
        """Start a run of a DAG as soon as the DAG is there."""
        path = f"/api/v2/dags/{dag}"
        eventually(f"the DAG {dag}", lambda: self.call("GET", path))
        self.call("PATCH", path, {"is_paused": False})
        body = {"dag_run_id": run, "logical_date": None, "conf": conf or {}}
        self.call("POST", f"{path}/dagRuns", body)
        return Run(self, dag, run)


class Run:
    """A run of a DAG."""

    def __init__(self, airflow: Airflow, dag: str, run: str) -> None:
        self.airflow = airflow
        self.dag = dag
        self.run = run
        self.path = f"/api/v2/dags/{dag}/dagRuns/{run}"

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return the task instances by name; those of mapped tasks as name[index]."""
        found = self.airflow.call("GET", f"{self.path}/taskInstances?limit=100")["task_instances"]
        return {t["task_id"] + (f"[{t['map_index']}]" if t["map_index"] >= 0 else ""): t for t in found}

    def ended(self, within: float = 180) -> dict[str, str]:
        """Wait for the end; return the states."""

        def check() -> bool:
            return self.airflow.call("GET", self.path)["state"] in ("success", "failed")

        eventually(f"the end of {self.dag}", check, within)
        return {name: task["state"] for name, task in self.tasks().items()}

    def xcom(self, task: str, key: str = "return_value") -> Any:
        """Return what a task has pushed, None where it has not."""
        found = self.airflow.call(
            "GET", f"{self.path}/taskInstances/{task}/xcomEntries/{key}?deserialize=true"
        )
        return found and found["value"]

    def records(self, task: str, attempt: int = 1) -> list[dict[str, Any]]:
        """Return the log of a try of a task, record by record."""
        folder = self.airflow.home / "logs" / f"dag_id={self.dag}" / f"run_id={self.run}"
        files = folder.glob(f"task_id={task}/attempt={attempt}.log")
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def log(self, task: str, attempt: int = 1) -> str:
        """Return the log of a try of a task, as text."""
        return "\n".join(str(record.get("event")) for record in self.records(task, attempt))

    def logs(self, task: str, text: str, attempt: int = 1, within: float = 120) -> str:
        """Wait for a text in a log; return the log."""
        eventually(
            f"{text!r} in the log of {self.dag}.{task}",
            lambda: text in self.log(task, attempt),
            within,
        )
        return self.log(task, attempt)

    def pids(self, attempt: int = 1) -> tuple[int, int, int]:
        """Return the processes of its running task: kjo, the task runner, and its supervisor."""

        def find() -> tuple[int, int, int] | None:
            for entry in Path("/proc").iterdir():
                with suppress(OSError):
                    argv = (entry / "cmdline").read_bytes().split(b"\0")
                    ours = f"{self.airflow.env['AIRFLOW__KJO__DEPLOYMENT_ID']}/{self.dag}/".encode()
                    if b"run" in argv and any(
                        word.startswith(ours) and f"/{self.run}/".encode() in word for word in argv
                    ):
                        runner = parent(int(entry.name))
                        return int(entry.name), runner, parent(runner)
            return None

        return eventually(f"the processes of {self.dag}", find)


def parent(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
