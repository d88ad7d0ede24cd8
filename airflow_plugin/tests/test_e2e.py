"""Whole tasks of a running Airflow, on a real cluster and on the sandbox: their ends, kills and retries.

One Airflow is started for all of them. The scenarios run side by side in it, each in a run of a DAG of
its own, for they wait more than they work; a test is the outcome of one. Those that ``tests/deep`` adds
are marked so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_kjo._compat import SDK
from cluster import Cluster, own_namespace
from dag_runs import Run
from headless import Airflow, eventually

HERE = Path(__file__).parent


@dataclass
class Here:
    """What a scenario runs in."""

    airflow: Airflow
    cluster: Cluster | None

    def jobs(self, run: Run) -> list[Any]:
        """Return the Jobs of a run that exist, oldest first."""
        found = json.loads(self.kubectl("get", "jobs", "-o", "json", "-l", f"run_id={run.run}"))
        return sorted(found["items"], key=lambda job: job["metadata"]["creationTimestamp"])

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl on the real cluster."""
        assert self.cluster is not None
        return self.cluster.kubectl(*arguments)

    def none_left(self, run: Run) -> None:
        """Wait until no Job of a run is left."""
        eventually("no Job is left", lambda: not self.jobs(run), 60)


Scenario = Callable[[Here], None]


# --- How tasks end -----------------------------------------------------------------------------------


def the_first_example(here: Here) -> None:
    run = Run(here.airflow, "bjo", "seed")
    assert run.ended() == {"test-job": "success", "legacy-test-job": "success"}
    _said_ok(run)
    # The events of a Job outlive it: both were there, and both are gone.
    created = ("--field-selector", "reason=SuccessfulCreate,involvedObject.kind=Job")
    events = here.kubectl("get", "events", *created)
    assert re.search(r"\bjob/test-job-", events)
    assert re.search(r"\bjob/legacy-test-job-", events)
    here.none_left(run)


def the_first_example_on_the_sandbox(here: Here) -> None:
    run = Run(here.airflow, "bjo_sandbox", "seed")
    assert run.ended() == {"test-job": "success", "legacy-test-job": "success"}
    _said_ok(run)
    kubeconfig = json.loads(Path(here.airflow.env["KUBECONFIG"]).read_text())
    server = kubeconfig["clusters"][0]["cluster"]["server"]
    for task in ("test-job", "legacy-test-job"):
        assert server in run.log(task)


def _said_ok(run: Run) -> None:
    assert "OK" in run.log("test-job").splitlines()
    assert "all ok" in run.log("legacy-test-job").splitlines()


def each_way_to_end(here: Here) -> None:
    run = Run(here.airflow, "ends", "r1")
    assert run.ended(300) == {
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
    assert "container exit code 3" in run.whole_log("fails")
    assert "line 2, column 7" in run.whole_log("bad_yaml")
    # It would fail again, so there was one try, whatever its retries.
    assert run.tasks()["bad_yaml"]["try_number"] == 1
    assert "/no/such/kjo, given by the operator's kjo_bin" in run.whole_log("no_binary")
    assert run.xcom("sidecar") == run.xcom("termination") == {"rows": [1, 2]}
    assert [run.xcom("markers", key) for key in ("return_value", "a", "b")] == [{"a": 1, "b": 2}, 1, 2]
    assert "shown" in run.log("markers")
    assert "kube_api" not in run.log("markers").partition("Running")[2].partition("\n")[2]
    assert "hands on cannot be read" in run.whole_log("cut")
    assert here.cluster is not None
    namespace = here.cluster.namespace
    for task in ("succeeds", "fails"):
        name = run.xcom(task, "job_name")
        assert name.startswith(task)
        assert run.xcom(task, "job_namespace") == namespace
        assert run.xcom(task, "pod_name").startswith(name)
        assert run.xcom(task, "job_url") == f"https://k/{namespace}/{name}"
    assert run.link("succeeds") == [run.xcom("succeeds", "job_url")]
    # It came to the container, which changed it, and is shown nowhere as it was.
    assert "said Hunter2-r1" in run.log("secret")
    shown = json.dumps(run.tasks()["secret"]["rendered_fields"])
    assert "kind: Secret" in shown
    assert "hunter2" not in shown + run.whole_log("secret")
    # Some lines to a record, so that Airflow keeps up with what comes at once.
    assert sum("of a burst" in record for record in run.records("burst")) < 25000
    assert [line for line in run.log("burst").splitlines() if line.endswith("of a burst")] == [
        f"line {i} of a burst" for i in range(50000)
    ]
    here.none_left(run)


# --- Kills and retries -------------------------------------------------------------------------------


def marked_failed_deletes_the_job(here: Here) -> None:
    run = Run(here.airflow, "long", "marked", {"seconds": 300})
    run.begun()
    assert len(here.jobs(run)) == 1
    run.mark("job", "failed")
    log = run.logs("job", "kjo: deleted job/")
    assert "the task is failed by now: the Job is deleted" in log
    here.none_left(run)
    assert run.ended() == {"job": "failed"}


def out_of_time_deletes_the_job_and_keeps_its_last_lines(here: Here) -> None:
    run = Run(here.airflow, "times_out", "late")
    assert run.ended() == {"job": "failed"}
    log = run.log("job")
    assert "AirflowTaskTimeout: the Job is deleted" in log
    assert "kjo: deleted job/" in log
    here.none_left(run)


def a_task_that_dies_leaves_its_job_to_the_retry(
    here: Here, victim: str, number: signal.Signals
) -> None:
    run = Run(here.airflow, "long", f"{victim}-{number.name}", {"seconds": 40})
    kjo, runner, supervisor = run.begun()
    (before,) = here.jobs(run)
    os.kill(runner if victim == "runner" else supervisor, number)
    if SDK or victim == "runner":
        # In Airflow 2 a runner outlives its supervisor, and has it in common with all operators.
        eventually("kjo leaves", lambda: not Path(f"/proc/{kjo}").exists(), 60)
    log = run.logs("job", "\nover", attempt=2)
    assert run.ended() == {"job": "success"}
    assert run.tasks()["job"]["try_number"] == 2
    # The same Job, and no other: its log is there from its beginning.
    assert run.xcom("job", "job_name") == before["metadata"]["name"]
    assert "\nbegun\n" in log
    assert "created job/" not in log
    here.none_left(run)


def an_outage_of_airflow_itself_leaves_the_job_to_the_retry(here: Here) -> None:
    run = Run(here.airflow, "outage", "outage")
    kjo, _, _ = run.begun()
    (before,) = here.jobs(run)
    with here.airflow.without_api():
        # Three heartbeats fail, and the supervisor ends the task.
        eventually("kjo leaves", lambda: not Path(f"/proc/{kjo}").exists())
        assert [job["metadata"]["uid"] for job in here.jobs(run)] == [before["metadata"]["uid"]]
    assert "the Job runs on" in run.log("job")
    run.logs("job", "\nover", attempt=2, within=240)
    assert run.ended() == {"job": "success"}
    assert run.xcom("job", "job_name") == before["metadata"]["name"]


def without_a_try_left_a_drained_worker_deletes_the_job(here: Here) -> None:
    run = Run(here.airflow, "last_try", "drained")
    _, _, supervisor = run.begun()
    os.kill(supervisor, signal.SIGTERM)
    assert run.ended() == {"job": "failed"}
    assert "no try is left" in run.log("job")
    here.none_left(run)


def a_clear_starts_anew(here: Here) -> None:
    run = Run(here.airflow, "long", "cleared", {"seconds": 1})
    assert run.ended() == {"job": "success"}
    first = run.xcom("job", "job_name")
    run.clear("job")
    eventually("the second try", lambda: run.tasks()["job"]["try_number"] == 2)
    assert run.ended() == {"job": "success"}
    assert run.xcom("job", "job_name") != first
    log = run.log("job", attempt=2)
    assert " delete --run-id " in log
    assert "created job/" in log


def a_clear_of_a_running_task_deletes_its_job_and_starts_anew(here: Here) -> None:
    run = Run(here.airflow, "long", "restarted", {"seconds": 20})
    run.begun()
    (before,) = here.jobs(run)
    run.clear("job")
    log = run.logs("job", "the Job is deleted")
    assert "by now" in log
    run.logs("job", "\nover", attempt=2)
    assert run.ended() == {"job": "success"}
    assert run.xcom("job", "job_name") != before["metadata"]["name"]
    here.none_left(run)


# --- Running them ------------------------------------------------------------------------------------

_DIES = a_task_that_dies_leaves_its_job_to_the_retry
_ALWAYS: dict[str, Scenario] = {
    "ends": each_way_to_end,
    "seed": the_first_example,
    "marked": marked_failed_deletes_the_job,
    "supervisor-9": partial(_DIES, victim="supervisor", number=signal.SIGKILL),
}
_ON_THE_SANDBOX: dict[str, Scenario] = {"seed-sandbox": the_first_example_on_the_sandbox}
_DEEP: dict[str, Scenario] = {
    "late": out_of_time_deletes_the_job_and_keeps_its_last_lines,
    "runner-9": partial(_DIES, victim="runner", number=signal.SIGKILL),
    "supervisor-15": partial(_DIES, victim="supervisor", number=signal.SIGTERM),
    "drained": without_a_try_left_a_drained_worker_deletes_the_job,
    "cleared": a_clear_starts_anew,
}
if SDK:
    # In Airflow 2 the scheduler may take a task that was cleared for one that died, before the task
    # hears of it: then the next try is a retry, and adopts the Job.
    _DEEP["restarted"] = a_clear_of_a_running_task_deletes_its_job_and_starts_anew
# Takes the API from under all the others: the last one, by itself.
_ALONE: dict[str, Scenario] = (
    {"outage": an_outage_of_airflow_itself_leaves_the_job_to_the_retry} if SDK else {}
)
SCENARIOS = {**_ALWAYS, **_ON_THE_SANDBOX, **_DEEP, **_ALONE}


def _marks(name: str) -> list[pytest.MarkDecorator]:
    # A headless Airflow 2 is for the deep run as a whole.
    deep = [pytest.mark.deep] if name in {*_DEEP, *_ALONE} or not SDK else []
    return deep if name in _ON_THE_SANDBOX else [pytest.mark.cluster, *deep]


@pytest.fixture(scope="module")
def here(
    tmp_path_factory: pytest.TempPathFactory, built: Path, request: pytest.FixtureRequest
) -> Iterator[Here]:
    home = tmp_path_factory.mktemp("airflow")
    (program,) = built.glob("*.data/scripts/kjo")
    program.chmod(0o755)
    with _sandbox(program) as sandbox:
        env = {"KJO_BIN": str(program), "KUBECONFIG": str(sandbox), "PYTHONPATH": str(built)}
        if request.config.getoption("--without-cluster"):
            with Airflow(home, _dags(home), env).running() as airflow:
                yield Here(airflow, None)
            return
        with own_namespace(tmp_path_factory.mktemp("kube")) as cluster:
            # The whole kubeconfig in a connection: kjo gets it in memory.
            config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
            connection = {"conn_type": "kubernetes", "extra": {"kube_config": config}}
            env["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = json.dumps(connection)
            with Airflow(home, _dags(home), env).running() as airflow:
                yield Here(airflow, cluster)


@contextmanager
def _sandbox(program: Path) -> Iterator[Path]:
    """Run what the block does as a command of ``kjo sandbox --`` would: with its KUBECONFIG."""
    command = ["sh", "-c", 'echo "$KUBECONFIG"; exec cat']
    with subprocess.Popen(
        [str(program), "sandbox", "--quiet", "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Path(process.stdout.readline().strip())
        finally:
            # The command ends with its input, and the sandbox with the command.
            process.stdin.close()
            process.wait(timeout=20)


def _dags(home: Path) -> Path:
    """Gather the DAGs, and the first example once more as one whose cluster is that of KUBECONFIG."""
    dags = home / "dags"
    shutil.copytree(HERE / "e2e_dags", dags)
    shutil.copytree(HERE / "dags", dags, dirs_exist_ok=True)
    text = (HERE / "dags" / "seed.py").read_text()
    for old, new in (
        ('DAG("bjo"', 'DAG("bjo_sandbox"'),
        ('"retries": 0,', '"retries": 0,\n    "kubernetes_conn_id": None,'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (dags / "seed_sandbox.py").write_text(text)
    return dags


@pytest.fixture(scope="module")
def outcomes(here: Here, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[None]]]:
    """Start the scenarios that were asked for, all at once."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = [name for call in calls if call and (name := call.params.get("scenario"))]
    together = [name for name in chosen if name not in _ALONE]
    # With more at once a small machine is so busy that Airflow takes its own processes for dead.
    with ThreadPoolExecutor(5 if SDK else 3) as pool:
        running = {name: pool.submit(SCENARIOS[name], here) for name in together}
        before = list(running.values())

        def alone(scenario: Scenario) -> None:
            for future in before:
                future.exception()
            scenario(here)

        for name in chosen:
            if name in _ALONE:
                running[name] = pool.submit(alone, SCENARIOS[name])
        yield running


@pytest.mark.parametrize("scenario", [pytest.param(name, marks=_marks(name)) for name in SCENARIOS])
def test_whole_tasks(scenario: str, outcomes: dict[str, Future[None]]) -> None:
    outcomes[scenario].result()
