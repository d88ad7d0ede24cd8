"""Both tasks of the first example, run by `airflow dags test` of Airflow 2 on a real cluster."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_kjo import _compat
from cluster import Cluster, own_namespace, required

DAGS = Path(__file__).parent / "dags"

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(_compat.SDK, reason="Airflow 3 runs it in tests/test_e2e.py, headless"),
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with own_namespace(tmp_path) as made:
        yield made


@pytest.fixture
def airflow(tmp_path: Path, built: Path, cluster: Cluster) -> Callable[..., str]:
    """Make an Airflow of the test's own that has the package as it is installed."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    env = {
        **inherited,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "KJO_BIN": required("KJO_BIN"),
        "KUBECONFIG": str(cluster.kubeconfig),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(built),
    }

    def run(*arguments: str) -> str:
        command = arguments if arguments[0] == "-c" else ("-m", "airflow", *arguments)
        done = subprocess.run(
            [sys.executable, *command],
            env=env,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        # pytest shows this when the test fails.
        sys.stdout.write(done.stdout)
        assert done.returncode == 0
        return done.stdout

    return run


def test_both_tasks_succeed_and_leave_nothing(
    airflow: Callable[..., str], cluster: Cluster, tmp_path: Path
) -> None:
    airflow("db", "migrate")
    log = airflow("dags", "test", "bjo")

    with sqlite3.connect(tmp_path / "airflow" / "airflow.db") as database:
        assert database.execute("select state from dag_run").fetchall() == [("success",)]
        states = dict(database.execute("select task_id, state from task_instance").fetchall())
    assert states == {"test-job": "success", "legacy-test-job": "success"}
    for text in ("OK", "all ok"):
        assert f"INFO - {text}\n" in log
    # The events of a Job outlive it: both were here.
    events = cluster.kubectl(
        "get", "events", "--field-selector", "reason=SuccessfulCreate,involvedObject.kind=Job"
    )
    assert re.search(r"\bjob/test-job\b", events)
    assert re.search(r"\bjob/legacy-test-job\b", events)
    deadline = time.monotonic() + 10
    while left := cluster.kubectl("get", "jobs", "--output", "name"):
        assert time.monotonic() < deadline, left
    # Who asks for the state of a task gets it from the database.
    said = airflow(
        "-c",
        "import sys; from airflow_kjo import _compat\n"
        "from airflow.models import TaskInstance; from airflow.utils.session import create_session\n"
        "with create_session() as session: run = session.query(TaskInstance.run_id).first()[0]\n"
        "for task in ('test-job', 'gone'): print('state', _compat.task_state('bjo', run, task, -1))",
    )
    assert re.findall("^state (.*)$", said, re.MULTILINE) == ["success", "removed"]
