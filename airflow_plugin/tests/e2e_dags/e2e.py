"""DAGs for tests/test_e2e.py: each way in which a task can end."""

from __future__ import annotations

from datetime import timedelta

from airflow import DAG

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator

IMAGE = "busybox"


def sh(text: str) -> dict[str, object]:
    return {"image": IMAGE, "cmds": ["sh", "-c", text]}


WRITES = "mkdir -p /airflow/xcom; echo '{\"rows\": [1, 2]}' > /airflow/xcom/return.json; echo wrote"

with DAG("ends", schedule=None):
    KubernetesLegacyJobOperator(task_id="succeeds", **sh("echo all ok"))
    KubernetesLegacyJobOperator(task_id="fails", **sh("echo about to fail; exit 3"))
    KubernetesLegacyJobOperator(task_id="skips", skip_on_exit_code=99, **sh("exit 99"))
    KubernetesJobOperator(
        task_id="bad_yaml",
        job_yaml="kind: Job\n  spec: {}\n",
        retries=5,
        retry_delay=timedelta(seconds=1),
    )
    KubernetesJobOperator(task_id="no_binary", image=IMAGE, kjo_bin="/no/such/kjo")
    KubernetesLegacyJobOperator(task_id="sidecar", do_xcom_push=True, **sh(WRITES))
    KubernetesLegacyJobOperator(
        task_id="termination", do_xcom_push=True, xcom="termination", **sh(WRITES)
    )
    KubernetesJobOperator(
        task_id="markers",
        image=IMAGE,
        command=[
            "sh",
            "-c",
            "echo shown; echo '::kube_api:xcom={\"a\": 1}'; printf '::kube_api:xcom={\"b\": 2}'",
        ],
        multiple_outputs=True,
    )
    KubernetesLegacyJobOperator(
        task_id="cut", do_xcom_push=True, xcom="termination", **sh(WRITES.replace("}'", "'"))
    )
    KubernetesLegacyJobOperator.partial(task_id="mapped", image=IMAGE, cmds=["echo"]).expand(
        arguments=[["one"], ["two"]]
    )
    KubernetesJobOperator(
        task_id="secret",
        job_yaml="""
apiVersion: v1
kind: Secret
metadata: {name: word}
stringData: {word: "hunter2-{{ run_id }}"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: secret}
spec:
  template:
    spec:
      containers:
        - name: main
          image: busybox
          command: [sh, -c, 'echo "said $WORD" | tr h H']
          env: [{name: WORD, valueFrom: {secretKeyRef: {name: word, key: word}}}]
""",
    )
    KubernetesLegacyJobOperator(
        task_id="burst",
        **sh("i=0; while [ $i -lt 50000 ]; do echo line $i of a burst; i=$((i+1)); done"),
    )

with DAG("long", schedule=None):
    KubernetesLegacyJobOperator(
        task_id="job",
        retries=1,
        retry_delay=timedelta(seconds=1),
        termination_grace_period=1,
        **sh("echo begun; for i in $(seq {{ params.seconds }}); do sleep 1; done; echo over"),
        params={"seconds": 45},
    )

with DAG("outage", schedule=None):
    # The next try comes when Airflow's API is there again.
    KubernetesLegacyJobOperator(
        task_id="job",
        retries=1,
        retry_delay=timedelta(seconds=40),
        termination_grace_period=1,
        **sh("echo begun; for i in $(seq 100); do sleep 1; done; echo over"),
    )

with DAG("last_try", schedule=None):
    KubernetesLegacyJobOperator(task_id="job", termination_grace_period=1, **sh("echo begun; sleep 300"))

with DAG("times_out", schedule=None):
    KubernetesLegacyJobOperator(
        task_id="job",
        execution_timeout=timedelta(seconds=10),
        termination_grace_period=1,
        **sh("echo begun; sleep 300"),
    )
