"""Manifests that come from files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_kjo import KubernetesJobOperator, _compat
from airflow_kjo.exceptions import KjoRefusedError
from conftest import DAG, FakeKjo, run

Make = Callable[..., FakeKjo]


@pytest.fixture
def dag(tmp_path: Path) -> DAG:
    (tmp_path / "dags").mkdir()
    dag = DAG("d", schedule=None)
    dag.fileloc = str(tmp_path / "dags" / "d.py")
    return dag


@pytest.fixture
def write(dag: DAG, tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / "dags" / name
        path.write_text(text)
        return path

    return write


def job_of(fake: FakeKjo) -> Any:
    return json.loads(fake.call["stdin"])


TEXT = "kind: Job\nmetadata: {name: j}\nx: '{{ x }}'\n"


def test_paths_are_read_when_the_dag_is_loaded(fake_kjo: Make, dag: DAG, write: Any) -> None:
    fake = fake_kjo()
    path = write("job.yaml", TEXT)
    odd = write("job.manifest", TEXT)
    operators = [
        KubernetesJobOperator(
            task_id="r", dag=dag, job_yaml="job.yaml", config_file="job.yaml", extra_args=["job.yaml"]
        ),
        KubernetesJobOperator(task_id="a", dag=dag, job_yaml=path),
        KubernetesJobOperator(task_id="f", dag=dag, job_yaml_filepath="job.manifest"),
        KubernetesJobOperator(task_id="b", dag=dag, body_filepath=odd),
    ]
    for operator in operators:
        operator.resolve_template_files()
        assert operator.job_yaml == TEXT
        run(operator, x="X")
        assert job_of(fake)["x"] == "X"
    assert operators[0].config_file == "job.yaml"
    assert operators[0].extra_args == ["job.yaml"]


def test_paths_known_only_at_the_run_are_read_then(fake_kjo: Make, dag: DAG, write: Any) -> None:
    fake = fake_kjo()
    write("job.yml", TEXT)
    for parameters in ({"job_yaml": "{{ name }}.yml"}, {"job_yaml_filepath": "{{ name }}.yml"}):
        operator = KubernetesJobOperator(
            task_id="t" + "f" * ("job_yaml" not in parameters), dag=dag, **parameters
        )
        operator.resolve_template_files()
        run(operator, name="job", x="X")
        assert job_of(fake)["x"] == "X"


def test_a_file_may_include_others(fake_kjo: Make, dag: DAG, write: Any) -> None:
    fake = fake_kjo()
    write("container.yaml", "{name: main, image: '{{ x }}'}")
    write(
        "job.yaml.j2",
        "kind: Job\nmetadata: {name: j}\nspec: {template: {spec: {containers: "
        "[{% include 'container.yaml' %}]}}}\n",
    )
    operator = KubernetesJobOperator(task_id="t", dag=dag, job_yaml="job.yaml.j2")
    operator.resolve_template_files()
    run(operator, x="X")
    (container,) = job_of(fake)["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "main", "image": "X"}


def test_a_file_is_validated_when_the_dag_is_loaded(dag: DAG, write: Any) -> None:
    write("job.yaml", "kind: Job\n  x: 1\n")
    operator = KubernetesJobOperator(
        task_id="t", dag=dag, job_yaml="job.yaml", validate_body_on_init=True
    )
    with pytest.raises(KjoRefusedError, match="line 2, column 4"):
        operator.resolve_template_files()


@pytest.mark.parametrize("path", ["no.yaml", "/no/such/no.yaml", "../no.yaml"])
def test_a_missing_file_fails_at_the_run_and_says_where(
    fake_kjo: Make, dag: DAG, tmp_path: Path, path: str
) -> None:
    fake_kjo()
    operator = KubernetesJobOperator(task_id="t", dag=dag, job_yaml=path)
    operator.resolve_template_files()
    where = "/no/such/no.yaml" if path.startswith("/") else f"no such file in {tmp_path / 'dags'}"
    with pytest.raises(KjoRefusedError, match=where):
        run(operator)


def test_a_file_that_is_no_text_is_refused_by_the_task(fake_kjo: Make, dag: DAG, write: Any) -> None:
    fake_kjo()
    path = write("latin.yaml", "")
    path.write_bytes("kind: Job\nx: grüße\n".encode("latin-1"))
    for name in ("latin.yaml", str(path)):
        operator = KubernetesJobOperator(task_id=f"t{len(name)}", dag=dag, job_yaml=name)
        operator.resolve_template_files()
        with pytest.raises(KjoRefusedError, match=r"latin\.yaml is not UTF-8 text"):
            run(operator)


def test_a_missing_file_is_an_error_of_the_dag_where_that_is_wanted(dag: DAG) -> None:
    def operator(path: str) -> KubernetesJobOperator:
        name = "no" if path == "no.yaml" else "later"
        return KubernetesJobOperator(
            task_id=name, dag=dag, job_yaml_filepath=path, validate_body_on_init=True
        )

    with pytest.raises(KjoRefusedError, match=r"no: job_yaml_filepath: no\.yaml: no such file in "):
        operator("no.yaml").resolve_template_files()
    operator("{{ name }}.yaml").resolve_template_files()


@pytest.mark.parametrize("parameter", ["job_yaml", "body"])
def test_a_path_object_is_a_path_whatever_it_ends_in(
    fake_kjo: Make, dag: DAG, write: Any, parameter: str
) -> None:
    fake = fake_kjo()
    write("job", TEXT)
    operator = KubernetesJobOperator(task_id="t", dag=dag, **{parameter: Path("job")})
    operator.resolve_template_files()
    run(operator, x="X")
    assert job_of(fake)["x"] == "X"


def test_a_rendered_text_is_not_quoted(fake_kjo: Make, dag: DAG, write: Any) -> None:
    # As the real one quotes.
    fake = fake_kjo()
    said = "kjo: error: job_yaml is not valid YAML: line 2\nkjo:     secret line\nkjo: hint: mend"
    fake.path.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{said}' >&2\nexit 125\n")
    bad = "kind: Job\n  x: {{ x }}\n"
    write("bad.yaml", bad)
    for number, parameters in enumerate(
        ({"job_yaml": bad}, {"job_yaml": "bad.yaml"}, {"job_yaml_filepath": "bad.yaml"})
    ):
        operator = KubernetesJobOperator(task_id=f"t{number}", dag=dag, **parameters)
        operator.resolve_template_files()
        with pytest.raises(KjoRefusedError, match=r"not valid YAML: line 2\nhint: mend$"):
            run(operator, x="X")
    with pytest.raises(KjoRefusedError, match=r"line 2\n    secret line\nhint: mend$"):
        run(KubernetesJobOperator(task_id="t", job_yaml="kind: Job\n  x: 1\n"))


def test_a_path_may_lead_up(fake_kjo: Make, dag: DAG, write: Any) -> None:
    fake = fake_kjo()
    write("../up.yaml", TEXT)
    operator = KubernetesJobOperator(task_id="t", dag=dag, body_filepath="../up.yaml")
    operator.resolve_template_files()
    run(operator, x="X")
    assert job_of(fake)["x"] == "X"


def test_the_values_of_secrets_are_masked_before_they_are_shown(
    fake_kjo: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr(_compat, "mask_secret", masked.append)
    fake_kjo()
    body = "kind: Job\n---\nkind: Secret\nstringData: {a: '{{ x }}'}\n"
    run(KubernetesJobOperator(task_id="t", job_yaml=body), x="hunter2")
    assert "hunter2" in masked
    assert not {"x", "{{ x }}"} & set(masked)
