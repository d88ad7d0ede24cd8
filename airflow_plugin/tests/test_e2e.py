"""Whole tasks of a running Airflow 3, on a real cluster: their ends, their kills, their retries."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_kjo import _compat
from cluster import Cluster, own_namespace, required
from headless import Airflow, Run, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not _compat.SDK, reason="a headless Airflow 2 is another one"),
]

DAGS = Path(__file__).parent / "e2e_dags"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with own_namespace(tmp_path_factory.mktemp("kube")) as made:
        yield made


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, built: Path, cluster: Cluster
) -> Iterator[Airflow]:
    # The whole kubeconfig in a connection: kjo gets it in memory.
    config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
    connection = {"conn_type": "kubernetes", "extra": {"kube_config": config}}
    env = {
        "KJO_BIN": required("KJO_BIN"),
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection),
        "KUBECONFIG": "/no/such/file",
        "PYTHONPATH": str(built),
        "AIRFLOW__KJO__JOB_URL": "https://k/{namespace}/{name}",
    }
    made = Airflow(tmp_path_factory.mktemp("airflow"), DAGS, env)
    with made.running():
        yield made


def jobs(cluster: Cluster, run: Run) -> list[Any]:
    """Return the Jobs of a run that exist, oldest first."""
    found = json.loads(cluster.kubectl("get", "jobs", "-o", "json", "-l", f"run_id={run.run}"))
    return sorted(found["items"], key=lambda job: job["metadata"]["creationTimestamp"])


def test_each_way_to_end(airflow: Airflow, cluster: Cluster) -> None:
    run = airflow.trigger("ends", "r1")
    assert run.ended(240) == {
        "succeeds": "success",
        "fails": "failed",
        "skips": "skipped",
        "bad_yaml": "failed",
        "no_binary": "failed",
        "sidecar": "success",
        "termination": "success",
        "markers": "success",
        "cut": "failed",
        "mapped[0]": "success",
        "mapped[1]": "success",
        "secret": "success",
        "burst": "success",
    }
    assert "all ok" in run.log("succeeds")
    assert "--kubeconfig /proc/self/fd/" in run.log("succeeds")
    assert "container exit code 3" in airflow_error(run, "fails")
    assert "line 2, column 7" in airflow_error(run, "bad_yaml")
    # It would fail again, so there was one try, whatever its retries.
    assert run.tasks()["bad_yaml"]["try_number"] == 1
    assert "/no/such/kjo, given by the operator's kjo_bin" in airflow_error(run, "no_binary")
    assert run.xcom("sidecar") == run.xcom("termination") == {"rows": [1, 2]}
    assert [run.xcom("markers", key) for key in ("return_value", "a", "b")] == [{"a": 1, "b": 2}, 1, 2]
    assert "shown" in run.log("markers")
    assert "kube_api" not in run.log("markers").partition("Running")[2].partition("\n")[2]
    assert "hands on cannot be read" in airflow_error(run, "cut")
    for task in ("succeeds", "fails"):
        name = run.xcom(task, "job_name")
        assert name.startswith(task)
        assert run.xcom(task, "job_namespace") == cluster.namespace
        assert run.xcom(task, "pod_name").startswith(name)
        assert run.xcom(task, "job_url") == f"https://k/{cluster.namespace}/{name}"
    link = airflow.call("GET", f"{run.path}/taskInstances/succeeds/links")
    assert list(link["extra_links"].values()) == [run.xcom("succeeds", "job_url")]
    # It came to the container, which changed it, and is shown nowhere as it was.
    assert "said Hunter2-r1" in run.log("secret")
    shown = json.dumps(run.tasks()["secret"]["rendered_fields"])
    assert "kind: Secret" in shown
    assert "hunter2" not in shown + airflow_error(run, "secret")
    burst = run.log("burst")
    # Some lines to a record, so that Airflow keeps up with what comes at once.
    assert sum("of a burst" in str(record) for record in run.records("burst")) < 25000
    assert [line for line in burst.splitlines() if line.endswith("of a burst")] == [
        f"line {i} of a burst" for i in range(50000)
    ]
    eventually("no Job is left", lambda: not jobs(cluster, run))


def airflow_error(run: Run, task: str) -> str:
    """Return all that the log of a task has, errors with all that belongs to them."""
    return "\n".join(json.dumps(record, ensure_ascii=False) for record in run.records(task))


def begun(run: Run, attempt: int = 1) -> tuple[int, int, int]:
    """Wait until the container runs; return the processes of the task."""
    run.logs("job", "\nbegun", attempt)
    return run.pids(attempt)


def test_marked_failed_deletes_the_job(airflow: Airflow, cluster: Cluster) -> None:
    run = airflow.trigger("long", "marked", {"seconds": 300})
    begun(run)
    assert len(jobs(cluster, run)) == 1
    path = f"{run.path}/taskInstances/job"
    airflow.call("PATCH", path, {"new_state": "failed"})
    log = run.logs("job", "the Job is deleted")
    assert "the task is failed by now" in log
    eventually("the Job is gone", lambda: not jobs(cluster, run), 30)
    assert "kjo: deleted job/" in run.log("job")
    assert run.ended() == {"job": "failed"}


def test_out_of_time_deletes_the_job_and_keeps_its_last_lines(
    airflow: Airflow, cluster: Cluster
) -> None:
    run = airflow.trigger("times_out", "late")
    assert run.ended() == {"job": "failed"}
    log = run.log("job")
    assert "AirflowTaskTimeout: the Job is deleted" in log
    assert "kjo: deleted job/" in log
    eventually("the Job is gone", lambda: not jobs(cluster, run), 30)


@pytest.mark.parametrize(
    ("victim", "number"),
    [("runner", signal.SIGKILL), ("supervisor", signal.SIGKILL), ("supervisor", signal.SIGTERM)],
)
def test_a_task_that_dies_leaves_its_job_to_the_retry(
    airflow: Airflow, cluster: Cluster, victim: str, number: signal.Signals
) -> None:
    run = airflow.trigger("long", f"{victim}-{number.name}", {"seconds": 60})
    kjo, runner, supervisor = begun(run)
    (before,) = jobs(cluster, run)
    os.kill(runner if victim == "runner" else supervisor, number)
    eventually("kjo leaves", lambda: not Path(f"/proc/{kjo}").exists(), 30)
    log = run.logs("job", "\nover", attempt=2, within=180)
    assert run.ended() == {"job": "success"}
    task = run.tasks()["job"]
    assert task["try_number"] == 2
    # The same Job, and no other: its log is there from its beginning.
    assert run.xcom("job", "job_name") == before["metadata"]["name"]
    assert "\nbegun\n" in log
    assert "created job/" not in log
    eventually("the Job is gone", lambda: not jobs(cluster, run), 30)


def test_an_outage_of_airflow_itself_leaves_the_job_to_the_retry(
    airflow: Airflow, cluster: Cluster
) -> None:
    run = airflow.trigger("outage", "outage")
    kjo, _, _ = begun(run)
    (before,) = jobs(cluster, run)
    with airflow.without_api():
        # Three heartbeats fail, and the supervisor ends the task.
        eventually("kjo leaves", lambda: not Path(f"/proc/{kjo}").exists(), 120)
        assert [job["metadata"]["uid"] for job in jobs(cluster, run)] == [before["metadata"]["uid"]]
    assert "the Job runs on" in run.log("job")
    run.logs("job", "\nover", attempt=2, within=240)
    assert run.ended() == {"job": "success"}
    assert run.xcom("job", "job_name") == before["metadata"]["name"]


def test_without_a_try_left_a_drained_worker_deletes_the_job(airflow: Airflow, cluster: Cluster) -> None:
    run = airflow.trigger("last_try", "drained")
    _, _, supervisor = begun(run)
    os.kill(supervisor, signal.SIGTERM)
    assert run.ended() == {"job": "failed"}
    assert "no try is left" in run.log("job")
    eventually("the Job is gone", lambda: not jobs(cluster, run), 30)


def test_a_clear_starts_anew(airflow: Airflow, cluster: Cluster) -> None:
    run = airflow.trigger("long", "cleared", {"seconds": 1})
    assert run.ended() == {"job": "success"}
    first = run.xcom("job", "job_name")
    clear(run)
    eventually("the second try", lambda: run.tasks()["job"]["try_number"] == 2)
    assert run.ended() == {"job": "success"}
    assert run.xcom("job", "job_name") != first
    log = run.log("job", attempt=2)
    assert " delete --run-id " in log
    assert "created job/" in log


def test_a_clear_of_a_running_task_deletes_its_job_and_starts_anew(
    airflow: Airflow, cluster: Cluster
) -> None:
    run = airflow.trigger("long", "restarted", {"seconds": 20})
    begun(run)
    (before,) = jobs(cluster, run)
    clear(run)
    log = run.logs("job", "the Job is deleted")
    assert "by now" in log
    run.logs("job", "\nover", attempt=2, within=180)
    assert run.ended() == {"job": "success"}
    assert run.xcom("job", "job_name") != before["metadata"]["name"]
    eventually("no Job is left", lambda: not jobs(cluster, run), 30)


def clear(run: Run) -> None:
    """Clear the task of a run, as the web interface does."""
    body = {
        "dry_run": False,
        "dag_run_id": run.run,
        "task_ids": ["job"],
        "only_failed": False,
        "reset_dag_runs": True,
    }
    run.airflow.call("POST", f"/api/v2/dags/{run.dag}/clearTaskInstances", body)
