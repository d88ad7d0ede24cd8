from __future__ import annotations

from typing import Any

import pytest

from airflow_kjo._identity import TaskIdentity, deployment, safe_label


def identity(**changed: Any) -> TaskIdentity:
    given = {
        "deployment": "site",
        "dag_id": "d",
        "task_id": "g.t",
        "run_id": "scheduled__2026-01-01T00:00:00+00:00",
        "map_index": -1,
        "generation": 0,
        "try_number": 1,
        "max_tries": 2,
    }
    return TaskIdentity(**{**given, **changed})


def test_the_run_id_is_the_same_for_every_try_of_a_generation_and_for_no_other_task() -> None:
    first = identity()
    assert first.kjo_run_id == "site/d/g.t/scheduled__2026-01-01T00:00:00+00:00/-1/0"
    assert identity(try_number=2).kjo_run_id == first.kjo_run_id
    others = [
        identity(deployment="other"),
        identity(dag_id="e"),
        identity(task_id="u"),
        identity(run_id="x"),
        identity(map_index=0),
        identity(generation=1),
        # A slash in a name is not the one between names.
        identity(deployment="site/d", dag_id="g.t"),
        identity(dag_id="d/g.t", task_id="x"),
        identity(dag_id="d", task_id="g.t/x"),
    ]
    assert len({first.kjo_run_id, *(other.kjo_run_id for other in others)}) == len(others) + 1


def test_a_very_long_run_id_is_cut_and_stays_its_own() -> None:
    one, two = identity(run_id="ü" * 250, dag_id="a" * 250), identity(run_id="ü" * 249, dag_id="a" * 250)
    assert len(one.kjo_run_id) <= 1000
    assert one.kjo_run_id != two.kjo_run_id


@pytest.mark.parametrize(
    ("generation", "try_number", "numbers"),
    [(0, 1, []), (2, 3, [1, 0]), (2, 4, []), (20, 21, list(range(19, 9, -1)))],
)
def test_former_generations(generation: int, try_number: int, numbers: list[int]) -> None:
    made = identity(generation=generation, try_number=try_number)
    assert made.former == [made.of_generation(number) for number in numbers]


@pytest.mark.parametrize(("number", "left"), [(1, True), (2, True), (3, False)])
def test_tries_that_are_left(number: int, left: bool) -> None:
    assert identity(try_number=number).try_left == left


def test_labels() -> None:
    assert identity(map_index=3, try_number=2).labels("3.3.2+local") == {
        "dag_id": "d",
        "task_id": "g.t",
        "run_id": "scheduled__2026-01-01T0000000000-b36726f5d",
        "try_number": "2",
        "map_index": "3",
        "airflow_version": "3.3.2-local",
    }
    assert "map_index" not in identity().labels("3")


@pytest.mark.parametrize(
    "value", ["a", "a.b-c_D", "x" * 63, "x" * 64, "größe", "-a-", "manual__2024-03-08T22:20:21+00:00"]
)
def test_labels_are_made_safe_as_the_other_operator_makes_them(value: str) -> None:
    from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value

    assert safe_label(value) == make_safe_label_value(value)


@pytest.mark.parametrize(
    ("configured", "base_url", "made", "warns"),
    [
        ("prod", "https://a.example", "prod", False),
        (None, "https://a.example/x/", "https://a.example/x", False),
        (None, None, "airflow", True),
        (None, "/", "/", True),
        (None, "http://localhost:8080", "http://localhost:8080", True),
    ],
)
def test_deployments(configured: str | None, base_url: str | None, made: str, warns: bool) -> None:
    name, warning = deployment(configured, base_url)
    assert (name, warning is not None) == (made, warns)
    if warning:
        assert "AIRFLOW__KJO__DEPLOYMENT_ID" in warning
