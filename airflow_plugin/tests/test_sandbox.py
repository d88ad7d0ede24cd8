"""The operators, and the recipe without them, with the real kjo on its own sandbox: no cluster."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator, _compat
from airflow_kjo.exceptions import KjoInterruptedError, KjoJobFailedError, KjoRefusedError
from conftest import FakeTaskInstance, run

SEED = (Path(__file__).parent / "dags" / "test-job.yaml").read_text()
SANDBOX = {"extra_args": ["--sandbox"]}


@pytest.fixture(autouse=True)
def kjo(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take the program of the wheel, and no cluster that happens to be configured."""
    (program,) = built.glob("*.data/scripts/kjo")
    program.chmod(0o755)
    monkeypatch.setenv("KJO_BIN", str(program))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


def test_the_first_example(task_log: list[str]) -> None:
    run(KubernetesJobOperator(task_id="test-job", job_yaml=SEED, **SANDBOX))
    legacy = KubernetesLegacyJobOperator(
        task_id="legacy-test-job",
        image="ubuntu",
        cmds=["bash", "-c", 'echo "all ok"'],
        is_delete_operator_pod=True,
        **SANDBOX,
    )
    ti = FakeTaskInstance()
    run(legacy, ti)
    assert "OK" in task_log
    assert "all ok" in task_log
    assert ti.pushed["job_name"].startswith("legacy-test-job-")


def test_a_failure_has_its_code_and_its_report(task_log: list[str]) -> None:
    operator = KubernetesLegacyJobOperator(
        task_id="t", image="i", cmds=["sh", "-c", "echo last words; exit 3"], **SANDBOX
    )
    with pytest.raises(KjoJobFailedError, match=r"container base of pod/.* exited with 3") as caught:
        run(operator)
    assert caught.value.exit_code == 3
    assert "last words" in task_log
    assert any(line.startswith("ERROR kjo: ") for line in task_log)
    operator.skip_on_exit_code = [3]
    with pytest.raises(_compat.AirflowSkipException):
        run(operator)


def test_marker_lines_are_handed_on(task_log: list[str]) -> None:
    text = "echo shown; echo '::kube_api:xcom={\"a\": 1}'; printf '::kube_api:xcom={\"b\": [2]}'"
    ti = FakeTaskInstance()
    operator = KubernetesJobOperator(task_id="t", image="i", command=["sh", "-c", text], **SANDBOX)
    assert run(operator, ti) == {"a": 1, "b": [2]}
    assert (ti.pushed["a"], ti.pushed["b"]) == (1, [2])
    assert "shown" in task_log
    assert not any("kube_api" in line for line in task_log[1:])


def test_kjo_itself_reads_what_is_run(task_log: list[str]) -> None:
    # The plugin's own reader takes neither tags nor a second anchor of a name.
    text = SEED.replace('"OK"', '"OK $0 $WORD"').replace(
        "image: ubuntu", "image: !!str ubuntu\n          env: [{name: &a WORD, value: &a said}]"
    )
    run(KubernetesJobOperator(task_id="t", job_yaml=text, **SANDBOX))
    assert any(line.startswith("OK ") and line.endswith(" said") for line in task_log)
    with pytest.raises(
        KjoRefusedError, match=r"job.yaml.*line 2, column 7: [\s\S]*hint: put text"
    ) as caught:
        run(KubernetesJobOperator(task_id="t", job_yaml="kind: Job\n  spec: {}\n", **SANDBOX))
    # With the line, as the command line shows it.
    assert "  spec: {}" in str(caught.value)


def test_a_skip_is_no_error(task_log: list[str]) -> None:
    operator = KubernetesLegacyJobOperator(
        task_id="t", image="i", cmds=["sh", "-c", "exit 99"], skip_on_exit_code=99, **SANDBOX
    )
    with pytest.raises(_compat.AirflowSkipException):
        run(operator)
    assert any("failed: " in line for line in task_log)
    assert not any(line.startswith("ERROR") for line in task_log)


def test_what_the_cluster_refuses_is_not_tried_again() -> None:
    body = {"kind": "Job", "apiVersion": "batch/v1", "spec": {"paralelism": 1}}
    with pytest.raises(KjoRefusedError, match="paralelism"):
        run(KubernetesJobOperator(task_id="t", job_yaml=body, **SANDBOX))


def test_a_kill_deletes_the_job(task_log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compat, "task_state", lambda *_: "failed")
    operator = KubernetesLegacyJobOperator(
        task_id="t", image="i", cmds=["sh", "-c", "echo begun; exec sleep 300"], **SANDBOX
    )

    def kill_when_begun() -> None:
        while "begun" not in task_log:
            ended.wait(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    killer = threading.Thread(target=kill_when_begun, daemon=True)
    killer.start()
    try:
        with pytest.raises(KjoInterruptedError):
            run(operator)
    finally:
        signal.signal(signal.SIGTERM, before)
    killer.join()
    assert any(line.startswith("kjo: deleted job/t-") for line in task_log)


def bash(command: str, **parameters: Any) -> BashOperator:
    """Make a task by the recipe of docs/airflow.md."""
    return BashOperator(
        task_id="t", bash_command=command, append_env=True, skip_on_exit_code=None, **parameters
    )


def test_the_recipe_without_the_operators() -> None:
    context: Any = {"ti": FakeTaskInstance()}
    command = "exec kjo run --sandbox --quiet --image busybox -e WORD -- sh -c 'echo said $WORD'"
    # The value is not part of any command's text: what is in it is never run.
    word = "$(exit 1); a 'b'"
    assert bash(command, env={"WORD": word}).execute(context) == f"said {word}"
    failing = bash("exec kjo run --sandbox --quiet --image busybox -- sh -c 'exit 99'")
    with pytest.raises(_compat.AirflowException, match="99") as caught:
        failing.execute(context)
    assert not isinstance(caught.value, _compat.AirflowSkipException)
