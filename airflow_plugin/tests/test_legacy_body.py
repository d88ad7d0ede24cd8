"""A whole Job under the parameters of the legacy operator, and the sidecar that it asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_kjo import KubernetesLegacyJobOperator
from airflow_kjo.exceptions import KjoRefusedError
from conftest import FakeKjo, run

Make = Callable[..., FakeKjo]

BODY = """
apiVersion: batch/v1
kind: Job
metadata: {name: given, namespace: team, annotations: {a: "1"}}
spec:
  backoffLimit: 4
  suspend: true
  template:
    metadata: {labels: {theirs: "1"}}
    spec:
      serviceAccountName: account
      containers:
        - {name: first, image: old, env: [{name: A, value: '{{ x }}'}]}
        - {name: second, image: other}
"""


def manifest(fake: FakeKjo, **parameters: Any) -> Any:
    run(KubernetesLegacyJobOperator(task_id="t", **parameters), x="X")
    (job,) = [json.loads(text) for text in fake.call["stdin"].split("---\n")]
    return job


@pytest.mark.parametrize("name", ["body", "job_yaml"])
def test_parameters_are_laid_over_a_job(fake_kjo: Make, name: str) -> None:
    job = manifest(
        fake_kjo(),
        image="new",
        cmds=["run"],
        env_vars={"B": "b"},
        labels={"mine": "2"},
        parallelism=2,
        **{name: BODY},
    )
    assert job["metadata"]["name"] == "given"
    assert job["metadata"]["namespace"] == "team"
    assert job["metadata"]["annotations"] == {"a": "1"}
    assert job["metadata"]["labels"]["mine"] == "2"
    spec = job["spec"]
    assert (spec["backoffLimit"], spec["suspend"], spec["parallelism"]) == (4, True, 2)
    pod = spec["template"]
    assert pod["metadata"]["labels"].items() >= {"theirs": "1", "mine": "2"}.items()
    assert pod["spec"]["serviceAccountName"] == "account"
    assert pod["spec"]["containers"] == [
        {
            "name": "base",
            "image": "new",
            "command": ["run"],
            "env": [{"name": "A", "value": "X"}, {"name": "B", "value": "b"}],
            "terminationMessagePolicy": "File",
        },
        {"name": "second", "image": "other"},
    ]


def test_a_parameter_wins_over_the_job(fake_kjo: Make) -> None:
    job = manifest(fake_kjo(), body=BODY, name="mine", namespace="team", backoff_limit=0)
    assert (job["metadata"]["name"], job["spec"]["backoffLimit"]) == ("mine", 0)


def test_a_bad_job_is_refused_with_its_place() -> None:
    with pytest.raises(KjoRefusedError, match="line 2, column 7"):
        run(KubernetesLegacyJobOperator(task_id="t", body="kind: Job\n  spec: {}\n"))
    with pytest.raises(ValueError, match="job_yaml and body exclude each other"):
        KubernetesLegacyJobOperator(task_id="t", body=BODY, job_yaml=BODY)


@pytest.mark.parametrize(
    ("context", "expected"), [({}, {}), ({"run_as_user": 7}, {"runAsUser": 7}), (None, {"runAsUser": 1})]
)
def test_the_sidecars_context_wins_over_the_connections(
    fake_kjo: Make, no_connections: dict[str, Any], context: Any, expected: Any
) -> None:
    fake = fake_kjo()
    extras = {"xcom_sidecar_container_security_context": {"runAsUser": 1}}
    no_connections["kubernetes_default"] = SimpleNamespace(extra_dejson=extras)
    operator = KubernetesLegacyJobOperator(
        task_id="t", image="i", do_xcom_push=True, xcom_sidecar_container_security_context=context
    )
    run(operator)
    argv = fake.call["argv"]
    assert json.loads(argv[argv.index("--xcom-container") + 1]) == {"securityContext": expected}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"secrets": 5}, "secrets must be a list, not int"),
        ({"secrets": "abc"}, "secrets must be a list, not str"),
        ({"startup_timeout_seconds": "soon"}, "startup_timeout_seconds must be a number of seconds"),
        ({"pod_template_dict": {"spec": {"containers": ["a"]}}}, "spec.containers must be a list"),
        ({"pod_template_dict": {"spec": {"containers": {"a": 1}}}}, "spec.containers must be a list"),
        (
            {"pod_template_dict": {"spec": {"containers": [{"name": "a", "env": {"A": "b"}}]}}},
            "container a.env must be a list of mappings",
        ),
    ],
)
def test_an_odd_parameter_is_refused_by_name(
    fake_kjo: Make, parameters: dict[str, Any], message: str
) -> None:
    fake = fake_kjo()
    with pytest.raises(KjoRefusedError, match="t: .*" + message):
        run(KubernetesLegacyJobOperator(task_id="t", image="i", **parameters))
    assert not fake.called


@pytest.mark.parametrize(
    ("given", "flag"),
    [("300", "300s"), (86400 * 12, "1036800s"), (0.5, "0.5s"), (timedelta(minutes=2), "120s")],
)
def test_time_outs(fake_kjo: Make, given: Any, flag: str) -> None:
    fake = fake_kjo()
    run(KubernetesLegacyJobOperator(task_id="t", image="i", startup_timeout_seconds=given))
    argv = fake.call["argv"]
    assert (
        argv[argv.index("--schedule-timeout") + 1] == argv[argv.index("--startup-timeout") + 1] == flag
    )


INIT = {"init_containers": [{"name": "i", "image": "x"}]}


@pytest.mark.parametrize(
    ("parameters", "expected", "warned"),
    [
        ({"container_logs": False}, ["--logs", "none"], ""),
        ({"container_logs": []}, ["--logs", "none"], ""),
        ({"container_logs": True}, [], ""),
        ({**INIT, "container_logs": True}, ["-c", "base"], ""),
        ({**INIT, "container_logs": False, "init_container_logs": True}, ["-c", "i"], ""),
        (
            {**INIT, "container_logs": ["base", "no"]},
            ["-c", "base"],
            "no such container: no (it has base)",
        ),
        (
            {"container_logs": "no"},
            ["--logs", "none"],
            "container_logs: the pod has no such container: no",
        ),
        (
            {"init_container_logs": ["no"]},
            [],
            "init_container_logs: the pod has no such container: no (it has none)",
        ),
    ],
)
def test_whose_logs_are_shown(
    fake_kjo: Make,
    task_log: list[str],
    parameters: dict[str, Any],
    expected: list[str],
    warned: str,
) -> None:
    fake = fake_kjo()
    run(KubernetesLegacyJobOperator(task_id="t", image="i", **parameters))
    argv = fake.call["argv"]
    found = [
        word
        for i, word in enumerate(argv)
        for flag in ("-c", "--logs")
        if word == flag or (i and argv[i - 1] == flag)
    ]
    assert found == expected
    warnings = [line for line in task_log if line.startswith("WARNING")]
    assert [warned in line for line in warnings] == ([True] if warned else [])


def test_methods_that_are_never_called_are_named_once(fake_kjo: Make, task_log: list[str]) -> None:
    fake_kjo()

    class Mine(KubernetesLegacyJobOperator):
        def build_pod_request_obj(self, context: Any = None) -> Any:
            raise AssertionError

        def find_pod(self, *_: Any) -> Any:
            raise AssertionError

    run(KubernetesLegacyJobOperator(task_id="t", image="i"))
    assert not [line for line in task_log if "never called" in line]
    run(Mine(task_id="t", image="i"))
    (line,) = [line for line in task_log if "never called" in line]
    assert line.endswith(
        "that Mine has, and that are never called here: build_pod_request_obj, find_pod"
    )


def test_a_missing_template_names_its_parameter(fake_kjo: Make) -> None:
    fake_kjo()
    with pytest.raises(
        KjoRefusedError, match="t: pod_template_file: /no/such: No such file or directory"
    ):
        run(KubernetesLegacyJobOperator(task_id="t", image="i", pod_template_file="/no/such"))
