from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from airflow.providers.cncf.kubernetes.utils.pod_manager import OnFinishAction
from kubernetes.client import models as k8s

from airflow_kjo import KubernetesLegacyJobOperator
from airflow_kjo._compat import AirflowException, AirflowSkipException, airflow_version
from airflow_kjo._manifest import job_name
from airflow_kjo._models import environment
from airflow_kjo.exceptions import KjoJobFailedError, KjoRefusedError, KjoStartError
from conftest import DAG, FakeKjo, FakeTaskInstance
from conftest import run as run_task

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
    run_task(operator, x="X")
    manifest: dict[str, Any] = json.loads(fake.call["stdin"])
    return manifest


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    assert only.pop("terminationMessagePolicy") == "File"
    return only


def flags(fake: FakeKjo) -> list[str]:
    argv: list[str] = fake.call["argv"]
    return argv[argv.index("json") + 1 :]


def test_the_manifest(fake_kjo: Make) -> None:
    labels = {
        "dag_id": "d",
        "task_id": "t",
        "run_id": "manual__1",
        "try_number": "1",
        "airflow_version": airflow_version(),
    }
    assert run(
        fake_kjo(),
        task_id="legacy-test-job",
        image="ubuntu:{{ x }}",
        cmds=["bash", "-c", 'echo "all {{ x }}"'],
        arguments=["{{ x }}", "b.yaml"],
        env_vars={"{{ x }}": "{{ x }}"},
        labels={"mine": "{{ x }}", "dag_id": "overwritten"},
        annotations={"note": "{{ x }}"},
        backoff_limit=2,
        ttl_seconds_after_finished=60,
        parallelism=3,
        completions=4,
    ) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "legacy-test-job",
            "labels": {"mine": "X", **labels},
            "annotations": {"note": "X"},
        },
        "spec": {
            "backoffLimit": 2,
            "ttlSecondsAfterFinished": 60,
            "parallelism": 3,
            "completions": 4,
            "template": {
                "metadata": {"labels": {"mine": "X", **labels}, "annotations": {"note": "X"}},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [
                        {
                            "name": "base",
                            "image": "ubuntu:X",
                            "command": ["bash", "-c", 'echo "all X"'],
                            "args": ["X", "b.yaml"],
                            "env": [{"name": "X", "value": "X"}],
                            "terminationMessagePolicy": "File",
                        }
                    ],
                },
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
        environment("env_vars", env_vars)
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
def test_lists_of_strings_are_nothing_else(fake_kjo: Make, name: str, value: Any, message: str) -> None:
    fake = fake_kjo()
    with pytest.raises(KjoRefusedError, match=name + message):
        run(fake, **{name: value})
    assert not fake.called


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ({"is_delete_operator_pod": True}, "always"),
        ({"is_delete_operator_pod": False}, "never"),
        ({}, "always"),
        ({"on_finish_action": "delete_pod"}, "always"),
        ({"on_finish_action": "delete_succeeded_pod"}, "on-success"),
        ({"on_finish_action": OnFinishAction.DELETE_ACTIVE_POD}, "never"),
        ({"on_finish_action": "keep_pod"}, "never"),
        ({"on_finish_action": "keep_pod", "is_delete_operator_pod": True}, "always"),
        ({"delete_policy": "IfFailed"}, "on-failure"),
    ],
)
def test_the_delete_policy(fake_kjo: Make, given: dict[str, Any], policy: str) -> None:
    fake = fake_kjo()
    run(fake, **given, namespace="n", extra_args=["--timeout", "1m"])
    assert flags(fake) == ["--delete", policy, "-n", "n", "--timeout", "1m"]


TWO = {
    "init_containers": [{"name": "prepare", "image": "i"}],
    "pod_template_dict": {"spec": {"containers": [{"name": "a"}, {"name": "side", "image": "i"}]}},
}
MAIN = ["--main-container", "base"]
PREFIX = ["--prefix", "always"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"startup_timeout_seconds": 90}, ["--schedule-timeout", "90s", "--startup-timeout", "90s"]),
        ({"schedule_timeout_seconds": 1.5}, ["--schedule-timeout", "1.5s"]),
        (
            {"startup_timeout_seconds": 90, "schedule_timeout_seconds": 5},
            ["--schedule-timeout", "5s", "--startup-timeout", "90s"],
        ),
        ({"get_logs": False}, ["--logs", "none"]),
        ({"get_logs": False, "container_logs": "base"}, ["--logs", "none"]),
        ({"container_logs": "base"}, []),
        (TWO, [*MAIN, *PREFIX]),
        ({**TWO, "get_logs": False}, ["--logs", "none", *MAIN]),
        ({**TWO, "parallelism": 2}, MAIN),
        ({**TWO, "container_name_log_prefix_enabled": False}, [*MAIN, "--prefix", "never"]),
        ({**TWO, "container_logs": "base"}, [*MAIN, "-c", "base"]),
        ({**TWO, "container_logs": ["side"]}, [*MAIN, "-c", "side"]),
        ({**TWO, "container_logs": True}, [*MAIN, "-c", "base", "-c", "side", *PREFIX]),
        ({**TWO, "init_container_logs": True}, [*MAIN, "-c", "base", "-c", "prepare", *PREFIX]),
        ({**TWO, "container_logs": True, "init_container_logs": True}, [*MAIN, *PREFIX]),
        ({**TWO, "base_container_name": "mine"}, ["--main-container", "mine", *PREFIX]),
        ({"container_name_log_prefix_enabled": False}, ["--prefix", "never"]),
        ({"log_formatter": lambda container, line: line}, ["--prefix", "always"]),
        ({"do_xcom_push": True}, ["--markers", "hide", "--xcom", "sidecar"]),
        ({"xcom_push": True}, ["--markers", "hide", "--xcom", "sidecar"]),
        ({"do_xcom_push": True, "xcom": "termination"}, ["--markers", "hide", "--xcom", "termination"]),
        ({"xcom_push": False}, []),
    ],
)
def test_the_flags(fake_kjo: Make, given: dict[str, Any], expected: list[str]) -> None:
    fake = fake_kjo()
    run(fake, **given)
    assert flags(fake) == ["--delete", "always", *expected]


@pytest.mark.parametrize(
    ("given", "adopt"),
    [
        ({}, "loose"),
        ({"durable": False}, "never"),
        ({"reattach_on_restart": False}, "never"),
        ({"durable": True, "reattach_on_restart": False}, "loose"),
    ],
)
def test_whether_a_job_is_adopted(fake_kjo: Make, given: dict[str, Any], adopt: str) -> None:
    fake = fake_kjo()
    run(fake, **given)
    argv = fake.call["argv"]
    assert argv[argv.index("--adopt") + 1] == adopt


def test_the_formatter_gets_the_container_and_the_line(fake_kjo: Make, task_log: list[str]) -> None:
    fake = fake_kjo("say('[t-x-abcde base] [x] one'); say('no prefix')")
    run(fake, log_formatter=lambda container, line: f"{container}<{line}>")
    assert task_log[1:] == ["base<[x] one>", "no prefix"]


def test_older_spellings(fake_kjo: Make) -> None:
    class Port:
        name, container_port = "http", 80

    class Volume:
        name = "v"
        configs: ClassVar = {"hostPath": {"path": "/p"}}

    class VolumeMount:
        name, mount_path, sub_path, read_only = "v", "/m", None, True

    class PodRuntimeInfoEnv:
        name, field_path = "IP", "status.podIP"

    class Converts:
        def to_k8s_client_obj(self) -> Any:
            return {"name": "w", "emptyDir": {}}

    manifest = run(
        fake_kjo(),
        resources={"request_cpu": "1", "limit_memory": "2Gi", "limit_gpu": 1, "limit_cpu": None},
        node_selectors={"disk": "{{ x }}"},
        ports=[Port()],
        volumes=[Volume(), Converts()],
        volume_mounts=[VolumeMount()],
        pod_runtime_info_envs=iter([PodRuntimeInfoEnv()]),
        image_pull_secrets="one, two",
        service_account_name="default",
        image_pull_policy="IfNotPresent",
    )
    spec = manifest["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"disk": "X"}
    assert spec["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert spec["volumes"] == [
        {"name": "v", "hostPath": {"path": "/p"}},
        {"name": "w", "emptyDir": {}},
    ]
    assert container(manifest) == {
        "name": "base",
        "image": "i",
        "imagePullPolicy": "IfNotPresent",
        "resources": {
            "requests": {"cpu": "1"},
            "limits": {"memory": "2Gi", "nvidia.com/gpu": 1},
        },
        "ports": [{"name": "http", "containerPort": 80}],
        "volumeMounts": [{"name": "v", "mountPath": "/m", "readOnly": True}],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    }


def test_templates_reach_into_model_objects(fake_kjo: Make) -> None:
    manifest = run(
        fake_kjo(),
        env_vars=[k8s.V1EnvVar(name="A_{{ x }}", value="{{ x }}")],
        volumes=[
            k8s.V1Volume(
                name="v",
                persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name="{{ x }}"),
            )
        ],
        volume_mounts=[k8s.V1VolumeMount(name="v", mount_path="/v", sub_path="{{ x }}")],
        container_resources=k8s.V1ResourceRequirements(limits={"cpu": "{{ x }}"}),
        env_from=[k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name="{{ x }}"))],
    )
    text = json.dumps(manifest)
    assert "{{" not in text
    assert text.count('"X"') == 5
    assert container(manifest)["env"] == [{"name": "A_X", "value": "X"}]


def test_a_template_may_be_text_or_a_file_beside_the_dag(fake_kjo: Make, tmp_path: Any) -> None:
    text = (
        "metadata: {namespace: theirs, name: given}\nspec: {containers: [{name: x, image: '{{ x }}'}]}\n"
    )
    fake = fake_kjo()
    manifest = run(fake, image=None, pod_template_file=text)
    assert manifest["metadata"]["name"] == "given"
    assert manifest["metadata"]["namespace"] == "theirs"
    assert flags(fake)[-2:] == ["-n", "theirs"]
    assert container(manifest) == {"name": "base", "image": "X"}
    assert "name" not in manifest["spec"]["template"]["metadata"]

    dag = DAG("d", schedule=None)
    dag.fileloc = str(tmp_path / "d.py")
    (tmp_path / "pod.yaml").write_text("spec: {containers: [{image: file}]}")
    manifest = run(fake, image=None, dag=dag, task_id="u", pod_template_file="pod.yaml")
    assert container(manifest) == {"name": "base", "image": "file"}
    with pytest.raises(KjoRefusedError, match="no such file in"):
        run(fake, task_id="v", dag=dag, pod_template_file="gone.yaml")
    with pytest.raises(KjoRefusedError, match=r"pod_template_file is not valid YAML: line 2, column"):
        run(fake, pod_template_file="a: 1\n b: 2\n")


def test_subclasses_go_on_working(fake_kjo: Make) -> None:
    class Mine(KubernetesLegacyJobOperator):
        BASE_CONTAINER_NAME = "mine"

        def __init__(self, *, extra: str, **kwargs: Any) -> None:
            super().__init__(image="i", **kwargs)
            self.env_vars = [k8s.V1EnvVar(name="EXTRA", value=extra)]

        def execute(self, context: Any) -> Any:
            self.env_vars.append(k8s.V1EnvVar(name="LATE", value="1"))
            self.arguments = ["late"]
            return super().execute(context)

    fake = fake_kjo()
    run_task(Mine(task_id="t", extra="{{ x }}"), x="X")
    made = container(json.loads(fake.call["stdin"]))
    assert (made["name"], made["args"]) == ("mine", ["late"])
    assert made["env"] == [{"name": "EXTRA", "value": "X"}, {"name": "LATE", "value": "1"}]


def test_what_means_nothing_is_named_once(fake_kjo: Make, task_log: list[str]) -> None:
    run(
        fake_kjo(),
        callbacks=[object()],
        progress_callback=print,
        poll_interval=1,
        logging_interval=5,
        trigger_kwargs={"a": 1},
        startup_check_interval_seconds=1,
        base_container_status_polling_interval=1,
        random_name_suffix=False,
        deferrable=True,
        log_events_on_failure=True,
    )
    (line,) = [line for line in task_log if line.startswith("WARNING")]
    assert line.rpartition(": ")[2].split(", ") == [
        "base_container_status_polling_interval",
        "callbacks",
        "deferrable (it runs in the ordinary way)",
        "logging_interval",
        "poll_interval",
        "progress_callback",
        "random_name_suffix",
        "startup_check_interval_seconds",
        "trigger_kwargs",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on_finish_action": "burn"}, "on_finish_action must be one of delete_pod"),
        ({"on_kill_action": "burn"}, "on_kill_action must be delete_pod or keep_pod"),
        ({"xcom": "exec"}, "xcom must be one of"),
        ({"on_worker_shutdown": "wait"}, "on_worker_shutdown must be one of"),
        ({"adopt": "all"}, "adopt must be one of"),
        ({"in_cluster": True, "config_file": "k"}, "exclude each other"),
    ],
)
def test_values_that_are_none(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KubernetesLegacyJobOperator(task_id="t", image="i", **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"secrets": [object()]}, r"secrets\[0\] must be a Secret of Airflow's"),
        ({"labels": ["a"]}, "labels must be a dict, not list"),
        ({"volumes": "v"}, "volumes must be a list, not str"),
        ({"affinity": "a"}, "affinity must be a dict, not str"),
    ],
)
def test_parameters_of_another_shape_are_refused(
    fake_kjo: Make, given: dict[str, Any], message: str
) -> None:
    fake = fake_kjo()
    with pytest.raises(KjoRefusedError, match=message):
        run(fake, **given)
    assert not fake.called


@pytest.mark.parametrize(("code", "skips"), [(99, True), (3, True), (4, False)])
@pytest.mark.parametrize("codes", [(99, 3), {99, 3}, range(3, 100, 96)])
def test_codes_that_skip(fake_kjo: Make, code: int, skips: bool, codes: Any) -> None:
    fake = fake_kjo(f"result(outcome='failed', container_exit_code={code}); sys.exit({code})")
    expected = AirflowSkipException if skips else KjoJobFailedError
    with pytest.raises(expected):
        run(fake, skip_on_exit_code=codes)


def test_a_code_of_kjos_own_skips_nothing(fake_kjo: Make) -> None:
    fake = fake_kjo("result(outcome='start_failed', container_exit_code=None); sys.exit(122)")
    with pytest.raises(KjoStartError):
        run(fake, skip_on_exit_code=122)


def test_the_same_task_makes_the_same_job_in_every_try(fake_kjo: Make) -> None:
    """A retry adopts the Job of the try before: it may differ in nothing but a label."""
    fake = fake_kjo()

    class Secret:
        deploy_type, deploy_target, secret, key = "volume", "/s", "s", None

    made = []
    for number in (1, 2):
        operator = KubernetesLegacyJobOperator(task_id="t", image="i", secrets=[Secret()])
        run_task(operator, FakeTaskInstance(try_number=number, max_tries=0))
        made.append(fake.call["stdin"].replace(f'"try_number": "{number}"', "-"))
    assert made[0] == made[1]


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
    assert run(fake_kjo(), name="My {{ x }}")["metadata"]["name"] == "my-x"


def test_nothing_unknown_is_taken() -> None:
    with pytest.raises((TypeError, AirflowException), match="no_such"):
        KubernetesLegacyJobOperator(task_id="t", image="i", no_such=1)
