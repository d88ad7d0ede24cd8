"""A site's pod_mutation_hook."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.client import models as k8s

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator, _compat, _hook
from airflow_kjo.exceptions import KjoRefusedError
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

    def refuse(pod: Any) -> None:
        raise RuntimeError("not here")

    monkeypatch.setattr(_compat, "pod_mutation_hook", lambda: refuse)
    with pytest.raises(RuntimeError, match="not here"):
        run(KubernetesLegacyJobOperator(task_id="t", image="i"))
    assert not fake.called


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
        assert _hook.mutated(template, found)["spec"]["containers"][0]["image"] == "mirror/i"
    finally:
        manager.unregister(site)
