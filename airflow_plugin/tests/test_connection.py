"""Which cluster: the operator's parameters over an Airflow connection."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_kjo import KubernetesJobOperator, _connection
from airflow_kjo.exceptions import KjoRefusedError
from conftest import FakeKjo, run

JOB = "kind: Job\nmetadata: {name: j}\n"
CONFIG: dict[str, Any] = {
    "clusters": [{"name": "c", "cluster": {"server": "https://s", "certificate-authority": "ca.crt"}}],
    "users": [{"name": "u", "user": {"client-key": "/abs/key", "tokenFile": "token"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}

Make = Callable[..., FakeKjo]


def flags(fake: FakeKjo) -> list[str]:
    argv: list[str] = fake.call["argv"]
    return argv[argv.index("hide") + 1 :]


@pytest.mark.parametrize("prefix", ["", "extra__kubernetes__"])
@pytest.mark.parametrize(
    ("extras", "parameters", "expected"),
    [
        ({}, {}, []),
        ({"namespace": "n", "cluster_context": "c"}, {}, ["--context", "c", "-n", "n"]),
        ({"namespace": "n"}, {"namespace": "mine"}, ["-n", "mine"]),
        ({"cluster_context": "c"}, {"cluster_context": "mine"}, ["--context", "mine"]),
        ({"kube_config_path": "/k"}, {}, ["--kubeconfig", "/k"]),
        ({"kube_config_path": "/k"}, {"config_file": "/mine"}, ["--kubeconfig", "/mine"]),
        ({"kube_config_path": "~/k"}, {}, ["--kubeconfig", os.path.expanduser("~/k")]),  # noqa: PTH111
        ({"in_cluster": True}, {"config_file": "/mine"}, ["--kubeconfig", "/mine"]),
        ({"in_cluster": True}, {"in_cluster": False}, []),
        ({"in_cluster": "", "kube_config": None, "namespace": ""}, {}, []),
        (
            {"xcom_sidecar_container_image": "x"},
            {"xcom": "sidecar"},
            ["--xcom", "sidecar", "--xcom-image", "x"],
        ),
        (
            {
                "xcom_sidecar_container_resources": '{"requests": {"cpu": "5m"}}',
                "xcom_sidecar_container_security_context": {"run_as_user": 5},
            },
            {"xcom": "sidecar"},
            [
                *("--xcom", "sidecar", "--xcom-container"),
                '{"resources": {"requests": {"cpu": "5m"}}, "securityContext": {"runAsUser": 5}}',
            ],
        ),
        ({"xcom_sidecar_container_image": "x", "xcom_sidecar_container_resources": "{}"}, {}, []),
    ],
)
def test_the_connection_lies_under_the_parameters(
    fake_kjo: Make,
    no_connections: dict[str, Any],
    prefix: str,
    extras: dict[str, Any],
    parameters: dict[str, Any],
    expected: list[str],
) -> None:
    fake = fake_kjo()
    prefixed = {prefix + key: value for key, value in extras.items()}
    no_connections["kubernetes_default"] = SimpleNamespace(extra_dejson=prefixed)
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, **parameters))
    assert flags(fake) == expected


def test_the_namespace_of_the_manifest_is_stronger_than_the_connections(
    fake_kjo: Make, no_connections: dict[str, Any]
) -> None:
    fake = fake_kjo()
    no_connections["c"] = SimpleNamespace(extra_dejson={"namespace": "weak"})
    body = {"kind": "Job", "metadata": {"name": "j", "namespace": "own"}}
    run(KubernetesJobOperator(task_id="t", job_yaml=body, kubernetes_conn_id="c"))
    assert flags(fake) == ["-n", "own"]


@pytest.mark.parametrize("as_text", [True, False])
def test_a_kubeconfig_goes_over_in_memory(
    fake_kjo: Make, no_connections: dict[str, Any], task_log: list[str], as_text: bool
) -> None:
    fake = fake_kjo()
    content = json.dumps(CONFIG) if as_text else CONFIG
    extras = {"kube_config": content, "disable_tcp_keepalive": True}
    no_connections["c"] = SimpleNamespace(extra_dejson=extras)
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, kubernetes_conn_id="c"))
    assert json.loads(fake.call["kubeconfig"]) == CONFIG
    assert "https://s" not in " ".join(fake.call["argv"])
    assert "https://s" not in "".join(task_log)
    assert any(
        "WARNING Extras of the connection 'c'" in line and line.endswith(": disable_tcp_keepalive")
        for line in task_log
    )


@pytest.mark.parametrize("source", ["path", "environment", "content"])
def test_tls_can_be_left_unverified(
    fake_kjo: Make,
    no_connections: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    fake = fake_kjo()
    extras: dict[str, Any] = {"disable_verify_ssl": "true"}
    expected = ["--insecure-skip-tls-verify"]
    if source == "path":
        extras["kube_config_path"] = "/k"
        expected += ["--kubeconfig", "/k"]
    elif source == "content":
        extras["kube_config"] = CONFIG
    else:
        # A list, or none at all: kjo finds its way.
        monkeypatch.setenv("KUBECONFIG", "/no/such:/nor/this")
    no_connections["kubernetes_default"] = SimpleNamespace(extra_dejson=extras)
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    if source == "content":
        assert flags(fake)[:1] == expected
        assert json.loads(fake.call["kubeconfig"]) == CONFIG
    else:
        assert flags(fake) == expected


@pytest.mark.parametrize(("host", "server"), [("10.0.0.1", "10.0.0.1"), ("fd00::1", "[fd00::1]")])
def test_in_cluster_is_the_pods_own_account(
    fake_kjo: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, server: str
) -> None:
    fake = fake_kjo()
    (tmp_path / "token").write_text("secret")
    (tmp_path / "namespace").write_text("here\n")
    monkeypatch.setattr(_connection, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, in_cluster=True, cluster_context="no"))
    config = json.loads(fake.call["kubeconfig"])
    assert config["clusters"][0]["cluster"]["server"] == f"https://{server}:443"
    assert config["users"][0]["user"] == {"tokenFile": str(tmp_path / "token")}
    assert config["contexts"][0]["context"]["namespace"] == "here"
    assert "--context" not in fake.call["argv"]


def test_in_cluster_outside_of_a_pod_says_so(
    fake_kjo: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_kjo()
    monkeypatch.setattr(_connection, "ACCOUNT", tmp_path)
    with pytest.raises(KjoRefusedError, match="runs in no pod that has a service account"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, in_cluster=True))


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        ({"in_cluster": True, "kube_config_path": "/k"}, "has more than one of in_cluster"),
        ({"kube_config": "{", "kube_config_path": "/k"}, "has more than one of in_cluster"),
        ({"kube_config": "{"}, "kube_config of the Kubernetes connection is not valid YAML: line 2"),
        ({"kube_config": "a"}, "must be one kubeconfig"),
        (
            {"xcom_sidecar_container_image": ["x"]},
            "xcom_sidecar_container_image of the Kubernetes connection must be text, not list",
        ),
        ({"kube_config_path": {"a": 1}}, "kube_config_path of the Kubernetes connection must be text"),
    ],
)
def test_what_is_wrong_with_a_connection_is_told(
    fake_kjo: Make, no_connections: dict[str, Any], extras: dict[str, Any], message: str
) -> None:
    fake = fake_kjo()
    no_connections["kubernetes_default"] = SimpleNamespace(extra_dejson=extras)
    with pytest.raises(KjoRefusedError, match=message):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    assert not fake.called


def test_only_the_default_connection_may_be_missing(fake_kjo: Make) -> None:
    fake_kjo()
    with pytest.raises(KjoRefusedError, match="there is no Airflow connection 'other'"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, kubernetes_conn_id="other"))
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, kubernetes_conn_id=None))


def test_where_there_is_no_memory_for_it_it_is_a_private_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    where = _connection.merged(
        {"kube_config": CONFIG}, in_cluster=None, config_file=None, cluster_context=None
    )
    with ExitStack() as stack:
        (_, path), descriptors = _connection.arguments(where, {}, stack)
        assert descriptors == []
        assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116
        assert json.loads(Path(path).read_text()) == CONFIG
    assert not Path(path).exists()
