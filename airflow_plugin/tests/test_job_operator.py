from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_kjo import KubernetesJobOperator
from airflow_kjo.exceptions import KjoError, KjoRefusedError
from conftest import FakeKjo

JOB = "kind: Job\nmetadata: {name: j}\n"

Make = Callable[..., FakeKjo]


def flags(fake: FakeKjo) -> list[str]:
    """Return the arguments after those that are always there."""
    argv = fake.call["argv"]
    assert argv[:4] == ["run", "-f", "-", "--result-file"]
    return argv[5:]


def run(operator: KubernetesJobOperator, **context: Any) -> None:
    """Do with a task what Airflow's task runner does."""
    operator.render_template_fields(context)
    operator.execute(context)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, []),
        ({"namespace": "ns"}, ["-n", "ns"]),
        ({"namespace": ""}, []),
        ({"config_file": "/etc/k.yaml"}, ["--kubeconfig", "/etc/k.yaml"]),
        ({"cluster_context": "prod"}, ["--context", "prod"]),
        ({"cluster_context": "prod", "in_cluster": True}, []),
        ({"cluster_context": "prod", "in_cluster": False}, ["--context", "prod"]),
        ({"extra_args": ["--timeout", "5m", "x.yaml"]}, ["--timeout", "5m", "x.yaml"]),
        (
            {"namespace": "{{ ns }}", "config_file": "k", "cluster_context": "{{ ns }}-c"}
            | {"extra_args": ["--run-id", "{{ ns }}"]},
            ["-n", "N", "--kubeconfig", "k", "--context", "N-c", "--run-id", "N"],
        ),
    ],
)
def test_the_arguments(fake_kjo: Make, parameters: dict[str, Any], expected: list[str]) -> None:
    fake = fake_kjo()
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, **parameters), ns="N")
    assert flags(fake) == expected


@pytest.mark.parametrize(
    ("job_yaml", "expected"),
    [
        (JOB, JOB),
        ("kind: Job\nargs: [config.yaml]\nlast: '{{ x }}.yaml'", None),
        ({"kind": "Job", "args": ["c.yaml", "{{ x }}"]}, None),
        ([{"kind": "Job", "a": "{{ x }}"}, {"kind": "Secret"}], None),
    ],
)
def test_the_manifest_is_rendered_and_comes_by_a_pipe(
    fake_kjo: Make, job_yaml: Any, expected: str | None
) -> None:
    fake = fake_kjo()
    run(KubernetesJobOperator(task_id="t", job_yaml=job_yaml), x="X")
    got = fake.call["stdin"]
    if isinstance(job_yaml, str):
        assert got == (expected or job_yaml.replace("{{ x }}", "X") + "\n")
    else:
        documents = [json.loads(part) for part in got.split("---\n")]
        wanted = json.loads(json.dumps(job_yaml).replace("{{ x }}", "X"))
        assert documents == (wanted if isinstance(wanted, list) else [wanted])
    assert fake.call["fd0"] == "fifo"
    assert fake.call["session"] == fake.call["pid"]
    assert "kind" not in " ".join(fake.call["argv"])


def test_the_environment(fake_kjo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_kjo()
    for name in ("AIRFLOW__CORE__FERNET_KEY", "_AIRFLOW_X", "KUBECONFIG", "AIRFLOW_CTX_TASK_ID"):
        monkeypatch.setenv(name, "inherited")
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, env={"EXTRA": "{{ x }}"}), x="X")
    env = fake.call["env"]
    assert not [name for name in env if name.startswith(("AIRFLOW__", "_AIRFLOW"))]
    assert env["EXTRA"] == "X"
    assert env["KUBECONFIG"] == env["AIRFLOW_CTX_TASK_ID"] == "inherited"
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB, in_cluster=True))
    assert "KUBECONFIG" not in fake.call["env"]


def test_in_cluster_and_a_file_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="in_cluster and config_file exclude each other"):
        KubernetesJobOperator(task_id="t", job_yaml=JOB, in_cluster=True, config_file="k")


def test_unknown_and_missing_parameters_raise() -> None:
    with pytest.raises(TypeError, match="no_such"):
        KubernetesJobOperator(task_id="t", job_yaml=JOB, no_such=1)
    with pytest.raises(TypeError, match="job_yaml"):
        KubernetesJobOperator(task_id="t")


def test_the_output_becomes_the_task_log(fake_kjo: Make, task_log: list[str]) -> None:
    fake = fake_kjo("say('50 % done'); say('kjo: note', 2); os.write(1, b'no end \\xff')")
    run(KubernetesJobOperator(task_id="t", job_yaml=JOB))
    assert task_log[0].startswith(f"Running {fake.path} run -f - --result-file ")
    assert task_log[1:] == ["50 % done", "kjo: note", "no end \\xff"]


@pytest.mark.parametrize(
    ("body", "kind", "code", "outcome", "message"),
    [
        ("sys.exit(1)", KjoError, 1, "failed", "kjo: the Job failed: container exit code 1"),
        (
            "result(outcome='failed', exit_code=3, job={'name': 'j-x'}); sys.exit(3)",
            KjoError,
            3,
            "failed",
            "kjo: the Job failed: container exit code 3",
        ),
        ("result(outcome='deleted'); sys.exit(123)", KjoError, 123, "deleted", "deleted by some"),
        ("sys.exit(122)", KjoError, 122, "start_failed", "trying again may help"),
        ("sys.exit(125)", KjoRefusedError, 125, "refused", "would be refused again"),
        ("result(outcome='failed'); sys.exit(125)", KjoError, 125, "failed", "the Job failed"),
        ("os.kill(os.getpid(), 9)", KjoError, 137, "unknown", "SIGKILL"),
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
    for job_yaml, message in ((None, "not NoneType"), ("", "is empty"), ([1], "must be a dict")):
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
    assert type(caught.value) is KjoError


def test_a_kill_before_the_start_starts_nothing(fake_kjo: Make) -> None:
    fake = fake_kjo()
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB)
    operator.on_kill()
    operator.on_kill()
    with pytest.raises(KjoError, match="killed before the Job was made") as caught:
        run(operator)
    assert (caught.value.exit_code, caught.value.outcome) == (143, "interrupted")
    assert not fake.called


def test_a_kill_while_it_runs(
    fake_kjo: Make, task_log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the task runner of Airflow 3 does it: on_kill in the handler of SIGTERM, which returns.
    fake_kjo(
        "def clean_up(*_):\n"
        "    say('deleting job'); time.sleep(1); say('job deleted')\n"
        "    result(outcome='interrupted'); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, clean_up)\n"
        f"os.kill({os.getpid()}, signal.SIGTERM)\n"
        "while True: signal.pause()\n"
    )
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB)
    before = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    try:
        with pytest.raises(KjoError, match="stopped by a signal: exit code 143") as caught:
            run(operator)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.outcome == "interrupted"
    assert task_log[1:] == ["deleting job", "job deleted"]
    operator.on_kill()


@pytest.fixture
def dag(tmp_path: Path) -> DAG:
    (tmp_path / "dags").mkdir()
    dag = DAG("d", schedule=None)
    dag.fileloc = str(tmp_path / "dags" / "d.py")
    return dag


def test_paths_are_read_when_the_dag_is_loaded(fake_kjo: Make, dag: DAG, tmp_path: Path) -> None:
    fake = fake_kjo()
    (tmp_path / "dags" / "job.yaml").write_text("kind: Job\nx: '{{ x }}'\n")
    relative = KubernetesJobOperator(
        task_id="r", dag=dag, job_yaml="job.yaml", config_file="job.yaml", extra_args=["job.yaml"]
    )
    absolute = KubernetesJobOperator(task_id="a", dag=dag, job_yaml=tmp_path / "dags" / "job.yaml")
    for operator in (relative, absolute):
        operator.resolve_template_files()
        assert operator.job_yaml == "kind: Job\nx: '{{ x }}'\n"
        run(operator, x="X")
        assert fake.call["stdin"] == "kind: Job\nx: 'X'\n"
    assert relative.config_file == "job.yaml"
    assert relative.extra_args == ["job.yaml"]


def test_paths_known_only_at_the_run_are_read_then(
    fake_kjo: Make, dag: DAG, tmp_path: Path
) -> None:
    fake = fake_kjo()
    (tmp_path / "dags" / "job.yml").write_text("kind: Job\nx: '{{ x }}'\n")
    operator = KubernetesJobOperator(task_id="t", dag=dag, job_yaml="{{ name }}.yml")
    operator.resolve_template_files()
    run(operator, name="job", x="X")
    assert fake.call["stdin"] == "kind: Job\nx: 'X'\n"


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
