from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_kjo import (
    JobRunnerDeletePolicy,
    KubernetesJobOperator,
    KubernetesLegacyJobOperator,
    exceptions,
)
from airflow_kjo._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    airflow_version,
)
from airflow_kjo.exceptions import KjoError, KjoRefusedError
from conftest import FakeKjo, run

JOB = "kind: Job\nmetadata: {name: j}\n"

Make = Callable[..., FakeKjo]


def flags(fake: FakeKjo) -> list[str]:
    """Return the arguments after those that are always there."""
    argv = fake.call["argv"]
    assert argv[:4] == ["run", "-f", "-", "--result-file"]
    assert argv[5:15] == [
        *("--run-id", "site/d/t/manual__1/-1/0"),
        *("--adopt", "loose"),
        *("--adopt-failed", "rerun"),
        *("--die-with-parent", "detach"),
        *("--message-format", "json"),
    ]
    assert argv[15:17] == ["--delete", "on-success"]
    return argv[17:]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, []),
        ({"namespace": "ns"}, ["-n", "ns"]),
        ({"namespace": ""}, []),
        ({"config_file": "/etc/k.yaml"}, ["--kubeconfig", "/etc/k.yaml"]),
        ({"cluster_context": "prod"}, ["--context", "prod"]),
        ({"get_logs": False}, ["--logs", "none"]),
        ({"xcom": "termination"}, ["--xcom", "termination"]),
        ({"cluster_context": "prod", "in_cluster": False}, ["--context", "prod"]),
        ({"extra_args": ["--timeout", "5m", "x.yaml"]}, ["--timeout", "5m", "x.yaml"]),
        (
            {"namespace": "{{ ns }}", "config_file": "k", "cluster_context": "{{ ns }}-c"}
            | {"extra_args": ["--run-id", "{{ ns }}"]},
            ["--context", "N-c", "--kubeconfig", "k", "-n", "N", "--run-id", "N"],
        ),
    ],
)
def test_the_arguments(fake_kjo: Make, parameters: dict[str, Any], expected: list[str]) -> None:
    fake = fake_kjo()
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, **parameters), ns="N")
    shown = parameters.get("get_logs", True)
    assert flags(fake) == [*(["--markers", "hide"] if shown else []), *expected]


LABELS = {
    "dag_id": "d",
    "task_id": "t",
    "run_id": "manual__1",
    "try_number": "1",
    "airflow_version": airflow_version(),
}


def sent(fake: FakeKjo) -> list[dict[str, Any]]:
    return [json.loads(part) for part in fake.call["stdin"].split("---\n")]


def job(name: str = "j", *, spec: Any = None, pod: Any = None, **members: Any) -> dict[str, Any]:
    """Return a Job as it is sent: with the labels, and what is put where nothing was said."""
    template = {"metadata": {"labels": LABELS}, "spec": {"restartPolicy": "Never", **(pod or {})}}
    return {
        "kind": "Job",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {"backoffLimit": 0, "template": template, **(spec or {})},
        **members,
    }


@pytest.mark.parametrize(
    ("job_yaml", "expected"),
    [
        (JOB, [job()]),
        (
            "kind: Job\nmetadata: {name: j}\nargs: [config.yaml]\nlast: '{{ x }}.yaml'",
            [job(args=["config.yaml"], last="X.yaml")],
        ),
        (
            {"kind": "Job", "metadata": {"name": "j"}, "args": ["c.yaml", "{{ x }}"]},
            [job(args=["c.yaml", "X"])],
        ),
        (
            [{"kind": "Secret"}, {"kind": "Job", "metadata": {"name": "j"}, "a": "{{ x }}"}],
            [{"kind": "Secret"}, job(a="X")],
        ),
        # A manifest that says something of them keeps it.
        (
            {
                "kind": "Job",
                "metadata": {"name": "j"},
                "spec": {"backoffLimit": 3, "template": {"spec": {"restartPolicy": "OnFailure"}}},
            },
            [
                job(
                    spec={
                        "backoffLimit": 3,
                        "template": {
                            "metadata": {"labels": LABELS},
                            "spec": {"restartPolicy": "OnFailure"},
                        },
                    }
                )
            ],
        ),
        ({"kind": "Job"}, [job("t")]),
        ({"kind": "Job", "metadata": {"generateName": "g-", "name": "j"}}, None),
    ],
)
def test_the_manifest_is_rendered_and_comes_by_a_pipe(
    fake_kjo: Make, job_yaml: Any, expected: Any
) -> None:
    fake = fake_kjo()
    before = json.dumps(job_yaml)
    run(KubernetesJobOperator(task_id="t", job_yaml=job_yaml), x="X")
    if expected is None:
        assert sent(fake)[0]["metadata"] == {"generateName": "g-", "name": "j", "labels": LABELS}
    else:
        assert sent(fake) == expected
    # What the DAG holds is not changed by a run.
    assert json.dumps(job_yaml) == before
    assert fake.call["fd0"] == "fifo"
    assert fake.call["session"] == fake.call["pid"]
    assert "kind" not in " ".join(fake.call["argv"])


def test_what_is_laid_over_a_manifest(fake_kjo: Make) -> None:
    fake = fake_kjo()
    manifest = [
        {
            "kind": "Job",
            "metadata": {"name": "own", "labels": {"a": "1", "b": "1"}},
            "spec": {
                "template": {
                    "metadata": {"annotations": {"kubernetes_job_operator.main_container": "second"}},
                    "spec": {
                        "imagePullSecrets": [{"name": "theirs"}],
                        "containers": [
                            {"name": "first", "image": "i", "env": [{"name": "E", "value": "old"}]},
                            {"name": "second", "image": "k"},
                        ],
                    },
                }
            },
        },
        {"kind": "ConfigMap", "metadata": {"name": "c"}},
    ]
    operator = KubernetesJobOperator(
        task_id="t",
        body=manifest,
        image="{{ x }}",
        command=["run"],
        arguments=["{{ job.word }}"],
        jinja_job_args={"word": "W"},
        envs={"E": "new", "F": "{{ x }}"},
        image_pull_policy="Never",
        image_pull_secrets=["mine"],
        labels={"a": "2"},
        annotations={"note": "{{ x }}"},
        mount_files_from_secret={"s": {"key": "/etc/file"}},
        name_prefix="Pre",
        name_postfix="post",
    )
    run(operator, x="X")
    sent_job, companion = sent(fake)
    template = sent_job["spec"]["template"]
    first, second = template["spec"]["containers"]
    assert sent_job["metadata"]["name"] == "pre-own-post"
    for metadata in (sent_job["metadata"], template["metadata"]):
        assert metadata["labels"]["a"] == "2"
        assert metadata["annotations"]["note"] == "X"
    assert sent_job["metadata"]["labels"]["b"] == "1"
    assert companion["metadata"]["labels"] == {"a": "2"}
    env = [{"name": "E", "value": "new"}, {"name": "F", "value": "X"}]
    assert first == {
        "name": "first",
        "image": "X",
        "command": ["run"],
        "args": ["W"],
        "imagePullPolicy": "Never",
        "env": env,
        "volumeMounts": [
            {
                "name": "files-from-secret-0",
                "mountPath": "/etc/file",
                "subPath": "key",
                "readOnly": True,
            }
        ],
    }
    assert second == {"name": "second", "image": "k", "env": env}
    assert template["spec"]["volumes"] == [
        {"name": "files-from-secret-0", "secret": {"secretName": "s"}}
    ]
    assert template["spec"]["imagePullSecrets"] == [{"name": "theirs"}, {"name": "mine"}]
    assert flags(fake) == ["--markers", "hide", "--main-container", "second"]


def test_an_image_alone_makes_a_job(fake_kjo: Make) -> None:
    fake = fake_kjo()
    run(KubernetesJobOperator(task_id="My_Task", image="i", command=["c"], arguments=["a"]))
    (made,) = sent(fake)
    assert (made["apiVersion"], made["metadata"]["name"]) == ("batch/v1", "my-task")
    containers = [{"name": "main", "image": "i", "command": ["c"], "args": ["a"]}]
    assert made["spec"]["template"]["spec"] == {"containers": containers, "restartPolicy": "Never"}


def test_the_job_that_is_chosen_is_the_one_that_is_changed(fake_kjo: Make) -> None:
    fake = fake_kjo()
    body = [{"kind": "Job", "metadata": {"name": name}} for name in ("one", "two")]
    extra = ["--job", "two"]
    run(KubernetesJobOperator(task_id="t", job_yaml=body, name_prefix="pre", extra_args=extra))
    chosen, other = sent(fake)
    assert chosen == job("pre-two")
    assert other == {"kind": "Job", "metadata": {"name": "one"}}
    assert flags(fake) == ["--markers", "hide", "--job=job/pre-two"]


def test_the_template_of_a_cronjob_is_run(fake_kjo: Make) -> None:
    fake = fake_kjo()
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {
        "kind": "CronJob",
        "metadata": {"name": "c"},
        "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}},
    }
    run(KubernetesJobOperator(task_id="t", job_yaml=[body, {"kind": "ConfigMap"}]))
    made, _ = sent(fake)
    assert (made["kind"], made["metadata"]["name"], made["spec"]["backoffLimit"]) == ("Job", "c", 0)
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert "schedule" not in made["spec"]


def with_pod(**pod: Any) -> dict[str, Any]:
    return {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": pod}}


def with_container(**container: Any) -> dict[str, Any]:
    return with_pod(spec={"containers": [{"name": "a", **container}]})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"env": {"A": ["x"]}}, r"env\[A\] must be text, not list"),
        ({"env": 5}, "env must be a dict, not int"),
        (
            {"job_yaml": with_container(env={"A": "b"}), "envs": {"A": "b"}},
            "container.env must be a list",
        ),
        ({"job_yaml": with_container(env=["A=b"]), "envs": {"A": "b"}}, "container.env must be a list"),
        (
            {"job_yaml": with_pod(metadata={"annotations": ["a"]})},
            "annotations must be a mapping",
        ),
        (
            {
                "job_yaml": with_pod(spec={"volumes": {"a": 1}, "containers": [{"name": "a"}]}),
                "mount_files_from_secret": {"a": {"k": "/x"}},
            },
            "pod.volumes must be a list",
        ),
        ({"config_file": ["x"]}, "config_file must be text, not list"),
        ({"cluster_context": ["x"]}, "cluster_context must be text, not list"),
        ({"job_yaml": None, "job_yaml_filepath": 5}, "job_yaml_filepath must be a path, not int"),
    ],
)
def test_an_odd_parameter_is_refused_by_name(
    fake_kjo: Make, parameters: dict[str, Any], message: str
) -> None:
    fake = fake_kjo()
    with pytest.raises(KjoRefusedError, match="t: .*" + message):
        run(KubernetesJobOperator(task_id="t", **{"job_yaml": JOB, **parameters}))
    assert not fake.called


def test_numbers_in_the_environment_are_text(fake_kjo: Make) -> None:
    fake = fake_kjo()
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, env={"A": 1}))  # type: ignore[dict-item]
    assert fake.call["env"]["A"] == "1"


def test_whatever_else_is_wrong_with_a_parameter_is_refused(fake_kjo: Make) -> None:
    fake = fake_kjo()

    class Mine(KubernetesJobOperator):
        def kjo_arguments(self) -> list[str]:
            return [None.no_such]  # type: ignore[attr-defined]

    with pytest.raises(KjoRefusedError, match=r"not what it must be: AttributeError: .*no_such"):
        run(Mine(task_id="t", job_yaml=JOB))
    assert not fake.called


@pytest.mark.parametrize("code", ["3", [1, "3"], range(2, 5), (3,)])
def test_exit_codes_that_skip_may_be_text(fake_kjo: Make, code: Any) -> None:
    fake_kjo("result(outcome='failed'); sys.exit(3)")
    with pytest.raises(AirflowSkipException):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, skip_on_exit_code=code))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"skip_on_exit_code": "x"}, "skip_on_exit_code must be an exit code"),
        ({"skip_on_exit_code": [True]}, "skip_on_exit_code must be an exit code"),
        ({"kill_timeout": "soon"}, "kill_timeout must be a number of seconds, not str"),
        ({"kill_timeout": -1}, "kill_timeout must be a number of seconds, not -1"),
    ],
)
def test_what_is_wrong_from_the_beginning(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KubernetesJobOperator(task_id="t", job_yaml=JOB, **parameters)


@pytest.mark.parametrize("parameter", ["on_finish_action", "on_kill_action", "delete_policy", "adopt"])
def test_what_is_wrong_from_the_beginning_names_the_task(parameter: str) -> None:
    with pytest.raises(ValueError, match=f"^my_task: {parameter} must be"):
        KubernetesLegacyJobOperator(task_id="my_task", image="i", **{parameter: "x"})


def test_one_manifest_and_no_more() -> None:
    with pytest.raises(ValueError, match="one of job_yaml, job_yaml_filepath and image is needed"):
        KubernetesJobOperator(task_id="t")
    with pytest.raises(ValueError, match="job_yaml and body_filepath exclude each other"):
        KubernetesJobOperator(task_id="t", job_yaml=JOB, body_filepath="x")


def test_what_means_nothing_is_named_once(fake_kjo: Make, task_log: list[str]) -> None:
    fake_kjo()
    operator = KubernetesJobOperator(
        task_id="t",
        job_yaml=JOB,
        startup_timeout_seconds=5,
        random_name_postfix_length=3,
        deferrable=True,
    )
    run(operator)
    (line,) = [line for line in task_log if "Not applied" in line]
    assert line.endswith(
        ": deferrable (it runs in the ordinary way), random_name_postfix_length, startup_timeout_seconds"
    )


def test_markers_are_read_without_showing_logs(fake_kjo: Make, task_log: list[str]) -> None:
    markers = {"xcom": {}, "events": [{"name": "a", "value": "1"}], "errors": []}
    fake = fake_kjo(f"say('noise'); result(outcome='succeeded', markers={markers!r})")
    seen: list[str] = []
    operator = KubernetesJobOperator(
        task_id="t",
        job_yaml=JOB,
        get_logs=False,
        on_kube_api_event=lambda event, _: seen.append(event.line),
    )
    run(operator)
    assert flags(fake) == ["--markers", "hide"]
    assert seen == ["::kube_api:a=1"]
    assert "noise" not in task_log


def test_a_task_can_be_copied_after_its_run(fake_kjo: Make) -> None:
    fake_kjo()
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB)
    run(operator)
    assert operator.process is None
    assert copy.deepcopy(operator).job_yaml == operator.job_yaml


@pytest.mark.parametrize(
    "written", ["say('error: unexpected --nope', 2); say('hint: see help', 2)", None]
)
def test_without_a_result_file_kjos_own_words_are_in_the_exception(
    fake_kjo: Make, written: str | None
) -> None:
    said = written or "event('refused', 'error', 'error: unexpected --nope', hint='see help')"
    fake_kjo(f"{said}; sys.exit(125)")
    with pytest.raises(KjoRefusedError, match=r"\(unexpected --nope\)\nhint: see help$"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, extra_args=["--nope"]))


def test_without_jinja_braces_are_text(fake_kjo: Make) -> None:
    fake = fake_kjo()
    body = {"kind": "Job", "metadata": {"name": "j"}, "a": "{{ x }}"}
    run(KubernetesJobOperator(task_id="t", body=body, enable_jinja=False), x="X")
    assert sent(fake) == [job(a="{{ x }}")]


def test_a_bad_manifest_is_told_with_its_place(fake_kjo: Make) -> None:
    fake = fake_kjo()
    bad = "kind: Job\n  spec: {}"
    with pytest.raises(KjoRefusedError, match=r"t: job_yaml is not valid YAML: line 2, column 7"):
        run(KubernetesJobOperator(task_id="t", job_yaml=bad))
    with pytest.raises(KjoRefusedError, match=r"line 2, column 7"):
        KubernetesJobOperator(task_id="t", job_yaml=bad, validate_body_on_init=True)
    KubernetesJobOperator(task_id="t", job_yaml=bad + "{{ x }}", validate_body_on_init=True)
    assert not fake.called


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        (None, "on-success"),
        ("never", "never"),
        ("ALWAYS", "always"),
        (JobRunnerDeletePolicy.IfFailed, "on-failure"),
        ("IfSucceeded", "on-success"),
    ],
)
def test_the_delete_policy(fake_kjo: Make, given: Any, flag: str) -> None:
    fake = fake_kjo()
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, delete_policy=given))
    argv = fake.call["argv"]
    assert argv[argv.index("--delete") + 1] == flag


def test_no_delete_policy() -> None:
    with pytest.raises(
        ValueError, match=r"^t: delete_policy must be one of Never, Always, IfFailed, IfSucceeded"
    ):
        KubernetesJobOperator(task_id="t", job_yaml=JOB, delete_policy="sometimes")


def test_the_environment(fake_kjo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_kjo()
    for name in ("AIRFLOW__CORE__FERNET_KEY", "_AIRFLOW_X", "KUBECONFIG", "AIRFLOW_CTX_TASK_ID"):
        monkeypatch.setenv(name, "inherited")
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, env={"EXTRA": "{{ x }}"}), x="X")
    env = fake.call["env"]
    assert not [name for name in env if name.startswith(("AIRFLOW__", "_AIRFLOW"))]
    assert env["EXTRA"] == "X"
    assert env["KUBECONFIG"] == env["AIRFLOW_CTX_TASK_ID"] == "inherited"


def test_in_cluster_and_a_file_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="in_cluster and config_file exclude each other"):
        KubernetesJobOperator(task_id="t", job_yaml=JOB, in_cluster=True, config_file="k")


def test_unknown_and_missing_parameters_raise() -> None:
    with pytest.raises((TypeError, AirflowException), match="no_such"):
        KubernetesJobOperator(task_id="t", job_yaml=JOB, no_such=1)


def test_the_output_becomes_the_task_log(fake_kjo: Make, task_log: list[str]) -> None:
    fake = fake_kjo(
        "event('created', message='created job/j', job='j', hint='look')\n"
        "event('stalled', 'warning', 'no node\\nfits'); event('finished', 'error', 'failed')\n"
        "event('request', 'debug', 'GET'); say('error: bad flag', 2); say('[1]', 2)\n"
        "say('50 % done'); os.write(1, b'no end \\xff')"
    )
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    assert task_log[0].startswith(f"Running {fake.path} run -f - --result-file ")
    said = [line for line in task_log[1:] if "kjo: " in line]
    assert said == [
        "kjo: created job/j",
        "kjo: hint: look",
        "WARNING kjo: no node",
        "WARNING kjo: fits",
        "ERROR kjo: failed",
        "kjo: GET",
        "WARNING kjo: error: bad flag",
        "WARNING kjo: [1]",
    ]
    assert [line for line in task_log[1:] if line not in said] == ["50 % done", "no end \\xff"]


@pytest.mark.parametrize(
    ("body", "kind", "code", "outcome", "message"),
    [
        (
            "sys.exit(1)",
            exceptions.KjoJobFailedError,
            1,
            "failed",
            "kjo: the Job failed: container exit code 1",
        ),
        (
            "result(outcome='failed', exit_code=3, job={'name': 'j-x'}); sys.exit(3)",
            exceptions.KjoJobFailedError,
            3,
            "failed",
            "kjo: the Job failed: container exit code 3",
        ),
        (
            "result(outcome='deleted'); sys.exit(123)",
            exceptions.KjoDeletedError,
            123,
            "deleted",
            "deleted by some",
        ),
        ("sys.exit(122)", exceptions.KjoStartError, 122, "start_failed", "trying again may help"),
        ("sys.exit(125)", KjoRefusedError, 125, "refused", "would be refused again"),
        (
            "result(outcome='failed'); sys.exit(125)",
            exceptions.KjoJobFailedError,
            125,
            "failed",
            "the Job failed",
        ),
        ("os.kill(os.getpid(), 9)", exceptions.KjoUnknownError, 137, "unknown", "SIGKILL"),
    ],
)
def test_the_exit_code_becomes_the_outcome(
    fake_kjo: Make, body: str, kind: type[KjoError], code: int, outcome: str, message: str
) -> None:
    fake = fake_kjo(body)
    with pytest.raises(KjoError, match=message) as caught:
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    assert type(caught.value) is kind
    assert (caught.value.exit_code, caught.value.outcome) == (code, outcome)
    assert caught.value.job == ({"name": "j-x"} if "j-x" in body else {})
    assert isinstance(caught.value, AirflowFailException) == (kind is KjoRefusedError)
    # The folder of the result file went with the run.
    assert not Path(fake.call["argv"][4]).parent.exists()


def test_the_result_file_is_in_a_private_folder(fake_kjo: Make, task_log: list[str]) -> None:
    fake_kjo(
        "folder = os.path.dirname(sys.argv[5])\n"
        "say(oct(os.stat(folder).st_mode)); say(str(os.listdir(folder)))"
    )
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    assert task_log[1:] == ["0o40700", "[]"]


def test_no_program_and_no_manifest_fail_without_a_retry(
    fake_kjo: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = fake_kjo()
    for job_yaml, message in ((5, "not int"), ("", "is empty"), ([1], "must be a dict")):
        with pytest.raises(KjoRefusedError, match=message):
            run(KubernetesJobOperator(task_id="t", job_yaml=job_yaml))
    monkeypatch.setenv("KJO_BIN", "/no/such/kjo")
    with pytest.raises(KjoRefusedError, match="/no/such/kjo, given by the environment"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    with pytest.raises(KjoRefusedError, match="/other, given by the operator's kjo_bin"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, kjo_bin="/other"))
    monkeypatch.setenv("AIRFLOW__KJO__BINARY", "/configured")
    with pytest.raises(KjoRefusedError, match=r"/configured, given by .* \[kjo\] binary"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    assert not fake.called


def test_what_is_no_program_can_be_retried(fake_kjo: Make) -> None:
    fake_kjo().path.write_text("neither script nor ELF")
    with pytest.raises(KjoError, match="cannot be started") as caught:
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    assert type(caught.value) is exceptions.KjoError
