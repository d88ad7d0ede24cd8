"""A DAG for tests/test_examples_sandbox.py: each kind of XCom."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator


def sh(text: str) -> dict[str, object]:
    return {"image": "busybox", "cmds": ["sh", "-c", text], "do_xcom_push": True}


with DAG("xcoms", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), schedule=None):
    KubernetesJobOperator(
        task_id="markers", image="busybox", command=["echo", '::kube_api:xcom={"said": true}']
    )
    KubernetesLegacyJobOperator(
        task_id="sidecar", **sh("echo '{\"rows\": [1, 2]}' > /airflow/xcom/return.json")
    )
    # Where a container is a plain process, the variable says where the file is.
    KubernetesLegacyJobOperator(
        task_id="termination",
        xcom="termination",
        **sh("echo '[\"told\"]' > ${KJO_TERMINATION_MESSAGE_PATH:-/airflow/xcom/return.json}"),
    )
