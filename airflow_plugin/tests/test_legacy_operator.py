from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator
from airflow_kjo.exceptions import KjoRefusedError
from airflow_kjo.operators.legacy import environment, job_name
from conftest import FakeKjo

Make = Callable[..., FakeKjo]


class Model:
    """As the Kubernetes client's models are."""

    attribute_map: ClassVar[dict[str, str]] = {}

    def __init__(self, **attributes: Any) -> None:
        for name in self.attribute_map:
            setattr(self, name, attributes.get(name))


class EnvVar(Model):
    attribute_map: ClassVar = {"name": "name", "value": "value", "value_from": "valueFrom"}


class EnvVarSource(Model):
    attribute_map: ClassVar = {"secret_key_ref": "secretKeyRef", "field_ref": "fieldRef"}


class KeySelector(Model):
    attribute_map: ClassVar = {"key": "key", "name": "name", "optional": "optional"}


class HasToDict:
    def to_dict(self) -> dict[str, str]:
        return {"name": "T", "value": "t"}


def run(fake: FakeKjo, **parameters: Any) -> dict[str, Any]:
    operator = KubernetesLegacyJobOperator(**{"task_id": "t", "image": "i"} | parameters)
    operator.render_template_fields({"x": "X"})
    operator.execute({})
    manifest: dict[str, Any] = json.loads(fake.call["stdin"])
    return manifest


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    return only


def test_the_manifest(fake_kjo: Make) -> None:
    assert run(
        fake_kjo(),
        task_id="legacy-test-job",
        image="ubuntu:{{ x }}",
        cmds=["bash", "-c", 'echo "all {{ x }}"'],
        arguments=["{{ x }}", "b.yaml"],
        env_vars={"A": "{{ x }}"},
    ) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "legacy-test-job"},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [
                        {
                            "name": "base",
                            "image": "ubuntu:X",
                            "command": ["bash", "-c", 'echo "all X"'],
                            "args": ["X", "b.yaml"],
                            "env": [{"name": "A", "value": "X"}],
                        }
                    ],
                }
            },
        },
    }


def test_numbers_that_native_rendering_makes_become_text_again(fake_kjo: Make) -> None:
    assert container(run(fake_kjo(), arguments=["-n", 5, 0.5]))["args"] == ["-n", "5", "0.5"]


def test_what_is_not_given_is_left_to_the_image(fake_kjo: Make) -> None:
    assert container(run(fake_kjo())) == {"name": "base", "image": "i"}


@pytest.mark.parametrize(
    ("env_vars", "expected"),
    [
        (None, []),
        ({}, []),
        ({"A": "1", "B": ""}, [{"name": "A", "value": "1"}, {"name": "B", "value": ""}]),
        ({"A": 1, "B": 0.5, "C": None}, [("A", "1"), ("B", "0.5"), ("C", None)]),
        ([{"name": "A", "value": "{{ x }}"}], [("A", "X")]),
        ([EnvVar(name="A", value="{{ x }}"), HasToDict()], [("A", "X"), ("T", "t")]),
        (
            [EnvVar(name="A", value_from=EnvVarSource(secret_key_ref=KeySelector(key="k")))],
            [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}],
        ),
    ],
)
def test_environment_variables(fake_kjo: Make, env_vars: Any, expected: list[Any]) -> None:
    fake = fake_kjo()
    wanted = [
        item
        if isinstance(item, dict)
        else {k: v for k, v in zip(("name", "value"), item, strict=True) if v is not None}
        for item in expected
    ]
    assert container(run(fake, env_vars=env_vars)).get("env", []) == wanted
    # Neither on the command line nor in kjo's own environment.
    assert not any("A=" in argument for argument in fake.call["argv"])
    assert "A" not in fake.call["env"]


@pytest.mark.parametrize(
    ("env_vars", "message"),
    [
        ("A=1", "not str"),
        (5, "not int"),
        (["A=1"], r"env_vars\[0\] must have a name"),
        ([{"value": "secret"}], r"env_vars\[0\] must have a name"),
        ({"A": True}, "the value of A must be text, not bool"),
        ({"A": ["secret"]}, "the value of A must be text, not list"),
    ],
)
def test_what_is_no_environment(fake_kjo: Make, env_vars: Any, message: str) -> None:
    fake = fake_kjo()
    with pytest.raises(ValueError, match=message) as caught:
        environment(env_vars)
    assert "secret" not in str(caught.value)
    with pytest.raises(KjoRefusedError, match=message):
        run(fake, env_vars=env_vars)
    assert not fake.called


@pytest.mark.parametrize("name", ["cmds", "arguments", "extra_args"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("one string", " must be a list of strings, not str"),
        (5, " must be a list of strings, not int"),
        (["a", True], r"\[1\] must be text, not bool"),
        ([None], r"\[0\] must be text, not NoneType"),
    ],
)
def test_lists_of_strings_are_nothing_else(
    fake_kjo: Make, name: str, value: Any, message: str
) -> None:
    fake = fake_kjo()
    with pytest.raises(KjoRefusedError, match=name + message):
        run(fake, **{name: value})
    assert not fake.called


@pytest.mark.parametrize(
    ("given", "policy"), [(True, "always"), (False, "never"), (None, "always")]
)
def test_the_delete_policy(fake_kjo: Make, given: bool | None, policy: str) -> None:
    fake = fake_kjo()
    run(fake, is_delete_operator_pod=given, namespace="n", extra_args=["--timeout", "1m"])
    assert fake.call["argv"][5:] == ["--delete", policy, "-n", "n", "--timeout", "1m"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("legacy-test-job", "legacy-test-job"),
        ("Group.My_Task", "group-my-task"),
        ("__x__", "x"),
        ("größe", "gr-e"),
        ("日本", "task"),
        ("a" * 39 + "-b", "a" * 39),
        ("a" * 200, "a" * 40),
    ],
)
def test_names(text: str, name: str) -> None:
    assert job_name(text) == name


def test_the_name_is_a_template(fake_kjo: Make) -> None:
    assert run(fake_kjo(), name="My {{ x }}")["metadata"] == {"name": "my-x"}


def test_it_is_a_job_operator_that_takes_no_manifest() -> None:
    assert issubclass(KubernetesLegacyJobOperator, KubernetesJobOperator)
    with pytest.raises(TypeError, match="takes no job_yaml"):
        KubernetesLegacyJobOperator(task_id="t", image="i", job_yaml="kind: Job")
    with pytest.raises(TypeError, match="no_such"):
        KubernetesLegacyJobOperator(task_id="t", image="i", no_such=1)
    with pytest.raises(TypeError, match="image"):
        KubernetesLegacyJobOperator(task_id="t")
