"""The DAGs of the examples, and the first one of all, are DAGs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from airflow_kjo import _compat
from conftest import DAG, ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_there_are_examples() -> None:
    assert [path.stem for path in EXAMPLES] == ["jobs", "legacy"]


@pytest.mark.skipif(not _compat.SDK, reason="the examples are written for Airflow 3")
@pytest.mark.parametrize("path", [*EXAMPLES, Path(__file__).parent / "dags" / "seed.py"])
def test_a_dag_is_whole_and_can_be_shown(path: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    values = list(runpy.run_path(str(path)).values())
    dags = {value.dag.dag_id: value.dag for value in values if isinstance(value, _compat.BaseOperator)}
    dags |= {value.dag_id: value for value in values if isinstance(value, DAG)}
    assert dags
    for dag in dags.values():
        dag.fileloc = str(path)
        for task in dag.tasks:
            task.resolve_template_files()
        assert DagSerialization.to_dict(dag)["dag"]["tasks"]
