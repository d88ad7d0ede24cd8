"""A site's pod_mutation_hook."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import models as k8s

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator, _compat, _hook
from airflow_kjo._compat import AirflowFailException, AirflowSkipException
from airflow_kjo.exceptions import KjoError, KjoRefusedError
from conftest import FakeKjo, run

Make = Callable[..., FakeKjo]


def mutate(pod: k8s.V1Pod) -> None:
    pod.metadata.labels["site"] = "yes"
    pod.spec.containers[0].image = f"mirror/{pod.spec.containers[0].image}"
    pod.spec.tolerations = [k8s.V1Toleration(key="site")]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compat, "pod_mutation_hook", lambda: mutate)


@pytest.mark.usefixtures("hook")
def test_the_pods_of_both_operators_go_through_it(fake_kjo: Make) -> None:
    fake = fake_kjo()
    pod = {"containers": [{"name": "c", "image": "i", "future": {"a": 1}}], "futureToo": [1]}
    body = {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": pod}}}
    for operator in (
        KubernetesJobOperator(task_id="t", job_yaml=body),
        KubernetesLegacyJobOperator(task_id="t", image="i", pod_template_dict={"spec": pod}),
    ):
        run(operator)
        template = json.loads(fake.call["stdin"])["spec"]["template"]
        assert template["metadata"]["labels"]["site"] == "yes"
        assert template["metadata"]["labels"]["dag_id"] == "d"
        (container,) = template["spec"]["containers"]
        assert container["image"] == "mirror/i"
        assert template["spec"]["tolerations"] == [{"key": "site"}]
        # What this client does not know is kept.
        assert container["future"] == {"a": 1}
        assert template["spec"]["futureToo"] == [1]


@pytest.mark.usefixtures("hook")
def test_without_the_client_the_task_fails(fake_kjo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_kjo()
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(KjoRefusedError, match=r"kubernetes\.client"):
        run(KubernetesLegacyJobOperator(task_id="t", image="i"))
    assert not fake.called


def test_a_hook_that_refuses_fails_the_task(fake_kjo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_kjo()

    raised: list[Exception] = []

    def refuse(pod: Any) -> None:
        raise raised[-1]

    monkeypatch.setattr(_compat, "pod_mutation_hook", lambda: refuse)
    for error, kind, message in (
        (
            RuntimeError("not here"),
            KjoError,
            "the site's pod_mutation_hook failed: RuntimeError: not here",
        ),
        (TypeError("oops"), KjoError, "the site's pod_mutation_hook failed: TypeError: oops"),
        (AirflowFailException("never"), KjoRefusedError, "the site's pod_mutation_hook failed: .*never"),
        (AirflowSkipException("not today"), AirflowSkipException, "not today"),
    ):
        raised.append(error)
        with pytest.raises(kind, match=message) as caught:
            run(KubernetesLegacyJobOperator(task_id="t", image="i"))
        assert type(caught.value) is kind
    assert not fake.called


def test_the_hook_sees_name_and_namespace(
    fake_kjo: Make,
    monkeypatch: pytest.MonkeyPatch,
    no_connections: dict[str, Any],
    tmp_path: Path,
) -> None:
    fake = fake_kjo()
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(
        _compat,
        "pod_mutation_hook",
        lambda: lambda pod: seen.append((pod.metadata.name, pod.metadata.namespace)),
    )
    (tmp_path / "empty").write_text("{}")
    config = tmp_path / "config"
    context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "of-context"}}
    config.write_text(json.dumps({"contexts": [context], "current-context": "x"}))
    body = {"kind": "Job", "metadata": {"name": "j", "namespace": "own"}}
    extra = {"namespace": "of-connection"}
    no_connections["c"] = SimpleNamespace(extra_dejson=extra)
    (tmp_path / "none").write_text(json.dumps({"contexts": [], "current-context": "x"}))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'empty'}{os.pathsep}{config}")
    given: list[tuple[dict[str, Any], str]] = [
        ({"namespace": "prod"}, "prod"),
        ({"job_yaml": body}, "own"),
        ({"kubernetes_conn_id": "c"}, "of-connection"),
        ({"extra_args": ["--namespace=far"], "namespace": "prod"}, "far"),
        ({"extra_args": ["-n", "far"]}, "far"),
        ({}, "of-context"),
        ({"config_file": str(tmp_path / "none")}, "default"),
        ({"config_file": str(tmp_path / "missing")}, "default"),
    ]
    for parameters, namespace in given:
        run(KubernetesLegacyJobOperator(task_id="My_Task", image="i", **parameters))
        assert seen[-1] == ("j" if "job_yaml" in parameters else "my-task", namespace)
        metadata = json.loads(fake.call["stdin"])["spec"]["template"]["metadata"]
        assert set(metadata) == {"labels"}


def test_the_hook_may_choose_the_namespace(fake_kjo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_kjo()

    def move(pod: k8s.V1Pod) -> None:
        pod.metadata.namespace, pod.metadata.name = "other", "zz"

    monkeypatch.setattr(_compat, "pod_mutation_hook", lambda: move)
    run(KubernetesLegacyJobOperator(task_id="t", image="i", namespace="prod"))
    argv = fake.call["argv"]
    assert argv[argv.index("-n") + 1] == "other"
    made = json.loads(fake.call["stdin"])
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("t", "other")
    assert set(made["spec"]["template"]["metadata"]) == {"labels"}


def test_a_site_without_a_hook_imports_no_client() -> None:
    assert _compat.pod_mutation_hook() is None


def test_the_hook_of_airflow_local_settings_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.policies import hookimpl

    class Site:
        @hookimpl
        def pod_mutation_hook(self, pod: Any) -> None:
            mutate(pod)

    manager, site = _compat.policies(), Site()
    manager.register(site)
    try:
        found = _compat.pod_mutation_hook()
        assert found is not None
        template = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        mutated, namespace = _hook.mutated(template, found, name="n", namespace="ns")
        assert namespace == "ns"
        assert mutated["spec"]["containers"][0]["image"] == "mirror/i"
    finally:
        manager.unregister(site)
