"""A headless Airflow of a test's own, on SQLite: API server, scheduler and DAG processor; Airflow 2 has
a web server and a scheduler."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from airflow_kjo._compat import SDK

T = TypeVar("T")

PARTS = ("api-server", "scheduler", "dag-processor") if SDK else ("webserver", "scheduler")


def eventually(what: str, check: Callable[[], T], within: float = 120) -> T:
    """Wait until something is there, and return it."""
    deadline = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(0.3)
    return found


def _options(dags: Path, port: int) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    both = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        # Most tasks wait.
        "CORE__PARALLELISM": "12" if SDK else "5",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "SCHEDULER__PARSING_PROCESSES": "1",
        "KJO__DEPLOYMENT_ID": f"test-{port}",
        "KJO__JOB_URL": "https://k/{namespace}/{name}",
    }
    if not SDK:
        return {
            **both,
            "API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "30",
            "SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
            "WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "WEBSERVER__WEB_SERVER_PORT": str(port),
            "WEBSERVER__WORKERS": "1",
            "WEBSERVER__SECRET_KEY": secrets.token_hex(16),
        }
    return {
        **both,
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__WORKERS": "1",
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # A supervisor asks more often, and gives up sooner on an API that is gone.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
        "WORKERS__EXECUTION_API_RETRIES": "3",
        # One that is there may be slow to answer, on a busy machine.
        "WORKERS__EXECUTION_API_TIMEOUT": "30",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    }


class Airflow:
    """Its API, and what its processes are."""

    def __init__(self, home: Path, dags: Path, env: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self.api = "/api/v2" if SDK else "/api/v1"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        self.env = {
            **inherited,
            "AIRFLOW_HOME": str(home),
            "PYTHONDONTWRITEBYTECODE": "1",
            # Airflow 2 has no executor beside SQLite that runs tasks at once. A few do no harm.
            "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
            **{f"AIRFLOW__{name}": value for name, value in _options(dags, port).items()},
            **env,
        }
        self._token = ""
        self._one_writer = threading.Lock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @contextmanager
    def without_api(self) -> Iterator[None]:
        """Let the API server be gone for the time of the block."""
        server = self._processes.pop("api-server")
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=20)
        try:
            yield
        finally:
            self._start("api-server")
            self._log_in()

    @contextmanager
    def running(self) -> Iterator[Airflow]:
        """Run it; all of it ends with the block."""
        self.home.mkdir(exist_ok=True)
        if not SDK:
            # Everybody is an administrator, as in the other one: it listens to this machine alone.
            (self.home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\n")
        self._make_database()
        try:
            for part in PARTS:
                self._start(part)
            self._log_in()
            yield self
        finally:
            for process in self._processes.values():
                # The whole group: the workers of the executor shrug off a SIGTERM of their own.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
            for process in self._processes.values():
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)

    def _make_database(self) -> None:
        """Make a new database, of the one that tests/run keeps with an environment if it does."""
        database = self.home / "airflow.db"
        kept = Path(os.environ.get("KJO_AIRFLOW_DATABASE") or "/no/such/file")
        if kept.is_file():
            shutil.copyfile(kept, database)
            return
        migrated = self._start("db", "migrate").wait(timeout=180)
        assert migrated == 0, (self.home / "db.log").read_text()
        with closing(sqlite3.connect(database)) as connection:
            # The file remembers it: who reads does not wait for who writes.
            connection.execute("pragma journal_mode=wal")
        if kept.parent.is_dir():
            new = kept.with_suffix(f".{os.getpid()}")
            shutil.copyfile(database, new)
            new.rename(kept)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        # The server may wait in the thread that has to end another request's transaction: it had better
        # give up soon, and be asked again. The others crash when they give up.
        patience = 2 if arguments[0] == PARTS[0] else 60
        database = f"sqlite:///{self.home}/airflow.db?timeout={patience}"
        with (self.home / f"{arguments[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                env={**self.env, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[arguments[0]] = process
        return process

    def _log_in(self) -> None:
        def answer() -> Any:
            # Not there yet, or behind a server that waits for its own worker.
            with suppress(OSError, TimeoutError):
                return self.call("GET", "/auth/token" if SDK else f"{self.api}/version")
            return None

        answered = eventually("the API", answer)
        self._token = answered["access_token"] if SDK else ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make a request of the API; return what is in its answer, None where there is no such thing."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        request = urllib.request.Request(  # noqa: S310 (http, to ourselves)
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={**headers, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from error

    def change(self, method: str, path: str, body: Any) -> None:
        """Change something, also where the database was busy: SQLite has one writer at a time."""

        def changed() -> bool:
            try:
                self.call(method, path, body)
            except AssertionError as error:
                # A second time: the first one's answer was lost, what it did was not.
                if tries and ": 409 " in str(error):
                    return True
                tries.append(error)
                if ": 500 " in str(error) and len(tries) < 10:
                    return False
                raise
            return True

        tries: list[AssertionError] = []
        with self._one_writer:
            eventually(f"{method} {path}", changed)

    def unpaused(self, dag: str) -> str:
        """Wait until a DAG is there, and have it run; return its place in the API."""
        path = f"{self.api}/dags/{dag}"
        eventually(f"the DAG {dag}", lambda: self.call("GET", path))
        self.change("PATCH", path, {"is_paused": False})
        return path
