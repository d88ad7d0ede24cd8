"""The pods of the legacy operator against those of KubernetesPodOperator itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.secret import Secret
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

from airflow_kjo import KubernetesLegacyJobOperator, _models, _yaml


@pytest.fixture(autouse=True)
def without_kjo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have templates read as the operator's own reader does: there is no kjo for every case."""
    load = staticmethod(_yaml.load_all)
    monkeypatch.setattr(KubernetesLegacyJobOperator, "load", load)


TEMPLATE = """
apiVersion: v1
kind: Pod
metadata:
  name: from-template
  labels: {a: template, t: template}
  annotations: {note: template}
spec:
  restartPolicy: Always
  nodeSelector: {disk: template, zone: template}
  serviceAccountName: template
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 9
  activeDeadlineSeconds: 900
  hostNetwork: true
  priorityClassName: template
  dnsPolicy: None
  securityContext: {runAsUser: 1}
  tolerations: [{key: template, operator: Exists}]
  affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: []}}
  imagePullSecrets: [{name: template}]
  hostAliases: [{ip: 10.0.0.1, hostnames: [template]}]
  volumes: [{name: template, emptyDir: {}}]
  initContainers:
    - {name: first, image: template, env: [{name: T, value: t}]}
    - {name: other, image: template}
  containers:
    - name: main
      image: template
      command: [template]
      args: [template]
      imagePullPolicy: Never
      terminationMessagePolicy: FallbackToLogsOnError
      workingDir: /template
      env: [{name: T, value: template}]
      envFrom: [{secretRef: {name: template}}]
      ports: [{containerPort: 1}]
      volumeMounts: [{name: template, mountPath: /template}]
      volumeDevices: [{name: template, devicePath: /dev/t}]
      resources: {limits: {cpu: "1"}, requests: {memory: 1Mi}}
      securityContext: {privileged: false}
    - {name: sidecar, image: template}
"""

FULL = k8s.V1Pod(
    metadata=k8s.V1ObjectMeta(labels={"a": "full"}, annotations={"f": "full"}),
    spec=k8s.V1PodSpec(
        containers=[k8s.V1Container(name="x", image="full", env=[k8s.V1EnvVar(name="F", value="full")])],
        scheduler_name="full",
        volumes=[k8s.V1Volume(name="full", empty_dir=k8s.V1EmptyDirVolumeSource())],
    ),
)

AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}
            ]
        }
    },
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"my_app": "x"}}, "topologyKey": "zone"}
        ]
    },
}

# Of each parameter that shapes the pod, values that a DAG may have.
SHAPING: dict[str, list[Any]] = {
    "image": ["i", "", None],
    "cmds": [["sh", "-c"], [], None],
    "arguments": [["a", "b"], []],
    "ports": [[k8s.V1ContainerPort(container_port=80, name="http")], []],
    "volume_mounts": [[k8s.V1VolumeMount(name="v", mount_path="/v", sub_path="s", read_only=True)]],
    "volumes": [
        [
            k8s.V1Volume(name="v", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit="1Mi")),
            k8s.V1Volume(
                name="p",
                persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name="c"),
            ),
        ]
    ],
    "env_vars": [
        {"A": "1", "B": ""},
        [
            k8s.V1EnvVar(name="A", value="1"),
            k8s.V1EnvVar(
                name="S",
                value_from=k8s.V1EnvVarSource(secret_key_ref=k8s.V1SecretKeySelector(name="s", key="k")),
            ),
        ],
        {},
    ],
    "env_from": [
        [k8s.V1EnvFromSource(prefix="P_", secret_ref=k8s.V1SecretEnvSource(name="s"))],
        [k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name="c"))],
    ],
    "configmaps": [["one", "two"], []],
    "secrets": [
        [Secret("env", "target", "s", "k"), Secret("env", None, "all")],
        [],
    ],
    "labels": [{"a": "1", "none": None}, {}],
    "annotations": [{"note": "1"}, {}],
    "image_pull_policy": ["Always", None],
    "container_resources": [
        k8s.V1ResourceRequirements(limits={"cpu": "2"}, requests={"memory": "2Mi"}),
        None,
    ],
    "affinity": [AFFINITY, k8s.V1Affinity(pod_affinity=k8s.V1PodAffinity()), {}],
    "runtime_class_name": ["gvisor"],
    "node_selector": [{"disk": "ssd", "my_key": "x"}, {}],
    "image_pull_secrets": ["one,two", [k8s.V1LocalObjectReference(name="one")], None],
    "service_account_name": ["sa"],
    "automount_service_account_token": [True, False, None],
    "hostnetwork": [True, False],
    "host_aliases": [[k8s.V1HostAlias(ip="1.2.3.4", hostnames=["h"])]],
    "tolerations": [
        [{"key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 3}],
        [k8s.V1Toleration(key="k", operator="Exists", toleration_seconds=3)],
        [],
    ],
    "security_context": [
        {"runAsUser": 5, "fsGroup": 6},
        k8s.V1PodSecurityContext(run_as_user=5, run_as_non_root=False),
        {},
    ],
    "container_security_context": [
        {"allowPrivilegeEscalation": False},
        k8s.V1SecurityContext(capabilities=k8s.V1Capabilities(drop=["ALL"])),
    ],
    "dnspolicy": ["ClusterFirstWithHostNet"],
    "dns_config": [k8s.V1PodDNSConfig(nameservers=["1.1.1.1"])],
    "hostname": ["h"],
    "subdomain": ["s"],
    "schedulername": ["s"],
    "init_containers": [
        [
            k8s.V1Container(name="first", image="i", env=[k8s.V1EnvVar(name="A", value="1")]),
            k8s.V1Container(name="new", image="i"),
        ]
    ],
    "priority_class_name": ["high"],
    "pod_runtime_info_envs": [
        [
            k8s.V1EnvVar(
                name="IP",
                value_from=k8s.V1EnvVarSource(
                    field_ref=k8s.V1ObjectFieldSelector(field_path="status.podIP")
                ),
            )
        ]
    ],
    "termination_grace_period": [5, 0],
    "active_deadline_seconds": [60],
    "termination_message_policy": ["File", "FallbackToLogsOnError"],
    "base_container_name": ["mine"],
}

# What is not about the pod's shape: in test_legacy_operator.py.
OTHERS = {
    "kubernetes_conn_id",
    "namespace",
    "name",
    "random_name_suffix",
    "in_cluster",
    "cluster_context",
    "config_file",
    "reattach_on_restart",
    "durable",
    "startup_timeout_seconds",
    "startup_check_interval_seconds",
    "schedule_timeout_seconds",
    "get_logs",
    "base_container_status_polling_interval",
    "init_container_logs",
    "container_logs",
    "xcom_sidecar_container_security_context",
    "full_pod_spec",
    "log_events_on_failure",
    "log_events_on_startup",
    "do_xcom_push",
    "pod_template_file",
    "pod_template_dict",
    "skip_on_exit_code",
    "deferrable",
    "poll_interval",
    "log_pod_spec_on_failure",
    "on_finish_action",
    "on_kill_action",
    "is_delete_operator_pod",
    "callbacks",
    "progress_callback",
    "logging_interval",
    "trigger_kwargs",
    "container_name_log_prefix_enabled",
    "log_formatter",
}


def parameters_of(operator: type) -> set[str]:
    parameters = inspect.signature(operator.__init__).parameters.values()
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}


def test_every_parameter_is_taken_and_compared() -> None:
    theirs = parameters_of(KubernetesPodOperator)
    assert len(theirs) == 73
    assert set(SHAPING) | OTHERS == theirs
    bases = (c for c in KubernetesLegacyJobOperator.__mro__ if "airflow_kjo" in c.__module__)
    ours = set().union(*(parameters_of(base) for base in bases))
    assert theirs <= ours
    assert {"resources", "node_selectors", "xcom_push"} <= ours


def their_pod(parameters: dict[str, Any]) -> Any:
    operator = KubernetesPodOperator(
        task_id="t", name="n", namespace="ns", kubernetes_conn_id=None, **parameters
    )
    pod = operator.build_pod_request_obj(None, dry_run=True)
    made = ApiClient().sanitize_for_serialization(pod)
    labels = made["metadata"].get("labels", {})
    labels.pop("airflow_version")
    return made


def our_pod(parameters: dict[str, Any]) -> Any:
    operator = KubernetesLegacyJobOperator(task_id="t", name="n", namespace="ns", **parameters)
    return operator.build_pod()


def same(value: Any) -> Any:
    """Leave out what says nothing: empty lists and maps, and False where that is the default."""
    if isinstance(value, dict):
        kept = {key: same(item) for key, item in value.items()}
        return {
            key: item
            for key, item in kept.items()
            if item not in ({}, [], None) and (key, item) not in (("hostNetwork", False), ("image", ""))
        }
    if isinstance(value, list):
        return [same(item) for item in value]
    return value


def assert_same(parameters: Callable[[], dict[str, Any]]) -> None:
    theirs, ours = their_pod(parameters()), our_pod(parameters())
    assert same(ours["spec"]) == same(theirs["spec"])
    for key in ("labels", "annotations"):
        assert same(ours["metadata"]).get(key) == same(theirs["metadata"]).get(key)


CASES = [
    pytest.param(name, value, id=f"{name}-{i}")
    for name, values in SHAPING.items()
    for i, value in enumerate(values)
]


@pytest.mark.parametrize(("name", "value"), CASES)
@pytest.mark.parametrize("over", ["nothing", "file", "dict", "full", "file and full"])
def test_the_pod_is_the_same(name: str, value: Any, over: str, tmp_path: Path) -> None:
    import copy

    import yaml

    base: dict[str, Any] = {}
    if "file" in over:
        base["pod_template_file"] = str(tmp_path / "pod.yaml")
        (tmp_path / "pod.yaml").write_text(TEMPLATE)
    if over == "dict":
        base["pod_template_dict"] = yaml.safe_load(TEMPLATE)
    if "full" in over:
        base["full_pod_spec"] = FULL
    assert_same(lambda: copy.deepcopy({"image": "i", **base, name: value}))


def test_all_parameters_at_once(tmp_path: Path) -> None:
    import copy

    (tmp_path / "pod.yaml").write_text(TEMPLATE)
    every = {name: values[0] for name, values in SHAPING.items()}
    template = {"pod_template_file": str(tmp_path / "pod.yaml"), "full_pod_spec": FULL}
    assert_same(lambda: copy.deepcopy(every))
    assert_same(lambda: copy.deepcopy({**every, **template}))


def test_secrets_as_volumes_are_the_same_but_for_their_names() -> None:
    items = [k8s.V1KeyToPath(key="k", path="p")]
    secrets = [Secret("volume", "/one", "s", items=items), Secret("volume", "/two", "s")]
    theirs, ours = their_pod({"secrets": secrets}), our_pod({"secrets": iter(secrets)})
    for pod in (theirs, ours):
        mounts = pod["spec"]["containers"][0]["volumeMounts"]
        for i, (volume, mount) in enumerate(zip(pod["spec"]["volumes"], mounts, strict=True)):
            assert volume["name"] == mount["name"]
            volume["name"] = mount["name"] = f"secret-{i}"
    assert same(ours["spec"]) == same(theirs["spec"])


def test_what_they_lose_silently_is_kept() -> None:
    """Their client drops the words it knows only by other names."""
    pod = our_pod(
        {
            "affinity": {
                "node_affinity": {"preferred_during_scheduling_ignored_during_execution": []},
                "pod_affinity": {
                    "required_during_scheduling_ignored_during_execution": [
                        {"label_selector": {"match_labels": {"my_app": "x"}}, "topology_key": "z"}
                    ]
                },
            },
            "tolerations": [{"key": "k", "toleration_seconds": 3}],
            "pod_template_dict": {"spec": {"share_process_namespace": True, "future": 1}},
        }
    )
    assert pod["spec"]["affinity"]["podAffinity"] == {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"my_app": "x"}}, "topologyKey": "z"}
        ]
    }
    assert pod["spec"]["tolerations"] == [{"key": "k", "tolerationSeconds": 3}]
    assert (pod["spec"]["shareProcessNamespace"], pod["spec"]["future"]) == (True, 1)


def test_every_name_of_the_client_is_known() -> None:
    """Walk all models below a pod: each attribute must become the word of the API."""
    import re

    seen: set[str] = set()
    wrong: list[tuple[str, str]] = []
    maps: set[str] = set()

    def walk(name: str) -> None:
        model = getattr(k8s, name, None)
        if name in seen or model is None:
            return
        seen.add(name)
        for attribute, word in model.attribute_map.items():
            kind = model.openapi_types[attribute]
            if _models.camel_name(attribute) != word:
                wrong.append((name, attribute))
            if kind.startswith("dict"):
                maps.add(word)
            for inner in re.findall(r"V\d\w+", kind):
                walk(inner)

    walk("V1PodTemplateSpec")
    assert len(seen) > 80
    assert wrong == []
    assert maps <= _models.FREE
