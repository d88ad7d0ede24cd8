"""The examples, and each kind of XCom, run whole by an Airflow in ``kjo sandbox``: no cluster."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_kjo import _compat
from conftest import ROOT

pytestmark = pytest.mark.skipif(not _compat.SDK, reason="the examples are written for Airflow 3")

XCOMS = Path(__file__).parent / "sandbox_dags" / "xcoms.py"

# Some DAGs, one after the other in one process.
_TEST_DAGS = """
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag()
assert not bag.import_errors, bag.import_errors
for name in sys.argv[1:]:
    bag.dags[name].test()
"""


class Airflow:
    """A database of a test's own, and DAGs that are run to their end with it."""

    def __init__(self, home: Path, kjo: Path) -> None:
        self.home = home
        self.kjo = kjo
        shutil.copytree(ROOT / "examples", home / "dags")
        shutil.copy(XCOMS, home / "dags")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "KUBECONFIG"))}
        self.env = {
            **inherited,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "KJO_BIN": str(kjo),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(ROOT / "src"),
        }

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self.env,
            cwd=self.home,
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

    def migrate(self) -> None:
        self._run(sys.executable, "-m", "airflow", "db", "migrate")

    def test(self, isolation: str, *dags: str) -> str:
        """Run these DAGs in one sandbox; return what was said."""
        sandbox = (str(self.kjo), "sandbox", "--isolation", isolation, "--")
        return self._run(*sandbox, sys.executable, "-c", _TEST_DAGS, *dags)

    def _rows(self, query: str, dag: str) -> list[Any]:
        last = "select run_id from dag_run where dag_id = :dag order by id desc limit 1"
        query += f" where dag_id = :dag and run_id = ({last})"
        with sqlite3.connect(self.home / "airflow.db") as database:
            return database.execute(query, {"dag": dag}).fetchall()

    def states(self, dag: str) -> dict[str, str]:
        """Return the state of each task of the last run; mapped ones are told as ``task[0]``."""
        rows = self._rows("select task_id, map_index, state from task_instance", dag)
        return {task if index < 0 else f"{task}[{index}]": state for task, index, state in rows}

    def xcoms(self, dag: str) -> dict[str, Any]:
        """Return what the tasks of the last run returned."""
        rows = self._rows("select task_id, key, value from xcom", dag)
        return {task: json.loads(value) for task, key, value in rows if key == "return_value"}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Airflow:
    (kjo,) = built.glob("*.data/scripts/kjo")
    kjo.chmod(0o755)
    made = Airflow(tmp_path_factory.mktemp("airflow"), kjo)
    made.migrate()
    return made


def test_the_examples_and_all_xcoms_in_bubblewrap(airflow: Airflow) -> None:
    works = [str(airflow.kjo), "sandbox", "--isolation", "bwrap", "--", "true"]
    if subprocess.run(works, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        pytest.skip("bubblewrap does not work here")
    said = airflow.test("bwrap", "kjo_jobs", "kjo_legacy", "xcoms")
    each = {f"each[{index}]": "success" for index in range(3)}
    assert airflow.states("kjo_jobs") == {
        **dict.fromkeys(("from_file", "count", "rows"), "success"),
        **each,
    }
    assert airflow.xcoms("kjo_jobs")["count"] == {"rows": 3}
    for text in ("the report of ", "row 0", "row 2"):
        assert text in said
    # The value of the first task went through the second one's environment.
    assert airflow.states("kjo_legacy") == {"extract": "success", "load": "success"}
    file = airflow.xcoms("kjo_legacy")["extract"]["file"]
    assert f"loading {file}" in said
    assert airflow.states("xcoms") == dict.fromkeys(("markers", "sidecar", "termination"), "success")
    assert airflow.xcoms("xcoms") == {
        "markers": {"said": True},
        "sidecar": {"rows": [1, 2]},
        "termination": ["told"],
    }


def test_plain_processes_have_the_xcoms_without_a_volume(airflow: Airflow) -> None:
    said = airflow.test("none", "kjo_jobs", "xcoms")
    assert set(airflow.states("kjo_jobs").values()) == {"success"}
    assert airflow.states("xcoms") == {
        "markers": "success",
        "sidecar": "failed",
        "termination": "success",
    }
    assert airflow.xcoms("xcoms") == {"markers": {"said": True}, "termination": ["told"]}
    assert "bubblewrap is missing" in said
