"""Both tasks of the first example, run by a real Airflow with the real kjo on a real cluster."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

DAGS = Path(__file__).parent / "dags"

Kubectl: TypeAlias = Callable[..., str]


def required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.fail(
            f"the environment variable {name} is not set: this test needs a cluster (KUBECONFIG) "
            "and kjo (KJO_BIN); run pytest with --without-cluster to leave it out",
            pytrace=False,
        )
    return value


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Copy the kubeconfig, so that the test can set the namespace of its context."""
    required("KJO_BIN")
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(
        output("config", "view", "--raw", "--flatten", "--minify", kubeconfig=required("KUBECONFIG"))
    )
    return path


def output(*arguments: str, kubeconfig: str | Path) -> str:
    kubectl = os.environ.get("KJO_KUBECTL") or shutil.which("kubectl")
    if not kubectl:
        pytest.fail("no kubectl: neither KJO_KUBECTL nor PATH has one", pytrace=False)
    done = subprocess.run(
        [kubectl, *arguments],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


@pytest.fixture
def kubectl(kubeconfig: Path) -> Iterator[Kubectl]:
    """Make a namespace of the test's own, the context's default, and a kubectl that works in it."""

    def run(*arguments: str) -> str:
        return output(*arguments, kubeconfig=kubeconfig)

    namespace = f"airflow-kjo-{uuid.uuid4().hex[:8]}"
    run("create", "namespace", namespace)
    try:
        run("config", "set-context", "--current", "--namespace", namespace)
        run("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        yield run
    finally:
        run("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def airflow(tmp_path: Path, built: Path, kubeconfig: Path) -> Callable[..., str]:
    """Make an Airflow of the test's own that has the package as it is installed."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    env = {
        **inherited,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "KJO_BIN": required("KJO_BIN"),
        "KUBECONFIG": str(kubeconfig),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(built),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
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


@pytest.mark.cluster
def test_both_tasks_succeed_and_leave_nothing(
    airflow: Callable[..., str], kubectl: Kubectl, tmp_path: Path
) -> None:
    airflow("db", "migrate")
    log = airflow("dags", "test", "bjo")

    with sqlite3.connect(tmp_path / "airflow" / "airflow.db") as database:
        assert database.execute("select state from dag_run").fetchall() == [("success",)]
        states = dict(database.execute("select task_id, state from task_instance").fetchall())
    assert states == {"test-job": "success", "legacy-test-job": "success"}
    for text in ("OK", "all ok"):
        assert re.search(rf"\] {text} +\[airflow\.task\.operators\.airflow_kjo\.", log)
    # The events of a Job outlive it: both were here.
    events = kubectl(
        "get", "events", "--field-selector", "reason=SuccessfulCreate,involvedObject.kind=Job"
    )
    assert re.search(r"\bjob/test-job\b", events)
    assert re.search(r"\bjob/legacy-test-job\b", events)
    deadline = time.monotonic() + 10
    while left := kubectl("get", "jobs", "--output", "name"):
        assert time.monotonic() < deadline, left
